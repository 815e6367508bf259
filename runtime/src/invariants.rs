//! What must hold after every block (ledger.md §14). The simulator and `--audit` nodes check it each time; a broken
//! invariant stops the node before anybody is paid from it.

use crate::{credentials, governance, market, slashing, system, tokens, treasury};
use alloc::collections::BTreeMap;
use nupeer_primitives::state::{Bug, Key, View, Work};
use nupeer_primitives::{AccountId, AssetId, Epoch};
use nupeer_tokens::asset::{self, ASSETS_MAX};
use nupeer_tokens::bank::Balance;

/// Sums of locked value per owner and asset, as the records show them.
pub type Held = BTreeMap<(AccountId, AssetId), u128>;

/// I1, I2 and the market's own invariants.
pub fn check(view: &dyn View) -> Result<(), Bug> {
    let work = Work::new(view);
    let balances = work.scan::<Balance>(&Key::new(0x02), &[], usize::MAX)?;
    let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
    let mut locked = Held::new();
    for (key, balance) in &balances {
        let owner = owner_of(key)?;
        let all = u128::from(balance.free.get()).saturating_add(u128::from(balance.locked.get()));
        let sum = sums.entry(owner.1).or_default();
        *sum = sum.saturating_add(all);
        if balance.locked.get() > 0 {
            locked.insert(owner, u128::from(balance.locked.get()));
        }
    }
    for (_, record) in work.scan::<asset::AssetRecord>(&Key::new(0x03), &[], ASSETS_MAX)? {
        let sum = sums.get(&record.row.id).copied().unwrap_or(0);
        if sum != record.issued {
            let what = alloc::format!("I1: asset {} sums to {sum}, {} issued", record.row.id, record.issued);
            return Err(Bug::Invariant { what });
        }
    }
    let mut held = Held::new();
    tokens::invariants::held(&work, &mut held)?;
    market::held(&work, &mut held)?;
    governance::held(&work, &mut held)?;
    treasury::held(&work, &mut held)?;
    governance::proposals::held(&work, &mut held)?;
    held.retain(|_, amount| *amount > 0);
    if held != locked {
        let differs = held.iter().find(|(owner, amount)| locked.get(owner) != Some(amount));
        let what = alloc::format!(
            "I2: records hold {differs:?}, locked differs ({} owners, {} locked)",
            held.len(),
            locked.len()
        );
        return Err(Bug::Invariant { what });
    }
    tokens::invariants::check(&work)?;
    credentials::invariants(&work)?;
    slashing::invariants(&work)?;
    let epoch = work.get::<system::Cursor>(&system::cursor_key())?.map_or(Epoch(0), |cursor| cursor.epoch);
    governance::invariants(&work, epoch)?;
    governance::proposals::invariants(&work)?;
    market::invariants(&work)
}

fn owner_of(key: &[u8]) -> Result<(AccountId, AssetId), Bug> {
    let corrupt = Bug::Corrupt { prefix: 0x02 };
    let account = key.get(1..29).and_then(|b| <[u8; 28]>::try_from(b).ok());
    let asset = key.get(29..31).and_then(|b| <[u8; 2]>::try_from(b).ok());
    match (account, asset) {
        (Some(account), Some(asset)) => Ok((AccountId(account), AssetId(u16::from_be_bytes(asset)))),
        _ => Err(corrupt),
    }
}
