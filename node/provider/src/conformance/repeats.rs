//! C6: every call twice, the second with the first one's answer; and what must not be repeatable is not.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use nupeer_plugin_protocol::v1::{AttestRequest, PauseRequest, RecoverState, Wipe};
use nupeer_plugin_protocol::{Capability, Reason};

use super::{Bench, Steps};
use crate::plugin_host::reason_of;

const ID: &str = "lease-c6/web";

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let plugin = bench.plugin()?;
    let spec = bench.spec(ID, 1);
    let unprepared = plugin.start(ID, 1).await;
    ensure!(
        unprepared.as_ref().err().and_then(reason_of) == Some(Reason::NotPrepared),
        "Start unprepared: {unprepared:?}"
    );
    let absent = plugin.stop(ID, 1, 0, Duration::ZERO).await;
    ensure!(absent.as_ref().err().and_then(reason_of) == Some(Reason::NotFound), "Stop of nothing: {absent:?}");
    steps.done("Start before Prepare: NotPrepared; Stop of nothing: NotFound");

    let (first, second) = (plugin.check(spec.clone()).await?, plugin.check(spec.clone()).await?);
    ensure!(first == second && first.ok, "Check: {first:?} then {second:?}");
    ensure!(plugin.list().await?.is_empty(), "Check left a workload");
    let (first, second) = (bench.prepare(spec.clone()).await?, bench.prepare(spec.clone()).await?);
    ensure!(first == second, "Prepare gave two digests");
    let mut other = spec.clone();
    other.env.insert("OTHER".to_owned(), "1".to_owned());
    let conflict = bench.prepare(other).await;
    ensure!(conflict.as_ref().err().and_then(reason_of) == Some(Reason::AlreadyExists), "another spec: {conflict:?}");
    let mut forged = bench.spec("lease-c6/forged", 1);
    if let Some(artifact) = &mut forged.artifact {
        artifact.digest = vec![9; 32];
    }
    let mismatch = bench.prepare(forged).await;
    ensure!(mismatch.as_ref().err().and_then(reason_of) == Some(Reason::DigestMismatch), "wrong digest: {mismatch:?}");
    steps.done("Check and Prepare twice: the same; another spec: AlreadyExists; other bytes: DigestMismatch");

    let (first, second) = (plugin.start(ID, 1).await?, plugin.start(ID, 1).await?);
    ensure!(first == second, "Start gave two handles");
    ensure!(
        first.state.len() <= nupeer_plugin_protocol::limits::HANDLE_STATE_BYTES_MAX,
        "the handle's state is too large"
    );
    let both = tokio::join!(plugin.start(ID, 1), plugin.start(ID, 1));
    ensure!(both.0? == first && both.1? == first, "two Starts at once gave another handle");
    for _ in 0..2 {
        let recovered = plugin.recover(first.clone()).await?;
        ensure!(recovered.state() == RecoverState::Running, "Recover says {:?}", recovered.state());
        ensure!(plugin.list().await?.contains(&ID.to_owned()), "List forgot the workload");
    }
    steps.done("Start, Recover, List twice: the same");

    let first = plugin.stop(ID, 1, 0, Duration::from_secs(5)).await?;
    let second = plugin.stop(ID, 1, 0, Duration::from_secs(5)).await?;
    ensure!(first == second, "Stop: {first:?} then {second:?}");
    let first = plugin.destroy(ID, 1, Wipe::Zero).await?;
    let second = plugin.destroy(ID, 1, Wipe::Zero).await.context("Destroy again")?;
    ensure!(first == second && !first.volumes.is_empty(), "Destroy: {first:?} then {second:?}");
    steps.done("Stop and Destroy twice: the same");

    let pause = plugin.raw().pause(PauseRequest { id: ID.to_owned() }).await.err();
    let attest = plugin.raw().attest(AttestRequest::default()).await.err();
    for (capability, refused) in [(Capability::Pause, pause), (Capability::Attest, attest)] {
        let code = refused.map(|status| status.code());
        let honest = plugin.has(capability) || code == Some(tonic::Code::Unimplemented);
        ensure!(honest, "{capability:?} has no bit, yet answers {code:?}");
    }
    steps.done("methods without a bit: UNIMPLEMENTED");
    Ok(())
}
