#![allow(clippy::unwrap_used)]
use super::*;
use crate::manifest::tests::workload;
use nupeer_primitives::Hash;
use proptest::prelude::*;

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const LEASE: LeaseId = LeaseId([3; 32]);

fn bundle() -> Bundle {
    let secret = |name: &str| (name.to_string(), Zeroizing::new(name.as_bytes().to_vec()));
    Bundle {
        workload: workload(),
        secrets: vec![secret("API_TOKEN"), secret("b-2")],
        volume_keys: vec![("models".into(), Zeroizing::new([5; 32]))],
    }
}

#[test]
fn a_host_opens_what_was_sealed_for_it() {
    let (bundle, key, host) = (bundle(), BundleKey::generate().unwrap(), SealKey::generate().unwrap());
    let sealed = bundle.seal(&key, &GENESIS).unwrap();
    let wrapped = wrap(&key, &BundleAddress::of(&sealed), &LEASE, &host.public(), &GENESIS).unwrap();
    assert_eq!(wrapped.as_slice().len(), WRAP_BYTES_MAX);
    let (opened, address) = unwrap(wrapped.as_slice(), &LEASE, &host, &GENESIS).unwrap();
    assert_eq!(address, BundleAddress::of(&sealed));
    assert_eq!(BundleAddress::from_hex(&address.to_hex()), Some(address));
    assert!(Bundle::open(&sealed, &opened, &GENESIS, &bundle.workload.hash()).unwrap() == bundle);
}

#[test]
fn nobody_else_does() {
    let (bundle, key, host) = (bundle(), BundleKey::generate().unwrap(), SealKey::generate().unwrap());
    let sealed = bundle.seal(&key, &GENESIS).unwrap();
    let address = BundleAddress::of(&sealed);
    let wrapped = wrap(&key, &address, &LEASE, &host.public(), &GENESIS).unwrap();
    let try_wrap = |bytes: &[u8], lease, host: &SealKey, genesis| unwrap(bytes, lease, host, genesis).map(|_| ());
    let other_network = GenesisHash(Hash([8; 32]));
    let bytes = wrapped.as_slice();
    let sealed_to_other = Err(BundleError::SealedToOther);
    assert_eq!(try_wrap(bytes, &LeaseId([4; 32]), &host, &GENESIS), sealed_to_other);
    assert_eq!(try_wrap(bytes, &LEASE, &SealKey::generate().unwrap(), &GENESIS), sealed_to_other);
    assert_eq!(try_wrap(bytes, &LEASE, &host, &other_network), sealed_to_other);
    for i in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[i] ^= 1;
        assert!(try_wrap(&changed, &LEASE, &host, &GENESIS).is_err(), "byte {i}");
    }
    assert_eq!(try_wrap(&bytes[1..], &LEASE, &host, &GENESIS), Err(BundleError::WrapLength { bytes: 103 }));
    let weak = wrap(&key, &address, &LEASE, &[0; 32], &GENESIS).map(|_| ());
    assert_eq!(weak, Err(BundleError::WeakSealKey));

    let hash = bundle.workload.hash();
    let open = |bytes: &[u8], key: &BundleKey, genesis, hash| Bundle::open(bytes, key, genesis, hash).map(|_| ());
    let closed = Err(BundleError::NotForThisKey);
    assert_eq!(open(&sealed, &BundleKey::generate().unwrap(), &GENESIS, &hash), closed);
    assert_eq!(open(&sealed, &key, &other_network, &hash), closed);
    assert_eq!(open(&sealed, &key, &GENESIS, &[0; 32]), closed);
    assert_eq!(open(&sealed[..20], &key, &GENESIS, &hash), closed);
}

#[test]
fn a_liar_with_the_key_is_caught_too() {
    let (honest, key) = (bundle(), BundleKey::generate().unwrap());
    let mut other = bundle();
    other.workload.lots = 1;
    let aad = bundle_aad(&GENESIS, &honest.workload.hash());
    let cipher = XChaCha20Poly1305::new(<&Key>::from(&key.0));
    let sealed = cipher.encrypt(&XNonce::from([1; 24]), Payload { msg: &other.to_cbor(), aad: &aad }).unwrap();
    let sealed = [[1; 24].as_slice(), &sealed].concat();
    let refused = Bundle::open(&sealed, &key, &GENESIS, &honest.workload.hash());
    assert!(matches!(refused, Err(BundleError::ManifestMismatch { .. })));
}

#[test]
fn secrets_are_exactly_those_of_the_manifest() {
    let key = BundleKey::generate().unwrap();
    let mut missing = bundle();
    missing.secrets.pop();
    assert_eq!(missing.seal(&key, &GENESIS), Err(BundleError::SecretMissing { name: "b-2".into() }));
    let mut unknown = bundle();
    unknown.secrets.push(("z".into(), Zeroizing::new(Vec::new())));
    assert_eq!(unknown.seal(&key, &GENESIS), Err(BundleError::SecretUnknown { name: "z".into() }));
    let mut long = bundle();
    long.secrets[0].1 = Zeroizing::new(vec![0; 65_537]);
    assert!(matches!(long.seal(&key, &GENESIS), Err(BundleError::SecretTooLong { bytes: 65_537, .. })));
}

/// The known answer was made by libsodium and hashlib from the same inputs, step 2 of the module header by hand.
#[test]
fn a_wrap_equals_its_known_answer() {
    let (key, address) = (BundleKey::from_bytes([0x11; 32]), BundleAddress([0x22; 24]));
    let host = SealKey::from_bytes([0x33; 32]);
    let ephemeral = StaticSecret::from([0x44; 32]);
    let wrapped = wrap_with(ephemeral, &key, &address, &LEASE, &host.public(), &GENESIS).unwrap();
    assert_eq!(hex::encode(wrapped.as_slice()), KNOWN_WRAP);
}

const KNOWN_WRAP: &str = "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b2222222222222222222222222222222222222222\
    222222227407ccf20a5c13f74f18d8a616a34141e116d438d3524af0c071b7f56f3f9cec3185e3318a2091df6e5b666543d98c83";

proptest! {
    #[test]
    fn junk_opens_nothing(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (key, host) = (BundleKey::from_bytes([1; 32]), SealKey::from_bytes([2; 32]));
        prop_assert!(Bundle::open(&junk, &key, &GENESIS, &[0; 32]).is_err());
        prop_assert!(unwrap(&junk, &LEASE, &host, &GENESIS).is_err());
        let _ = Bundle::from_cbor(&junk, BUNDLE_BYTES_MAX);
        let _ = Workload::decode(&junk);
    }

    #[test]
    fn one_changed_byte_of_the_content_is_never_a_panic(at in 0usize..9_000, with: u8) {
        let mut bytes = bundle().to_cbor();
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(other) = Bundle::from_cbor(&bytes, BUNDLE_BYTES_MAX) {
            prop_assert_eq!(other.to_cbor(), bytes);
            let _ = other.check();
        }
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let text = format!("{:?} {:?} {:?}", bundle(), BundleKey::from_bytes([0xab; 32]), SealKey::from_bytes([0xab; 32]));
    assert!(!text.contains("171") && !text.contains("API_TOKEN\", Z"), "{text}");
}
