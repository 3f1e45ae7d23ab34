//! What happens to a remote that is faster than the application or does not read, and to
//! one that ends its stream.

use std::io::IoSlice;

use bytes::Buf;
use excc_peer::wire::{Command, Message, Ping, Pong};
use excc_peer::{CloseReason, Event, Instant, Timer, Transmit};

use crate::common::*;

fn ping(nonce: u64) -> Message {
    Message::Ping(Ping { nonce })
}

/// That many frames of 24 bytes.
fn frames(count: usize) -> Vec<u8> {
    frame(EXCC, 8, Message::GetAddr).repeat(count)
}

#[test]
fn input_is_taken_only_while_events_have_room() {
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
fn everything_that_was_held_back_comes_in_the_end() {
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
fn the_bytes_in_events_are_bounded_too() {
    let inv = Message::Inv([tx(1); 100].into());
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
fn one_message_is_let_in_however_large() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(1_000, 0));
    let inv = Message::Inv([tx(1); 100].into());
    peer.receive(inv.clone()).unwrap();
    peer.receive(inv.clone()).unwrap();
    assert_eq!(peer.messages(), std::slice::from_ref(&inv));
    peer.resume().unwrap();
    assert_eq!(peer.messages(), [inv]);
}

#[test]
fn an_application_that_takes_no_events_does_not_cost_the_remote_its_connection() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.feed(&frames(10)).unwrap();
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), None);
    // It has its whole time again once it is heard.
    while peer.state.poll_event().is_some() {}
    peer.resume().unwrap();
    while peer.state.poll_event().is_some() {}
    peer.resume().unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Idle, secs(120))));
}

#[test]
fn an_application_that_lets_go_at_the_last_moment_gives_the_remote_time() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.feed(&frames(4)).unwrap();
    peer.advance(secs(119));
    while peer.state.poll_event().is_some() {}
    assert!(peer.state.wants_read());
    // What is asked of the peer next tells it that the remote's clock runs again.
    peer.sent();
    peer.advance(secs(2));
    assert_eq!(peer.closed_after(secs(118)), CloseReason::IdleTimeout);
}

#[test]
fn the_time_in_which_events_wait_is_the_remotes_but_not_for_ever() {
    let mut peer =
        Peer::established(config(EXCC).max_waiting_events(4, usize::MAX).ping_interval(None));
    peer.advance(secs(10));
    peer.feed(&frames(4)).unwrap();
    peer.advance(secs(50));
    while peer.state.poll_event().is_some() {}
    // As any loop does after taking events; it is how the peer learns the time of that.
    peer.sent();
    assert_eq!(peer.closed_after(secs(120)), CloseReason::IdleTimeout);
}

#[test]
fn a_verack_that_the_application_keeps_waiting_is_not_late() {
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
fn a_pong_that_the_application_keeps_waiting_is_not_late() {
    let config = config(EXCC).max_waiting_events(4, usize::MAX).pong_timeout(Some(secs(10)));
    let mut peer = Peer::established(config);
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.sent();
    peer.feed(&frames(4)).unwrap();
    peer.receive(Message::Pong(Pong { nonce })).unwrap();
    peer.advance(secs(60));
    assert_eq!(peer.events().len(), 4);
    peer.resume().unwrap();
    assert_eq!(peer.state.stats().round_trip, Some(secs(60)));
    peer.advance(secs(20));
    assert_eq!(peer.state.close_reason(), None);
}

#[test]
fn a_remote_that_floods_gains_no_time_from_an_application_that_keeps_up() {
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
    // Its bytes put the end off as those of any remote do: 32 times 480 at 10,240 a second.
    assert_eq!(peer.now, Instant::from_secs(32));
    assert_eq!(peer.closed(), CloseReason::VerAckTimeout);
}

#[test]
fn receipts_that_are_not_taken_do_not_cost_the_remote_its_connection() {
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

#[test]
fn pings_of_a_remote_that_does_not_read_do_not_grow_the_queue() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(usize::MAX, usize::MAX));
    for nonce in 0..10_000 {
        peer.receive(ping(nonce)).unwrap();
        peer.events();
    }
    assert_eq!(peer.state.stats().queued_frames, 64);
    assert!(peer.state.wants_read() && peer.buffer.is_empty());
    // The latest ones are answered.
    let pongs = (9_936..10_000).map(|nonce| Message::Pong(Pong { nonce }));
    assert_eq!(peer.sent(), pongs.collect::<Vec<_>>());
}

#[test]
fn pongs_overtake_all_but_what_the_driver_has_seen() {
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    peer.state.send(peer.now, Message::MemPool).unwrap();
    assert_eq!(peer.state.transmit(peer.now).batch(2).remaining(), 48);
    peer.receive(ping(1)).unwrap();
    peer.receive(ping(2)).unwrap();
    let pong = |nonce| Message::Pong(Pong { nonce });
    let expected =
        [Message::GetAddr, Message::GetAddr, pong(1), pong(2), Message::GetAddr, Message::MemPool];
    assert_eq!(peer.sent(), expected);
}

#[test]
fn pongs_do_not_break_a_frame_of_which_a_part_has_left() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.send(peer.now, Message::MemPool).unwrap();
    let mut bytes = peer.transmit(10).to_vec();
    // Two more tries that give nothing: the frame stays the first all the same.
    assert!(peer.transmit(0).is_empty());
    peer.receive(ping(1)).unwrap();
    bytes.extend_from_slice(&peer.transmit(usize::MAX));
    let order = [Message::GetAddr, Message::Pong(Pong { nonce: 1 }), Message::MemPool];
    let order: Vec<_> = order.map(|message| frame(EXCC, 8, message)).concat();
    assert_eq!(bytes, order);
}

