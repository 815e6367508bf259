//! Cardano native scripts (ledger.md §2): decoding within limits, and evaluation over keys and a validity interval.
//!
//! The account of a script is the hash of its bytes as given, so the bytes need not be canonical: wallets that write
//! indefinite arrays keep their account.
//!
//! # Invariants
//! - A key is never counted twice under one `atleast`, however deep or often it is named.
//! - Evaluation visits each node once.

use crate::ids::AccountId;
use alloc::{collections::BTreeSet, vec::Vec};
use minicbor::{Decoder, data::Type};

/// Levels of a script, the root included.
pub const SCRIPT_DEPTH_MAX: usize = 8;
/// Nodes of a script.
pub const SCRIPT_NODES_MAX: usize = 64;

/// A decoded script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NativeScript {
    /// The key with this hash signed.
    Signature(AccountId),
    /// Every branch holds.
    All(Vec<Self>),
    /// Some branch holds.
    Any(Vec<Self>),
    /// So many branches hold, by different keys.
    AtLeast(i64, Vec<Self>),
    /// The transaction cannot be included before this slot.
    After(u64),
    /// The transaction can only be included before this slot.
    Before(u64),
}

impl NativeScript {
    /// Decodes exactly one script; the error says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut d = Decoder::new(bytes);
        let mut nodes = 0;
        let script = node(&mut d, 1, &mut nodes)?;
        if d.position() == bytes.len() { Ok(script) } else { Err("bytes left over") }
    }

    /// Number of nodes; the fee counts them.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        let below = match self {
            Self::All(branches) | Self::Any(branches) | Self::AtLeast(_, branches) => {
                branches.iter().map(Self::nodes).fold(0, u64::saturating_add)
            }
            Self::Signature(_) | Self::After(_) | Self::Before(_) => 0,
        };
        below.saturating_add(1)
    }

    /// Adds every key hash that the script names.
    pub fn named_keys(&self, into: &mut BTreeSet<AccountId>) {
        match self {
            Self::Signature(key) => {
                into.insert(*key);
            }
            Self::All(branches) | Self::Any(branches) | Self::AtLeast(_, branches) => {
                for branch in branches {
                    branch.named_keys(into);
                }
            }
            Self::After(_) | Self::Before(_) => {}
        }
    }

    /// Whether it holds for signers `keys` and a transaction valid in the slots `from..=until`.
    #[must_use]
    pub fn holds(&self, keys: &BTreeSet<AccountId>, from: u64, until: u64) -> bool {
        self.support(keys, from, until).is_some()
    }

    /// The keys that this node's truth rests on, or `None` if it doesn't hold.
    fn support(&self, keys: &BTreeSet<AccountId>, from: u64, until: u64) -> Option<BTreeSet<AccountId>> {
        let supports = |branches: &[Self]| -> Vec<BTreeSet<AccountId>> {
            branches.iter().filter_map(|branch| branch.support(keys, from, until)).collect()
        };
        match self {
            Self::Signature(key) => keys.contains(key).then(|| BTreeSet::from([*key])),
            Self::All(branches) => {
                let found = supports(branches);
                (found.len() == branches.len()).then(|| found.into_iter().flatten().collect())
            }
            Self::Any(branches) => supports(branches).into_iter().min_by_key(BTreeSet::len),
            Self::AtLeast(wanted, branches) => {
                let mut found = supports(branches);
                found.sort_by_key(BTreeSet::len);
                disjoint(found, usize::try_from(*wanted).unwrap_or(0))
            }
            Self::After(slot) => (from >= *slot).then(BTreeSet::new),
            Self::Before(slot) => (until < *slot).then(BTreeSet::new),
        }
    }
}

/// Union of the first `wanted` supports that share no key, smallest first; `None` if there are fewer.
fn disjoint(found: Vec<BTreeSet<AccountId>>, wanted: usize) -> Option<BTreeSet<AccountId>> {
    let (mut union, mut counted) = (BTreeSet::new(), 0usize);
    for support in found {
        if counted == wanted {
            break;
        }
        if support.is_disjoint(&union) {
            union.extend(support);
            counted = counted.saturating_add(1);
        }
    }
    (counted == wanted).then_some(union)
}

fn node(d: &mut Decoder<'_>, depth: usize, nodes: &mut usize) -> Result<NativeScript, &'static str> {
    const SHAPE: &str = "not a native script";
    if depth > SCRIPT_DEPTH_MAX {
        return Err("more than 8 levels");
    }
    *nodes = nodes.saturating_add(1);
    if *nodes > SCRIPT_NODES_MAX {
        return Err("more than 64 nodes");
    }
    let len = d.array().map_err(|_| SHAPE)?;
    let (script, items) = match d.u8().map_err(|_| SHAPE)? {
        0 => {
            let hash = d.bytes().map_err(|_| SHAPE)?;
            (NativeScript::Signature(AccountId(hash.try_into().map_err(|_| "key hash is not 28 bytes")?)), 2)
        }
        1 => (NativeScript::All(branches(d, depth, nodes)?), 2),
        2 => (NativeScript::Any(branches(d, depth, nodes)?), 2),
        3 => {
            let wanted = d.i64().map_err(|_| SHAPE)?;
            (NativeScript::AtLeast(wanted, branches(d, depth, nodes)?), 3)
        }
        4 => (NativeScript::After(d.u64().map_err(|_| SHAPE)?), 2),
        5 => (NativeScript::Before(d.u64().map_err(|_| SHAPE)?), 2),
        _ => return Err("unknown kind of node"),
    };
    match len {
        Some(len) if len == items => Ok(script),
        None if at_break(d) => Ok(script),
        Some(_) | None => Err(SHAPE),
    }
}

fn branches(d: &mut Decoder<'_>, depth: usize, nodes: &mut usize) -> Result<Vec<NativeScript>, &'static str> {
    let mut left = d.array().map_err(|_| "branches are not a list")?;
    let mut out = Vec::new();
    loop {
        match &mut left {
            Some(0) => return Ok(out),
            Some(n) => *n = n.saturating_sub(1),
            None if at_break(d) => return Ok(out),
            None => {}
        }
        out.push(node(d, depth.saturating_add(1), nodes)?);
    }
}

/// Consumes the end of an indefinite list if it stands here.
pub(super) fn at_break(d: &mut Decoder<'_>) -> bool {
    matches!(d.datatype(), Ok(Type::Break)) && d.skip().is_ok()
}
