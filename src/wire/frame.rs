//! The frame around every message: 24 bytes of header, then the payload.

use core::fmt;

use bytes::Bytes;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::{HEAD_LEN, Protocol, Reader, Writer, check_strict};
use super::error::{DecodeError, EncodeError, ErrorKind, at_most};
use super::input::InputBuffer;
use super::inv::InvVect;
use super::locator::LocatorRequest;
use super::message::{Command, Message};
use crate::network::{Chain, Network};

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 24;

/// Most bytes of any payload: 32 MiB.
pub const MAX_PAYLOAD: usize = 32 * 1024 * 1024;

/// The command as a frame's header has it: 12 bytes, shown as text where they are.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct CommandField([u8; 12]);

impl CommandField {
    /// The 12 bytes, padding included.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// The field of a command.
    pub(crate) const fn of(command: Command) -> Self {
        let name = command.as_str().as_bytes();
        let mut field = [0; 12];
        let mut at = 0;
        while at < name.len() {
            field[at] = name[at];
            at += 1;
        }
        Self(field)
    }

    /// The field as a number, by which a command is found at once.
    pub(crate) const fn key(&self) -> u128 {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.0;
        u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0])
    }

    /// Whether it is printable ASCII followed by zero bytes.
    pub(crate) fn is_well_formed(&self) -> bool {
        check_strict(self.trimmed()).is_ok()
    }

    fn trimmed(&self) -> &[u8] {
        let len = self.0.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &self.0[..len]
    }
}

impl From<Command> for CommandField {
    fn from(command: Command) -> Self {
        Self::of(command)
    }
}

impl fmt::Display for CommandField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.trimmed().escape_ascii())
    }
}

impl fmt::Debug for CommandField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What to do with bytes that follow a complete message inside its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrailingBytes {
    /// Pass over them, as Exchangecoin's nodes do. They are never handed on.
    Ignore,
    /// Refuse the frame, as Decred's nodes do.
    Reject,
}

impl TrailingBytes {
    /// What the nodes of `chain` do.
    pub const fn of(chain: Chain) -> Self {
        match chain {
            Chain::Exchangecoin => Self::Ignore,
            Chain::Decred => Self::Reject,
        }
    }
}

/// The header as it lies on the wire.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: U32,
    command: CommandField,
    len: U32,
    checksum: [u8; 4],
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_LEN);

/// The header of a frame that may be received: its network is ours, its command known
/// at the version in force, its length within the command's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// The name of the message.
    pub command: Command,
    /// Bytes of the payload.
    pub len: usize,
    /// The payload's checksum, as claimed.
    pub checksum: [u8; 4],
}

/// A received message and the size of its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The message.
    pub message: Message,
    /// Bytes of the frame, its header included.
    pub len: usize,
}

/// A frame that a stream left incomplete when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutFrame {
    /// The name of the message; `None` if the stream ended inside the header.
    pub command: Option<Command>,
    /// Bytes of the payload, or of the header.
    pub needed: usize,
    /// Bytes of these that were received.
    pub received: usize,
}

impl fmt::Display for CutFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, needed, received } = self;
        match command {
            Some(command) => write!(f, "{received} of {needed} bytes of a {command} received"),
            None => write!(f, "{received} of {needed} bytes of a header received"),
        }
    }
}

/// Takes messages from a stream of bytes.
///
/// A header is judged as soon as its 24 bytes are there, before anything is kept for
/// its payload; nothing is ever reserved by a length that the remote claims. The first
/// error is final: later calls return it again.
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
/// let frame = decoder.decode(&mut buffer)?.expect("a whole frame is there");
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

/// What a decoder waits for.
#[derive(Debug, Clone)]
enum State {
    Header,
    Payload(FrameHeader),
    /// Nothing more.
    Failed(DecodeError),
}

impl Decoder {
    /// A decoder for `network` at protocol version `version`, with the limits of the
    /// wire and the chain's way with trailing bytes.
    pub const fn new(network: Network, version: u32) -> Self {
        Self {
            magic: network.magic(),
            protocol: Protocol::new(network.chain(), version),
            trailing: TrailingBytes::of(network.chain()),
            state: State::Header,
        }
    }

    /// What decides how payloads are read.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Reads the frames that follow at another protocol version. A header that has been
    /// taken already stays judged by the version that it was taken at.
    pub const fn set_version(&mut self, version: u32) {
        self.protocol.version = version;
    }

    /// Deals with trailing bytes in another way than the chain's nodes do.
    pub const fn set_trailing_bytes(&mut self, trailing: TrailingBytes) {
        self.trailing = trailing;
    }

    /// Takes the next message from the front of `buffer`. Returns `None` until it is complete.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the frame. The error is final.
    pub fn decode(&mut self, buffer: &mut InputBuffer) -> Result<Option<Frame>, DecodeError> {
        match self.header(buffer)? {
            Some(_) => self.payload(buffer),
            None => Ok(None),
        }
    }

    /// Takes the next header from the front of `buffer`, once it is complete, and returns it
    /// until its payload is taken.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the header. The error is final.
    pub fn header(&mut self, buffer: &mut InputBuffer) -> Result<Option<FrameHeader>, DecodeError> {
        match &self.state {
            State::Payload(header) => return Ok(Some(*header)),
            State::Failed(error) => return Err(error.clone()),
            State::Header => {}
        }
        let Ok((raw, _)) = RawHeader::read_from_prefix(buffer.as_slice()) else {
            buffer.settle(self.missing(buffer));
            return Ok(None);
        };
        buffer.advance(HEADER_LEN);
        let header = self.judge(&raw).map_err(|error| self.fail(error))?;
        self.state = State::Payload(header);
        Ok(Some(header))
    }

