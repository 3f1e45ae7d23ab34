//! The output queue: order, overtaking pongs, bounds (`docs/protocol.md`, 9.1 and 9.2).

use std::io::IoSlice;

use bytes::Buf;
use excc_peer::wire::{Command, EncodedMessage, Message};
use excc_peer::{CloseReason, Event, Network, Overflow, SendErrorKind, Transmit};

use crate::common::*;

#[test]
fn messages_leave_in_the_order_of_their_commands() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.receive(ping(7)).unwrap();
    peer.state.send(peer.now, Message::SendHeaders).unwrap();
    // A pong overtakes queued frames, so that it never waits behind a block.
    let expected = [pong(7), Message::GetAddr, ping(nonce), Message::SendHeaders];
    assert_eq!(peer.sent(), expected);
}

/// An encoded `inv` of 24 + 1,800,003 bytes.
fn largest_inv(network: Network) -> EncodedMessage {
    let inv = Message::Inv(vec![tx(1); 50_000].into());
    let encoded = EncodedMessage::new(&network, 8, &inv).unwrap();
    assert_eq!(encoded.len(), 1_800_027);
    encoded
}

#[test]
fn a_full_queue_returns_messages() {
    let inv = largest_inv(EXCC);
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..23 {
        peer.state.send_encoded(peer.now, inv.clone()).unwrap();
    }
    let (queued, limit) = (24 * (1_800_027 + QUEUED), 40 * 1024 * 1024);
    let error = peer.state.send_encoded(peer.now, inv.clone()).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::QueueFull { queued, limit });
    assert_eq!(peer.state.stats().queued_bytes, 23 * (1_800_027 + QUEUED));
    // The limit does not apply to messages of the peer itself.
    peer.receive(ping(1)).unwrap();
    assert_eq!(peer.state.stats().queued_frames, 24);
    // A frame counts until its last byte is sent. The pong is sent first.
    peer.transmit(32 + 1_800_026);
    assert!(peer.state.send_encoded(peer.now, inv.clone()).is_err());
    peer.transmit(1);
    peer.state.send_encoded(peer.now, inv).unwrap();
}

#[test]
fn a_full_queue_can_close() {
    let inv = largest_inv(DCR);
    let mut peer = Peer::established(config(DCR).overflow(Overflow::Close));
    for _ in 0..23 {
        peer.state.send_encoded(peer.now, inv.clone()).unwrap();
    }
    let queued = 24 * (1_800_027 + QUEUED);
    let reason = CloseReason::OutputOverflow { queued, limit: 40 * 1024 * 1024 };
    let error = peer.state.send_encoded(peer.now, inv.clone()).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Closed(reason.clone()));
    assert_eq!(error.message, inv);
    let events = peer.events();
    assert_eq!(events.len(), 24);
    assert!(events[..23].iter().all(|event| matches!(event, Event::NotSent(_))));
    assert_eq!(events[23], Event::Closed(reason));
}

#[test]
fn a_queue_takes_exactly_its_limit() {
    let limit = 3 * (24 + QUEUED);
    let mut peer = Peer::established(config(EXCC).max_queued_bytes(limit));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    let error = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::QueueFull { queued: 4 * (24 + QUEUED), limit });
}

#[test]
fn pongs_overtake_all_frames_that_are_not_lent() {
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    peer.state.send(peer.now, Message::MemPool).unwrap();
    assert_eq!(peer.state.transmit(peer.now).batch(2).remaining(), 48);
    peer.receive(ping(1)).unwrap();
    peer.receive(ping(2)).unwrap();
    let expected =
        [Message::GetAddr, Message::GetAddr, pong(1), pong(2), Message::GetAddr, Message::MemPool];
    assert_eq!(peer.sent(), expected);
}

#[test]
fn pongs_do_not_overtake_a_frame_that_is_sent_in_part() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.send(peer.now, Message::MemPool).unwrap();
    let mut bytes = peer.transmit(10).to_vec();
    // Another try without a write leaves the frame in its place.
    assert!(peer.transmit(0).is_empty());
    peer.receive(ping(1)).unwrap();
    bytes.extend_from_slice(&peer.transmit(usize::MAX));
    let order = [Message::GetAddr, pong(1), Message::MemPool];
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
fn a_driver_may_borrow_more_frames_than_are_queued() {
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
