//! Encoded messages: frames to be sent.

use core::fmt;

use bytes::Bytes;
use zerocopy::{FromBytes, IntoBytes};

use super::command::Command;
use super::error::{EncodeError, ErrorKind, at_most};
use super::frame::{HEADER_LEN, RawHeader};
use super::inv::InvVect;
use super::limits::MAX_PAYLOAD;
use super::locator::LocatorRequest;
use super::message::Message;
use super::protocol::Protocol;
use super::reader::Reader;
use super::trailing_bytes::TrailingBytes;
use super::writer::{INLINE_LEN, Writer};
use crate::network::Network;

/// Length in bytes of a frame header and of the payload that is stored beside it.
const HEAD_LEN: usize = HEADER_LEN + INLINE_LEN;

/// An encoded message, which can be sent to any number of peers of its network.
///
/// A clone is a reference to the same payload. Payloads of up to 8 bytes are stored in the value
/// itself. Lists from the wire or from a `Vec` are not copied.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedMessage {
    command: Command,
    head_len: u8,
    magic: u32,
    head: [u8; HEAD_LEN],
    body: Bytes,
}

impl EncodedMessage {
    /// Encodes `message` for `network` at protocol version `version`.
    ///
    /// # Errors
    ///
    /// - [`UnknownCmd`](ErrorKind::UnknownCmd) if the chain does not have the message.
    /// - [`MsgInvalidForPVer`](ErrorKind::MsgInvalidForPVer) if the protocol version does not
    ///   have it.
    /// - [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) if the payload exceeds the maximum of
    ///   the command.
    /// - The errors of the message's fields.
    pub fn new(network: &Network, version: u32, message: &Message) -> Result<Self, EncodeError> {
        let command = message.command();
        Self::encode(network, version, message).map_err(|kind| EncodeError::new(command, kind))
    }

    fn encode(network: &Network, version: u32, message: &Message) -> Result<Self, ErrorKind> {
        // The order of the checks is that of `WriteMessageN` of both reference wire packages
        // (`docs/protocol.md`, 2.4). No command exceeds 12 bytes.
        let protocol = Protocol::new(network.chain(), version);
        let command = message.command();
        let mut writer = Writer::default();
        message.write(&mut writer, protocol)?;
        let (inline, inline_len, body) = writer.finish();
        let inline = &inline[..inline_len];

        let len = inline.len() + body.len();
        at_most(len, MAX_PAYLOAD, ErrorKind::PayloadTooLarge)?;
        command.check_len(len, protocol)?;

        let checksum = network.chain().hash_function().checksum(&[inline, &body]);
        let header = RawHeader {
            magic: network.magic().into(),
            command: command.into(),
            len: (len as u32).into(),
            checksum,
        };
        let mut head = [0; HEAD_LEN];
        head[..HEADER_LEN].copy_from_slice(header.as_bytes());
        head[HEADER_LEN..][..inline_len].copy_from_slice(inline);
        let head_len = (HEADER_LEN + inline_len) as u8;
        Ok(Self { command, head_len, magic: network.magic(), head, body })
    }

    /// Returns the command of the message.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// Returns the length of the frame in bytes, including the header.
    #[expect(clippy::len_without_is_empty, reason = "a frame has a header at least")]
    pub fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Returns the frame in two parts: the header with up to 8 payload bytes, and the rest of the
    /// payload. The second part may be empty.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.head[..self.head_len.into()], &self.body]
    }

    /// Returns the frame in one piece.
    pub fn to_bytes(&self) -> Bytes {
        self.parts().concat().into()
    }

    /// Returns the vectors of an `inv`, `getdata` or `notfound`, and none of another message.
    pub(crate) fn vectors(&self) -> &[InvVect] {
        match self.command {
            // The first part has the count, of at most 3 bytes. The second has the vectors.
            Command::Inv | Command::GetData | Command::NotFound => {
                <[InvVect]>::ref_from_bytes(&self.body).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Returns the nonce of a `ping`.
    pub(crate) fn ping_nonce(&self) -> Option<u64> {
        let [head, _] = self.parts();
        match self.command {
            Command::Ping => head.last_chunk().map(|nonce| u64::from_le_bytes(*nonce)),
            _ => None,
        }
    }

    /// Returns the fields of a `getheaders`.
    pub(crate) fn locator_request(&self, protocol: Protocol) -> Option<LocatorRequest> {
        if self.command != Command::GetHeaders {
            return None;
        }
        let payload = self.to_bytes().slice(HEADER_LEN..);
        let reader = Reader::shared(&payload);
        match Message::decode_from(self.command, reader, protocol, TrailingBytes::Ignore) {
            Ok(Message::GetHeaders(request)) => Some(request),
            _ => None,
        }
    }

    /// Returns an error if the message must not be sent to a peer of network `magic` at this
    /// protocol. Encoding made these checks for its own network and version.
    pub(crate) fn check(&self, magic: u32, protocol: Protocol) -> Result<(), EncodeError> {
        let checked = if self.magic == magic {
            self.command
                .check_version(protocol)
                .and_then(|()| self.command.check_len(self.len() - HEADER_LEN, protocol))
        } else {
            Err(ErrorKind::WrongNetwork { seen: self.magic, expected: magic })
        };
        checked.map_err(|kind| EncodeError::new(self.command, kind))
    }
}

impl fmt::Debug for EncodedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedMessage({}, {} bytes)", self.command, self.len())
    }
}
