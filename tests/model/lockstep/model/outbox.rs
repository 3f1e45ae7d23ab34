//! The queue of frames (`docs/protocol.md`, 9).

use excc_peer::wire::{Command, EncodedMessage, Message, Ping, Version};
use excc_peer::{CloseReason, Instant, Network, Overflow, SendErrorKind, Timer};

use super::requests::answers;
use super::{Model, ModelEvent, extended};
use crate::lockstep::common::QUEUED;

/// Bytes up to which one more frame is lent, and the most frames.
const MAX_LENT: usize = 256 * 1024;

const MAX_LENT_FRAMES: usize = 128;

/// A frame in the queue.
pub(crate) struct Frame {
    pub(crate) content: Content,
    pub(crate) purpose: Purpose,
    /// When a `ping` was answered, if that was before the driver said that it was sent.
    pub(crate) answered_at: Option<Instant>,
}

impl Frame {
    pub(crate) const fn new(content: Content, purpose: Purpose) -> Self {
        Self { content, purpose, answered_at: None }
    }

    pub(crate) fn command(&self) -> Command {
        match &self.content {
            Content::Bytes(command, _) => *command,
            Content::OwnVersion(_) => Command::Version,
            Content::OwnPing => Command::Ping,
        }
    }

    /// The frame, with the nonces that the peer was seen to have drawn.
    pub(crate) fn bytes(&self, network: &Network, nonces: &Nonces) -> Vec<u8> {
        let message = match &self.content {
            Content::Bytes(_, bytes) => return bytes.clone(),
            Content::OwnVersion(version) => {
                Version { nonce: nonces.version.unwrap_or(0), ..version.clone() }.into()
            }
            Content::OwnPing => Message::Ping(Ping { nonce: nonces.ping.unwrap_or(0) }),
        };
        let frame = EncodedMessage::new(network, network.chain().newest_version(), &message);
        frame.expect("the peer's own can be encoded").to_bytes().to_vec()
    }

    pub(crate) fn len(&self, network: &Network) -> usize {
        match &self.content {
            Content::Bytes(_, bytes) => bytes.len(),
            _ => self.bytes(network, &Nonces::default()).len(),
        }
    }

    /// Where the nonce is that only the peer knows.
    pub(crate) fn nonce_at(&self) -> Option<usize> {
        match self.content {
            Content::Bytes(..) => None,
            // After the number, the services, the time and two addresses.
            Content::OwnVersion(_) => Some(24 + 4 + 8 + 8 + 26 + 26),
            Content::OwnPing => Some(24),
        }
    }

    /// The nonce of a `ping`, as far as it was seen.
    pub(crate) fn ping_nonce(&self, nonces: &Nonces) -> Option<u64> {
        match self.purpose {
            Purpose::OwnPing => nonces.ping,
            Purpose::Receipt(_, Starts::RoundTrip(nonce)) => Some(nonce),
            _ => None,
        }
    }
}

/// The bytes of a frame, or a message of which only the peer knows the nonce.
pub(crate) enum Content {
    Bytes(Command, Vec<u8>),
    OwnVersion(Version),
    OwnPing,
}

/// The consequence of sending the last byte of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Handshake,
    Pong,
    OwnPing,
    Announcements,
    Receipt(u64, Starts),
}

impl Purpose {
    pub(crate) fn is_limited(self) -> bool {
        matches!(self, Self::Announcements | Self::Receipt(..))
    }
}

/// The span that starts when a message of the application was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts {
    Nothing,
    /// The round trip of a `ping` with that nonce.
    RoundTrip(u64),
    /// The time for the answer to a request, which has the receipt's number.
    Answer(Command),
}

/// The nonces that the peer was seen to have drawn.
#[derive(Default)]
pub(crate) struct Nonces {
    pub(crate) version: Option<u64>,
    /// The nonce of the peer's own `ping` in the queue.
    pub(crate) ping: Option<u64>,
}

impl Model {
    pub(super) fn check_sendable(&self, command: Command) -> Result<(), SendErrorKind> {
        match (&self.closed, command) {
            (Some(reason), _) => Err(SendErrorKind::Closed(reason.clone())),
            _ if self.shuts_down_by.is_some() => Err(SendErrorKind::ShuttingDown),
            (None, Command::Version | Command::VerAck) => Err(SendErrorKind::Handshake(command)),
            (None, _) if self.remote_version.is_none() => Err(SendErrorKind::NotReady),
            _ => Ok(()),
        }
    }

