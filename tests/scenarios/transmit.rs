//! Writes to the socket: partial writes, receipts and the write timeout
//! (`docs/protocol.md`, 9.3, 9.4 and 10.2).
//!
//! [`ConfigBuilder::write_rate`] has the rule of the timeout: `n` written bytes extend the deadline
//! by `n / rate` seconds, counted from the deadline or, if it has passed, from now. The extended
//! deadline is at most one timeout away.

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{EncodedMessage, Message};
use excc_peer::{CloseReason, ConfigBuilder, Event, Instant, Timer};

use crate::common::*;

#[test]
fn a_receipt_follows_the_last_byte() {
    let mut peer = Peer::established(config(EXCC));
    let first = peer.state.send(peer.now, Message::GetAddr).unwrap();
    let second = peer.state.send(peer.now, Message::MemPool).unwrap();
    assert!(first < second);
    peer.transmit(23);
    assert_eq!(peer.events(), []);
    peer.transmit(1);
    assert_eq!(peer.events(), [Event::Sent(first)]);
    peer.transmit(24);
    assert_eq!(peer.events(), [Event::Sent(second)]);
}

#[test]
fn partial_writes_of_any_size_lose_no_bytes() {
    let inv = inv((0..300).map(tx));
    let expected = [frame(EXCC, 8, Message::GetAddr), frame(EXCC, 8, inv.clone())].concat();
    for size in [1, 7, 24, 25, 1_000] {
        let mut peer = Peer::established(config(EXCC));
        let before = peer.state.stats().bytes_sent;
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        peer.state.send(peer.now, inv.clone()).unwrap();
        let mut written = Vec::new();
        while written.len() < expected.len() {
            written.extend_from_slice(&peer.transmit(size));
        }
        assert_eq!(written, expected);
        assert_eq!(peer.state.stats().bytes_sent - before, expected.len() as u64);
    }
}

#[test]
fn advancing_beyond_the_end_stops_there() {
    let mut peer = Peer::established(config(EXCC));
    let before = peer.state.stats().bytes_sent;
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.transmit(peer.now).advance(1_000_000);
    peer.state.transmit(peer.now).advance(1);
    assert_eq!(peer.events(), [Event::Sent(id)]);
    assert_eq!(peer.state.stats().bytes_sent - before, 24);
}

#[test]
fn a_frame_batch_has_the_bytes_of_the_queue() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.send(peer.now, inv((0..300).map(tx))).unwrap();
    peer.transmit(5);
    let mut shared = peer.state.transmit(peer.now).batch(usize::MAX);
    let bytes = shared.copy_to_bytes(shared.remaining());
    assert_eq!(peer.state.transmit(peer.now).batch(1).remaining(), 19);
    assert_eq!(peer.transmit(usize::MAX), bytes);
}

/// The default of `write_timeout`.
const TIMEOUT: Duration = secs(20);

/// An `inv` of 1.8 MB.
fn bulk() -> Message {
    inv(vec![tx(1); 50_000])
}

/// A peer that has lent 4 MB at time zero, of which no byte is written.
fn lending(config: ConfigBuilder) -> Peer {
    let mut peer = Peer::established(config);
    for _ in 0..2 {
        peer.state.send(peer.now, bulk()).unwrap();
    }
    peer.transmit(0);
    assert_eq!(peer.due_in(), Some((Timer::Write, TIMEOUT)));
    peer
}

/// Writes `bytes` bytes at once.
fn write(peer: &mut Peer, bytes: u64) {
    let mut out = peer.state.transmit(peer.now);
    assert!(out.remaining() as u64 >= bytes);
    out.advance(bytes as usize);
}

/// Writes `bytes` bytes after each `pause`, until the peer closes.
fn write_each(peer: &mut Peer, pause: Duration, bytes: u64, times: u64) {
    for _ in 0..times {
        peer.advance_until_closed(pause);
        if peer.state.close_reason().is_some() {
            return;
        }
        write(peer, bytes);
    }
}

#[track_caller]
fn assert_closes_at(peer: &mut Peer, at: Duration) {
    peer.advance_until_closed(secs(10_000));
    let expected = (Some(&CloseReason::WriteStall), Instant::ZERO + at + GRACE);
    assert_eq!((peer.state.close_reason(), peer.now), expected);
}

