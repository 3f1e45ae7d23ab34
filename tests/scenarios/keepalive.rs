//! Keep-alive: pings, pongs, round trips and the idle deadline (`docs/protocol.md`, 6).

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::Message;
use excc_peer::{CloseReason, Event, Instant, Timer};

use crate::common::*;

const TIMEOUT: Duration = secs(1_000);

/// An established peer that sends no pings.
fn without_pings(config: excc_peer::ConfigBuilder) -> Peer {
    Peer::established(config.ping_interval(None))
}

#[test]
fn a_silent_remote_is_closed_after_120_seconds() {
    let mut peer = without_pings(config(EXCC));
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
    assert_eq!(peer.closed_after(secs(120)), CloseReason::IdleTimeout);
}

#[test]
fn every_complete_message_restarts_the_idle_deadline() {
    let mut peer = without_pings(config(EXCC));
    for nonce in 0..5 {
        peer.advance(secs(119));
        peer.receive(pong(nonce)).unwrap();
        assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
    }
}

#[test]
fn the_idle_timeout_can_be_disabled() {
    let mut peer = without_pings(config(EXCC).idle_timeout(None));
    assert_eq!(peer.state.poll_timeout(), None);
    peer.advance(secs(1_000_000));
    assert!(peer.state.is_established());
}

#[test]
fn pings_are_sent_every_107_seconds_whatever_the_traffic() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(None));
    let mut nonces = Vec::new();
    for _ in 0..3 {
        peer.advance(secs(100));
        peer.receive(Message::GetAddr).unwrap();
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        assert_eq!(peer.sent(), [Message::GetAddr]);
        assert_eq!(peer.due_in(), Some((Timer::Ping, secs(7))));
        assert_eq!(peer.skip_to_deadline(), Timer::Ping);
        nonces.push(peer.sent_ping());
    }
    assert_eq!(peer.now, Instant::from_secs(321));
    assert!(!nonces.contains(&0));
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

/// In the reference nodes the interval is fixed, so that two nodes with a short idle timeout
/// disconnect.
#[test]
fn a_short_idle_timeout_shortens_the_ping_interval() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(Some(secs(15))));
    peer.advance(secs(6));
    peer.sent_ping();
}

#[test]
fn pings_start_after_the_handshake() {
    let mut peer = Peer::inbound(config(EXCC).ping_interval(Some(secs(5))));
    peer.advance(secs(20));
    peer.shake_hands(version(8));
    assert_eq!(peer.due_in(), Some((Timer::Ping, secs(5))));
}

#[test]
fn no_second_ping_is_queued_before_the_first_is_sent() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(None));
    peer.advance(secs(1_000));
    peer.sent_ping();
}

#[test]
fn a_round_trip_starts_with_the_last_byte_of_the_ping() {
    let mut peer = Peer::established(config(EXCC));
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.advance(secs(3));
    assert_eq!(peer.transmit(31).len(), 31);
    peer.advance(secs(5));
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert_eq!(peer.transmit(1).len(), 1);
    assert_eq!(peer.state.stats().outstanding_ping, Some(nonce));
    peer.advance(millis(250));
    let pong = pong(nonce);
    peer.receive(pong.clone()).unwrap();
    let time = millis(250);
    assert_eq!(peer.events(), [unsolicited(pong), Event::RoundTrip { nonce, time }]);
    let stats = peer.state.stats();
    assert_eq!((stats.outstanding_ping, stats.round_trip), (None, Some(time)));
    assert_eq!(stats.last_ping, Some(Instant::from_secs(8)));
}

#[test]
fn a_pong_with_an_unknown_nonce_is_ignored() {
    let mut peer = Peer::established(config(EXCC));
    let nonce = peer.state.ping(peer.now).unwrap();
    assert_eq!(peer.sent_ping(), nonce);
    peer.advance(secs(1));
    peer.receive(pong(nonce ^ 1)).unwrap();
    assert_eq!(peer.state.stats().outstanding_ping, Some(nonce));
    assert_eq!(peer.state.stats().round_trip, None);
    peer.receive(pong(nonce)).unwrap();
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
    // A pong counts once.
    peer.advance(secs(1));
    peer.receive(pong(nonce)).unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
}

#[test]
fn a_queued_ping_does_not_replace_an_outstanding_one() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(secs(10))));
    let first = peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.advance(secs(1));
    peer.state.ping(peer.now).unwrap();
    peer.receive(pong(first)).unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
    // The deadline of the first ping is cleared, and the second ping is not sent yet.
    peer.advance(secs(60));
    assert_eq!(peer.state.close_reason(), None);
}

