#![allow(clippy::unwrap_used, clippy::panic)]
use super::cose::{cose_key, protected_header, reward_address, sig_structure, sign1};
use super::*;
use crate::action::Action;
use crate::cbor::Cbor;
use crate::hash::{Hash, blake2b_224};
use crate::ids::{Amount, AssetId, Signature, Slot};
use crate::tx::ActorAction;
use ed25519_zebra::SigningKey;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    string::{String, ToString},
};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

fn signer(n: u8) -> SigningKey {
    SigningKey::from([n; 32])
}
fn key(n: u8) -> VerificationKey {
    VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&signer(n)).into())
}
fn sign_with(n: u8, message: &[u8]) -> Signature {
    Signature(signer(n).sign(message).into())
}

fn body(payer: AccountId, mut cosigners: Vec<AccountId>) -> TxBody {
    cosigners.sort();
    let transfer = |actor| ActorAction {
        actor,
        action: Action::Transfer { to: AccountId([9; 28]), asset: AssetId::ADA, amount: Amount::new(5) },
    };
    let actions = (0..=u8::try_from(cosigners.len()).unwrap()).map(transfer).collect();
    TxBody { payer, seq: 0, from: Slot(100), until: Slot(200), max_fee: Amount::new(9), cosigners, actions, memo: None }
}

fn by_key(n: u8, body: &TxBody) -> Witness {
    Witness::Key { key: key(n), signature: sign_with(n, &body.id(&GENESIS).0) }
}
fn by_session(n: u8, owner: AccountId, body: &TxBody) -> Witness {
    Witness::Session { owner, key: key(n), signature: sign_with(n, &body.id(&GENESIS).0) }
}

#[derive(Clone, Copy)]
struct Form {
    hashed: bool,
    attached: bool,
}

fn by_text(n: u8, text: &[u8], form: Form) -> Witness {
    let protected = protected_header(&reward_address(Network::Test, &key(n).account()));
    let digest = blake2b_224(text);
    let payload = if form.hashed { digest.as_slice() } else { text };
    let signature = sign_with(n, &sig_structure(&protected, payload));
    let shown = form.attached.then_some(payload);
    Witness::Cose { sign1: sign1(&protected, form.hashed, shown, &signature), key: cose_key(&key(n)) }
}

fn tickers() -> BTreeMap<AssetId, String> {
    BTreeMap::from([(AssetId::ADA, "ada".to_string())])
}
fn context(tickers: &BTreeMap<AssetId, String>) -> TextContext<'_> {
    TextContext { network: "devnet", genesis: GENESIS, hrp: "nup_test", tickers }
}

fn checked(body: &TxBody, witnesses: Vec<Witness>) -> Result<Authorised, Malformed> {
    check(&Transaction { body: body.clone(), witnesses }, &GENESIS, Network::Test)
}

mod scripts {
    use super::*;
    pub(super) fn sig(n: u8) -> Vec<u8> {
        let mut out = alloc::vec![0x82, 0x00, 0x58, 28];
        out.extend(key(n).account().0);
        out
    }
    pub(super) fn list(head: &[u8], branches: &[Vec<u8>]) -> Vec<u8> {
        let mut out = head.to_vec();
        out.push(0x80 | u8::try_from(branches.len()).unwrap());
        out.extend(branches.concat());
        out
    }
    pub(super) fn all(branches: &[Vec<u8>]) -> Vec<u8> {
        list(&[0x82, 1], branches)
    }
    pub(super) fn any(branches: &[Vec<u8>]) -> Vec<u8> {
        list(&[0x82, 2], branches)
    }
    pub(super) fn at_least(n: u8, branches: &[Vec<u8>]) -> Vec<u8> {
        list(&[0x83, 3, n], branches)
    }
    pub(super) fn after(slot: u8) -> Vec<u8> {
        alloc::vec![0x82, 4, 0x18, slot]
    }
    pub(super) fn before(slot: u8) -> Vec<u8> {
        alloc::vec![0x82, 5, 0x18, slot]
    }
}
use scripts::{after, all, any as any_of, at_least, before, sig};

