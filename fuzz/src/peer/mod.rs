//! A peer under an arbitrary script: what the remote sends, what the application asks for
//! and what the clock shows, in any order. After each step, what must always hold does.

mod application;
mod clock;
mod model;
mod remote;
mod script;
mod socket;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use excc_peer::wire::{Command, InputBuffer, InvVect, Message, Protocol, Version};
use excc_peer::{Blame, CloseReason, Hash, Instant, PeerState, SendId, Timer, UnixTime};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use model::{Asked, Kind, Known, Limits, Mirror, Outgoing, Pings, Requests};
use script::{REMOTE, Script, Setup, UNIX_TIME};

/// Bytes of a `ping`.
const PING_LEN: usize = 32;

/// Pongs that wait to be sent, and pong frames in the queue, at most.
const MAX_PONGS: usize = 64;

/// Most events that one frame brings: a `verack` on Decred comes with two messages that
/// waited for it.
const EVENTS_OF_A_FRAME: usize = 4;

/// What an `inv` of one vector is thought to take by who does not yet know how many there
/// will be: a header, a count of 3 bytes, the vector, and the place of a frame in the queue.
const LARGEST_INV_OF_ONE: usize = 24 + 3 + 36 + 128;

/// Lets a peer live through what `data` describes.
///
/// # Panics
///
/// If anything is found.
pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let Ok(setup) = Setup::new(&mut script) else { return };
    let mut life = Life::new(setup);
    while !script.is_empty() {
        life.step(&mut script);
        life.assert_sound();
    }
    life.end();
}

struct Life {
    peer: PeerState,
    setup: Setup,
    /// What the caller's clock shows, which may go back.
    now: Instant,
    /// The latest time told.
    latest: Instant,
    /// Whether the application may have kept the peer from reading since the time was told.
    pressed: bool,
    /// When each deadline was found passed for the first time.
    passed: HashMap<Timer, Instant>,
    /// What the remote has sent and has not come.
    pipe: BytesMut,
    /// What has come and was not taken.
    buffer: InputBuffer,
    /// The same, out of the peer's reach.
    untaken: BytesMut,
    taken: u64,
    mirror: Mirror,
    outgoing: Outgoing,
    /// What was lent and not sent. If the script looks all the time, everything is.
    queued: Vec<u8>,
    /// Whether there may be more in the queue than was seen.
    is_blind: bool,
    left: u64,
    /// The time of the latest transmit.
    offered_at: Instant,
    /// Whether the latest transmit left anything to be sent.
    is_offered: bool,
    /// When a pong and an answer were due before the transmit, and how many pings were answered.
    owed: Option<([Option<Instant>; 2], usize)>,
    last_send: Option<Instant>,
    /// Messages that were sent.
    sent: HashMap<Command, u64>,
    pings: Pings,
    /// Pongs that were sent or seen, and pongs that the application sent.
    pongs: [usize; 2],
    own_version: Option<Box<Version>>,
    known: Known,
    /// Announcements that may wait for the next trickle.
    waiting: HashSet<InvVect>,
    asked: Asked,
    requests: Requests,
    /// The first hash of the latest locator.
    locator: Option<Hash>,
    limits: Limits,
    receipts: VecDeque<SendId>,
    told: Told,
    /// Messages that came and were not emitted.
    messages: VecDeque<Arrived>,
    /// Bytes of their frames.
    event_bytes: usize,
    /// Messages that came and have had no effect yet: those before a `verack`.
    early: Vec<Arrived>,
    is_accepted: bool,
    has_ended: bool,
    /// When the application gives up what is still to leave, once it wants nothing more.
    shuts_down_by: Option<Instant>,
    /// Whether the peer was seen to be closed.
    is_closed: bool,
    /// Maximum number of transmits in which the closed peer may send what was queued before its end.
    tries: u8,
}

/// A message that came.
struct Arrived {
    message: Message,
    /// Bytes of its frame.
    len: usize,
    /// Whether it was asked for, where that is known.
    solicited: Option<bool>,
    /// What was asked for of its command when it came.
    of: Kind,
}

/// The events that come once, and those that are counted.
#[derive(Default)]
struct Told {
    version: bool,
    verack: bool,
    established: bool,
    over_budget: u64,
    closed: bool,
}

