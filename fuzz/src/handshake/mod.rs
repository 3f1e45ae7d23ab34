//! The handshake of a peer against a model of it: after each step of a script everything
//! that can be seen of the peer is what the model says, byte for byte and event for event.

mod frames;
mod model;
mod script;

use bytes::{Buf, BytesMut};
use excc_peer::wire::{
    Command, FeeFilter, IncompleteFrame, InputBuffer, InvVect, Message, Ping, Version,
};
use excc_peer::{
    Announced, CloseReason, Config, Direction, Event, Hash, Instant, PeerState, Relay,
    SendErrorKind, SendId, SentNonces, UnixTime,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use frames::Frame;
use model::{End, MAX_LENT, Model, Told};
use script::{REMOTE, SENT_NONCES, Script, Setup, UNIX_TIME};

/// Lets a peer shake hands as `data` describes.
///
/// # Panics
///
/// If it does so in another way than the model.
pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let setup = Setup::new(&mut script);
    let nonces = SentNonces::new();
    let mut sent = SENT_NONCES.map(|nonce| Some(nonces.insert(nonce)));
    if setup.first_is_done {
        sent[0] = None;
    }
    let Ok(config) = setup.config(nonces) else { return };
    let mut meeting = Meeting::new(setup, config);
    meeting.assert_as_modelled();
    while !script.is_empty() {
        meeting.step(&mut script);
        meeting.assert_as_modelled();
    }
    meeting.end();
}

struct Meeting {
    peer: PeerState,
    model: Model,
    setup: Setup,
    /// What the caller's clock shows, which may go back.
    now: Instant,
    /// What the remote has sent and has not come.
    pipe: BytesMut,
    /// What has come and was not taken.
    buffer: InputBuffer,
    /// The nonce of our `version`, once it was seen.
    nonce: Option<u64>,
    last_id: Option<SendId>,
    announced: u16,
}

impl Meeting {
    fn new(setup: Setup, config: Config) -> Self {
        let make = match setup.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        let now = Instant::from_secs(1_000);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut meeting = Self {
            peer: make(config, REMOTE, now, UnixTime::from_secs(UNIX_TIME), &mut rng),
            model: Model::new(setup.clone(), now),
            setup,
            now,
            pipe: BytesMut::new(),
            buffer: InputBuffer::new(),
            nonce: None,
            last_id: None,
            announced: 0,
        };
        // The nonce is in use from now on.
        meeting.look();
        meeting
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 20 {
            0..=4 => {
                self.send_frame(script);
                self.deliver(usize::MAX);
            }
            5 => {
                self.send_frame(script);
                self.deliver(script.byte().into());
            }
            6 => self.deliver(usize::MAX),
            7 => self.dribble(script),
            8 => {
                self.now += script.duration();
                self.time_out();
            }
            9 => self.now += script.duration(),
            10 => self.now = Instant::ZERO + (self.now - (Instant::ZERO + script.duration())),
            11 => {
                if let Some(at) = self.peer.poll_timeout() {
                    // Just before, and then in time.
                    self.now = Instant::from_nanos(at.as_nanos() - 1);
                    self.time_out();
                    self.assert_as_modelled();
                    self.now = at;
                    self.time_out();
                }
            }
            12 => self.transmit(usize::MAX),
            13 => self.transmit(script.byte().into()),
            14 => (0..=script.byte()).for_each(|_| self.poll_event()),
            15 => self.send(script),
            16 => self.announce(script),
            17 => self.ping(),
            18 => {
                self.peer.accept_version(self.now);
                self.model.accept(self.now);
            }
            _ => self.rarely(script),
        }
    }

    /// What ends most scripts.
    fn rarely(&mut self, script: &mut Script<'_>) {
        match script.byte() % 4 {
            0 => {
                self.peer.handle_eof(self.now);
                self.model.end_of_stream(self.now);
            }
            1 => {
                self.peer.handle_connection_lost(self.now);
                self.model.tell(self.now);
                self.model.end_at_once(CloseReason::ConnectionLost);
            }
            2 => self.close(),
            _ => {
                self.peer.refuse_version(self.now);
                self.model.tell(self.now);
                self.model.end_at_once(CloseReason::VersionRefused);
            }
        }
    }

    fn close(&mut self) {
        self.peer.close(self.now);
        self.model.tell(self.now);
        self.model.close_here();
    }

    /// Takes what remains of the peer.
    fn end(mut self) {
        self.look();
        while self.model.closed.is_none() && self.peer.can_resume() {
            (0..self.model.events_waiting()).for_each(|_| self.poll_event());
            self.transmit(usize::MAX);
            self.deliver(0);
            self.assert_as_modelled();
        }
        self.close();
        self.look();
        (0..=self.model.events_waiting()).for_each(|_| self.poll_event());
        self.assert_as_modelled();
    }
}

