//! How many bytes of answers a peer gets for free.

use std::time::Duration;

/// Bytes a second (consensus.md §14).
const RATE: u64 = 4 * 1_024 * 1_024;
/// Bytes saved up at most: one longest answer.
const SAVED_MAX: i64 = 8 * 1_024 * 1_024;

/// A token bucket that one answer may overdraw: answers are sized only after they are made.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    tokens: i64,
    at: Duration,
}

impl TokenBucket {
    /// Full, at this time since start.
    pub fn new(at: Duration) -> Self {
        Self { tokens: SAVED_MAX, at }
    }

    /// Whether a question may be answered now.
    pub fn may_answer(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.at).as_millis().saturating_mul(u128::from(RATE)) / 1_000;
        if gained > 0 {
            self.at = self.at.max(now);
            let gained = i64::try_from(gained).unwrap_or(i64::MAX);
            self.tokens = self.tokens.saturating_add(gained).min(SAVED_MAX);
        }
        self.tokens > 0
    }

    /// Takes an answer's bytes.
    pub fn take(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overdrawn_bucket_refuses_until_the_rate_has_filled_it() {
        let mut bucket = TokenBucket::new(Duration::ZERO);
        for _ in 0..2 {
            assert!(bucket.may_answer(Duration::ZERO));
            bucket.take(7 * 1_024 * 1_024);
        }
        assert!(!bucket.may_answer(Duration::from_millis(1_400)), "6 MiB are owed");
        assert!(bucket.may_answer(Duration::from_millis(1_600)));
        bucket.take(usize::MAX);
        assert!(!bucket.may_answer(Duration::from_secs(60)));
    }
}
