//! CIP-8 signatures as CIP-30 `signData` gives them (ledger.md §2, "CIP-8 text"): a COSE_Sign1 and its COSE_Key.
//!
//! Only what the ledger's rule names is read; other headers are ignored. Bytes need not be canonical CBOR, since wallets
//! differ and nothing here enters an id. What the signature covers is taken from the bytes as given.
//!
//! # Not here
//! Whether the payload is the right text: that needs the asset table, see [`super::Authorised::check_texts`].

use super::script::at_break;
use crate::cbor::Writer;
use crate::hash::blake2b_224;
use crate::ids::{AccountId, Signature, VerificationKey};
use crate::sign;
use alloc::{string::String, vec::Vec};
use minicbor::{Decoder, data::Type};

/// Bytes of a COSE_Sign1, and of a COSE_Key.
pub const COSE_SEMANTIC_BYTES_MAX: usize = 2_048;

/// Which Cardano addresses fit this network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// Network bit 0.
    Test,
    /// Network bit 1.
    Main,
}

impl Network {
    /// The network whose account texts begin with `hrp`.
    #[must_use]
    pub fn of_hrp(hrp: &str) -> Self {
        if hrp == AccountId::HRP_MAIN { Self::Main } else { Self::Test }
    }
    /// The low half of an address header.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Test => 0,
            Self::Main => 1,
        }
    }
}

/// A well-formed signature over a text that may still be unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedText {
    /// Who signed.
    pub key: VerificationKey,
    /// Network of the address in the protected header.
    pub network: Network,
    protected: Vec<u8>,
    payload: Option<Vec<u8>>,
    hashed: bool,
    signature: Signature,
}

impl SignedText {
    /// Reads both structures and makes every check that needs neither text nor state; the error says what is wrong.
    pub fn decode(sign1: &[u8], key: &[u8]) -> Result<Self, &'static str> {
        if sign1.len() > COSE_SEMANTIC_BYTES_MAX || key.len() > COSE_SEMANTIC_BYTES_MAX {
            return Err("more than 2048 bytes");
        }
        let key = CoseKey::decode(key)?;
        let mut d = Decoder::new(sign1);
        // CIP-30 sends the structure bare; some libraries put COSE's own tag in front.
        if matches!(d.datatype(), Ok(Type::Tag)) && d.tag().map_err(|_| SHAPE)?.as_u64() != 18 {
            return Err("tagged as something else");
        }
        let len = d.array().map_err(|_| SHAPE)?;
        let protected = d.bytes().map_err(|_| SHAPE)?.to_vec();
        let open = Headers::decode(&mut d)?;
        let payload = if matches!(d.datatype(), Ok(Type::Null)) {
            d.null().map(|()| None)
        } else {
            d.bytes().map(|bytes| Some(bytes.to_vec()))
        };
        let payload = payload.map_err(|_| "payload is neither bytes nor nil")?;
        let signature = d.bytes().map_err(|_| SHAPE)?;
        let signature = Signature(signature.try_into().map_err(|_| "signature is not 64 bytes")?);
        if !(len == Some(4) || (len.is_none() && at_break(&mut d))) || d.position() != sign1.len() {
            return Err(SHAPE);
        }
        let mut inner = Decoder::new(&protected);
        let closed = Headers::decode(&mut inner)?;
        if inner.position() != protected.len() {
            return Err("protected header has bytes left over");
        }
        let (network, credential) = closed.check(&open, &key)?;
        if credential != key.x.account() {
            return Err("address is not of the signing key");
        }
        Ok(Self { key: key.x, network, hashed: open.hashed.unwrap_or(false), protected, payload, signature })
    }

    /// The account that this signature can authorise.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.key.account()
    }

    /// Whether the signature covers the payload it carries; `None` if it carries none.
    #[must_use]
    pub fn verify_attached(&self) -> Option<bool> {
        let payload = self.payload.as_deref()?;
        Some(sign::verify(&self.key, &sig_structure(&self.protected, payload), &self.signature))
    }

    /// Whether what was signed is `text`, or its hash where the signature says so. An attached payload is only compared:
    /// its signature was judged by [`Self::verify_attached`].
    #[must_use]
    pub fn is_over(&self, text: &[u8]) -> bool {
        let digest;
        let expected: &[u8] = if self.hashed {
            digest = blake2b_224(text);
            &digest
        } else {
            text
        };
        match &self.payload {
            Some(payload) => payload == expected,
            None => sign::verify(&self.key, &sig_structure(&self.protected, expected), &self.signature),
        }
    }
}

/// What the ed25519 key signs: `["Signature1", protected, h'', payload]`.
#[must_use]
pub fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload);
    w.finish()
}

/// The protected header that wallets write: `{1: -8, "address": address}`.
#[must_use]
pub fn protected_header(address: &[u8]) -> Vec<u8> {
    let mut w = Writer::default();
    w.text("address").bytes(address);
    let mut out = alloc::vec![0xa2, 0x01, 0x27];
    out.extend(w.finish());
    out
}

/// An untagged COSE_Sign1 as `signData` returns it; `payload` = `None` makes it detached.
#[must_use]
pub fn sign1(protected: &[u8], hashed: bool, payload: Option<&[u8]>, signature: &Signature) -> Vec<u8> {
    let mut w = Writer::default();
    w.array(4).bytes(protected);
    let mut out = w.finish();
    out.push(0xa1);
    let mut w = Writer::default();
    w.text("hashed").bool(hashed);
    match payload {
        Some(payload) => w.bytes(payload),
        None => w.null(),
    };
    w.put(signature);
    out.extend(w.finish());
    out
}

