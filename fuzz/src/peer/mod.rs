//! A peer under an arbitrary script: what the remote sends, what the application asks for
//! and what the clock shows, in any order. After each step, what must always hold does.

mod application;
mod model;
mod script;
mod socket;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use excc_peer::wire::{Command, EncodedMessage, Message, Protocol, Version};
use excc_peer::{CloseReason, Instant, PeerState, SendId, Timer};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use model::{Asked, Known, Mirror, Outgoing, vector_of};
use script::{REMOTE, Script, Setup, UNIX_TIME};

/// Bytes of a `ping`.
const PING_LEN: usize = 32;

/// Most pongs that wait to leave.
const MAX_PONGS: usize = 64;

/// Most events that one frame brings: a `verack` on Decred comes with two messages that
/// were held until it came.
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
    /// What the remote has sent and has not come.
    pipe: BytesMut,
    /// What has come and was not taken.
    buffer: BytesMut,
    /// The same, out of the peer's reach.
    untaken: BytesMut,
    taken: u64,
    mirror: Mirror,
    outgoing: Outgoing,
    /// What was seen to be queued and has not left.
    queued: BytesMut,
    left: u64,
    /// Pongs that left or were seen, and pongs that the application sent.
    pongs: [usize; 2],
    own_version: Option<Box<Version>>,
    known: Known,
    asked: Asked,
    receipts: VecDeque<SendId>,
    told: Told,
    /// Messages that came and were not told.
    messages: VecDeque<Message>,
    /// Messages that came and have had no effect yet: those before a `verack`.
    held: Vec<Message>,
    is_accepted: bool,
    has_ended: bool,
    /// When the application gives up what is still to leave, once it wants nothing more.
    shuts_down_by: Option<Instant>,
}

/// The events that come once.
#[derive(Default)]
struct Told {
    version: bool,
    verack: bool,
    established: bool,
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
            peer: make(setup.config.clone(), REMOTE, now, UNIX_TIME, &mut rng),
            now,
            latest: now,
            pipe: BytesMut::new(),
            buffer: BytesMut::new(),
            untaken: BytesMut::new(),
            taken: 0,
            mirror: Mirror::new(&setup),
            outgoing: Outgoing::new(&setup),
            queued: BytesMut::new(),
            left: 0,
            pongs: [0, 0],
            own_version: None,
            known: Known::new(setup.known),
            asked: Asked::new(setup.response_timeout.is_some()),
            receipts: VecDeque::new(),
            told: Told::default(),
            messages: VecDeque::new(),
            held: Vec::new(),
            is_accepted: false,
            has_ended: false,
            shuts_down_by: None,
            setup,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 24 {
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
                let mut message =
                    script.message(self.protocol(), self.peer.stats().outstanding_ping);
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
            12 => self.transmit(usize::MAX),
            13 => self.transmit(script.byte().into()),
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
            18 | 19 => self.announce(script),
            20 => self.ping(),
            21 => {
                self.peer.accept_version();
                self.is_accepted |= self.peer.remote_version().is_some();
            }
            22 => self.inventory(script),
            _ => self.rarely(script),
        }
    }

    /// What ends most scripts, and what has little to it.
    fn rarely(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        match what % 8 {
            0 => {
                self.told_now();
                self.peer.handle_eof(self.now);
                self.has_ended = true;
            }
            1 => {
                self.told_now();
                self.peer.handle_connection_lost(self.now);
                assert!(self.peer.close_reason().is_some());
            }
            2 => {
                self.peer.close();
                assert!(self.peer.close_reason().is_some());
            }
            3 => {
                self.peer.refuse_version();
                assert!(self.peer.close_reason().is_some());
            }
            5 => self.push_addrs(script),
            6 => self.push_request(script),
            7 => self.ask(script),
            _ if what >= 128 => self.shutdown(script),
            _ => {
                let (before, height) = (self.peer.stats().last_block, i64::from(script.byte()));
                self.peer.update_last_block(height);
                let after = self.peer.stats().last_block;
                assert_eq!(after, before.map(|last| last.max(height)));
            }
        }
    }

    fn protocol(&self) -> Protocol {
        Protocol::new(self.setup.config.network().chain(), self.peer.protocol_version())
    }

    /// The peer is about to be told the time.
    fn told_now(&mut self) {
        self.latest = self.latest.max(self.now);
    }

    /// Whether deadlines may lie where no time is.
    fn is_near_the_end_of_time(&self) -> bool {
        self.latest + Duration::from_secs(1_000) == Instant::MAX
    }
}

