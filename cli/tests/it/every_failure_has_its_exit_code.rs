use crate::User;
use crate::obliging_node::ObligingNode;
use nupeer_primitives::AccountId;

fn receiver() -> String {
    AccountId([9; 28]).to_bech32("nup_test")
}

#[test]
fn wrong_input_is_2() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    for args in [
        vec!["send", "nup_test1nonsense", "1"],
        vec!["send", &receiver(), "-1"],
        vec!["send", &receiver(), "0"],
        vec!["send", &receiver(), "1.0000001"],
        vec!["send", &receiver(), "1", "--asset", "gold"],
        vec!["tx", "show", "12"],
        vec!["block", "../status"],
        vec!["lease", "show", "zz"],
        vec!["deploy", "/nowhere/app.yaml"],
    ] {
        let (code, error) = user.failure(&args);
        assert_eq!(code, 2, "{args:?}: {error}");
    }
    assert_eq!(user.run(&["frobnicate"]).status.code(), Some(2));
    assert!(node.seen.lock().unwrap().txs.is_empty(), "nothing was signed");
}

#[test]
fn what_the_chain_lacks_is_3() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    assert_eq!(user.failure(&["block", "99"]).0, 3);
    assert_eq!(user.failure(&["market", "book", "NO.SUCH.MARKET"]).0, 3);
    assert_eq!(user.failure(&["lease", "show", "abcd"]).0, 3);
}

#[test]
fn a_refusal_is_4_before_and_inside_a_block() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    node.tell(|seen| seen.refuse = Some("ledger.FeeUnpaid"));
    let (code, error) = user.failure(&["send", &receiver(), "1"]);
    assert_eq!((code, error["error"].as_str()), (4, Some("ledger.FeeUnpaid")));
    assert!(error["next"].as_str().unwrap().contains("nupeer account"));
    node.tell(|seen| (seen.refuse, seen.outcome) = (None, Some("tokens.Insufficient")));
    let (code, error) = user.failure(&["send", &receiver(), "1"]);
    assert_eq!((code, error["error"].as_str()), (4, Some("tokens.Insufficient")));
    assert!(error["detail"].as_str().unwrap().contains("fee of 0.003000"), "{error}");
}

#[test]
fn a_silent_node_is_5_and_an_endless_wait_is_6() {
    let alone = User::with_keys("http://127.0.0.1:1");
    let (code, error) = alone.failure(&["node", "status"]);
    assert_eq!(code, 5, "{error}");
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    node.tell(|seen| seen.never_includes = true);
    let (code, error) = user.failure(&["send", &receiver(), "1", "--timeout", "0"]);
    assert_eq!(code, 6, "{error}");
    assert!(error["next"].as_str().unwrap().contains("nupeer tx show"));
    assert_eq!(user.json(&["send", &receiver(), "1", "--wait", "none"])["status"], "pending");
}

#[test]
fn an_inclusion_that_is_not_final_in_time_is_8() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    assert_eq!(user.json(&["send", &receiver(), "1"])["status"], "final");
    node.tell(|seen| seen.never_finalises = true);
    let (code, error) = user.failure(&["send", &receiver(), "1", "--timeout", "0"]);
    assert_eq!((code, error["error"].as_str()), (8, Some("cli.NotFinal")), "{error}");
    assert!(error["detail"].as_str().unwrap().contains("is in block 6"), "{error}");
    assert_eq!(user.json(&["send", &receiver(), "1", "--wait", "included"])["status"], "included");
    let told = user.run(&["send", &receiver(), "1", "--wait", "included"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("included in block 6, not final yet"));
}

#[test]
fn help_and_completions_need_nothing() {
    let user = User::new("http://127.0.0.1:1");
    for args in
        [vec!["--help"], vec!["deploy", "--help"], vec!["provider", "host", "--help"], vec!["completions", "bash"]]
    {
        let output = user.run(&args);
        assert!(output.status.success() && output.stdout.len() > 200, "{args:?}");
    }
}
