//! Transactions wait for company: 16 KiB or 50 ms, never one a message unless it is alone (consensus.md §14).

use super::protocol::Topic;
use std::time::Duration;

/// Bytes that are sent at once.
const READY_BYTES: usize = 16 * 1_024;
/// Time that the first of a batch waits.
pub const WAIT: Duration = Duration::from_millis(50);
/// Bytes of the longest array header of a batch.
const HEADER_BYTES: usize = 5;

/// Encoded transactions on their way out.
#[derive(Debug, Default)]
pub struct TxBatch {
    count: u32,
    bytes: Vec<u8>,
    since: Option<Duration>,
}

impl TxBatch {
    /// Adds an encoded transaction; gives the messages that are ready. One that fits no message is dropped.
    pub fn push(&mut self, tx: &[u8], now: Duration) -> Vec<Vec<u8>> {
        let mut ready = Vec::new();
        let room = Topic::Tx.bytes_max() - HEADER_BYTES;
        if tx.is_empty() || tx.len() > room {
            return ready;
        }
        if self.bytes.len() + tx.len() > room {
            ready.extend(self.flush());
        }
        self.bytes.extend_from_slice(tx);
        self.count = self.count.saturating_add(1);
        self.since.get_or_insert(now);
        if self.bytes.len() >= READY_BYTES {
            ready.extend(self.flush());
        }
        ready
    }

    /// When the waiting ones must go.
    pub fn due(&self) -> Option<Duration> {
        self.since.map(|since| since + WAIT)
    }

    /// The waiting ones as one message: a CBOR array of transactions.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        let Self { count, bytes, since: _ } = std::mem::take(self);
        (count > 0).then(|| [array_header(count), bytes].concat())
    }
}

/// Shortest header of a CBOR array.
fn array_header(count: u32) -> Vec<u8> {
    let [a, b, c, d] = count.to_be_bytes();
    match count {
        0..24 => vec![0x80 | d],
        24..=0xff => vec![0x98, d],
        0x100..=0xffff => vec![0x99, c, d],
        _ => vec![0x9a, a, b, c, d],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::Cbor;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_batch_is_the_canonical_list_of_its_items() {
        for count in [1u64, 23, 24, 255, 256, 300] {
            let mut batch = TxBatch::default();
            let items: Vec<u64> = (0..count).collect();
            for item in &items {
                assert_eq!(batch.push(&item.to_cbor(), NOW), Vec::<Vec<u8>>::new());
            }
            assert_eq!(batch.flush().unwrap(), items.to_cbor());
            assert_eq!(batch.flush(), None);
        }
    }

    #[test]
    fn full_batches_leave_at_once_and_none_exceeds_its_limit() {
        let mut batch = TxBatch::default();
        let tx = vec![0u8; 5_000];
        let sent: Vec<usize> = (0..4).map(|_| batch.push(&tx, NOW).len()).collect();
        assert_eq!(sent, [0, 0, 0, 1]);
        assert_eq!(batch.due(), None);
        assert!(batch.push(&vec![0; 10_000], NOW).is_empty());
        assert_eq!(batch.due(), Some(WAIT));
        let both = batch.push(&vec![0; 65_000], NOW);
        assert_eq!(both.len(), 2, "the small one goes first, the long one alone");
        assert!(both.iter().all(|message| message.len() <= Topic::Tx.bytes_max()));
        assert!(batch.push(&vec![0; 70_000], NOW).is_empty());
        assert_eq!(batch.flush(), None);
    }
}
