#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::engine::tests::World;
use crate::storage::MemoryColumns;
use nupeer_primitives::{Cbor, Witness};
use nupeer_runtime::validity::Chain;

fn tx(world: &World, seq: u64) -> Transaction {
    world.txs(seq..seq + 1).remove(0).tx.clone()
}

fn forged(world: &World, seq: u64) -> Transaction {
    let mut tx = tx(world, seq);
    if let Some(Witness::Key { signature, .. }) = tx.witnesses.first_mut() {
        signature.0[3] ^= 1;
    }
    tx
}

fn open() -> (World, Chain, Door, mpsc::UnboundedReceiver<Outbound>) {
    let world = World::new();
    let engine = world.boot(Box::new(MemoryColumns::default()), None);
    let (chain, checked) = (engine.executor.chain.clone(), Arc::clone(&engine.executor.checked));
    let (out, effects) = mpsc::unbounded_channel();
    let (core, _) = Core::start(engine, out.clone()).unwrap();
    (world, chain, Door::open(checked, core, out).unwrap(), effects)
}

#[tokio::test]
async fn each_client_hears_about_its_own_transaction() {
    let (world, chain, door, _effects) = open();
    let bad = forged(&world, 3);
    let asked =
        [tx(&world, 0).to_cbor(), bad.to_cbor(), tx(&world, 1).to_cbor(), vec![1, 2, 3], tx(&world, 0).to_cbor()];
    let answers = futures::future::join_all(asked.into_iter().map(|bytes| door.enter(bytes))).await;
    assert_eq!(answers[0].as_ref().unwrap().0, tx(&world, 0).body.id(&chain.genesis));
    assert!(matches!(answers[1], Err(DoorError::Malformed(Malformed::BadSignature { witness: 0 }))));
    assert_eq!(answers[2].as_ref().unwrap().0, tx(&world, 1).body.id(&chain.genesis));
    assert!(matches!(answers[3], Err(DoorError::Malformed(_))));
    assert!(matches!(&answers[4], Err(DoorError::Refused(SubmitError::Pool(_)))), "{:?}", answers[4]);
}

#[tokio::test]
async fn gossip_is_judged_and_only_a_clients_transactions_are_relayed() {
    let (world, _, door, mut effects) = open();
    assert!(door.bring(MsgId([1; 20]), vec![tx(&world, 0), tx(&world, 1)].to_cbor()));
    assert!(door.bring(MsgId([2; 20]), vec![tx(&world, 2), forged(&world, 9)].to_cbor()));
    assert!(door.bring(MsgId([3; 20]), vec![0xff]));
    door.enter(tx(&world, 5).to_cbor()).await.unwrap();
    let (mut judged, mut taken, mut relayed) = (Vec::new(), 0, 0);
    drop(door);
    while let Some(effect) = effects.recv().await {
        if let Outbound::Judge(id, judgement) = effect {
            judged.push((id.0[0], judgement));
        } else if matches!(effect, Outbound::TxTaken { .. }) {
            taken += 1;
        } else if matches!(effect, Outbound::RelayTx(_)) {
            relayed += 1;
        }
    }
    judged.sort_by_key(|(id, _)| *id);
    assert_eq!(judged[0], (1, Judgement::Accept));
    assert_eq!(judged[1], (2, Judgement::Reject));
    assert_eq!(judged[2], (3, Judgement::Reject));
    assert_eq!((taken, relayed), (3, 1));
}
