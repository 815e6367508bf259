//! Fuzzes every decoder that meets bytes from outside. libFuzzer drives; `NUPEER_FUZZ_TARGET` names the decoder,
//! `NUPEER_FUZZ_SEEDS` a folder to write first inputs to instead of fuzzing. `tests/fuzz/run` sets both.
//!
//! # What must hold for any input
//! - No panic, no overflow (both checked in this build), no hang (libFuzzer's time-out).
//! - At most [`Decoder::factor`] bytes of memory per byte of input, above a small base.
//! - What is accepted encodes to the same bytes again (I11), where the format is canonical.
#![no_main]

mod pure;
mod seeds;
#[cfg(feature = "shell")]
mod shell;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// A decoder under test.
#[derive(Clone, Copy)]
struct Decoder {
    /// Name on the command line.
    name: &'static str,
    /// Decodes; panics when what it accepted breaks a promise.
    run: fn(&[u8]),
    /// Most bytes held at once, per byte of input.
    factor: u64,
}

/// Memory that costs nobody anything: error texts, buffers and tables of a parser (those of YAML take 100 kB at once).
const BASE_BYTES: u64 = 256 * 1_024;

fn all() -> Vec<Decoder> {
    let pure = pure::DECODERS.iter();
    #[cfg(feature = "shell")]
    let pure = pure.chain(&shell::DECODERS);
    pure.copied().collect()
}

fn chosen() -> &'static Decoder {
    static CHOSEN: OnceLock<Decoder> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("NUPEER_FUZZ_TARGET").unwrap_or_default();
        let known = all();
        known.iter().find(|decoder| decoder.name == name).copied().unwrap_or_else(|| {
            let names: Vec<&str> = known.iter().map(|decoder| decoder.name).collect();
            eprintln!("unknown target `{name}`; known: {}", names.join(" "));
            std::process::exit(2)
        })
    })
}

fn prepare() {
    if std::env::var_os("NUPEER_FUZZ_LIST").is_some() {
        all().iter().for_each(|decoder| println!("{}", decoder.name));
        std::process::exit(0);
    }
    if let Some(folder) = std::env::var_os("NUPEER_FUZZ_SEEDS") {
        if let Err(error) = seeds::write(folder.as_ref()) {
            eprintln!("seeds: {error}");
            std::process::exit(1);
        }
        std::process::exit(0);
    }
    chosen();
}

fuzz_target!(init: prepare(), |input: &[u8]| {
    let decoder = chosen();
    let used = allocation_counter::measure(|| (decoder.run)(input)).bytes_max;
    let permitted = decoder.factor * input.len() as u64 + BASE_BYTES;
    assert!(used <= permitted, "{} bytes of input took {used} bytes of memory, {permitted} permitted", input.len());
});