impl Life {
    fn new(setup: Setup) -> Self {
        let make = match setup.direction {
            excc_peer::Direction::Inbound => PeerState::inbound,
            excc_peer::Direction::Outbound => PeerState::outbound,
        };
        let now = Instant::from_secs(1_000);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        Self {
            peer: make(
                setup.config.clone(),
                REMOTE,
                now,
                UnixTime::from_secs(UNIX_TIME.as_secs()),
                &mut rng,
            ),
            now,
            latest: now,
            pressed: false,
            passed: HashMap::new(),
            pipe: BytesMut::new(),
            buffer: InputBuffer::new(),
            untaken: BytesMut::new(),
            taken: 0,
            mirror: Mirror::new(&setup),
            outgoing: Outgoing::new(&setup),
            queued: Vec::new(),
            is_blind: false,
            left: 0,
            offered_at: now,
            is_offered: false,
            owed: None,
            last_send: None,
            sent: HashMap::new(),
            pings: Pings::default(),
            pongs: [0, 0],
            own_version: None,
            known: Known::new(setup.known),
            waiting: HashSet::new(),
            asked: Asked::default(),
            requests: Requests::default(),
            locator: None,
            limits: Limits::new(&setup),
            receipts: VecDeque::new(),
            told: Told::default(),
            messages: VecDeque::new(),
            event_bytes: 0,
            early: Vec::new(),
            is_accepted: false,
            has_ended: false,
            shuts_down_by: None,
            is_closed: false,
            tries: 0,
            setup,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        const OLD_STEPS: u8 = 216;
        let what = script.byte();
        if let Some(what) = what.checked_sub(OLD_STEPS) {
            return self.new_step(what, script);
        }
        match what % 24 {
            0 => {
                self.pipe.extend_from_slice(script.run());
                self.deliver(script.byte());
            }
            1 => {
                let command = Command::ALL[usize::from(script.byte()) % Command::ALL.len()];
                let mut payload = script.run().to_vec();
                payload.resize(payload.len() + usize::from(script.byte()) * 32, 0);
                self.send_frame(command, &payload);
                self.deliver(script.byte());
            }
            2..=5 => {
                let mut message = script.message(self.protocol(), self.pings.outstanding());
                if let (Message::Version(theirs), Some(own)) = (&mut message, &self.own_version)
                    && theirs.nonce == 255
                {
                    theirs.nonce = own.nonce;
                }
                self.send_message(&message);
                self.deliver(script.byte());
            }
            6 => self.deliver(script.byte()),
            7 => self.now += script.duration(),
            8 => self.now = Instant::ZERO + (self.now - (Instant::ZERO + script.duration())),
            9 => self.time_out(self.now),
            10 | 11 => {
                if let Some(at) = self.peer.poll_timeout() {
                    self.now = at;
                    self.time_out(at);
                }
            }
            12 => self.transmit(self.now, usize::MAX),
            13 => self.transmit(self.now, script.byte().into()),
            14 => {
                let (frames, len) = (script.byte().into(), script.u16().into());
                self.transmit_shared(frames, len);
            }
            15 => (0..=script.byte()).for_each(|_| self.poll_event()),
            16 => {
                let message = script.message(self.protocol(), None);
                self.send(message);
            }
            17 => self.send_encoded(script),
            18 | 19 => {
                let (vector, relay) = (script.vector(), script.relay());
                self.announce(vector, relay);
            }
            20 => self.ping(),
            21 => {
                self.told_now();
                self.peer.accept_version(self.now);
                self.is_accepted |= self.peer.remote_version().is_some();
            }
            22 => self.inventory(script),
            _ => self.rarely(script),
        }
    }

    /// Steps that were added later, so that older scripts keep their meaning.
    fn new_step(&mut self, what: u8, script: &mut Script<'_>) {
        match what % 10 {
            0 => self.write_slowly(script),
            1 => self.transmit_chunks(script.byte().into()),
            2 => {
                let before = self.now - (Instant::ZERO + script.duration());
                self.transmit(Instant::ZERO + before, script.byte().into());
            }
            3 => self.suspend(script.duration()),
            4 => self.dribble(script),
            5 => self.answer(script),
            6 => self.send_pings(script.byte() % 32, script.byte()),
            7 => {
                let count = script.byte();
                self.receive_pings(count);
                self.deliver(script.byte());
            }
            8 => {
                let (vector, relay) = (script.vector(), script.relay());
                (0..=script.byte() % 8).for_each(|_| self.announce(vector, relay));
            }
            _ => {
                // The remote ends its stream while something is queued.
                let message = script.message(self.protocol(), None);
                self.send(message);
                self.receive_pings(script.byte() % 4);
                self.deliver(script.byte());
                self.end_stream();
            }
        }
    }

    /// What ends most scripts, and what has little to it.
    fn rarely(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        match what % 8 {
            0 => self.end_stream(),
            1 => {
                self.told_now();
                self.peer.handle_connection_lost(self.now);
                self.end_tries();
            }
            2 => self.close(),
            3 => {
                self.told_now();
                self.peer.refuse_version(self.now);
                self.end_tries();
            }
            5 => self.push_addrs(script),
            6 => self.push_request(script),
            7 => self.ask(script),
            _ if what >= 128 => self.shutdown(script),
            _ => {
                let (before, height) = (self.peer.last_block(), i64::from(script.byte()));
                self.told_now();
                self.peer.update_last_block(self.now, height);
                assert_eq!(self.peer.last_block(), before.map(|last| last.max(height)));
            }
        }
    }

    fn close(&mut self) {
        self.told_now();
        self.peer.close(self.now);
        self.end_tries();
        assert_eq!(self.peer.linger_until(), None);
    }

    /// The peer must be closed, and nothing is tried any more.
    fn end_tries(&mut self) {
        assert!(self.peer.close_reason().is_some() && !self.peer.wants_write());
        self.is_closed = true;
        self.tries = 0;
    }

    /// Notes what a step may have brought about: that the application keeps the peer from
    /// reading, or that the peer is closed. If the remote ended the conversation, what is queued
    /// may be sent once more.
    fn take_note(&mut self) {
        self.pressed |= !self.peer.wants_read();
        let Some(reason) = self.peer.close_reason() else { return };
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.limits.assert_explains(reason);
        let is_by_input = matches!(
            reason,
            CloseReason::RemoteClosed | CloseReason::Cut(_) | CloseReason::PayloadTooLarge { .. }
        ) || reason.blame() == Blame::Misbehaviour;
        if self.peer.wants_write() {
            assert!(is_by_input, "{reason} leaves something to be sent");
            // One for a write in progress, one to lend, one to advance.
            self.tries = 3;
        }
        let lingers = is_by_input && *reason != CloseReason::RemoteClosed;
        assert!(!lingers || self.peer.linger_until().is_some());
        if let CloseReason::Stall { request: Command::GetData, vector } = reason {
            let vector = vector.expect("it was asked for by vectors");
            assert!(self.asked.is_outstanding(&vector), "{vector} was not asked for");
        }
    }

    fn protocol(&self) -> Protocol {
        Protocol::new(self.setup.config.network().chain(), self.peer.protocol_version())
    }
}

/// What always holds.
impl Life {
    fn assert_sound(&mut self) {
        self.take_note();
        self.look();
        let stats = self.peer.stats();
        let peer = &self.peer;
        assert!(stats.queued_bytes <= self.setup.max_queued_bytes);
        assert!(stats.known_inventory <= self.setup.known.0);
        assert!(stats.waiting_announcements <= self.setup.max_waiting_announcements);
        assert_eq!((stats.bytes_received, stats.bytes_sent), (self.taken, self.left));
        assert!(stats.requested <= self.setup.max_requested);
        assert_eq!(peer.next_deadline().map(|(_, at)| at), peer.poll_timeout());
        for of in &stats.commands {
            let sent = self.sent.get(&of.command).copied().unwrap_or_default();
            assert_eq!(of.sent.messages, sent, "{}", of.command);
        }
        let over: u64 = stats.commands.iter().map(|of| u64::from(of.over_budget)).sum();
        assert_eq!(over, self.limits.over);
        assert_eq!(stats.last_send, self.last_send);
        assert_eq!(stats.last_ping, self.pings.last);
        if self.setup.looks {
            assert!(self.pongs_waiting() <= MAX_PONGS + self.pongs[1]);
        }
        if self.setup.looks && !self.is_blind && peer.is_established() {
            // What is not seen are nonces of pongs.
            assert!(stats.queued_frames <= self.outgoing.waiting() + MAX_PONGS);
        }
        if peer.close_reason().is_some() {
            self.assert_closed();
            return;
        }
        assert_eq!(stats.outstanding_ping, self.pings.outstanding());
        assert_eq!(stats.round_trip, self.pings.round_trip);
        assert_eq!(
            (peer.is_shutting_down(), peer.linger_until()),
            (self.shuts_down_by.is_some(), None)
        );
        if peer.is_shutting_down() {
            assert!(stats.queued_frames + stats.waiting_announcements > 0, "all has left");
            assert_eq!(self.deadline(Timer::Shutdown), self.shuts_down_by);
        }
        assert!(!self.told.closed);
        assert_eq!(stats.requested, self.asked.len());
        let is_reviewed = self.is_reviewed();
        assert!(!is_reviewed || !peer.is_established());
        // Nothing else keeps the peer from reading, pongs least of all.
        let is_held_back = is_reviewed
            || stats.waiting_events >= self.setup.max_waiting_events
            || self.event_bytes > 0 && self.event_bytes >= self.setup.max_waiting_event_bytes;
        assert_eq!(peer.wants_read(), !is_held_back && !self.has_ended);
        if peer.wants_read() && self.mirror.is_served_by(&self.buffer) {
            assert!(peer.can_resume(), "a frame waits and there is room for it");
        }
        self.assert_deadlines();
        self.assert_write_deadline();
    }