#[test]
fn each_kind_authorises_its_account() {
    let script = all(&[sig(3), sig(4)]);
    let owner = AccountId([5; 28]);
    let b = body(key(1).account(), alloc::vec![key(2).account(), AccountId::of_script(&script), owner]);
    let tickers = tickers();
    let text = render(&b, &key(2).account(), &context(&tickers));
    let form = Form { hashed: false, attached: true };
    let authorised = checked(
        &b,
        alloc::vec![
            by_key(1, &b),
            by_text(2, text.as_bytes(), form),
            Witness::Script { script: script.clone() },
            by_key(3, &b),
            by_key(4, &b),
            by_session(6, owner, &b),
        ],
    )
    .unwrap();
    assert_eq!(authorised.missing(), None);
    assert_eq!(authorised.authority(0), Some(Authority::Key(key(1))));
    let actor = |account| u8::try_from(b.cosigners.iter().position(|c| *c == account).unwrap()).unwrap() + 1;
    assert_eq!(authorised.authority(actor(key(2).account())), Some(Authority::Text(key(2))));
    assert_eq!(authorised.authority(actor(AccountId::of_script(&script))), Some(Authority::Script));
    let uses = authorised.sessions(&b);
    assert_eq!(uses, [SessionUse { owner, key: key(6), actions: alloc::vec![usize::from(actor(owner))] }]);
    authorised.check_texts(&b, &context(&tickers)).unwrap();
}

#[test]
fn who_is_not_authorised_is_named() {
    let b = body(key(1).account(), alloc::vec![key(2).account()]);
    let authorised = checked(&b, alloc::vec![by_key(2, &b)]).unwrap();
    assert_eq!(authorised.missing(), Some(key(1).account()));
}

#[test]
fn witnesses_without_effect_are_malformed() {
    let b = body(key(1).account(), alloc::vec![]);
    let owner = b.payer;
    let useless = |witnesses: Vec<Witness>, witness| {
        assert_eq!(checked(&b, witnesses), Err(Malformed::UselessWitness { witness }));
    };
    useless(alloc::vec![by_key(1, &b), by_key(2, &b)], 1);
    useless(alloc::vec![by_key(1, &b), by_key(1, &b)], 1);
    useless(alloc::vec![by_session(3, owner, &b), by_key(1, &b)], 0);
    useless(alloc::vec![by_session(3, owner, &b), by_session(4, owner, &b)], 1);
    useless(alloc::vec![by_session(3, AccountId([8; 28]), &b), by_key(1, &b)], 0);
    useless(alloc::vec![by_key(1, &b), Witness::Script { script: sig(1) }], 1);
    useless(alloc::vec![by_text(1, b"", Form { hashed: true, attached: true }), by_key(1, &b)], 1);
}

#[test]
fn a_bad_signature_names_its_witness() {
    let b = body(key(1).account(), alloc::vec![key(2).account()]);
    let stranger = Witness::Key { key: key(2), signature: sign_with(3, &b.id(&GENESIS).0) };
    assert_eq!(checked(&b, alloc::vec![by_key(1, &b), stranger]), Err(Malformed::BadSignature { witness: 1 }));
    let other = GenesisHash(Hash([8; 32]));
    let tx = Transaction { body: b.clone(), witnesses: alloc::vec![by_key(1, &b), by_key(2, &b)] };
    assert_eq!(check(&tx, &other, Network::Test), Err(Malformed::BadSignature { witness: 0 }));
}

#[test]
fn system_accounts_have_no_witness() {
    let b = body(AccountId::system(crate::ids::SystemAccount::Treasury), alloc::vec![]);
    assert_eq!(checked(&b, alloc::vec![by_key(1, &b)]), Err(Malformed::UselessWitness { witness: 0 }));
}

