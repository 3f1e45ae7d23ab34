//! A peer under virtual time, and messages and bytes of a remote, for the tests of behaviour.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use excc_peer::wire::{
    BlockHeader, BlockParts, Command, Decoder, EncodedMessage, InputBuffer, InvVect, List,
    MAX_PAYLOAD, Message, MixFactPoly, PeerAddress, Ping, Pong, Protocol, Services, TrailingBytes,
    Transaction, Tx, TxOut, Version,
};
use excc_peer::{
    Chain, CloseReason, Config, ConfigBuilder, Direction, Event, Hash, Instant, Network, PeerState,
    Timer, UnixTime,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub(crate) const EXCC: Network = Network::EXCC_MAINNET;
pub(crate) const DCR: Network = Network::DCR_MAINNET;

/// The wall-clock time at which every peer is created.
pub(crate) const UNIX_TIME: UnixTime = UnixTime::from_secs(1_700_000_000);

/// The bytes that a queued message counts in addition to its frame.
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

/// The base configuration of a test. It accepts unsolicited answers, so that a test need not send
/// the requests.
pub(crate) fn config(network: Network) -> ConfigBuilder {
    let builder = Config::builder(network).user_agent("test", "1");
    ANSWERS
        .into_iter()
        .fold(builder, |builder, command| builder.max_unsolicited(command, MAX_PAYLOAD))
}

/// A configuration without pings and without an idle timeout.
pub(crate) fn quiet(network: Network) -> ConfigBuilder {
    config(network).idle_timeout(None).ping_interval(None)
}

/// The messages with a default limit on unsolicited payloads.
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

/// The time between the two steps of a judgement (`docs/protocol.md`, 10.3).
pub(crate) const GRACE: Duration = millis(50);

/// The default of `read_rate` and of `write_rate`, in bytes a second.
pub(crate) const RATE: u64 = 10_240;

/// The extension of a deadline by `bytes` bytes at [`RATE`] (`docs/protocol.md`, 10.2).
pub(crate) const fn worth(bytes: u64) -> Duration {
    nanos(bytes * 1_000_000_000 / RATE)
}

/// A deterministic source of randomness.
pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The `version` of a remote.
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

/// A hash that is unique to the number.
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

/// A transaction with one output, whose script has `script_len` bytes.
pub(crate) fn paying(chain: Chain, script_len: usize) -> Tx {
    let pk_script = vec![0; script_len].into();
    let outputs = vec![TxOut { value: 1, version: 0, pk_script }];
    Transaction { outputs, ..Transaction::default() }.encode(chain).expect("a valid transaction")
}

/// A block header with nonzero fields.
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

pub(crate) fn ping(nonce: u64) -> Message {
    Message::Ping(Ping { nonce })
}

pub(crate) fn pong(nonce: u64) -> Message {
    Message::Pong(Pong { nonce })
}

pub(crate) fn inv(vectors: impl IntoIterator<Item = InvVect>) -> Message {
    Message::Inv(vectors.into_iter().collect())
}

pub(crate) fn getdata(vectors: impl IntoIterator<Item = InvVect>) -> Message {
    Message::GetData(vectors.into_iter().collect())
}

pub(crate) fn not_found(vectors: impl IntoIterator<Item = InvVect>) -> Message {
    Message::NotFound(vectors.into_iter().collect())
}

/// A `block` and its vector.
pub(crate) fn block_message(network: Network, header: BlockHeader) -> (Message, InvVect) {
    let chain = network.chain();
    let vector = InvVect::block(header.block_hash());
    let (transactions, stake_transactions) = (vec![paying(chain, 10)], vec![]);
    let parts = BlockParts { header, transactions, stake_transactions };
    let block = parts.encode(Protocol::new(chain, chain.advertised_version()));
    (Message::Block(block.expect("a valid block")), vector)
}

/// A message of each kind that answers a `getdata`, with its vector.
pub(crate) fn objects(network: Network) -> Vec<(Message, InvVect)> {
    let tx = paying(network.chain(), 20);
    let vector = InvVect::tx(tx.tx_hash());
    let mut objects =
        vec![block_message(network, header(network.chain())), (Message::Tx(tx), vector)];
    objects.extend((network == DCR).then(mix_message));
    objects
}

fn mix_message() -> (Message, InvVect) {
    let message = Message::from(MixFactPoly {
        signature: [1; 64],
        identity: [2; 33],
        session_id: [3; 32],
        run: 0,
        roots: std::iter::once(&[7_u8; 5][..]).collect(),
        seen_slot_reserves: List::new(),
    });
    let hash = message.as_mix().and_then(|mix| mix.message_hash().ok()).expect("a mix message");
    (message, InvVect::mix(hash))
}

/// The frame of a valid message.
pub(crate) fn frame(network: Network, version: u32, message: impl Into<Message>) -> Bytes {
    EncodedMessage::new(&network, version, &message.into()).expect("a valid message").to_bytes()
}

/// A frame with a correct length and checksum, whatever its command and payload.
pub(crate) fn raw_frame(network: Network, command: &[u8], payload: &[u8]) -> Vec<u8> {
    let checksum = network.chain().hash_function().checksum(&[payload]);
    let mut frame = raw_header(network, command, payload.len() as u32, checksum);
    frame.extend_from_slice(payload);
    frame
}

/// A frame header with any command, length and checksum.
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
pub(crate) fn unsolicited(message: impl Into<Message>) -> Event {
    Event::Message { message: message.into(), solicited: false }
}

/// The event of a message that answers a request.
pub(crate) fn solicited(message: impl Into<Message>) -> Event {
    Event::Message { message: message.into(), solicited: true }
}

/// The name of the decoding error in a close reason.
pub(crate) fn decode_error(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Decode(error) => error.kind().name(),
        other => panic!("closed for another reason: {other}"),
    }
}

