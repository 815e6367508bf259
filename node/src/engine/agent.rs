//! The key agent: holds a pool's hot keys, draws slots, signs headers (contract D9 of `nupeer_consensus::step`).
//!
//! # Invariants
//! - A slot is signed for one block id only: (slot, id) is on disk before the signature exists, also across restarts.
//! - The KES key on disk is never older than the one in memory: an evolved key replaces its file before it signs.

use anyhow::{Context, Result, bail};
use nupeer_consensus::crypto::kes;
use nupeer_consensus::crypto::leader::{LeaderCheck, Sigma};
use nupeer_consensus::crypto::vrf;
use nupeer_consensus::forge;
use nupeer_consensus::input::LeaderClaim;
use nupeer_consensus::state::Identity;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{BlockId, GenesisHash, Hash, HeaderBody, OpCert, Signature, Slot, VerificationKey};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// `vrf.json` and `kes.json`: a secret key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    kind: String,
    secret: String,
}

/// `opcert.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpCertFile {
    cold_key: String,
    hot_key: String,
    counter: u64,
    start: u64,
    sigma: String,
}

/// `signed.json`: the newest slot that was signed.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct SignedFile {
    slot: u64,
    block: String,
}

/// Where an agent keeps its files.
pub trait KeyFiles: Send {
    /// Contents of a file; `None` if there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Replaces a file whole or not at all, durable when it returns.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
}

/// Files of mode 0600 in a folder.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

/// A pool's hot keys.
pub struct Agent {
    files: Box<dyn KeyFiles>,
    genesis: GenesisHash,
    constants: Constants,
    issuer: VerificationKey,
    vrf: vrf::SecretKey,
    kes: kes::SecretKey,
    /// Period of the key in `kes.json`; behind the key in memory when a write failed.
    saved_period: u32,
    opcert: OpCert,
    leader: LeaderCheck,
    signed: Option<SignedFile>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("pool", &self.issuer.pool()).finish_non_exhaustive()
    }
}

impl Agent {
    /// Writes a pool's key folder: the hot keys and the certificate, never the cold key.
    pub fn create(files: &mut dyn KeyFiles, keys: &forge::PoolKeys, genesis: &GenesisHash) -> Result<()> {
        let opcert = keys.certify(genesis, 0, 0);
        let vrf = KeyFile { kind: "vrf".into(), secret: hex::encode(keys.vrf.seed()) };
        let kes = KeyFile { kind: "kes".into(), secret: hex::encode(keys.kes.to_bytes().as_slice()) };
        let file = OpCertFile {
            cold_key: keys.issuer().to_hex(),
            hot_key: hex::encode(opcert.hot_key),
            counter: opcert.counter,
            start: opcert.start,
            sigma: opcert.sigma.to_hex(),
        };
        files.write("vrf.json", &serde_json::to_vec_pretty(&vrf)?)?;
        files.write("kes.json", &serde_json::to_vec_pretty(&kes)?)?;
        files.write("opcert.json", &serde_json::to_vec_pretty(&file)?)
    }

    /// Opens a pool's keys.
    pub fn open(files: Box<dyn KeyFiles>, genesis: GenesisHash, constants: Constants) -> Result<Self> {
        let vrf_seed = Zeroizing::new(secret::<32>(files.as_ref(), "vrf")?);
        let kes_bytes = Zeroizing::new(secret::<{ kes::SECRET_BYTES }>(files.as_ref(), "kes")?);
        let certificate: OpCertFile = read(files.as_ref(), "opcert.json")?.context("opcert.json is missing")?;
        let opcert = OpCert {
            hot_key: fixed(&certificate.hot_key).context("hot_key of opcert.json")?,
            counter: certificate.counter,
            start: certificate.start,
            sigma: Signature(fixed(&certificate.sigma).context("sigma of opcert.json")?),
        };
        let issuer = VerificationKey(fixed(&certificate.cold_key).context("cold_key of opcert.json")?);
        let kes = kes::SecretKey::from_bytes(&kes_bytes).map_err(|e| anyhow::anyhow!("kes.json: {e}"))?;
        if kes.public() != opcert.hot_key {
            bail!("opcert.json certifies another KES key than kes.json holds; issue a new certificate");
        }
        if !nupeer_primitives::sign::verify(&issuer, &opcert.digest(&genesis).0, &opcert.sigma) {
            bail!("opcert.json is not signed by its cold key for this network; issue it against this genesis file");
        }
        let signed = read(files.as_ref(), "signed.json")?;
        Ok(Self {
            files,
            genesis,
            constants,
            issuer,
            vrf: vrf::SecretKey::from_seed(&vrf_seed),
            saved_period: kes.period(),
            kes,
            opcert,
            leader: LeaderCheck::new(constants.f.0, constants.f.1),
            signed,
        })
    }