/// Signers, script, and whether it opens its account for the slots 100..=200.
#[test]
fn script_table() {
    let cases: Vec<(&str, Vec<u8>, &[u8], bool)> = alloc::vec![
        ("sig", sig(1), &[1], true),
        ("all", all(&[sig(1), sig(2)]), &[1, 2], true),
        ("all but one", all(&[sig(1), sig(2)]), &[1], false),
        ("any", any_of(&[sig(1), sig(2)]), &[2], true),
        ("none of any", any_of(&[]), &[], false),
        ("two of three", at_least(2, &[sig(1), sig(2), sig(3)]), &[1, 3], true),
        ("one of two of three", at_least(2, &[sig(1), sig(2), sig(3)]), &[3], false),
        ("a key twice", at_least(2, &[sig(1), sig(1)]), &[1], false),
        ("a key twice and another", at_least(2, &[sig(1), sig(1), sig(2)]), &[1, 2], true),
        ("a key hidden in a branch", at_least(2, &[sig(1), all(&[sig(1)])]), &[1], false),
        ("a key hidden in any", at_least(2, &[any_of(&[sig(1), sig(2)]), sig(2)]), &[2], false),
        (
            "shared keys, one branch wanted",
            at_least(1, &[all(&[sig(1), sig(2)]), all(&[sig(1), sig(3)])]),
            &[1, 3],
            true
        ),
        ("not before its first slot", all(&[sig(1), after(100)]), &[1], true),
        ("before its first slot", all(&[sig(1), after(101)]), &[1], false),
        ("before its last slot", all(&[sig(1), before(201)]), &[1], true),
        ("at its last slot", all(&[sig(1), before(200)]), &[1], false),
        ("indefinite lists", [&[0x9f, 1, 0x9f][..], &sig(1), &[0xff, 0xff]].concat(), &[1], true),
    ];
    for (name, script, signers, opens) in cases {
        let b = body(AccountId::of_script(&script), alloc::vec![]);
        let mut witnesses = alloc::vec![Witness::Script { script }];
        witnesses.extend(signers.iter().map(|n| by_key(*n, &b)));
        let outcome = checked(&b, witnesses);
        let expected = if opens { Ok(Some(Authority::Script)) } else { Err(Malformed::UselessWitness { witness: 0 }) };
        assert_eq!(outcome.map(|a| a.authority(0)), expected, "{name}");
    }
}

#[test]
fn scripts_that_are_refused() {
    let nested = |n: usize| (1..n).fold(sig(1), |inner, _| all(&[inner]));
    let wide = |n: usize| {
        let mut out = alloc::vec![0x82, 1, 0x98, u8::try_from(n).unwrap()];
        out.extend(core::iter::repeat_n(sig(1), n).flatten());
        out
    };
    assert_eq!(NativeScript::decode(&nested(8)).unwrap().nodes(), 8);
    assert_eq!(NativeScript::decode(&nested(9)), Err("more than 8 levels"));
    assert_eq!(NativeScript::decode(&wide(63)).unwrap().nodes(), 64);
    assert_eq!(NativeScript::decode(&wide(64)), Err("more than 64 nodes"));
    assert_eq!(NativeScript::decode(&[0x82, 6, 0]), Err("unknown kind of node"));
    assert_eq!(NativeScript::decode(&[0x82, 0, 0x41, 0]), Err("key hash is not 28 bytes"));
    assert_eq!(NativeScript::decode(&[0x82, 4, 1, 0]), Err("bytes left over"));
    assert_eq!(NativeScript::decode(&[0x83, 4, 1, 0]), Err("not a native script"));
}

