//! Shutdown and close (`docs/protocol.md`, 12.3 and 12.4).

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{
    Command, EncodedMessage, InvVect, Message, NetAddressV2, Reject, RejectCode,
};
use excc_peer::{
    Announced, CloseReason, Event, Hash, Instant, Overflow, PeerState, Relay, SendErrorKind, Timer,
};

use crate::common::*;

fn shut_down(peer: &mut Peer, timeout: Duration) {
    peer.state.shutdown(peer.now, timeout);
}

/// A peer that has ten seconds to send one message of 24 bytes.
fn shutting_down() -> Peer {
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    shut_down(&mut peer, secs(10));
    assert!(peer.state.is_shutting_down());
    peer
}

fn batch(peer: &mut Peer, vectors: impl IntoIterator<Item = InvVect>) {
    for vector in vectors {
        let announced = peer.state.announce(peer.now, vector, Relay::Trickle);
        assert_eq!(announced, Announced::Batched);
    }
}

fn lingers_for(peer: &Peer) -> Option<Duration> {
    peer.state.linger_until().map(|end| end - peer.now)
}

/// The peer is closed locally, and lingers if and only if it has sent everything.
#[track_caller]
fn assert_closed(peer: &mut Peer, has_sent_all: bool) {
    assert_eq!(peer.closed(), CloseReason::Local);
    assert_eq!(peer.state.linger_until().is_some(), has_sent_all);
    assert!(!peer.state.is_shutting_down() && !peer.state.is_established());
    assert_eq!(peer.state.poll_timeout(), None);
    assert_eq!(peer.sent(), []);
}

#[test]
fn a_shutdown_with_an_empty_queue_closes_at_once() {
    let mut peer = Peer::established(quiet(EXCC));
    shut_down(&mut peer, secs(10));
    assert_eq!(lingers_for(&peer), Some(secs(10)));
    assert_closed(&mut peer, true);
    assert_eq!(peer.events(), []);
}

#[test]
fn a_shutdown_sends_and_reports_queued_messages_before_the_close() {
    let mut peer = Peer::established(quiet(EXCC));
    let first = peer.state.send(peer.now, Message::GetAddr).unwrap();
    let nonce = peer.state.ping(peer.now).unwrap();
    let last = peer.state.send(peer.now, Message::MemPool).unwrap();
    shut_down(&mut peer, secs(10));
    assert!(peer.state.is_shutting_down() && peer.state.is_established());
    assert_eq!((peer.events(), peer.state.linger_until()), (vec![], None));

    peer.advance(secs(4));
    assert_eq!(peer.sent(), [Message::GetAddr, ping(nonce), Message::MemPool]);
    assert_eq!(lingers_for(&peer), Some(secs(6)));
    let end = Event::Closed(CloseReason::Local);
    assert_eq!(peer.events(), [Event::Sent(first), Event::Sent(last), end]);
    assert!(!peer.state.is_shutting_down());
    assert_eq!((peer.events(), peer.state.poll_timeout()), (vec![], None));
}

#[test]
fn the_last_byte_completes_a_shutdown() {
    let mut peer = shutting_down();
    for _ in 0..23 {
        assert_eq!(peer.transmit(1).len(), 1);
        assert!(peer.state.is_shutting_down());
        assert_eq!((peer.events(), peer.state.linger_until()), (vec![], None));
    }
    assert_eq!(peer.transmit(1).len(), 1);
    assert_closed(&mut peer, true);
}

#[test]
fn a_transmit_is_empty_after_the_last_byte() {
    let mut peer = shutting_down();
    let mut out = peer.state.transmit(peer.now);
    out.advance(24);
    assert!(!out.has_remaining() && out.chunk().is_empty());
    out.advance(1);
    drop(out);
    assert_closed(&mut peer, true);
}

#[test]
fn messages_that_remain_at_the_shutdown_timeout_are_not_sent() {
    let mut peer = Peer::established(quiet(EXCC));
    let ids: Vec<_> =
        (0..3).map(|_| peer.state.send(peer.now, Message::GetAddr).unwrap()).collect();
    batch(&mut peer, [tx(1)]);
    shut_down(&mut peer, secs(10));
    peer.transmit(30);
    peer.advance(secs(10) - nanos(1));
    assert!(peer.state.is_shutting_down());
    assert_eq!(peer.due_in(), Some((Timer::Shutdown, nanos(1))));
    peer.advance(nanos(1));
    let expected = [
        Event::Sent(ids[0]),
        Event::NotSent(ids[1]),
        Event::NotSent(ids[2]),
        Event::Closed(CloseReason::Local),
    ];
    assert_eq!(peer.events(), expected);
    assert_eq!(peer.state.linger_until(), None);
    assert_eq!(peer.sent(), []);
}

