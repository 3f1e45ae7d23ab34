//! The handshake as it should be, for one peer: what it answers, tells and waits for, and
//! why it ends. It is told what the peer is told, and knows nothing of the peer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use excc_peer::wire::{Command, Message, PeerAddress, Services, Version};
use excc_peer::{Chain, CloseReason, Direction, Event, Instant, SendId, Timer};

use super::frames::{Fault, Frame, frame, payload};
use super::script::{REMOTE, SENT_NONCES, Setup, UNIX_TIME};

const HEADER_LEN: usize = 24;

/// Pongs that may wait to leave before no more input is taken.
const MAX_PONGS: usize = 64;

/// Where a `version` has its nonce, and a `ping` has its own.
const NONCE_OF_VERSION: usize = HEADER_LEN + 72;
const NONCE_OF_PING: usize = HEADER_LEN;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    AwaitsVersion,
    UnderReview,
    AwaitsVerAck,
    Established,
}

/// Why a peer is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Reason(CloseReason),
    /// A frame was refused.
    Decode(Option<Command>, Fault),
    /// The stream ended inside a frame: bytes needed, bytes there.
    Cut(Option<Command>, usize, usize),
}

/// An event to be told.
pub(super) enum Told {
    Event(Event),
    /// `Established`, with the version in force and the remote's clock less ours.
    Established(u32, i64),
    Closed,
}

/// A frame of ours.
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// Where it has a nonce that is the peer's to choose, until that has been seen.
    pub(super) nonce_at: Option<usize>,
    purpose: Purpose,
}

#[derive(PartialEq, Eq)]
enum Purpose {
    Handshake,
    Pong,
    Ping,
    Receipt(SendId),
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    /// Whether it lies later than when it was set, because the remote was held back.
    is_put_off: bool,
}

pub(super) struct Model {
    setup: Setup,
    started: Instant,
    /// The latest time told.
    now: Instant,
    phase: Phase,
    pub(super) has_verack: bool,
    /// The protocol version in force.
    pub(super) version: u32,
    pub(super) remote: Option<Arc<Version>>,
    time_offset: i64,
    /// In the order in which they fall due at one time.
    deadlines: [(Timer, Option<Deadline>); 4],
    /// Whether the application held the remote back when the time was last told.
    is_holding: bool,
    /// When the last message was complete, and how long the remote was held back since.
    message_at: Instant,
    held_since: Duration,

    /// Bytes that came and were not taken.
    pub(super) arrived: usize,
    /// Bytes that were taken.
    pub(super) taken: u64,
    /// What the remote sent and was not wholly taken.
    frames: VecDeque<Frame>,
    /// Whether the header of the first one was taken.
    has_header: bool,
    /// Whether input was left for want of room.
    is_left: bool,
    has_ended: bool,
    /// Messages that came before a `verack` that they must wait for.
    early: Vec<Message>,

    pub(super) events: Vec<Told>,
    /// How many of the events were taken.
    pub(super) polled: usize,
    /// Every frame that could leave so far.
    pub(super) lines: Vec<Line>,
    /// How many of them have left, and how many bytes of the next one.
    pub(super) gone: (usize, usize),
    /// Frames that wait for the end of the handshake.
    held: Vec<Line>,
    has_ping: bool,
    /// Nonces by which the remote is found to be ourselves.
    own_nonces: VecDeque<u64>,
    pub(super) closed: Option<End>,
}

/// Inputs.
impl Model {
    pub(super) fn new(setup: Setup, now: Instant) -> Self {
        let mut model = Self {
            started: now,
            now,
            phase: Phase::AwaitsVersion,
            has_verack: false,
            version: setup.version,
            remote: None,
            time_offset: 0,
            deadlines: [Timer::Handshake, Timer::VerAck, Timer::Idle, Timer::Ping]
                .map(|timer| (timer, None)),
            is_holding: false,
            message_at: now,
            held_since: Duration::ZERO,
            arrived: 0,
            taken: 0,
            frames: VecDeque::new(),
            has_header: false,
            is_left: false,
            has_ended: false,
            early: Vec::new(),
            events: Vec::new(),
            polled: 0,
            lines: Vec::new(),
            gone: (0, 0),
            held: Vec::new(),
            has_ping: false,
            own_nonces: SENT_NONCES.into(),
            closed: None,
            setup,
        };
        model.set(Timer::Handshake, Some(model.setup.handshake_timeout));
        model.set(Timer::Idle, model.setup.idle_timeout);
        if model.setup.direction == Direction::Outbound {
            // It pushes the oldest one out, and is not known yet.
            model.own_nonces.pop_front();
            model.say_version();
        }
        model
    }

