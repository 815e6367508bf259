//! Headers of mainnet and preprod. Their stake and nonce are not in the files, so the rules that need neither are run:
//! certificate, KES signature at the claimed evolution, and that the output is the proof's. Of the negative cases of
//! `acropolis`, the wrong leader is refused that way; what is wrong with `tx-no-fee`, `insufficient-fee` and
//! `huge-withdrawal` is in their bodies, and `bad-spo` is sound until one has the pools of its epoch (rule 11).

use crate::data;
use crate::layout::{Era, Praos, decode, decode_any, header_of_block};
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
    let mut eras = [0, 0];
    for (path, bytes) in &found {
        let bytes = header_of_block(bytes).unwrap_or(bytes);
        let (era, mut praos) = decode_any(bytes).unwrap();
        eras[usize::from(era == Era::Praos)] += 1;
        // Somebody changed this header after it was signed: refused by rule 17, before its VRF is looked at.
        let spoilt = path.ends_with("block.0002.wrong-leader-vrf-key.cbor");
        assert_eq!(sound(&praos), (true, !spoilt, true), "{}", path.display());
        praos.messages.header[9] ^= 1;
        praos.messages.opcert[39] ^= 1;
        praos.header.body.vrf.0[0] ^= 1;
        assert_eq!(sound(&praos), (false, false, false), "{}", path.display());
    }
    assert_eq!(eras, [15, 8]);
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
