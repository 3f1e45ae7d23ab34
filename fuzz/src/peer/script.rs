//! What the bytes of an input stand for.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use excc_peer::wire::{
    BlockHeader, Command, FeeFilter, Headers, HostAddress, InvType, InvVect, LocatorRequest,
    MAX_PAYLOAD, Message, NetAddress, NetAddressV2, PeerAddress, Ping, Pong, Protocol, Reject,
    RejectCode, Services, TrailingBytes, Transaction, Tx, TxOut, Version,
};
use excc_peer::{
    AddressHiding, Budget, Chain, Config, ConfigBuilder, ConfigError, Direction, Hash, Network,
    Overflow, Relay, UnixTime,
};

use crate::input::{Input, draws_from_input};

/// The remote's address.
pub(super) const REMOTE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7)), 9666);

/// The wall clock when the peer is made.
pub(super) const UNIX_TIME: UnixTime = UnixTime::from_secs(1_700_000_000);

/// What an input stands for, as it is drawn.
pub(super) struct Script<'a> {
    input: Input<'a>,
}

draws_from_input!(Script);

impl<'a> Script<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { input: Input::new(input) }
    }

    /// As many bytes as the next one says.
    pub(super) fn run(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take(len.into())
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// From nanoseconds to years, in two bytes; forever, at last.
    pub(super) fn duration(&mut self) -> Duration {
        let [scale, count] = self.array();
        match scale % 13 {
            12 => Duration::MAX,
            scale => Duration::from_nanos(10_u64.pow(scale.into()) * u64::from(count)),
        }
    }

    /// One of few, so that the same ones meet again.
    pub(super) fn vector(&mut self) -> InvVect {
        let [kind, number] = self.array();
        let kind = match kind % 8 {
            0..=3 => InvType::TX,
            4 | 5 => InvType::BLOCK,
            6 => InvType::MIX,
            _ => InvType::new(kind.into()),
        };
        vector(kind, number.into())
    }

    pub(super) fn relay(&mut self) -> Relay {
        self.one_of(&[Relay::Trickle, Relay::Immediate])
    }

    /// Any message of either side, in any order; `answering` is the nonce of a ping that
    /// may be answered.
    pub(super) fn message(&mut self, protocol: Protocol, answering: Option<u64>) -> Message {
        match self.byte() % 20 {
            0 => self.version(protocol).into(),
            1 => Message::VerAck,
            2 => Message::Ping(Ping { nonce: self.u64() }),
            3 => Message::Pong(Pong { nonce: answering.unwrap_or(1) }),
            4 => Message::Pong(Pong { nonce: self.u64() }),
            5 => Message::Inv([self.vector()].into()),
            6 => {
                let kind = self.one_of(&[InvType::TX, InvType::BLOCK, InvType::new(9)]);
                let [first, count]: [u8; 2] = self.array();
                let numbers = u32::from(first)..;
                let count = usize::from(count) * 4;
                Message::Inv(numbers.take(count).map(|number| vector(kind, number)).collect())
            }
            7 => Message::GetData([self.wanted(protocol.chain)].into()),
            8 => Message::NotFound((0..self.byte()).map(|_| self.vector()).collect()),
            9 => Message::SendHeaders,
            10 => Message::FeeFilter(FeeFilter { min_fee: self.u64().cast_signed() }),
            11 => Message::GetAddr,
            12 => Message::MemPool,
            13 => {
                let entry = NetAddress::new(self.u16().into(), self.address());
                Message::Addr(vec![entry; usize::from(self.u16()) % 1_002].into())
            }
            14 => {
                let header = self.header(protocol.chain);
                let count = usize::from(self.byte());
                let headers = std::iter::repeat_n(&header, count);
                Message::Headers(Headers::new(protocol.chain, headers).expect("of the chain"))
            }
            15 => Message::GetHeaders(self.locator_request()),
            16 => Message::GetBlocks(self.locator_request()),
            17 => Reject {
                command: self.one_of(&["tx", "inv", ""]).into(),
                code: RejectCode::new(self.byte()),
                reason: "?".repeat(self.u16().into()),
                hash: self.one_of(&[None, Some(Hash::ZERO)]),
            }
            .into(),
            18 => Message::Tx(self.tx(protocol.chain)),
            _ => {
                let command = self.one_of(Command::ALL);
                let len = self.byte();
                let payload = Bytes::from(vec![self.byte(); usize::from(len) * 64]);
                let trailing = TrailingBytes::Ignore;
                Message::decode(command, &payload, protocol, trailing).unwrap_or(Message::GetAddr)
            }
        }
    }

    /// A transaction that can be asked for.
    pub(super) fn small_tx(&mut self, chain: Chain) -> Message {
        Message::Tx(paying(chain, 0))
    }

    fn tx(&mut self, chain: Chain) -> Tx {
        paying(chain, usize::from(self.byte()) * 64)
    }

    /// Some vector, which may be that of a transaction that can come.
    fn wanted(&mut self, chain: Chain) -> InvVect {
        match self.byte() {
            255 => InvVect::tx(paying(chain, 0).tx_hash()),
            _ => self.vector(),
        }
    }

    pub(super) fn addresses(&mut self) -> Vec<NetAddressV2> {
        let [count, hosts]: [u8; 2] = self.array();
        let address = |number: usize| NetAddressV2 {
            timestamp: number as u64,
            services: Services::NODE_NETWORK,
            addr: match usize::from(hosts) & number {
                0 => HostAddress::Ipv4([203, 0, 113, number as u8].into()),
                1..4 => HostAddress::Ipv6([number as u16; 8].into()),
                _ => HostAddress::TorV3([number as u8; 32]),
            },
            port: 9666,
        };
        (0..usize::from(count) * 8).map(address).collect()
    }

    fn version(&mut self, protocol: Protocol) -> Version {
        let protocol_version = match self.byte() {
            0 => protocol.version.cast_signed(),
            255 => i32::MAX,
            254 => -1,
            version => i32::from(version) % 16,
        };
        Version {
            protocol_version,
            services: Services::from_bits_retain(self.byte().into()),
            timestamp: match self.byte() {
                0 => UNIX_TIME.as_secs().cast_signed(),
                255 => i64::MAX,
                254 => i64::MIN,
                seconds => seconds.into(),
            },
            receiver: PeerAddress::UNSPECIFIED,
            sender: PeerAddress::UNSPECIFIED,
            nonce: self.byte().into(),
            user_agent: "~".repeat(self.byte().into()),
            start_height: i32::from(self.byte()) - 100,
            relay: self.byte() % 4 != 3,
        }
    }

    fn address(&mut self) -> PeerAddress {
        PeerAddress::from_parts(
            Services::from_bits_retain(self.u64()),
            self.array::<16>().into(),
            self.u16(),
        )
    }

    pub(super) fn locator_request(&mut self) -> LocatorRequest {
        let count = usize::from(self.u16()) % 502;
        let hash = Hash::from_bytes([self.byte(); 32]);
        LocatorRequest { stop: hash, ..LocatorRequest::new(vec![hash; count]) }
    }

    fn header(&mut self, chain: Chain) -> BlockHeader {
        let hash = Hash::from_bytes([self.byte(); 32]);
        BlockHeader {
            prev_block: hash,
            merkle_root: hash,
            stake_root: hash,
            height: self.byte().into(),
            ..BlockHeader::zeroed(chain)
        }
    }
}