#[test]
fn pings_of_the_application_are_bounded_by_the_queue_limit() {
    let mut peer = Peer::established(config(EXCC).max_queued_bytes(10 * (32 + QUEUED)));
    for _ in 0..1_000 {
        // The ping is queued, or refused for lack of room.
        _ = peer.state.ping(peer.now);
    }
    assert!(peer.state.stats().queued_frames <= 10);
}

#[test]
fn pongs_have_no_deadline_by_default() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.ping(peer.now).unwrap();
    peer.sent();
    assert_eq!(peer.state.poll_timeout(), None);
}

#[test]
fn a_pong_deadline_starts_with_the_last_byte_of_the_ping() {
    let config = config(EXCC).pong_timeout(Some(secs(10))).ping_interval(None);
    let mut peer = Peer::established(config);
    peer.state.ping(peer.now).unwrap();
    peer.advance(secs(60));
    peer.sent();
    assert_eq!(peer.due_in(), Some((Timer::Pong, secs(10))));
    // Other messages do not answer the ping.
    peer.receive(Message::GetAddr).unwrap();
    assert_eq!(peer.closed_after(secs(10)), CloseReason::PongTimeout);
}

#[test]
fn a_pong_clears_its_deadline() {
    let config = config(EXCC).pong_timeout(Some(secs(10))).ping_interval(None);
    let mut peer = Peer::established(config);
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.advance(secs(9));
    peer.receive(pong(nonce)).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn a_received_ping_is_answered_at_once() {
    let mut peer = Peer::established(config(EXCC));
    let ping = ping(u64::MAX);
    peer.receive(ping.clone()).unwrap();
    let expected = frame(EXCC, 8, pong(u64::MAX));
    assert_eq!(peer.transmit(usize::MAX), expected);
    assert_eq!(peer.events(), [unsolicited(ping)]);
}

/// The reference nodes track every written ping as well.
#[test]
fn a_ping_sent_as_a_message_has_a_round_trip() {
    let mut peer = Peer::established(config(EXCC));
    let id = peer.state.send(peer.now, ping(77)).unwrap();
    peer.sent();
    assert_eq!(peer.events(), [Event::Sent(id)]);
    peer.advance(secs(2));
    let pong = pong(77);
    peer.receive(pong.clone()).unwrap();
    let round_trip = Event::RoundTrip { nonce: 77, time: secs(2) };
    assert_eq!(peer.events(), [unsolicited(pong), round_trip]);
}

/// An adapter that writes a frame batch reports it afterwards, and may read before that.
#[test]
fn a_pong_before_its_lent_ping_counts_as_sent_is_in_time() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(secs(5))));
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.advance(millis(10));
    let written = peer.state.transmit(peer.now).batch(8).remaining();
    peer.advance(millis(2));
    peer.receive(pong(nonce)).unwrap();
    peer.advance(millis(1));
    peer.transmit(written);
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert!(peer.events().contains(&Event::RoundTrip { nonce, time: Duration::ZERO }));
    peer.advance(millis(5_100));
    assert_eq!(peer.state.close_reason(), None, "answered in time");
}

#[test]
fn a_pong_before_its_ping_is_lent_is_ignored() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(TIMEOUT)));
    peer.state.send(peer.now, ping(7)).unwrap();
    peer.receive(pong(7)).unwrap();
    peer.sent();
    assert_eq!(peer.state.stats().outstanding_ping, Some(7));
    assert!(peer.events().iter().all(|event| !matches!(event, Event::RoundTrip { .. })));
}

#[test]
fn each_ping_has_its_own_round_trip() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(TIMEOUT)));
    for nonce in 0..16 {
        peer.state.send(peer.now, ping(nonce)).unwrap();
        peer.sent();
        peer.advance(secs(1));
    }
    peer.events();
    for nonce in 0..16 {
        peer.receive(pong(nonce)).unwrap();
        let round_trip = Event::RoundTrip { nonce, time: secs(16 - nonce) };
        assert_eq!(peer.events(), [unsolicited(pong(nonce)), round_trip]);
    }
    assert_eq!(peer.state.stats().outstanding_ping, None);
}

#[test]
fn a_pong_answers_all_older_pings() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(TIMEOUT)).idle_timeout(None));
    for nonce in 0..3 {
        peer.state.send(peer.now, ping(nonce)).unwrap();
    }
    peer.sent();
    peer.advance(secs(1));
    peer.receive(pong(1)).unwrap();
    assert_eq!(peer.state.stats().outstanding_ping, Some(2));
    peer.events();
    peer.receive(pong(0)).unwrap();
    assert_eq!(peer.events(), [unsolicited(pong(0))]);
}
