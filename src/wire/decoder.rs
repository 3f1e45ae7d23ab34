//! Decoding of a stream of frames.

use core::fmt;

use zerocopy::FromBytes;

use super::command::Command;
use super::error::{DecodeError, ErrorKind};
use super::frame::{FrameHeader, HEADER_LEN, RawHeader};
use super::input_buffer::InputBuffer;
use super::message::Message;
use super::protocol::Protocol;
use super::reader::Reader;
use super::trailing_bytes::TrailingBytes;
use crate::network::Network;

/// A received message and the length of its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The message.
    pub message: Message,
    /// Length of the frame in bytes, including the header.
    pub len: usize,
}

/// A frame that the end of the stream truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompleteFrame {
    /// The command, or `None` if the header is incomplete.
    pub command: Option<Command>,
    /// Length of the payload in bytes, or of the header if that is incomplete.
    pub needed: usize,
    /// Number of these bytes that were received.
    pub received: usize,
}

impl fmt::Display for IncompleteFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, needed, received } = self;
        match command {
            Some(command) => write!(f, "{received} of {needed} bytes of a {command} received"),
            None => write!(f, "{received} of {needed} bytes of a frame header received"),
        }
    }
}

/// Decodes messages from a stream of bytes.
///
/// A header is checked as soon as its 24 bytes are received, before memory is reserved for its
/// payload. The first error is final: later calls return it again.
///
/// ```
/// use excc_peer::Network;
/// use excc_peer::wire::{Decoder, EncodedMessage, InputBuffer, Message, Ping};
///
/// let network = Network::EXCC_MAINNET;
/// let ping = Message::Ping(Ping { nonce: 7 });
/// let mut buffer = InputBuffer::from(&EncodedMessage::new(&network, 8, &ping)?.to_bytes()[..]);
///
/// let mut decoder = Decoder::new(network, 8);
/// let frame = decoder.decode(&mut buffer)?.expect("the frame is complete");
/// assert_eq!(frame.message, ping);
/// assert_eq!(decoder.decode(&mut buffer)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    magic: u32,
    protocol: Protocol,
    trailing: TrailingBytes,
    state: State,
}

/// The state of a decoder.
#[derive(Debug, Clone)]
enum State {
    /// Waits for a header.
    Header,
    /// Waits for the payload of this header.
    Payload(FrameHeader),
    /// Returns this error on each call.
    Failed(DecodeError),
}

impl Decoder {
    /// Creates a decoder for `network` at protocol version `version`. [Trailing
    /// bytes](TrailingBytes::of) are handled as by the chain's nodes.
    pub const fn new(network: Network, version: u32) -> Self {
        Self {
            magic: network.magic(),
            protocol: Protocol::new(network.chain(), version),
            trailing: TrailingBytes::of(network.chain()),
            state: State::Header,
        }
    }

    /// Returns the chain and the protocol version in force.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Sets the protocol version. It does not apply to a header that was removed before.
    pub const fn set_version(&mut self, version: u32) {
        self.protocol.version = version;
    }

    /// Sets the policy for trailing bytes.
    pub const fn set_trailing_bytes(&mut self, trailing: TrailingBytes) {
        self.trailing = trailing;
    }

    /// Removes the next message from the front of `buffer`. Returns `None` until the frame is
    /// complete.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`header`](Self::header) and [`payload`](Self::payload). An error is
    /// final.
    pub fn decode(&mut self, buffer: &mut InputBuffer) -> Result<Option<Frame>, DecodeError> {
        match self.header(buffer)? {
            Some(_) => self.payload(buffer),
            None => Ok(None),
        }
    }

