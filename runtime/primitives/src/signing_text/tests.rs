#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::bls::{BlsKey, BlsSignature};
use crate::cbor::{Bytes, Cbor, Reader};
use crate::credential::{DeviceAttestation, RevokeReason};
use crate::finality::{Evidence, evidence::OffenceKind};
use crate::governance::{Area, CandidateNo, ProposalId, RoleId, VoteOption};
use crate::hash::Hash;
use crate::ids::{Epoch, Height, HostId, InstrumentId, OrderId, PoolId, Signature, Slot, ZoneId};
use crate::market::{BidTerms, Filters, Grade, Standby};
use crate::proposal::{AskedClass, Class, Inner, Module, PersonnelOp, Stance};
use crate::receipt::{MeterReceipt, Role};
use crate::tx::ActorAction;
use proptest::prelude::*;
use std::{collections::BTreeSet, fs, path::PathBuf};

fn tickers() -> BTreeMap<AssetId, String> {
    BTreeMap::from([(AssetId::ADA, "ada".into()), (AssetId(16), "usd".into()), (AssetId(17), "e\nvil\u{e9}".into())])
}

fn context(tickers: &BTreeMap<AssetId, String>) -> TextContext<'_> {
    TextContext { network: "devnet", genesis: GenesisHash(Hash([7; 32])), hrp: AccountId::HRP_TEST, tickers }
}

fn account(n: u8) -> AccountId {
    AccountId([n; 28])
}

fn receipt() -> SignedReceipt {
    let receipt = MeterReceipt {
        lease: LeaseId([3; 32]),
        epoch: 1,
        seq: 9,
        anchor_height: Height(80),
        anchor_hash: [8; 8],
        t_end_ms: 60_000,
        up_ms: 59_000,
        counters: alloc::vec![(1, 240_000_000)],
        amount: Amount::new(2_400),
        detail_root: Hash([4; 32]),
        flags: 0,
    };
    SignedReceipt { receipt, signatures: alloc::vec![(Role::Tenant, VerificationKey([2; 32]), Signature([5; 64]))] }
}

fn bid() -> Bid {
    Bid {
        instrument: InstrumentId(5),
        tick: 120,
        lots: 2,
        filters: Filters { require: 3, forbid: 0, zones: (1..=6).map(ZoneId).collect(), deny: alloc::vec![account(9)] },
        group: Some(4),
        spread: Spread::Provider,
        standby: Standby { count: 1, max_bps: 1_000 },
        life: OrderLife::Standing,
        expires_in_ms: 3_600_000,
        terms: BidTerms { meters: alloc::vec![1, 4], edge_final: true },
        deposit: Amount::new(5_000_000),
        manifest_hash: [6; 32],
        volume: None,
        replaces: Some([1; 32]),
    }
}

/// Kinds of inner actions whose texts differ most; a proposal shows four of them.
fn every_inner() -> Vec<Inner> {
    alloc::vec![
        Inner::SpendTreasury { asset: AssetId(16), to: account(5), amount: Amount::new(7_000_000) },
        Inner::SetParam { name: "spend.window\n".into(), value: 6, at: Epoch(9) },
        Inner::Personnel { role: RoleId::CFO, instance: 2, op: PersonnelOp::Discipline(500_000, 30) },
        Inner::ScheduleUpgrade { version: (2, 0), height: Height(90_000) },
        Inner::PauseRearm { role: RoleId::CISO },
    ]
}