/// The remote.
impl Meeting {
    fn send_frame(&mut self, script: &mut Script<'_>) {
        let frame = Frame::any(script, self.setup.network, self.nonce);
        self.pipe.extend_from_slice(&frame.bytes);
        self.model.send(frame);
    }

    /// Lets so many bytes come of what the remote has sent.
    fn deliver(&mut self, most: usize) {
        let piece = self.pipe.split_to(most.min(self.pipe.len()));
        self.buffer.extend_from_slice(&piece);
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        self.model.receive(self.now, piece.len());
        assert_eq!(result.as_ref().err(), self.peer.close_reason());
        assert_eq!(self.buffer.len(), self.model.arrived);
    }

    /// Lets it come byte by byte, with time between them.
    fn dribble(&mut self, script: &mut Script<'_>) {
        let (count, pause) = (script.byte(), script.duration());
        for _ in 0..self.pipe.len().min(count.into()) {
            self.now += pause;
            if count.is_multiple_of(2) {
                self.time_out();
            }
            self.deliver(1);
            self.assert_as_modelled();
        }
    }
}

/// The clock and the socket.
impl Meeting {
    fn time_out(&mut self) {
        self.peer.handle_timeout(self.now);
        self.model.time_out(self.now);
        assert!(self.peer.poll_timeout().is_none_or(|next| next > self.now));
    }

    /// What is lent of the queue is as the model has it.
    fn look(&mut self) {
        let mut out = self.peer.transmit(self.now).batch(usize::MAX);
        self.model.begin_transmit(self.now);
        let queued = out.copy_to_bytes(out.remaining());
        let mut rest = &queued[..];
        let (first, mut offset) = self.model.gone;
        let (mut lent, mut lent_bytes) = (0, 0);
        for place in first..self.model.lines.len() {
            if rest.is_empty() {
                assert!(lent == MAX_LENT || lent_bytes >= 256 * 1024);
                break;
            }
            if let Some(at) = self.model.lines[place].nonce_at {
                let nonce = rest[at - offset..].first_chunk().copied();
                let nonce = nonce.map_or(0, u64::from_le_bytes);
                assert_ne!(nonce, 0);
                self.model.learn_nonce(place, nonce);
                if place == 0 {
                    self.nonce = Some(nonce);
                }
            }
            let line = &self.model.lines[place].bytes[offset..];
            assert_eq!(&rest[..line.len().min(rest.len())], line);
            rest = &rest[line.len()..];
            offset = 0;
            lent += 1;
            lent_bytes += self.model.lines[place].bytes.len();
        }
        assert_eq!(rest, b"");
        self.model.end_transmit(lent);
    }

    fn transmit(&mut self, most: usize) {
        self.look();
        let mut out = self.peer.transmit(self.now);
        self.model.begin_transmit(self.now);
        let len = most.min(out.remaining());
        out.advance(len);
        self.model.advance(len);
        drop(out);
        self.model.end_transmit(0);
    }
}

/// The application.
impl Meeting {
    fn poll_event(&mut self) {
        match (self.peer.poll_event(), self.model.events.get(self.model.polled)) {
            (None, None) => return,
            (Some(Event::Established(terms)), Some(&Told::Established(version, offset))) => {
                assert_eq!((terms.protocol_version, terms.time_offset), (version, offset));
            }
            (Some(Event::Closed(reason)), Some(Told::Closed)) => {
                assert_eq!(self.peer.close_reason(), Some(&reason));
            }
            (Some(event), Some(Told::Event(expected))) => assert_eq!(event, *expected),
            (event, _) => panic!("{event:?} was not due"),
        }
        self.model.polled += 1;
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let nonce = 1_000 + u64::from(script.byte());
        let (message, payload, since): (Message, Vec<u8>, _) = match script.byte() % 8 {
            0 => (Version::default().into(), Vec::new(), 0),
            1 => (Message::VerAck, Vec::new(), 0),
            2 => (Message::SendHeaders, Vec::new(), 3),
            3 => {
                let min_fee = nonce.cast_signed();
                (Message::FeeFilter(FeeFilter { min_fee }), nonce.to_le_bytes().into(), 5)
            }
            4 | 5 => (Message::Ping(Ping { nonce }), nonce.to_le_bytes().into(), 0),
            6 => (Message::MemPool, Vec::new(), 0),
            _ => (Message::GetAddr, Vec::new(), 0),
        };
        let command = message.command();
        let is_ours = matches!(command, Command::Version | Command::VerAck);
        self.model.tell(self.now);
        match self.peer.send(self.now, message).map_err(|error| error.kind) {
            Err(SendErrorKind::Closed(reason)) => {
                assert_eq!(self.peer.close_reason(), Some(&reason));
            }
            _ if self.model.closed.is_some() => panic!("{command} from a closed peer"),
            Err(SendErrorKind::Handshake(refused)) => assert!(is_ours && refused == command),
            _ if is_ours => panic!("{command} is not the application's to send"),
            Err(SendErrorKind::NotReady) => assert_eq!(self.model.remote, None),
            _ if self.model.remote.is_none() => panic!("{command} before a version"),
            Err(SendErrorKind::Encode(error)) => {
                assert_eq!((error.command(), error.kind().name()), (command, "MsgInvalidForPVer"));
                assert!(self.model.version < since);
            }
            _ if self.model.version < since => panic!("{command} is not there yet"),
            Err(kind) => panic!("{kind}"),
            Ok(id) => self.queued(id, command, &payload),
        }
    }

