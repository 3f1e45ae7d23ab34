//! Scripts out of bytes.

use std::time::Duration;

use bytes::Bytes;
use excc_peer::sim::{Faults, Link, Pipe};
use excc_peer::wire::{
    BlockHeader, Command, FeeFilter, Headers, InvType, InvVect, LocatorRequest, MAX_PAYLOAD,
    Message, NetAddress, PeerAddress, Ping, Pong, Protocol, Reject, RejectCode, TrailingBytes,
    Transaction, Tx, TxOut,
};
use excc_peer::{
    Budget, Chain, Config, ConfigBuilder, ConfigError, Hash, Network, Overflow, Relay,
};

use crate::input::{Input, draws_from_input};

/// Pings of the applications have nonces from here on, and their pongs below, so that no
/// pong answers by accident. No two pings are the same.
const FIRST_PING: u64 = 1_000;

/// The script of an input, as it is drawn.
pub(super) struct Script<'a> {
    input: Input<'a>,
    pings: u64,
}

draws_from_input!(Script);

impl<'a> Script<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { input: Input::new(input), pings: 0 }
    }

    /// From nanoseconds to minutes.
    pub(super) fn duration(&mut self) -> Duration {
        let scale = u32::from(self.byte()) % 10;
        Duration::from_nanos(10_u64.pow(scale) * u64::from(self.byte()))
    }

    /// One of few, so that the same ones meet again, and that all of them can be known.
    pub(super) fn vector(&mut self) -> InvVect {
        let kind = self.one_of(&[InvType::TX, InvType::BLOCK, InvType::MIX]);
        InvVect::new(kind, self.hash())
    }

    pub(super) fn hash(&mut self) -> Hash {
        Hash::from_bytes([self.byte(); 32])
    }

    pub(super) fn relay(&mut self) -> Relay {
        self.one_of(&[Relay::Trickle, Relay::Immediate])
    }

    /// A message that an honest application may send at any time. Announcements are none.
    pub(super) fn message(&mut self, protocol: Protocol) -> Message {
        match self.byte() % 16 {
            0 => self.ping(),
            1 => Message::Pong(Pong { nonce: self.byte().into() }),
            2 => Message::GetData([self.vector()].into()),
            3 => {
                let vector = self.vector();
                Message::NotFound(vec![vector; usize::from(self.byte())].into())
            }
            4 => Message::SendHeaders,
            5 => Message::FeeFilter(FeeFilter { min_fee: self.byte().into() }),
            6 => Message::GetAddr,
            7 => Message::MemPool,
            8 => {
                let entry = NetAddress::new(self.byte().into(), PeerAddress::UNSPECIFIED);
                Message::Addr(vec![entry; usize::from(self.byte() % 64)].into())
            }
            9 => {
                let header = self.header(protocol.chain);
                let headers = std::iter::repeat_n(&header, usize::from(self.byte() % 16));
                Message::Headers(
                    Headers::new(protocol.chain, headers).expect("headers of the chain"),
                )
            }
            10 => Message::GetHeaders(self.locator_request()),
            11 => Message::GetBlocks(self.locator_request()),
            12 => Reject {
                command: self.one_of(&["tx", "inv", ""]).into(),
                code: RejectCode::new(self.byte()),
                reason: "?".repeat(self.byte().into()),
                hash: self.one_of(&[None, Some(Hash::ZERO)]),
            }
            .into(),
            13 => Message::Tx(self.tx(protocol.chain)),
            _ => self.any_message(protocol),
        }
    }

    /// A `ping` that no other one is like.
    pub(super) fn ping(&mut self) -> Message {
        self.pings += 1;
        Message::Ping(Ping { nonce: FIRST_PING + self.pings })
    }

    /// A message of up to 450 kB, and of at most a number of bytes.
    pub(super) fn bulk(&mut self, most: usize) -> Message {
        let vector = self.vector();
        let count = usize::from(self.byte()) * 49;
        Message::NotFound(vec![vector; count.min(most / size_of::<InvVect>())].into())
    }

    /// Whatever can be made of bytes that are all the same.
    fn any_message(&mut self, protocol: Protocol) -> Message {
        let command = self.one_of(Command::ALL);
        let len = usize::from(self.byte()) * 16;
        let payload = Bytes::from(vec![self.byte(); len]);
        match command {
            Command::Ping | Command::Pong | Command::Inv | Command::Reject => Message::GetAddr,
            command => Message::decode(command, &payload, protocol, TrailingBytes::Ignore)
                .unwrap_or(Message::GetAddr),
        }
    }

    fn tx(&mut self, chain: Chain) -> Tx {
        let pk_script = vec![0; usize::from(self.byte()) * 16].into();
        let output = TxOut { value: 1, version: 0, pk_script };
        let transaction = Transaction { outputs: vec![output], ..Transaction::default() };
        transaction.encode(chain).expect("a valid transaction")
    }

    fn locator_request(&mut self) -> LocatorRequest {
        let hash = self.hash();
        LocatorRequest { stop: hash, ..LocatorRequest::new(vec![hash; self.byte().into()]) }
    }

    fn header(&mut self, chain: Chain) -> BlockHeader {
        let hash = self.hash();
        BlockHeader {
            prev_block: hash,
            merkle_root: hash,
            stake_root: hash,
            ..BlockHeader::zeroed(chain)
        }
    }
}