#[test]
fn only_the_rendered_text_authorises() {
    let tickers = tickers();
    let c = context(&tickers);
    let b = body(key(1).account(), alloc::vec![]);
    let text = render(&b, &b.payer, &c);
    for (hashed, attached) in [(false, false), (false, true), (true, false), (true, true)] {
        let form = Form { hashed, attached };
        let good = checked(&b, alloc::vec![by_text(1, text.as_bytes(), form)]).unwrap();
        assert!(good.has_texts());
        assert_eq!(good.check_texts(&b, &c), Ok(()));
        let changed = text.replace("0.000005", "0.000004");
        let bad = checked(&b, alloc::vec![by_text(1, changed.as_bytes(), form)]).unwrap();
        assert_eq!(bad.check_texts(&b, &c), Err(TextDiffers { witness: 0 }));
    }
    let elsewhere = TextContext { network: "othernet", ..c };
    let good = checked(&b, alloc::vec![by_text(1, text.as_bytes(), Form { hashed: false, attached: true })]).unwrap();
    assert_eq!(good.check_texts(&b, &elsewhere), Err(TextDiffers { witness: 0 }));
}

#[test]
fn what_a_wallet_may_not_send() {
    let (k, me) = (key(1), key(1).account());
    let address = reward_address(Network::Test, &me);
    let signed = |protected: &[u8]| sign1(protected, false, Some(b"x"), &sign_with(1, &sig_structure(protected, b"x")));
    let why = |sign1: &[u8], key: &[u8]| SignedText::decode(sign1, key).map(|_| ());
    let good = protected_header(&address);
    assert_eq!(why(&signed(&good), &cose_key(&k)), Ok(()));
    assert_eq!(why(&signed(&good), &cose_key(&key(2))), Err("address is not of the signing key"));
    let with = |address: &[u8]| why(&signed(&protected_header(address)), &cose_key(&k));
    let header = |byte: u8, len: usize| [&[byte][..], &me.0, &alloc::vec![0; len - 28]].concat();
    assert_eq!(with(&header(0x00, 56)), Ok(()));
    assert_eq!(with(&header(0x20, 56)), Ok(()));
    assert_eq!(with(&header(0x60, 28)), Ok(()));
    for script in [0x10, 0x30, 0x70, 0xf0] {
        assert_eq!(with(&header(script, 56)), Err("address of a script"));
    }
    assert_eq!(with(&header(0x80, 56)), Err("kind of address is not supported"));
    assert_eq!(with(&header(0xe2, 28)), Err("address of an unknown network"));
    assert_eq!(with(&header(0xe0, 29)), Err("address has the wrong length"));
    assert_eq!(why(&signed(&[0xa1, 1, 0x27]), &cose_key(&k)), Err("protected header has no address"));
    assert_eq!(why(&signed(&[0xa0]), &cose_key(&k)), Err("alg is not EdDSA"));
    assert_eq!(why(&signed(&[0xa2, 1, 0x27, 1, 0x27]), &cose_key(&k)), Err("a label stands twice"));
    let mut tail = signed(&good);
    tail.push(0);
    assert_eq!(why(&tail, &cose_key(&k)), Err("not a COSE_Sign1"));
    assert_eq!(why(&alloc::vec![0; 2_049], &cose_key(&k)), Err("more than 2048 bytes"));
    let mut other_curve = cose_key(&k);
    other_curve[6] = 4;
    assert_eq!(why(&signed(&good), &other_curve), Err("key is not an Ed25519 key"));

    let b = body(me, alloc::vec![]);
    let main = protected_header(&reward_address(Network::Main, &me));
    let foreign = Witness::Cose { sign1: signed(&main), key: cose_key(&k) };
    assert_eq!(
        checked(&b, alloc::vec![foreign]),
        Err(Malformed::BadCose { witness: 0, why: "address of another network" })
    );
    let forged = Witness::Cose { sign1: sign1(&good, false, Some(b"x"), &sign_with(1, b"x")), key: cose_key(&k) };
    assert_eq!(checked(&b, alloc::vec![forged]), Err(Malformed::BadSignature { witness: 0 }));
}

