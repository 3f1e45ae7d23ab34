//! The frame header: its layout, and the checks on receipt.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ascii::check_strict;
use super::command::{Command, CommandField};
use super::error::{DecodeError, ErrorKind, at_most};
use super::limits::MAX_PAYLOAD;
use super::protocol::Protocol;
use crate::network::Chain;

/// Length of a frame header in bytes.
pub const HEADER_LEN: usize = 24;

/// The layout of a frame header.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawHeader {
    pub(super) magic: U32,
    pub(super) command: CommandField,
    pub(super) len: U32,
    pub(super) checksum: [u8; 4],
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_LEN);

/// A valid header of a received frame.
///
/// It belongs to the local network. The protocol version in force has the command, and the
/// payload length is within the command's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// The command.
    pub command: Command,
    /// Length of the payload in bytes.
    pub len: usize,
    /// The checksum of the payload that the header claims.
    pub checksum: [u8; 4],
}

impl RawHeader {
    /// Checks a received header, before its payload is received.
    ///
    /// The order is that of `ReadMessageN` of both reference wire packages (`docs/protocol.md`,
    /// 2.3). So a header with several faults causes the same error.
    pub(super) fn check(&self, magic: u32, protocol: Protocol) -> Result<FrameHeader, DecodeError> {
        let Self { command, checksum, .. } = *self;
        // The nodes test this limit before the network, so a foreign frame above it is too large.
        at_most(self.len.get(), MAX_PAYLOAD, ErrorKind::PayloadTooLarge)
            .map_err(DecodeError::in_frame)?;
        let len = self.len.get() as usize;
        if self.magic.get() != magic {
            let kind = ErrorKind::WrongNetwork { seen: self.magic.get(), expected: magic };
            return Err(DecodeError::in_frame(kind));
        }
        let command = known_command(&command, protocol.chain).map_err(DecodeError::in_frame)?;
        command
            .check_len(len, protocol)
            // The nodes test the version after they received and hashed the payload, of up to
            // 26 MB. The error is the same (`docs/protocol.md`, 14).
            .and_then(|()| command.check_version(protocol))
            .map_err(|kind| DecodeError::in_message(command, kind))?;
        Ok(FrameHeader { command, len, checksum })
    }
}

/// Returns the command of a received header if the chain has it.
fn known_command(field: &CommandField, chain: Chain) -> Result<Command, ErrorKind> {
    match field.command() {
        Some(command) if command.is_known(chain) => Ok(command),
        // The nodes test for printable ASCII first. The result is the same, because all commands
        // are printable ASCII.
        _ if check_strict(field.trimmed()).is_ok() => Err(ErrorKind::UnknownCmd(*field)),
        _ => Err(ErrorKind::MalformedCmd(*field)),
    }
}
