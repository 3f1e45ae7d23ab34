//! What leaves the reference.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use excc_peer::wire::{Command, EncodedMessage, Message, PeerAddress, Services, Version};
use excc_peer::{CloseReason, Instant, Overflow, SendErrorKind, Timer};

use super::Reference;
use crate::common::{QUEUED, remote, secs};
use crate::parts::{Content, Follows, Frame, Starts, Told};

impl Reference {
    pub(super) fn encode(&self, message: &Message) -> Vec<u8> {
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message);
        frame.expect("can be encoded").to_bytes().to_vec()
    }

    pub(super) fn push(&mut self, message: &Message, follows: Follows) {
        let content = Content::Bytes(message.command(), self.encode(message));
        self.push_frame(Frame { content, follows });
    }

    /// The handshake goes before all else.
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
        let content = Content::OwnVersion(version);
        self.push_frame(Frame { content, follows: Follows::Handshake });
    }

    pub(super) fn push_ping(&mut self) {
        if !self.frames.iter().any(|frame| frame.follows == Follows::OwnPing) {
            self.nonces.ping = None;
            self.push_frame(Frame { content: Content::OwnPing, follows: Follows::OwnPing });
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

    /// Bytes of the frames that are limited, those of one that is leaving included.
    pub(crate) fn queued_bytes(&self) -> usize {
        let network = &self.setup.network;
        let limited = self.frames.iter().filter(|frame| frame.follows.is_limited());
        limited.map(|frame| frame.len(network) + QUEUED).sum()
    }

    pub(crate) fn queued_frames(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn waiting_announcements(&self) -> usize {
        self.waiting.len()
    }

    fn handshake_frames(&self) -> usize {
        self.frames.iter().take_while(|frame| frame.follows == Follows::Handshake).count()
    }

    /// The frames that may leave: before the handshake is done, only its own.
    fn free_frames(&self) -> &[Frame] {
        if self.is_done { &self.frames } else { &self.frames[..self.handshake_frames()] }
    }

    /// The socket is tried: the frame that is leaving must be gone in time.
    pub(crate) fn offer(&mut self, now: Instant) {
        self.tell_time(now);
        if !self.deadlines.is_set(Timer::Write) {
            self.start_write();
        }
    }

    fn start_write(&mut self) {
        if let Some(first) = self.free_frames().first() {
            let len = first.len(&self.setup.network) as u64;
            let for_size = secs(len / u64::from(self.setup.write_rate));
            let timeout = self.setup.write_timeout.map(|timeout| timeout.saturating_add(for_size));
            self.deadlines.set_after(Timer::Write, self.now, timeout);
        }
    }

    /// The bytes that may leave now, with the nonces that are seen in what the peer would
    /// write.
    pub(crate) fn look(&mut self, seen: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut found = Vec::new();
        for frame in self.free_frames() {
            let nonce = frame.nonce_at().and_then(|at| (all.len() + at).checked_sub(self.left));
            if let Some(bytes) = nonce.and_then(|at| seen.get(at..at + 8)) {
                let nonce = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
                found.push((frame.command(), nonce));
            }
            all.extend(frame.bytes(&self.setup.network, &self.nonces));
        }
        for (command, nonce) in found {
            let known = match command {
                Command::Version => &mut self.nonces.version,
                _ => &mut self.nonces.ping,
            };
            assert_ne!(nonce, 0, "stands for none");
            known.get_or_insert(nonce);
        }
        let frames = self.free_frames().iter();
        let bytes: Vec<u8> =
            frames.flat_map(|frame| frame.bytes(&self.setup.network, &self.nonces)).collect();
        bytes[self.left..].to_vec()
    }

    /// So many bytes left.
    pub(crate) fn leave(&mut self, len: usize) {
        self.leave_frames(len);
        self.close_if_all_has_left();
    }

    fn leave_frames(&mut self, mut len: usize) {
        while let Some(first) = self.free_frames().first() {
            let whole = first.len(&self.setup.network);
            let now = len.min(whole - self.left);
            self.left += now;
            self.bytes_sent += now as u64;
            len -= now;
            if self.left < whole {
                return;
            }
            self.left = 0;
            let frame = self.frames.remove(0);
            self.on_left(&frame, whole);
        }
    }

    /// Ends what the application wants ended, if nothing is to leave any more.
    pub(super) fn close_if_all_has_left(&mut self) {
        if let Some(at) = self.shuts_down_by
            && self.frames.is_empty()
            && self.waiting.is_empty()
        {
            self.close_for(CloseReason::Local);
            self.linger_until = Some(at);
        }
    }

    fn on_left(&mut self, frame: &Frame, len: usize) {
        self.traffic[1].push((frame.command(), len));
        self.last_send = Some(self.now);
        self.deadlines.clear(Timer::Write);
        self.start_write();
        match frame.follows {
            Follows::OwnPing => {
                let nonce = self.nonces.ping.take();
                self.on_ping_left(nonce.expect("seen before it left"));
            }
            Follows::Receipt(id, starts) => {
                match starts {
                    Starts::Nothing => {}
                    Starts::RoundTrip(nonce) => self.on_ping_left(nonce),
                    Starts::Answers(timeout) => self.on_request_left(id, timeout),
                }
                self.tell(Told::Sent(id), 0);
            }
            _ => {}
        }
    }

    fn on_request_left(&mut self, id: u64, timeout: Duration) {
        let due = self.heard() + timeout;
        self.owed.retain(|owed| owed.id != id || !owed.came_early);
        for owed in self.owed.iter_mut().filter(|owed| owed.id == id) {
            owed.due = Some(due);
        }
        self.set_stall_timer();
    }

    fn on_ping_left(&mut self, nonce: u64) {
        self.last_ping = Some(self.now);
        self.ping_by_application.take_if(|queued| *queued == nonce);
        match self.early_pong.filter(|&(early, _)| early == nonce) {
            // It was answered before it was told that it left.
            Some((_, at)) => {
                self.early_pong = None;
                self.on_pong(nonce, at - self.now);
            }
            None => {
                self.outstanding = Some((nonce, self.now));
                self.deadlines.set_after(Timer::Pong, self.now, self.setup.pong_timeout);
            }
        }
    }
}