/// A [`PeerState`] with its input buffer, a virtual clock, and a decoder of the bytes that it
/// sends.
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
        // A peer never sends trailing bytes, on either chain.
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

    /// An inbound peer after a handshake at our highest version, with no waiting events and an
    /// empty queue.
    pub(crate) fn established(config: ConfigBuilder) -> Self {
        let mut peer = Self::inbound(config);
        let highest = peer.state.protocol_version().cast_signed();
        peer.shake_hands(version(highest));
        peer
    }

    /// An established peer with an outstanding request, which has a stall timeout.
    pub(crate) fn requesting(config: ConfigBuilder, request: Message, timeout: Duration) -> Self {
        let config = config.response_timeout(request.command(), Some(timeout));
        let mut peer = Self::established(config);
        peer.send_now(request);
        peer.events();
        peer
    }

    /// Completes the handshake with a remote that sends `version`.
    pub(crate) fn shake_hands(&mut self, version: Version) {
        self.receive(version).expect("an acceptable version");
        self.receive(Message::VerAck).expect("an acceptable verack");
        assert!(self.state.is_established());
        self.events();
        self.sent();
    }

    /// Receives bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.buffer.extend_from_slice(bytes);
        self.state.handle_input(self.now, &mut self.buffer)
    }

    /// Receives a message, encoded for the negotiated version.
    pub(crate) fn receive(&mut self, message: impl Into<Message>) -> Result<(), CloseReason> {
        self.feed(&frame(self.network, self.state.protocol_version(), message))
    }

    /// Continues once with input that waits in the buffer.
    pub(crate) fn resume(&mut self) -> Result<(), CloseReason> {
        assert!(self.state.can_resume());
        self.state.handle_input(self.now, &mut self.buffer)
    }

    /// The remote ends its stream.
    pub(crate) fn eof(&mut self) {
        self.state.handle_eof(self.now);
    }

    /// Takes all waiting events.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.state.poll_event()).collect()
    }

    /// Takes all waiting events and returns their messages.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        let message = |event| match event {
            Event::Message { message, .. } => Some(message),
            _ => None,
        };
        self.events().into_iter().filter_map(message).collect()
    }

    /// Takes all waiting events, of which the last must be `Closed`, and returns its reason.
    pub(crate) fn closed(&mut self) -> CloseReason {
        match self.events().pop() {
            Some(Event::Closed(reason)) => reason,
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Lets time pass up to a deadline and through the grace period. The peer must close at the end
    /// and not earlier. Returns the reason.
    pub(crate) fn closed_after(&mut self, time: Duration) -> CloseReason {
        self.advance(time + GRACE - nanos(1));
        assert_eq!(self.state.close_reason(), None, "closed too early");
        self.advance(nanos(1));
        self.closed()
    }

    /// Writes at most `max` bytes, and returns them.
    pub(crate) fn transmit(&mut self, max: usize) -> Bytes {
        let mut out = self.state.transmit(self.now);
        let len = out.remaining().min(max);
        out.copy_to_bytes(len)
    }

    /// Writes the whole queue, and returns the messages that it completes.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let bytes = self.transmit(usize::MAX);
        self.unread.extend_from_slice(&bytes);
        self.reader.set_version(self.state.protocol_version());
        std::iter::from_fn(|| self.reader.decode(&mut self.unread).expect("valid frames"))
            .map(|frame| frame.message)
            .collect()
    }

    /// Queues a message and writes the whole queue.
    pub(crate) fn send_now(&mut self, message: impl Into<Message>) {
        self.state.send(self.now, message).expect("is queued");
        self.sent();
    }

    /// Like [`sent`](Self::sent), but returns only the commands.
    pub(crate) fn sent_commands(&mut self) -> Vec<Command> {
        self.sent().iter().map(Message::command).collect()
    }

    /// Writes the queue, which must be one `ping`, and returns its nonce.
    pub(crate) fn sent_ping(&mut self) -> u64 {
        match self.sent().as_slice() {
            [Message::Ping(ping)] => ping.nonce,
            other => panic!("not a ping: {other:?}"),
        }
    }

    /// Lets time pass, with each deadline handled when it is due.
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

    /// Lets time pass, with each deadline handled when it is due, and stops when the peer closes.
    pub(crate) fn advance_until_closed(&mut self, by: Duration) {
        let end = self.now + by;
        while self.state.close_reason().is_none() {
            match self.state.poll_timeout().filter(|&at| at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => {
                    self.now = end;
                    return;
                }
            }
            self.state.handle_timeout(self.now);
        }
    }

    /// Lets time pass up to the next deadline, handles it, and returns its timer. A deadline of
    /// the remote is judged twice.
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

    /// The next deadline and the time until it.
    pub(crate) fn due_in(&self) -> Option<(Timer, Duration)> {
        self.state.next_deadline().map(|(timer, at)| (timer, at - self.now))
    }
}
