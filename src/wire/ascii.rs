//! Printable ASCII, which text on the wire consists of.

use alloc::string::String;

use super::error::ErrorKind;

/// Converts printable ASCII to a string.
pub(super) fn strict_string(bytes: &[u8]) -> Result<String, ErrorKind> {
    check_strict(bytes)?;
    Ok(bytes.iter().copied().map(char::from).collect())
}

/// Returns an error if a byte is outside `0x20..=0x7e`.
///
/// This is `isStrictAscii` of the reference nodes (`docs/protocol.md`, 3.2).
pub(super) fn check_strict(bytes: &[u8]) -> Result<(), ErrorKind> {
    match bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e)) {
        Some(at) => Err(ErrorKind::MalformedStrictString { byte: bytes[at], at }),
        None => Ok(()),
    }
}
