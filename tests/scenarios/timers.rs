//! Deadlines of the remote: every one under every kind of slowness, with the exact time at which
//! the peer closes (`docs/protocol.md`, 10).
//!
//! [`ConfigBuilder::read_rate`] has the rule: `n` bytes extend a deadline by `n / rate` seconds,
//! counted from the deadline or, if it has passed, from now. The extended deadline is at most one
//! timeout away.

use std::time::Duration;

use excc_peer::wire::{Command, GetInitState, HEADER_LEN, InitState, LocatorRequest, Message};
use excc_peer::{CloseReason, ConfigBuilder, Event, Instant, Relay, Timer};

use crate::common::*;

/// A deadline for an answer of the remote.
struct RemoteDeadline {
    name: &'static str,
    timer: Timer,
    reason: CloseReason,
    /// Creates a peer with only this deadline, set at time zero, with no waiting events and an
    /// empty queue.
    armed: fn(ConfigBuilder) -> Peer,
    /// Receives the answer.
    answer: fn(&mut Peer),
}

impl RemoteDeadline {
    fn armed(&self) -> Peer {
        let peer = (self.armed)(no_deadlines());
        assert_eq!(peer.due_in(), Some((self.timer, TIMEOUT)), "{}", self.name);
        peer
    }

    /// The peer closes exactly at `at` and the grace period.
    fn assert_closes_at(&self, peer: &mut Peer, at: Duration) {
        peer.advance_until_closed(secs(10_000));
        let expected = (Some(&self.reason), Instant::ZERO + at + GRACE);
        assert_eq!((peer.state.close_reason(), peer.now), expected, "{}", self.name);
    }

    fn assert_open(&self, peer: &Peer) {
        assert_eq!(peer.state.close_reason(), None, "{} at {:?}", self.name, peer.now);
    }
}

/// The timeout of every deadline in these tests.
const TIMEOUT: Duration = secs(20);

/// A configuration without any deadline but the one of a `verack`.
fn no_deadlines() -> ConfigBuilder {
    quiet(EXCC).write_timeout(None)
}

fn stall(request: Command) -> CloseReason {
    let vector = (request == Command::GetData).then(|| block(1));
    CloseReason::Stall { request, vector }
}

/// Every deadline on the remote's clock.
fn remote_deadlines() -> [RemoteDeadline; 8] {
    [
        RemoteDeadline {
            name: "any message",
            timer: Timer::Idle,
            reason: CloseReason::IdleTimeout,
            armed: |config| Peer::established(config.idle_timeout(Some(TIMEOUT))),
            answer: |peer| peer.receive(Message::GetAddr).unwrap(),
        },
        RemoteDeadline {
            name: "a pong for our ping",
            timer: Timer::Pong,
            reason: CloseReason::PongTimeout,
            armed: |config| {
                let mut peer = Peer::established(config.pong_timeout(Some(TIMEOUT)));
                peer.state.ping(peer.now).unwrap();
                peer.sent_ping();
                peer
            },
            answer: |peer| {
                let nonce = peer.state.stats().outstanding_ping.unwrap();
                peer.receive(pong(nonce)).unwrap();
            },
        },
        RemoteDeadline {
            name: "a pong for a ping of the application",
            timer: Timer::Pong,
            reason: CloseReason::PongTimeout,
            armed: |config| {
                let mut peer = Peer::established(config.pong_timeout(Some(TIMEOUT)));
                peer.state.send(peer.now, ping(7)).unwrap();
                peer.sent_ping();
                peer.events();
                peer
            },
            answer: |peer| peer.receive(pong(7)).unwrap(),
        },
        RemoteDeadline {
            name: "a block",
            timer: Timer::Stall,
            reason: stall(Command::GetData),
            armed: |config| Peer::requesting(config, getdata([block(1)]), TIMEOUT),
            answer: |peer| peer.receive(not_found([block(1)])).unwrap(),
        },
        RemoteDeadline {
            name: "one of two blocks",
            timer: Timer::Stall,
            reason: stall(Command::GetData),
            armed: |config| {
                let mut peer = Peer::requesting(config, getdata([block(1), block(2)]), TIMEOUT);
                // A repeated request does not move the deadline.
                peer.state.send(peer.now, getdata([block(1)])).unwrap();
                peer.sent();
                peer.events();
                peer
            },
            answer: |peer| {
                peer.receive(not_found([block(1), block(2)])).unwrap();
            },
        },
        RemoteDeadline {
            name: "an initial state",
            timer: Timer::Stall,
            reason: stall(Command::GetInitState),
            armed: |config| Peer::requesting(config, GetInitState::default().into(), TIMEOUT),
            answer: |peer| peer.receive(InitState::default()).unwrap(),
        },
        RemoteDeadline {
            name: "inventory",
            timer: Timer::Stall,
            reason: stall(Command::GetBlocks),
            armed: |config| {
                Peer::requesting(
                    config,
                    Message::GetBlocks(LocatorRequest::new([hash(1)])),
                    TIMEOUT,
                )
            },
            answer: |peer| peer.receive(inv([block(1)])).unwrap(),
        },
        RemoteDeadline {
            name: "a verack",
            timer: Timer::VerAck,
            reason: CloseReason::VerAckTimeout,
            armed: |config| {
                let mut peer = Peer::inbound(config.verack_timeout(Some(TIMEOUT)));
                peer.receive(version(8)).unwrap();
                peer.events();
                peer.sent();
                peer
            },
            answer: |peer| peer.receive(Message::VerAck).unwrap(),
        },
    ]
}

