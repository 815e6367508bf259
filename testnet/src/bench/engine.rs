//! Transfers through a whole node's core: decode, check, mempool, leader, build, sign, own header's rules, execute,
//! commit. The clock is virtual, so nothing waits for a slot.

use super::chain::{POOL_SEED, World};
use super::report::{Goal, Row};
use super::{Limit, best, per_second, timed};
use anyhow::{Result, bail, ensure};
use nupeer_consensus::forge::PoolKeys;
use nupeer_consensus::header::Rules;
use nupeer_consensus::input::Input;
use nupeer_consensus::state::{Config, State};
use nupeer_node::door::BATCH_TXS;
use nupeer_node::engine::agent::{Agent, Folder};
use nupeer_node::engine::executor::Executor;
use nupeer_node::engine::{Engine, Message, Outbound};
use nupeer_primitives::{Cbor, Slot};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Transactions submitted: 16 of each user.
const TXS: usize = 8_192;
/// Slots in which a pool of all stake forges enough blocks many times over.
const SLOTS_MAX: u64 = 200;

/// See the module header.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let time = best(limit.rounds, round)?;
    let row = Row::new("transfers, decode to commit, one node's core", per_second(TXS, time), "tx/s");
    Ok(vec![row.of(limit.per_second).goal(Goal::RatioAtLeast(0.25))])
}

fn round() -> Result<Duration> {
    let mut world = World::new()?;
    let folder = tempfile::tempdir()?;
    let (mut engine, out) = boot(&world, folder.path())?;
    let mut seen = Seen::default();
    carry(&mut engine, out, &mut seen)?;
    let txs: Vec<Vec<u8>> = world.transfers(TXS, Slot(0)).iter().map(Cbor::to_cbor).collect();
    let ((), time) = timed(|| {
        // As the node's door does under load: what waits is checked in one batch.
        for batch in txs.chunks(BATCH_TXS) {
            let checked = engine.executor.checked.check_encoded(batch).into_iter().collect::<Result<_, _>>()?;
            let out = engine.handle(Message::Txs(checked));
            carry(&mut engine, out, &mut seen)?;
        }
        for slot in 1..=SLOTS_MAX {
            let out = engine.handle(Message::Consensus(Input::Clock { slot, ms: 0 }));
            carry(&mut engine, out, &mut seen)?;
            if engine.mempool.is_empty() {
                return Ok(());
            }
        }
        bail!("{} transactions still wait after {SLOTS_MAX} slots", engine.mempool.len())
    })?;
    ensure!(seen.committed == TXS, "{} of {TXS} transactions were committed", seen.committed);
    Ok(time)
}

fn boot(world: &World, folder: &Path) -> Result<(Engine, Vec<Outbound>)> {
    let keys = folder.join("keys");
    let (genesis, constants) = (world.chain.genesis, world.chain.constants);
    Agent::create(&mut Folder(keys.clone()), &PoolKeys::from_seed(&POOL_SEED), &genesis)?;
    let agent = Agent::open(Box::new(Folder(keys)), genesis, constants)?;
    let storage = Arc::new(world.storage(&folder.join("db"))?);
    let executor = Executor::new(world.chain.clone(), storage, world.genesis.seed, false);
    let state = State::new(Config {
        rules: Rules::new(genesis, constants),
        tiebreak_slots: 2,
        skew_ms: 2_000,
        sync_peers: 0,
        checkpoint: None,
        identity: Some(agent.identity()),
        finality: None,
    });
    Ok(Engine::boot(state, executor, Some(agent))?)
}

/// What came out of the engine.
#[derive(Default)]
struct Seen {
    committed: usize,
}

/// Runs crypto jobs at once and counts what was committed.
fn carry(engine: &mut Engine, out: Vec<Outbound>, seen: &mut Seen) -> Result<()> {
    let mut open = std::collections::VecDeque::from(out);
    while let Some(effect) = open.pop_front() {
        match effect {
            Outbound::Verify(job, work) => {
                open.extend(engine.handle(Message::Consensus(Input::Verified(job, work.run()))));
            }
            Outbound::Moved { applied, .. } => {
                seen.committed += applied.iter().map(|id| engine.executor.txs_of(id).len()).sum::<usize>();
            }
            Outbound::TxRefused { id, error } => bail!("transaction {id} was refused: {error}"),
            Outbound::Halt(error) | Outbound::Paused(error) => return Err(error.into()),
            Outbound::Announce(_)
            | Outbound::Publish(..)
            | Outbound::GetCerts(..)
            | Outbound::Finalized { .. }
            | Outbound::RelayTx(_)
            | Outbound::Judge(..)
            | Outbound::Fault(..)
            | Outbound::Drop(..)
            | Outbound::GetHeaders(..)
            | Outbound::GetBodies(..)
            | Outbound::WakeAt { .. }
            | Outbound::Evidence(_)
            | Outbound::TxTaken { .. }
            | Outbound::Resumed
            | Outbound::Note(_) => {}
        }
    }
    Ok(())
}