fn paying(chain: Chain, script_len: usize) -> Tx {
    let output = TxOut { value: 1, version: 0, pk_script: vec![0; script_len].into() };
    let transaction = Transaction { outputs: vec![output], ..Transaction::default() };
    transaction.encode(chain).expect("a valid transaction")
}

fn vector(kind: InvType, number: u32) -> InvVect {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_le_bytes());
    InvVect::new(kind, Hash::from_bytes(hash))
}

/// How the peer is made, and what its model needs to know of that.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) direction: Direction,
    pub(super) trailing: TrailingBytes,
    /// Lower limits for payloads.
    pub(super) max_payloads: Vec<(Command, usize)>,
    /// Limits for payloads that nobody asked for, where they are not the defaults.
    pub(super) max_unsolicited: Vec<(Command, usize)>,
    pub(super) budget: Option<Limit>,
    pub(super) handshake_timeout: Duration,
    pub(super) verack_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) pong_timeout: Option<Duration>,
    pub(super) reviews: bool,
    pub(super) write_timeout: Option<Duration>,
    pub(super) known: (usize, Duration),
    pub(super) longest_trickle: Duration,
    pub(super) max_waiting_announcements: usize,
    pub(super) max_queued_bytes: usize,
    pub(super) overflow: Overflow,
    pub(super) max_waiting_events: usize,
    pub(super) max_waiting_event_bytes: usize,
    pub(super) response_timeout: Option<Duration>,
    pub(super) max_requested: usize,
    pub(super) sends_unwelcome: bool,
    /// Whether what is queued is looked at after every step, rather than when it leaves:
    /// looking starts the clock of the write timeout.
    pub(super) looks: bool,
}