/// One of each action, in code order, and variants that read differently.
fn every_action() -> Vec<Action> {
    let (key, lease, hash) = (VerificationKey([2; 32]), LeaseId([3; 32]), [4; 32]);
    let rule = TopUpRule {
        from: account(8),
        below_ms: 86_400_000,
        amount: Amount::new(1),
        cap: Amount::new(20_000_000),
        period_ms: 1_000,
    };
    let delegate = Delegate {
        key,
        scopes: delegate_scope::SIGN | delegate_scope::WRAP | 512,
        spend_cap: Amount::ZERO,
        expiry_ms: 99,
    };
    let usd = AssetId(16);
    let lots = alloc::vec![(Family::S, 8), (Family::W, 4)];
    alloc::vec![
        Action::Transfer { to: account(1), asset: AssetId::ADA, amount: Amount::new(12_500_000) },
        Action::Transfer { to: account(1), asset: AssetId(17), amount: Amount::new(u64::MAX) },
        Action::Transfer { to: account(1), asset: AssetId(99), amount: Amount::new(1) },
        Action::GrantKey {
            key,
            scopes: 0x8000_0005,
            limits: alloc::vec![(usd, Amount::new(5_000_000)); 6],
            until: Slot(77)
        },
        Action::RevokeKey { key },
        Action::Bond { token: AssetId::IAAS, amount: Amount::new(5_000_000) },
        Action::Unbond { token: AssetId::PAAS, amount: Amount::new(5_000_000) },
        Action::Release { token: AssetId::SAAS },
        Action::Delegate { token: AssetId::IAAS, pool: Some(PoolId([6; 28])) },
        Action::Delegate { token: AssetId(99), pool: None },
        Action::Pledge { pool: PoolId([6; 28]), token: AssetId::IAAS, amount: Amount::new(7) },
        Action::Unpledge { pool: PoolId([6; 28]), token: AssetId::IAAS, amount: Amount::new(7) },
        Action::PoolSet {
            pool: PoolId([6; 28]),
            margin_ppm: 50_000,
            cost: (Amount::new(1), Amount::new(2), Amount::new(3)),
            reward_account: account(4),
            meta_hash: hash,
        },
        Action::PoolRotateBls { pool: PoolId([6; 28]), key: BlsKey([7; 48]), proof: BlsSignature([8; 96]) },
        Action::PoolUnjail { pool: PoolId([6; 28]) },
        Action::ClaimRewards { token: AssetId::IAAS },
        Action::Ping {},
        Action::Candidate {
            role: RoleId::CTO,
            bond: Amount::new(100_000_000),
            uri: Bytes::new(b"https://example.org/cto".to_vec()).unwrap(),
            hash,
        },
        Action::Candidate {
            role: RoleId::new(12).unwrap(),
            bond: Amount::ZERO,
            uri: Bytes::new(alloc::vec![0xFF; 3]).unwrap(),
            hash,
        },
        Action::CandidateWithdraw { role: RoleId::CEO },
        Action::Support { role: RoleId::CFO, candidate: Some(CandidateNo(7)) },
        Action::Support { role: RoleId::CFO, candidate: None },
        Action::Resign { role: RoleId::CISO },
        Action::DelegateVote { area: Area::Technical, to: Some(account(5)) },
        Action::DelegateVote { area: Area::General, to: None },
        Action::Propose {
            class: AskedClass(Some(Class::Constitution)),
            actions: every_inner(),
            uri: Bytes::new(b"https://x/1".to_vec()).unwrap(),
            hash,
            expedited: true,
            deposit: Amount::new(10_000_000),
        },
        Action::Propose {
            class: AskedClass(None),
            actions: alloc::vec![Inner::Text { hash: Hash(hash) }],
            uri: Bytes::default(),
            hash,
            expedited: false,
            deposit: Amount::ZERO,
        },
        Action::Deposit { proposal: ProposalId(3), amount: Amount::new(5_000_000) },
        Action::CancelProposal { proposal: ProposalId(3) },
        Action::Adopt { proposal: ProposalId(3) },
        Action::Stance { proposal: ProposalId(3), stance: Stance::Endorse },
        Action::Stance { proposal: ProposalId(3), stance: Stance::Object },
        Action::Stance { proposal: ProposalId(3), stance: Stance::None },
        Action::Sponsor { proposal: ProposalId(3) },
        Action::Vote { proposal: ProposalId(3), option: VoteOption::Against },
        Action::Execute { proposal: ProposalId(3) },
        Action::SignalReady { version: (1, 1) },
        Action::Pause { module: Module::BridgeOut, ticks: 2 },
        Action::Provider { meta_hash: hash, asset: usd, bond: Amount::new(500_000_000) },
        Action::ProviderBond { asset: usd, change: BondChange::Add, amount: Amount::new(1_000_000) },
        Action::ProviderBond { asset: usd, change: BondChange::Out, amount: Amount::new(1_000_000) },
        Action::Host {
            site: ZoneId(12),
            grade: Grade::D,
            session_key: key,
            seal_key: [9; 32],
            traits: 0x41,
            lots: lots.clone(),
            attestation_hash: hash,
        },
        Action::HostSet {
            host: HostId(7),
            lots: Vec::new(),
            traits: 0,
            session_key: key,
            seal_key: [9; 32],
            state: HostState::Draining,
        },
        Action::Bid { bid: bid() },
        Action::Ask {
            ask: Ask { host: HostId(7), instrument: InstrumentId(5), tick: 80, lots: 4, standby_bps: 800, traits: 1 },
        },
        Action::PairOrder { pair: 0, side: Side::Buy, tick: 10, lots: 3, life: OrderLife::Ioc, expires_in_ms: 0 },
        Action::PairOrder {
            pair: 0,
            side: Side::Sell,
            tick: 10,
            lots: 3,
            life: OrderLife::Standing,
            expires_in_ms: 60
        },
        Action::Cancel { order: OrderId(41) },
        Action::Edge { key, addresses_hash: hash, networks: alloc::vec![64_512, 3], asset: usd, bond: Amount::new(5) },
        Action::Accept { lease },
        Action::Decline { lease },
        Action::Ready { lease, endpoint_hash: hash, edge: None },
        Action::Ready { lease, endpoint_hash: hash, edge: Some((key, Signature([1; 64]))) },
        Action::TopUp { lease, amount: Amount::new(500) },
        Action::SetTopUpRule { lease, rule: Some(rule) },
        Action::SetTopUpRule { lease, rule: None },
        Action::LeaseWithdraw { lease, amount: Amount::new(500) },
        Action::Close { lease },
        Action::Reclaim { lease },
        Action::SettleBatch { items: alloc::vec![receipt(); 6] },
        Action::Claim { receipt: receipt() },
        Action::Equivocation {
            r1: receipt(),
            r2: SignedReceipt { receipt: MeterReceipt { up_ms: 1, ..receipt().receipt }, ..receipt() },
        },
        Action::WipeReceipt { lease, volumes: alloc::vec![hash; 2], method: WipeMethod::CryptoErase },
        Action::Delegates { lease, delegates: alloc::vec![delegate] },
        Action::Delegates { lease, delegates: Vec::new() },
        Action::Wrap { lease, host: HostId(7), wrap: Bytes::new(alloc::vec![5; 104]).unwrap() },
        Action::Evidence {
            evidence: Evidence {
                kind: OffenceKind::DoubleVote,
                a: Bytes::new(alloc::vec![1; 20]).unwrap(),
                b: Bytes::new(alloc::vec![2; 20]).unwrap(),
            },
        },
        Action::ClaimStream { stream: 6 },
        Action::ClaimSalary { role: RoleId::CTO, instance: 3 },
        Action::CredIssue { holder: account(1), level: 2, expiry: Epoch(90), nullifier: Hash(hash), schema: 1 },
        Action::CredRevoke { nullifier: Hash(hash), reason: RevokeReason::Fraud },
        Action::RevocationRoot { epoch: Epoch(12), root: Hash(hash) },
        Action::DevAttest { developer: account(1), work_hash: hash },
        Action::OrgTake { credential: Hash(hash), meta_hash: [5; 32] },
        Action::DeviceTake {
            host_key: key,
            class: Family::G,
            attestation: DeviceAttestation { epoch: Epoch(12), signature: Signature([1; 64]) },
        },
        Action::NftHotKey { nft: Hash(hash), key },
        Action::IspoAttest {
            cardano_epoch: 500,
            root: Hash([3; 32]),
            count: 12,
            pool_sums: alloc::vec![(PoolId([6; 28]), Amount::new(9_000_000)); 5],
        },
        Action::IspoClaim {
            cumulative: (Amount::new(10), Amount::new(20), Amount::new(30)),
            proof: alloc::vec![(true, Hash([3; 32]))],
        },
    ]
}

