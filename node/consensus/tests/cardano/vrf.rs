//! Draft-03 proofs are reproduced and verified; draft-13 proofs, another suite, are refused.

use crate::data;
use nupeer_consensus::crypto::vrf;
use serde_json::Value;

/// Key, input, proof and output as Cardano made them.
fn check(name: &str, sk: &[u8; 32], pk: &[u8; 32], alpha: &[u8], proof: &[u8; 80], out: &[u8; 64]) {
    let key = vrf::SecretKey::from_seed(sk);
    assert_eq!(hex::encode(key.public()), hex::encode(pk), "{name}: key");
    assert_eq!(hex::encode(vrf::prove(&key, alpha)), hex::encode(proof), "{name}: proof");
    assert_eq!(vrf::verify(pk, alpha, proof).as_ref(), Some(out), "{name}: output");
    assert_eq!(vrf::proof_to_output(proof).as_ref(), Some(out), "{name}: output of the proof");
    let mut other = alpha.to_vec();
    other.push(1);
    assert_eq!(vrf::verify(pk, &other, proof), None, "{name}: other input");
    let mut forged = *proof;
    forged[40] ^= 1;
    assert_eq!(vrf::verify(pk, alpha, &forged), None, "{name}: forged challenge");
}

#[test]
fn the_29_vectors_of_the_draft_hold() {
    let Some(folder) = data::folder("vrf/blinklabs-io_gouroboros") else { return };
    let all = data::json(folder.join("internal/test/conformance/vrf_vectors.json"));
    let vectors = all["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 29);
    for (i, v) in vectors.iter().enumerate() {
        let alpha = data::bytes(&v["alpha"]);
        check(
            &format!("vector {i}"),
            &data::array(&v["sk"]),
            &data::array(&v["pk"]),
            &alpha,
            &data::array(&v["pi"]),
            &data::array(&v["beta"]),
        );
    }
}

#[test]
fn the_7_files_of_draft_03_hold_and_the_7_of_draft_13_are_refused() {
    let Some(folder) = data::folder("vrf/IntersectMBO_cardano-base/cardano-crypto-praos/test_vectors") else { return };
    let (mut old, mut new) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let field = |key: &str| -> Value {
            let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(": ")).unwrap();
            Value::String(if line == "empty" { String::new() } else { line.to_owned() })
        };
        let (pk, alpha) = (data::array(&field("pk")), data::bytes(&field("alpha")));
        if name.starts_with("vrf_ver03") {
            check(
                &name,
                &data::array(&field("sk")),
                &pk,
                &alpha,
                &data::array(&field("pi")),
                &data::array(&field("beta")),
            );
            old += 1;
        } else {
            // 128 bytes: the announcements in place of the challenge. Its first 80 must not pass for a draft-03 proof.
            let proof = data::bytes(&field("pi"));
            assert_eq!(proof.len(), 128, "{name}");
            assert_eq!(vrf::verify(&pk, &alpha, proof[..80].try_into().unwrap()), None, "{name}");
            new += 1;
        }
    }
    assert_eq!((old, new), (7, 7));
}
