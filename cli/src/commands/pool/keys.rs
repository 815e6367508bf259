//! Keys and certificates: everything here works without network.

use super::utc;
use crate::commands::keys::new_password;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields};
use crate::wallet::cold_key::{Certify, ColdKey};
use crate::wallet::keystore::Cost;
use crate::wallet::secret_file::{self, SecretFileError};
use nupeer_client::genesis_json;
use nupeer_client::pool::{
    BLS_FILE, BLS_NEXT_FILE, KES_FILE, KES_NEXT_FILE, KeyFileError, OPCERT_FILE, OPCERT_NEXT_FILE, OpCertFile,
    VRF_FILE, bls, bls_from_file, bls_to_file, certifies, kes, kes_from_file, kes_to_file, vrf, vrf_from_file,
    vrf_hash, vrf_to_file,
};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::{OpCert, VerificationKey};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Bytes of a genesis file.
const GENESIS_FILE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

pub(super) fn key_file<'a>(path: &'a Path) -> impl Fn(KeyFileError) -> Failure + 'a {
    move |why| Failure::new(Exit::Keystore, "cli.PoolKeys", format!("`{}`: {why}", path.display()))
}

/// A file of the key folder, if it is there.
pub(super) fn find(keys_dir: &Path, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    match secret_file::read(&keys_dir.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(SecretFileError::Missing { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn need(keys_dir: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let missing = || {
        let what = format!("`{}` doesn't exist", keys_dir.join(name).display());
        Failure::new(Exit::Keystore, "cli.PoolKeys", what).next("make the node's keys: nupeer pool keygen hot DIR")
    };
    find(keys_dir, name)?.ok_or_else(missing)
}

pub(super) fn vrf_key(keys_dir: &Path) -> Result<vrf::SecretKey, Failure> {
    vrf_from_file(&need(keys_dir, VRF_FILE)?).map_err(key_file(&keys_dir.join(VRF_FILE)))
}

fn bls_key(keys_dir: &Path, name: &str) -> Result<Option<bls::SecretKey>, Failure> {
    let bytes = find(keys_dir, name)?;
    bytes.map(|bytes| bls_from_file(&bytes).map_err(key_file(&keys_dir.join(name)))).transpose()
}

fn kes_key(keys_dir: &Path, name: &str) -> Result<Option<kes::SecretKey>, Failure> {
    let bytes = find(keys_dir, name)?;
    bytes.map(|bytes| kes_from_file(&bytes).map_err(key_file(&keys_dir.join(name)))).transpose()
}

pub(super) fn certificate(path: &Path) -> Result<Option<(VerificationKey, OpCert)>, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format!("`{}`: {error}", path.display()))),
    };
    OpCertFile::from_bytes(&bytes).and_then(|file| file.open()).map(Some).map_err(key_file(path))
}

fn seed() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())
        .map_err(|e| Failure::new(Exit::Keystore, "cli.PoolKeys", format!("the system gives no randomness: {e}")))?;
    Ok(seed)
}

pub(super) fn cold(context: &Context, file: &Path) -> Result<Report, Failure> {
    // Said before a password is asked for; creation itself still refuses to overwrite.
    if file.exists() {
        return Err(SecretFileError::Exists { path: file.into() }.into());
    }
    let key = ColdKey::create(file, &new_password(context)?, Cost::NORMAL)?;
    let (pool, public, counter) = (key.pool().to_hex(), key.public().to_hex(), key.counter_path());
    let text = fields(&[
        ("pool", pool.clone()),
        ("cold key", public.clone()),
        ("sealed in", file.display().to_string()),
        ("counter", counter.display().to_string()),
    ]);
    let text =
        format!("{text}\nkeep two copies of both files away from every network; next: nupeer pool keygen hot DIR");
    let json = json!({
        "pool": pool, "cold_key": public, "file": file.display().to_string(), "counter": counter.display().to_string(),
    });
    Ok(Report::new(json, text))
}

