//! Random configurations, with limits so narrow that they are met.

use std::ops::RangeInclusive;
use std::time::Duration;

use excc_peer::wire::{Command, Services, TrailingBytes};
use excc_peer::{Direction, Network, Overflow, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::lockstep::common::{DCR, EXCC, QUEUED, UNIX_TIME, millis, nanos, secs};
use crate::lockstep::setup::{Limits, Setup};

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

/// Which remotes are accepted, and what is sent to them.
fn manners() -> impl Strategy<Value = Setup> {
    (
        (protocol(), select(vec![Direction::Inbound, Direction::Outbound]), any::<u64>()),
        mostly(None, [0, 1, 2, 5, 8, 12].map(Some)),
        mostly(Services::empty(), [1, 1, 3, 5, 2].map(Services::from_bits_retain)),
        mostly(2, [0, 1, 3]),
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.25)),
        prop::bool::weighted(0.2),
        mostly(UNIX_TIME, [0, u64::MAX, i64::MAX as u64 - 62_135_596_810].map(UnixTime::from_secs)),
        mostly(None, [TrailingBytes::Ignore, TrailingBytes::Reject].map(Some)),
        sizes(),
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
                (max_payloads, max_unsolicited, budgets, is_mapped),
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
                    max_payloads,
                    max_unsolicited: max_unsolicited.unwrap_or(usual.max_unsolicited),
                    budgets,
                    is_mapped,
                    allows_self_connections: allows_self,
                    unix_time,
                    seed,
                    ..usual
                }
            },
        )
}

type Sizes = (Vec<(Command, usize)>, Option<Vec<(Command, usize)>>, Vec<(Command, Limits)>, bool);

/// How much of what a remote may send, and whether its address is mapped.
fn sizes() -> impl Strategy<Value = Sizes> {
    let limited = vec![
        Command::Reject,
        Command::Inv,
        Command::Block,
        Command::Tx,
        Command::Headers,
        Command::CFilter,
        Command::GetHeaders,
        Command::NotFound,
        Command::MixPairReq,
        Command::Addr,
    ];
    let size = select(vec![0, 20, 37, 73, 200, 300, 4_000]);
    let size = || (select(limited.clone()), size.clone());
    let payloads = prop_oneof![3 => Just(Vec::new()), 1 => vec(size(), 1..3)];
    // None leaves answers unlimited, and an empty list stands for the limits by default.
    let unsolicited = prop_oneof![
        3 => Just(None),
        2 => Just(Some(Vec::new())),
        1 => vec(size(), 1..4).prop_map(Some),
    ];
    let counted = select(vec![
        Command::Ping,
        Command::Pong,
        Command::Inv,
        Command::Tx,
        Command::GetData,
        Command::GetAddr,
        Command::Version,
        Command::VerAck,
    ]);
    let time = || select(vec![millis(1), secs(1), secs(8), secs(600), Duration::MAX]);
    let messages = (select(vec![1, 2, 4]), time());
    let bytes = (select(vec![1, 32, 64, 160, 1_000]), time());
    let limits = prop_oneof![
        2 => messages.clone().prop_map(|messages| (Some(messages), None)),
        1 => bytes.clone().prop_map(|bytes| (None, Some(bytes))),
        1 => (messages, bytes).prop_map(|(messages, bytes)| (Some(messages), Some(bytes))),
    ];
    let limits = (limits, prop::bool::weighted(0.2))
        .prop_map(|((messages, bytes), closes)| Limits { messages, bytes, closes });
    let budgets = prop_oneof![2 => Just(Vec::new()), 1 => vec((counted, limits), 1..4)];
    (payloads, unsolicited, budgets, any::<bool>())
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
        [None, second, Some(nanos(1))],
        [None, second, Some(secs(3))],
        [Some(secs(2)), Some(millis(900)), Some(millis(20))],
        [Some(millis(30)), None, None],
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
    let timeout =
        select(vec![None, Some(millis(20)), Some(secs(2)), Some(secs(40)), Some(Duration::MAX)]);
    vec((select(requests.to_vec()), timeout), 0..5)
}

#[derive(Debug)]
struct Times {
    handshake: Duration,
    verack: Option<Duration>,
    keep_alive: [Option<Duration>; 3],
    rates: [u32; 2],
    write: Option<Duration>,
    responses: Vec<(Command, Option<Duration>)>,
    trickle: RangeInclusive<Duration>,
}

fn times() -> impl Strategy<Value = Times> {
    (
        mostly(secs(30), [nanos(1), millis(60), secs(3), Duration::MAX]),
        mostly(Some(secs(30)), [None, Some(millis(10)), Some(secs(2)), Some(Duration::MAX)]),
        keep_alive(),
        (rate(), rate()),
        mostly(Some(secs(20)), [None, Some(millis(30)), Some(secs(1)), Some(Duration::MAX)]),
        response_timeouts(),
        select(vec![
            millis(100)..=millis(500),
            millis(300)..=millis(300),
            Duration::ZERO..=Duration::ZERO,
            secs(1)..=secs(10),
            Duration::MAX..=Duration::MAX,
        ]),
    )
        .prop_map(
            |(handshake, verack, keep_alive, (read, write), timeout, responses, trickle)| {
                let rates = [read, write];
                Times { handshake, verack, keep_alive, rates, write: timeout, responses, trickle }
            },
        )
}

/// Bytes a second: so few that one is worth much time, or so many that none is.
fn rate() -> impl Strategy<Value = u32> {
    mostly(10_240, [1, 40, 1_000, u32::MAX])
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
        // Sizes of whole messages among them: an `inv` of one vector, and two of `ping`.
        mostly(4 * 1024 * 1024, [0, 1, 61, 64, 100, 1_000]),
        mostly(75_000, [0, 1, 4]),
        prop::bool::weighted(0.2),
        mostly(None, [Duration::ZERO, secs(1), Duration::MAX].map(Some)),
    );
    (manners(), times(), announcing, limits).prop_map(|(usual, times, announcing, limits)| {
        let [idle_timeout, ping_interval, pong_timeout] = times.keep_alive;
        let (waiting, known_capacity, known_lifetime, inv_batch) = announcing;
        let (queued, overflow, events, event_bytes, requested, reviews, lifetime) = limits;
        // The last one that is set for a request counts.
        let mut response_timeouts = usual.response_timeouts.clone();
        response_timeouts.extend(times.responses);
        Setup {
            reviews,
            handshake_timeout: times.handshake,
            verack_timeout: times.verack,
            idle_timeout,
            read_rate: times.rates[0],
            ping_interval,
            pong_timeout,
            write_timeout: times.write,
            write_rate: times.rates[1],
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
