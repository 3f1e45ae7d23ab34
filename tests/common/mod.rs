//! What the behavioural tests share: a peer under virtual time, two of them joined by
//! pipes, and bytes as a remote would send them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use excc_peer::wire::{
    BlockHeader, Command, Decoder, EncodedMessage, InputBuffer, InvVect, MAX_PAYLOAD, Message,
    PeerAddress, Services, TrailingBytes, Transaction, Tx, TxOut, Version,
};
use excc_peer::{
    Chain, CloseReason, Config, ConfigBuilder, Direction, Event, Hash, Instant, Network, PeerState,
    Timer, UnixTime,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub(crate) const EXCC: Network = Network::EXCC_MAINNET;
pub(crate) const DCR: Network = Network::DCR_MAINNET;

/// The wall clock when every peer of these tests is made.
pub(crate) const UNIX_TIME: UnixTime = UnixTime::from_secs(1_700_000_000);

/// What a queued message counts as beside its bytes.
pub(crate) const QUEUED: usize = 128;

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

pub(crate) fn remote() -> SocketAddr {
    "203.0.113.7:9666".parse().expect("an address")
}

/// The configuration that a test starts from. It takes answers that nobody asked for, so that
/// a test need not ask.
pub(crate) fn config(network: Network) -> ConfigBuilder {
    let builder = Config::builder(network).user_agent("test", "1");
    ANSWERS
        .into_iter()
        .fold(builder, |builder, command| builder.max_unsolicited(command, MAX_PAYLOAD))
}

/// The messages that a peer takes unasked up to a certain size only.
pub(crate) const ANSWERS: [Command; 10] = [
    Command::Block,
    Command::NotFound,
    Command::InitState,
    Command::MiningState,
    Command::CFTypes,
    Command::CFHeaders,
    Command::CFilter,
    Command::CFilterV2,
    Command::CFiltersV2,
    Command::Headers,
];

/// The time between the two steps in which a passed deadline of the remote's is judged.
pub(crate) const GRACE: Duration = millis(50);

/// A deterministic source of randomness.
pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// What a remote says of itself.
pub(crate) fn version(protocol_version: i32) -> Version {
    Version {
        protocol_version,
        services: Services::NODE_NETWORK,
        timestamp: UNIX_TIME.as_secs() as i64,
        receiver: PeerAddress::new(Services::empty(), "198.51.100.1:9666".parse().expect("one")),
        nonce: 0x5eed,
        user_agent: "/remote:1/".into(),
        start_height: 100,
        ..Version::default()
    }
}

/// A hash that no other number has.
pub(crate) fn hash(n: u32) -> Hash {
    let mut bytes = [0xee; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    Hash::from_bytes(bytes)
}

pub(crate) fn tx(n: u32) -> InvVect {
    InvVect::tx(hash(n))
}

pub(crate) fn block(n: u32) -> InvVect {
    InvVect::block(hash(n))
}

/// A transaction that pays to a script of that many bytes.
pub(crate) fn paying(chain: Chain, script_len: usize) -> Tx {
    let pk_script = vec![0; script_len].into();
    let outputs = vec![TxOut { value: 1, version: 0, pk_script }];
    Transaction { outputs, ..Transaction::default() }.encode(chain).expect("a valid transaction")
}

/// A block header with something in it.
pub(crate) fn header(chain: Chain) -> BlockHeader {
    BlockHeader {
        prev_block: hash(1),
        merkle_root: hash(2),
        stake_root: hash(3),
        voters: 5,
        bits: 0x1d00_ffff,
        height: 1,
        timestamp: 1_700_000_000,
        ..BlockHeader::zeroed(chain)
    }
}

/// The frame of a message that can be encoded.
pub(crate) fn frame(network: Network, version: u32, message: impl Into<Message>) -> Bytes {
    EncodedMessage::new(&network, version, &message.into()).expect("can be encoded").to_bytes()
}

/// A frame of anything: the command is padded, the length and checksum are right.
pub(crate) fn raw_frame(network: Network, command: &[u8], payload: &[u8]) -> Vec<u8> {
    let checksum = network.chain().hash_function().checksum(&[payload]);
    let mut frame = raw_header(network, command, payload.len() as u32, checksum);
    frame.extend_from_slice(payload);
    frame
}

/// The header of a frame of anything.
pub(crate) fn raw_header(network: Network, command: &[u8], len: u32, checksum: [u8; 4]) -> Vec<u8> {
    let mut field = [0; 12];
    field[..command.len()].copy_from_slice(command);
    let mut header = network.magic().to_le_bytes().to_vec();
    header.extend_from_slice(&field);
    header.extend_from_slice(&len.to_le_bytes());
    header.extend_from_slice(&checksum);
    header
}

/// The event of a message that answers no request.
pub(crate) fn unasked(message: impl Into<Message>) -> Event {
    Event::Message { message: message.into(), solicited: false }
}

/// The event of a message that answers a request.
pub(crate) fn asked(message: impl Into<Message>) -> Event {
    Event::Message { message: message.into(), solicited: true }
}

/// The name of the decoding error that a peer was closed for.
pub(crate) fn refusal(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Decode(error) => error.kind().name(),
        other => panic!("closed for another reason: {other}"),
    }
}

/// A [`PeerState`] with its receive buffer, its clock, and a remote's eye on what it sends.
pub(crate) struct Peer {
    pub(crate) state: PeerState,
    pub(crate) buffer: InputBuffer,
    pub(crate) now: Instant,
    network: Network,
    reader: Decoder,
    unread: InputBuffer,
}

impl Peer {
    pub(crate) fn new(config: ConfigBuilder, direction: Direction, seed: u64) -> Self {
        Self::with_config(config.build().expect("a valid configuration"), direction, seed)
    }

    pub(crate) fn with_config(config: Config, direction: Direction, seed: u64) -> Self {
        let network = *config.network();
        let mut reader = Decoder::new(network, config.protocol_version());
        // Its own frames have no bytes to spare on either chain.
        reader.set_trailing_bytes(TrailingBytes::Reject);
        let make = match direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        Self {
            state: make(config, remote(), Instant::ZERO, UNIX_TIME, &mut rng(seed)),
            buffer: InputBuffer::new(),
            now: Instant::ZERO,
            network,
            reader,
            unread: InputBuffer::new(),
        }
    }

    pub(crate) fn inbound(config: ConfigBuilder) -> Self {
        Self::new(config, Direction::Inbound, 1)
    }

    pub(crate) fn outbound(config: ConfigBuilder) -> Self {
        Self::new(config, Direction::Outbound, 1)
    }

    /// An inbound peer after a handshake at our highest version, with nothing left to
    /// poll or to send.
    pub(crate) fn established(config: ConfigBuilder) -> Self {
        let mut peer = Self::inbound(config);
        let highest = peer.state.protocol_version().cast_signed();
        peer.shake_hands(version(highest));
        peer
    }

    /// Completes the handshake with a remote of that version.
    pub(crate) fn shake_hands(&mut self, version: Version) {
        self.receive(version).expect("an acceptable version");
        self.receive(Message::VerAck).expect("an acceptable verack");
        assert!(self.state.is_established());
        self.events();
        self.sent();
    }

    /// Bytes come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.buffer.extend_from_slice(bytes);
        self.state.handle_input(self.now, &mut self.buffer)
    }

    /// A message comes, encoded for the version in force.
    pub(crate) fn receive(&mut self, message: impl Into<Message>) -> Result<(), CloseReason> {
        self.feed(&frame(self.network, self.state.protocol_version(), message))
    }

    /// Goes on with input that was held back, once.
    pub(crate) fn resume(&mut self) -> Result<(), CloseReason> {
        assert!(self.state.can_resume());
        self.state.handle_input(self.now, &mut self.buffer)
    }

    /// The remote ends its stream.
    pub(crate) fn eof(&mut self) {
        self.state.handle_eof(self.now);
    }

    /// All events that wait.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.state.poll_event()).collect()
    }

    /// The messages among the events that wait.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        let message = |event| match event {
            Event::Message { message, .. } => Some(message),
            _ => None,
        };
        self.events().into_iter().filter_map(message).collect()
    }

    /// The reason in the last event that waits, which must be `Closed`.
    pub(crate) fn closed(&mut self) -> CloseReason {
        match self.events().pop() {
            Some(Event::Closed(reason)) => reason,
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Time passes, at the end of which the remote is judged for the second time and closed.
    /// Returns the reason.
    pub(crate) fn closed_after(&mut self, time: Duration) -> CloseReason {
        self.advance(time + GRACE - nanos(1));
        assert_eq!(self.state.close_reason(), None, "closed too early");
        self.advance(nanos(1));
        self.closed()
    }

    /// At most so many bytes leave.
    pub(crate) fn transmit(&mut self, most: usize) -> Bytes {
        let mut out = self.state.transmit(self.now);
        let len = out.remaining().min(most);
        out.copy_to_bytes(len)
    }

    /// Everything that waits to leave does, as the messages that the remote then has.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let bytes = self.transmit(usize::MAX);
        self.unread.extend_from_slice(&bytes);
        self.reader.set_version(self.state.protocol_version());
        std::iter::from_fn(|| self.reader.decode(&mut self.unread).expect("valid frames"))
            .map(|frame| frame.message)
            .collect()
    }

    /// As [`sent`](Self::sent), but only the commands.
    pub(crate) fn sent_commands(&mut self) -> Vec<Command> {
        self.sent().iter().map(Message::command).collect()
    }

    /// The nonce of the one `ping` that waits to leave, which does.
    pub(crate) fn sent_ping(&mut self) -> u64 {
        match self.sent().as_slice() {
            [Message::Ping(ping)] => ping.nonce,
            other => panic!("not a ping: {other:?}"),
        }
    }

    /// Time passes, and what falls due meanwhile is done when it does.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.state.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.state.handle_timeout(self.now);
            assert!(self.state.poll_timeout() > Some(at) || self.state.poll_timeout().is_none());
        }
        self.now = end;
        self.state.handle_timeout(end);
    }

    /// Time passes until something falls due. Returns what, once it is done: a deadline of the
    /// remote's is judged in its second step.
    pub(crate) fn skip_to_deadline(&mut self) -> Timer {
        let (timer, at) = self.state.next_deadline().expect("a deadline");
        self.now = self.now.max(at);
        self.state.handle_timeout(self.now);
        let again = Some((timer, self.now + GRACE));
        if self.state.next_deadline() == again {
            self.now += GRACE;
            self.state.handle_timeout(self.now);
        }
        timer
    }

    /// How long until something falls due, and what.
    pub(crate) fn due_in(&self) -> Option<(Timer, Duration)> {
        self.state.next_deadline().map(|(timer, at)| (timer, at - self.now))
    }
}

