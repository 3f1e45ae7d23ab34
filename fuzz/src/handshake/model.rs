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

/// Pongs that wait to be sent, at most.
const MAX_PONGS: usize = 64;

/// Lent frames that are searched for a request that was answered before it was sent.
pub(super) const MAX_LENT: usize = 128;

/// The time between the two steps in which a passed deadline is judged.
const GRACE: Duration = Duration::from_millis(50);

/// The time of the last try to send what was queued before the remote ended the conversation.
const LAST_TRY: Duration = Duration::from_secs(1);

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
    /// Whether it is a `getaddr` that is not answered.
    asks: bool,
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
    timer: Timer,
    /// On the clock of its timer; the end of time for none.
    at: Instant,
    /// Whether it was found passed once and not set since.
    again: bool,
}

impl Deadline {
    fn is_on_remote_clock(&self) -> bool {
        matches!(self.timer, Timer::VerAck | Timer::Idle)
    }

    fn is_judged(&self) -> bool {
        self.is_on_remote_clock() || self.timer == Timer::Handshake
    }
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
    deadlines: [Deadline; 5],
    /// Whether the application kept the peer from reading at some time since `now`.
    was_held_back: bool,
    /// How long the remote's clock stood still.
    stood_still: Duration,

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
    /// Nonces of pongs that are not frames yet.
    pongs: VecDeque<u64>,
    /// How many frames the latest transmit lent.
    lent: usize,
    /// `getaddr`s that were sent and not answered.
    asked: usize,
    /// How many more times what was queued before the end may be sent.
    tries: usize,
    pub(super) linger_until: Option<Instant>,
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
            deadlines: [Timer::Handshake, Timer::VerAck, Timer::Idle, Timer::Ping, Timer::Shutdown]
                .map(|timer| Deadline { timer, at: Instant::MAX, again: false }),
            was_held_back: false,
            stood_still: Duration::ZERO,
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
            pongs: VecDeque::new(),
            lent: 0,
            asked: 0,
            tries: 0,
            linger_until: None,
            own_nonces: SENT_NONCES.into(),
            closed: None,
            setup,
        };
        if model.setup.first_is_done {
            model.own_nonces.pop_front();
        }
        model.set(Timer::Handshake, Some(model.setup.handshake_timeout));
        model.set(Timer::Idle, model.setup.idle_timeout);
        if model.setup.direction == Direction::Outbound {
            model.say_version();
        }
        model
    }

    /// The time is told.
    pub(super) fn tell(&mut self, now: Instant) {
        let now = now.max(self.now);
        if self.was_held_back {
            self.stood_still += now - self.now;
        }
        self.now = now;
        self.was_held_back = self.is_held_back();
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
        if bytes > 0 {
            self.put_off(bytes);
        }
        self.is_left = false;
        while self.closed.is_none() {
            if !self.has_room() {
                self.is_left = self.arrived > 0;
                break;
            }
            if !self.take_frame() {
                break;
            }
        }
        self.was_held_back |= self.is_held_back();
        if self.has_ended && !self.is_left {
            self.end_at_eof();
        }
    }

    /// Bytes of the remote's put off what it owes.
    fn put_off(&mut self, bytes: usize) {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.setup.read_rate);
        let by = Duration::from_nanos(nanos as u64);
        let setup = &self.setup;
        let timeouts = [(Timer::VerAck, setup.verack_timeout), (Timer::Idle, setup.idle_timeout)];
        for (timer, timeout) in timeouts {
            let (at, clock) = (self.at(timer), self.remote_clock());
            if at < Instant::MAX
                && let Some(timeout) = timeout
            {
                self.set_at(timer, (at.max(clock) + by).min(clock + timeout));
            }
        }
    }

    pub(super) fn time_out(&mut self, now: Instant) {
        self.tell(now);
        while let Some((timer, at)) = self.next_deadline()
            && at <= self.now
        {
            let clock = self.clock(timer);
            let deadline = self.deadline(timer);
            if deadline.is_judged() && !deadline.again {
                *deadline = Deadline { at: clock + GRACE, again: true, ..*deadline };
                continue;
            }
            self.clear(timer);
            match timer {
                Timer::Handshake => self.end(CloseReason::HandshakeTimeout),
                Timer::VerAck => self.end(CloseReason::VerAckTimeout),
                Timer::Idle => self.end(CloseReason::IdleTimeout),
                Timer::Shutdown => self.abandon(),
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
                self.on_message(message);
            }
        }
        true
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
            self.pongs.push_back(ping.nonce);
            if self.pongs.len() > MAX_PONGS {
                self.pongs.pop_front();
            }
        }
        let solicited = matches!(message, Message::Addr(_)) && self.is_answer();
        self.happen(Event::Message { message, solicited });
    }

    /// Whether an `addr` answers a `getaddr` that was sent, or may have been.
    fn is_answer(&mut self) -> bool {
        if self.asked > 0 {
            self.asked -= 1;
            return true;
        }
        let lent = self.lines.iter_mut().skip(self.gone.0).take(self.lent.min(MAX_LENT));
        let mut asking = lent.filter(|line| line.asks);
        asking.next().map(|line| line.asks = false).is_some()
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
        self.was_held_back |= self.is_held_back();
    }
}