/// Receives the header of an `inv` that never completes. Returns the extension by its bytes.
fn begin_long_message(peer: &mut Peer) -> Duration {
    peer.feed(&raw_header(EXCC, b"inv", 1_800_003, [0; 4])).unwrap();
    worth(HEADER_LEN as u64)
}

/// Feeds a piece of a long message each second, until the peer closes.
fn feed_each_second(peer: &mut Peer, piece: u64, seconds: u64) {
    for _ in 0..seconds {
        peer.advance_until_closed(secs(1));
        if peer.state.close_reason().is_some() {
            return;
        }
        peer.feed(&vec![0; piece as usize]).unwrap();
    }
}

#[test]
fn a_silent_remote_is_closed_after_the_timeout() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        case.assert_closes_at(&mut peer, TIMEOUT);
    }
}

#[test]
fn an_answer_in_the_grace_period_clears_its_deadline() {
    for case in remote_deadlines() {
        // The answer arrives at the last moment of the grace period.
        let mut peer = case.armed();
        peer.advance_until_closed(TIMEOUT + GRACE - nanos(1));
        (case.answer)(&mut peer);
        let idle = Some((Timer::Idle, TIMEOUT));
        let next = if case.timer == Timer::Idle { idle } else { None };
        assert_eq!(peer.due_in(), next, "{}", case.name);
    }
}

/// At a tenth of the rate, each second extends the deadline by a tenth of a second. After 22 s the
/// deadline is at 22.2 s, before the next piece: about `TIMEOUT / (1 - 1 / 10)`.
#[test]
fn a_remote_at_a_tenth_of_the_rate_is_closed_at_the_computed_time() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        // The deadline is one timeout away, so that these bytes do not extend it.
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, RATE / 10, 1_000);
        case.assert_closes_at(&mut peer, TIMEOUT + 22 * worth(RATE / 10));
    }
}

#[test]
fn a_remote_at_any_fraction_of_the_rate_is_closed_at_the_computed_time() {
    for case in remote_deadlines() {
        for tenths in 1..=8 {
            let mut peer = case.armed();
            begin_long_message(&mut peer);
            // The offset keeps every piece apart from the deadline.
            let offset = millis(750);
            peer.advance_until_closed(offset);
            feed_each_second(&mut peer, RATE * tenths / 10, 1_000);
            // The first piece after which the deadline passes before the next piece.
            let extension = |pieces| millis(100 * tenths * pieces);
            let end = (0..).find(|&n| TIMEOUT + extension(n) < offset + secs(n + 1)).unwrap();
            case.assert_closes_at(&mut peer, TIMEOUT + extension(end));
        }
    }
}