    /// Whom it signs for.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { issuer: self.issuer, vrf_key: self.vrf.public() }
    }

    /// Counter of the certificate in use.
    #[must_use]
    pub const fn opcert_counter(&self) -> u64 {
        self.opcert.counter
    }

    /// Whether the pool leads a slot.
    #[must_use]
    pub fn claim(&self, slot: u64, eta: &Hash, weight: u128, total: u128) -> Option<LeaderClaim> {
        let vrf = forge::prove_leader(&self.vrf, Slot(slot), eta, Sigma { weight, total }, &self.leader)?;
        Some(LeaderClaim { vrf, opcert: self.opcert })
    }

    /// Signs a block: the record first, then the key's evolution, then the signature.
    pub fn sign(&mut self, header: HeaderBody) -> Result<[u8; 448]> {
        let (slot, id) = (header.slot, header.id(&self.genesis));
        self.record(slot, id)?;
        let signed = forge::sign_header(&mut self.kes, header, &self.genesis, &self.constants)
            .map_err(|e| anyhow::anyhow!("slot {slot}: {e}"))?;
        if self.kes.period() != self.saved_period {
            let file = KeyFile { kind: "kes".into(), secret: hex::encode(self.kes.to_bytes().as_slice()) };
            self.files.write("kes.json", &serde_json::to_vec_pretty(&file)?)?;
            self.saved_period = self.kes.period();
        }
        Ok(signed.kes_signature)
    }

    fn record(&mut self, slot: Slot, id: BlockId) -> Result<()> {
        let new = SignedFile { slot: slot.0, block: id.to_hex() };
        if let Some(old) = &self.signed {
            if *old == new {
                return Ok(());
            }
            if slot.0 <= old.slot {
                bail!("slot {slot} is not after slot {}, which is signed already", old.slot);
            }
        }
        self.files.write("signed.json", &serde_json::to_vec_pretty(&new)?)?;
        self.signed = Some(new);
        Ok(())
    }
}

impl KeyFiles for Folder {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::create_dir_all(&self.0)?;
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        Ok(std::fs::File::open(&self.0)?.sync_all()?)
    }
}

fn read<T: serde::de::DeserializeOwned>(files: &dyn KeyFiles, name: &str) -> Result<Option<T>> {
    let bytes = files.read(name)?.map(Zeroizing::new);
    bytes
        .map(|bytes| serde_json::from_slice(&bytes).with_context(|| format!("{name} is not what was expected")))
        .transpose()
}

fn secret<const N: usize>(files: &dyn KeyFiles, kind: &str) -> Result<[u8; N]> {
    let name = format!("{kind}.json");
    let file: KeyFile = read(files, &name)?.with_context(|| format!("{name} is missing"))?;
    if file.kind != kind {
        bail!("{name} holds a `{}` key where `{kind}` is expected", file.kind);
    }
    fixed(&file.secret).with_context(|| format!("secret of {name}"))
}

fn fixed<const N: usize>(text: &str) -> Result<[u8; N]> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).map_err(|_| anyhow::anyhow!("not {N} bytes of hex"))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_runtime::preset::Preset;

    fn genesis() -> GenesisHash {
        GenesisHash(Hash([7; 32]))
    }

    fn header(agent: &Agent, slot: u64, root: u8) -> HeaderBody {
        HeaderBody {
            height: nupeer_primitives::Height(1),
            slot: Slot(slot),
            parent: BlockId([7; 32]),
            issuer: agent.issuer,
            vrf_key: agent.vrf.public(),
            vrf: ([0; 64], [0; 80]),
            body_size: 4,
            body_hash: Hash::ZERO,
            opcert: agent.opcert,
            version: (1, 0),
            mc: nupeer_primitives::McRef { hash: Hash::ZERO, slot: 0, height: 0 },
            z: None,
            state_root: Hash([root; 32]),
        }
    }

    #[test]
    fn a_slot_is_signed_for_one_block_only_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let keys = forge::PoolKeys::from_seed(&[1; 32]);
        Agent::create(&mut Folder(dir.path().into()), &keys, &genesis()).unwrap();
        let open = || Agent::open(Box::new(Folder(dir.path().into())), genesis(), Preset::Devnet.constants()).unwrap();
        let mut agent = open();
        let first = agent.sign(header(&agent, 5, 1)).unwrap();
        assert_eq!(agent.sign(header(&agent, 5, 1)).unwrap(), first, "the same block again is the same signature");
        assert!(agent.sign(header(&agent, 5, 2)).is_err());
        let mut agent = open();
        assert!(agent.sign(header(&agent, 5, 2)).is_err());
        assert!(agent.sign(header(&agent, 4, 2)).is_err());
        assert!(agent.sign(header(&agent, 3_601, 2)).is_ok(), "in the next KES period");
        assert_eq!(open().kes.period(), 1, "the old period's key is gone from disk");
    }

    /// A folder that has no room for one file for a while.
    struct Full(Folder, &'static str, std::sync::Arc<std::sync::atomic::AtomicBool>);

    impl KeyFiles for Full {
        fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
            self.0.read(name)
        }
        fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
            if name == self.1 && self.2.load(std::sync::atomic::Ordering::SeqCst) {
                bail!("no space left on device");
            }
            self.0.write(name, bytes)
        }
    }

    #[test]
    fn without_room_for_a_file_nothing_is_signed_and_nothing_is_forgotten() {
        for name in ["signed.json", "kes.json"] {
            let dir = tempfile::tempdir().unwrap();
            let folder = || Folder(dir.path().into());
            Agent::create(&mut folder(), &forge::PoolKeys::from_seed(&[1; 32]), &genesis()).unwrap();
            let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
            let files = Box::new(Full(folder(), name, full.clone()));
            let mut agent = Agent::open(files, genesis(), Preset::Devnet.constants()).unwrap();
            assert!(agent.sign(header(&agent, 3_601, 1)).is_err());
            full.store(false, std::sync::atomic::Ordering::SeqCst);
            assert!(agent.sign(header(&agent, 3_602, 2)).is_ok());
            let reopened = Agent::open(Box::new(folder()), genesis(), Preset::Devnet.constants()).unwrap();
            assert_eq!((reopened.kes.period(), reopened.signed.unwrap().slot), (1, 3_602));
        }
    }

    #[test]
    fn keys_of_another_network_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        Agent::create(&mut Folder(dir.path().into()), &forge::PoolKeys::from_seed(&[1; 32]), &genesis()).unwrap();
        let other = GenesisHash(Hash([8; 32]));
        assert!(Agent::open(Box::new(Folder(dir.path().into())), other, Preset::Devnet.constants()).is_err());
    }
}