/// One direction of a connection: what enters arrives after a delay, in order.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) delay: Duration,
    /// Whether nothing enters, as if the reader's socket were full.
    pub(crate) is_blocked: bool,
    has_ended: bool,
    /// What is under way; nothing stands for the end of the stream.
    flying: VecDeque<(Instant, Bytes)>,
}

impl Pipe {
    fn next_arrival(&self) -> Option<Instant> {
        self.flying.front().map(|&(at, _)| at)
    }

    /// Takes what `from` has to send. Returns whether there was anything.
    fn take_from(&mut self, from: &mut Peer) -> bool {
        let is_closed = from.state.close_reason().is_some();
        if self.has_ended || (self.is_blocked && !is_closed) {
            // The socket is tried all the same, which is when the time of a write begins.
            from.transmit(0);
            return false;
        }
        let bytes = from.transmit(usize::MAX);
        self.has_ended = is_closed && !from.state.wants_write();
        if bytes.is_empty() && !is_closed {
            return false;
        }
        self.flying.push_back((from.now + self.delay, bytes));
        true
    }

    /// Hands on what has arrived. Returns whether anything had.
    fn give_to(&mut self, to: &mut Peer) -> bool {
        let arrived = self.next_arrival().is_some_and(|at| at <= to.now);
        if !arrived || !(to.state.wants_read() || to.state.close_reason().is_some()) {
            return false;
        }
        match self.flying.pop_front() {
            Some((_, bytes)) if bytes.is_empty() => to.eof(),
            // What is wrong with it shows in the events.
            Some((_, bytes)) => _ = to.feed(&bytes),
            None => {}
        }
        true
    }
}

