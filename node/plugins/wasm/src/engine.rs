//! The one engine configuration, used by `compile` and by the holder alike: the compile cache only helps when both
//! agree, and fuel is only replayable when everybody does.

use std::path::Path;
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::error::Context as _;
use wasmtime::{Cache, CacheConfig, Config, Engine};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::guest::Guest;

/// Length of an epoch: how long a guest computes before others get a turn.
pub const EPOCH: Duration = Duration::from_millis(10);
const CACHE_BYTES_MAX: u64 = 4 << 30;

/// Builds the engine with its compile cache under `cache_dir`.
///
/// # Errors
/// When the cache directory cannot be used.
pub fn engine(cache_dir: &Path) -> anyhow::Result<Engine> {
    let mut cache = CacheConfig::new();
    cache.with_directory(cache_dir.join("wasmtime"));
    cache.with_files_total_size_soft_limit(CACHE_BYTES_MAX);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .cache(Some(Cache::new(cache)?));
    Ok(Engine::new(&config)?)
}

/// Loads a component, from the cache where it was compiled before, and links it.
///
/// # Errors
/// When the bytes are no component, or it imports what is not offered or exports no `incoming-handler`.
pub fn load(engine: &Engine, artifact: &Path) -> anyhow::Result<ProxyPre<Guest>> {
    let component = Component::from_file(engine, artifact)?;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).context("the component imports what this runtime does not offer")?;
    Ok(ProxyPre::new(linked).context("the component does not export wasi:http/incoming-handler")?)
}