#[test]
fn pongs_do_not_overtake_the_handshake() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.receive(ping(1)).unwrap();
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    let expected = [Command::Version, Command::VerAck, Command::Pong, Command::GetAddr];
    assert_eq!(peer.sent_commands(), expected);
}

#[test]
fn a_driver_may_ask_for_more_frames_than_there_are() {
    let lend: [fn(&Transmit<'_>); 3] = [
        |transmit| _ = transmit.batch(usize::MAX),
        |transmit| _ = transmit.chunk(),
        |transmit| _ = transmit.chunks_vectored(&mut [IoSlice::new(&[]); 4]),
    ];
    for lend in lend {
        let mut peer = Peer::established(config(EXCC));
        lend(&peer.state.transmit(peer.now));
        peer.state.send(peer.now, Message::GetAddr).unwrap();
        peer.receive(ping(1)).unwrap();
        assert_eq!(peer.sent_commands(), [Command::Pong, Command::GetAddr]);
    }
}

#[test]
fn a_remote_that_pings_and_does_not_read_is_closed_in_the_end() {
    let mut peer = Peer::established(config(EXCC));
    for nonce in 0..100 {
        peer.receive(ping(nonce)).unwrap();
        peer.events();
        peer.transmit(0);
    }
    assert_eq!(peer.closed_after(secs(20)), CloseReason::WriteStall);
}

#[test]
fn an_end_between_frames_closes() {
    let mut peer = Peer::established(config(EXCC));
    peer.feed(&frames(2)).unwrap();
    peer.eof();
    let got = unasked(Message::GetAddr);
    assert_eq!(peer.events(), [got.clone(), got, Event::Closed(CloseReason::RemoteClosed)]);
}

#[test]
fn an_end_before_anything_came_closes() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.eof();
    assert_eq!(peer.closed(), CloseReason::RemoteClosed);
}

#[test]
fn an_end_inside_a_frame_is_told_apart() {
    let bytes = frame(EXCC, 8, ping(1));
    for len in [1, 23, 24, 31] {
        let mut peer = Peer::established(config(EXCC));
        peer.feed(&bytes[..len]).unwrap();
        peer.eof();
        let CloseReason::Cut(cut) = peer.closed() else { panic!("another reason") };
        let (needed, received) = if len < 24 { (24, len) } else { (8, len - 24) };
        assert_eq!((cut.needed, cut.received), (needed, received));
        assert_eq!(cut.command, (len >= 24).then_some(Command::Ping));
    }
}

#[test]
fn frames_that_were_held_back_come_before_the_end() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(4, usize::MAX));
    let mut bytes = frames(10);
    bytes.push(0xe1);
    peer.feed(&bytes).unwrap();
    peer.eof();
    assert_eq!(peer.state.close_reason(), None);
    assert!(!peer.state.wants_read());
    let mut seen = peer.messages();
    while peer.state.can_resume() {
        assert!(!peer.state.wants_read(), "there is nothing more to be read");
        let resumed = peer.resume();
        assert_eq!(resumed.is_err(), peer.state.close_reason().is_some());
        let is_end = resumed.is_err();
        let mut events = peer.events();
        if is_end {
            assert!(matches!(events.pop(), Some(Event::Closed(CloseReason::Cut(_)))));
        }
        seen.extend(events.into_iter().map(|event| match event {
            Event::Message { message, .. } => message,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(seen, vec![Message::GetAddr; 10]);
    assert!(peer.state.close_reason().is_some());
}

#[test]
fn an_end_during_a_review_lets_the_application_finish_it() {
    let mut peer = Peer::inbound(config(EXCC).review_version(true));
    let mut bytes = frame(EXCC, 8, version(8)).to_vec();
    bytes.extend_from_slice(&frame(EXCC, 8, Message::VerAck));
    peer.feed(&bytes).unwrap();
    peer.eof();
    assert_eq!(peer.state.close_reason(), None);
    peer.state.accept_version(peer.now);
    assert_eq!(peer.resume(), Err(CloseReason::RemoteClosed));
    assert!(peer.events().contains(&Event::VerAckReceived));
}

#[test]
fn a_broken_connection_closes_at_once() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(4, usize::MAX));
    peer.feed(&frames(10)).unwrap();
    peer.state.handle_connection_lost(peer.now);
    let events = peer.events();
    assert_eq!(events.len(), 5);
    assert_eq!(events[4], Event::Closed(CloseReason::ConnectionLost));
}

#[test]
fn messages_that_precede_a_verack_do_not_escape_the_bounds() {
    let mut peer = Peer::inbound(config(EXCC).max_waiting_events(4, usize::MAX));
    let mut bytes = frame(EXCC, 8, version(8)).to_vec();
    bytes.extend_from_slice(&frames(100));
    peer.feed(&bytes).unwrap();
    assert_eq!(peer.state.stats().waiting_events, 4);
    assert_eq!(peer.buffer.len(), 98 * 24);
}

/// What a buffer lends is to be appended to. A driver that does otherwise breaks its stream, and
/// nothing else.
#[test]
fn a_driver_may_spoil_its_buffer() {
    let mut peer = Peer::established(config(EXCC));
    peer.feed(&frames(1)[..20]).unwrap();
    peer.buffer.reserve().clear();
    peer.feed(&[]).unwrap();
    peer.feed(&frames(2)).unwrap();
    assert_eq!(peer.messages(), [Message::GetAddr, Message::GetAddr]);
    peer.buffer.reserve().extend_from_slice(&frames(1)[..20]);
    peer.buffer = Default::default();
    peer.feed(&frames(1)).unwrap();
    assert_eq!(peer.messages(), [Message::GetAddr]);
}