pub(super) fn hot(keys_dir: &Path) -> Result<Report, Failure> {
    for name in [VRF_FILE, KES_FILE, BLS_FILE] {
        let path = keys_dir.join(name);
        if path.exists() {
            return Err(SecretFileError::Exists { path }.into());
        }
    }
    let (vrf_seed, kes_seed, bls_seed) = (seed()?, seed()?, seed()?);
    let bls = bls::SecretKey::from_seed(&bls_seed);
    let (vrf, kes) = (vrf::SecretKey::from_seed(&vrf_seed), kes::SecretKey::from_seed(&kes_seed));
    secret_file::create(&keys_dir.join(VRF_FILE), &vrf_to_file(&vrf))?;
    secret_file::create(&keys_dir.join(KES_FILE), &kes_to_file(&kes))?;
    secret_file::create(&keys_dir.join(BLS_FILE), &bls_to_file(&bls))?;
    let kes_key = hex::encode(kes.public());
    let text = fields(&[
        ("vrf key", hex::encode(vrf.public())),
        ("vrf hash", vrf_hash(&vrf).to_hex()),
        ("kes key", kes_key.clone()),
        ("bls key", bls.public().to_hex()),
        ("bls proof", bls.prove().to_hex()),
        ("in", keys_dir.display().to_string()),
    ]);
    let next = format!(
        "nupeer pool opcert issue --cold cold.json --genesis genesis.json --kes-key {kes_key} --out opcert.json"
    );
    let json = json!({
        "vrf_key": hex::encode(vrf.public()), "vrf_hash": vrf_hash(&vrf).to_hex(), "kes_key": kes_key,
        "bls_key": bls.public().to_hex(), "bls_proof": bls.prove().to_hex(), "next": next,
    });
    Ok(Report::new(json, format!("{text}\nnext, where the cold key is: {next}")))
}

pub(super) fn id(cold: Option<&Path>, keys_dir: Option<&Path>) -> Result<Report, Failure> {
    let (mut rows, mut json) = (Vec::new(), json!({}));
    let mut add = |name: &'static str, field: &str, value: String| {
        json[field] = value.clone().into();
        rows.push((name, value));
    };
    let public = match (cold, keys_dir) {
        (Some(cold), _) => Some(ColdKey::open(cold)?.public()),
        (None, Some(keys_dir)) => certificate(&keys_dir.join(OPCERT_FILE))?.map(|(cold_key, _)| cold_key),
        (None, None) => {
            return Err(Failure::usage("name a cold key file with --cold, or a key folder with --keys-dir"));
        }
    };
    if let Some(public) = public {
        add("pool", "pool", public.pool().to_hex());
        add("cold key", "cold_key", public.to_hex());
    }
    if let Some(keys_dir) = keys_dir {
        let vrf = vrf_key(keys_dir)?;
        add("vrf key", "vrf_key", hex::encode(vrf.public()));
        add("vrf hash", "vrf_hash", vrf_hash(&vrf).to_hex());
        for (name, field, file) in [("kes key", "kes_key", KES_FILE), ("next kes key", "kes_next_key", KES_NEXT_FILE)] {
            if let Some(kes) = kes_key(keys_dir, file)? {
                add(name, field, hex::encode(kes.public()));
            }
        }
    }
    if let Some(keys_dir) = keys_dir {
        let files = [(BLS_FILE, ["bls_key", "bls_proof"]), (BLS_NEXT_FILE, ["bls_next_key", "bls_next_proof"])];
        for (file, [key_field, proof_field]) in files {
            if let Some(bls) = bls_key(keys_dir, file)? {
                add(if file == BLS_FILE { "bls key" } else { "next bls key" }, key_field, bls.public().to_hex());
                add("proof of it", proof_field, bls.prove().to_hex());
            }
        }
    }
    let text = fields(&rows);
    Ok(Report::new(json, text))
}

/// `nupeer pool opcert issue`
pub(super) struct Issue {
    pub cold: PathBuf,
    pub genesis: PathBuf,
    pub kes_key: String,
    pub out: PathBuf,
    pub start: Option<u64>,
    pub again: bool,
}