    /// The time is told.
    pub(super) fn tell(&mut self, now: Instant) {
        let now = now.max(self.now);
        if self.is_holding {
            self.held_since += now - self.now;
            for (timer, deadline) in &mut self.deadlines {
                if let (Timer::VerAck | Timer::Idle, Some(deadline)) = (timer, deadline) {
                    deadline.at += now - self.now;
                    deadline.is_put_off |= now > self.now;
                }
            }
        }
        self.now = now;
        self.is_holding = self.is_held_back();
    }

    /// The remote sends a frame, which is under way.
    pub(super) fn send(&mut self, frame: Frame) {
        self.frames.push_back(frame);
    }

    pub(super) fn receive(&mut self, now: Instant, bytes: usize) {
        self.tell(now);
        self.arrived += bytes;
        if self.closed.is_some() {
            return;
        }
        self.is_left = false;
        while self.closed.is_none() {
            if !self.has_room() {
                self.is_left = self.arrived > 0;
                break;
            }
            if !self.take_frame() {
                if bytes > 0 && self.closed.is_none() {
                    self.put_idle_timeout_off();
                }
                break;
            }
        }
        self.is_holding |= self.is_held_back();
        if self.has_ended && !self.is_left {
            self.end_at_eof();
        }
    }

    pub(super) fn time_out(&mut self, now: Instant) {
        self.tell(now);
        while let Some((timer, at)) = self.next_deadline()
            && at <= self.now
        {
            self.clear(timer);
            match timer {
                Timer::Handshake => self.end(CloseReason::HandshakeTimeout),
                Timer::VerAck => self.end(CloseReason::VerAckTimeout),
                Timer::Idle => self.end(CloseReason::IdleTimeout),
                _ => {
                    self.ping();
                    self.set(Timer::Ping, self.setup.ping_interval);
                }
            }
        }
    }

    pub(super) fn end_of_stream(&mut self, now: Instant) {
        self.tell(now);
        self.has_ended = true;
        if !self.is_left {
            self.end_at_eof();
        }
    }

    fn end_at_eof(&mut self) {
        let end = match self.frames.front() {
            Some(frame) if self.has_header => {
                End::Cut(frame.command, frame.payload_len, self.arrived)
            }
            _ if self.arrived > 0 => End::Cut(None, HEADER_LEN, self.arrived),
            _ => End::Reason(CloseReason::RemoteClosed),
        };
        self.close(end);
    }
}

/// The remote's frames.
impl Model {
    /// Takes one frame, or its header. Tells whether there was any.
    fn take_frame(&mut self) -> bool {
        let Some(frame) = self.frames.front() else { return false };
        let (command, payload_len) = (frame.command, frame.payload_len);
        if !self.has_header {
            if self.arrived < HEADER_LEN {
                return false;
            }
            let fault = frame.header_fault(self.version);
            self.take(HEADER_LEN);
            if let Some(fault) = fault {
                self.close(End::Decode(command, fault));
                return false;
            }
            self.has_header = true;
        }
        let command = command.expect("a frame without a fault");
        if let Some(reason) = self.untimely(command) {
            self.end(reason);
            return false;
        }
        if self.arrived < payload_len {
            return false;
        }
        self.take(payload_len);
        self.has_header = false;
        match self.frames.pop_front().expect("looked at").payload {
            Err(fault) => self.close(End::Decode(Some(command), fault)),
            Ok(message) => {
                self.set(Timer::Idle, self.setup.idle_timeout);
                self.message_at = self.now;
                self.held_since = Duration::ZERO;
                self.on_message(message);
            }
        }
        true
    }

    /// A message is under way.
    fn put_idle_timeout_off(&mut self) {
        let (idle, slow) = (self.setup.idle_timeout, self.setup.slow_message_timeout);
        let (Some(idle), Some(slow)) = (idle, slow) else { return };
        let latest = (self.message_at + slow + self.held_since).min(self.now + idle);
        for (timer, deadline) in &mut self.deadlines {
            if let (Timer::Idle, Some(deadline)) = (timer, deadline)
                && deadline.at < latest
            {
                *deadline = Deadline { at: latest, is_put_off: false };
            }
        }
    }

    fn take(&mut self, bytes: usize) {
        self.arrived -= bytes;
        self.taken += bytes as u64;
    }

    /// Why a message of that name may not come now, if it may not.
    fn untimely(&self, command: Command) -> Option<CloseReason> {
        let is_full = self.early.len() >= self.may_be_early();
        match (self.phase, command) {
            (Phase::AwaitsVersion, Command::Version) => None,
            (Phase::AwaitsVersion, _) => Some(CloseReason::NotVersion(command)),
            (_, Command::Version) => Some(CloseReason::DuplicateVersion),
            (_, Command::VerAck) => self.has_verack.then_some(CloseReason::DuplicateVerAck),
            (Phase::AwaitsVerAck, _) => is_full.then_some(CloseReason::NotVerAck(command)),
            (Phase::UnderReview | Phase::Established, _) => None,
        }
    }

