#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use std::fs;

const PASSWORD: &str = "correct horse";

fn sample() -> (tempfile::TempDir, PathBuf, Words) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystore.json");
    let words = Words::from_entropy(&[9; 32]).unwrap();
    Keystore::create(&path, &words, PASSWORD, Cost::LEAST).unwrap();
    (folder, path, words)
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_is_sealed_comes_back() {
    let (_folder, path, words) = sample();
    let keystore = Keystore::open(&path).unwrap();
    let opened = keystore.unlock(PASSWORD).unwrap();
    assert_eq!(*opened.entropy(), *words.entropy());
    assert_eq!(keystore.accounts()[3], Account::derive(&opened.entropy(), 3).id());
    assert!(!fs::read_to_string(&path).unwrap().contains(&hex::encode([9; 32])));
    let again = Keystore::create(&path, &words, PASSWORD, Cost::LEAST);
    assert!(matches!(again, Err(KeystoreError::File(SecretFileError::Exists { .. }))));
}

#[test]
fn a_wrong_password_is_not_called_damage() {
    let (_folder, path, words) = sample();
    let keystore = Keystore::open(&path).unwrap();
    assert!(matches!(keystore.unlock("correct hors"), Err(KeystoreError::WrongPassword { .. })));
    let short = Keystore::create(&path, &words, "1234567", Cost::LEAST);
    assert!(matches!(short, Err(KeystoreError::PasswordTooShort { length: 7 })));
}

#[test]
fn damage_is_named() {
    let edits = [
        ("\"passes\": 1", "\"passes\": 2"),
        ("\"sealed\": \"", "\"sealed\": \"00"),
        ("\"lanes\": 1", "\"lanes\": 1, \"colour\": 3"),
        ("\"kdf\"", "\"extra\": 1, \"kdf\""),
        ("{", ""),
        ("\"digest\": \"", "\"digest\": \"ff"),
    ];
    for (from, to) in edits {
        let (_folder, path, _) = sample();
        rewrite(&path, from, to);
        assert!(matches!(Keystore::open(&path), Err(KeystoreError::Damaged { .. })), "{from} -> {to}");
    }
    let (_folder, path, _) = sample();
    rewrite(&path, "\"nupeer_keystore\": 1", "\"nupeer_keystore\": 2, \"new\": true");
    assert!(matches!(Keystore::open(&path), Err(KeystoreError::UnknownVersion { version: 2, .. })));
}

#[test]
fn a_hostile_cost_is_refused_before_memory_is_taken() {
    let (_folder, path, _) = sample();
    let mut file: KeystoreFile = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file.cost.memory_kib = u32::MAX;
    file.digest = file.expected_digest();
    fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
    assert!(matches!(Keystore::open(&path), Err(KeystoreError::Damaged { .. })));
}

#[test]
fn changed_account_ids_break_the_seal() {
    let (_folder, path, _) = sample();
    let mut file: KeystoreFile = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file.accounts.swap(0, 1);
    file.digest = file.expected_digest();
    fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
    assert!(matches!(Keystore::open(&path).unwrap().unlock(PASSWORD), Err(KeystoreError::WrongPassword { .. })));
}

proptest::proptest! {
    #[test]
    fn junk_is_refused(junk in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystore.json");
        secret_file::create(&path, &junk).unwrap();
        proptest::prop_assert!(Keystore::open(&path).is_err());
    }
}
