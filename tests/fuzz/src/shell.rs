//! Decoders of programs: what hosts, edges, plugins, operators and wallets read.

use crate::Decoder;
use crate::pure::same;
use nupeer_primitives::Cbor;
use nupeer_primitives::genesis::Genesis;
use nupeer_provider::journal::{self, frame, record::Record};
use nupeer_provider::tunnel::wire::{Answer, Ask, Head, MESSAGE_BYTES_MAX};
use prost::Message as _;
use std::path::Path;

/// The node's crate would bring a database along; its configuration needs none.
#[path = "../../../node/src/config.rs"]
#[allow(dead_code)]
mod node_config;

/// Parsers of text build trees of small strings: more memory per byte than CBOR.
const fn text(name: &'static str, run: fn(&[u8])) -> Decoder {
    Decoder { name, run, factor: 256 }
}

/// All of them.
pub const DECODERS: [Decoder; 9] = [
    Decoder { name: "journal", run: journal_bytes, factor: 16 },
    Decoder { name: "tunnel", run: tunnel, factor: 16 },
    Decoder { name: "rpp-spec", run: rpp_spec, factor: 64 },
    Decoder { name: "workload", run: workload, factor: 16 },
    text("capability", |bytes| drop(str_of(bytes).map(nupeer_client::delivery::Capability::from_header))),
    text("genesis-json", genesis_json),
    text("manifest", |bytes| drop(str_of(bytes).map(nupeer::manifest::App::parse))),
    text("keystore", keystore),
    text("node-toml", |bytes| drop(str_of(bytes).map(toml::from_str::<node_config::Config>))),
];

fn str_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn genesis_json(bytes: &[u8]) {
    let Some(Ok(genesis)) = str_of(bytes).map(nupeer_client::genesis_json::from_json) else { return };
    let again = nupeer_client::genesis_json::from_json(&nupeer_client::genesis_json::to_json(&genesis));
    assert!(again.is_ok_and(|again| again == genesis), "a genesis file that was read does not read again");
}

/// Wallets read keystores from files only, so the input becomes one.
fn keystore(bytes: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = std::env::temp_dir().join(format!("nupeer-fuzz-keystore-{}", std::process::id()));
    let file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&path);
    if file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes)).is_ok() {
        let _ = nupeer::wallet::keystore::Keystore::open(&path);
    }
}

/// A whole file, and the same bytes as the payload of one sound frame: the hash keeps a fuzzer out otherwise.
fn journal_bytes(bytes: &[u8]) {
    let _ = journal::parse(Path::new("journal"), bytes);
    same(bytes, Record::from_cbor(bytes, frame::PAYLOAD_BYTES_MAX));
}

fn tunnel(bytes: &[u8]) {
    same(bytes, Head::from_cbor(bytes, MESSAGE_BYTES_MAX));
    same(bytes, Ask::from_cbor(bytes, MESSAGE_BYTES_MAX));
    same(bytes, Answer::from_cbor(bytes, MESSAGE_BYTES_MAX));
}

fn rpp_spec(bytes: &[u8]) {
    if let Ok(spec) = nupeer_plugin_protocol::v1::Spec::decode(bytes) {
        let _ = nupeer_plugin_protocol::spec::validate(&spec);
    }
}

fn workload(bytes: &[u8]) {
    if let Ok(workload) = nupeer_client::manifest::Workload::decode(bytes) {
        assert_eq!(workload.to_cbor(), bytes, "accepted bytes encode differently");
    }
}

/// The shape of a keystore; its checksum does not fit.
const KEYSTORE: &str = r#"{"nupeer_keystore":1,"kdf":"argon2id","cost":{"memory_kib":8192,"passes":1,"lanes":1},
"salt":"00","cipher":"xchacha20poly1305","nonce":"00","accounts":[],"sealed":"00","digest":"00"}"#;

/// First inputs.
pub fn seeds(put: &dyn Fn(&str, &str, &[u8]) -> std::io::Result<()>, genesis: &Genesis) -> std::io::Result<()> {
    put("genesis-json", "seed", nupeer_client::genesis_json::to_json(genesis).as_bytes())?;
    put("node-toml", "seed", b"genesis = 'g'\nstate_dir = 'd'\n[network]\nlisten = ['/ip4/127.0.0.1/tcp/1']\n")?;
    for app in ["guestbook", "page", "thumbnailer"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testnet/apps").join(app).join("app.yaml");
        put("manifest", app, &std::fs::read(path)?)?;
    }
    let held = nupeer_provider::core::Held { lease: nupeer_primitives::LeaseId([1; 32]), epoch: 1 };
    put("tunnel", "countersign", &Ask::Countersign(crate::seeds::receipt()).to_cbor())?;
    put("tunnel", "ready", &Ask::Ready { held, endpoint_hash: [2; 32] }.to_cbor())?;
    put("tunnel", "refused", &Answer::Refused("no".into()).to_cbor())?;
    put("keystore", "seed", KEYSTORE.as_bytes())?;
    let record = Record { wall_ms: 5, held, body: journal::record::Body::Receipt(crate::seeds::receipt().receipt) };
    put("journal", "record", &record.to_cbor())?;
    let mut file = frame::MAGIC.to_vec();
    let at = file.len();
    if frame::write(&mut file, at, &record.to_cbor()).is_some() {
        put("journal", "file", &file)?;
    }
    put("rpp-spec", "seed", &[0x0a, 3, b'a', b'/', b'b'])
}
