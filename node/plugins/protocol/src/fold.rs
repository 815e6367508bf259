//! The counter fold (spec/provider.md section 1, Metering): `total = closed generations + current`.
//!
//! A source counts from zero in each generation. When the generation rises, the last value of the old one is closed
//! and added for good. A counter that falls within a generation marks RESET and adds 0, ever: what was lost is the
//! host's loss, never the tenant's bill. Samples may repeat or come late; the fold only looks at totals, so clock
//! jumps do not reach it.

use std::collections::BTreeMap;

use crate::v1::Sample;

/// Running totals of one workload within one lease epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    generation: u64,
    closed: BTreeMap<u32, u64>,
    current: BTreeMap<u32, u64>,
    reset: bool,
}

/// What a sample did to the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Counters went on.
    Advanced,
    /// A new generation began.
    GenerationClosed,
    /// A counter fell; the receipt carries RESET.
    Reset,
    /// The sample belongs to a closed generation and changed nothing.
    Stale,
}

impl Fold {
    /// Takes one sample.
    pub fn take(&mut self, sample: &Sample) -> Folded {
        if sample.generation < self.generation {
            return Folded::Stale;
        }
        let mut outcome = Folded::Advanced;
        if sample.generation > self.generation {
            for (kind, total) in std::mem::take(&mut self.current) {
                let closed = self.closed.entry(kind).or_default();
                *closed = closed.saturating_add(total);
            }
            self.generation = sample.generation;
            outcome = Folded::GenerationClosed;
        }
        for counter in &sample.counters {
            let current = self.current.entry(counter.kind).or_default();
            if counter.total < *current {
                self.reset = true;
                outcome = Folded::Reset;
            } else {
                *current = counter.total;
            }
        }
        outcome
    }

    /// The folded total of a meter kind; 0 for a kind never seen.
    #[must_use]
    pub fn total(&self, kind: u32) -> u64 {
        let part = |map: &BTreeMap<u32, u64>| map.get(&kind).copied().unwrap_or(0);
        part(&self.closed).saturating_add(part(&self.current))
    }

    /// Whether any counter ever fell.
    #[must_use]
    pub const fn was_reset(&self) -> bool {
        self.reset
    }

    /// Everything the fold remembers, for a journal: generation, closed totals, current totals, reset mark.
    #[must_use]
    pub const fn parts(&self) -> (u64, &BTreeMap<u32, u64>, &BTreeMap<u32, u64>, bool) {
        (self.generation, &self.closed, &self.current, self.reset)
    }

    /// Goes on from [`Self::parts`].
    #[must_use]
    pub const fn from_parts(
        generation: u64,
        closed: BTreeMap<u32, u64>,
        current: BTreeMap<u32, u64>,
        reset: bool,
    ) -> Self {
        Self { generation, closed, current, reset }
    }

    /// The generation of the last sample taken.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::v1::Counter;
    use proptest::prelude::*;

    fn sample(generation: u64, total: u64) -> Sample {
        Sample { generation, counters: vec![Counter { kind: 4, total }], ..Sample::default() }
    }

    #[test]
    fn generations_add_up() {
        let mut fold = Fold::default();
        assert_eq!(fold.take(&sample(1, 10)), Folded::GenerationClosed);
        assert_eq!(fold.take(&sample(1, 25)), Folded::Advanced);
        assert_eq!(fold.take(&sample(2, 5)), Folded::GenerationClosed);
        assert_eq!((fold.total(4), fold.was_reset()), (30, false));
        assert_eq!(fold.take(&sample(1, 99)), Folded::Stale);
        assert_eq!((fold.total(4), fold.total(9)), (30, 0));
    }

    #[test]
    fn a_falling_counter_marks_reset_and_adds_nothing() {
        let mut fold = Fold::default();
        fold.take(&sample(1, 100));
        assert_eq!(fold.take(&sample(1, 40)), Folded::Reset);
        assert_eq!((fold.total(4), fold.was_reset()), (100, true));
        fold.take(&sample(1, 90));
        assert_eq!(fold.total(4), 100);
        fold.take(&sample(1, 130));
        assert_eq!(fold.total(4), 130);
    }

    proptest! {
        #[test]
        fn totals_never_fall(samples in prop::collection::vec((0u64..4, 0u64..1_000), 0..60)) {
            let mut fold = Fold::default();
            let mut last = 0;
            for (generation, total) in samples {
                fold.take(&sample(generation, total));
                prop_assert!(fold.total(4) >= last);
                last = fold.total(4);
            }
        }
    }
}
