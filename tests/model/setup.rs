//! How a peer of a script is made.

use std::ops::RangeInclusive;
use std::time::Duration;

use excc_peer::wire::{Command, Services, TrailingBytes};
use excc_peer::{AddressHiding, Config, Direction, Network, Overflow, SentNonces};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::{DCR, EXCC, QUEUED, UNIX_TIME, millis, secs};

/// A nonce that another peer of the process sent.
pub(crate) const OTHER_NONCE: u64 = 0xabcd;

/// The configuration of a peer and what else it is made from, to be read by the reference.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) network: Network,
    pub(crate) version: u32,
    pub(crate) direction: Direction,
    pub(crate) min_remote_version: u32,
    pub(crate) required_services: Services,
    pub(crate) max_before_verack: u8,
    pub(crate) services: Services,
    pub(crate) start_height: i32,
    pub(crate) relay: bool,
    pub(crate) hides_address: bool,
    pub(crate) trailing: TrailingBytes,
    pub(crate) max_reject: usize,
    pub(crate) sent_nonces: Vec<u64>,
    pub(crate) allows_self_connections: bool,
    pub(crate) reviews: bool,
    pub(crate) handshake_timeout: Duration,
    pub(crate) verack_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) slow_message_timeout: Option<Duration>,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) write_rate: u32,
    pub(crate) response_timeouts: Vec<(Command, Option<Duration>)>,
    pub(crate) max_requested: usize,
    pub(crate) duplicate_request_lifetime: Duration,
    pub(crate) send_unwelcome: bool,
    pub(crate) trickle: RangeInclusive<Duration>,
    pub(crate) inv_batch: usize,
    pub(crate) max_waiting_announcements: usize,
    pub(crate) known_capacity: usize,
    pub(crate) known_lifetime: Duration,
    pub(crate) max_queued_bytes: usize,
    pub(crate) overflow: Overflow,
    pub(crate) max_waiting_events: usize,
    pub(crate) max_waiting_event_bytes: usize,
    pub(crate) unix_time: u64,
    pub(crate) seed: u64,
}

impl Setup {
    /// What the live network's nodes have, at that version.
    pub(crate) fn new(network: Network, version: u32, direction: Direction) -> Self {
        let chain = network.chain();
        Self {
            network,
            version,
            direction,
            min_remote_version: chain.lowest_remote_version().min(version),
            required_services: Services::empty(),
            max_before_verack: 2,
            services: Services::NODE_NETWORK,
            start_height: 1_234,
            relay: true,
            hides_address: false,
            trailing: TrailingBytes::of(chain),
            max_reject: 4_096,
            sent_nonces: vec![OTHER_NONCE],
            allows_self_connections: false,
            reviews: false,
            handshake_timeout: secs(30),
            verack_timeout: Some(secs(30)),
            idle_timeout: Some(secs(120)),
            slow_message_timeout: None,
            ping_interval: Some(secs(107)),
            pong_timeout: None,
            write_timeout: Some(secs(20)),
            write_rate: 262_144,
            response_timeouts: vec![
                (Command::GetData, Some(secs(30))),
                (Command::GetInitState, Some(secs(30))),
            ],
            max_requested: 75_000,
            duplicate_request_lifetime: if network == DCR { secs(30) } else { secs(900) },
            send_unwelcome: false,
            trickle: millis(100)..=millis(500),
            inv_batch: 1_000,
            max_waiting_announcements: 50_000,
            known_capacity: 1_000,
            known_lifetime: secs(900),
            max_queued_bytes: 40 * 1024 * 1024,
            overflow: Overflow::Refuse,
            max_waiting_events: 128,
            max_waiting_event_bytes: 4 * 1024 * 1024,
            unix_time: UNIX_TIME,
            seed: 1,
        }
    }

    /// How long the answer to a request may take.
    pub(crate) fn response_timeout(&self, request: Command) -> Option<Duration> {
        let of_it = self.response_timeouts.iter().rev().find(|(other, _)| *other == request);
        of_it.and_then(|&(_, timeout)| timeout)
    }