#[test]
fn no_command_is_accepted_during_a_shutdown() {
    let address = NetAddressV2::new(1, version(8).services, remote());
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.push_getheaders(peer.now, [hash(1)], Hash::ZERO).unwrap();
    shut_down(&mut peer, secs(10));

    let error = peer.state.send(peer.now, Message::MemPool).unwrap_err();
    assert_eq!((error.kind, error.message), (SendErrorKind::ShuttingDown, Message::MemPool));
    let encoded = EncodedMessage::new(&EXCC, 8, &Message::MemPool).unwrap();
    let error = peer.state.send_encoded(peer.now, encoded.clone()).unwrap_err();
    assert_eq!((error.kind, error.message), (SendErrorKind::ShuttingDown, encoded));
    assert_eq!(peer.state.ping(peer.now), Err(SendErrorKind::ShuttingDown));
    assert_eq!(peer.state.push_addrs(peer.now, &[address]), Err(SendErrorKind::ShuttingDown));
    assert_eq!(peer.state.push_addrs(peer.now, &[]), Err(SendErrorKind::ShuttingDown));
    let reject = Reject {
        command: "tx".into(),
        code: RejectCode::DUST,
        reason: "too little".into(),
        hash: Some(hash(1)),
    };
    let error = peer.state.push_reject(peer.now, reject).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::ShuttingDown);
    for relay in [Relay::Trickle, Relay::Immediate] {
        assert_eq!(peer.state.announce(peer.now, tx(1), relay), Announced::NotReady);
    }
    // A request that repeats the last one, and another.
    for first in [1, 2] {
        let pushed = peer.state.push_getheaders(peer.now, [hash(first)], Hash::ZERO);
        let error = pushed.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::ShuttingDown);
        assert_eq!(error.message.command(), Command::GetHeaders);
    }
    let pushed = peer.state.push_getblocks(peer.now, [hash(1)], Hash::ZERO);
    assert_eq!(pushed.unwrap_err().kind, SendErrorKind::ShuttingDown);

    assert_eq!(peer.sent_commands(), [Command::GetHeaders]);
    assert_closed(&mut peer, true);
    let closed = SendErrorKind::Closed(CloseReason::Local);
    assert_eq!(peer.state.send(peer.now, Message::MemPool).unwrap_err().kind, closed);
}

#[test]
fn a_shutdown_queues_batched_announcements_at_once() {
    let mut peer = Peer::established(quiet(EXCC));
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    batch(&mut peer, (0..1_500).map(tx));
    shut_down(&mut peer, secs(10));
    assert_eq!(peer.due_in(), Some((Timer::Shutdown, secs(10))), "no announcement is batched");
    let expected = [Message::GetAddr, inv((0..1_000).map(tx)), inv((1_000..1_500).map(tx))];
    assert_eq!(peer.sent(), expected);
    assert_eq!(peer.events(), [Event::Sent(id), Event::Closed(CloseReason::Local)]);
    assert_eq!(lingers_for(&peer), Some(secs(10)));
}

#[test]
fn a_shutdown_does_not_announce_known_vectors() {
    let mut peer = Peer::established(quiet(EXCC));
    batch(&mut peer, (1..=3).map(tx));
    peer.receive(inv([tx(2)])).unwrap();
    shut_down(&mut peer, secs(10));
    assert_eq!(peer.sent(), [inv([tx(1), tx(3)])]);
    assert_closed(&mut peer, true);
}

#[test]
fn a_shutdown_with_only_known_vectors_closes_at_once() {
    let mut peer = Peer::established(quiet(EXCC));
    batch(&mut peer, [tx(1)]);
    peer.receive(inv([tx(1)])).unwrap();
    shut_down(&mut peer, secs(10));
    assert_closed(&mut peer, true);
}

/// A peer with a full queue and one batched announcement.
fn with_full_queue() -> Peer {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(3 * (24 + QUEUED) + 10));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    batch(&mut peer, [tx(1)]);
    peer
}

