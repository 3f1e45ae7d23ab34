//! The complaint that Exchangecoin still defines: `reject`.

use alloc::boxed::Box;
use alloc::string::String;

use super::codec::{Payload, Protocol, Reader, Writer, check_strict};
use super::debug::{MAX_BYTES, MAX_TEXT, ShortText, debug_fields};
use super::error::{ErrorKind, Invalid};
use crate::hash::Hash;

/// Why something was rejected. Unknown numbers are carried as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RejectCode(u8);

impl RejectCode {
    /// The message could not be decoded.
    pub const MALFORMED: Self = Self(0x01);
    /// A rule of consensus is broken.
    pub const INVALID: Self = Self(0x10);
    /// The version is no longer supported.
    pub const OBSOLETE: Self = Self(0x11);
    /// It is known already.
    pub const DUPLICATE: Self = Self(0x12);
    /// A transaction that is valid but not relayed.
    pub const NON_STANDARD: Self = Self(0x40);
    /// An output is too small to be relayed.
    pub const DUST: Self = Self(0x41);
    /// The fee is too small.
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

/// `reject`: says that a message was not accepted. Exchangecoin up to protocol
/// version 8; neither its node nor Decred's ever sends one.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Reject {
    /// The command of the message rejected: printable ASCII.
    pub command: String,
    /// Why.
    pub code: RejectCode,
    /// Why, for people: printable ASCII.
    pub reason: String,
    /// The block or transaction rejected: there exactly if `command` is `block` or `tx`.
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

impl From<Reject> for super::message::Message {
    fn from(reject: Reject) -> Self {
        Self::Reject(Box::new(reject))
    }
}
