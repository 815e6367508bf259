//! The handshake of RPP/1 (spec/provider.md section 1).
//!
//! 1. The daemon spawns `<plugin> serve` with `RPP_COOKIE` (32 random bytes, hex, used once) and `RPP_VERSIONS`.
//! 2. Within 10 s the plugin prints exactly one line, [`Line`].
//! 3. The daemon connects and calls Hello with `mac = keyed blake2b-256(cookie, "rpp/1/hello" ‖ descriptor hash)`.
//! 4. The answer carries the same under "rpp/1/ack". Any mismatch ends the plugin.
//!
//! The cookie proves that the process behind the socket is the one that was spawned; it encrypts nothing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};

use crate::limits::{HANDSHAKE_LINE_BYTES_MAX, RPP_VERSION};

/// Environment variable that carries the cookie.
pub const COOKIE_VARIABLE: &str = "RPP_COOKIE";
/// Environment variable that lists the host's versions, comma separated.
pub const VERSIONS_VARIABLE: &str = "RPP_VERSIONS";

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The line is not `RPP|1|<version>|unix|<path>|grpc|<hash>`.
    #[error("handshake line malformed: {line:?}")]
    LineMalformed {
        /// What was printed, cut to a printable length.
        line: String,
    },
    /// The plugin speaks another protocol version.
    #[error("plugin speaks RPP {found}, this host {RPP_VERSION}")]
    VersionUnsupported {
        /// The version on the line.
        found: u32,
    },
    /// `RPP_COOKIE` is absent or not 32 bytes of hex.
    #[error("RPP_COOKIE must be 64 hexadecimal digits; plugins are started by the provider daemon, not by hand")]
    CookieMalformed,
    /// The other side does not know the cookie or has another descriptor.
    #[error("handshake mac does not match")]
    MacMismatch,
}

/// A 32-byte secret shared by a daemon and the plugin process it spawned.
#[derive(Clone)]
pub struct Cookie([u8; 32]);

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// Which way a mac goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Daemon to plugin.
    Hello,
    /// Plugin to daemon.
    Ack,
}

impl Cookie {
    /// Wraps random bytes drawn by the caller.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The value of `RPP_COOKIE`.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Parses the value of `RPP_COOKIE`.
    ///
    /// # Errors
    /// [`HandshakeError::CookieMalformed`].
    pub fn from_hex(text: &str) -> Result<Self, HandshakeError> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HandshakeError::CookieMalformed)?;
        Ok(Self(bytes))
    }

    /// The mac of one direction over a descriptor hash.
    #[must_use]
    pub fn mac(&self, direction: Direction, descriptor_hash: &[u8; 32]) -> [u8; 32] {
        let tag: &[u8] = match direction {
            Direction::Hello => b"rpp/1/hello",
            Direction::Ack => b"rpp/1/ack",
        };
        let mut mac =
            Blake2bMac::<U32>::new_from_slice(&self.0).expect("blake2b takes keys up to 64 bytes and this one has 32");
        mac.update(tag);
        mac.update(descriptor_hash);
        mac.finalize_fixed().into()
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// [`HandshakeError::MacMismatch`].
    pub fn verify(&self, direction: Direction, descriptor_hash: &[u8; 32], given: &[u8]) -> Result<(), HandshakeError> {
        let wanted = self.mac(direction, descriptor_hash);
        let same_length = wanted.len() == given.len();
        let difference = wanted.iter().zip(given).fold(0u8, |acc, (a, b)| acc | (a ^ b));
        if same_length && difference == 0 { Ok(()) } else { Err(HandshakeError::MacMismatch) }
    }
}

/// The one line a plugin prints: `RPP|1|<plugin version>|unix|<path>|grpc|<blake2b-256 of descriptor>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The plugin's own version.
    pub plugin_version: String,
    /// Where it listens.
    pub socket: PathBuf,
    /// Hash of the bytes that `<plugin> descriptor` prints.
    pub descriptor_hash: [u8; 32],
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RPP|{RPP_VERSION}|{}|unix|{}|grpc|{}",
            self.plugin_version,
            self.socket.display(),
            hex::encode(self.descriptor_hash)
        )
    }
}