    fn queued(&mut self, id: SendId, command: Command, payload: &[u8]) {
        assert!(self.last_id.replace(id).is_none_or(|last| last < id));
        self.model.queue(id, command, payload);
    }

    /// Announces something new.
    fn announce(&mut self, script: &mut Script<'_>) {
        self.announced += 1;
        let mut hash = [0xee; 32];
        hash[..2].copy_from_slice(&self.announced.to_le_bytes());
        let is_block = script.byte().is_multiple_of(2);
        let make = if is_block { InvVect::block } else { InvVect::tx };
        let vector = make(Hash::from_bytes(hash));
        let announced = self.peer.announce(self.now, vector, Relay::Immediate);
        self.model.tell(self.now);
        if !self.model.is_established() {
            assert_eq!(announced, Announced::NotReady);
        } else if !is_block && !self.model.wants_transactions_announced() {
            assert_eq!(announced, Announced::Unwanted);
        } else {
            let Announced::Queued(id) = announced else { panic!("{announced:?}") };
            let kind = if is_block { 2 } else { 1 };
            let payload = [&[1, kind, 0, 0, 0][..], &hash].concat();
            self.queued(id, Command::Inv, &payload);
        }
    }

    fn ping(&mut self) {
        self.model.tell(self.now);
        match self.peer.ping(self.now) {
            Ok(nonce) => {
                assert!(self.model.is_established() && nonce != 0);
                self.model.ping();
            }
            Err(SendErrorKind::NotReady) => {
                assert!(!self.model.is_established() && self.model.closed.is_none());
            }
            Err(SendErrorKind::Closed(reason)) => {
                assert_eq!(self.peer.close_reason(), Some(&reason));
            }
            Err(kind) => panic!("{kind}"),
        }
    }
}

impl Meeting {
    fn assert_as_modelled(&mut self) {
        if self.setup.looks {
            self.look();
        }
        let (peer, model) = (&self.peer, &self.model);
        assert_end(peer.close_reason(), model.closed.as_ref());
        assert_eq!(peer.is_established(), model.is_established());
        assert_eq!(peer.verack_received(), model.has_verack);
        assert_eq!(peer.protocol_version(), model.version);
        assert_eq!(peer.remote_version(), model.remote.as_ref());
        assert_eq!(peer.wants_read(), model.wants_read());
        assert_eq!(peer.can_resume(), model.can_resume());

        assert_eq!(peer.wants_write(), model.is_sendable());
        assert_eq!(peer.has_events(), model.events_waiting() > 0);
        assert_eq!(peer.linger_until(), model.linger_until);
        assert_eq!(peer.next_deadline(), model.next_deadline());
        assert_eq!(peer.poll_timeout(), model.next_deadline().map(|(_, at)| at));
        assert!(peer.deadlines().eq(model.deadlines()));

        let stats = peer.stats();
        assert_eq!(stats.bytes_received, model.taken);
        assert_eq!(stats.queued_frames, model.frames_waiting());
        if model.closed.is_none() || model.is_trying() {
            assert_eq!(stats.waiting_events, model.events_waiting());
        }
        let told = model.remote.as_deref();
        assert_eq!(stats.services, told.map(|version| version.services));
        assert_eq!(stats.user_agent.as_ref(), told.map(|version| &version.user_agent));
        let advertised = told.map(|version| version.protocol_version.cast_unsigned());
        assert_eq!(stats.advertised_version, advertised);
        assert_eq!(stats.negotiated_version, told.map(|_| model.version));
        assert_eq!(stats.start_height, told.map(|version| version.start_height));
        assert_eq!(stats.time_offset, told.map(|_| model.time_offset()));
        assert_eq!(stats.relay, told.map(|version| version.relay));
    }
}

fn assert_end(reason: Option<&CloseReason>, expected: Option<&End>) {
    let is_expected = match (reason, expected) {
        (Some(CloseReason::Decode(error)), Some(&End::Decode(command, fault))) => {
            (error.command(), error.kind().name()) == (command, fault)
        }
        (
            Some(CloseReason::Cut(IncompleteFrame { command, needed, received, .. })),
            Some(&End::Cut(expected, of, came)),
        ) => (*command, *needed, *received) == (expected, of, came),
        (Some(reason), Some(End::Reason(expected))) => reason == expected,
        (reason, expected) => reason.is_none() && expected.is_none(),
    };
    assert!(is_expected, "{reason:?} where {expected:?} was due");
}
