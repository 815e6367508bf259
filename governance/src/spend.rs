//! What a proposal may spend: a cap per class, asset and window (governance.md §6).

use crate::class::derive::fits;
use crate::error::GovernanceError;
use nupeer_primitives::AssetId;
use nupeer_primitives::proposal::Class;

/// A payment about to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payment {
    /// What.
    pub asset: AssetId,
    /// How much.
    pub amount: u64,
    /// Spent by the class in this window.
    pub used: u64,
    /// Free in the treasury at the start of the window.
    pub base: u64,
    /// Free in the treasury now.
    pub free: u64,
}

/// The cap of a class in ppm of `base`; none for the classes that decide actively about large sums.
#[must_use]
pub const fn cap_ppm(class: Class, operational: u64, financial: u64) -> Option<u64> {
    match class {
        Class::Operational => Some(operational),
        Class::Financial | Class::LegalSettlement | Class::Community => Some(financial),
        Class::Technical | Class::TreasuryLarge | Class::Upgrade | Class::Constitution => None,
    }
}

/// Whether the payment stays within its cap and the treasury.
pub fn check(class: Class, payment: &Payment, operational: u64, financial: u64) -> Result<(), GovernanceError> {
    let Payment { asset, amount, used, base, free } = *payment;
    if amount == 0 {
        return Err(GovernanceError::ZeroAmount);
    }
    if let Some(ppm) = cap_ppm(class, operational, financial) {
        let sum = u128::from(used).saturating_add(u128::from(amount));
        if !fits(sum, base, ppm) {
            let permitted = u128::from(base).saturating_mul(u128::from(ppm)) / 1_000_000;
            let permitted = u64::try_from(permitted).unwrap_or(u64::MAX);
            return Err(GovernanceError::SpendCap { asset, used, amount, permitted });
        }
    }
    if amount > free {
        return Err(GovernanceError::TreasuryShort { asset, free, amount });
    }
    Ok(())
}