/// The COSE_Key of an ed25519 key: `{1: 1, 3: -8, -1: 6, -2: x}`.
#[must_use]
pub fn cose_key(key: &VerificationKey) -> Vec<u8> {
    let mut out = alloc::vec![0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21];
    let mut w = Writer::default();
    w.put(key);
    out.extend(w.finish());
    out
}

/// A reward address of a stake key hash, the address that `signData` should be given here.
#[must_use]
pub fn reward_address(network: Network, credential: &AccountId) -> Vec<u8> {
    let mut out = alloc::vec![0xe0 | network.bit()];
    out.extend(credential.0);
    out
}

const SHAPE: &str = "not a COSE_Sign1";
const KEY_SHAPE: &str = "not a COSE_Key";
const TWICE: &str = "a label stands twice";
const EDDSA: i64 = -8;

enum Label {
    Number(i64),
    Text(String),
}

/// Calls `entry` for each label of a map, which must consume the value.
fn map<'b>(
    d: &mut Decoder<'b>,
    mut entry: impl FnMut(Label, &mut Decoder<'b>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut left = d.map().map_err(|_| "headers are not a map")?;
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(n) => *n = n.saturating_sub(1),
            None if at_break(d) => return Ok(()),
            None => {}
        }
        let label = if matches!(d.datatype(), Ok(Type::String)) {
            Label::Text(d.str().map_err(|_| "label is not text")?.into())
        } else {
            Label::Number(d.i64().map_err(|_| "label is neither number nor text")?)
        };
        entry(label, d)?;
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    if slot.replace(value).is_some() { Err(TWICE) } else { Ok(()) }
}

#[derive(Default)]
struct Headers {
    alg: Option<i64>,
    kid: Option<Vec<u8>>,
    address: Option<Vec<u8>>,
    hashed: Option<bool>,
}

impl Headers {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, &'static str> {
        let mut h = Self::default();
        map(d, |label, d| match label {
            Label::Number(1) => set(&mut h.alg, d.i64().map_err(|_| "alg is not a number")?),
            Label::Number(2) => Err("critical headers are not understood"),
            Label::Number(4) => set(&mut h.kid, d.bytes().map_err(|_| "kid is not bytes")?.to_vec()),
            Label::Text(name) if name == "address" => {
                set(&mut h.address, d.bytes().map_err(|_| "address is not bytes")?.to_vec())
            }
            Label::Text(name) if name == "hashed" => {
                set(&mut h.hashed, d.bool().map_err(|_| "hashed is neither true nor false")?)
            }
            Label::Number(_) | Label::Text(_) => d.skip().map_err(|_| SHAPE),
        })?;
        Ok(h)
    }

    /// The rules on the protected header (`self`), and the credential that its address names.
    fn check(&self, open: &Self, key: &CoseKey) -> Result<(Network, AccountId), &'static str> {
        if self.alg != Some(EDDSA) {
            return Err("alg is not EdDSA");
        }
        let kid = self.kid.as_ref().or(open.kid.as_ref());
        if kid.is_some() && key.kid.is_some() && kid != key.kid.as_ref() {
            return Err("kid differs from the key's");
        }
        credential(self.address.as_deref().ok_or("protected header has no address")?)
    }
}

/// The key-hash credential of a Shelley address: payment part, or stake part of a reward address.
fn credential(address: &[u8]) -> Result<(Network, AccountId), &'static str> {
    let (header, rest) = address.split_first().ok_or("address is empty")?;
    let network = match header & 0x0f {
        0 => Network::Test,
        1 => Network::Main,
        _ => return Err("address of an unknown network"),
    };
    let length = match header >> 4 {
        0 | 2 => 56,
        6 | 14 => 28,
        1 | 3 | 5 | 7 | 15 => return Err("address of a script"),
        _ => return Err("kind of address is not supported"),
    };
    if rest.len() != length {
        return Err("address has the wrong length");
    }
    let hash = rest.get(..28).and_then(|hash| hash.try_into().ok()).ok_or("address has the wrong length")?;
    Ok((network, AccountId(hash)))
}

struct CoseKey {
    x: VerificationKey,
    kid: Option<Vec<u8>>,
}

impl CoseKey {
    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (mut kty, mut kid, mut alg, mut crv, mut x) = (None, None, None, None, None);
        let mut d = Decoder::new(bytes);
        map(&mut d, |label, d| match label {
            Label::Number(1) => set(&mut kty, d.i64().map_err(|_| KEY_SHAPE)?),
            Label::Number(2) => set(&mut kid, d.bytes().map_err(|_| KEY_SHAPE)?.to_vec()),
            Label::Number(3) => set(&mut alg, d.i64().map_err(|_| KEY_SHAPE)?),
            Label::Number(-1) => set(&mut crv, d.i64().map_err(|_| KEY_SHAPE)?),
            Label::Number(-2) => set(&mut x, d.bytes().map_err(|_| KEY_SHAPE)?.to_vec()),
            Label::Number(_) | Label::Text(_) => d.skip().map_err(|_| KEY_SHAPE),
        })?;
        if d.position() != bytes.len() {
            return Err("key has bytes left over");
        }
        if kty != Some(1) || crv != Some(6) || alg.is_some_and(|alg| alg != EDDSA) {
            return Err("key is not an Ed25519 key");
        }
        let x: [u8; 32] = x.and_then(|x| x.try_into().ok()).ok_or("key has no 32-byte x")?;
        Ok(Self { x: VerificationKey(x), kid })
    }
}
