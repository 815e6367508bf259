//! The daily key of a role NFT (tokens.md §8) signs what the role is for, while the role is valid, and nothing else.

use crate::an_executive_rules_only_while_supported::{CTO, NOBODY, elected};
use crate::devnet::{Person, TOKEN};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::proposal::{AskedClass, Inner};
use nupeer_primitives::{Action, Amount, AssetId, Hash};
use nupeer_tokens::credential::nft::executive_id;

fn propose() -> Action {
    Action::Propose {
        class: AskedClass(None),
        actions: vec![Inner::Text { hash: Hash([9; 32]) }],
        uri: Bytes::default(),
        hash: [1; 32],
        expedited: false,
        deposit: Amount::new(10 * TOKEN),
    }
}

#[test]
fn an_executives_daily_key_governs_and_owns_nothing() {
    let (mut net, people) = elected();
    let (cto, first, second) = (&people[0], Person::new([91; 32]), Person::new([92; 32]));
    let refused = |done: Result<(), &'static str>| done.is_err_and(|rule| rule.ends_with("SessionScope"));
    assert!(refused(net.would(cto, &first, propose())));
    let daily = |key: &Person| Action::NftHotKey { nft: executive_id(CTO, 1), key: key.key() };
    net.block(&[(cto, daily(&first))]);
    assert_eq!(net.would(cto, &first, propose()), Ok(()));
    let money = Action::Transfer { to: first.account(), asset: AssetId::ADA, amount: Amount::new(1) };
    for action in [money, NOBODY, Action::Resign { role: CTO }, Action::Ping {}, daily(&second)] {
        assert!(refused(net.would(cto, &first, action)));
    }
    assert!(refused(net.would(&people[1], &first, propose())), "somebody else's role");
    // A replacement waits two ticks, so that a thief of the account's key is seen before it governs.
    net.block(&[(cto, daily(&second))]);
    assert!(refused(net.would(cto, &second, propose())));
    net.ticks(2);
    assert_eq!(net.would(cto, &second, propose()), Ok(()));
    assert!(refused(net.would(cto, &first, propose())));
    // In grace the seat has no rights, so its key has none.
    net.ticks(60);
    let [_, a, b, c] = [&people[0], &people[1], &people[2], &people[3]];
    net.block(&[(a, NOBODY), (b, NOBODY), (c, NOBODY)]);
    net.ticks(1);
    assert!(refused(net.would(cto, &second, propose())));
}
