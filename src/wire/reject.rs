//! Reports of rejected messages: `reject`.

use alloc::string::String;

use super::ascii::check_strict;
use super::error::{ErrorKind, Invalid};
use super::format::{MAX_BYTES, MAX_TEXT, ShortText, debug_fields};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// The reason of a `reject`. Unknown numbers are preserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RejectCode(u8);

impl RejectCode {
    /// The message could not be decoded.
    pub const MALFORMED: Self = Self(0x01);
    /// A consensus rule is violated.
    pub const INVALID: Self = Self(0x10);
    /// The version is no longer supported.
    pub const OBSOLETE: Self = Self(0x11);
    /// The object is already known.
    pub const DUPLICATE: Self = Self(0x12);
    /// The transaction is valid, but not relayed.
    pub const NON_STANDARD: Self = Self(0x40);
    /// An output is too small to be relayed.
    pub const DUST: Self = Self(0x41);
    /// The fee is too low.
    pub const INSUFFICIENT_FEE: Self = Self(0x42);
    /// The block contradicts a checkpoint.
    pub const CHECKPOINT: Self = Self(0x43);

    /// Creates a code from its number on the wire.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number on the wire.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// `reject`: reports a rejected message. Exchangecoin up to protocol version 8.
///
/// Neither chain's node sends it.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Reject {
    /// The command of the rejected message: printable ASCII.
    pub command: String,
    /// The reason.
    pub code: RejectCode,
    /// The reason as text: printable ASCII.
    pub reason: String,
    /// The hash of the rejected block or transaction: `Some` if and only if `command` is `block`
    /// or `tx`.
    pub hash: Option<Hash>,
}

debug_fields! {
    Reject {
        command: ShortText::new(command, MAX_BYTES),
        code,
        reason: ShortText::new(reason, MAX_TEXT),
        hash,
    }
}

/// Returns whether a `reject` of `command` has a hash, as in `MsgReject.BtcDecode` of the
/// reference nodes.
fn has_hash(command: &str) -> bool {
    matches!(command, "block" | "tx")
}

impl Payload for Reject {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        let command = reader.strict_string()?;
        let code = RejectCode::new(reader.u8()?);
        let reason = reader.strict_string()?;
        let hash = if has_hash(&command) { Some(reader.record()?) } else { None };
        Ok(Self { command, code, reason, hash })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        check_strict(self.command.as_bytes())?;
        check_strict(self.reason.as_bytes())?;
        if self.hash.is_some() != has_hash(&self.command) {
            return Err(ErrorKind::InvalidMsg(Invalid::RejectHash));
        }
        writer.string(&self.command);
        writer.bytes(&[self.code.0]);
        writer.string(&self.reason);
        if let Some(hash) = &self.hash {
            writer.bytes(hash.as_ref());
        }
        Ok(())
    }
}
