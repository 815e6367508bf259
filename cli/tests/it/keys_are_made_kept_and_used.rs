use crate::obliging_node::ObligingNode;
use crate::{PASSWORD, User};
use nupeer_primitives::{AccountId, Action, Amount, Witness};

#[test]
fn words_bring_the_account_back() {
    let user = User::new("http://127.0.0.1:1");
    let made = user.json(&["keys", "generate"]);
    assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);
    let address = user.json(&["keys", "address", "--cardano"]);
    assert_eq!(address["account"], made["account_testnet"]);
    assert!(address["cardano_address"].as_str().unwrap().starts_with("addr_test1q"));

    let other = User::new("http://127.0.0.1:1");
    let words = other.write("words.txt", made["words"].as_str().unwrap());
    let again = other.json(&["keys", "import", "--words-file", &words]);
    assert_eq!(again["account"], made["account"]);
    assert_eq!(other.json(&["keys", "list"]), user.json(&["keys", "list"]));
}

#[test]
fn a_keystore_is_never_overwritten_and_opens_with_its_password_alone() {
    let user = User::with_keys("http://127.0.0.1:1");
    let (code, error) = user.failure(&["keys", "generate"]);
    assert_eq!(code, 7, "{error}");
    let wrong = user.run_with("some other words", &["keys", "address", "--cardano"]);
    assert_eq!(wrong.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("wrong password"));
    std::fs::write(user.keystore(), "{}").unwrap();
    let (code, error) = user.failure(&["keys", "list"]);
    assert_eq!(code, 7);
    assert!(error["detail"].as_str().unwrap().contains("damaged"), "{error}");
}

#[test]
fn the_password_may_come_from_a_file() {
    let user = User::with_keys("http://127.0.0.1:1");
    let file = user.write("password", format!("{PASSWORD}\n"));
    let output = user.run_with("wrong", &["keys", "address", "--cardano", "--password-file", &file]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn money_is_sent_by_id_and_by_readable_text() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    let to = AccountId([9; 28]);
    let sent = user.json(&["send", &to.to_bech32("nup_test"), "1.25", "--asset", "usd"]);
    assert_eq!((sent["status"].as_str(), sent["outcome"].as_str()), (Some("final"), Some("ok")));
    user.json(&["send", &to.to_hex(), "0.5", "--sign-text", "--account", "2"]);
    let seen = node.seen.lock().unwrap();
    let actions: Vec<&Action> = seen.txs.iter().map(|tx| &tx.body.actions[0].action).collect();
    let transfer = |asset: u16, amount| Action::Transfer {
        to,
        asset: nupeer_primitives::AssetId(asset),
        amount: Amount::new(amount),
    };
    assert_eq!(actions, [&transfer(16, 1_250_000), &transfer(0, 500_000)]);
    assert!(matches!(seen.txs[0].witnesses[0], Witness::Key { .. }));
    assert!(matches!(seen.txs[1].witnesses[0], Witness::Cose { .. }));
    assert_ne!(seen.txs[0].body.payer, seen.txs[1].body.payer, "another account of the keystore");
    assert_eq!(seen.txs[0].body.seq, 4, "number 3 is used, as the node says");
}

#[test]
fn a_session_key_is_granted() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    let file = crate::text(&user.home.path().join("session.key"));
    let key = user.json(&["keys", "session-key", "create", &file])["key"].as_str().unwrap().to_string();
    assert_eq!(user.json(&["keys", "session-key", "show", &file])["key"], key.as_str());
    user.json(&[
        "keys",
        "session-key",
        "grant",
        &key,
        "--scopes",
        "orders,top-up",
        "--limit",
        "5:usd",
        "--slots",
        "100",
    ]);
    let seen = node.seen.lock().unwrap();
    let Action::GrantKey { scopes, limits, until, .. } = &seen.txs[0].body.actions[0].action else {
        panic!("no grant")
    };
    assert_eq!((*scopes, limits.len(), until.0), (5, 1, 151));
}
