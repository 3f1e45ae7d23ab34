//! Floods: a remote that sends too much or reads nothing. The memory and the time that it can
//! take are bounded (`docs/protocol.md`, 11).
//!
//! `tests/memory` measures the memory itself.

use excc_peer::wire::{Command, HEADER_LEN, InvVect, Message};
use excc_peer::{Announced, CloseReason, Event, Instant, Network, Overflow, Relay, SendErrorKind};

use crate::common::*;

/// Frames of 24 bytes each.
fn frames(count: usize) -> Vec<u8> {
    frame(EXCC, 8, Message::GetAddr).repeat(count)
}

/// The default limit on waiting events.
const MAX_EVENTS: usize = 128;

/// The limit on waiting nonces, and the limit on queued pongs.
const MAX_PONGS: usize = 64;
const PONG_LEN: usize = 32;

fn pings(numbers: std::ops::Range<u64>) -> Vec<u8> {
    numbers.flat_map(|nonce| frame(EXCC, 8, ping(nonce))).collect()
}

/// Frames without a payload that an established remote may send, on both networks.
fn empty_frames() -> impl Iterator<Item = (Network, Vec<u8>)> {
    let messages = [Message::GetAddr, Message::MemPool, Message::SendHeaders, Message::GetCFTypes];
    messages.into_iter().flat_map(|message| {
        [(EXCC, 8), (DCR, 12)]
            .map(|(network, version)| (network, frame(network, version, message.clone()).to_vec()))
    })
}

#[test]
fn pongs_to_a_remote_that_does_not_read_are_bounded() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(usize::MAX, usize::MAX));
    for nonce in 0..10_000 {
        peer.receive(ping(nonce)).unwrap();
        peer.events();
    }
    assert_eq!(peer.state.stats().queued_frames, 64);
    assert!(peer.state.wants_read() && peer.buffer.is_empty());
    // The latest pings are answered.
    let pongs = (9_936..10_000).map(pong);
    assert_eq!(peer.sent(), pongs.collect::<Vec<_>>());
}

#[test]
fn the_latest_of_too_many_pings_are_answered() {
    let mut peer = Peer::established(quiet(EXCC));
    let mut written = Vec::new();
    for round in 0..500 {
        peer.feed(&pings(round * 20..(round + 1) * 20)).unwrap();
        peer.events();
        // The remote reads half a pong for every twenty pings.
        written.extend_from_slice(&peer.transmit(PONG_LEN / 2));
        assert!(peer.state.stats().queued_frames <= 2 * MAX_PONGS);
        assert!(peer.state.wants_read() && peer.buffer.is_empty());
    }
    assert_eq!(written.len(), 500 * PONG_LEN / 2);
    written.extend_from_slice(&peer.transmit(usize::MAX));
    written.extend_from_slice(&peer.transmit(usize::MAX));
    let pongs: Vec<_> = written.chunks(PONG_LEN).collect();
    let latest = (10_000 - MAX_PONGS as u64..10_000).map(|nonce| frame(EXCC, 8, pong(nonce)));
    assert!(latest.eq(pongs[pongs.len() - MAX_PONGS..].iter().copied()));
}

#[test]
fn a_ping_is_answered_with_as_many_bytes() {
    let mut peer = Peer::established(quiet(EXCC));
    let before = peer.state.stats();
    let mut frames = pings(0..10_000);
    let sent = frames.len() as u64;
    while !frames.is_empty() || peer.state.can_resume() {
        let rest = frames.split_off(frames.len().min(1_000));
        peer.feed(&frames).unwrap();
        frames = rest;
        peer.events();
        assert!(peer.state.stats().queued_frames <= MAX_PONGS);
        peer.transmit(usize::MAX);
    }
    let stats = peer.state.stats();
    assert_eq!(stats.bytes_received - before.bytes_received, sent);
    assert_eq!(stats.bytes_sent - before.bytes_sent, sent);
}

#[test]
fn pongs_do_not_count_towards_the_queue_limit() {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(1_000));
    peer.feed(&pings(0..1_000)).unwrap();
    peer.events();
    assert_eq!(peer.state.stats().queued_bytes, 0);
    assert!(peer.state.send(peer.now, Message::GetAddr).is_ok());
}

#[test]
fn a_remote_that_pings_and_does_not_read_is_closed_by_the_write_timeout() {
    let mut peer = Peer::established(config(EXCC));
    for nonce in 0..100 {
        peer.receive(ping(nonce)).unwrap();
        peer.events();
        peer.transmit(0);
    }
    assert_eq!(peer.closed_after(secs(20)), CloseReason::WriteStall);
}