#[test]
fn announcements_wait_for_room_during_a_shutdown() {
    let mut peer = with_full_queue();
    shut_down(&mut peer, secs(10));
    assert_eq!(peer.due_in(), Some((Timer::Trickle, millis(100))));
    peer.advance(secs(5));
    assert_eq!(peer.sent_commands(), [Command::GetAddr; 3]);
    assert!(peer.state.is_shutting_down(), "an announcement is batched");
    peer.advance(millis(100));
    assert_eq!(peer.sent(), [inv([tx(1)])]);
    assert_eq!(lingers_for(&peer), Some(millis(4_900)));
    assert_closed(&mut peer, true);
}

#[test]
fn announcements_leave_one_by_one_through_a_small_queue() {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(191));
    batch(&mut peer, (0..20).map(tx));
    shut_down(&mut peer, secs(10));
    for n in 0..20 {
        assert!(peer.state.is_shutting_down());
        assert_eq!(peer.sent(), [inv([tx(n)])]);
        peer.advance(millis(100));
    }
    assert_closed(&mut peer, true);
}

#[test]
fn waiting_announcements_that_become_known_end_a_shutdown() {
    let mut peer = with_full_queue();
    shut_down(&mut peer, secs(10));
    peer.sent();
    peer.receive(inv([tx(1)])).unwrap();
    assert!(peer.state.is_shutting_down());
    assert_eq!(peer.skip_to_deadline(), Timer::Trickle);
    assert_eq!(lingers_for(&peer), Some(millis(9_900)));
    assert_closed(&mut peer, true);
}

#[test]
fn announcements_beyond_the_queue_limit_can_close() {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(191).overflow(Overflow::Close));
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    batch(&mut peer, [tx(1)]);
    shut_down(&mut peer, secs(10));
    let events = peer.events();
    assert_eq!(events[0], Event::NotSent(id));
    assert!(matches!(events[1], Event::Closed(CloseReason::OutputOverflow { .. })));
    assert_eq!(peer.state.linger_until(), None);
}

#[test]
fn a_shutdown_sends_our_version_and_does_not_wait_for_an_answer() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::outbound(config(network));
        shut_down(&mut peer, secs(10));
        assert!(peer.state.is_shutting_down());
        assert_eq!(
            peer.state.send(peer.now, Message::GetAddr).unwrap_err().kind,
            SendErrorKind::ShuttingDown
        );
        assert_eq!(peer.sent_commands(), [Command::Version]);
        assert_closed(&mut peer, true);
    }
}

#[test]
fn a_shutdown_before_the_first_message_closes_at_once() {
    let mut peer = Peer::inbound(config(EXCC));
    shut_down(&mut peer, secs(10));
    assert_closed(&mut peer, true);
}

#[test]
fn a_shutdown_during_a_review_waits_for_its_outcome() {
    let reviewed = || {
        let mut peer = Peer::inbound(config(EXCC).review_version(true));
        peer.receive(version(8)).unwrap();
        let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
        peer.events();
        shut_down(&mut peer, secs(10));
        assert_eq!(peer.sent(), []);
        assert!(peer.state.is_shutting_down());
        (peer, id)
    };
    let (mut peer, _) = reviewed();
    peer.state.accept_version(peer.now);
    let expected = [Command::Version, Command::VerAck, Command::GetAddr];
    assert_eq!(peer.sent_commands(), expected);
    assert_closed(&mut peer, true);

    let (mut peer, id) = reviewed();
    peer.state.refuse_version(peer.now);
    let end = Event::Closed(CloseReason::VersionRefused);
    assert_eq!(peer.events(), [Event::NotSent(id), end]);
    assert_eq!(peer.state.linger_until(), None);

    let (mut peer, id) = reviewed();
    peer.advance(secs(10));
    assert_eq!(peer.events(), [Event::NotSent(id), Event::Closed(CloseReason::Local)]);
}

#[test]
fn on_decred_a_shutdown_waits_for_the_verack() {
    let mut peer = Peer::outbound(config(DCR));
    peer.sent();
    peer.receive(version(12)).unwrap();
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    shut_down(&mut peer, secs(40));
    assert_eq!(peer.sent(), []);
    assert!(peer.state.is_shutting_down());
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.sent(), [Message::VerAck, Message::GetAddr]);
    assert_closed(&mut peer, true);
}

