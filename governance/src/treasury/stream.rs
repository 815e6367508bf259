//! Streams: an amount that becomes payable tick by tick (tokens.md §9).

use super::error::TreasuryError;
use nupeer_primitives::{AccountId, Amount, AssetId, record};

record! {
    /// A promise of the treasury; `total − claimed` of it is reserved until it is stopped.
    #[derive(Copy)]
    pub struct Stream {
        /// What is paid.
        pub asset: AssetId,
        /// To whom.
        pub to: AccountId,
        /// All of it.
        pub total: Amount,
        /// First tick.
        pub start: u64,
        /// Ticks until everything is vested, at least 1.
        pub ticks: u64,
        /// Ticks before anything is.
        pub cliff: u64,
        /// Tick at which it was stopped.
        pub stop: Option<u64>,
        /// Paid so far.
        pub claimed: Amount,
    }
}

impl Stream {
    /// Refuses what could never vest.
    pub fn check(&self) -> Result<(), TreasuryError> {
        if self.total == Amount::ZERO {
            return Err(TreasuryError::ZeroAmount {});
        }
        let end = self.start.checked_add(self.ticks.max(self.cliff));
        if self.ticks == 0 || end.is_none() {
            return Err(TreasuryError::TicksOutOfRange { ticks: self.ticks });
        }
        Ok(())
    }

    /// What has become payable by tick `now`: 0 before the cliff, then `⌊total·min(e − start, ticks)/ticks⌋` with
    /// `e = min(now, stop)`.
    #[must_use]
    pub fn vested(&self, now: u64) -> Amount {
        let e = self.stop.map_or(now, |stop| now.min(stop));
        match e.checked_sub(self.start) {
            Some(elapsed) if elapsed >= self.cliff => {
                self.total.mul_div_floor(elapsed.min(self.ticks), self.ticks).unwrap_or_default()
            }
            Some(_) | None => Amount::ZERO,
        }
    }

    /// What a claim at tick `now` pays.
    #[must_use]
    pub fn due(&self, now: u64) -> Amount {
        self.vested(now).saturating_sub(self.claimed)
    }

    /// Reserved for it: what it may still pay.
    #[must_use]
    pub fn reserved(&self) -> Amount {
        let most = match self.stop {
            None => self.total,
            Some(stop) => self.vested(stop),
        };
        most.saturating_sub(self.claimed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn stream(total: u64, start: u64, ticks: u64, cliff: u64) -> Stream {
        let (asset, to, total) = (AssetId::ADA, AccountId([1; 28]), Amount::new(total));
        Stream { asset, to, total, start, ticks, cliff, stop: None, claimed: Amount::ZERO }
    }

    proptest! {
        #[test]
        fn claims_are_monotone_and_never_exceed_the_total(
            total in 1u64.., start in 0u64..1_000, ticks in 1u64..1_000, cliff in 0u64..1_200,
            mut at in prop::collection::vec(0u64..3_000, 1..20), stop in prop::option::of(0u64..3_000),
        ) {
            let mut stream = stream(total, start, ticks, cliff);
            at.sort_unstable();
            let mut reserved = total;
            for now in at {
                if stop.is_some_and(|stop| stop <= now) && stream.stop.is_none() {
                    stream.stop = Some(now);
                    prop_assert!(stream.reserved().get() <= reserved);
                    reserved = stream.reserved().get();
                }
                let due = stream.due(now).get();
                prop_assert!(due <= reserved);
                stream.claimed = stream.claimed.checked_add(Amount::new(due)).unwrap();
                reserved -= due;
                prop_assert!(stream.claimed.get() <= total && stream.reserved().get() == reserved);
            }
        }
    }

    #[test]
    fn what_can_never_vest_is_refused() {
        assert_eq!(stream(1, 0, 1, 0).check(), Ok(()));
        assert_eq!(stream(0, 0, 1, 0).check().map_err(|e| e.variant()), Err("ZeroAmount"));
        assert_eq!(stream(1, 0, 0, 0).check().map_err(|e| e.variant()), Err("TicksOutOfRange"));
        assert_eq!(stream(1, u64::MAX, 1, 0).check().map_err(|e| e.variant()), Err("TicksOutOfRange"));
        assert_eq!(stream(1, u64::MAX, 1, 5).vested(u64::MAX), Amount::ZERO);
    }
}