    pub(crate) fn send(&mut self, now: Instant, message: &Message) -> Result<u64, SendErrorKind> {
        self.set_time(now);
        let command = message.command();
        self.check_sendable(command)?;
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message)?;
        let is_welcome = self.is_welcome(message) && self.is_welcome_again(message);
        if !is_welcome && !self.setup.send_unwelcome {
            return Err(SendErrorKind::Unwelcome(command));
        }
        if let Message::GetData(vectors) = message {
            let limit = self.setup.max_requested;
            let requested = self.requested() + vectors.len();
            if requested > limit {
                return Err(SendErrorKind::TooManyRequested { requested, limit });
            }
        }
        self.make_room(frame.len())?;
        self.count_once(message);
        let id = self.receipts;
        self.receipts += 1;
        self.on_request_queued(id, message);
        let starts = match message {
            Message::Ping(ping) => Starts::RoundTrip(ping.nonce),
            Message::GetData(_) => Starts::Answer(command),
            _ if !answers(command).is_empty() => Starts::Answer(command),
            _ => Starts::Nothing,
        };
        self.push(message, Purpose::Receipt(id, starts));
        Ok(id)
    }

    /// Sends what is encoded already, for another network perhaps: nothing says in which access
    /// that is refused.
    pub(crate) fn send_encoded(
        &mut self,
        now: Instant,
        message: &Message,
        is_foreign: bool,
    ) -> Result<u64, Option<SendErrorKind>> {
        self.set_time(now);
        self.check_sendable(message.command())?;
        if is_foreign {
            return Err(None);
        }
        Ok(self.send(now, message)?)
    }

    pub(super) fn encode(&self, message: &Message) -> Vec<u8> {
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message);
        frame.expect("can be encoded").to_bytes().to_vec()
    }

    pub(super) fn content(&self, message: &Message) -> Content {
        Content::Bytes(message.command(), self.encode(message))
    }

    pub(super) fn push(&mut self, message: &Message, purpose: Purpose) {
        self.push_frame(Frame::new(self.content(message), purpose));
    }

    /// The frames of the handshake go before all others.
    pub(super) fn push_frame(&mut self, frame: Frame) {
        let at = match frame.purpose {
            Purpose::Handshake => self.handshake_frames(),
            _ => self.frames.len(),
        };
        self.frames.insert(at, frame);
    }

    pub(super) fn make_room(&mut self, bytes: usize) -> Result<(), SendErrorKind> {
        let limit = self.setup.max_queued_bytes;
        let queued = self.queued_bytes() + bytes + QUEUED;
        if queued <= limit {
            return Ok(());
        }
        if self.setup.overflow == Overflow::Refuse {
            return Err(SendErrorKind::QueueFull { queued, limit });
        }
        let reason = CloseReason::OutputOverflow { queued, limit };
        self.close_for(reason.clone());
        Err(SendErrorKind::Closed(reason))
    }

    /// Bytes of the frames that are limited, a frame that was sent in part included.
    pub(crate) fn queued_bytes(&self) -> usize {
        let network = &self.setup.network;
        let limited = self.frames.iter().filter(|frame| frame.purpose.is_limited());
        limited.map(|frame| frame.len(network) + QUEUED).sum()
    }

    pub(crate) fn queued_frames(&self) -> usize {
        self.frames.len() + self.pongs.len()
    }

    pub(super) fn handshake_frames(&self) -> usize {
        self.frames.iter().take_while(|frame| frame.purpose == Purpose::Handshake).count()
    }

    /// The frames that may be sent: before the handshake is done, only its own.
    pub(super) fn free_frames(&self) -> &[Frame] {
        if self.is_done { &self.frames } else { &self.frames[..self.handshake_frames()] }
    }

    pub(super) fn has_something_to_send(&self) -> bool {
        !self.free_frames().is_empty() || !self.pongs.is_empty()
    }

    /// The driver asks for a `Transmit`: it tries to write.
    pub(crate) fn begin_transmit(&mut self, now: Instant) {
        // The clock may be read before a write that takes a while. It does not go backwards,
        // though.
        self.set_time(now);
        self.sending_at = self.sending_at.max(now);
        if self.sending_at < self.now {
            self.note("transmit: earlier clock");
        }
        if self.closed.is_some() && self.tries == 0 {
            return;
        }
        self.queue_pongs();
        self.lent = 0;
        let is_offered = self.closed.is_none() && self.has_something_to_send();
        if is_offered && !self.deadlines.is_set(Timer::Write) {
            self.deadlines.set_after(Timer::Write, self.sending_at, self.setup.write_timeout);
        }
    }

    /// The driver drops the `Transmit`.
    pub(crate) fn end_transmit(&mut self) {
        match self.tries {
            0 => {}
            _ if !self.has_something_to_send() => self.end_try("last try: all sent"),
            1 => self.end_try("last try: abandoned"),
            _ => self.tries -= 1,
        }
    }

    /// Bytes that may be sent now.
    pub(crate) fn remaining(&self) -> usize {
        let network = &self.setup.network;
        self.free_frames().iter().map(|frame| frame.len(network)).sum::<usize>() - self.sent
    }

    /// How many frames the first bytes cover, in part at least.
    pub(crate) fn frames_in(&self, mut len: usize) -> usize {
        let mut frames = 0;
        for (at, frame) in self.free_frames().iter().enumerate() {
            if len == 0 {
                break;
            }
            frames += 1;
            let whole = frame.len(&self.setup.network) - if at == 0 { self.sent } else { 0 };
            len = len.saturating_sub(whole);
        }
        frames
    }

    /// How many of the first frames may be lent at once: until they have enough bytes.
    pub(super) fn lendable_frames(&self) -> usize {
        let mut bytes = 0;
        let mut frames = self.free_frames().iter();
        let is_one_more = |frame: &Frame| {
            bytes += frame.len(&self.setup.network);
            bytes >= MAX_LENT
        };
        let last = frames.position(is_one_more);
        last.map_or(self.free_frames().len(), |last| last + 1).min(MAX_LENT_FRAMES)
    }

    /// The driver looks at the first frames. `seen` are the first of their bytes that the peer
    /// shows, with nonces that only it knows. Returns how many bytes there are.
    pub(crate) fn lend(&mut self, frames: usize, seen: &[u8]) -> usize {
        let frames = frames.min(self.lendable_frames());
        self.lent = self.lent.max(frames);
        let mut len = 0;
        let mut found = Vec::new();
        for frame in &self.free_frames()[..frames] {
            let nonce = frame.nonce_at().and_then(|at| (len + at).checked_sub(self.sent));
            if let Some(bytes) = nonce.and_then(|at| seen.get(at..at + 8)) {
                let nonce = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
                found.push((frame.command(), nonce));
            }
            len += frame.len(&self.setup.network);
        }
        for (command, nonce) in found {
            let known = match command {
                Command::Version => &mut self.nonces.version,
                _ => &mut self.nonces.ping,
            };
            assert_ne!(nonce, 0, "0 stands for no nonce");
            assert_eq!(*known.get_or_insert(nonce), nonce);
        }
        len.saturating_sub(self.sent)
    }

    /// The driver has written that many bytes. Returns how many of them there were.
    pub(crate) fn advance(&mut self, len: usize) -> usize {
        let len = len.min(self.remaining());
        self.bytes_sent += len as u64;
        let mut rest = len;
        while rest > 0 {
            let whole = self.free_frames()[0].len(&self.setup.network);
            let now = rest.min(whole - self.sent);
            self.sent += now;
            rest -= now;
            if self.sent == whole {
                self.sent = 0;
                self.lent = self.lent.saturating_sub(1);
                let frame = self.frames.remove(0);
                self.on_frame_sent(frame, whole);
            }
        }
        if !self.has_something_to_send() {
            self.deadlines.clear(Timer::Write);
        } else if let (Some(at), Some(timeout)) =
            (self.deadlines.at(Timer::Write), self.setup.write_timeout)
            && len > 0
        {
            let at = extended(at, self.sending_at, len, self.setup.write_rate, timeout);
            self.deadlines.move_to(Timer::Write, at);
        }
        self.close_if_all_was_sent();
        len
    }

    pub(super) fn on_frame_sent(&mut self, frame: Frame, len: usize) {
        self.traffic[1].push((frame.command(), len));
        self.wire.extend(frame.bytes(&self.setup.network, &self.nonces));
        self.last_send = Some(self.sending_at);
        match frame.purpose {
            Purpose::OwnPing => {
                let nonce = self.nonces.ping.take();
                self.on_ping_sent(
                    nonce.expect("it was seen before it was sent"),
                    frame.answered_at,
                );
            }
            Purpose::Receipt(id, starts) => {
                match starts {
                    Starts::Nothing => {}
                    Starts::RoundTrip(nonce) => self.on_ping_sent(nonce, frame.answered_at),
                    Starts::Answer(request) => self.on_request_sent(id, request),
                }
                self.emit(ModelEvent::Sent(id), 0);
            }
            _ => {}
        }
    }
}
