//! Sum6 keys and signatures made by Haskell, and pallas as oracle over a whole key's life.

use crate::data;
use nupeer_consensus::crypto::kes;
use pallas_crypto::kes::summed_kes::Sum6Kes;
use pallas_crypto::kes::traits::{KesSig, KesSk};

const SEED: &[u8; 32] = b"test string of 32 byte of lenght";
const MESSAGE: &[u8] = b"test message";

#[test]
fn haskell_keys_and_signatures_are_reproduced() {
    let Some(folder) = data::folder("kes/txpipe_pallas/pallas-crypto/src/kes/data") else { return };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let mut key = kes::SecretKey::from_seed(SEED);
    let public = key.public();
    for period in 0..=5 {
        assert_eq!(key.period(), period);
        let (file, signature) = match period {
            0 => ("key6.bin", Some("key6Sig.bin")),
            1 => ("key6update1.bin", None),
            5 => ("key6update5.bin", Some("key6Sig5.bin")),
            _ => ("", None),
        };
        if !file.is_empty() {
            assert_eq!(hex::encode(&key.to_bytes()[..608]), hex::encode(read(file)), "{file}");
        }
        if let Some(file) = signature {
            let signed = read(file);
            assert_eq!(hex::encode(key.sign(MESSAGE)), hex::encode(&signed), "{file}");
            assert!(kes::verify(&public, period, MESSAGE, signed.as_slice().try_into().unwrap()), "{file}");
        }
        key.evolve().unwrap();
    }
}

#[test]
fn conformance_signatures_verify_at_their_period_only() {
    let Some(folder) = data::folder("kes/blinklabs-io_gouroboros") else { return };
    let all = data::json(folder.join("internal/test/conformance/kes_vectors.json"));
    let public = kes::SecretKey::from_seed(SEED).public();
    for v in all["vectors"].as_array().unwrap() {
        let signature = data::array(&v["signature"]);
        let right = u32::try_from(v["period"].as_u64().unwrap()).unwrap();
        for period in [0, 1, 4, 5, 6, 63, 64, u32::MAX] {
            assert_eq!(kes::verify(&public, period, MESSAGE, &signature), period == right, "{period}");
        }
    }
}

#[test]
fn a_key_lives_64_periods_exactly_like_pallas() {
    let mut ours = kes::SecretKey::from_seed(&[7; 32]);
    let (mut buffer, mut seed) = ([0; kes::SECRET_BYTES], [7; 32]);
    let (mut theirs, public) = Sum6Kes::keygen(&mut buffer, &mut seed);
    assert_eq!(ours.public(), public.as_bytes());
    for period in 0..kes::PERIODS {
        assert_eq!(hex::encode(ours.to_bytes().as_slice()), hex::encode(theirs.as_bytes()), "key at {period}");
        let signature = ours.sign(MESSAGE);
        assert_eq!(hex::encode(signature), hex::encode(theirs.sign(MESSAGE).to_bytes()), "signature at {period}");
        assert!(theirs.sign(MESSAGE).verify(period, &public, MESSAGE).is_ok());
        assert!(kes::verify(&ours.public(), period, MESSAGE, &signature));
        if period + 1 < kes::PERIODS {
            ours.evolve().unwrap();
            theirs.update().unwrap();
        }
    }
    assert!(ours.evolve().is_err());
}
