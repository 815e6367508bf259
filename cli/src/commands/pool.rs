//! `nupeer pool`: what an operator does (consensus.md §2-§5).

mod chain;
mod keys;
mod utc;

use crate::context::Context;
use crate::failure::Failure;
use crate::pool_args::{Bls, Kes, Keygen, Opcert, Pool};
use crate::report::Report;

pub(super) async fn run(context: &Context, command: Pool) -> Result<Report, Failure> {
    match command {
        Pool::Keygen(Keygen::Cold { file }) => keys::cold(context, &file),
        Pool::Keygen(Keygen::Hot { keys_dir }) => keys::hot(&keys_dir),
        Pool::Id { cold, keys_dir } => keys::id(cold.as_deref(), keys_dir.as_deref()),
        Pool::Opcert(Opcert::Issue { cold, genesis, kes_key, out, start, again }) => {
            keys::issue(context, &keys::Issue { cold, genesis, kes_key, out, start, again })
        }
        Pool::Opcert(Opcert::Install { file, keys_dir, genesis }) => keys::install(&file, &keys_dir, &genesis),
        Pool::Kes(Kes::Rotate { keys_dir }) => keys::rotate(&keys_dir),
        Pool::Kes(Kes::Status { keys_dir }) => chain::kes_status(context, &keys_dir).await,
        Pool::Bls(Bls::Rotate { keys_dir }) => keys::rotate_bls(&keys_dir),
        Pool::Schedule { keys_dir, from_now } => chain::schedule(context, &keys_dir, from_now).await,
        Pool::Stake(id) => chain::stake(context, id.pool.as_deref()).await,
        Pool::Performance(id) => chain::performance(context, id.pool.as_deref()).await,
    }
}
