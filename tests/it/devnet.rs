//! The real ledger in memory: signed transactions in blocks that are built as a leader does and applied as everybody does.

use ed25519_zebra::SigningKey;
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::event::{Event, TxOutcome};
use nupeer_primitives::genesis::GenesisPool;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::imt::{self, MemoryTree};
use nupeer_primitives::state::{Abort, Diff, MemoryState, Work, apply_diff};
use nupeer_primitives::tx::{ActorAction, TxBody};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Block, BlockId, Cbor, Hash, Header, HeaderBody, Height, McRef, OpCert,
    Signature, Slot, Transaction, VerificationKey, Witness,
};
use nupeer_runtime::apply::build_block;
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::preset::{Founders, Preset, TEST_ISSUER_SEED};
use nupeer_runtime::validity::{Chain, CheckedTx};
use nupeer_runtime::{BlockContext, apply_block, execute, invariants};
use std::collections::BTreeMap;

/// A whole unit.
pub const TOKEN: u64 = 1_000_000;
/// A block a tick: devnet's tick is 12 slots.
const TICK: u64 = 12;

/// Who signs with one key.
#[derive(Clone)]
pub struct Person(SigningKey);

impl Person {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(SigningKey::from(seed))
    }
    pub fn key(&self) -> VerificationKey {
        VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&self.0).into())
    }
    pub fn account(&self) -> AccountId {
        self.key().account()
    }
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).into())
    }
}

/// A network of one pool, block by block.
pub struct Devnet {
    chain: Chain,
    /// The state after the last block.
    pub state: MemoryState,
    tree: MemoryTree,
    tip: (BlockId, Height, Slot),
    leader: VerificationKey,
    seqs: BTreeMap<AccountId, u64>,
    /// Everything that happened.
    pub events: Vec<Event>,
}

fn pool(cold: &Person) -> GenesisPool {
    let (stake, bls) = (Amount::new(1_000 * TOKEN), SecretKey::from_seed(&[3; 32]));
    let mut pool = GenesisPool {
        cold_key: cold.key(),
        vrf_key: [1; 32],
        bls_key: bls.public(),
        bls_proof: bls.prove(),
        reward_account: cold.account(),
        proof: Signature([0; 64]),
        pledge: (stake, stake, stake),
        stake: (stake, stake, stake),
    };
    pool.proof = cold.sign(&pool.proof_digest().0);
    pool
}

impl Devnet {
    pub fn new(people: &[Person]) -> Self {
        let cold = Person::new([42; 32]);
        let issuer = Person::new(TEST_ISSUER_SEED);
        let treasury = AccountId::system(SystemAccount::Treasury);
        let mut accounts = vec![
            (issuer.account(), AssetId::ADA, Amount::new(100 * TOKEN)),
            (treasury, AssetId::ADA, Amount::new(1_000_000 * TOKEN)),
        ];
        for person in people {
            accounts.push((person.account(), AssetId::ADA, Amount::new(100 * TOKEN)));
            for token in [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS] {
                accounts.push((person.account(), token, Amount::new(50_000 * TOKEN)));
            }
        }
        let genesis = Preset::Devnet.genesis(Founders {
            name: "tests".into(),
            system_start_ms: 0,
            seed: Hash([1; 32]),
            accounts,
            pools: vec![pool(&cold)],
        });
        let state = first_state(&genesis).unwrap();
        let diff: Diff = state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let mut tree = MemoryTree::new();
        tree.commit(&imt::apply(&tree, &diff).unwrap());
        let chain = Chain::new(&genesis);
        let tip = (BlockId(chain.genesis.0.0), Height(0), Slot(0));
        Self { chain, state, tree, tip, leader: cold.key(), seqs: BTreeMap::new(), events: Vec::new() }
    }