fn genesis(path: &Path) -> Result<Genesis, Failure> {
    let wrong = |why: String| Failure::usage(format!("genesis file `{}`: {why}", path.display()));
    let bytes = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if bytes > GENESIS_FILE_BYTES_MAX {
        return Err(wrong(format!("{bytes} bytes where {GENESIS_FILE_BYTES_MAX} are permitted")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    genesis_json::from_json(&text).map_err(|e| wrong(e.to_string()))
}

/// The KES period of this machine's clock.
fn period_now(genesis: &Genesis) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_sub(genesis.system_start_ms);
    let constants = &genesis.constants;
    since.checked_div(constants.slot_ms.saturating_mul(constants.kes_period)).unwrap_or(0)
}

/// Wall time at which a KES period begins.
fn period_start_ms(genesis: &Genesis, period: u64) -> u64 {
    let slot = period.saturating_mul(genesis.constants.kes_period);
    genesis.system_start_ms.saturating_add(slot.saturating_mul(genesis.constants.slot_ms))
}

pub(super) fn issue(context: &Context, what: &Issue) -> Result<Report, Failure> {
    let Issue { cold, genesis: genesis_file, kes_key, out, start, again } = what;
    let hot_key = VerificationKey::from_hex(kes_key);
    let hot_key = hot_key.ok_or_else(|| Failure::usage(format!("KES key `{kes_key}` is not 64 hex digits")))?.0;
    let genesis = genesis(genesis_file)?;
    let start = start.unwrap_or_else(|| period_now(&genesis));
    let key = ColdKey::open(cold)?;
    // Said before the counter moves.
    if out.exists() {
        return Err(Failure::usage(format!("`{}` exists already: name a new file with --out", out.display())));
    }
    let password = context.password(&format!("Password of {}: ", cold.display()))?;
    let opcert = key.issue(&password, &genesis.hash(), Certify { hot_key, start, again: *again })?;
    secret_file::create(out, &OpCertFile::new(&key.public(), &opcert).to_bytes())?;
    let last = start.saturating_add(genesis.constants.kes_evolutions);
    let until = utc::text(period_start_ms(&genesis, last));
    let text = fields(&[
        ("certificate", out.display().to_string()),
        ("pool", key.pool().to_hex()),
        ("counter", opcert.counter.to_string()),
        ("periods", format!("{start} to {}", last.saturating_sub(1))),
        ("ends", format!("{until} UTC: rotate before")),
    ]);
    let next = format!("nupeer pool opcert install {} --keys-dir keys --genesis genesis.json", out.display());
    let json = json!({
        "file": out.display().to_string(), "pool": key.pool().to_hex(), "counter": opcert.counter, "start": start,
        "end": last, "end_ms": period_start_ms(&genesis, last), "next": next,
    });
    Ok(Report::new(json, format!("{text}\nnext, on the node's machine: {next}")))
}

pub(super) fn install(file: &Path, keys_dir: &Path, genesis_file: &Path) -> Result<Report, Failure> {
    let genesis = genesis(genesis_file)?;
    let found = certificate(file)?;
    let (cold_key, opcert) = found.ok_or_else(|| Failure::usage(format!("`{}` doesn't exist", file.display())))?;
    if !certifies(&cold_key, &opcert, &genesis.hash()) {
        let what = format!("`{}` is not signed by its cold key for network {}", file.display(), genesis.name);
        return Err(Failure::new(Exit::Keystore, "cli.PoolKeys", what).next("issue it against this genesis file"));
    }
    let refuse = |what: String| Failure::new(Exit::Keystore, "cli.PoolKeys", what);
    let holds = |name| Ok::<_, Failure>(kes_key(keys_dir, name)?.is_some_and(|kes| kes.public() == opcert.hot_key));
    let (in_use, waiting) = (holds(KES_FILE)?, holds(KES_NEXT_FILE)?);
    if !in_use && !waiting {
        let what = format!(
            "`{}` vouches for KES key {}, which is not in {}",
            file.display(),
            hex::encode(opcert.hot_key),
            keys_dir.display()
        );
        return Err(refuse(what).next("see `nupeer pool id --keys-dir DIR`, and issue a certificate for its KES key"));
    }
    if in_use
        && let Some(kes) = kes_key(keys_dir, KES_FILE)?
        && kes.period() > 0
    {
        // Its period 0 is erased: a certificate that starts now would count its evolutions from a key that is gone.
        let old = certificate(&keys_dir.join(OPCERT_FILE))?;
        if old.is_none_or(|(_, old)| old.start != opcert.start) {
            return Err(refuse("the KES key in use has evolved: a new certificate needs a new key".into())
                .next("nupeer pool kes rotate"));
        }
    }
    let old = certificate(&keys_dir.join(OPCERT_FILE))?;
    if let Some((old_key, old)) = &old {
        if *old_key != cold_key {
            return Err(refuse(format!("it is of pool {}, the node's is {}", cold_key.pool(), old_key.pool())));
        }
        if opcert.counter < old.counter || opcert.counter > old.counter.saturating_add(1) {
            let what = format!("counter {} does not follow {}, the one in use", opcert.counter, old.counter);
            return Err(refuse(what).next("issue it with the counter file that belongs to this pool, or with --again"));
        }
    }
    let name = if old.is_none() && in_use { OPCERT_FILE } else { OPCERT_NEXT_FILE };
    secret_file::create(&keys_dir.join(name), &OpCertFile::new(&cold_key, &opcert).to_bytes())?;
    let when = if name == OPCERT_FILE {
        "it is used when the node starts".to_string()
    } else if opcert.start > period_now(&genesis) {
        format!("a running node takes it at {} UTC", utc::text(period_start_ms(&genesis, opcert.start)))
    } else {
        "a running node takes it within a slot, another one when it starts".to_string()
    };
    let json = json!({
        "pool": cold_key.pool().to_hex(), "counter": opcert.counter, "start": opcert.start,
        "file": keys_dir.join(name).display().to_string(),
    });
    Ok(Report::new(json, format!("certificate {} is in place; {when}", opcert.counter)))
}

pub(super) fn rotate(keys_dir: &Path) -> Result<Report, Failure> {
    if kes_key(keys_dir, KES_FILE)?.is_none() {
        let what = format!("{} holds no KES key", keys_dir.display());
        return Err(Failure::new(Exit::Keystore, "cli.PoolKeys", what).next("nupeer pool keygen hot DIR"));
    }
    if let Some(kes) = kes_key(keys_dir, KES_NEXT_FILE)? {
        let key = hex::encode(kes.public());
        let what = format!("KES key {key} waits for its certificate already");
        return Err(Failure::new(Exit::Keystore, "cli.PoolKeys", what).next("issue and install its certificate"));
    }
    let seed = seed()?;
    let kes = kes::SecretKey::from_seed(&seed);
    secret_file::create(&keys_dir.join(KES_NEXT_FILE), &kes_to_file(&kes))?;
    let key = hex::encode(kes.public());
    let next =
        format!("nupeer pool opcert issue --cold cold.json --genesis genesis.json --kes-key {key} --out opcert.json");
    let text = format!("{}\nnext, where the cold key is: {next}", fields(&[("next kes key", key.clone())]));
    Ok(Report::new(json!({ "kes_key": key, "next": next }), text))
}

pub(super) fn rotate_bls(keys_dir: &Path) -> Result<Report, Failure> {
    let refuse = |what: String, next: &str| Failure::new(Exit::Keystore, "cli.PoolKeys", what).next(next);
    if let Some(bls) = bls_key(keys_dir, BLS_NEXT_FILE)? {
        return Err(refuse(
            format!("BLS key {} follows already", bls.public()),
            "register it on chain, see `nupeer pool id`",
        ));
    }
    if bls_key(keys_dir, BLS_FILE)?.is_none() {
        return Err(refuse(format!("{} holds no BLS key", keys_dir.display()), "nupeer pool keygen hot DIR"));
    }
    let seed = seed()?;
    let bls = bls::SecretKey::from_seed(&seed);
    secret_file::create(&keys_dir.join(BLS_NEXT_FILE), &bls_to_file(&bls))?;
    let (key, proof) = (bls.public().to_hex(), bls.prove().to_hex());
    let text = fields(&[("next bls key", key.clone()), ("proof of it", proof.clone())]);
    let text = format!("{text}\nit votes from the epoch on whose committee holds it, once the chain has registered it");
    Ok(Report::new(json!({ "bls_key": key, "bls_proof": proof }), text))
}
