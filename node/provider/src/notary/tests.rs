#![allow(clippy::unwrap_used, clippy::panic)]
use super::fixture::{Lie, LyingNode};
use super::*;
use nupeer_primitives::Hash;

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
const LEASE: LeaseId = LeaseId([9; 32]);
const ACTIVE: u8 = 3;
const PURGING: u8 = 8;

struct Rig {
    node: LyingNode,
    notary: Notary,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new(height: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::new(folder.path(), None, "devnet", GENESIS);
        let node = LyingNode::new(GENESIS, LEASE, height);
        node.ledger.lock().unwrap().leases.insert(LEASE, (PURGING, 1));
        Self { node, notary, folder }
    }

    /// Some blocks on, a look at each.
    async fn looks(&mut self, blocks: u64) -> Vec<LeaseFact> {
        let mut facts = BTreeMap::new();
        for _ in 0..blocks {
            let head = {
                let mut ledger = self.node.ledger.lock().unwrap();
                ledger.height += 1;
                ledger.height
            };
            let at = Standing { head, last_final: head - 1, round_blocks: 3 };
            facts = self.notary.look(&self.node, &[LEASE].into(), at).await;
        }
        facts.remove(&LEASE).unwrap_or_default()
    }

    fn lie(&self, lie: Lie) {
        self.node.ledger.lock().unwrap().lie = lie;
    }
}

#[tokio::test]
async fn what_the_committee_signed_is_a_fact_and_readings_lie_a_round_apart() {
    let mut rig = Rig::new(10);
    let facts = rig.looks(8).await;
    let heights: Vec<u64> = facts.iter().map(|fact| fact.at.height.0).collect();
    assert_eq!(heights, [11, 14, 17]);
    assert!(facts.iter().all(|fact| (fact.state, fact.epoch) == (LeaseState::Purging, 1)));
}

#[tokio::test]
async fn a_lying_or_silent_node_makes_no_fact_and_the_truth_is_found_later() {
    for lie in [Lie::Certificate, Lie::Leaf, Lie::OtherRoot, Lie::Silent] {
        let mut rig = Rig::new(10);
        let is = |rig: &Rig, state| rig.node.ledger.lock().unwrap().leases.insert(LEASE, (state, 1));
        is(&rig, ACTIVE);
        rig.looks(1).await;
        rig.lie(lie);
        let facts = rig.looks(40).await;
        assert!(facts.iter().all(|fact| fact.state == LeaseState::Active), "{lie:?}: {facts:?}");
        rig.lie(Lie::None);
        is(&rig, PURGING);
        let facts = rig.looks(12).await;
        assert!(facts.iter().any(|fact| fact.state == LeaseState::Purging), "{lie:?}: honest again");
    }
}

#[tokio::test]
async fn committees_are_followed_over_epochs_and_a_false_one_is_not() {
    let mut rig = Rig::new(100);
    assert!(!rig.looks(5).await.is_empty());
    rig.node.ledger.lock().unwrap().height = 370;
    rig.lie(Lie::Committee);
    assert!(rig.looks(10).await.iter().all(|fact| fact.at.height.0 < 120), "epoch 3 is two proven steps away");
    rig.lie(Lie::None);
    assert!(rig.looks(10).await.iter().any(|fact| fact.at.height.0 > 360));
    // A restart goes on from the file: the node's own word about committees is not asked for.
    let kept = std::fs::read_to_string(rig.folder.path().join("checkpoint.json")).unwrap();
    assert!(Checkpoint::from_json(&kept).unwrap().epoch >= 2);
    rig.notary = Notary::new(rig.folder.path(), None, "devnet", GENESIS);
    assert!(!rig.looks(10).await.is_empty());
}

#[tokio::test]
async fn an_owners_checkpoint_comes_first_and_one_of_another_network_is_refused() {
    let mut rig = Rig::new(10);
    let mut other = rig.node.checkpoint_now();
    other.genesis = Hash([8; 32]).to_hex();
    let path = rig.folder.path().join("mine.json");
    std::fs::write(&path, serde_json::to_string(&other).unwrap()).unwrap();
    rig.notary = Notary::new(rig.folder.path(), Some(path.clone()), "devnet", GENESIS);
    assert!(rig.looks(9).await.is_empty());
    std::fs::write(&path, serde_json::to_string(&rig.node.checkpoint_now()).unwrap()).unwrap();
    assert!(!rig.looks(9).await.is_empty());
}

#[tokio::test]
async fn a_lease_without_a_record_is_no_fact() {
    let mut rig = Rig::new(10);
    rig.node.ledger.lock().unwrap().leases.clear();
    assert!(rig.looks(12).await.is_empty());
}