#[test]
fn messages_beyond_the_event_limit_stay_in_the_buffer() {
    for (network, empty) in empty_frames() {
        let mut peer = Peer::established(quiet(network));
        peer.feed(&empty.repeat(100_000)).unwrap();
        for _ in 0..10 {
            peer.feed(&empty.repeat(100)).unwrap();
        }
        assert!(!peer.state.wants_read() && !peer.state.can_resume());
        let stats = peer.state.stats();
        assert_eq!((stats.waiting_events, stats.queued_frames), (MAX_EVENTS, 0));
        assert_eq!(peer.buffer.len(), (101_000 - MAX_EVENTS) * HEADER_LEN);
    }
}

#[test]
fn messages_before_the_verack_do_not_move_its_deadline() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.feed(&frame(EXCC, 8, Message::GetAddr).repeat(10_000)).unwrap();
    assert_eq!(peer.state.stats().waiting_events, MAX_EVENTS);
    // While the application takes no events, the flood does not extend the deadline.
    for _ in 0..30 {
        peer.events();
        peer.resume().unwrap();
        assert_eq!(peer.state.stats().waiting_events, MAX_EVENTS);
        peer.events();
        peer.sent();
        peer.advance(secs(1));
    }
    assert_eq!(peer.closed_after(secs(0)), CloseReason::VerAckTimeout);
}

#[test]
fn a_flood_before_a_decred_verack_closes() {
    for (theirs, allowed) in [(12, 0), (11, 2)] {
        let mut peer = Peer::inbound(config(DCR));
        peer.receive(version(theirs)).unwrap();
        let received = peer.state.stats().bytes_received;
        let flood = frame(DCR, 11, Message::GetAddr).repeat(10_000);
        assert_eq!(peer.feed(&flood), Err(CloseReason::NotVerAck(Command::GetAddr)));
        let received = peer.state.stats().bytes_received - received;
        assert_eq!(received, (allowed + 1) * HEADER_LEN as u64);
        assert!(!peer.events().iter().any(|event| matches!(event, Event::Message { .. })));
    }
}

#[test]
fn the_queue_for_a_remote_that_does_not_read_is_bounded() {
    const LIMIT: usize = 40 * 1024 * 1024;
    for (overflow, closes) in [(Overflow::Refuse, false), (Overflow::Close, true)] {
        let mut peer = Peer::established(quiet(EXCC).overflow(overflow));
        let message = Message::Tx(paying(EXCC.chain(), 1_000_000));
        let len = frame(EXCC, 8, message.clone()).len() + QUEUED;
        for _ in 0..LIMIT / len {
            peer.state.send(peer.now, message.clone()).unwrap();
        }
        assert!(peer.state.stats().queued_bytes <= LIMIT);
        for _ in 0..10 {
            let refused = peer.state.send(peer.now, message.clone()).unwrap_err().kind;
            assert_eq!(matches!(refused, SendErrorKind::QueueFull { .. }), !closes);
            assert_eq!(matches!(refused, SendErrorKind::Closed(_)), closes);
        }
        assert_eq!(peer.state.stats().queued_bytes, if closes { 0 } else { LIMIT / len * len });
    }
}

#[test]
fn new_announcements_evict_old_ones() {
    let mut peer = Peer::established(quiet(EXCC));
    for round in 0..10 {
        peer.receive(inv((round * 50_000..(round + 1) * 50_000).map(tx))).unwrap();
        assert_eq!(peer.events().len(), 1);
        assert_eq!(peer.state.stats().known_inventory, 1_000);
        let last = (round + 1) * 50_000 - 1;
        assert!(peer.state.is_known_inventory(peer.now, &tx(last)));
        assert!(peer.state.is_known_inventory(peer.now, &tx(last - 999)));
        assert!(!peer.state.is_known_inventory(peer.now, &tx(last - 1_000)));
    }
}

#[test]
fn repeated_announcements_are_remembered_once() {
    let mut peer = Peer::established(quiet(EXCC));
    let mut vectors: Vec<InvVect> = vec![tx(1); 50_000];
    vectors.push(tx(2));
    vectors.remove(0);
    let message = Message::Inv(vectors.into());
    for _ in 0..20 {
        peer.receive(message.clone()).unwrap();
        peer.events();
        assert_eq!(peer.state.stats().known_inventory, 2);
    }
}

#[test]
fn waiting_messages_are_bounded_in_bytes() {
    const LIMIT: usize = 4 * 1024 * 1024;
    for message in [inv((0..50_000).map(tx)), not_found((0..50_000).map(tx))] {
        let mut peer = Peer::established(quiet(EXCC));
        let frame = frame(EXCC, 8, message);
        for _ in 0..20 {
            // Adapters stop reading at the limit. This driver does not.
            peer.feed(&frame).unwrap();
        }
        assert!(!peer.state.wants_read());
        assert_eq!(peer.state.stats().waiting_events, LIMIT / frame.len() + 1);
        assert_eq!(peer.buffer.len(), (20 - LIMIT / frame.len() - 1) * frame.len());
    }
}

