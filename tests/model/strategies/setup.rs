//! Random configurations, with limits so narrow that they are met.

use std::ops::RangeInclusive;
use std::time::Duration;

use excc_peer::wire::Command;
use excc_peer::{Direction, Network, Overflow};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::lockstep::common::{DCR, EXCC};
use crate::lockstep::setup::{Limits, Setup};
use crate::lockstep::values::*;

/// The first value mostly, else one of the others.
fn mostly<T: std::fmt::Debug + Clone + 'static>(values: &[T]) -> impl Strategy<Value = T> {
    prop_oneof![4 => Just(values[0].clone()), 1 => select(values[1..].to_vec())]
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
        mostly(&MIN_REMOTE_VERSIONS),
        mostly(&REQUIRED_SERVICES),
        mostly(&MAX_BEFORE_VERACK),
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.25)),
        prop::bool::weighted(0.2),
        mostly(&UNIX_TIMES),
        mostly(&TRAILING_BYTES),
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
    let size = || (select(&SIZED[..]), select(&SIZES[..]));
    let payloads = prop_oneof![2 => Just(Vec::new()), 1 => vec(size(), 1..5)];
    // None leaves answers unlimited, and an empty list stands for the limits by default.
    let unsolicited = prop_oneof![
        3 => Just(None),
        2 => Just(Some(Vec::new())),
        1 => vec(size(), 1..4).prop_map(Some),
    ];
    let messages = (select(&BUDGET_MESSAGES[..]), select(&BUDGET_TIMES[..]));
    let bytes = (select(&BUDGET_BYTES[..]), select(&BUDGET_TIMES[..]));
    let limits = prop_oneof![
        2 => messages.clone().prop_map(|messages| (Some(messages), None)),
        1 => bytes.clone().prop_map(|bytes| (None, Some(bytes))),
        1 => (messages, bytes).prop_map(|(messages, bytes)| (Some(messages), Some(bytes))),
    ];
    let limits = (limits, prop::bool::weighted(0.2))
        .prop_map(|((messages, bytes), closes)| Limits { messages, bytes, closes });
    let budgets =
        prop_oneof![2 => Just(Vec::new()), 1 => vec((select(&COUNTED[..]), limits), 1..4)];
    (payloads, unsolicited, budgets, any::<bool>())
}

/// How long the answers to requests may take, beside the usual ones.
fn response_timeouts() -> impl Strategy<Value = Vec<(Command, Option<Duration>)>> {
    vec((select(&REQUESTS[..]), select(&RESPONSE_TIMEOUTS[..])), 0..5)
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
        mostly(&HANDSHAKE_TIMEOUTS),
        mostly(&VERACK_TIMEOUTS),
        select(&KEEP_ALIVES[..]),
        (mostly(&RATES), mostly(&RATES)),
        mostly(&WRITE_TIMEOUTS),
        response_timeouts(),
        select(&TRICKLES[..]),
    )
        .prop_map(
            |(handshake, verack, keep_alive, (read, write), timeout, responses, trickle)| {
                let rates = [read, write];
                Times { handshake, verack, keep_alive, rates, write: timeout, responses, trickle }
            },
        )
}

/// Any peer, with limits so narrow that they are met.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let announcing = (
        mostly(&MAX_WAITING_ANNOUNCEMENTS),
        mostly(&KNOWN_CAPACITIES),
        mostly(&KNOWN_LIFETIMES),
        mostly(&INV_BATCHES),
    );
    let limits = (
        mostly(&MAX_QUEUED_BYTES),
        select(vec![Overflow::Refuse, Overflow::Close]),
        mostly(&MAX_WAITING_EVENTS),
        mostly(&MAX_WAITING_EVENT_BYTES),
        mostly(&MAX_REQUESTED),
        prop::bool::weighted(0.2),
        mostly(&DUPLICATE_REQUEST_LIFETIMES),
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