    /// How many messages may precede a `verack` that is waited for.
    fn may_be_early(&self) -> usize {
        if self.version < 12 { self.setup.max_before_verack.into() } else { 0 }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Version(version) => self.on_version(*version),
            Message::VerAck => self.on_verack(),
            early if self.phase == Phase::AwaitsVerAck => self.early.push(early),
            message => self.deliver(message),
        }
    }

    fn deliver(&mut self, message: Message) {
        if let Message::Ping(ping) = &message {
            self.say(Command::Pong, &ping.nonce.to_le_bytes(), Purpose::Pong);
        }
        self.happen(Event::Message(message));
    }

    fn on_version(&mut self, version: Version) {
        let nonce = version.nonce;
        if nonce != 0 && self.own_nonces.contains(&nonce) && !self.setup.allows_self {
            return self.end(CloseReason::SelfConnection);
        }
        let (offered, required) = (version.services, self.setup.required_services);
        let (advertised, minimum) = (version.protocol_version, self.setup.min_remote_version);
        self.version = match u32::try_from(advertised) {
            Ok(theirs) => theirs.min(self.setup.version),
            Err(_) => self.setup.version,
        };
        self.time_offset = version.timestamp.saturating_sub(self.wall_clock());
        let version = Arc::new(version);
        self.remote = Some(version.clone());
        self.happen(Event::VersionReceived(version));
        if advertised < minimum.cast_signed() {
            self.end(CloseReason::ProtocolVersionTooOld { advertised, minimum });
        } else if !offered.contains(required) {
            self.end(CloseReason::MissingServices { offered, required });
        } else if self.setup.reviews {
            self.phase = Phase::UnderReview;
        } else {
            self.answer();
        }
    }

    /// What follows an acceptable `version`.
    fn answer(&mut self) {
        match (self.setup.network.chain(), self.setup.direction) {
            (Chain::Decred, Direction::Outbound) => self.phase = Phase::AwaitsVerAck,
            (Chain::Decred, Direction::Inbound) => {
                self.say_version();
                self.say(Command::VerAck, &[], Purpose::Handshake);
                self.phase = Phase::AwaitsVerAck;
            }
            (_, direction) => {
                if direction == Direction::Inbound {
                    self.say_version();
                }
                self.say(Command::VerAck, &[], Purpose::Handshake);
                self.establish();
                self.set(Timer::VerAck, self.setup.verack_timeout);
            }
        }
    }

    fn on_verack(&mut self) {
        self.has_verack = true;
        self.clear(Timer::VerAck);
        self.happen(Event::VerAckReceived);
        if self.phase == Phase::AwaitsVerAck {
            if self.setup.direction == Direction::Outbound {
                self.say(Command::VerAck, &[], Purpose::Handshake);
            }
            self.establish();
            for message in std::mem::take(&mut self.early) {
                self.deliver(message);
            }
        }
    }

    fn establish(&mut self) {
        self.phase = Phase::Established;
        self.clear(Timer::Handshake);
        self.set(Timer::Ping, self.setup.ping_interval);
        self.lines.append(&mut self.held);
        self.events.push(Told::Established(self.version, self.time_offset));
        self.is_holding |= self.is_held_back();
    }
}

/// Commands.
impl Model {
    pub(super) fn accept(&mut self) {
        if self.closed.is_none() && self.phase == Phase::UnderReview {
            self.answer();
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        self.close(End::Reason(reason));
    }

    /// A message of the application's was taken.
    pub(super) fn queue(&mut self, id: SendId, command: Command, payload: &[u8]) {
        self.say(command, payload, Purpose::Receipt(id));
    }

    /// The application asked for a `ping`, or it was time for one.
    pub(super) fn ping(&mut self) {
        if !self.has_ping {
            self.has_ping = true;
            self.say(Command::Ping, &[0; 8], Purpose::Ping);
        }
    }

    /// So many bytes left.
    pub(super) fn advance(&mut self, mut bytes: usize) {
        while let Some(line) = self.lines.get(self.gone.0) {
            let rest = line.bytes.len() - self.gone.1;
            if bytes < rest {
                self.gone.1 += bytes;
                return;
            }
            bytes -= rest;
            self.gone = (self.gone.0 + 1, 0);
            match line.purpose {
                Purpose::Receipt(id) => self.happen(Event::Sent(id)),
                Purpose::Ping => self.has_ping = false,
                Purpose::Handshake | Purpose::Pong => {}
            }
        }
    }

    /// A nonce of ours was seen on the wire.
    pub(super) fn learn_nonce(&mut self, line: usize, nonce: u64) {
        let network = self.setup.network;
        let line = &mut self.lines[line];
        let Some(at) = line.nonce_at.take() else { return };
        line.bytes[at..][..8].copy_from_slice(&nonce.to_le_bytes());
        let checksum = network.chain().hash_function().checksum(&[&line.bytes[HEADER_LEN..]]);
        line.bytes[20..HEADER_LEN].copy_from_slice(&checksum);
        // Inbound peers are not looked for: their remotes know who they are.
        if line.purpose == Purpose::Handshake && self.setup.direction == Direction::Outbound {
            self.own_nonces.push_back(nonce);
        }
    }
}

/// What follows.
impl Model {
    fn happen(&mut self, event: Event) {
        self.events.push(Told::Event(event));
        self.is_holding |= self.is_held_back();
    }