    fn is_reviewed(&self) -> bool {
        self.setup.reviews && !self.is_accepted && self.peer.remote_version().is_some()
    }

    /// Pongs that were queued and have not left. Those the application sent count, too.
    fn pongs_waiting(&self) -> usize {
        let sent = self.sent.get(&Command::Pong).copied().unwrap_or_default();
        self.pongs[0] - sent as usize
    }

    fn assert_closed(&mut self) {
        let is_near_the_end = self.is_near_the_end_of_time();
        let peer = &mut self.peer;
        assert!(!peer.wants_read() && !peer.can_resume() && !peer.is_established());
        assert!(!peer.is_shutting_down());
        assert_eq!(peer.wants_write(), self.tries > 0);
        let stats = peer.stats();
        assert_eq!((stats.waiting_announcements, stats.requested), (0, 0));
        if self.tries > 0 {
            let mut deadlines = peer.deadlines().map(|(timer, _)| timer);
            assert!(deadlines.next() == Some(Timer::Shutdown) || is_near_the_end);
            assert_eq!(deadlines.next(), None);
            return;
        }
        assert_eq!(peer.poll_timeout(), None);
        assert_eq!((stats.queued_frames, stats.queued_bytes), (0, 0));
        if let (Some(until), Some(CloseReason::Local)) = (peer.linger_until(), peer.close_reason())
        {
            assert_eq!(Some(until), self.shuts_down_by);
        }
        let mut out = peer.transmit(self.now);
        assert!(!out.has_remaining() && out.chunk().is_empty());
        out.advance(1);
    }