    /// Removes the next frame header from the front of `buffer`. Returns `None` until the header
    /// is complete, and the same header again until its payload is removed.
    ///
    /// # Errors
    ///
    /// Returns the first of these errors, in this order. An error is final.
    ///
    /// - [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) if the payload length exceeds 32 MiB.
    /// - [`WrongNetwork`](ErrorKind::WrongNetwork) if the magic is not that of the network.
    /// - [`MalformedCmd`](ErrorKind::MalformedCmd) if the command is not printable ASCII.
    /// - [`UnknownCmd`](ErrorKind::UnknownCmd) if the chain does not have the command.
    /// - [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) if the payload length exceeds the
    ///   maximum of the command.
    /// - [`MsgInvalidForPVer`](ErrorKind::MsgInvalidForPVer) if the protocol version does not
    ///   have the command.
    pub fn header(&mut self, buffer: &mut InputBuffer) -> Result<Option<FrameHeader>, DecodeError> {
        match &self.state {
            State::Payload(header) => return Ok(Some(*header)),
            State::Failed(error) => return Err(error.clone()),
            State::Header => {}
        }
        let Ok((raw, _)) = RawHeader::read_from_prefix(buffer.as_slice()) else {
            buffer.set_missing(self.missing(buffer));
            return Ok(None);
        };
        buffer.advance(HEADER_LEN);
        let header = raw.check(self.magic, self.protocol).map_err(|error| self.fail(error))?;
        self.state = State::Payload(header);
        Ok(Some(header))
    }

    /// Removes the payload of the last [`header`](Self::header) from the front of `buffer`.
    /// Returns `None` until the payload is complete.
    ///
    /// # Errors
    ///
    /// Returns the first of these errors, in this order. An error is final.
    ///
    /// - [`PayloadChecksum`](ErrorKind::PayloadChecksum) if the checksum does not match.
    /// - The errors of the message's fields.
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) if bytes follow the message and the policy
    ///   rejects them.
    pub fn payload(&mut self, buffer: &mut InputBuffer) -> Result<Option<Frame>, DecodeError> {
        let header = match &self.state {
            State::Payload(header) => *header,
            State::Failed(error) => return Err(error.clone()),
            State::Header => return Ok(None),
        };
        if buffer.len() < header.len {
            buffer.set_missing(self.missing(buffer));
            return Ok(None);
        }
        self.state = State::Header;
        let message = if buffer.can_share(header.len) {
            let payload = buffer.split_to(header.len).freeze();
            self.decode_payload(header, Reader::shared(&payload))
        } else {
            let message =
                self.decode_payload(header, Reader::borrowed(&buffer.as_slice()[..header.len]));
            buffer.advance(header.len);
            message
        };
        let message = message.map_err(|error| self.fail(error))?;
        if buffer.is_empty() {
            buffer.set_missing(HEADER_LEN);
        }
        Ok(Some(Frame { message, len: HEADER_LEN + header.len }))
    }

    /// Returns how many bytes `buffer` lacks for the next header, or for the payload of the last
    /// header.
    pub fn missing(&self, buffer: &InputBuffer) -> usize {
        let needed = match &self.state {
            State::Payload(header) => header.len,
            State::Header | State::Failed(_) => HEADER_LEN,
        };
        needed.saturating_sub(buffer.len())
    }

    /// Returns the frame that is incomplete if the stream ends now. `remaining` is the number of
    /// bytes in the buffer. Returns `None` between two frames.
    pub fn incomplete_frame(&self, remaining: usize) -> Option<IncompleteFrame> {
        match &self.state {
            State::Payload(header) => Some(IncompleteFrame {
                command: Some(header.command),
                needed: header.len,
                received: remaining,
            }),
            State::Header if remaining > 0 => {
                Some(IncompleteFrame { command: None, needed: HEADER_LEN, received: remaining })
            }
            State::Header | State::Failed(_) => None,
        }
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error.clone());
        error
    }

    fn decode_payload(
        &self,
        header: FrameHeader,
        reader: Reader<'_>,
    ) -> Result<Message, DecodeError> {
        let FrameHeader { command, checksum: claimed, .. } = header;
        // `ReadMessageN` of both reference wire packages tests the checksum before it decodes
        // (`docs/protocol.md`, 2.3).
        let computed = self.protocol.chain.hash_function().checksum(&[reader.payload()]);
        if claimed != computed {
            let kind = ErrorKind::PayloadChecksum { claimed, computed };
            return Err(DecodeError::in_message(command, kind));
        }
        Message::decode_from(command, reader, self.protocol, self.trailing)
    }
}
