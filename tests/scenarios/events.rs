//! Back-pressure: limits on waiting events, and deadlines while input is not taken
//! (`docs/protocol.md`, 10.1 and 11.4).

use excc_peer::wire::Message;
use excc_peer::{CloseReason, Event, Timer};

use crate::common::*;

/// Frames of 24 bytes each.
fn frames(count: usize) -> Vec<u8> {
    frame(EXCC, 8, Message::GetAddr).repeat(count)
}

#[test]
fn input_is_taken_only_below_the_event_limit() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(4, usize::MAX));
    assert!(peer.state.wants_read());
    peer.feed(&frames(10)).unwrap();
    assert!(!peer.state.wants_read() && !peer.state.can_resume());
    assert_eq!(peer.buffer.len(), 6 * 24);
    assert_eq!(peer.state.stats().waiting_events, 4);

    assert!(peer.state.poll_event().is_some());
    assert!(peer.state.wants_read() && peer.state.can_resume());
    peer.resume().unwrap();
    assert_eq!(peer.buffer.len(), 5 * 24);
    assert!(!peer.state.can_resume());
}

#[test]
fn all_input_under_back_pressure_is_emitted_later() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(3, usize::MAX));
    let mut bytes = Vec::new();
    (0..20).for_each(|nonce| bytes.extend_from_slice(&frame(EXCC, 8, ping(nonce))));
    peer.feed(&bytes).unwrap();
    let mut seen = peer.messages();
    while peer.state.can_resume() {
        peer.resume().unwrap();
        seen.extend(peer.messages());
    }
    assert_eq!(seen, (0..20).map(ping).collect::<Vec<_>>());
    assert!(peer.buffer.is_empty());
}

#[test]
fn the_bytes_of_waiting_messages_are_limited() {
    let inv = inv([tx(1); 100]);
    let len = frame(EXCC, 8, inv.clone()).len();
    let mut peer = Peer::established(config(EXCC).max_waiting_events(1_000, 2 * len));
    for _ in 0..4 {
        peer.receive(inv.clone()).unwrap();
    }
    assert_eq!(peer.buffer.len(), 2 * len);
    peer.state.poll_event();
    peer.resume().unwrap();
    assert_eq!(peer.buffer.len(), len);
}

#[test]
fn one_message_of_any_size_is_taken() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(1_000, 0));
    let inv = inv([tx(1); 100]);
    peer.receive(inv.clone()).unwrap();
    peer.receive(inv.clone()).unwrap();
    assert_eq!(peer.messages(), std::slice::from_ref(&inv));
    peer.resume().unwrap();
    assert_eq!(peer.messages(), [inv]);
}

#[test]
fn the_idle_deadline_stands_still_under_back_pressure() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.feed(&frames(10)).unwrap();
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), None);
    // The last message restarts the deadline.
    while peer.state.poll_event().is_some() {}
    peer.resume().unwrap();
    while peer.state.poll_event().is_some() {}
    peer.resume().unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn the_idle_deadline_keeps_its_remaining_time_after_back_pressure() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.feed(&frames(4)).unwrap();
    peer.advance(secs(119));
    while peer.state.poll_event().is_some() {}
    assert!(peer.state.wants_read());
    // The remote's clock runs again from the next call with a time.
    peer.sent();
    peer.advance(secs(2));
    assert_eq!(peer.closed_after(secs(118)), CloseReason::IdleTimeout);
}

#[test]
fn the_idle_deadline_runs_again_after_back_pressure() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.advance(secs(10));
    peer.feed(&frames(4)).unwrap();
    peer.advance(secs(50));
    while peer.state.poll_event().is_some() {}
    // The remote's clock runs again from this call, which every driver makes after it takes events.
    peer.sent();
    assert_eq!(peer.closed_after(secs(120)), CloseReason::IdleTimeout);
}

#[test]
fn a_verack_that_waits_under_back_pressure_is_in_time() {
    let mut peer = Peer::inbound(config(EXCC).max_waiting_events(2, usize::MAX));
    let mut bytes = frame(EXCC, 8, version(8)).to_vec();
    bytes.extend_from_slice(&frame(EXCC, 8, Message::VerAck));
    peer.feed(&bytes).unwrap();
    peer.advance(secs(100));
    assert_eq!(peer.events().len(), 2);
    peer.resume().unwrap();
    assert_eq!(peer.events(), [Event::VerAckReceived]);
}

#[test]
fn a_pong_that_waits_under_back_pressure_is_in_time() {
    let config = config(EXCC).max_waiting_events(4, usize::MAX).pong_timeout(Some(secs(10)));
    let mut peer = Peer::established(config);
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.feed(&frames(4)).unwrap();
    peer.receive(pong(nonce)).unwrap();
    peer.advance(secs(60));
    assert_eq!(peer.events().len(), 4);
    peer.resume().unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(60)));
    peer.advance(secs(20));
    assert_eq!(peer.state.close_reason(), None);
}

#[test]
fn waiting_receipts_cause_back_pressure() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    for _ in 0..4 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    peer.sent();
    assert!(!peer.state.wants_read());
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), None);
}
