//! What happens because of nothing but time.

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{EncodedMessage, Message, Ping, Pong};
use excc_peer::{CloseReason, Event, Instant, Timer};

use crate::common::*;

/// A peer that is not kept alive by anything but what the test does.
fn quiet(config: excc_peer::ConfigBuilder) -> Peer {
    Peer::established(config.ping_interval(None))
}

#[test]
fn a_remote_that_says_nothing_times_out() {
    let mut peer = quiet(config(EXCC));
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
    peer.advance(secs(120) - Duration::from_nanos(1));
    assert_eq!(peer.state.close_reason(), None);
    peer.advance(Duration::from_nanos(1));
    assert_eq!(peer.closed(), CloseReason::IdleTimeout);
}

#[test]
fn every_complete_message_keeps_the_remote_alive() {
    let mut peer = quiet(config(EXCC));
    for nonce in 0..5 {
        peer.advance(secs(119));
        peer.receive(Message::Pong(Pong { nonce })).unwrap();
        assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
    }
}

/// As in the reference nodes: the limit is on the whole of the next message.
#[test]
fn bytes_of_an_unfinished_message_do_not_keep_the_remote_alive() {
    let mut peer = quiet(config(EXCC));
    let bytes = frame(EXCC, 8, Message::Inv([tx(1); 10].into()));
    for byte in &bytes[..100] {
        peer.advance(secs(1));
        peer.feed(&[*byte]).unwrap();
    }
    peer.advance(secs(20));
    assert_eq!(peer.closed(), CloseReason::IdleTimeout);
}

#[test]
fn bytes_keep_the_remote_alive_for_so_long_where_slow_messages_may_come() {
    let mut peer = quiet(config(EXCC).slow_message_timeout(Some(secs(300))));
    let bytes = frame(EXCC, 8, Message::Inv([tx(1); 10].into()));
    for byte in &bytes[..3] {
        peer.advance(secs(70));
        peer.feed(&[*byte]).unwrap();
        assert_eq!(
            peer.due_in(),
            Some((Timer::Idle, secs(120).min(secs(300) - (peer.now - Instant::ZERO))))
        );
    }
    // Input that brings nothing new gives no time.
    peer.advance(secs(60));
    peer.feed(&[]).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(30))));
    peer.feed(&bytes[3..60]).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(30))));
    peer.feed(&bytes[60..]).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
    peer.feed(&bytes[..1]).unwrap();
    peer.advance(secs(120));
    assert_eq!(peer.closed(), CloseReason::IdleTimeout);
}

#[test]
fn a_slow_message_gains_the_time_in_which_the_application_holds_the_remote_back() {
    let config = config(EXCC).slow_message_timeout(Some(secs(130))).max_waiting_events(3, 1_000);
    let mut peer = quiet(config);
    for _ in 0..3 {
        peer.receive(Message::GetAddr).unwrap();
    }
    peer.advance(secs(1_000));
    peer.events();
    peer.sent();
    peer.advance(secs(100));
    peer.feed(&[0xe1]).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(30))));
}

#[test]
fn the_idle_timeout_can_be_switched_off() {
    let mut peer = quiet(config(EXCC).idle_timeout(None));
    assert_eq!(peer.state.poll_timeout(), None);
    peer.advance(secs(1_000_000));
    assert!(peer.state.is_established());
}

#[test]
fn pings_are_sent_every_107_seconds_whatever_else_is() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(None));
    let mut nonces = Vec::new();
    for _ in 0..3 {
        peer.advance(secs(100));
        peer.receive(Message::GetAddr).unwrap();
        peer.state.send(Message::GetAddr).unwrap();
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

/// In the reference nodes the interval stays what it is, so that two of them with a short
/// idle timeout lose each other.
#[test]
fn pings_come_more_often_where_the_idle_timeout_is_shorter() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(Some(secs(15))));
    peer.advance(secs(6));
    peer.sent_ping();
}

#[test]
fn pings_begin_with_the_handshake_done() {
    let mut peer = Peer::inbound(config(EXCC).ping_interval(Some(secs(5))));
    peer.advance(secs(20));
    peer.shake_hands(version(8));
    assert_eq!(peer.due_in(), Some((Timer::Ping, secs(5))));
}

#[test]
fn a_ping_that_has_not_left_is_not_joined_by_another() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(None));
    peer.advance(secs(1_000));
    peer.sent_ping();
}

#[test]
fn the_round_trip_begins_when_the_last_byte_of_the_ping_has_left() {
    let mut peer = Peer::established(config(EXCC));
    let nonce = peer.state.ping().unwrap();
    peer.advance(secs(3));
    assert_eq!(peer.transmit(31).len(), 31);
    peer.advance(secs(5));
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert_eq!(peer.transmit(1).len(), 1);
    assert_eq!(peer.state.stats().outstanding_ping, Some(nonce));
    peer.advance(millis(250));
    let pong = Message::Pong(Pong { nonce });
    peer.receive(pong.clone()).unwrap();
    let time = millis(250);
    assert_eq!(peer.events(), [Event::Message(pong), Event::RoundTrip { nonce, time }]);
    let stats = peer.state.stats();
    assert_eq!((stats.outstanding_ping, stats.round_trip), (None, Some(time)));
    assert_eq!(stats.last_ping, Some(Instant::from_secs(8)));
}