impl FromStr for Line {
    type Err = HandshakeError;

    fn from_str(text: &str) -> Result<Self, HandshakeError> {
        let malformed = || HandshakeError::LineMalformed { line: text.chars().take(120).collect() };
        if text.len() > HANDSHAKE_LINE_BYTES_MAX {
            return Err(malformed());
        }
        let fields: Vec<&str> = text.trim_end_matches(['\r', '\n']).split('|').collect();
        let ["RPP", version, plugin_version, "unix", path, "grpc", hash] = fields.as_slice() else {
            return Err(malformed());
        };
        let found: u32 = version.parse().map_err(|_| malformed())?;
        if found != RPP_VERSION {
            return Err(HandshakeError::VersionUnsupported { found });
        }
        let mut descriptor_hash = [0u8; 32];
        hex::decode_to_slice(hash, &mut descriptor_hash).map_err(|_| malformed())?;
        if plugin_version.is_empty() || plugin_version.len() > 64 || !path.starts_with('/') {
            return Err(malformed());
        }
        Ok(Self { plugin_version: (*plugin_version).to_owned(), socket: PathBuf::from(path), descriptor_hash })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn line() -> Line {
        Line { plugin_version: "0.1.0".into(), socket: "/run/x/rpp".into(), descriptor_hash: [7; 32] }
    }

    #[test]
    fn a_line_survives_printing_and_parsing() {
        assert_eq!(line().to_string().parse::<Line>().unwrap(), line());
        assert_eq!(format!("{}\n", line()).parse::<Line>().unwrap(), line());
    }

    #[test]
    fn faulty_lines_are_named() {
        let good = line().to_string();
        for bad in [
            String::new(),
            "hello".into(),
            good.replace("|unix|", "|tcp|"),
            good.replace("/run", "run"),
            good.replace("07", "7"),
            good.replace("|grpc|", "|grpc||"),
            format!("{good}{}", "0".repeat(2_000)),
        ] {
            assert!(matches!(bad.parse::<Line>(), Err(HandshakeError::LineMalformed { .. })), "{bad}");
        }
        assert_eq!(
            good.replace("RPP|1|", "RPP|2|").parse::<Line>(),
            Err(HandshakeError::VersionUnsupported { found: 2 })
        );
    }

    #[test]
    fn macs_depend_on_cookie_direction_and_descriptor() {
        let cookie = Cookie::new([1; 32]);
        let mac = cookie.mac(Direction::Hello, &[2; 32]);
        assert_eq!(cookie.verify(Direction::Hello, &[2; 32], &mac), Ok(()));
        for result in [
            cookie.verify(Direction::Ack, &[2; 32], &mac),
            cookie.verify(Direction::Hello, &[3; 32], &mac),
            Cookie::new([9; 32]).verify(Direction::Hello, &[2; 32], &mac),
            cookie.verify(Direction::Hello, &[2; 32], &mac[..31]),
            cookie.verify(Direction::Hello, &[2; 32], b""),
        ] {
            assert_eq!(result, Err(HandshakeError::MacMismatch));
        }
    }

    #[test]
    fn the_mac_is_keyed_blake2b_256() {
        // From python: hashlib.blake2b(b"rpp/1/hello" + bytes(32), digest_size=32, key=bytes(range(32)))
        let mut key = [0u8; 32];
        for (place, byte) in key.iter_mut().zip(0u8..) {
            *place = byte;
        }
        assert_eq!(hex::encode(Cookie::new(key).mac(Direction::Hello, &[0; 32])), PYTHON_MAC);
    }

    const PYTHON_MAC: &str = "40f4e695a99045dcbef92dceba1580bd915272ad9f2e5e790e3b0d2ece32b741";

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = text.parse::<Line>();
            let _ = Cookie::from_hex(&text);
        }
    }
}