    /// Closes the peer if nothing else has, and takes what remains of it.
    fn end(mut self) {
        // What was held back comes, as long as the application listens.
        for _ in 0..10_000 {
            if self.peer.wants_read() || self.peer.can_resume() {
                self.deliver(0);
            }
            self.assert_sound();
            if self.peer.stats().waiting_events == 0 && !self.peer.can_resume() {
                break;
            }
            while self.peer.stats().waiting_events > 0 {
                self.poll_event();
            }
            self.transmit(self.now, usize::MAX);
        }
        if self.peer.close_reason().is_none() && self.peer.is_established() {
            assert!(self.messages.is_empty(), "all was told");
        }
        self.close_as_drivers_do();

        let reason = self.peer.close_reason().cloned().expect("closed");
        self.now += Duration::from_secs(1_000_000);
        self.time_out(self.now);
        self.peer.handle_eof(self.now);
        self.peer.handle_connection_lost(self.now);
        self.peer.refuse_version(self.now);
        self.peer.accept_version(self.now);
        self.receive(b"more");
        self.send(Message::GetAddr);
        self.ping();
        let linger_until = self.peer.linger_until();
        self.peer.shutdown(self.now, Duration::MAX);
        self.told_now();
        assert_eq!(self.peer.linger_until(), linger_until);
        assert_eq!(self.peer.close_reason(), Some(&reason));
        assert_eq!(self.peer.poll_event(), None);
        self.assert_sound();
    }

    /// Takes events, writes as long as the peer wants to, and takes events again: the end is
    /// among them.
    fn close_as_drivers_do(&mut self) {
        if self.peer.close_reason().is_none() {
            self.close();
        }
        self.assert_sound();
        for _ in 0..2 {
            while self.peer.has_events() {
                self.poll_event();
            }
            if self.peer.wants_write() {
                self.transmit(self.now, 10);
            }
        }
        while self.peer.has_events() {
            self.poll_event();
        }
        assert!(self.told.closed, "the end does not come");
        self.poll_event();
    }
}