#[test]
fn a_pong_with_another_nonce_is_passed_over() {
    let mut peer = Peer::established(config(EXCC));
    let nonce = peer.state.ping().unwrap();
    assert_eq!(peer.sent_ping(), nonce);
    peer.advance(secs(1));
    peer.receive(Message::Pong(Pong { nonce: nonce ^ 1 })).unwrap();
    assert_eq!(peer.state.stats().outstanding_ping, Some(nonce));
    assert_eq!(peer.state.stats().round_trip, None);
    peer.receive(Message::Pong(Pong { nonce })).unwrap();
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
    // Nor does the same one count twice.
    peer.advance(secs(1));
    peer.receive(Message::Pong(Pong { nonce })).unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
}

#[test]
fn only_the_latest_ping_is_measured() {
    let mut peer = Peer::established(config(EXCC));
    let first = peer.state.ping().unwrap();
    peer.sent();
    let second = peer.state.ping().unwrap();
    peer.sent();
    peer.receive(Message::Pong(Pong { nonce: first })).unwrap();
    assert_eq!(peer.state.stats().round_trip, None);
    peer.receive(Message::Pong(Pong { nonce: second })).unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(Duration::ZERO));
}

#[test]
fn a_pong_counts_until_the_next_ping_has_left() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(secs(10))));
    let first = peer.state.ping().unwrap();
    peer.sent();
    peer.advance(secs(1));
    peer.state.ping().unwrap();
    peer.receive(Message::Pong(Pong { nonce: first })).unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(1)));
    // The second one's deadline has not begun, and the first one's is over.
    peer.advance(secs(60));
    assert_eq!(peer.state.close_reason(), None);
}

#[test]
fn pings_of_the_application_do_not_grow_the_queue_without_bounds() {
    let mut peer = Peer::established(config(EXCC).max_queued_bytes(10 * (32 + QUEUED)));
    for _ in 0..1_000 {
        // Whether it is given another or told that there is no room.
        _ = peer.state.ping();
    }
    assert!(peer.state.stats().queued_frames <= 10);
}

#[test]
fn a_pong_has_no_deadline_unless_it_is_given_one() {
    let mut peer = Peer::established(config(EXCC).idle_timeout(None).ping_interval(None));
    peer.state.ping().unwrap();
    peer.sent();
    assert_eq!(peer.state.poll_timeout(), None);
}

#[test]
fn a_pong_deadline_begins_when_the_ping_has_left() {
    let config = config(EXCC).pong_timeout(Some(secs(10))).ping_interval(None);
    let mut peer = Peer::established(config);
    peer.state.ping().unwrap();
    peer.advance(secs(60));
    peer.sent();
    assert_eq!(peer.due_in(), Some((Timer::Pong, secs(10))));
    // Other messages do not stand in for it.
    peer.receive(Message::GetAddr).unwrap();
    peer.advance(secs(10));
    assert_eq!(peer.closed(), CloseReason::PongTimeout);
}

#[test]
fn a_pong_in_time_ends_its_deadline() {
    let config = config(EXCC).pong_timeout(Some(secs(10))).ping_interval(None);
    let mut peer = Peer::established(config);
    let nonce = peer.state.ping().unwrap();
    peer.sent();
    peer.advance(secs(9));
    peer.receive(Message::Pong(Pong { nonce })).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

/// A frame of that many bytes, 54 of which are not the script that makes it so large.
fn sized(len: usize) -> Message {
    Message::Tx(paying(EXCC.chain(), len - 54))
}

#[test]
fn a_frame_that_does_not_leave_in_time_closes() {
    let mut peer = quiet(config(EXCC));
    let id = peer.state.send(Message::GetAddr).unwrap();
    peer.advance(secs(10));
    // The time runs from the first attempt, not from when it was queued.
    assert_eq!(peer.transmit(1).len(), 1);
    assert_eq!(peer.due_in(), Some((Timer::Write, secs(20))));
    peer.advance(secs(10));
    assert_eq!(peer.transmit(10).len(), 10);
    assert_eq!(peer.due_in(), Some((Timer::Write, secs(10))));
    peer.advance(secs(10));
    let end = [Event::NotSent(id), Event::Closed(CloseReason::WriteStall)];
    assert_eq!(peer.events(), end);
}

#[test]
fn a_large_frame_has_a_second_more_for_each_quarter_of_a_mebibyte() {
    for (len, time) in [(262_143, 20), (262_144, 21), (1_048_576, 24)] {
        let mut peer = quiet(config(EXCC));
        peer.state.send(sized(len)).unwrap();
        peer.transmit(0);
        assert_eq!(peer.due_in(), Some((Timer::Write, secs(time))));
    }
}

#[test]
fn the_time_of_a_frame_by_its_size_can_be_configured() {
    let mut peer = quiet(config(EXCC).write_rate(1_000).write_timeout(Some(secs(1))));
    peer.state.send(sized(99_999)).unwrap();
    peer.transmit(0);
    assert_eq!(peer.due_in(), Some((Timer::Write, secs(100))));
}

#[test]
fn each_frame_has_its_own_time_to_leave() {
    let mut peer = quiet(config(EXCC));
    for _ in 0..3 {
        peer.state.send(Message::GetAddr).unwrap();
    }
    for _ in 0..3 {
        peer.transmit(23);
        peer.advance(secs(19));
        assert_eq!(peer.transmit(1).len(), 1);
    }
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120 - 3 * 19))));
}