    pub(crate) fn user_agent(&self) -> &'static str {
        if self.network == DCR { "/dcrwire:1.0.0/test:1/" } else { "/exccwire:1.0.0/test:1/" }
    }

    pub(crate) fn config(&self) -> Config {
        let sent_nonces = SentNonces::new();
        self.sent_nonces.iter().for_each(|&nonce| sent_nonces.insert(nonce));
        let hiding =
            if self.hides_address { AddressHiding::Always } else { AddressHiding::default() };
        let mut builder = Config::builder(self.network);
        for &(request, timeout) in &self.response_timeouts {
            builder = builder.response_timeout(request, timeout);
        }
        builder
            .user_agent("test", "1")
            .services(self.services)
            .protocol_version(self.version)
            .min_remote_version(self.min_remote_version)
            .required_services(self.required_services)
            .max_before_verack(self.max_before_verack)
            .start_height(self.start_height)
            .relay(self.relay)
            .address_hiding(hiding)
            .trailing_bytes(self.trailing)
            .max_reject(self.max_reject)
            .sent_nonces(sent_nonces)
            .allow_self_connections(self.allows_self_connections)
            .review_version(self.reviews)
            .handshake_timeout(self.handshake_timeout)
            .verack_timeout(self.verack_timeout)
            .idle_timeout(self.idle_timeout)
            .slow_message_timeout(self.slow_message_timeout)
            .ping_interval(self.ping_interval)
            .pong_timeout(self.pong_timeout)
            .write_timeout(self.write_timeout)
            .write_rate(self.write_rate)
            .max_requested(self.max_requested)
            .duplicate_request_lifetime(self.duplicate_request_lifetime)
            .send_unwelcome(self.send_unwelcome)
            .trickle_interval(self.trickle.clone())
            .inv_batch(self.inv_batch)
            .max_waiting_announcements(self.max_waiting_announcements)
            .known_inventory(self.known_capacity, self.known_lifetime)
            .max_queued_bytes(self.max_queued_bytes)
            .overflow(self.overflow)
            .max_waiting_events(self.max_waiting_events, self.max_waiting_event_bytes)
            .build()
            .expect("a valid configuration")
    }
}

/// The usual value mostly, else one of the others.
fn mostly<T: std::fmt::Debug + Clone + 'static>(
    usual: T,
    others: impl Into<Vec<T>>,
) -> impl Strategy<Value = T> {
    prop_oneof![4 => Just(usual), 1 => select(others.into())]
}

fn protocol() -> impl Strategy<Value = (Network, u32)> {
    prop_oneof![
        5 => (Just(EXCC), 3_u32..=9),
        1 => (Just(EXCC), 1_u32..=9),
        5 => (Just(DCR), 9_u32..=12),
        1 => (Just(DCR), 1_u32..=12),
    ]
}

/// Which remotes are put up with, and what is said to them.
fn manners() -> impl Strategy<Value = Setup> {
    (
        (protocol(), select(vec![Direction::Inbound, Direction::Outbound]), any::<u64>()),
        mostly(None, [0, 1, 2, 5, 8, 12].map(Some)),
        mostly(Services::empty(), [1, 1, 3, 5, 2].map(Services::from_bits_retain)),
        mostly(2, [0, 1, 3]),
        any::<(bool, bool, bool)>(),
        prop::bool::weighted(0.2),
        mostly(UNIX_TIME, [0, u64::MAX, i64::MAX as u64 - 62_135_596_810]),
        mostly(None, [TrailingBytes::Ignore, TrailingBytes::Reject].map(Some)),
        mostly(4_096, [0, 20]),
    )
        .prop_map(
            |(
                identity,
                minimum,
                required,
                early,
                flags,
                allows_self,
                unix_time,
                trailing,
                reject,
            )| {
                let ((network, version), direction, seed) = identity;
                let (relay, hides_address, send_unwelcome) = flags;
                let usual = Setup::new(network, version, direction);
                Setup {
                    min_remote_version: minimum
                        .map_or(usual.min_remote_version, |minimum| minimum.min(version)),
                    required_services: required,
                    max_before_verack: early,
                    relay,
                    hides_address,
                    send_unwelcome,
                    trailing: trailing.unwrap_or(usual.trailing),
                    max_reject: reject,
                    allows_self_connections: allows_self,
                    unix_time,
                    seed,
                    ..usual
                }
            },
        )
}

/// An idle timeout, and an interval and a timeout of pings that go with it.
fn keep_alive() -> impl Strategy<Value = [Option<Duration>; 3]> {
    let second = Some(secs(1));
    select(vec![
        [Some(secs(120)), Some(secs(107)), None],
        [Some(secs(120)), Some(secs(107)), Some(secs(20))],
        [Some(secs(120)), None, None],
        [Some(secs(30)), Some(secs(12)), None],
        [Some(secs(15)), Some(secs(6)), Some(secs(5))],
        [Some(secs(5)), second, None],
        [None, Some(secs(107)), Some(secs(30))],
        [None, Some(secs(7)), second],
        [None, None, Some(secs(2))],
        [None, second, Some(Duration::ZERO)],
        [Some(Duration::MAX), Some(Duration::MAX - secs(1)), None],
    ])
}

