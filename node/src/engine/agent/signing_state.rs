//! The signing state: the newest mark of each kind of signature, on disk before the signature exists.
//!
//! # Rules (consensus.md §4, §10: F6, F9, S1-S4)
//! ```text
//! D1  A kind's `at` (slot, round, or sequence number) never falls.
//! D2  At one `at` only one `hash` is ever signed; the same one may be signed again (F10: once for each committee).
//! D3  A kind's `floor` (a vote's source round) never falls.
//! D4  The mark is durable before the signature is made. A write that fails means no signature.
//! ```
//! # The file, which is also what `nupeer-node signing-state export` writes
//! ```json
//! {
//!   "format": "nupeer-signing-state/1",
//!   "genesis": "64 hex digits: the network",
//!   "pool": "56 hex digits",
//!   "marks": [
//!     { "kind": "header", "at": 120, "floor": 0, "hash": "block id, 64 hex digits" },
//!     { "kind": "vote", "at": 12, "floor": 11, "hash": "digest of the link" }
//!   ]
//! }
//! ```
//! An import merges: it may raise marks and add kinds. It is refused as a whole if it would lower one, names another
//! network or pool, or contradicts a mark.

use super::{Folder, KeyFiles};
use anyhow::{Context, Result, bail};
use nupeer_client::pool::{OPCERT_FILE, OpCertFile};
use nupeer_primitives::{GenesisHash, Hash, PoolId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// The file.
pub const FILE: &str = "signing-state.json";
const FORMAT: &str = "nupeer-signing-state/1";

/// What is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Block headers; `at` is the slot.
    Header,
    /// Finality votes; `at` is the target round, `floor` the source round.
    Vote,
    /// Anchors; `at` is the sequence number.
    Anchor,
    /// Handovers; `at` is the sequence number.
    Handover,
    /// Fast-deposit attestations; `at` is the sequence number.
    Fast,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Header, Self::Vote, Self::Anchor, Self::Handover, Self::Fast];

    /// As the file writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Vote => "vote",
            Self::Anchor => "anchor",
            Self::Handover => "handover",
            Self::Fast => "fast",
        }
    }
}

/// The newest signature of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Slot, round, or sequence number.
    pub at: u64,
    /// What never falls besides: a vote's source round, 0 elsewhere.
    pub floor: u64,
    /// What was signed.
    pub hash: [u8; 32],
}

/// Why a signature is refused: making it could be a provable fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum WouldDoubleSign {
    /// D1.
    #[error("{kind} {at} is older than {signed}, which is signed already")]
    Older {
        /// Kind.
        kind: &'static str,
        /// Asked for.
        at: u64,
        /// The mark.
        signed: u64,
    },
    /// D2.
    #[error("{kind} {at} is signed already, with another content")]
    Other {
        /// Kind.
        kind: &'static str,
        /// Asked for.
        at: u64,
    },
    /// D3.
    #[error("{kind} {at} rests on {floor}, an earlier one rested on {signed}")]
    FloorFell {
        /// Kind.
        kind: &'static str,
        /// Asked for.
        at: u64,
        /// Its floor.
        floor: u64,
        /// The mark's floor.
        signed: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    format: String,
    genesis: String,
    pool: String,
    marks: Vec<MarkRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkRow {
    kind: String,
    at: u64,
    floor: u64,
    hash: String,
}

/// All marks of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningState {
    genesis: GenesisHash,
    pool: PoolId,
    marks: BTreeMap<Kind, Mark>,
}

impl SigningState {
    /// Reads the folder's file; without one, nothing was ever signed.
    pub fn load(files: &dyn KeyFiles, genesis: GenesisHash, pool: PoolId) -> Result<Self> {
        let Some(bytes) = files.read(FILE)? else { return Ok(Self { genesis, pool, marks: BTreeMap::new() }) };
        let state = Self::parse(&bytes).context(FILE)?;
        if state.genesis != genesis {
            bail!("{FILE} is of another network ({}): give each network its own key folder", state.genesis.0);
        }
        if state.pool != pool {
            bail!("{FILE} is of pool {}, the certificate of pool {pool}", state.pool);
        }
        Ok(state)
    }