#[test]
fn a_remote_that_reads_no_byte_is_closed_after_the_timeout() {
    assert_closes_at(&mut lending(quiet(EXCC)), TIMEOUT);
    // The size of the queue and the queueing call make no difference.
    let encoded = EncodedMessage::new(&EXCC, 8, &bulk()).unwrap();
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.send_encoded(peer.now, encoded).unwrap();
    peer.transmit(0);
    assert_closes_at(&mut peer, TIMEOUT);

    let mut peer = Peer::established(quiet(EXCC));
    peer.receive(ping(1)).unwrap();
    peer.transmit(0);
    assert_closes_at(&mut peer, TIMEOUT);
}

#[test]
fn the_write_timeout_starts_with_the_first_try_to_write() {
    let mut peer = Peer::established(quiet(EXCC));
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.advance_until_closed(secs(1_000));
    assert_eq!(peer.due_in(), None);
    assert_eq!(peer.transmit(1).len(), 1);
    assert_eq!(peer.due_in(), Some((Timer::Write, TIMEOUT)));
    assert_closes_at(&mut peer, secs(1_000) + TIMEOUT);
    assert_eq!(peer.events(), [Event::NotSent(id), Event::Closed(CloseReason::WriteStall)]);
}

#[test]
fn an_empty_queue_clears_the_write_deadline() {
    let mut peer = Peer::established(quiet(EXCC));
    for _ in 0..10 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        peer.transmit(23);
        peer.advance_until_closed(secs(19));
        assert_eq!(peer.transmit(1).len(), 1);
        assert_eq!(peer.due_in(), None);
    }
    assert_eq!(peer.state.close_reason(), None);
}

/// At a tenth of the rate the deadline after 22 s is at 22.2 s, before the next write.
#[test]
fn a_reader_below_the_rate_is_closed_at_the_computed_time() {
    let mut peer = lending(quiet(EXCC));
    write_each(&mut peer, secs(1), RATE / 10, 1_000);
    assert_closes_at(&mut peer, TIMEOUT + 22 * worth(RATE / 10));

    for tenths in 1..=8 {
        let mut peer = lending(quiet(EXCC));
        let offset = millis(750);
        peer.advance_until_closed(offset);
        write_each(&mut peer, secs(1), RATE * tenths / 10, 1_000);
        let gained = |times| millis(100 * tenths * times);
        let end = (0..).find(|&n| TIMEOUT + gained(n) < offset + secs(n + 1)).unwrap();
        assert_closes_at(&mut peer, TIMEOUT + gained(end));
    }
}

#[test]
fn a_reader_at_the_full_rate_is_never_closed() {
    let mut peer = lending(quiet(EXCC));
    write_each(&mut peer, secs(1), RATE, 300);
    assert_eq!(peer.state.close_reason(), None);
    // Earlier bytes give no credit, even above the rate.
    write_each(&mut peer, secs(1), 3 * RATE, 10);
    assert_closes_at(&mut peer, secs(310) + TIMEOUT);
}

/// Each frame is written within the timeout, but 4 MiB of them would take years.
#[test]
fn small_frames_below_the_rate_do_not_reset_the_write_deadline() {
    let mut peer = Peer::established(quiet(EXCC));
    for _ in 0..1_000 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    peer.transmit(0);
    write_each(&mut peer, secs(19), 24, 1_000);
    assert_closes_at(&mut peer, TIMEOUT + worth(24));
}

#[test]
fn a_queue_that_is_never_empty_has_one_write_deadline() {
    let mut peer = Peer::established(quiet(EXCC));
    while peer.state.close_reason().is_none() {
        // Two frames are queued for each one that is written.
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        write(&mut peer, 24);
        peer.advance_until_closed(secs(1));
    }
    assert_eq!(peer.now, Instant::ZERO + TIMEOUT + 20 * worth(24) + GRACE);
}

#[test]
fn the_write_rate_and_the_write_timeout_can_be_configured() {
    let mut peer = lending(quiet(EXCC).write_rate(100));
    write_each(&mut peer, secs(1), 100, 100);
    assert_closes_at(&mut peer, secs(100) + TIMEOUT);

    let mut peer = Peer::established(quiet(EXCC).write_timeout(Some(secs(1))));
    peer.state.send(peer.now, bulk()).unwrap();
    peer.transmit(0);
    assert_closes_at(&mut peer, secs(1));
}

