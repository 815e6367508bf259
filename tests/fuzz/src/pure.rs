//! Decoders of the pure crates: everything that peers and clients send.

use crate::Decoder;
use nupeer_primitives::block::{BODY_BYTES_MAX, BlockBody, Header};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::event::Event;
use nupeer_primitives::genesis::{GENESIS_BYTES_MAX, Genesis};
use nupeer_primitives::imt::{Absence, Inclusion, TreeUndo};
use nupeer_primitives::receipt::{RECEIPT_BYTES_MAX, SignedReceipt};
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::witness::{self, Network};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Cbor, GenesisHash, Hash, Slot, Transaction, VerificationKey, Witness,
};

const fn decoder(name: &'static str, run: fn(&[u8])) -> Decoder {
    Decoder { name, run, factor: 16 }
}

/// All of them.
pub const DECODERS: [Decoder; 10] = [
    decoder("transaction", transaction),
    decoder("header", |bytes| same(bytes, Header::decode(bytes))),
    decoder("body", |bytes| same(bytes, BlockBody::decode(bytes, BODY_BYTES_MAX))),
    decoder("receipt", |bytes| same(bytes, SignedReceipt::from_cbor(bytes, RECEIPT_BYTES_MAX))),
    decoder("action", action),
    decoder("genesis", |bytes| same(bytes, Genesis::from_cbor(bytes, GENESIS_BYTES_MAX))),
    decoder("witness", witness_bytes),
    decoder("imt-proof", proof),
    decoder("undo", |bytes| same(bytes, TreeUndo::from_cbor(bytes, usize::MAX))),
    decoder("event", |bytes| same(bytes, Event::from_cbor(bytes, usize::MAX))),
];

/// I11: one encoding per value.
pub fn same<T: Cbor, E>(bytes: &[u8], decoded: Result<T, E>) {
    if let Ok(value) = decoded {
        assert_eq!(value.to_cbor(), bytes, "accepted bytes encode differently");
    }
}

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

fn transaction(bytes: &[u8]) {
    let decoded = Transaction::decode(bytes);
    if let Ok(tx) = &decoded {
        let _ = witness::check(tx, &GENESIS, Network::Test);
        let _ = nupeer_runtime::fee::weight(tx);
    }
    same(bytes, decoded);
}

/// The input stands where an action's fields stand: two bytes of code, then the fields.
fn action(bytes: &[u8]) {
    let Some((code, fields)) = bytes.split_first_chunk::<2>() else { return };
    let known = Action::CODES;
    let code = known[usize::from(u16::from_be_bytes(*code)) % known.len()].0;
    let mut whole = vec![0x82];
    let plain = plain(Vec::new()).to_cbor();
    // Everything before the list of actions is the same for each plain transaction.
    let before = plain.len() - EMPTY_REST;
    whole.extend_from_slice(&plain[1..before]);
    whole.extend_from_slice(&[0x81, 0x83]);
    whole.extend_from_slice(&code.to_cbor());
    whole.push(0);
    whole.extend_from_slice(fields);
    whole.extend_from_slice(&plain[before + 1..]);
    same(&whole, Transaction::decode(&whole));
}

/// Bytes of a plain transaction from its empty list of actions on: list, memo, witnesses.
const EMPTY_REST: usize = 1 + 1 + 1 + 2 + 1 + 34 + 66 - 1;

fn plain(actions: Vec<ActorAction>) -> Transaction {
    let body = TxBody {
        payer: AccountId([1; 28]),
        seq: 0,
        from: Slot(0),
        until: Slot(9),
        max_fee: Amount::new(1),
        cosigners: Vec::new(),
        actions,
        memo: None::<Bytes<64>>,
    };
    let signature = nupeer_primitives::Signature([0; 64]);
    Transaction { body, witnesses: vec![Witness::Key { key: VerificationKey([2; 32]), signature }] }
}

/// First byte: which; second: where a COSE signature ends and its key begins.
fn witness_bytes(bytes: &[u8]) {
    let [kind, split, rest @ ..] = bytes else { return };
    let (sign1, key) = rest.split_at(rest.len() * usize::from(*split) / 256);
    let witness = match kind % 2 {
        0 => Witness::Cose { sign1: sign1.to_vec(), key: key.to_vec() },
        _ => Witness::Script { script: rest.to_vec() },
    };
    let step = Action::Transfer { to: AccountId([3; 28]), asset: AssetId::ADA, amount: Amount::new(1) };
    let mut tx = plain(vec![ActorAction { actor: 0, action: step }]);
    tx.witnesses.push(witness);
    let _ = witness::check(&tx, &GENESIS, Network::Test);
}

fn proof(bytes: &[u8]) {
    if let Ok(proof) = Inclusion::decode(bytes) {
        let _ = proof.verify_value(&Hash::ZERO, &proof.key.clone(), b"value");
    }
    if let Ok(proof) = Absence::decode(bytes) {
        let _ = proof.verify(&Hash::ZERO, b"key");
    }
    same(bytes, Inclusion::decode(bytes));
}