    fn tx(&mut self, by: &Person, action: Action) -> Transaction {
        let seq = self.seqs.entry(by.account()).or_default();
        let body = TxBody {
            payer: by.account(),
            seq: *seq,
            from: self.tip.2,
            until: Slot(self.tip.2.0 + 100),
            max_fee: Amount::new(TOKEN),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        *seq += 1;
        let signature = by.sign(&body.id(&self.chain.genesis).0);
        Transaction { body, witnesses: vec![Witness::Key { key: by.key(), signature }] }
    }

    /// A block one tick later: built as a leader does, applied as everybody does. Every transaction must hold.
    pub fn block(&mut self, steps: &[(&Person, Action)]) {
        let txs: Vec<Transaction> = steps.iter().map(|(by, action)| self.tx(by, action.clone())).collect();
        let txs = CheckedTx::all(&self.chain, txs).unwrap();
        let draft = self.draft();
        let ctx = BlockContext::of(&self.chain, &draft, self.tip.2);
        let built = build_block(&self.chain, &self.state, &self.tree, &ctx, &[], txs.iter(), &[0; 40]).unwrap();
        assert_eq!(built.refused, []);
        let header = HeaderBody {
            body_size: u32::try_from(built.body.to_cbor().len()).unwrap(),
            body_hash: built.body.hash(),
            state_root: built.applied.root,
            ..draft
        };
        let block = Block { header: Header { body: header, kes_signature: [0; 448] }, body: built.body };
        let applied = apply_block(&self.chain, &self.state, &self.tree, &block, &[0; 40]).unwrap();
        for ((_, action), receipt) in steps.iter().zip(&applied.record.receipts) {
            assert_eq!(receipt.outcome, TxOutcome::Ok, "{action:?}");
        }
        assert_eq!(applied.record.receipts.len(), steps.len());
        apply_diff(&mut self.state, &applied.diff);
        self.tree.commit(&applied.tree);
        self.tip = (block.header.id(&self.chain.genesis), block.header.body.height, block.header.body.slot);
        self.events.extend(applied.record.events);
        invariants::check(&self.state).unwrap();
    }

    fn draft(&self) -> HeaderBody {
        let (parent, height, slot) = self.tip;
        HeaderBody {
            height: Height(height.0 + 1),
            slot: Slot(slot.0 + TICK),
            parent,
            issuer: self.leader,
            vrf_key: [0; 32],
            vrf: ([0; 64], [0; 80]),
            body_size: 0,
            body_hash: Hash::ZERO,
            opcert: OpCert { hot_key: [0; 32], counter: 0, start: 0, sigma: Signature([0; 64]) },
            version: (1, 0),
            mc: McRef { hash: Hash::ZERO, slot: 0, height: 0 },
            z: None,
            state_root: Hash::ZERO,
        }
    }

    /// What would become of an action of `owner` that another key signs for it now; the rule that refuses it.
    pub fn would(&self, owner: &Person, key: &Person, action: Action) -> Result<(), &'static str> {
        let body = TxBody {
            payer: owner.account(),
            seq: self.seqs.get(&owner.account()).copied().unwrap_or(0),
            from: self.tip.2,
            until: Slot(self.tip.2.0 + 100),
            max_fee: Amount::new(TOKEN),
            cosigners: Vec::new(),
            actions: vec![ActorAction { actor: 0, action }],
            memo: None,
        };
        let signature = key.sign(&body.id(&self.chain.genesis).0);
        let witnesses = vec![Witness::Session { owner: owner.account(), key: key.key(), signature }];
        let txs = CheckedTx::all(&self.chain, vec![Transaction { body, witnesses }]).unwrap();
        let ctx = BlockContext::of(&self.chain, &self.draft(), self.tip.2);
        match execute::run(&mut Work::new(&self.state), &self.chain, &ctx, &txs[0]).map(|ran| ran.failure) {
            Ok(None) => Ok(()),
            Ok(Some(Abort::Rule { name, .. })) | Err(Abort::Rule { name, .. }) => Err(name),
            Ok(Some(Abort::Bug(bug))) | Err(Abort::Bug(bug)) => panic!("{bug}"),
        }
    }

    pub fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            self.block(&[]);
        }
    }
}
