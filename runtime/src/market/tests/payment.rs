//! $IaaS, $PaaS and $SaaS pay nothing (I13): every field that names an asset to pay with refuses them.

use super::*;
use crate::governance::proposals::tables;
use crate::market::listing::write_instrument;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::market::{BondChange, Pair, Side};
use nupeer_primitives::proposal::TableRow;
use nupeer_tokens::supply::{self, NATIVE};

const REFUSED: &str = "tokens.NotPaymentAsset";

fn name<T>(done: Result<T, Abort>) -> &'static str {
    match done {
        Ok(_) => "",
        Err(Abort::Rule { name, .. }) => name,
        Err(Abort::Bug(bug)) => panic!("{bug}"),
    }
}

#[test]
fn no_field_of_the_exchange_takes_a_staking_token() {
    for token in NATIVE {
        let mut x = Exchange::new();
        let bond = Amount::new(200_000_000);
        let edge = Action::Edge { key: EDGE.key(), addresses_hash: [0; 32], networks: Vec::new(), asset: token, bond };
        let provider = Action::Provider { meta_hash: [0; 32], asset: token, bond };
        assert_eq!(x.block(1, &[(EDGE.actor(), edge), (PROVIDER.actor(), provider)]), [Err(REFUSED); 2]);
        x.supply(WASM, 1_100, 10);
        let more = Action::ProviderBond { asset: token, change: BondChange::Add, amount: bond };
        assert_eq!(x.block(1, &[(PROVIDER.actor(), more)]), [Err(REFUSED)]);
        // Even if a market or a pair were priced in one.
        let mut work = Work::new(&x.state);
        let mut listed: nupeer_primitives::market::Instrument =
            work.get(&state::key::instrument(WASM)).unwrap().unwrap();
        listed.quote = token;
        work.put(state::key::instrument(WASM), &listed);
        work.put(state::key::pair(0), &Pair { base: token, quote: USD, tick_size: 100 });
        work.put(state::key::pair(1), &Pair { base: AssetId::ADA, quote: token, tick_size: 100 });
        let diff = work.finish().0;
        apply_diff(&mut x.state, &diff);
        let mut work = Work::new(&x.state);
        let order = |pair| Action::PairOrder {
            pair,
            side: Side::Buy,
            tick: 5_000,
            lots: 1,
            life: OrderLife::Standing,
            expires_in_ms: 1_000,
        };
        let wanted = Action::Bid { bid: bid(WASM, 1_300, 1, 200_000) };
        for action in [wanted, order(0), order(1)] {
            assert_eq!(name(crate::market::execute(&mut work, &x.ctx, &TENANT.actor(), &action)), REFUSED);
        }
    }
}

#[test]
fn no_rule_lists_prices_or_fees_in_a_staking_token() {
    for token in NATIVE {
        let x = Exchange::new();
        let mut work = Work::new(&x.state);
        let Genesis { instruments, .. } = genesis();
        let (_, mut listed, price) = instruments.into_iter().next().unwrap();
        listed.quote = token;
        assert_eq!(name(write_instrument(&mut work, InstrumentId(60), &listed, price)), REFUSED);
        assert_eq!(name(tables::check(&work, &TableRow::QuoteRate(token, 1_000_000))), REFUSED);
        let amount = Amount::new(1);
        assert_eq!(name(supply::lock_payment(&mut work, &TENANT.account(), token, amount)), REFUSED);
        assert_eq!(name(supply::pay_fee(&mut work, &TENANT.account(), token, amount)), REFUSED);
    }
}
