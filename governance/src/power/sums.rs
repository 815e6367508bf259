//! Three epoch sums that move together, one per token: one key in state, one write for a change.

use super::Amounts;
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::state::Bug;
use nupeer_tokens::epoch_sum::{EpochSum, Merge};

/// Sums of $IaaS, $PaaS, $SaaS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TokenSums(pub [EpochSum; 3]);

impl TokenSums {
    /// Nothing, as of `epoch`.
    #[must_use]
    pub fn at(epoch: u32) -> Self {
        Self(core::array::from_fn(|_| EpochSum::at(epoch)))
    }

    /// Takes in everything up to the start of `epoch`.
    pub fn advance(&mut self, epoch: u32) -> Result<(), Bug> {
        self.0.iter_mut().try_for_each(|sum| sum.advance(epoch))
    }

    /// Adds or takes away a contribution; both stand at the same epoch.
    pub fn merge(&mut self, other: &Self, how: Merge) -> Result<(), Bug> {
        self.0.iter_mut().zip(&other.0).try_for_each(|(sum, other)| sum.merge(other, how))
    }

    /// What counts now.
    pub fn value(&self) -> Result<Amounts, Bug> {
        amounts(core::array::from_fn(|t| self.0.get(t).map_or(0, EpochSum::value)))
    }

    /// What stood at the start of `epoch`.
    pub fn at_start(&self, epoch: u32) -> Result<Amounts, Bug> {
        amounts(core::array::from_fn(|t| self.0.get(t).map_or(0, |sum| sum.at_start(epoch))))
    }

    /// What stood at the start of an epoch of its own per token.
    pub fn at_starts(&self, epochs: [u32; 3]) -> Result<Amounts, Bug> {
        let at = |t: usize| self.0.get(t).zip(epochs.get(t)).map_or(0, |(sum, epoch)| sum.at_start(*epoch));
        amounts(core::array::from_fn(at))
    }

    /// Nothing now and nothing later. The history may still matter.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(EpochSum::is_zero)
    }

    /// Whether both contribute the same from now on, whatever they did before.
    #[must_use]
    pub fn same_future(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a.value() == b.value() && a.deltas().eq(b.deltas()))
    }
}

fn amounts(values: [i128; 3]) -> Result<Amounts, Bug> {
    let mut out = [0; 3];
    for (to, from) in out.iter_mut().zip(values) {
        *to = u64::try_from(from).map_err(|_| Bug::Arithmetic { what: "votable sum outside 64 bits" })?;
    }
    Ok(out)
}

impl Cbor for TokenSums {
    fn write(&self, w: &mut Writer) {
        w.array(3);
        for sum in &self.0 {
            w.put(sum);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        Ok(Self([r.get()?, r.get()?, r.get()?]))
    }
}

/// A sum as an amount; rules keep it within 64 bits.
#[must_use]
pub fn clamped(sum: i128) -> u64 {
    u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
}