#[test]
fn a_byte_a_second_extends_a_deadline_by_milliseconds() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, 1, 1_000);
        case.assert_closes_at(&mut peer, TIMEOUT + 20 * worth(1));
    }
}

#[test]
fn a_remote_at_the_full_rate_is_never_closed() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, RATE, 170);
        case.assert_open(&peer);
        // Earlier bytes give no credit.
        case.assert_closes_at(&mut peer, secs(170) + TIMEOUT);
    }
}

#[test]
fn a_remote_above_the_rate_is_closed_one_timeout_after_its_last_byte() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, 10 * RATE, 17);
        case.assert_open(&peer);
        case.assert_closes_at(&mut peer, secs(17) + TIMEOUT);
    }
}

/// Each `inv` of 1.8 MB takes 15 s, and all of them precede the answer.
#[test]
fn bulk_messages_before_an_answer_extend_its_deadline() {
    let inv = frame(EXCC, 8, Message::Inv(vec![tx(1); 50_000].into()));
    for case in remote_deadlines() {
        // An `inv` answers a `getblocks`.
        let is_inventory = case.reason == stall(Command::GetBlocks);
        let mut peer = case.armed();
        for _ in 0..4 {
            for piece in inv.chunks(inv.len().div_ceil(15)) {
                peer.advance_until_closed(secs(1));
                case.assert_open(&peer);
                peer.feed(piece).unwrap();
            }
            peer.events();
        }
        assert!(peer.now > Instant::ZERO + 2 * TIMEOUT);
        let next = if is_inventory { None } else { Some((case.timer, TIMEOUT)) };
        assert_eq!(peer.due_in(), next, "{}", case.name);
        (case.answer)(&mut peer);
        let paid = peer.due_in().filter(|_| case.timer != Timer::Idle);
        assert_eq!(paid, None, "{}", case.name);
    }
}

#[test]
fn time_under_back_pressure_is_added_to_a_deadline() {
    const BACK_PRESSURE: Duration = secs(1_000);
    for case in remote_deadlines() {
        let mut peer = (case.armed)(no_deadlines().max_waiting_events(2, usize::MAX));
        peer.advance_until_closed(secs(5));
        // Two messages wait as events. Their bytes extend the deadline too.
        peer.feed(&frame(EXCC, 8, Message::MemPool).repeat(2)).unwrap();
        assert!(!peer.state.wants_read(), "{}", case.name);
        peer.advance_until_closed(BACK_PRESSURE);
        case.assert_open(&peer);
        peer.events();
        peer.sent();
        let deadline = match case.timer {
            Timer::Idle => secs(5) + TIMEOUT,
            _ => TIMEOUT + worth(2 * HEADER_LEN as u64),
        };
        case.assert_closes_at(&mut peer, BACK_PRESSURE + deadline);
    }
}

#[test]
fn an_answer_in_the_socket_of_a_suspended_process_is_in_time() {
    for case in remote_deadlines() {
        for suspended in [TIMEOUT, secs(21), secs(100_000)] {
            let mut peer = case.armed();
            peer.now = Instant::ZERO + suspended;
            peer.state.handle_timeout(peer.now);
            case.assert_open(&peer);
            (case.answer)(&mut peer);
            peer.advance_until_closed(TIMEOUT - nanos(1));
            case.assert_open(&peer);
        }
    }
}

#[test]
fn bulk_bytes_in_the_socket_of_a_suspended_process_extend_a_deadline() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        peer.now = Instant::from_secs(1_000);
        peer.state.handle_timeout(peer.now);
        begin_long_message(&mut peer);
        // Bytes worth a second extend the deadline by a second, from the end of the grace period.
        peer.feed(&[0; RATE as usize]).unwrap();
        let deadline = GRACE + worth(HEADER_LEN as u64) + secs(1);
        assert_eq!(peer.due_in(), Some((case.timer, deadline)), "{}", case.name);
        case.assert_closes_at(&mut peer, secs(1_000) + deadline);
    }
}