    fn close(&mut self, end: End) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(end);
        for (_, deadline) in &mut self.deadlines {
            *deadline = None;
        }
        for line in self.lines.drain(self.gone.0..).chain(self.held.drain(..)) {
            if let Purpose::Receipt(id) = line.purpose {
                self.events.push(Told::Event(Event::NotSent(id)));
            }
        }
        self.events.push(Told::Closed);
    }

    fn say_version(&mut self) {
        let setup = &self.setup;
        let services = self.remote.as_ref().map_or(Services::empty(), |version| version.services);
        let version = Version {
            protocol_version: self.version.cast_signed(),
            services: setup.services,
            timestamp: self.wall_clock(),
            receiver: PeerAddress::new(services, REMOTE),
            sender: PeerAddress::from_parts(setup.services, [0; 16].into(), 0),
            nonce: 0,
            user_agent: String::new(),
            start_height: setup.start_height,
            relay: setup.relay,
        };
        let (payload, _) = payload(&version, setup.user_agent.as_bytes());
        self.say(Command::Version, &payload, Purpose::Handshake);
    }

    fn say(&mut self, command: Command, payload: &[u8], purpose: Purpose) {
        let nonce_at = match (command, &purpose) {
            (Command::Version, _) => Some(NONCE_OF_VERSION),
            (_, Purpose::Ping) => Some(NONCE_OF_PING),
            _ => None,
        };
        let bytes = frame(self.setup.network, command.as_str().as_bytes(), payload);
        let line = Line { bytes, nonce_at, purpose };
        if line.purpose == Purpose::Handshake || self.phase == Phase::Established {
            self.lines.push(line);
        } else {
            self.held.push(line);
        }
    }

    fn wall_clock(&self) -> i64 {
        (UNIX_TIME + (self.now - self.started).as_secs()).cast_signed()
    }

    fn set(&mut self, timer: Timer, after: Option<Duration>) {
        let at = after.map(|after| self.now + after).filter(|at| *at < Instant::MAX);
        let deadline = at.map(|at| Deadline { at, is_put_off: false });
        self.deadlines.iter_mut().filter(|(other, _)| *other == timer).for_each(|(_, place)| {
            *place = deadline;
        });
    }

    fn clear(&mut self, timer: Timer) {
        self.set(timer, None);
    }
}

/// What can be seen.
impl Model {
    pub(super) fn is_established(&self) -> bool {
        self.closed.is_none() && self.phase == Phase::Established
    }

    pub(super) fn wants_transactions_announced(&self) -> bool {
        self.remote.as_ref().is_some_and(|version| version.relay)
    }

    pub(super) fn time_offset(&self) -> i64 {
        self.time_offset
    }

    pub(super) fn events_waiting(&self) -> usize {
        self.events.len() - self.polled
    }

    pub(super) fn frames_waiting(&self) -> usize {
        self.lines.len() - self.gone.0 + self.held.len()
    }

    /// The application keeps the remote from being heard.
    fn is_held_back(&self) -> bool {
        self.closed.is_none()
            && (self.phase == Phase::UnderReview
                || self.events_waiting() >= self.setup.max_waiting_events)
    }

    fn has_room(&self) -> bool {
        let waiting = &self.lines[self.gone.0..];
        let pongs = waiting.iter().filter(|line| line.purpose == Purpose::Pong).count();
        !self.is_held_back() && pongs < MAX_PONGS
    }

    pub(super) fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.has_ended && self.has_room()
    }

    pub(super) fn can_resume(&self) -> bool {
        self.closed.is_none() && self.is_left && self.has_room()
    }

    /// What falls due next, and when.
    pub(super) fn next_deadline(&self) -> Option<(Timer, Instant)> {
        let set = self.deadlines.iter().filter_map(|(timer, at)| Some((*timer, (*at)?.at)));
        set.min_by_key(|&(_, at)| at)
    }

    /// Whether a deadline lies later than when it was set. The peer may then wake its caller
    /// once more before that.
    pub(super) fn is_put_off(&self) -> bool {
        self.deadlines.iter().any(|(_, at)| at.is_some_and(|deadline| deadline.is_put_off))
    }
}
