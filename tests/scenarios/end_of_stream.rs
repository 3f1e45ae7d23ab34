//! The end of the remote's stream, between frames and inside one (`docs/protocol.md`, 12.1).

use excc_peer::wire::{Command, Message};
use excc_peer::{Chain, CloseReason, Event};

use crate::common::*;

#[test]
fn an_end_between_frames_closes() {
    let mut peer = Peer::established(config(EXCC));
    peer.feed(&frame(EXCC, 8, Message::GetAddr).repeat(2)).unwrap();
    peer.eof();
    let got = unsolicited(Message::GetAddr);
    assert_eq!(peer.events(), [got.clone(), got, Event::Closed(CloseReason::RemoteClosed)]);
}

#[test]
fn an_end_before_the_first_byte_closes() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.eof();
    assert_eq!(peer.closed(), CloseReason::RemoteClosed);
}

/// A node that bans a peer closes inside its own `version` (`docs/protocol.md`, 12.1).
#[test]
fn a_version_that_ends_early_is_cut_and_no_violation() {
    let bytes = frame(EXCC, 8, version(8));
    for len in 1..bytes.len() {
        for slowly in [false, true] {
            let mut peer = Peer::inbound(config(EXCC));
            for piece in bytes[..len].chunks(if slowly { 1 } else { len }) {
                peer.feed(piece).unwrap();
            }
            peer.eof();
            let Some(CloseReason::Cut(cut)) = peer.state.close_reason().cloned() else {
                panic!("cut at {len}: {:?}", peer.state.close_reason());
            };
            let expected = match len {
                0..24 => (None, len, 24),
                _ => (Some(Command::Version), len - 24, bytes.len() - 24),
            };
            assert_eq!((cut.command, cut.received, cut.needed), expected);
            let reason = CloseReason::Cut(cut);
            let of = if len < 24 { "frame header" } else { "version" };
            let expected = format!(
                "stream ended inside a frame: {} of {} bytes of a {of} received",
                cut.received, cut.needed
            );
            assert_eq!(reason.to_string(), expected);
            assert_eq!(peer.events(), [Event::Closed(reason)]);
        }
    }
}

#[test]
fn a_frame_that_ends_early_is_cut_at_any_length() {
    let frames = [
        (EXCC, Command::GetAddr, frame(EXCC, 8, Message::GetAddr)),
        (EXCC, Command::Ping, frame(EXCC, 8, ping(1))),
        (EXCC, Command::Inv, frame(EXCC, 8, inv((0..9).map(tx)))),
        (DCR, Command::Tx, frame(DCR, 12, Message::Tx(paying(Chain::Decred, 100)))),
    ];
    for (network, command, bytes) in &frames {
        for len in 1..bytes.len() {
            let mut peer = Peer::established(config(*network));
            peer.feed(&bytes[..len]).unwrap();
            peer.eof();
            let CloseReason::Cut(cut) = peer.closed() else { panic!("cut at {len}") };
            let (received, needed) =
                if len < 24 { (len, 24) } else { (len - 24, bytes.len() - 24) };
            assert_eq!((cut.received, cut.needed), (received, needed));
            assert_eq!(cut.command, (len >= 24).then_some(*command));
        }
        // After a whole frame the stream is not cut.
        let mut peer = Peer::established(config(*network));
        peer.feed(bytes).unwrap();
        peer.eof();
        peer.sent();
        assert_eq!(peer.closed(), CloseReason::RemoteClosed);
    }
}

#[test]
fn frames_under_back_pressure_are_emitted_before_the_end() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(4, usize::MAX));
    // Ten whole frames, and 6 of 8 bytes of a payload.
    let mut bytes = frame(EXCC, 8, Message::GetAddr).repeat(10);
    bytes.extend_from_slice(&frame(EXCC, 8, ping(1))[..30]);
    peer.feed(&bytes).unwrap();
    peer.eof();
    assert_eq!(peer.state.close_reason(), None);
    assert!(!peer.state.wants_read());
    let mut seen = peer.messages();
    while peer.state.can_resume() {
        assert!(!peer.state.wants_read(), "the stream has ended");
        let resumed = peer.resume();
        assert_eq!(resumed.is_err(), peer.state.close_reason().is_some());
        let is_end = resumed.is_err();
        let mut events = peer.events();
        if is_end {
            let Some(Event::Closed(CloseReason::Cut(cut))) = events.pop() else {
                panic!("another reason")
            };
            assert_eq!((cut.command, cut.received, cut.needed), (Some(Command::Ping), 6, 8));
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
fn an_end_during_a_review_waits_for_the_application() {
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
fn a_lost_connection_closes_at_once() {
    let mut peer = Peer::established(config(EXCC).max_waiting_events(4, usize::MAX));
    peer.feed(&frame(EXCC, 8, Message::GetAddr).repeat(10)).unwrap();
    peer.state.handle_connection_lost(peer.now);
    let events = peer.events();
    assert_eq!(events.len(), 5);
    assert_eq!(events[4], Event::Closed(CloseReason::ConnectionLost));
}