#[test]
fn the_write_timeout_can_be_switched_off() {
    let mut peer = quiet(config(EXCC).write_timeout(None));
    peer.state.send(Message::GetAddr).unwrap();
    peer.transmit(1);
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn nothing_to_write_is_no_stall() {
    let mut peer = quiet(config(EXCC));
    peer.transmit(usize::MAX);
    peer.state.send(Message::GetAddr).unwrap();
    peer.transmit(usize::MAX);
    peer.transmit(usize::MAX);
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn time_that_goes_backwards_stands_still() {
    let mut peer = quiet(config(EXCC));
    peer.advance(secs(100));
    peer.receive(Message::GetAddr).unwrap();
    peer.state.handle_timeout(Instant::from_secs(3));
    peer.now = Instant::from_secs(5);
    peer.receive(Message::GetAddr).unwrap();
    assert_eq!(peer.state.poll_timeout(), Some(Instant::from_secs(220)));
    assert_eq!(peer.state.stats().last_receive, Some(Instant::from_secs(100)));
}

#[test]
fn a_timeout_before_its_time_does_nothing() {
    let mut peer = Peer::established(config(EXCC));
    let before = (peer.state.poll_timeout(), peer.state.stats());
    peer.state.handle_timeout(Instant::from_secs(106));
    assert_eq!((peer.state.poll_timeout(), peer.state.stats()), before);
    assert_eq!(peer.events(), []);
    assert_eq!(peer.sent(), []);
}

#[test]
fn all_that_fell_due_in_a_long_sleep_is_done_at_once() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.handle_timeout(Instant::MAX);
    assert_eq!(peer.closed(), CloseReason::IdleTimeout);
}

#[test]
fn a_ping_of_the_remotes_is_answered_at_once() {
    let mut peer = Peer::established(config(EXCC));
    let ping = Message::Ping(Ping { nonce: u64::MAX });
    peer.receive(ping.clone()).unwrap();
    let expected = frame(EXCC, 8, Message::Pong(Pong { nonce: u64::MAX }));
    assert_eq!(peer.transmit(usize::MAX), expected);
    assert_eq!(peer.events(), [Event::Message(ping)]);
}

#[test]
fn an_encoded_message_has_the_same_time_to_leave() {
    let mut peer = quiet(config(EXCC));
    let encoded = EncodedMessage::new(&EXCC, 8, &sized(524_288)).unwrap();
    peer.state.send_encoded(encoded).unwrap();
    peer.transmit(0);
    assert_eq!(peer.due_in(), Some((Timer::Write, secs(22))));
}

/// As in the reference nodes, which look at whatever is written.
#[test]
fn a_ping_that_the_application_sends_as_a_message_is_measured_too() {
    let mut peer = Peer::established(config(EXCC));
    let id = peer.state.send(Message::Ping(Ping { nonce: 77 })).unwrap();
    peer.sent();
    assert_eq!(peer.events(), [Event::Sent(id)]);
    peer.advance(secs(2));
    let pong = Message::Pong(Pong { nonce: 77 });
    peer.receive(pong.clone()).unwrap();
    let round_trip = Event::RoundTrip { nonce: 77, time: secs(2) };
    assert_eq!(peer.events(), [Event::Message(pong), round_trip]);
}

/// An adapter that writes shared frames tells of it afterwards, and may read in between.
#[test]
fn a_pong_may_overtake_the_count_of_its_ping() {
    let mut peer = Peer::established(config(EXCC).pong_timeout(Some(secs(5))));
    let nonce = peer.state.ping().unwrap();
    peer.advance(millis(10));
    let written = peer.state.transmit(peer.now).share(8).remaining();
    peer.advance(millis(2));
    peer.receive(Message::Pong(Pong { nonce })).unwrap();
    peer.advance(millis(1));
    peer.transmit(written);
    assert_eq!(peer.state.stats().outstanding_ping, None);
    assert!(peer.events().contains(&Event::RoundTrip { nonce, time: Duration::ZERO }));
    peer.advance(millis(5_100));
    assert_eq!(peer.state.close_reason(), None, "answered in time");
}
