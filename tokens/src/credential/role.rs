//! Validity of roles that lapse (tokens.md §8), asked at each use.

use nupeer_primitives::{Amount, Epoch};

/// `epoch − max(last attestation, grant) ≤ dev_lapse`.
#[must_use]
pub fn developer_valid(now: Epoch, last_attested: Epoch, granted: Epoch, dev_lapse: u64) -> bool {
    now.0.saturating_sub(last_attested.max(granted).0) <= dev_lapse
}

/// `bond ≥ minimum` and `epoch − last passed challenge ≤ hw_lapse`.
#[must_use]
pub fn hardware_valid(now: Epoch, bond: Amount, minimum: Amount, last_challenge: Epoch, hw_lapse: u64) -> bool {
    bond >= minimum && now.0.saturating_sub(last_challenge.0) <= hw_lapse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_lapse_after_their_last_sign_of_life() {
        let developer = |now, last, granted| developer_valid(Epoch(now), Epoch(last), Epoch(granted), 180);
        assert!(developer(184, 4, 0) && developer(180, 0, 0) && developer(3, 5, 0));
        assert!(!developer(181, 0, 0) && !developer(400, 0, 219));
        let hardware = |now, bond, last| hardware_valid(Epoch(now), Amount::new(bond), Amount::new(5), Epoch(last), 10);
        assert!(hardware(18, 5, 8));
        assert!(!hardware(19, 5, 8) && !hardware(10, 4, 10));
    }
}