    /// Takes the payload of the header taken before, once it is complete.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the payload. The error is final.
    pub fn payload(&mut self, buffer: &mut InputBuffer) -> Result<Option<Frame>, DecodeError> {
        let header = match &self.state {
            State::Payload(header) => *header,
            State::Failed(error) => return Err(error.clone()),
            State::Header => return Ok(None),
        };
        if buffer.len() < header.len {
            buffer.settle(self.missing(buffer));
            return Ok(None);
        }
        self.state = State::Header;
        let message = if buffer.may_share(header.len) {
            let payload = buffer.split_to(header.len).freeze();
            self.open(header, Reader::shared(&payload))
        } else {
            let message = self.open(header, Reader::borrowed(&buffer.as_slice()[..header.len]));
            buffer.advance(header.len);
            message
        };
        let message = message.map_err(|error| self.fail(error))?;
        if buffer.is_empty() {
            buffer.settle(HEADER_LEN);
        }
        Ok(Some(Frame { message, len: HEADER_LEN + header.len }))
    }

    /// How many bytes `buffer` lacks of what [`decode`](Self::decode) needs next: of a
    /// header, or of the payload announced.
    pub fn missing(&self, buffer: &InputBuffer) -> usize {
        let needed = match &self.state {
            State::Payload(header) => header.len,
            State::Header | State::Failed(_) => HEADER_LEN,
        };
        needed.saturating_sub(buffer.len())
    }

    /// The frame that a stream leaves incomplete if it ends now, with `remaining` bytes not
    /// taken from the buffer. `None` between two frames.
    pub fn cut(&self, remaining: usize) -> Option<CutFrame> {
        match &self.state {
            State::Payload(header) => Some(CutFrame {
                command: Some(header.command),
                needed: header.len,
                received: remaining,
            }),
            State::Header if remaining > 0 => {
                Some(CutFrame { command: None, needed: HEADER_LEN, received: remaining })
            }
            State::Header | State::Failed(_) => None,
        }
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error.clone());
        error
    }

    /// The checks of a header, in the order in which the reference nodes make them.
    fn judge(&self, raw: &RawHeader) -> Result<FrameHeader, DecodeError> {
        at_most(raw.len.get(), MAX_PAYLOAD, ErrorKind::PayloadTooLarge)
            .map_err(DecodeError::in_frame)?;
        let len = raw.len.get() as usize;
        if raw.magic.get() != self.magic {
            let kind = ErrorKind::WrongNetwork { seen: raw.magic.get(), expected: self.magic };
            return Err(DecodeError::in_frame(kind));
        }
        let command = Command::from_field(&raw.command, self.protocol.chain)
            .map_err(DecodeError::in_frame)?;
        command
            .check_len(len, self.protocol)
            // The wire reads a payload that no version in force can decode; here it is
            // refused before it is received.
            .and_then(|()| command.check_version(self.protocol))
            .map_err(|kind| DecodeError::in_message(command, kind))?;
        Ok(FrameHeader { command, len, checksum: raw.checksum })
    }

    fn open(&self, header: FrameHeader, reader: Reader<'_>) -> Result<Message, DecodeError> {
        let FrameHeader { command, checksum: claimed, .. } = header;
        let computed = self.protocol.chain.hash_function().checksum(&[reader.payload()]);
        if claimed != computed {
            let kind = ErrorKind::PayloadChecksum { claimed, computed };
            return Err(DecodeError::in_message(command, kind));
        }
        Message::decode_from(command, reader, self.protocol, self.trailing)
    }
}

/// A message as bytes, made once and sent to any number of peers of its network.
///
/// Cloning counts a reference. Payloads of up to 8 bytes live inside the value; lists
/// that came from the wire or from a `Vec` are not copied.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedMessage {
    command: Command,
    head_len: u8,
    magic: u32,
    head: [u8; HEAD_LEN],
    body: Bytes,
}

impl EncodedMessage {
    /// Encodes `message` for `network` as it is at protocol version `version`.
    ///
    /// # Errors
    ///
    /// That the message does not exist at that version, breaks one of its own limits, or
    /// is larger than its command allows.
    pub fn new(network: &Network, version: u32, message: &Message) -> Result<Self, EncodeError> {
        let command = message.command();
        Self::encode(network, version, message).map_err(|kind| EncodeError::new(command, kind))
    }

    fn encode(network: &Network, version: u32, message: &Message) -> Result<Self, ErrorKind> {
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

    /// The name of the message.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// Bytes of the frame, its header included.
    #[expect(clippy::len_without_is_empty, reason = "a frame has a header at least")]
    pub fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// The frame in two parts: the header with what of the payload is kept beside it, and
    /// the rest of the payload, which may be empty.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.head[..self.head_len.into()], &self.body]
    }

    /// The frame in one piece.
    pub fn to_bytes(&self) -> Bytes {
        self.parts().concat().into()
    }

    /// The vectors of an `inv`, a `getdata` or a `notfound`; of other messages, none.
    pub(crate) fn vectors(&self) -> &[InvVect] {
        match self.command {
            // A count of 3 bytes at most lies beside the header, and nothing else.
            Command::Inv | Command::GetData | Command::NotFound => {
                <[InvVect]>::ref_from_bytes(&self.body).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The nonce of a `ping`.
    pub(crate) fn ping_nonce(&self) -> Option<u64> {
        let [head, _] = self.parts();
        match self.command {
            Command::Ping => head.last_chunk().map(|nonce| u64::from_le_bytes(*nonce)),
            _ => None,
        }
    }

    /// The content of a `getheaders`.
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

    /// Whether a peer of `magic` may be sent this at the version of `protocol`: what
    /// encoding tests, without encoding.
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