#[test]
fn the_handshake_timeout_applies_during_a_shutdown() {
    let mut peer = Peer::inbound(config(DCR));
    peer.receive(version(12)).unwrap();
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    shut_down(&mut peer, secs(40));
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert_eq!(peer.skip_to_deadline(), Timer::Handshake);
    assert_eq!(peer.closed(), CloseReason::HandshakeTimeout);
    assert_eq!(peer.state.linger_until(), None);
}

#[test]
fn a_close_after_a_shutdown_ends_the_lingering() {
    let ends: [fn(&mut PeerState); 2] =
        [|peer| peer.close(Instant::ZERO), |peer| peer.shutdown(Instant::ZERO, Duration::ZERO)];
    for end in ends {
        let mut peer = Peer::established(quiet(EXCC));
        shut_down(&mut peer, secs(10));
        assert_eq!(lingers_for(&peer), Some(secs(10)));
        end(&mut peer.state);
        assert_closed(&mut peer, false);
    }
}

#[test]
fn a_shutdown_timeout_of_zero_is_a_close() {
    let mut peer = Peer::established(quiet(EXCC));
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    shut_down(&mut peer, Duration::ZERO);
    assert_eq!(peer.events(), [Event::NotSent(id), Event::Closed(CloseReason::Local)]);
    assert_eq!(peer.state.linger_until(), None);
    // With an empty queue the peer does not linger either.
    let mut peer = Peer::inbound(config(EXCC));
    shut_down(&mut peer, Duration::ZERO);
    assert_closed(&mut peer, false);
}

#[test]
fn a_shutdown_timeout_may_be_the_maximum() {
    let mut peer = Peer::established(quiet(EXCC).write_timeout(None));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    shut_down(&mut peer, Duration::MAX);
    peer.advance(secs(1_000_000_000));
    assert!(peer.state.is_shutting_down());
    peer.sent();
    assert!(peer.state.linger_until() > Some(Instant::from_secs(10_000_000_000)));
    assert_closed(&mut peer, true);
}

#[test]
fn a_shutdown_at_the_maximum_instant_is_due() {
    let mut peer = Peer::established(quiet(EXCC).write_timeout(None));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.now = Instant::MAX;
    shut_down(&mut peer, Duration::MAX);
    assert!(peer.state.is_shutting_down());
    peer.state.handle_timeout(peer.now);
    assert_closed(&mut peer, false);
}

#[test]
fn a_second_shutdown_sets_the_timeout_anew() {
    for (after, anew, remaining) in [(secs(1), secs(2), secs(2)), (secs(9), secs(100), secs(100))] {
        let mut peer = shutting_down();
        peer.advance(after);
        shut_down(&mut peer, anew);
        assert_eq!(peer.due_in(), Some((Timer::Shutdown, remaining)));
        peer.advance(remaining - nanos(1));
        assert!(peer.state.is_shutting_down());
        peer.sent();
        assert_eq!(lingers_for(&peer), Some(nanos(1)));
    }
}

#[test]
fn a_close_ends_a_shutdown() {
    let by: [fn(&mut Peer); 2] =
        [|peer| shut_down(peer, Duration::ZERO), |peer| peer.state.close(peer.now)];
    for cut_short in by {
        let mut peer = shutting_down();
        cut_short(&mut peer);
        assert!(matches!(
            peer.events()[..],
            [Event::NotSent(_), Event::Closed(CloseReason::Local)]
        ));
        assert_eq!(peer.state.linger_until(), None);
    }
}

#[test]
fn a_shutdown_after_the_close_has_no_effect() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.eof();
    shut_down(&mut peer, secs(10));
    assert_eq!((peer.closed(), peer.state.linger_until()), (CloseReason::RemoteClosed, None));
    assert!(!peer.state.is_shutting_down());

    let mut peer = Peer::inbound(config(EXCC));
    shut_down(&mut peer, secs(10));
    peer.advance(secs(5));
    shut_down(&mut peer, secs(10));
    peer.eof();
    assert_eq!(lingers_for(&peer), Some(secs(5)));
    assert_closed(&mut peer, true);
}