#[test]
fn a_deadline_missed_during_a_suspension_closes_after_the_grace_period() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        peer.now = Instant::from_secs(1_000);
        peer.state.handle_timeout(peer.now);
        case.assert_open(&peer);
        // A repeated timeout and an empty read have no effect.
        peer.state.handle_timeout(peer.now);
        peer.feed(&[]).unwrap();
        case.assert_open(&peer);
        case.assert_closes_at(&mut peer, secs(1_000));
    }
}

/// A driver that reads before it handles the timeout extends the deadline without a grace period.
#[test]
fn late_bytes_extend_a_deadline_from_the_time_of_the_read() {
    for case in remote_deadlines() {
        let mut peer = case.armed();
        peer.now = Instant::from_secs(1_000);
        begin_long_message(&mut peer);
        let deadline = worth(HEADER_LEN as u64);
        assert_eq!(peer.due_in(), Some((case.timer, deadline)), "{}", case.name);
        case.assert_closes_at(&mut peer, secs(1_000) + deadline);
    }
}

#[test]
fn the_read_rate_can_be_configured() {
    for case in remote_deadlines() {
        let mut peer = (case.armed)(no_deadlines().read_rate(100));
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, 100, 50);
        case.assert_open(&peer);
        case.assert_closes_at(&mut peer, secs(50) + TIMEOUT);

        let mut peer = (case.armed)(no_deadlines().read_rate(u32::MAX));
        begin_long_message(&mut peer);
        feed_each_second(&mut peer, 5 * RATE, 19);
        let extension = nanos(19 * (5 * RATE * 1_000_000_000 / u64::from(u32::MAX)));
        case.assert_closes_at(&mut peer, TIMEOUT + extension);
    }
}

#[test]
fn the_handshake_deadline_is_never_extended() {
    let armed = || Peer::inbound(no_deadlines().handshake_timeout(TIMEOUT));
    let end = Instant::ZERO + TIMEOUT + GRACE;
    let closes = |mut peer: Peer| {
        peer.advance_until_closed(secs(100));
        assert_eq!((peer.closed(), peer.now), (CloseReason::HandshakeTimeout, end));
    };
    closes(armed());

    // Received bytes do not extend the deadline.
    let mut peer = armed();
    let bytes = frame(EXCC, 8, version(8));
    for byte in &bytes[..19] {
        peer.advance_until_closed(secs(1));
        peer.feed(&[*byte]).unwrap();
    }
    closes(peer);

    // A review does not extend it either, although the remote's clock stands still.
    let mut peer = Peer::inbound(no_deadlines().handshake_timeout(TIMEOUT).review_version(true));
    peer.receive(version(8)).unwrap();
    peer.advance_until_closed(secs(5));
    closes(peer);

    // Bytes in the socket of a suspended process may complete the handshake.
    let mut peer = armed();
    peer.now = Instant::from_secs(1_000);
    peer.state.handle_timeout(peer.now);
    peer.shake_hands(version(8));

    let mut peer = armed();
    peer.now = Instant::from_secs(1_000);
    peer.state.handle_timeout(peer.now);
    peer.advance_until_closed(secs(100));
    assert_eq!(peer.now, Instant::from_secs(1_000) + GRACE);
    assert_eq!(peer.closed(), CloseReason::HandshakeTimeout);
}

#[test]
fn deadlines_that_expire_together_are_judged_in_two_steps() {
    let config = no_deadlines().idle_timeout(Some(TIMEOUT)).pong_timeout(Some(TIMEOUT));
    let mut peer = Peer::established(config);
    peer.state.ping(peer.now).unwrap();
    let nonce = peer.sent_ping();
    peer.now = Instant::from_secs(1_000);
    peer.state.handle_timeout(peer.now);
    peer.receive(pong(nonce)).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, TIMEOUT)));
}

#[test]
fn pings_in_the_socket_of_a_suspended_process_reset_the_idle_deadline() {
    let mut peer = Peer::established(no_deadlines().idle_timeout(Some(secs(1))));
    for nonce in 0..10 {
        peer.advance(millis(100));
        peer.receive(ping(nonce)).unwrap();
    }
    peer.events();
    // The process is suspended for three seconds, in which thirty pings arrive.
    let pings: Vec<u8> = (0..30).flat_map(|nonce| frame(EXCC, 8, ping(nonce))).collect();
    peer.now += secs(3);
    peer.state.handle_timeout(peer.now);
    assert_eq!(peer.state.close_reason(), None);
    peer.feed(&pings).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(1))));
    assert_eq!(peer.messages().len(), 30);
}

