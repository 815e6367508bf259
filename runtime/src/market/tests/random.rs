//! Random actions by everybody: nothing panics, nothing is a bug, every invariant holds after every block.

use super::*;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::market::{BondChange, HostState, Side, TopUpRule};
use proptest::prelude::*;

fn action() -> impl Strategy<Value = (u8, u8, u64, u64)> {
    (0u8..24, 0u8..5, 0u64..8, 0u64..60_000)
}

/// Whether an action of this kind has a chance on a lease in that state.
fn fits(kind: u8, state: LeaseState) -> bool {
    match kind {
        6 | 7 => state == LeaseState::Matched,
        8..=10 | 18 => state == LeaseState::Provisioning,
        13 | 14 | 16 | 17 => state.is_running(),
        15 => state == LeaseState::Purging,
        _ => true,
    }
}

/// Any action by anybody, about whatever exists.
fn make(x: &Exchange, (kind, who, which, amount): (u8, u8, u64, u64)) -> (Actor, Action) {
    let all: Vec<LeaseId> = [TENANT, OTHER].into_iter().flat_map(|p| x.leases(p)).collect();
    let fitting: Vec<LeaseId> = all.iter().copied().filter(|id| fits(kind, x.state_of(id))).collect();
    let leases = if fitting.is_empty() || amount % 10 == 0 { all } else { fitting };
    let at = usize::try_from(which).unwrap().checked_rem(leases.len());
    let lease = at.and_then(|at| leases.get(at)).copied().unwrap_or(LeaseId([0; 32]));
    let holder = at.and_then(|_| x.lease(&lease).holder);
    let host = holder.map_or(HostId(u32::try_from(which % 2).unwrap() + 1), |holder| holder.host);
    let tenant = if at.is_some_and(|_| x.deal(&lease).owner == OTHER.account()) { OTHER } else { TENANT };
    // Mostly the one who may, else anybody.
    let people = [TENANT.actor(), PROVIDER.actor(), daemon(host), EDGE.actor(), OTHER.actor()];
    let actor = match kind {
        _ if who == 0 => people[usize::try_from(amount % 5).unwrap()],
        0 | 1 | 6..=10 | 14..=17 => daemon(host),
        2..=4 | 19 => [TENANT.actor(), OTHER.actor()][usize::from(who % 2)],
        5 => people[usize::from(who)],
        20 | 21 => PROVIDER.actor(),
        _ => tenant.actor(),
    };
    let order = OrderId(which + 1);
    let tick = 1_000 + u16::try_from(amount % 400).unwrap();
    let lots = u32::try_from(amount % 7).unwrap();
    let money = Amount::new(amount);
    let known = Work::new(&x.state).has(&key::lease(&lease));
    let action = match kind {
        0 => ask(host, WASM, tick, lots),
        1 => ask(host, DIVISIBLE, tick * 10, lots),
        2 | 3 => Action::Bid { bid: bid(WASM, tick + 100, lots, amount) },
        4 => Action::Bid { bid: bid(DIVISIBLE, tick * 11, lots, amount * 4) },
        5 => Action::Cancel { order },
        6 | 7 => Action::Accept { lease },
        8 => Action::Decline { lease },
        9 | 10 => Action::Ready { lease, endpoint_hash: [1; 32], edge: None },
        11 => Action::TopUp { lease, amount: money },
        12 => Action::LeaseWithdraw { lease, amount: money },
        13 => Action::Close { lease },
        14 => Action::Reclaim { lease },
        15 => wipe(lease),
        16 if known => {
            let record = x.lease(&lease);
            let last = record.applied.counters.first().copied().unwrap_or(0);
            let receipt = x.receipt(&lease, record.applied.seq + 1, last + amount, u16::try_from(which % 2).unwrap());
            let receipt = MeterReceipt { amount: Amount::new((last + amount) / 100_000), ..receipt };
            Action::SettleBatch { items: [x.signed(receipt, &[(Role::Tenant, tenant)])].into() }
        }
        17 if known => {
            Action::Claim { receipt: x.signed(x.receipt(&lease, x.lease(&lease).applied.seq + 1, 0, 0), &[]) }
        }
        18 => Action::Wrap { lease, host, wrap: Bytes::new(alloc::vec![0; 104]).unwrap() },
        19 => Action::PairOrder {
            pair: 0,
            side: Side::ALL[usize::try_from(which % 2).unwrap()],
            tick,
            lots: amount % 50,
            life: OrderLife::ALL[usize::try_from(amount % 2).unwrap()],
            expires_in_ms: amount,
        },
        20 => Action::ProviderBond {
            asset: USD,
            change: BondChange::ALL[usize::try_from(which % 2).unwrap()],
            amount: money,
        },
        21 => Action::HostSet {
            host,
            lots: [(Family::W, 50), (Family::S, lots + 20)].into(),
            traits: which,
            session_key: if host == HostId(1) { DAEMON.key() } else { EDGE.key() },
            seal_key: [0; 32],
            state: HostState::ALL[usize::from(amount % 9 == 0)],
        },
        22 => Action::SetTopUpRule {
            lease,
            rule: Some(TopUpRule {
                from: actor.account,
                below_ms: amount,
                amount: Amount::new(amount / 4),
                cap: money,
                period_ms: 30_000,
            }),
        },
        _ => Action::Delegates { lease, delegates: Vec::new() },
    };
    (actor, action)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_invariant_holds_after_every_block(
        blocks in prop::collection::vec((prop_oneof![1u64..5, 1u64..90], prop::collection::vec(action(), 0..12)), 0..40),
    ) {
        let mut x = Exchange::new();
        x.supply(WASM, 1_100, 10);
        x.act(1, PROVIDER.actor(), host(EDGE.key()));
        x.act(1, daemon(HostId(2)), ask(HostId(2), DIVISIBLE, 11_000, 10));
        for (slots, raw) in blocks {
            let actions: Vec<(Actor, Action)> = raw.into_iter().map(|one| make(&x, one)).collect();
            x.block(slots, &actions);
        }
        // Left alone, the queue empties itself: no lease needs a poke.
        for _ in 0..30 {
            x.block(60, &[]);
        }
        let waiting = [TENANT, OTHER].into_iter().flat_map(|p| x.leases(p)).map(|id| x.lease(&id));
        for lease in waiting {
            prop_assert!(lease.is_over() || lease.state.is_running() || lease.deadline_ms > Some(x.now_ms()), "{lease:?}");
        }
    }
}
