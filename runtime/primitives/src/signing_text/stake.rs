//! Lines of the stake and ISPO actions (02xx, 06xx).

use super::{TextContext, list, money};
use crate::action::Action;
use crate::hash::blake2b_256;
use crate::ids::{Amount, AssetId};
use alloc::{format, string::String};

/// The line of a stake action; nothing for the others.
#[expect(clippy::wildcard_enum_match_arm, reason = "other modules have their own lines")]
pub(super) fn line(action: &Action, c: &TextContext<'_>) -> Option<String> {
    Some(match action {
        Action::Bond { token, amount } => format!("bond {}", money(*amount, *token, c)),
        Action::Unbond { token, amount } => format!("unbond {}", money(*amount, *token, c)),
        Action::Release { token } => format!("release what may leave of {}", asset(*token, c)),
        Action::Delegate { token, pool: Some(pool) } => format!("delegate {} to pool {pool}", asset(*token, c)),
        Action::Delegate { token, pool: None } => format!("delegate {} to no pool", asset(*token, c)),
        Action::Pledge { pool, token, amount } => format!("pledge {} in pool {pool}", money(*amount, *token, c)),
        Action::Unpledge { pool, token, amount } => {
            format!("take {} out of the pledge of pool {pool}", money(*amount, *token, c))
        }
        Action::PoolSet { pool, margin_ppm, cost, reward_account, meta_hash } => {
            let (reward, meta) = (reward_account.to_bech32(c.hrp), hex::encode(meta_hash));
            let cost = three(*cost, c);
            format!("set pool {pool} to margin {margin_ppm} ppm, cost {cost}, rewards to {reward}, meta {meta}")
        }
        Action::PoolRotateBls { pool, key, proof } => {
            format!("set the voting key of pool {pool} to {key}, proof {}", hex::encode(blake2b_256(&proof.0).0))
        }
        Action::PoolUnjail { pool } => format!("free pool {pool}"),
        Action::ClaimRewards { token } => format!("claim rewards of {}", asset(*token, c)),
        Action::Ping {} => "give a sign of life".into(),
        Action::IspoAttest { cardano_epoch, root, count, pool_sums } => {
            let sums = list(pool_sums, |(pool, stake)| format!("{stake} ada in pool {pool}"));
            format!("attest table {root} of {count} delegators for Cardano epoch {cardano_epoch}, {sums}")
        }
        Action::IspoClaim { cumulative, proof } => {
            format!("claim Cardano delegation rewards up to {}, proof of {} steps", three(*cumulative, c), proof.len())
        }
        _ => return None,
    })
}

fn three(amounts: (Amount, Amount, Amount), c: &TextContext<'_>) -> String {
    let [iaas, paas, saas] = [(amounts.0, AssetId::IAAS), (amounts.1, AssetId::PAAS), (amounts.2, AssetId::SAAS)]
        .map(|(x, a)| money(x, a, c));
    format!("{iaas} and {paas} and {saas}")
}

fn asset(asset: AssetId, c: &TextContext<'_>) -> String {
    c.tickers.get(&asset).map_or_else(|| format!("asset {asset}"), |ticker| super::plain(ticker))
}