#[test]
fn later_pings_do_not_move_the_pong_deadline() {
    let mut peer = Peer::established(no_deadlines().pong_timeout(Some(secs(5))));
    peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.advance_until_closed(secs(3));
    peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.advance_until_closed(secs(3));
    assert_eq!(peer.now, Instant::from_secs(5) + GRACE);
    assert_eq!(peer.closed(), CloseReason::PongTimeout);
}

#[test]
fn an_expired_deadline_closes_once() {
    let mut peer = Peer::established(no_deadlines().idle_timeout(Some(TIMEOUT)));
    peer.advance_until_closed(secs(1_000));
    for _ in 0..3 {
        peer.state.handle_timeout(peer.now);
        peer.now += GRACE;
    }
    assert_eq!(peer.events(), [Event::Closed(CloseReason::IdleTimeout)]);
    assert_eq!(peer.state.poll_timeout(), None);
}

#[test]
fn a_message_at_a_tenth_of_the_rate_ends_with_the_idle_timeout() {
    let mut peer = Peer::established(config(EXCC));
    let bytes = frame(EXCC, 8, inv((0..50_000).map(tx)));
    // At a tenth of `read_rate`, the deadline is extended by a ninth of the timeout.
    let mut pieces = bytes.chunks(1_024);
    for _ in 0..=133 {
        peer.feed(pieces.next().unwrap()).unwrap();
        assert_eq!(peer.state.close_reason(), None);
        assert_eq!(peer.state.stats().waiting_events, 0);
        peer.sent();
        peer.advance(secs(1).min(Instant::from_millis(133_300) - peer.now));
    }
    assert_eq!(peer.now, Instant::from_millis(133_300));
    assert_eq!(peer.closed_after(secs(0)), CloseReason::IdleTimeout);
}

#[test]
fn a_clock_that_goes_backwards_stands_still() {
    let mut peer = Peer::established(config(EXCC).ping_interval(None));
    peer.advance(secs(100));
    peer.receive(Message::GetAddr).unwrap();
    peer.state.handle_timeout(Instant::from_secs(3));
    peer.now = Instant::from_secs(5);
    peer.receive(Message::GetAddr).unwrap();
    assert_eq!(peer.state.poll_timeout(), Some(Instant::from_secs(220)));
    assert_eq!(peer.state.stats().last_receive, Some(Instant::from_secs(100)));
}

#[test]
fn an_early_handle_timeout_has_no_effect() {
    let mut peer = Peer::established(config(EXCC));
    let before = (peer.state.poll_timeout(), peer.state.stats());
    peer.state.handle_timeout(Instant::from_secs(106));
    assert_eq!((peer.state.poll_timeout(), peer.state.stats()), before);
    assert_eq!(peer.events(), []);
    assert_eq!(peer.sent(), []);
}

#[test]
fn all_deadlines_of_a_long_sleep_are_handled_at_once() {
    let mut peer = Peer::established(config(EXCC));
    _ = peer.state.announce(peer.now, tx(1), Relay::Trickle);
    peer.now = Instant::from_secs(1_000_000);
    peer.state.handle_timeout(peer.now);
    assert!(matches!(peer.sent()[..], [Message::Inv(_), Message::Ping(_)]));
    // Only the idle deadline waits for its second step, since bytes may be unread.
    assert_eq!(peer.due_in(), Some((Timer::Idle, GRACE)));
    assert_eq!(peer.closed_after(secs(0)), CloseReason::IdleTimeout);
}

/// No second step is possible after the maximum instant.
#[test]
fn no_deadline_is_set_beyond_the_maximum_instant() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.handle_timeout(Instant::MAX);
    assert_eq!(peer.state.close_reason(), None);
    assert_eq!(peer.state.poll_timeout(), None);
}