/// How long the answers to requests may take, beside the usual ones.
fn response_timeouts() -> impl Strategy<Value = Vec<(Command, Option<Duration>)>> {
    let requests = [
        Command::GetData,
        Command::GetInitState,
        Command::GetHeaders,
        Command::GetBlocks,
        Command::MemPool,
        Command::GetAddr,
        Command::GetMinings,
        Command::GetCFilter,
        Command::GetCFTypes,
        Command::GetCFilterV2,
        Command::GetCFsV2,
    ];
    let timeout = select(vec![None, Some(secs(2)), Some(secs(40)), Some(Duration::MAX)]);
    vec((select(requests.to_vec()), timeout), 0..5)
}

#[derive(Debug)]
struct Times {
    handshake: Duration,
    verack: Option<Duration>,
    keep_alive: [Option<Duration>; 3],
    slow_message: Option<Duration>,
    write: Option<Duration>,
    responses: Vec<(Command, Option<Duration>)>,
    trickle: RangeInclusive<Duration>,
}

fn times() -> impl Strategy<Value = Times> {
    (
        mostly(secs(30), [Duration::ZERO, secs(3), Duration::MAX]),
        mostly(Some(secs(30)), [None, Some(Duration::ZERO), Some(secs(2)), Some(Duration::MAX)]),
        keep_alive(),
        select(vec![None, Some(Duration::ZERO), Some(secs(7)), Some(Duration::MAX)]),
        mostly(Some(secs(20)), [None, Some(Duration::ZERO), Some(secs(1)), Some(Duration::MAX)]),
        response_timeouts(),
        select(vec![
            millis(100)..=millis(500),
            millis(300)..=millis(300),
            Duration::ZERO..=Duration::ZERO,
            secs(1)..=secs(10),
            Duration::MAX..=Duration::MAX,
        ]),
    )
        .prop_map(|(handshake, verack, keep_alive, slow, write, responses, trickle)| {
            // Beside the idle timeout, than which it may not be shorter.
            let slow_message =
                slow.map(|more| keep_alive[0].unwrap_or_default().saturating_add(more));
            Times { handshake, verack, keep_alive, slow_message, write, responses, trickle }
        })
}

/// Any peer, with limits so narrow that they are met.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let announcing = (
        mostly(50_000, [0, 1, 3]),
        mostly(1_000, [0, 1, 5]),
        mostly(secs(900), [Duration::ZERO, secs(3), Duration::MAX]),
        mostly(1_000, [1, 2, 50_000]),
    );
    let limits = (
        mostly(40 * 1024 * 1024, [63, 64, 100, 135, 200, 1_000, 263_000].map(|len| len + QUEUED)),
        select(vec![Overflow::Refuse, Overflow::Close]),
        mostly(128, [1, 2, 3, 5]),
        // Of whole messages, too: an `inv` of one vector, and two of `ping`.
        mostly(4 * 1024 * 1024, [0, 1, 61, 64, 100, 1_000]),
        mostly(75_000, [0, 1, 4]),
        mostly(262_144, [1, 40, u32::MAX]),
        prop::bool::weighted(0.2),
        mostly(None, [Duration::ZERO, secs(1), Duration::MAX].map(Some)),
    );
    (manners(), times(), announcing, limits).prop_map(|(usual, times, announcing, limits)| {
        let [idle_timeout, ping_interval, pong_timeout] = times.keep_alive;
        let (waiting, known_capacity, known_lifetime, inv_batch) = announcing;
        let (queued, overflow, events, event_bytes, requested, write_rate, reviews, lifetime) =
            limits;
        // The last one that is set for a request counts.
        let mut response_timeouts = usual.response_timeouts.clone();
        response_timeouts.extend(times.responses);
        Setup {
            reviews,
            handshake_timeout: times.handshake,
            verack_timeout: times.verack,
            idle_timeout,
            slow_message_timeout: times.slow_message,
            ping_interval,
            pong_timeout,
            write_timeout: times.write,
            write_rate,
            response_timeouts,
            max_requested: requested,
            duplicate_request_lifetime: lifetime.unwrap_or(usual.duplicate_request_lifetime),
            trickle: times.trickle,
            inv_batch,
            max_waiting_announcements: waiting,
            known_capacity,
            known_lifetime,
            max_queued_bytes: queued,
            overflow,
            max_waiting_events: events,
            max_waiting_event_bytes: event_bytes,
            ..usual
        }
    })
}
