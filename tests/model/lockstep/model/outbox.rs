//! The queue of frames (`docs/protocol.md`, 9).

use excc_peer::wire::{Command, EncodedMessage, Message};
use excc_peer::{CloseReason, Instant, Network, Overflow, SendErrorKind, Timer};

use super::requests::answers;
use super::{Model, ModelEvent, extended};
use crate::lockstep::common::QUEUED;

/// Bytes up to which one more frame is lent, and the most frames.
const MAX_LENT: usize = 256 * 1024;

const MAX_LENT_FRAMES: usize = 128;

/// Where the payload of a frame begins.
const HEADER_LEN: usize = 24;

/// A frame in the queue.
pub(crate) struct Frame {
    pub(crate) command: Command,
    bytes: Vec<u8>,
    /// Where the nonce is that only the peer knows, until it is seen.
    nonce_at: Option<usize>,
    pub(crate) purpose: Purpose,
    /// When a `ping` was answered, if that was before its last byte was advanced past.
    pub(crate) answered_at: Option<Instant>,
}

impl Frame {
    pub(crate) const fn new(command: Command, bytes: Vec<u8>, purpose: Purpose) -> Self {
        let nonce_at = match (command, &purpose) {
            // After the number, the services, the time and two addresses.
            (Command::Version, _) => Some(HEADER_LEN + 4 + 8 + 8 + 26 + 26),
            (_, Purpose::OwnPing) => Some(HEADER_LEN),
            _ => None,
        };
        Self { command, bytes, nonce_at, purpose, answered_at: None }
    }

    /// Enters the nonce that the peer was seen to have drawn.
    fn set_nonce(&mut self, nonce: u64, network: &Network) {
        let Some(at) = self.nonce_at.take() else { return };
        self.bytes[at..at + 8].copy_from_slice(&nonce.to_le_bytes());
        let checksum = network.chain().hash_function().checksum(&[&self.bytes[HEADER_LEN..]]);
        self.bytes[20..HEADER_LEN].copy_from_slice(&checksum);
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
        frame.expect("can be encoded").parts().concat()
    }

    pub(super) fn push(&mut self, message: &Message, purpose: Purpose) {
        let bytes = self.encode(message);
        self.push_frame(Frame::new(message.command(), bytes, purpose));
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
        let limited = self.frames.iter().filter(|frame| frame.purpose.is_limited());
        limited.map(|frame| frame.bytes.len() + QUEUED).sum()
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

    /// The driver takes a `Transmit`, which counts as a try to write.
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
        self.free_frames().iter().map(|frame| frame.bytes.len()).sum::<usize>() - self.sent
    }

    /// How many frames the first bytes cover, in part at least.
    pub(crate) fn frames_in(&self, mut len: usize) -> usize {
        let mut frames = 0;
        for (at, frame) in self.free_frames().iter().enumerate() {
            if len == 0 {
                break;
            }
            frames += 1;
            let whole = frame.bytes.len() - if at == 0 { self.sent } else { 0 };
            len = len.saturating_sub(whole);
        }
        frames
    }

    /// How many of the first frames may be lent at once: until they have enough bytes.
    pub(super) fn lendable_frames(&self) -> usize {
        let mut bytes = 0;
        let mut frames = self.free_frames().iter();
        let is_one_more = |frame: &Frame| {
            bytes += frame.bytes.len();
            bytes >= MAX_LENT
        };
        let last = frames.position(is_one_more);
        last.map_or(self.free_frames().len(), |last| last + 1).min(MAX_LENT_FRAMES)
    }

    /// The driver reads the first frames. `seen` are the first of their bytes that the peer
    /// shows, with nonces that only it knows. Returns how many bytes there are.
    pub(crate) fn lend(&mut self, frames: usize, seen: &[u8]) -> usize {
        let frames = frames.min(self.lendable_frames());
        self.lent = self.lent.max(frames);
        let (mut len, mut rest, mut sent) = (0, seen, self.sent);
        for frame in &mut self.frames[..frames] {
            let seen_nonce = frame.nonce_at.and_then(|at| rest.get(at.checked_sub(sent)?..));
            if let Some((nonce, _)) = seen_nonce.and_then(|bytes| bytes.split_first_chunk()) {
                let nonce = u64::from_le_bytes(*nonce);
                let known = match frame.command {
                    Command::Version => &mut self.nonces.version,
                    _ => &mut self.nonces.ping,
                };
                assert_ne!(nonce, 0, "0 stands for no nonce");
                assert_eq!(*known.get_or_insert(nonce), nonce);
                frame.set_nonce(nonce, &self.setup.network);
            }
            let bytes = &frame.bytes[sent..];
            let (shown, more) = rest.split_at(rest.len().min(bytes.len()));
            if frame.nonce_at.is_none() {
                assert_eq!(shown, &bytes[..shown.len()], "the bytes of a {}", frame.command);
            }
            (len, rest, sent) = (len + bytes.len(), more, 0);
        }
        assert!(rest.is_empty(), "bytes of no frame are lent");
        len
    }

    /// The driver has written that many bytes. Returns how many of them there were.
    pub(crate) fn advance(&mut self, len: usize) -> usize {
        let len = len.min(self.remaining());
        self.bytes_sent += len as u64;
        let mut rest = len;
        while rest > 0 {
            let whole = self.free_frames()[0].bytes.len();
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
        self.count_frame(frame.command, len, |traffic| &mut traffic.sent);
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
