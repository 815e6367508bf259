//! BIP-39 recovery words.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// Bytes of entropy behind 24 words.
pub const ENTROPY_BYTES: usize = 32;

/// A checked set of recovery words.
pub struct Words(Mnemonic);

/// Why a text is not a set of recovery words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum WordsError {
    #[error("{count} words where 12, 15, 18, 21 or 24 are expected")]
    Count { count: usize },
    #[error("word {position} is not in the English BIP-39 list: check its spelling")]
    Unknown { position: usize },
    #[error("the words don't fit together: one of them is wrong, or their order is")]
    Checksum,
    #[error("the system gives no randomness: {reason}")]
    NoRandomness { reason: String },
}

impl Words {
    /// 24 fresh words.
    pub fn generate() -> Result<Self, WordsError> {
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        getrandom::fill(entropy.as_mut()).map_err(|e| WordsError::NoRandomness { reason: e.to_string() })?;
        Self::from_entropy(entropy.as_ref())
    }

    /// Reads words separated by white space, in any case.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let plain = Zeroizing::new(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        Mnemonic::parse_in_normalized(Language::English, &plain).map(Self).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => WordsError::Count { count },
            bip39::Error::UnknownWord(i) => WordsError::Unknown { position: i.saturating_add(1) },
            bip39::Error::BadEntropyBitCount(_)
            | bip39::Error::InvalidChecksum
            | bip39::Error::AmbiguousLanguages(_) => WordsError::Checksum,
        })
    }

    /// The words of stored entropy.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, WordsError> {
        Mnemonic::from_entropy_in(Language::English, entropy).map(Self).map_err(|_| WordsError::Checksum)
    }

    /// What is stored and what keys grow from.
    #[must_use]
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// To be written down by a person.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.words().collect::<Vec<_>>().join(" "))
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(secret)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_round_trip_through_entropy() {
        let words = Words::generate().unwrap();
        assert_eq!(words.text().split(' ').count(), 24);
        let again = Words::parse(&words.text().to_uppercase().replace(' ', "\n  ")).unwrap();
        assert_eq!(*again.entropy(), *words.entropy());
        assert_eq!(*Words::from_entropy(&words.entropy()).unwrap().text(), *words.text());
    }

    #[test]
    fn mistakes_are_named() {
        let test = "test walk nut penalty hip pave soap entry language right filter choice";
        assert!(Words::parse(test).is_ok());
        let parse = |text: &str| Words::parse(text).unwrap_err();
        assert_eq!(parse("test walk"), WordsError::Count { count: 2 });
        assert_eq!(parse(&test.replace("nut", "nuts")), WordsError::Unknown { position: 3 });
        assert_eq!(parse(&test.replace("nut", "walk")), WordsError::Checksum);
    }
}