fn data(path: &str) -> Option<serde_json::Value> {
    let folder = std::env::var_os("NUPEER_TEST_DATA").map(PathBuf::from);
    let file = folder
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/data"))
        .join(path);
    match fs::read_to_string(&file) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) if std::env::var_os("CI").is_none() => {
            std::eprintln!("SKIPPED: {} is missing", file.display());
            None
        }
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

/// Key hashes of a Shelley address text.
fn credentials(address: &str) -> Vec<AccountId> {
    let (_, bytes) = bech32::decode(address).unwrap();
    bytes[1..].chunks(28).map(|hash| AccountId(hash.try_into().unwrap())).collect()
}

#[test]
fn wallet_vectors_verify_as_their_makers_say() {
    let Some(file) = data("cip8/cardano-foundation_cardano-verify-datasignature/vectors.json") else { return };
    let mut run = 0;
    for case in file.as_array().unwrap() {
        let bytes = |name: &str| hex::decode(case[name].as_str().unwrap()).unwrap();
        let signed = SignedText::decode(&bytes("signature"), &bytes("key")).unwrap();
        let inline = |name: &str| case[name].as_str().map(ToString::to_string);
        // The last case calls with its address in quotes; one gives an address in the place of the message.
        let asked = case["call"].as_array().unwrap().len() > 2 && case["call"][2] != "undefined";
        let message = if asked { inline("payload") } else { None };
        let over = match &message {
            Some(text) => signed.verify_attached() != Some(false) && signed.is_over(text.as_bytes()),
            None => signed.verify_attached() == Some(true),
        };
        let ours = inline("address").is_none_or(|address| credentials(&address).contains(&signed.account()));
        assert_eq!(over && ours, case["valid"].as_bool().unwrap(), "{}", case["name"]);
        run += 1;
    }
    assert_eq!(run, file.as_array().unwrap().len());
}

#[test]
fn browser_wallet_vectors_verify() {
    let Some(file) = data("cip8/self-generated/mesh-1.9.1-signData.json") else { return };
    for case in file.as_array().unwrap() {
        let bytes = |name: &str| hex::decode(case[name].as_str().unwrap()).unwrap();
        let signed = SignedText::decode(&bytes("signature"), &bytes("key")).unwrap();
        assert_eq!(signed.network, Network::Test);
        assert_eq!(signed.verify_attached(), case["cf_verify"].as_bool());
        assert!(signed.is_over(case["payload"].as_str().unwrap().as_bytes()));
        assert!(!signed.is_over(b"something else"));
        assert_eq!(credentials(case["address"].as_str().unwrap()).first(), Some(&signed.account()));
    }
}

proptest! {
    #[test]
    fn junk_is_refused_without_a_panic(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = SignedText::decode(&junk, &cose_key(&key(1)));
        let _ = SignedText::decode(&junk, &junk);
        let _ = NativeScript::decode(&junk);
        let _ = Transaction::decode(&junk);
    }

    #[test]
    fn one_changed_byte_never_gains_authority(at in 0usize..400, with: u8) {
        let tickers = tickers();
        let c = context(&tickers);
        let script = at_least(2, &[sig(3), any_of(&[sig(4), after(1)]), sig(2)]);
        let b = body(key(1).account(), alloc::vec![AccountId::of_script(&script)]);
        let text = render(&b, &b.payer, &c);
        let good = by_text(1, text.as_bytes(), Form { hashed: true, attached: false });
        let tx = Transaction { body: b.clone(), witnesses: alloc::vec![good, Witness::Script { script }, by_key(3, &b)] };
        let authorised = check(&tx, &GENESIS, Network::Test).unwrap();
        prop_assert_eq!(authorised.check_texts(&b, &c), Ok(()));
        let mut bytes = tx.to_cbor();
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(other) = Transaction::decode(&bytes) && other.body != tx.body {
            let passed = check(&other, &GENESIS, Network::Test)
                .is_ok_and(|a| a.missing().is_none() && a.check_texts(&other.body, &c).is_ok());
            prop_assert!(!passed);
        }
    }
}