/// How the peers are made and what lies between them.
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) link: Link,
    pub(super) caller: Side,
    pub(super) listener: Side,
    /// Whether each takes the other for itself.
    pub(super) is_self_connection: bool,
    /// The least time that bytes take there and back.
    pub(super) least_round_trip: Duration,
    /// Whether bits may flip on the way.
    pub(super) flips: bool,
    /// Whether the connection may break by itself.
    pub(super) breaks: bool,
    /// Whether bytes arrive so soon that nobody runs out of patience, as long as there are not
    /// too many.
    pub(super) is_quick: bool,
    /// Whether even many bytes do.
    pub(super) is_wide: bool,
}

/// How one peer is made.
pub(super) struct Side {
    pub(super) config: Config,
    pub(super) version: u32,
    pub(super) oldest: u32,
    /// Whether versions are reviewed, and then whether they are accepted at once.
    pub(super) reviews: bool,
    pub(super) accepts_at_once: bool,
    /// Whether requests are answered.
    pub(super) answers: bool,
    pub(super) is_patient: bool,
    /// Whether the peer remembers all vectors that it receives in a run.
    pub(super) remembers: bool,
}

impl Setup {
    /// # Errors
    ///
    /// Those of the configurations, which may refuse a setting of the script.
    pub(super) fn new(script: &mut Script<'_>) -> Result<Self, ConfigError> {
        let network = script.one_of(&Network::ALL);
        let seed = script.byte().into();
        let flags = script.byte();
        // One of the rarer things that make a run short.
        let is_self_connection = flags % 16 == 15;
        let has_faults = flags & 16 != 0;
        let to_listener = Way::new(script, has_faults);
        let to_caller =
            if flags & 32 == 0 { to_listener.clone() } else { Way::new(script, has_faults) };

        let caller = Side::new(script, network, None)?;
        let shared = is_self_connection.then_some(&caller);
        let listener = Side::new(script, network, shared)?;
        Ok(Self {
            seed,
            is_self_connection,
            least_round_trip: to_listener.latency + to_caller.latency,
            flips: to_listener.flips || to_caller.flips,
            breaks: to_listener.breaks || to_caller.breaks,
            is_quick: to_listener.is_quick && to_caller.is_quick,
            is_wide: to_listener.is_wide && to_caller.is_wide,
            link: Link::new(to_listener.pipe, to_caller.pipe),
            caller,
            listener,
        })
    }
}