fn body(actions: Vec<ActorAction>) -> TxBody {
    TxBody {
        payer: account(1),
        seq: 4,
        from: Slot(10),
        until: Slot(600),
        max_fee: Amount::new(200_000),
        cosigners: alloc::vec![account(2)],
        actions,
        memo: None,
    }
}

/// Bodies of the golden file: each action alone, and many in one transaction seen by payer and cosigner.
fn bodies() -> Vec<(AccountId, TxBody)> {
    let alone =
        every_action().into_iter().map(|action| (account(1), body(alloc::vec![ActorAction { actor: 0, action }])));
    let mut all: Vec<_> = alone.collect();
    let nine = (0..9).map(|i| ActorAction {
        actor: i % 2,
        action: Action::Transfer { to: account(3), asset: AssetId::ADA, amount: Amount::new(u64::from(i)) },
    });
    let nine = body(nine.collect());
    all.extend([(account(1), nine.clone()), (account(2), nine)]);
    all
}

fn golden_file() -> PathBuf {
    let given = std::env::var_os("NUPEER_TEST_VECTORS").map(|folder| PathBuf::from(folder).join("signing-text.json"));
    let ours =
        || PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../tests/vectors/signing-text.json");
    given.filter(|file| file.exists()).unwrap_or_else(ours)
}

