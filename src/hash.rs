//! Hashes, and the hash functions of both chains.

use core::fmt;
use core::str::FromStr;

use sha2::Digest;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::blake256::Blake256;

/// 32 bytes in wire order: the hash of a block or transaction, or another digest.
///
/// The text form is the hexadecimal form of the *reversed* bytes, as in all software of both
/// chains.
///
/// ```
/// use excc_peer::Hash;
///
/// let hash: Hash = "00000000000000000000000000000000000000000000000000000000000000ff".parse()?;
/// assert_eq!(hash.as_bytes()[0], 0xff);
/// assert!(hash.to_string().ends_with("ff"));
/// # Ok::<(), excc_peer::ParseHashError>(())
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The zero hash, which means no hash: in a `getheaders`, no stop hash.
    pub const ZERO: Self = Self([0; 32]);

    /// Creates a hash from its bytes in wire order.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes in wire order.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns whether all bytes are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Parses the text form at compile time.
    ///
    /// An invalid text fails the compilation, so this is for constants of the crate only.
    pub(crate) const fn from_display(text: &str) -> Self {
        match Self::parse(text.as_bytes()) {
            Ok(hash) => hash,
            Err(_) => panic!("invalid text form of a hash"),
        }
    }

    const fn parse(text: &[u8]) -> Result<Self, ParseHashError> {
        if text.is_empty() || text.len() > 64 {
            return Err(ParseHashError::Length { digits: text.len() });
        }
        let mut bytes = [0; 32];
        let mut i = 0;
        while i < text.len() {
            let at = text.len() - 1 - i;
            let digit = match text[at] {
                c @ b'0'..=b'9' => c - b'0',
                c @ b'a'..=b'f' => c - b'a' + 10,
                c @ b'A'..=b'F' => c - b'A' + 10,
                byte => return Err(ParseHashError::Digit { byte, at }),
            };
            bytes[i / 2] |= digit << (4 * (i % 2));
            i += 1;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses the text form.
///
/// Fewer than 64 digits are a number with leading zeros, as in `chainhash.Decode` of the
/// reference nodes.
///
/// # Errors
///
/// - [`Length`](ParseHashError::Length) if the text is empty or has more than 64 digits.
/// - [`Digit`](ParseHashError::Digit) if a byte is not a hexadecimal digit.
impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        Self::parse(text.as_bytes())
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// An error of parsing a [`struct@Hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// The text is empty, or has more than 64 digits.
    #[error("a hash has 1 to 64 digits, not {digits}")]
    Length {
        /// Length of the text in bytes.
        digits: usize,
    },
    /// A byte is not a hexadecimal digit.
    #[error("byte 0x{byte:02x} at {at} is not a hexadecimal digit")]
    Digit {
        /// The byte.
        byte: u8,
        /// Its offset in the text.
        at: usize,
    },
}

/// The hash function of a chain: for frame checksums, blocks and transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashFunction {
    /// A single SHA-256: Exchangecoin.
    Sha256,
    /// A single BLAKE-256 with 14 rounds: Decred.
    Blake256,
}

impl HashFunction {
    /// Returns the digest of the concatenation of `parts`.
    pub fn digest(self, parts: &[&[u8]]) -> Hash {
        // One `match` for all parts, because most messages are short.
        match self {
            Self::Sha256 => {
                let mut hasher = sha2::Sha256::new();
                parts.iter().for_each(|part| hasher.update(part));
                Hash(hasher.finalize().into())
            }
            Self::Blake256 => {
                let mut hasher = Blake256::new();
                parts.iter().for_each(|part| hasher.update(part));
                Hash(hasher.finalize())
            }
        }
    }

    /// Returns the frame checksum of the concatenation of `parts`: the first four bytes of the
    /// digest.
    pub fn checksum(self, parts: &[&[u8]]) -> [u8; 4] {
        let [a, b, c, d, ..] = self.digest(parts).0;
        [a, b, c, d]
    }

    /// Returns an incremental hasher.
    pub(crate) fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Blake256 => Hasher::Blake256(Blake256::new()),
        }
    }
}

/// An incremental hasher.
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    Blake256(Blake256),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake256(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finalize(self) -> Hash {
        Hash(match self {
            Self::Sha256(hasher) => hasher.finalize().into(),
            Self::Blake256(hasher) => hasher.finalize(),
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_text_form_reverses_the_bytes() {
        let mut bytes = [0; 32];
        bytes[0] = 0x01;
        bytes[31] = 0xfe;
        let text = Hash(bytes).to_string();
        assert!(text.starts_with("fe00") && text.ends_with("0001"));
        assert_eq!(text.parse(), Ok(Hash(bytes)));
        assert_eq!(text.to_uppercase().parse(), Ok(Hash(bytes)));
    }

    #[test]
    fn short_texts_are_numbers_with_leading_zeros() {
        let hash: Hash = "abc".parse().unwrap();
        assert_eq!(hash.0[..3], [0xbc, 0x0a, 0]);
    }

    #[test]
    fn invalid_texts_are_refused() {
        let parse = str::parse::<Hash>;
        assert_eq!(parse(""), Err(ParseHashError::Length { digits: 0 }));
        assert_eq!(parse(&"0".repeat(65)), Err(ParseHashError::Length { digits: 65 }));
        assert_eq!(parse("12g4"), Err(ParseHashError::Digit { byte: b'g', at: 2 }));
    }

    #[test]
    fn checksums_of_an_empty_payload() {
        assert_eq!(HashFunction::Sha256.checksum(&[]), [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(HashFunction::Blake256.checksum(&[]), [0x71, 0x6f, 0x6e, 0x86]);
    }

    #[test]
    fn parts_are_hashed_as_their_concatenation() {
        for function in [HashFunction::Sha256, HashFunction::Blake256] {
            let whole: [u8; 200] = core::array::from_fn(|i| i as u8);
            let (first, second) = whole.split_at(77);
            assert_eq!(function.digest(&[&whole]), function.digest(&[first, second]));
        }
    }
}