/// Commands.
impl Model {
    pub(super) fn accept(&mut self, now: Instant) {
        self.tell(now);
        if self.closed.is_none() && self.phase == Phase::UnderReview {
            self.answer();
        }
    }

    fn end(&mut self, reason: CloseReason) {
        self.close(End::Reason(reason));
    }

    /// The application closes the peer.
    pub(super) fn close_here(&mut self) {
        self.end_at_once(CloseReason::Local);
        self.linger_until = None;
    }

    /// The peer is closed, and nothing is tried any more.
    pub(super) fn end_at_once(&mut self, reason: CloseReason) {
        self.end(reason);
        self.abandon();
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

    /// The caller asks for what is to be sent: pongs become frames, behind what was lent.
    pub(super) fn begin_transmit(&mut self, now: Instant) {
        self.tell(now);
        let first = self.gone.0;
        let waiting = &self.lines[first..];
        if waiting.iter().any(|line| line.purpose == Purpose::Pong) {
            return;
        }
        let is_opening = |line: &&Line| line.purpose == Purpose::Handshake;
        let opening = waiting.iter().take_while(is_opening).count();
        let begun = usize::from(self.gone.1 > 0);
        let place = first + self.lent.max(opening).max(begun);
        for (place, nonce) in (place..).zip(std::mem::take(&mut self.pongs)) {
            let line = self.line(Command::Pong, &nonce.to_le_bytes(), Purpose::Pong);
            self.lines.insert(place, line);
        }
    }

    /// The caller has seen so many frames.
    pub(super) fn end_transmit(&mut self, lent: usize) {
        self.lent = lent.min(self.lines.len() - self.gone.0);
        if self.is_trying() {
            self.tries -= 1;
            if self.tries == 0 || !self.is_sendable() {
                self.abandon();
            }
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
            self.asked += usize::from(line.asks);
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
        self.was_held_back |= self.is_held_back();
    }

    fn close(&mut self, end: End) {
        if self.closed.is_some() {
            return;
        }
        let is_by_input = match &end {
            End::Decode(..) | End::Cut(..) => true,
            End::Reason(reason) => matches!(
                reason,
                CloseReason::RemoteClosed
                    | CloseReason::NotVersion(_)
                    | CloseReason::NotVerAck(_)
                    | CloseReason::DuplicateVersion
                    | CloseReason::DuplicateVerAck
            ),
        };
        let is_between_frames = end == End::Reason(CloseReason::RemoteClosed);
        self.closed = Some(end);
        self.deadlines.iter_mut().for_each(|deadline| deadline.at = Instant::MAX);
        if is_by_input {
            let end_at = self.now + LAST_TRY;
            self.linger_until = (!is_between_frames).then_some(end_at);
            if self.is_sendable() {
                self.tries = 2 + usize::from(self.lent > 0);
                self.set_at(Timer::Shutdown, end_at);
                return;
            }
        }
        self.abandon();
    }

    pub(super) fn is_trying(&self) -> bool {
        self.tries > 0
    }

    /// What was not sent will not be, and the end is told, unless it was.
    fn abandon(&mut self) {
        if matches!(self.events.last(), Some(Told::Closed)) {
            return;
        }
        self.tries = 0;
        self.clear(Timer::Shutdown);
        self.pongs.clear();
        self.gone.1 = 0;
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
        let line = self.line(command, payload, purpose);
        if line.purpose == Purpose::Handshake || self.phase == Phase::Established {
            self.lines.push(line);
        } else {
            self.held.push(line);
        }
    }

    fn line(&self, command: Command, payload: &[u8], purpose: Purpose) -> Line {
        let nonce_at = match (command, &purpose) {
            (Command::Version, _) => Some(NONCE_OF_VERSION),
            (_, Purpose::Ping) => Some(NONCE_OF_PING),
            _ => None,
        };
        let bytes = frame(self.setup.network, command.as_str().as_bytes(), payload);
        Line { bytes, nonce_at, purpose, asks: command == Command::GetAddr }
    }

    fn wall_clock(&self) -> i64 {
        (UNIX_TIME + (self.now - self.started).as_secs()).cast_signed()
    }

    fn remote_clock(&self) -> Instant {
        Instant::ZERO + ((self.now - Instant::ZERO) - self.stood_still)
    }

    fn clock(&self, timer: Timer) -> Instant {
        match timer {
            Timer::VerAck | Timer::Idle => self.remote_clock(),
            _ => self.now,
        }
    }

    fn deadline(&mut self, timer: Timer) -> &mut Deadline {
        let found = self.deadlines.iter_mut().find(|deadline| deadline.timer == timer);
        found.expect("each timer has one")
    }

    fn at(&mut self, timer: Timer) -> Instant {
        self.deadline(timer).at
    }

    fn set(&mut self, timer: Timer, after: Option<Duration>) {
        let clock = self.clock(timer);
        self.set_at(timer, after.map_or(Instant::MAX, |after| clock + after));
    }

    fn set_at(&mut self, timer: Timer, at: Instant) {
        let deadline = self.deadline(timer);
        if deadline.at != at {
            *deadline = Deadline { timer, at, again: false };
        }
    }

    fn clear(&mut self, timer: Timer) {
        self.set_at(timer, Instant::MAX);
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
        self.lines.len() - self.gone.0 + self.held.len() + self.pongs.len()
    }

    pub(super) fn is_sendable(&self) -> bool {
        self.lines.len() > self.gone.0 || !self.pongs.is_empty()
    }

    /// The application keeps the peer from reading.
    fn is_held_back(&self) -> bool {
        self.closed.is_none()
            && (self.phase == Phase::UnderReview
                || self.events_waiting() >= self.setup.max_waiting_events)
    }

    fn has_room(&self) -> bool {
        !self.is_held_back()
    }

    pub(super) fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.has_ended && self.has_room()
    }

    pub(super) fn can_resume(&self) -> bool {
        self.closed.is_none() && self.is_left && self.has_room()
    }

    /// Every deadline that is set, on the caller's clock.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        self.deadlines.iter().filter_map(|deadline| {
            let ahead =
                if deadline.is_on_remote_clock() { self.stood_still } else { Duration::ZERO };
            let at = deadline.at + ahead;
            (at < Instant::MAX).then_some((deadline.timer, at))
        })
    }

    /// What falls due next, and when.
    pub(super) fn next_deadline(&self) -> Option<(Timer, Instant)> {
        self.deadlines().min_by_key(|&(_, at)| at)
    }
}