#[test]
fn texts_equal_the_golden_file() {
    let tickers = tickers();
    let c = context(&tickers);
    if std::env::var_os("NUPEER_BLESS").is_some() {
        let cases: Vec<_> = bodies()
            .iter()
            .map(|(account, body)| {
                serde_json::json!({
                    "account": account.to_hex(), "body": hex::encode(body.to_cbor()),
                    "text": render(body, account, &c).split('\n').collect::<Vec<_>>(),
                })
            })
            .collect();
        let tickers: BTreeMap<String, &String> = tickers.iter().map(|(id, t)| (id.0.to_string(), t)).collect();
        let file = serde_json::json!({
            "about": "ledger.md section 2: body (canonical CBOR) and signing account give this text, lines joined by LF",
            "network": c.network, "genesis": c.genesis.0.to_hex(), "hrp": c.hrp, "tickers": tickers, "cases": cases,
        });
        fs::write(golden_file(), serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    }
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(golden_file()).unwrap()).unwrap();
    let named = |v: &serde_json::Value| v.as_str().unwrap().to_string();
    let tickers: BTreeMap<AssetId, String> = file["tickers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(id, ticker)| (AssetId(id.parse().unwrap()), named(ticker)))
        .collect();
    let (network, hrp) = (named(&file["network"]), named(&file["hrp"]));
    let genesis = GenesisHash(Hash::from_hex(&named(&file["genesis"])).unwrap());
    let c = TextContext { network: &network, genesis, hrp: &hrp, tickers: &tickers };
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let bytes = hex::decode(named(&case["body"])).unwrap();
        let body = TxBody::from_cbor(&bytes, crate::tx::TX_BYTES_MAX).unwrap();
        let lines: Vec<String> = case["text"].as_array().unwrap().iter().map(named).collect();
        assert_eq!(render(&body, &AccountId::from_hex(&named(&case["account"])).unwrap(), &c), lines.join("\n"));
    }
}

#[test]
fn the_golden_bodies_cover_every_action() {
    let seen: BTreeSet<u16> = every_action().iter().map(Action::code).collect();
    let known: BTreeSet<u16> = Action::CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(seen, known);
}

#[test]
fn texts_are_plain_ascii_lines() {
    let tickers = tickers();
    for (account, body) in bodies() {
        let text = render(&body, &account, &context(&tickers));
        assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text}");
        assert!(!text.ends_with('\n'));
        let shown = body.actions.len().min(SHOWN_ACTIONS_MAX);
        assert_eq!(text.lines().count(), 5 + shown + usize::from(body.actions.len() > SHOWN_ACTIONS_MAX), "{text}");
    }
}

#[test]
fn whose_action_it_is_stands_there_unless_it_is_the_signers() {
    let tickers = tickers();
    let (_, nine) = bodies().pop().unwrap();
    let text = render(&nine, &account(2), &context(&tickers));
    let line = |n: usize| text.lines().nth(4 + n).unwrap().to_string();
    assert!(line(1).ends_with(&alloc::format!(" as {}", account(1).to_bech32(AccountId::HRP_TEST))), "{text}");
    assert!(!line(2).contains(" as "), "{text}");
    assert!(text.ends_with("\nand 1 more"), "{text}");
}

proptest! {
    /// I20: whatever differs in the body, the text differs, also in what it doesn't spell out.
    #[test]
    fn two_bodies_give_two_texts(seq: u64, memo in proptest::collection::vec(any::<u8>(), 0..64), amount: u64) {
        let tickers = tickers();
        let c = context(&tickers);
        let (_, base) = bodies().pop().unwrap();
        let mut other = base.clone();
        other.seq = seq;
        other.memo = Bytes::new(memo);
        other.actions[8].action = Action::Transfer { to: account(3), asset: AssetId::ADA, amount: Amount::new(amount) };
        prop_assert_eq!(base == other, render(&base, &account(1), &c) == render(&other, &account(1), &c));
    }

    #[test]
    fn any_body_that_decodes_renders(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, with: u8) {
        let tickers = tickers();
        for (account, body) in bodies() {
            let mut mutated = body.to_cbor();
            let at = at % mutated.len();
            mutated[at] = with;
            for bytes in [&mutated, &bytes] {
                if let Ok(body) = TxBody::read(&mut Reader::new(bytes)) {
                    prop_assert!(render(&body, &account, &context(&tickers)).is_ascii());
                }
            }
        }
    }
}
