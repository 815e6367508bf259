#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_signature_holds_for_its_period_message_and_key_only(
        seed: [u8; 32], period in 0..PERIODS, other in 0..PERIODS, flip in 0usize..SIGNATURE_BYTES * 8
    ) {
        let mut key = SecretKey::from_seed(&seed);
        key.evolve_to(period).unwrap();
        let signature = key.sign(b"block");
        prop_assert!(verify(&key.public(), period, b"block", &signature));
        prop_assert!(!verify(&key.public(), period, b"clock", &signature));
        prop_assert_eq!(verify(&key.public(), other, b"block", &signature), other == period);
        let mut bad = signature;
        bad[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!verify(&key.public(), period, b"block", &bad));
        let again = SecretKey::from_bytes(&key.to_bytes()).unwrap();
        prop_assert_eq!(again.sign(b"block"), signature);
    }
    #[test]
    fn any_bytes_are_a_key_or_refused(head: [u8; 32], period: u32) {
        let mut bytes = [7; SECRET_BYTES];
        bytes[..32].copy_from_slice(&head);
        bytes[608..].copy_from_slice(&period.to_be_bytes());
        match SecretKey::from_bytes(&bytes) {
            Ok(mut key) => { let _ = (key.sign(b""), key.evolve()); }
            Err(error) => prop_assert_eq!(error, KesError::BadPeriod { period }),
        }
    }
}

#[test]
fn evolving_erases_the_past_and_never_goes_back() {
    let mut key = SecretKey::from_seed(&[1; 32]);
    let mut secrets = alloc::vec::Vec::new();
    for period in 0..PERIODS {
        assert_eq!(key.period(), period);
        let bytes = key.to_bytes();
        for old in &secrets {
            assert!(!bytes.windows(32).any(|w| w == old), "period {period} still holds an older leaf");
        }
        secrets.push(<[u8; 32]>::try_from(&bytes[..32]).unwrap());
        if period + 1 < PERIODS {
            key.evolve().unwrap();
        }
    }
    assert_eq!(key.evolve(), Err(KesError::OutOfReach { period: 63, wanted: 64 }));
    assert_eq!(key.evolve_to(5), Err(KesError::OutOfReach { period: 63, wanted: 5 }));
    let leaf = Hash(*secrets.last().unwrap()).to_hex();
    assert!(!alloc::format!("{key:?}").contains(&leaf));
}