#[test]
fn received_messages_do_not_extend_the_write_deadline() {
    let mut peer = lending(quiet(EXCC));
    for nonce in 0..20 {
        peer.receive(pong(nonce)).unwrap();
        peer.events();
        peer.advance_until_closed(secs(1));
    }
    assert_closes_at(&mut peer, TIMEOUT);
}

#[test]
fn back_pressure_does_not_stop_the_write_deadline() {
    let mut peer = lending(quiet(EXCC).max_waiting_events(2, usize::MAX));
    peer.feed(&frame(EXCC, 8, Message::MemPool).repeat(2)).unwrap();
    assert!(!peer.state.wants_read());
    assert_closes_at(&mut peer, TIMEOUT);
}

#[test]
fn a_write_after_a_suspension_extends_the_write_deadline() {
    let mut peer = lending(quiet(EXCC));
    peer.now = Instant::from_secs(1_000);
    peer.state.handle_timeout(peer.now);
    assert_eq!(peer.state.close_reason(), None);
    write(&mut peer, RATE);
    assert_closes_at(&mut peer, secs(1_000) + GRACE + secs(1));

    // The write comes before the timeout is handled.
    let mut peer = lending(quiet(EXCC));
    peer.now = Instant::from_secs(1_000);
    write(&mut peer, RATE);
    assert_closes_at(&mut peer, secs(1_000) + secs(1));

    let mut peer = lending(quiet(EXCC));
    peer.now = Instant::from_secs(1_000);
    peer.state.handle_timeout(peer.now);
    assert!(peer.transmit(0).is_empty());
    assert_closes_at(&mut peer, secs(1_000));
}

/// A driver reads the clock before a blocking write. Other calls with later times may come before
/// the report.
#[test]
fn a_blocking_write_counts_from_its_start() {
    let mut peer = Peer::established(quiet(EXCC));
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.state.send(peer.now, bulk()).unwrap();
    let before = peer.now;
    let written = peer.state.transmit(before).batch(1).remaining();
    // The write blocks for a second, and another thread sends in that time.
    peer.advance_until_closed(secs(1));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.transmit(before).advance(written);
    assert_eq!(peer.state.stats().last_ping, Some(before));
    assert_eq!(peer.state.stats().last_send, Some(before));
    peer.receive(pong(nonce)).unwrap();
    let round_trip = Event::RoundTrip { nonce, time: secs(1) };
    assert!(peer.events().contains(&round_trip));
}

/// A driver that confuses its clocks does not make time go backwards.
#[test]
fn a_write_never_counts_before_an_earlier_one() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.advance_until_closed(secs(5));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.transmit(24);
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.transmit(Instant::ZERO).advance(24);
    assert_eq!(peer.state.stats().last_send, Some(Instant::from_secs(5)));
}

#[test]
fn the_write_timeout_can_be_disabled() {
    let mut peer = Peer::established(config(EXCC).ping_interval(None).write_timeout(None));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.transmit(1);
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn an_empty_queue_has_no_write_deadline() {
    let mut peer = Peer::established(config(EXCC).ping_interval(None));
    peer.transmit(usize::MAX);
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.transmit(usize::MAX);
    peer.transmit(usize::MAX);
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn a_remote_that_reads_a_byte_a_second_is_closed() {
    let mut peer = Peer::established(quiet(EXCC));
    let message = Message::Tx(paying(EXCC.chain(), 1_000_000));
    peer.state.send(peer.now, message).unwrap();
    peer.transmit(0);
    assert_eq!(peer.due_in(), Some((Timer::Write, secs(20))));
    for _ in 0..20 {
        assert_eq!(peer.transmit(1).len(), 1);
        peer.advance(secs(1));
    }
    assert_eq!(peer.state.close_reason(), None);
    // Each byte after the first extends the deadline by a tenth of a millisecond.
    peer.advance(GRACE + millis(2));
    assert_eq!(peer.closed(), CloseReason::WriteStall);
}