/// Messages that are accepted unasked up to a certain size only, by default.
const ANSWERS: [Command; 10] = [
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

/// One direction of the connection.
#[derive(Clone)]
struct Way {
    pipe: Pipe,
    latency: Duration,
    flips: bool,
    breaks: bool,
    is_quick: bool,
    is_wide: bool,
}

impl Way {
    fn new(script: &mut Script<'_>, has_faults: bool) -> Self {
        const MILLI: Duration = Duration::from_millis(1);

        let latency = script.one_of(&[MILLI, Duration::ZERO, MILLI * 300, MILLI * 3_000]);
        let jitter = script.one_of(&[Duration::ZERO, MILLI, MILLI * 300, MILLI * 3_000]);
        let bandwidth = script.one_of(&[None, Some(1_000_000), Some(10_000), Some(500)]);
        let capacity = script.one_of(&[1 << 24, 10_000, 100, 1]);
        let [split, merge] = [(); 2].map(|()| script.one_of(&[0.0, 0.1, 0.5, 1.0]));
        let wait = script.one_of(&[MILLI * 40, Duration::ZERO, MILLI * 300, MILLI * 3_000]);

        let mut faults = Faults::new().split(split).merge(merge, wait);
        let [mut flips, mut breaks] = [false; 2];
        if has_faults {
            let flip = script.one_of(&[0.0, 0.01, 0.2]);
            flips = flip > 0.0;
            faults = faults.flip(flip);
            let bytes = u64::from(script.byte()) * 8;
            breaks = bytes > 0;
            if breaks {
                faults = faults.reset_after(bytes);
            }
        }
        let mut pipe =
            Pipe::new().latency(latency).jitter(jitter).capacity(capacity).faults(faults);
        if let Some(bandwidth) = bandwidth {
            pipe = pipe.bandwidth(bandwidth);
        }
        // A full pipe moves no more than it holds in the time that a byte takes.
        let slowest = latency.max(jitter).max(wait);
        let moves = |bytes_per_second: u32| {
            let all = latency + jitter + if merge > 0.0 { wait } else { Duration::ZERO };
            let in_flight = all * bytes_per_second;
            in_flight <= Duration::from_secs(capacity as u64)
                && bandwidth.is_none_or(|bandwidth| bandwidth >= bytes_per_second.into())
        };
        let is_quick = slowest <= MILLI * 300 && moves(10_000);
        let is_wide = slowest <= MILLI * 300 && moves(1_000_000);
        Self { pipe, latency, flips, breaks, is_quick, is_wide }
    }
}

impl Side {
    fn new(
        script: &mut Script<'_>,
        network: Network,
        shared: Option<&Side>,
    ) -> Result<Self, ConfigError> {
        const fn secs(secs: u64) -> Duration {
            Duration::from_secs(secs)
        }

        let chain = network.chain();
        let flags = script.byte();
        let has = |bit: u8| flags & (1 << bit) != 0;
        let version = match script.byte() {
            0 => chain.advertised_version(),
            version => 1 + u32::from(version - 1) % chain.newest_version(),
        };
        let oldest = match script.byte() {
            0 => chain.min_remote_version().min(version),
            oldest => u32::from(oldest) % (version + 1),
        };
        let reviews = has(0);
        let overflow = if has(2) { Overflow::Close } else { Overflow::Refuse };
        let (known, lifetime) = script.one_of(&[
            (1_000, secs(10_000)),
            (5, secs(900)),
            (0, secs(900)),
            (1_000, secs(3)),
        ]);
        let max_waiting_announcements = script.one_of(&[50_000, 0, 3]);
        let max_queued_bytes = script.one_of(&[40 << 20, 20_000, 500, 191]);
        let max_events = script.one_of(&[(128, 4 << 20), (1, 4 << 20), (3, 0), (128, 100)]);
        let trickle = script.one_of(&[
            secs(0)..=secs(1),
            secs(0)..=secs(0),
            secs(10)..=secs(10),
            secs(1)..=secs(3),
        ]);
        // The first of each are patient enough for any quick connection.
        let (idle, ping) = script.one_of(&[
            (Some(secs(120)), Some(secs(50))),
            (None, Some(secs(60))),
            (Some(secs(10)), Some(secs(3))),
            (Some(secs(60)), None),
        ]);
        let pong = script.one_of(&[None, Some(secs(40)), Some(secs(2))]);
        let handshake = script.one_of(&[secs(30), secs(5), secs(1)]);
        let write = script.one_of(&[Some(secs(20)), None, Some(secs(1))]);
        let response = script.one_of(&[Some(secs(30)), None, Some(secs(1))]);
        // A byte that had few meanings has more in its upper bits.
        let last = script.byte();
        let max_requested = [75_000, 0, 2][usize::from(last % 3)];
        let limits_answers = last >= 192;
        let max_pings = (last >= 128).then(|| (1 + u64::from(last) % 16, last.is_multiple_of(2)));
        let read_rate = [10_240, 1, 1_000, 10_240][usize::from(last / 16 % 4)];
        let is_patient = (idle.is_none() || idle == Some(secs(120)))
            && pong != Some(secs(2))
            && handshake > secs(1)
            && write != Some(secs(1))
            && response != Some(secs(1));

        let mut builder: ConfigBuilder = Config::builder(network)
            .user_agent("fuzz", "1")
            .protocol_version(version)
            .min_remote_version(oldest)
            .review_version(reviews)
            .relay(!has(3))
            .overflow(overflow)
            .known_inventory(known, lifetime)
            .max_waiting_announcements(max_waiting_announcements)
            .max_queued_bytes(max_queued_bytes)
            .max_waiting_events(max_events.0, max_events.1)
            .trickle_interval(trickle)
            .idle_timeout(idle)
            .ping_interval(ping)
            .pong_timeout(pong)
            .handshake_timeout(handshake)
            .verack_timeout(if has(4) { None } else { Some(handshake) })
            .write_timeout(write)
            .response_timeout(Command::GetData, response)
            .response_timeout(Command::GetHeaders, response)
            .response_timeout(Command::GetInitState, None)
            .max_requested(max_requested)
            .read_rate(read_rate)
            .trailing_bytes(if has(5) { TrailingBytes::Reject } else { TrailingBytes::of(chain) });
        if !limits_answers {
            builder = ANSWERS
                .into_iter()
                .fold(builder, |builder, command| builder.max_unsolicited(command, MAX_PAYLOAD));
        }
        if let Some((burst, closes)) = max_pings {
            let budget = Budget::messages(burst, secs(1_000_000));
            let budget = if closes { budget.close() } else { budget };
            builder = builder.budget(Command::Ping, budget);
        }
        if let Some(other) = shared {
            builder = builder.sent_nonces(other.config.sent_nonces().clone());
        }
        Ok(Self {
            config: builder.build()?,
            version,
            oldest,
            reviews,
            accepts_at_once: has(1),
            answers: !has(6),
            is_patient,
            remembers: known == 1_000 && lifetime > secs(3),
        })
    }
}