    /// Reads a file or an export.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file: StateFile = serde_json::from_slice(bytes).context("not a signing state")?;
        if file.format != FORMAT {
            bail!("format `{}` where `{FORMAT}` is expected", file.format.chars().take(40).collect::<String>());
        }
        let genesis = Hash::from_hex(&file.genesis).map(GenesisHash).context("genesis is not 64 hex digits")?;
        let pool = PoolId::from_hex(&file.pool).context("pool is not 56 hex digits")?;
        let mut marks = BTreeMap::new();
        for MarkRow { kind, at, floor, hash } in file.marks {
            let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
            let kind = kind.context("a kind that this program does not know: update nupeer-node")?;
            let hash =
                Hash::from_hex(&hash).with_context(|| format!("hash of {} is not 64 hex digits", kind.name()))?;
            if marks.insert(kind, Mark { at, floor, hash: hash.0 }).is_some() {
                bail!("two marks of kind {}", kind.name());
            }
        }
        Ok(Self { genesis, pool, marks })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let row = |(kind, mark): (&Kind, &Mark)| MarkRow {
            kind: kind.name().into(),
            at: mark.at,
            floor: mark.floor,
            hash: hex::encode(mark.hash),
        };
        let file = StateFile {
            format: FORMAT.into(),
            genesis: self.genesis.0.to_hex(),
            pool: self.pool.to_hex(),
            marks: self.marks.iter().map(row).collect(),
        };
        serde_json::to_vec_pretty(&file).expect("strings and numbers always make JSON")
    }

    /// The newest signature of a kind.
    #[must_use]
    pub fn mark(&self, kind: Kind) -> Option<Mark> {
        self.marks.get(&kind).copied()
    }

    /// D1-D3.
    pub fn check(&self, kind: Kind, new: Mark) -> Result<(), WouldDoubleSign> {
        let Some(old) = self.marks.get(&kind) else { return Ok(()) };
        let (name, at) = (kind.name(), new.at);
        if at < old.at {
            return Err(WouldDoubleSign::Older { kind: name, at, signed: old.at });
        }
        if at == old.at && new.hash != old.hash {
            return Err(WouldDoubleSign::Other { kind: name, at });
        }
        if new.floor < old.floor {
            return Err(WouldDoubleSign::FloorFell { kind: name, at, floor: new.floor, signed: old.floor });
        }
        Ok(())
    }

    /// D1-D4: after this, and only then, may the signature be made.
    pub fn raise(&mut self, files: &mut dyn KeyFiles, kind: Kind, new: Mark) -> Result<()> {
        self.check(kind, new)?;
        if self.mark(kind) == Some(new) {
            return Ok(());
        }
        let mut next = self.clone();
        next.marks.insert(kind, new);
        files.write(FILE, &next.to_bytes()).context("the signing state can't be written: nothing is signed")?;
        *self = next;
        Ok(())
    }

    /// Takes over an export.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (other.genesis, other.pool) != (self.genesis, self.pool) {
            bail!("the import is of pool {} on network {}", other.pool, other.genesis.0);
        }
        for (kind, mark) in &other.marks {
            self.check(*kind, *mark).context("the import would lower the signing state; it was left as it is")?;
        }
        self.marks.extend(other.marks.iter().map(|(kind, mark)| (*kind, *mark)));
        Ok(())
    }
}

/// The state of a key folder, for another machine. The folder must not be in use.
pub fn export(keys_dir: &Path) -> Result<Vec<u8>> {
    let folder = Folder(keys_dir.into());
    let _lock = folder.lock()?;
    let bytes = folder.read(FILE)?;
    let bytes =
        bytes.with_context(|| format!("{} holds no {FILE}: this node has signed nothing", keys_dir.display()))?;
    Ok(SigningState::parse(&bytes).context(FILE)?.to_bytes())
}