impl Setup {
    /// # Errors
    ///
    /// Those of the configuration, which may refuse what the script asks for.
    pub(super) fn new(script: &mut Script<'_>) -> Result<Self, ConfigError> {
        let network = script.one_of(&Network::ALL);
        let chain = network.chain();
        let flags = script.byte();
        let has = |bit: u8| flags & (1 << bit) != 0;
        let version = match script.byte() {
            0 => chain.advertised_version(),
            version => 1 + u32::from(version - 1) % chain.newest_version(),
        };
        let mut setup = Self {
            config: Config::builder(network).build()?,
            direction: if has(0) { Direction::Inbound } else { Direction::Outbound },
            reviews: has(1),
            overflow: if has(2) { Overflow::Close } else { Overflow::Refuse },
            trailing: if has(3) { TrailingBytes::Reject } else { TrailingBytes::of(chain) },
            looks: !has(4),
            max_payloads: vec![(
                Command::Reject,
                script.one_of(&[4 * 1024, 0, 20, 32 * 1024 * 1024]),
            )],
            max_unsolicited: ANSWERS.map(|command| (command, MAX_PAYLOAD)).into(),
            budget: None,
            write_timeout: script.one_of(&[
                Some(Duration::from_secs(20)),
                None,
                Some(MOMENT),
                Some(SECOND),
            ]),
            known: (
                script.one_of(&[1_000, 0, 1, 5]),
                script.one_of(&[
                    Duration::from_secs(900),
                    Duration::ZERO,
                    Duration::from_secs(3),
                    Duration::MAX,
                ]),
            ),
            longest_trickle: script.one_of(&[
                Duration::from_millis(500),
                Duration::ZERO,
                Duration::from_secs(10),
                Duration::MAX,
            ]),
            max_waiting_announcements: script.one_of(&[50_000, 0, 3]),
            max_queued_bytes: script.one_of(&[40 * 1024 * 1024, 191, 500, 20_000]),
            max_waiting_events: script.one_of(&[128, 1, 3]),
            max_waiting_event_bytes: script.one_of(&[4 * 1024 * 1024, 0, 100]),
            handshake_timeout: Duration::ZERO,
            verack_timeout: None,
            idle_timeout: None,
            pong_timeout: None,
            response_timeout: Some(Duration::from_secs(30)),
            max_requested: 75_000,
            sends_unwelcome: false,
        };
        let longest = setup.longest_trickle;
        let trickle = script.one_of(&[Duration::ZERO, longest])..=longest;
        setup.handshake_timeout = script.one_of(&[Duration::from_secs(30), MOMENT, Duration::MAX]);
        setup.verack_timeout = script.one_of(&[Some(Duration::from_secs(30)), None, Some(MOMENT)]);
        setup.idle_timeout = script.one_of(&[
            Some(Duration::from_secs(120)),
            None,
            Some(SECOND),
            Some(Duration::from_millis(60)),
        ]);
        setup.pong_timeout = script.one_of(&[None, Some(SECOND), Some(MOMENT)]);
        let mut builder = Config::builder(network)
            .user_agent("fuzz", "1")
            .protocol_version(version)
            .review_version(setup.reviews)
            .overflow(setup.overflow)
            .trailing_bytes(setup.trailing)
            .relay(!has(5))
            .address_hiding(if has(6) { AddressHiding::Always } else { AddressHiding::Never })
            .allow_self_connections(has(7))
            .write_timeout(setup.write_timeout)
            .known_inventory(setup.known.0, setup.known.1)
            .max_waiting_announcements(setup.max_waiting_announcements)
            .max_queued_bytes(setup.max_queued_bytes)
            .max_waiting_events(setup.max_waiting_events, setup.max_waiting_event_bytes)
            .trickle_interval(trickle)
            .handshake_timeout(setup.handshake_timeout)
            .verack_timeout(setup.verack_timeout)
            .idle_timeout(setup.idle_timeout)
            .start_height(script.byte().into());
        let more = script.byte();
        match more % 8 {
            1 => builder = builder.ping_interval(None),
            2 => builder = builder.ping_interval(Some(SECOND / 2)),
            3 => builder = builder.ping_interval(Some(Duration::from_millis(1))),
            _ => {}
        }
        match more / 8 % 4 {
            1 => setup.response_timeout = None,
            2 => setup.response_timeout = Some(SECOND),
            3 => setup.max_requested = 3,
            _ => {}
        }
        setup.sends_unwelcome = more & 32 != 0;
        builder = builder
            .response_timeout(Command::GetData, setup.response_timeout)
            .max_requested(setup.max_requested)
            .send_unwelcome(setup.sends_unwelcome);
        if more & 64 != 0 {
            let requests = [Command::GetHeaders, Command::GetBlocks, Command::MemPool];
            builder = requests
                .into_iter()
                .fold(builder, |builder, request| builder.response_timeout(request, Some(SECOND)))
                .duplicate_request_lifetime(SECOND)
                .inv_batch(2);
        }
        if more & 128 != 0 {
            builder = builder
                .read_rate(1)
                .write_rate(1)
                .max_before_verack(1)
                .required_services(Services::NODE_NETWORK);
        }
        let last = script.byte();
        let (minimum, rules) = (last % 16, last / 16);
        if minimum > 0 {
            builder = builder.min_remote_version(u32::from(minimum - 1));
        }
        builder = setup.set_rules(builder, rules, script);
        setup.config = builder.build()?;
        Ok(setup)
    }