/// The remote.
impl Life {
    /// A frame with a header that fits it, whatever is in it.
    fn send_frame(&mut self, command: Command, payload: &[u8]) {
        let network = self.setup.config.network();
        let mut header = [0; 24];
        header[..4].copy_from_slice(&network.magic().to_le_bytes());
        header[4..][..command.as_str().len()].copy_from_slice(command.as_str().as_bytes());
        header[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[20..].copy_from_slice(&network.chain().hash_function().checksum(&[payload]));
        self.pipe.extend_from_slice(&header);
        self.pipe.extend_from_slice(payload);
    }

    fn send_message(&mut self, message: &Message) {
        let network = self.setup.config.network();
        // What cannot be said at this version is left out.
        if let Ok(frame) = EncodedMessage::new(network, self.protocol().version, message) {
            frame.parts().iter().for_each(|part| self.pipe.extend_from_slice(part));
        }
    }

    /// Lets come what the remote has sent: in pieces of `pace` bytes, at most so many of
    /// them, at once with 0, and not yet with 255.
    fn deliver(&mut self, pace: u8) {
        const MOST_PIECES: usize = 64;
        match pace {
            0 => {}
            255 => return,
            pace => {
                for _ in 0..MOST_PIECES.min(self.pipe.len() / usize::from(pace)) {
                    let piece = self.pipe.split_to(pace.into());
                    self.receive(&piece);
                }
            }
        }
        let all = self.pipe.split();
        self.receive(&all);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.untaken.extend_from_slice(bytes);
        let was_closed = self.peer.close_reason().cloned();
        let had_events = self.peer.stats().waiting_events;
        self.told_now();
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        assert_eq!(result.as_ref().err(), self.peer.close_reason());

        let taken = self.untaken.split_to(self.untaken.len() - self.buffer.len());
        assert!(taken.is_empty() || self.untaken == self.buffer);
        self.taken += taken.len() as u64;
        if let Some(reason) = was_closed {
            assert_eq!((result, taken.len()), (Err(reason), 0));
            return;
        }
        for message in self.mirror.receive(&taken) {
            self.held.push(message.clone());
            self.messages.push_back(message);
        }
        if self.peer.is_established() {
            self.heed();
        }
        self.mirror.assert_agrees(self.peer.close_reason());
        assert!(!self.peer.can_resume(), "what can be taken was taken");
        if self.peer.wants_read() {
            assert!(!self.mirror.is_served_by(&self.buffer), "a whole frame was left");
        }
        let most = had_events.max(self.setup.max_waiting_events - 1 + EVENTS_OF_A_FRAME);
        assert!(self.peer.stats().waiting_events <= most, "events grow without bound");
    }
}

/// What messages that came bring with them.
impl Life {
    fn heed(&mut self) {
        for message in std::mem::take(&mut self.held) {
            if let Message::Inv(vectors) = &message {
                vectors.iter().for_each(|vector| self.known.insert(*vector, self.latest));
            }
            if let Some(vector) = vector_of(&message) {
                self.known.insert(vector, self.latest);
            }
            self.asked.answer(&message);
        }
    }
}

/// The clock.
impl Life {
    fn time_out(&mut self, at: Instant) {
        self.latest = self.latest.max(at);
        let (due, stats) = (self.peer.next_deadline(), self.peer.stats());
        self.peer.handle_timeout(at);
        let waiting = self.peer.stats().waiting_announcements;
        self.known.count_uses(stats.waiting_announcements - waiting);
        match due {
            Some((timer, deadline)) if deadline <= self.latest => {
                let next = self.peer.poll_timeout();
                assert!(next.is_none_or(|next| next > self.latest), "{timer} stays due");
                if timer == Timer::Trickle && self.peer.is_established() {
                    let one_more = self.peer.stats().queued_bytes + LARGEST_INV_OF_ONE;
                    assert!(
                        waiting == 0 || one_more > self.setup.max_queued_bytes,
                        "announcements wait with room for them"
                    );
                }
            }
            due => {
                assert_eq!(self.peer.next_deadline(), due);
                assert_eq!(self.peer.stats(), stats);
            }
        }
    }
}

/// What always holds.
impl Life {
    fn assert_sound(&mut self) {
        self.look();
        let stats = self.peer.stats();
        let peer = &self.peer;
        assert!(stats.queued_bytes <= self.setup.max_queued_bytes);
        assert!(stats.known_inventory <= self.setup.known.0);
        assert!(stats.waiting_announcements <= self.setup.max_waiting_announcements);
        assert_eq!((stats.bytes_received, stats.bytes_sent), (self.taken, self.left));
        assert!(stats.requested <= self.setup.max_requested);
        assert_eq!(peer.next_deadline().map(|(_, at)| at), peer.poll_timeout());
        if self.setup.looks {
            assert!(self.pongs_waiting() <= MAX_PONGS + self.pongs[1]);
        }
        if peer.close_reason().is_some() {
            self.assert_closed();
            return;
        }
        assert_eq!(
            (peer.is_shutting_down(), peer.linger_until()),
            (self.shuts_down_by.is_some(), None)
        );
        if peer.is_shutting_down() {
            assert!(stats.queued_frames + stats.waiting_announcements > 0, "all has left");
            let mut deadlines = peer.deadlines();
            let end = deadlines.find(|&(timer, _)| timer == Timer::Shutdown);
            assert_eq!(end.map(|(_, at)| at), self.shuts_down_by);
        }
        assert!(!self.told.closed);
        assert_eq!(stats.requested, self.asked.len());
        let is_reviewed =
            self.setup.reviews && !self.is_accepted && peer.remote_version().is_some();
        assert!(!is_reviewed || (!peer.wants_read() && !peer.is_established()));
        if stats.waiting_events == 0 && stats.queued_frames == 0 && !is_reviewed {
            assert!(peer.wants_read() || self.has_ended, "nothing keeps input from being taken");
        }
        if self.has_ended {
            assert!(!peer.wants_read());
        }
        if peer.wants_read() && self.mirror.is_served_by(&self.buffer) {
            assert!(peer.can_resume(), "a frame waits and there is room for it");
        }
    }

