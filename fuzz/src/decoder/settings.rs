//! Settings of the peer.

use excc_peer::{Direction, Overflow};

use super::Arguments;
use crate::lockstep::common::{DCR, EXCC};
use crate::lockstep::setup::{Limits, Setup};
use crate::lockstep::values::*;

/// The number of the setting that the usual values of all others depend on.
pub(super) const IDENTITY: u8 = 0;

/// The usual setup of a network, a protocol version and a direction: those of two arguments.
pub(super) fn usual(arguments: &mut Arguments<'_>) -> Setup {
    let (version, flags) = (arguments.next(), arguments.next());
    let network = if version < 64 { EXCC } else { DCR };
    let chain = network.chain();
    let version = match version % 64 {
        0 => chain.advertised_version(),
        version => 1 + (version as u32 - 1) % chain.newest_version(),
    };
    let direction = if flags & 1 == 0 { Direction::Inbound } else { Direction::Outbound };
    let mut setup = Setup::new(network, version, direction);
    setup.relay = flags & 2 == 0;
    setup.hides_address = flags & 4 != 0;
    setup.allows_self_connections = flags & 8 != 0;
    setup.is_mapped = flags & 16 != 0;
    if flags & 32 != 0 {
        // The limits by default.
        setup.max_unsolicited.clear();
    }
    setup
}

/// Changes one setting.
pub(super) fn apply(number: u8, setup: &mut Setup, arguments: &mut Arguments<'_>) {
    match number {
        1 => setup.send_unwelcome = true,
        2 => setup.reviews = true,
        3 => setup.overflow = Overflow::Close,
        4 => {
            if let Some(minimum) = arguments.one_of(&MIN_REMOTE_VERSIONS[1..]) {
                setup.min_remote_version = minimum.min(setup.version);
            }
        }
        5 => setup.required_services = arguments.one_of(&REQUIRED_SERVICES[1..]),
        6 => setup.max_before_verack = arguments.one_of(&MAX_BEFORE_VERACK[1..]),
        7 => setup.unix_time = arguments.one_of(&UNIX_TIMES[1..]),
        8 => {
            if let Some(trailing) = arguments.one_of(&TRAILING_BYTES[1..]) {
                setup.trailing = trailing;
            }
        }
        9 => setup.seed = arguments.next() as u64,
        10 => setup.max_payloads.push((arguments.one_of(&SIZED), arguments.one_of(&SIZES))),
        // Without an argument, the limits by default.
        11 if !arguments.has_more() => setup.max_unsolicited.clear(),
        11 => setup.max_unsolicited.push((arguments.one_of(&SIZED), arguments.one_of(&SIZES))),
        12 => setup.budgets.push((arguments.one_of(&COUNTED), budget(arguments))),
        13 => setup.handshake_timeout = arguments.one_of(&HANDSHAKE_TIMEOUTS[1..]),
        14 => setup.verack_timeout = arguments.one_of(&VERACK_TIMEOUTS[1..]),
        15 => {
            [setup.idle_timeout, setup.ping_interval, setup.pong_timeout] =
                arguments.one_of(&KEEP_ALIVES[1..]);
        }
        16 => setup.read_rate = arguments.one_of(&RATES[1..]),
        17 => setup.write_rate = arguments.one_of(&RATES[1..]),
        18 => setup.write_timeout = arguments.one_of(&WRITE_TIMEOUTS[1..]),
        19 => {
            let request = arguments.one_of(&REQUESTS);
            // None last: without an argument there is a timeout.
            let timeout = RESPONSE_TIMEOUTS[(arguments.next() + 1) % RESPONSE_TIMEOUTS.len()];
            setup.response_timeouts.push((request, timeout));
        }
        20 => setup.max_requested = arguments.one_of(&MAX_REQUESTED[1..]),
        21 => {
            if let Some(lifetime) = arguments.one_of(&DUPLICATE_REQUEST_LIFETIMES[1..]) {
                setup.duplicate_request_lifetime = lifetime;
            }
        }
        22 => setup.trickle = arguments.one_of(&TRICKLES[1..]),
        23 => setup.inv_batch = arguments.one_of(&INV_BATCHES[1..]),
        24 => {
            setup.max_waiting_announcements = arguments.one_of(&MAX_WAITING_ANNOUNCEMENTS[1..]);
        }
        25 => setup.known_capacity = arguments.one_of(&KNOWN_CAPACITIES[1..]),
        26 => setup.known_lifetime = arguments.one_of(&KNOWN_LIFETIMES[1..]),
        27 => setup.max_queued_bytes = arguments.one_of(&MAX_QUEUED_BYTES[1..]),
        28 => setup.max_waiting_events = arguments.one_of(&MAX_WAITING_EVENTS[1..]),
        29 => setup.max_waiting_event_bytes = arguments.one_of(&MAX_WAITING_EVENT_BYTES[1..]),
        30 => setup.start_height = arguments.next() as i32 - 100,
        _ => {}
    }
}

fn budget(arguments: &mut Arguments<'_>) -> Limits {
    let kind = arguments.next();
    let messages = (arguments.one_of(&BUDGET_MESSAGES), arguments.one_of(&BUDGET_TIMES));
    let bytes = (arguments.one_of(&BUDGET_BYTES), arguments.one_of(&BUDGET_TIMES));
    Limits {
        messages: (kind % 3 != 1).then_some(messages),
        bytes: (!kind.is_multiple_of(3)).then_some(bytes),
        closes: kind / 3 % 2 == 1,
    }
}