/// Takes an export over into a key folder, which must not be in use.
pub fn import(keys_dir: &Path, bytes: &[u8]) -> Result<()> {
    let mut folder = Folder(keys_dir.into());
    let _lock = folder.lock()?;
    let certificate = folder.read(OPCERT_FILE)?;
    let certificate = certificate.with_context(|| format!("{} holds no {OPCERT_FILE}", keys_dir.display()))?;
    let (issuer, _) = OpCertFile::from_bytes(&certificate).and_then(|file| file.open()).context(OPCERT_FILE)?;
    let import = SigningState::parse(bytes).context("the import")?;
    let mut state = SigningState::load(&folder, import.genesis, issuer.pool())?;
    state.merge(&import)?;
    folder.write(FILE, &state.to_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
    const POOL: PoolId = PoolId([3; 28]);

    fn mark(at: u64, floor: u64, hash: u8) -> Mark {
        Mark { at, floor, hash: [hash; 32] }
    }

    fn fresh() -> SigningState {
        SigningState { genesis: GENESIS, pool: POOL, marks: BTreeMap::new() }
    }

    #[test]
    fn marks_rise_and_never_fall_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Folder(dir.path().into());
        let mut state = SigningState::load(&files, GENESIS, POOL).unwrap();
        state.raise(&mut files, Kind::Vote, mark(5, 3, 1)).unwrap();
        state.raise(&mut files, Kind::Header, mark(9, 0, 1)).unwrap();
        let mut state = SigningState::load(&files, GENESIS, POOL).unwrap();
        let refused = |state: &SigningState, kind, new| state.check(kind, new).unwrap_err();
        assert!(matches!(refused(&state, Kind::Vote, mark(4, 3, 1)), WouldDoubleSign::Older { signed: 5, .. }));
        assert!(matches!(refused(&state, Kind::Vote, mark(5, 3, 2)), WouldDoubleSign::Other { at: 5, .. }));
        assert!(matches!(refused(&state, Kind::Vote, mark(6, 2, 1)), WouldDoubleSign::FloorFell { signed: 3, .. }));
        assert!(matches!(refused(&state, Kind::Header, mark(8, 0, 1)), WouldDoubleSign::Older { signed: 9, .. }));
        state.raise(&mut files, Kind::Vote, mark(5, 3, 1)).unwrap();
        state.raise(&mut files, Kind::Vote, mark(6, 3, 2)).unwrap();
        assert!(SigningState::load(&files, GenesisHash(Hash([8; 32])), POOL).is_err(), "another network");
        assert!(SigningState::load(&files, GENESIS, PoolId([4; 28])).is_err(), "another pool");
    }

    #[test]
    fn what_can_not_be_written_is_not_signed() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Folder(dir.path().join("file"));
        std::fs::write(dir.path().join("file"), b"a file where a folder should be").unwrap();
        let mut state = fresh();
        assert!(state.raise(&mut files, Kind::Header, mark(1, 0, 1)).is_err());
        assert_eq!(state.mark(Kind::Header), None);
    }

    #[test]
    fn an_import_never_lowers_a_mark() {
        let mut ours = fresh();
        ours.marks.insert(Kind::Header, mark(9, 0, 1));
        let import = |kind, new| {
            let mut other = fresh();
            other.marks.insert(kind, new);
            SigningState::parse(&other.to_bytes()).unwrap()
        };
        for (kind, new) in [(Kind::Header, mark(8, 0, 1)), (Kind::Header, mark(9, 0, 2))] {
            let before = ours.clone();
            assert!(ours.merge(&import(kind, new)).is_err());
            assert_eq!(ours, before);
        }
        ours.merge(&import(Kind::Header, mark(10, 0, 4))).unwrap();
        ours.merge(&import(Kind::Vote, mark(2, 1, 5))).unwrap();
        assert_eq!((ours.mark(Kind::Header), ours.mark(Kind::Vote)), (Some(mark(10, 0, 4)), Some(mark(2, 1, 5))));
        let mut foreign = fresh();
        foreign.pool = PoolId([9; 28]);
        assert!(ours.merge(&foreign).is_err());
    }

    #[test]
    fn a_state_moves_between_folders_that_are_not_in_use() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keys = nupeer_consensus::forge::PoolKeys::from_seed(&[1; 32]);
        for dir in [&from, &to] {
            super::super::Agent::create(&mut Folder(dir.path().into()), &keys, &GENESIS).unwrap();
        }
        assert!(export(from.path()).unwrap_err().to_string().contains("signed nothing"));
        let mut files = Folder(from.path().into());
        let mut state = SigningState::load(&files, GENESIS, keys.pool()).unwrap();
        state.raise(&mut files, Kind::Vote, mark(5, 3, 1)).unwrap();
        let old = export(from.path()).unwrap();
        state.raise(&mut files, Kind::Vote, mark(6, 3, 1)).unwrap();
        let new = export(from.path()).unwrap();
        let lock = Folder(to.path().into()).lock().unwrap();
        assert!(import(to.path(), &new).is_err(), "in use");
        drop(lock);
        import(to.path(), &new).unwrap();
        assert!(format!("{:#}", import(to.path(), &old).unwrap_err()).contains("lower"));
        assert_eq!(export(to.path()).unwrap(), new);
        let mut foreign = fresh();
        foreign.marks.insert(Kind::Vote, mark(9, 3, 1));
        assert!(import(to.path(), &foreign.to_bytes()).is_err(), "another pool");
    }

    #[test]
    fn what_is_no_signing_state_is_refused() {
        let good = String::from_utf8(fresh().to_bytes()).unwrap();
        for bad in [
            good.replace("state/1", "state/2"),
            good.replace("07070707", "zz070707"),
            good.replace("[]", r#"[{"kind":"oath","at":1,"floor":0,"hash":""}]"#),
            good.replace("[]", r#"[{"kind":"vote","at":1,"floor":0,"hash":"00"}]"#),
            good.replace("\"pool\"", "\"pond\""),
        ] {
            assert_ne!(bad, good);
            assert!(SigningState::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_history_signs_two_things_at_one_place(
            asked in prop::collection::vec((0u64..6, 0u64..4, 0u8..3, any::<bool>()), 1..40),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut files = Folder(dir.path().into());
            let mut state = fresh();
            let mut signed: BTreeMap<u64, u8> = BTreeMap::new();
            let mut floor = 0;
            for (at, from, hash, restart) in asked {
                if restart {
                    state = SigningState::load(&files, GENESIS, POOL).unwrap();
                }
                if state.raise(&mut files, Kind::Vote, mark(at, from, hash)).is_ok() {
                    prop_assert_eq!(*signed.entry(at).or_insert(hash), hash);
                    prop_assert!(from >= floor);
                    floor = from;
                }
            }
        }

        #[test]
        fn junk_is_no_state(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(SigningState::parse(&bytes).is_err());
        }
    }
}
