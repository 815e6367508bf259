//! The wasm runtime as the shared plugin code sees it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use nupeer_plugin_protocol::limits::{RPP_VERSION, WASM_COMPONENT_BYTES_MAX};
use nupeer_plugin_protocol::plugin::hold::{Ending, Held};
use nupeer_plugin_protocol::plugin::workload::WorkloadDir;
use nupeer_plugin_protocol::plugin::{Runtime, cgroups_probe, unsupported};
use nupeer_plugin_protocol::proto::hold::v1::Settings;
use nupeer_plugin_protocol::v1::{ArtifactKind, Spec};
use nupeer_plugin_protocol::{Descriptor, Reason, Refusal};

use crate::config::Config;
use crate::egress::Policy;
use crate::guest::App;
use crate::memory::Budget;
use crate::quota::Quota;
use crate::server::Server;
use crate::{compile, engine};

/// Components behind `wasi:http/proxy`.
#[derive(Debug, Clone, Copy)]
pub struct WasmRuntime;

impl Runtime for WasmRuntime {
    const HOLDER_IS_WORKLOAD: bool = true;

    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "wasm".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rpp: vec![RPP_VERSION],
            caps: 0,
            meters: vec![2, 4],
            artifacts: vec!["wasm".to_owned()],
            isolation: vec!["wasmtime".to_owned()],
            network: true,
            development: false,
            config_schema: Config::schema(),
        }
    }

    fn check_config(&self, config_json: &str) -> Result<(), Refusal> {
        Config::parse(config_json).map(drop)
    }

    fn check(&self, spec: &Spec, settings: &Settings) -> Result<(), Vec<Refusal>> {
        let config = Config::parse(&settings.config_json).map_err(|fault| vec![fault])?;
        let mut faults = unsupported(spec, ArtifactKind::Wasm, "wasm");
        let mut fault = |reason: Reason, text: String| faults.push(Refusal::new(reason, text));
        match &spec.port {
            None => fault(Reason::SpecInvalid, "a component needs a port to answer on".to_owned()),
            Some(port) if !matches!(port.protocol.as_str(), "" | "http") => {
                fault(Reason::Unsupported, format!("port protocol {:?} is not http", port.protocol));
            }
            Some(_) => {}
        }
        let most = config.fuel_per_request_max;
        if spec.fuel_per_request > most {
            fault(Reason::SpecInvalid, format!("fuel_per_request {} is above {most}", spec.fuel_per_request));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn artifact_bytes_max(&self) -> u64 {
        WASM_COMPONENT_BYTES_MAX
    }

    async fn warm(&self, dir: &WorkloadDir, _: &Spec, settings: &Settings) -> Result<(), Refusal> {
        compile::run(&dir.join("artifact"), Path::new(&settings.cache_dir)).await
    }

    fn holder_threads(&self, spec: &Spec) -> usize {
        let cpu_milli = spec.limits.map_or(1_000, |limits| limits.cpu_milli);
        // At least two: one guest may compute while the holder answers.
        usize::try_from(cpu_milli.div_ceil(1_000)).unwrap_or(8).clamp(2, 8)
    }

    async fn hold(&self, held: Arc<Held>) -> Ending {
        match serve(&held).await {
            Ok(ending) => ending,
            Err(error) => Ending { code: 125, forced: false, text: format!("{error:#}") },
        }
    }

    fn selftest(&self) -> Vec<(&'static str, Result<String, String>)> {
        let scratch = std::env::temp_dir().join(format!("nupeer-selftest-{}", std::process::id()));
        let engine = engine::engine(&scratch).map(|_| "compiles for this machine".to_owned());
        let _ = std::fs::remove_dir_all(&scratch);
        vec![("wasmtime", engine.map_err(|e| format!("{e:#}"))), cgroups_probe()]
    }
}

async fn serve(held: &Arc<Held>) -> anyhow::Result<Ending> {
    let config = Config::parse(&held.settings.config_json)?;
    let engine = engine::engine(Path::new(&held.settings.cache_dir))?;
    let component = engine::load(&engine, &held.dir.join("artifact"))?;
    // A thread of its own: an executor whose threads all compute would not turn the epoch.
    let ticking = engine.clone();
    drop(std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(engine::EPOCH);
            ticking.increment_epoch();
        }
    })?);
    let limits = held.limits();
    let app = Arc::new(App {
        held: Arc::clone(held),
        component,
        budget: Budget::new(limits.ram_bytes),
        quota: Quota::new(limits.scratch_bytes),
        policy: Policy::new(&held.spec)?,
        fuel: config.fuel(&held.spec),
        within: config.request_within,
    });
    let socket = held.socket().context("the spec has no port")?;
    let listener = Server::bind(&socket)?;
    let server = Server::new(Arc::clone(&app), config.requests_at_once);
    held.ready()?;
    let order = tokio::select! {
        order = held.stop_ordered() => order,
        never = server.accept(&listener) => match never {},
        () = app.quota.watch(held, app.volumes()) => anyhow::bail!("volume watch ended"),
    };
    drop(listener);
    let clean = server.drain(order).await;
    let text = if clean { "stopped" } else { "stopped with requests under way" };
    Ok(Ending { code: 0, forced: !clean, text: text.to_owned() })
}