#[test]
fn a_notfound_adds_no_known_inventory() {
    let mut peer = Peer::established(quiet(EXCC));
    let message = not_found((0..50_000).map(tx));
    for _ in 0..10 {
        peer.receive(message.clone()).unwrap();
        assert_eq!(peer.messages(), std::slice::from_ref(&message));
    }
    let stats = peer.state.stats();
    assert_eq!((stats.known_inventory, stats.queued_frames), (0, 0));
}

#[test]
fn statistics_have_one_row_for_each_command() {
    let mut peer = Peer::established(quiet(DCR));
    let frames: Vec<_> = empty_frames().filter(|(network, _)| *network == DCR).collect();
    for round in 0..1_000 {
        for (_, frame) in &frames {
            peer.feed(frame).unwrap();
        }
        peer.receive(ping(round)).unwrap();
        peer.events();
        peer.transmit(usize::MAX);
    }
    let commands = peer.state.stats().commands;
    // The other four are `version`, `verack`, `ping` and `pong`.
    assert_eq!(commands.len(), frames.len() + 2 + 2);
}

/// Announces 100 vectors a second for an hour.
fn announce_for_an_hour(peer: &mut Peer, relay: Relay, mut each_second: impl FnMut(&mut Peer)) {
    for second in 0..3_600 {
        for n in 0..100 {
            let announced = peer.state.announce(peer.now, tx(second * 100 + n), relay);
            assert!(!matches!(announced, Announced::Known | Announced::Unwanted));
        }
        peer.advance(secs(1));
        each_second(peer);
    }
}

#[test]
fn announcements_to_a_remote_that_does_not_read_are_bounded() {
    const LIMIT: usize = 1024 * 1024;
    for relay in [Relay::Trickle, Relay::Immediate] {
        let config = config(EXCC).idle_timeout(None).max_queued_bytes(LIMIT);
        let mut peer = Peer::established(config);
        let mut max_waiting = 0;
        announce_for_an_hour(&mut peer, relay, |peer| {
            let stats = peer.state.stats();
            assert!(stats.queued_bytes <= LIMIT);
            assert!(stats.waiting_announcements <= 50_000);
            assert!(stats.known_inventory <= 1_000);
            max_waiting = stats.waiting_announcements.max(max_waiting);
        });
        assert_eq!(max_waiting, if relay == Relay::Trickle { 50_000 } else { 0 });
        // One ping of the peer waits too.
        let stats = peer.state.stats();
        let smallest = 24 + 3 + 36 + QUEUED;
        assert!(stats.queued_bytes > LIMIT - smallest);
        assert!(stats.queued_frames <= LIMIT / (24 + 1 + 36 + QUEUED) + 1);
        assert_eq!(peer.state.announce(peer.now, tx(u32::MAX), relay), Announced::Full);
    }
}

#[test]
fn a_remote_that_does_not_read_is_closed_after_the_first_try_to_write() {
    let mut peer = Peer::established(config(EXCC));
    _ = peer.state.announce(peer.now, tx(1), Relay::Immediate);
    for _ in 0..20 {
        assert_eq!(peer.state.close_reason(), None);
        _ = peer.state.announce(peer.now, tx(2), Relay::Trickle);
        peer.transmit(0);
        peer.advance(secs(1));
    }
    assert_eq!(peer.closed_after(secs(0)), CloseReason::WriteStall);
    let stats = peer.state.stats();
    assert_eq!((stats.queued_bytes, stats.waiting_announcements), (0, 0));
}

#[test]
fn a_flood_without_back_pressure_does_not_stop_the_verack_deadline() {
    let mut peer = Peer::inbound(config(EXCC).max_waiting_events(4, usize::MAX));
    peer.receive(version(8)).unwrap();
    for _ in 0..32 {
        peer.feed(&frames(20)).unwrap();
        peer.events();
        while peer.state.can_resume() {
            peer.resume().unwrap();
            peer.events();
        }
        peer.sent();
        peer.advance(secs(1));
    }
    // The bytes extend the deadline: 32 times 480 bytes at 10,240 bytes a second.
    assert_eq!(peer.now, Instant::from_secs(32));
    assert_eq!(peer.closed(), CloseReason::VerAckTimeout);
}

#[test]
fn messages_before_the_verack_count_towards_the_event_limit() {
    let mut peer = Peer::inbound(config(EXCC).max_waiting_events(4, usize::MAX));
    let mut bytes = frame(EXCC, 8, version(8)).to_vec();
    bytes.extend_from_slice(&frames(100));
    peer.feed(&bytes).unwrap();
    assert_eq!(peer.state.stats().waiting_events, 4);
    assert_eq!(peer.buffer.len(), 98 * 24);
}
