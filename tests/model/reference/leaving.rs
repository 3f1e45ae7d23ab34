//! Output of the reference.

use std::net::{Ipv6Addr, SocketAddr};

use excc_peer::wire::{Command, EncodedMessage, Message, PeerAddress, Services, Version};
use excc_peer::{CloseReason, Instant, Overflow, SendErrorKind, Timer};

use super::Reference;
use crate::common::{QUEUED, remote};
use crate::parts::{Content, Follows, Frame, ModelEvent, Starts, put_off};

/// Bytes up to which one more frame is lent, and the most frames.
const MAX_LENT: usize = 256 * 1024;
const MAX_LENT_FRAMES: usize = 128;

impl Reference {
    pub(super) fn encode(&self, message: &Message) -> Vec<u8> {
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message);
        frame.expect("can be encoded").to_bytes().to_vec()
    }

    pub(super) fn content(&self, message: &Message) -> Content {
        Content::Bytes(message.command(), self.encode(message))
    }

    pub(super) fn push(&mut self, message: &Message, follows: Follows) {
        self.push_frame(Frame::new(self.content(message), follows));
    }

    /// The frames of the handshake go before all others.
    fn push_frame(&mut self, frame: Frame) {
        let at = match frame.follows {
            Follows::Handshake => self.handshake_frames(),
            _ => self.frames.len(),
        };
        self.frames.insert(at, frame);
    }

    pub(super) fn push_version(&mut self) {
        let remote_services =
            self.remote_version.as_ref().map_or(Services::empty(), |version| version.services);
        let hidden = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = if self.setup.hides_address { hidden } else { remote() };
        let version = Version {
            protocol_version: self.protocol().version.cast_signed(),
            services: self.setup.services,
            timestamp: self.wall_clock(),
            receiver: PeerAddress::new(remote_services, address),
            sender: PeerAddress::from_parts(self.setup.services, Ipv6Addr::UNSPECIFIED, 0),
            nonce: 0,
            user_agent: self.setup.user_agent().into(),
            start_height: self.setup.start_height,
            relay: self.setup.relay,
        };
        self.push_frame(Frame::new(Content::OwnVersion(version), Follows::Handshake));
    }

    pub(super) fn push_ping(&mut self) {
        if !self.frames.iter().any(|frame| frame.follows == Follows::OwnPing) {
            self.nonces.ping = None;
            self.push_frame(Frame::new(Content::OwnPing, Follows::OwnPing));
        }
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
        let limited = self.frames.iter().filter(|frame| frame.follows.is_limited());
        limited.map(|frame| frame.len(network) + QUEUED).sum()
    }

    pub(crate) fn queued_frames(&self) -> usize {
        self.frames.len() + self.pongs.len()
    }

    pub(crate) fn waiting_announcements(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn handshake_frames(&self) -> usize {
        self.frames.iter().take_while(|frame| frame.follows == Follows::Handshake).count()
    }

    /// The frames that may be sent: before the handshake is done, only its own.
    fn free_frames(&self) -> &[Frame] {
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
    fn lendable_frames(&self) -> usize {
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
            let at = put_off(at, self.sending_at, len, self.setup.write_rate, timeout);
            self.deadlines.move_to(Timer::Write, at);
        }
        self.close_if_all_was_sent();
        len
    }

    /// Ends what the application wants ended, once nothing is left to send.
    pub(super) fn close_if_all_was_sent(&mut self) {
        if let Some(at) = self.shuts_down_by
            && self.frames.is_empty()
            && self.pongs.is_empty()
            && self.waiting.is_empty()
        {
            self.close_for(CloseReason::Local);
            self.linger_until = Some(at);
        }
    }

    fn on_frame_sent(&mut self, frame: Frame, len: usize) {
        self.traffic[1].push((frame.command(), len));
        self.wire.extend(frame.bytes(&self.setup.network, &self.nonces));
        self.last_send = Some(self.sending_at);
        match frame.follows {
            Follows::OwnPing => {
                let nonce = self.nonces.ping.take();
                self.on_ping_sent(
                    nonce.expect("it was seen before it was sent"),
                    frame.answered_at,
                );
            }
            Follows::Receipt(id, starts) => {
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
