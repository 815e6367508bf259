//! Headers of mainnet and preprod. Their stake and nonce are not in the files, so the rules that need neither are run:
//! certificate, KES signature at the claimed evolution, and that the output is the proof's.

use crate::data;
use crate::layout::{Praos, decode};
use nupeer_consensus::crypto::{kes, opcert, vrf};
use nupeer_consensus::header::KesRules;
use std::path::{Path, PathBuf};

/// Slots of a KES period on mainnet and preprod.
const KES: KesRules = KesRules { period_slots: 129_600, evolutions: 62 };

fn headers(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            headers(&path, found);
        } else if path.extension().is_some_and(|e| e == "cbor") {
            let raw = std::fs::read(&path).unwrap();
            let text = std::str::from_utf8(&raw).ok().map(str::trim_ascii);
            let bytes = text.and_then(|t| hex::decode(t).ok()).unwrap_or(raw);
            found.push((path, bytes));
        }
    }
}

fn sound(praos: &Praos) -> (bool, bool, bool) {
    let body = &praos.header.body;
    let age = KES.period(body.slot).checked_sub(body.opcert.start).filter(|age| *age < KES.evolutions);
    let evolution = u32::try_from(age.unwrap()).unwrap();
    (
        opcert::verify(&body.issuer, &body.opcert, &praos.messages.opcert),
        kes::verify(&body.opcert.hot_key, evolution, &praos.messages.header, &praos.header.kes_signature),
        vrf::proof_to_output(&body.vrf.1) == Some(body.vrf.0),
    )
}

#[test]
fn headers_of_mainnet_and_preprod_are_sound_and_break_when_touched() {
    let Some(folder) = data::folder("praos-headers") else { return };
    let mut found = Vec::new();
    headers(&folder, &mut found);
    let (mut praos, mut other) = (0, Vec::new());
    for (path, bytes) in &found {
        let Some(header) = decode(bytes) else {
            other.push(path.file_name().unwrap().to_string_lossy().into_owned());
            continue;
        };
        assert_eq!(sound(&header), (true, true, true), "{}", path.display());
        let mut touched = decode(bytes).unwrap();
        touched.messages.header[9] ^= 1;
        touched.messages.opcert[39] ^= 1;
        touched.header.body.vrf.0[0] ^= 1;
        assert_eq!(sound(&touched), (false, false, false), "{}", path.display());
        praos += 1;
    }
    // Shelley to Alonzo headers have two VRF proofs, and the files of `omnibus` are whole blocks of that time.
    assert_eq!((praos, other.len()), (8, 15), "not Praos: {other:?}");
}

#[test]
fn cut_headers_are_refused_calmly() {
    let Some(folder) = data::folder("praos-headers") else { return };
    let mut found = Vec::new();
    headers(&folder, &mut found);
    for (_, bytes) in &found {
        for end in (0..bytes.len()).step_by(7) {
            assert!(decode(&bytes[..end]).is_none());
            assert!(nupeer_consensus::header::decode(&bytes[..end], 2_048).is_err());
        }
    }
}
