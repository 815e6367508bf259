//! Transfers replayed from blocks, beside the machine's limit.

use super::chain::{World, check_all};
use super::report::{Goal, Row};
use super::{Limit, best, per_second, timed};
use anyhow::{Result, ensure};
use nupeer_node::storage::rocks::{Options, RocksColumns};
use nupeer_node::storage::{Column, Columns, Write};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::sign::{Signed, verify_all};
use nupeer_primitives::{Cbor, Slot, Witness};

/// Transactions of a block: below the byte and weight limits of a body.
const BLOCK_TXS: usize = 1_500;
const BLOCKS: usize = 8;

/// Checks signatures in a batch, hashes and writes transactions, block by block. No ledger could be faster.
pub fn limit(rounds: usize) -> Result<(Limit, Row)> {
    let mut world = World::new()?;
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        let txs = world.transfers(BLOCK_TXS, Slot(0));
        let mut block = Vec::new();
        for tx in &txs {
            let Some(Witness::Key { key, signature }) = tx.witnesses.first() else { continue };
            let signed = Signed { key: *key, digest: tx.body.id(&world.chain.genesis).0, signature: *signature };
            block.push((signed, tx.to_cbor()));
        }
        blocks.push(block);
    }
    let time = best(rounds, || {
        let folder = tempfile::tempdir()?;
        let columns = RocksColumns::open(&Options::new(folder.path()))?;
        let ((), time) = timed(|| bare(&columns, &blocks))?;
        Ok(time)
    })?;
    let per_second = per_second(BLOCKS * BLOCK_TXS, time);
    Ok((Limit { per_second, rounds }, Row::new("machine limit: signatures, hash, disk", per_second, "tx/s")))
}

fn bare(columns: &RocksColumns, blocks: &[Vec<(Signed, Vec<u8>)>]) -> Result<()> {
    for block in blocks {
        let signatures: Vec<Signed> = block.iter().map(|(signed, _)| *signed).collect();
        ensure!(verify_all(&signatures), "a signature of the bench does not verify");
        let put = |bytes: &Vec<u8>| Write::put(Column::Txs, &blake2b_256(bytes).0, bytes.clone());
        columns.write(block.iter().map(|(_, bytes)| put(bytes)).collect())?;
    }
    Ok(())
}

/// Replays a chain from its bytes.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let mut world = World::new()?;
    let built = tempfile::tempdir()?;
    let source = world.storage(built.path())?;
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        let txs = world.transfers(BLOCK_TXS, Slot(0));
        let block = world.extend(&source, &check_all(&world.chain, txs)?)?;
        blocks.push((block.header.to_cbor(), block.body.to_cbor()));
    }
    let time = best(limit.rounds, || {
        let replayed = tempfile::tempdir()?;
        let target = world.storage(replayed.path())?;
        let ((), time) = timed(|| world.replay(&target, &blocks))?;
        ensure!(source.position() == target.position(), "the replay ended at another block");
        Ok(time)
    })?;
    let rate = per_second(BLOCKS * BLOCK_TXS, time);
    let row = Row::new("transfers replayed from blocks", rate, "tx/s").of(limit.per_second);
    Ok(vec![row.goal(Goal::RatioAtLeast(0.6))])
}