    /// Pongs that were queued and have not left. Those the application sent count, too.
    fn pongs_waiting(&self) -> usize {
        let commands = self.peer.stats().commands;
        let left = commands.iter().find(|one| one.command == Command::Pong);
        self.pongs[0] - left.map_or(0, |one| one.sent.messages as usize)
    }

    fn assert_closed(&mut self) {
        let peer = &mut self.peer;
        assert_eq!(peer.poll_timeout(), None);
        assert!(!peer.wants_read() && !peer.can_resume() && !peer.is_established());
        let stats = peer.stats();
        let waiting = (stats.queued_frames, stats.queued_bytes, stats.waiting_announcements);
        assert_eq!(waiting, (0, 0, 0));
        assert!(!peer.is_shutting_down());
        if peer.linger_until().is_some() {
            assert_eq!(peer.linger_until(), self.shuts_down_by);
            assert_eq!(peer.close_reason(), Some(&CloseReason::Local));
        }
        let mut out = peer.transmit(self.now);
        assert!(!out.has_remaining() && out.chunk().is_empty());
        out.advance(1);
    }

    /// Closes the peer if nothing else has, and hears it out.
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
            self.transmit(usize::MAX);
        }
        if self.peer.close_reason().is_none() && self.peer.is_established() {
            assert!(self.messages.is_empty(), "all was told");
        }
        self.peer.close();
        while !self.told.closed {
            self.poll_event();
        }
        self.poll_event();

        let reason = self.peer.close_reason().cloned().expect("closed");
        self.now += Duration::from_secs(1_000_000);
        self.time_out(self.now);
        self.peer.handle_eof(self.now);
        self.peer.handle_connection_lost(self.now);
        self.peer.refuse_version();
        self.peer.accept_version();
        self.receive(b"more");
        self.send(Message::GetAddr);
        self.ping();
        let linger_until = self.peer.linger_until();
        self.peer.shutdown(self.now, Duration::MAX);
        assert_eq!(self.peer.linger_until(), linger_until);
        assert_eq!(self.peer.close_reason(), Some(&reason));
        assert_eq!(self.peer.poll_event(), None);
        self.assert_sound();
    }
}