#[test]
fn another_close_during_a_shutdown_has_its_own_reason() {
    type End = fn(&mut Peer);
    let ends: [(End, CloseReason); 5] = [
        (Peer::eof, CloseReason::RemoteClosed),
        (|peer| peer.state.handle_connection_lost(peer.now), CloseReason::ConnectionLost),
        (|peer| _ = peer.receive(version(8)), CloseReason::DuplicateVersion),
        (|peer| _ = peer.transmit(0), CloseReason::WriteStall),
        (|_| {}, CloseReason::IdleTimeout),
    ];
    for (end, reason) in ends {
        let timeouts = config(EXCC).write_timeout(Some(secs(3))).idle_timeout(Some(secs(5)));
        let mut peer = Peer::established(timeouts.ping_interval(None));
        let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
        shut_down(&mut peer, secs(10));
        let start = peer.now;
        end(&mut peer);
        peer.advance(secs(5) + GRACE);
        assert_eq!(peer.events(), [Event::NotSent(id), Event::Closed(reason.clone())]);
        assert!(!peer.state.is_shutting_down());
        // A close for fatal input lingers.
        let lingers = reason == CloseReason::DuplicateVersion;
        let end = lingers.then_some(start + secs(1));
        assert_eq!(peer.state.linger_until(), end);
    }
}

#[test]
fn fatal_input_during_a_shutdown_has_its_own_reason() {
    let mut peer = shutting_down();
    let reason = peer.feed(&[b'\n'; 30]).unwrap_err();
    assert_eq!(decode_error(&reason), "PayloadTooLarge");
    assert_eq!(peer.sent(), [Message::GetAddr], "sent in the last try");
    assert_eq!((peer.closed(), lingers_for(&peer)), (reason, Some(secs(1))));
}

#[test]
fn input_is_handled_during_a_shutdown() {
    let mut peer = shutting_down();
    peer.receive(ping(7)).unwrap();
    assert!(peer.state.wants_read());
    assert_eq!(peer.transmit(32), frame(EXCC, 8, pong(7)));
    assert!(peer.state.is_shutting_down(), "a message is queued");
    peer.receive(ping(8)).unwrap();
    assert_eq!(peer.sent(), [pong(8), Message::GetAddr]);
    let events = peer.events();
    assert_eq!(events[..2], [unsolicited(ping(7)), unsolicited(ping(8))]);
    assert!(matches!(events[2..], [Event::Sent(_), Event::Closed(CloseReason::Local)]));
    assert!(peer.state.linger_until().is_some());
}

#[test]
fn pings_do_not_extend_a_shutdown() {
    let mut peer = shutting_down();
    for nonce in 0..99 {
        peer.receive(ping(nonce)).unwrap();
        peer.advance(millis(100));
        peer.transmit(32);
        peer.events();
    }
    assert!(peer.state.is_shutting_down());
    peer.advance(millis(100));
    assert_closed(&mut peer, false);
}

#[test]
fn a_shutdown_has_a_name_in_logs() {
    let peer = shutting_down();
    let (timer, _) = peer.state.next_deadline().unwrap();
    assert_eq!(timer.to_string(), "shutdown");
    assert_eq!(SendErrorKind::ShuttingDown.to_string(), "the peer is shutting down");
}

#[test]
fn messages_not_sent_at_the_close_are_reported_before_it() {
    let mut peer = Peer::established(config(EXCC));
    let ids: Vec<_> =
        (0..3).map(|_| peer.state.send(peer.now, Message::GetAddr).unwrap()).collect();
    peer.state.ping(peer.now).unwrap();
    // The first message is sent, the second in part.
    peer.transmit(30);
    peer.state.close(peer.now);
    let expected = [
        Event::Sent(ids[0]),
        Event::NotSent(ids[1]),
        Event::NotSent(ids[2]),
        Event::Closed(CloseReason::Local),
    ];
    assert_eq!(peer.events(), expected);
    assert_eq!(peer.transmit(usize::MAX).len(), 0);
}

#[test]
fn closed_is_emitted_once_and_last() {
    let mut peer = Peer::established(config(EXCC));
    peer.receive(Message::GetAddr).unwrap();
    peer.state.close(peer.now);
    peer.state.close(peer.now);
    peer.eof();
    assert_eq!(peer.receive(Message::GetAddr), Err(CloseReason::Local));
    let end = [unsolicited(Message::GetAddr), Event::Closed(CloseReason::Local)];
    assert_eq!(peer.events(), end);
    peer.state.close(peer.now);
    peer.state.refuse_version(peer.now);
    peer.advance(secs(1_000));
    assert_eq!(peer.events(), []);
}