    /// Sets what few scripts need, and draws more for each of it.
    fn set_rules(
        &mut self,
        mut builder: ConfigBuilder,
        rules: u8,
        script: &mut Script<'_>,
    ) -> ConfigBuilder {
        if rules & 1 != 0 {
            let limit = Limit::new(script);
            builder = builder.budget(limit.command, limit.budget());
            self.budget = Some(limit);
        }
        if rules & 2 != 0 {
            self.max_unsolicited.clear();
            let command = script.one_of(&SIZED);
            self.max_payloads.push((command, usize::from(script.byte()) * 4));
            if script.byte() & 1 != 0 {
                let command = script.one_of(&SIZED);
                self.max_unsolicited.push((command, usize::from(script.byte())));
            }
        }
        if rules & 4 != 0 {
            let rates = [10_240, 100, 1, u32::MAX];
            builder = builder.read_rate(script.one_of(&rates)).write_rate(script.one_of(&rates));
        }
        if rules & 8 != 0 {
            let [short, long] = [5, 300].map(Duration::from_secs);
            self.pong_timeout = script.one_of(&[Some(short), Some(long)]);
            self.verack_timeout = script.one_of(&[Some(short), Some(long)]);
            builder = builder.verack_timeout(self.verack_timeout);
        }
        builder = builder.pong_timeout(self.pong_timeout);
        for &(command, bytes) in &self.max_payloads {
            builder = builder.max_payload(command, bytes);
        }
        for &(command, bytes) in &self.max_unsolicited {
            builder = builder.max_unsolicited(command, bytes);
        }
        builder
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// The shortest timeout.
const MOMENT: Duration = Duration::from_nanos(1);

/// Messages that are accepted unasked up to a certain size only, by default.
pub(super) const ANSWERS: [Command; 10] = [
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

/// Messages that get limits of their own.
const SIZED: [Command; 8] = [
    Command::NotFound,
    Command::Headers,
    Command::Inv,
    Command::Tx,
    Command::Addr,
    Command::Ping,
    Command::Block,
    Command::InitState,
];

/// How much of one command the remote may send.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) command: Command,
    pub(super) messages: (u64, Duration),
    pub(super) bytes: Option<(u64, Duration)>,
    pub(super) closes: bool,
}

impl Limit {
    fn new(script: &mut Script<'_>) -> Self {
        let time =
            |script: &mut Script<'_>| script.one_of(&[SECOND, MOMENT, SECOND * 100, Duration::MAX]);
        let command = script.one_of(&[Command::Ping, Command::Inv, Command::Pong, Command::Tx]);
        let [messages, bytes]: [u8; 2] = script.array();
        Self {
            command,
            messages: (1 + u64::from(messages) % 8, time(script)),
            bytes: (bytes >= 128).then(|| (u64::from(bytes), time(script))),
            closes: bytes % 2 == 1,
        }
    }

    fn budget(&self) -> Budget {
        let (burst, time) = self.messages;
        let budget = Budget::messages(burst, time);
        let budget = self.bytes.map_or(budget, |(burst, time)| budget.and_bytes(burst, time));
        if self.closes { budget.close() } else { budget }
    }
}