/// Two peers of one network and the pipes between them, under one clock.
pub(crate) struct Pair {
    /// The side that opened the connection.
    pub(crate) caller: Peer,
    /// The other side.
    pub(crate) listener: Peer,
    pub(crate) to_listener: Pipe,
    pub(crate) to_caller: Pipe,
    /// What happened to each side, and when.
    pub(crate) caller_events: Vec<(Instant, Event)>,
    pub(crate) listener_events: Vec<(Instant, Event)>,
}

impl Pair {
    pub(crate) fn new(caller: ConfigBuilder, listener: ConfigBuilder, delay: Duration) -> Self {
        let pipe = || Pipe { delay, ..Pipe::default() };
        Self {
            caller: Peer::new(caller, Direction::Outbound, 1),
            listener: Peer::new(listener, Direction::Inbound, 2),
            to_listener: pipe(),
            to_caller: pipe(),
            caller_events: Vec::new(),
            listener_events: Vec::new(),
        }
    }

    /// A pair that has had time for its handshake, with the events of that forgotten.
    pub(crate) fn established(config: ConfigBuilder, delay: Duration) -> Self {
        // Clones of a configuration share their nonces, so that each would take the other
        // for itself.
        let other = config.clone().sent_nonces(Default::default());
        let mut pair = Self::new(config, other, delay);
        pair.run(delay * 4);
        assert!(pair.caller.state.is_established() && pair.listener.state.is_established());
        pair.caller_events.clear();
        pair.listener_events.clear();
        pair
    }

    /// Time passes on both sides.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.caller.now + time;
        loop {
            while self.settle() {}
            let next = [
                self.caller.state.poll_timeout(),
                self.listener.state.poll_timeout(),
                self.to_listener.next_arrival(),
                self.to_caller.next_arrival(),
            ];
            let now = self.caller.now;
            let next = next.into_iter().flatten().filter(|&at| at > now).min();
            let at = next.unwrap_or(end).min(end);
            for peer in [&mut self.caller, &mut self.listener] {
                peer.now = at;
                peer.state.handle_timeout(at);
            }
            if at == end {
                while self.settle() {}
                return;
            }
        }
    }

    /// Moves what can be moved now. Returns whether there was anything.
    fn settle(&mut self) -> bool {
        let mut moved = self.to_listener.take_from(&mut self.caller);
        moved |= self.to_caller.take_from(&mut self.listener);
        moved |= self.to_listener.give_to(&mut self.listener);
        moved |= self.to_caller.give_to(&mut self.caller);
        for (peer, log) in [
            (&mut self.caller, &mut self.caller_events),
            (&mut self.listener, &mut self.listener_events),
        ] {
            let now = peer.now;
            log.extend(peer.events().into_iter().map(|event| (now, event)));
            if peer.state.can_resume() {
                _ = peer.resume();
                moved = true;
            }
        }
        moved
    }
}
