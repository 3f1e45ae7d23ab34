//! The queue of what leaves: receipts, limits, and what becomes of it at the end.

use bytes::Buf;
use excc_peer::wire::{EncodedMessage, ErrorKind, FeeFilter, Message, Ping, Pong};
use excc_peer::{CloseReason, Event, Network, Overflow, SendErrorKind};

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
fn messages_leave_in_the_order_of_their_commands() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    let nonce = peer.state.ping(peer.now).unwrap();
    peer.receive(Message::Ping(Ping { nonce: 7 })).unwrap();
    peer.state.send(peer.now, Message::SendHeaders).unwrap();
    // A pong has the way, so that none waits behind a block.
    let expected = [
        Message::Pong(Pong { nonce: 7 }),
        Message::GetAddr,
        Message::Ping(Ping { nonce }),
        Message::SendHeaders,
    ];
    assert_eq!(peer.sent(), expected);
}

#[test]
fn partial_writes_of_any_size_lose_nothing() {
    let inv = Message::Inv((0..300).map(tx).collect());
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
fn shared_frames_are_the_bytes_that_would_be_written() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.state.send(peer.now, Message::Inv((0..300).map(tx).collect())).unwrap();
    peer.transmit(5);
    let mut shared = peer.state.transmit(peer.now).batch(usize::MAX);
    let bytes = shared.copy_to_bytes(shared.remaining());
    assert_eq!(peer.state.transmit(peer.now).batch(1).remaining(), 19);
    assert_eq!(peer.transmit(usize::MAX), bytes);
}

/// The reference nodes close the connection.
#[test]
fn a_message_that_cannot_be_encoded_is_given_back_and_the_peer_lives() {
    let mut peer = Peer::established(config(EXCC));
    let inv = Message::Inv(vec![tx(1); 50_001].into());
    let error = peer.state.send(peer.now, inv.clone()).unwrap_err();
    assert_eq!(error.message, inv);
    let SendErrorKind::Encode(kind) = error.kind else { panic!("{}", error.kind) };
    assert!(matches!(kind.kind(), ErrorKind::TooManyVectors(_)));
    assert!(peer.state.is_established());
    assert_eq!((peer.sent(), peer.events()), (vec![], vec![]));
}

#[test]
fn a_message_that_the_version_in_force_lacks_is_given_back() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.shake_hands(version(4));
    let filter = Message::FeeFilter(FeeFilter { min_fee: 1 });
    let encoded = EncodedMessage::new(&EXCC, 8, &filter).unwrap();
    assert!(matches!(
        peer.state.send(peer.now, filter).unwrap_err().kind,
        SendErrorKind::Encode(_)
    ));
    let error = peer.state.send_encoded(peer.now, encoded.clone()).unwrap_err();
    assert_eq!(error.message, encoded);
    assert!(matches!(error.kind, SendErrorKind::Encode(_)));
    assert!(peer.state.send(peer.now, Message::AddrV2(Vec::new())).is_err());
}

#[test]
fn one_encoding_serves_many_peers() {
    let encoded = EncodedMessage::new(&EXCC, 8, &Message::Inv([block(1)].into())).unwrap();
    for seed in 0..3 {
        let mut peer = Peer::new(config(EXCC), excc_peer::Direction::Inbound, seed);
        peer.shake_hands(version(8));
        let id = peer.state.send_encoded(peer.now, encoded.clone()).unwrap();
        assert_eq!(peer.transmit(usize::MAX), encoded.to_bytes());
        assert_eq!(peer.events(), [Event::Sent(id)]);
    }
}

#[test]
fn an_encoding_for_another_network_is_given_back() {
    let encoded = EncodedMessage::new(&Network::EXCC_TESTNET, 8, &Message::GetAddr).unwrap();
    let mut peer = Peer::established(config(EXCC));
    let error = peer.state.send_encoded(peer.now, encoded).unwrap_err();
    let SendErrorKind::Encode(kind) = error.kind else { panic!("{}", error.kind) };
    assert!(matches!(kind.kind(), ErrorKind::WrongNetwork { .. }));
}

#[test]
fn what_had_not_left_at_the_end_is_told_before_it() {
    let mut peer = Peer::established(config(EXCC));
    let ids: Vec<_> =
        (0..3).map(|_| peer.state.send(peer.now, Message::GetAddr).unwrap()).collect();
    peer.state.ping(peer.now).unwrap();
    // The first has left, the second in part.
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
fn the_end_is_told_once_and_last() {
    let mut peer = Peer::established(config(EXCC));
    peer.receive(Message::GetAddr).unwrap();
    peer.state.close(peer.now);
    peer.state.close(peer.now);
    peer.eof();
    assert_eq!(peer.receive(Message::GetAddr), Err(CloseReason::Local));
    let end = [unasked(Message::GetAddr), Event::Closed(CloseReason::Local)];
    assert_eq!(peer.events(), end);
    peer.state.close(peer.now);
    peer.state.refuse_version(peer.now);
    peer.advance(secs(1_000));
    assert_eq!(peer.events(), []);
}

#[test]
fn nothing_is_taken_to_be_sent_after_the_end() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.close(peer.now);
    let closed = SendErrorKind::Closed(CloseReason::Local);
    let error = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    assert_eq!((error.kind, error.message), (closed.clone(), Message::GetAddr));
    assert_eq!(peer.state.ping(peer.now), Err(closed));
    assert!(!peer.state.is_established());
}

/// 24 + 1,800,003 bytes, encoded once.
fn largest_inv(network: Network) -> EncodedMessage {
    let inv = Message::Inv(vec![tx(1); 50_000].into());
    let encoded = EncodedMessage::new(&network, 8, &inv).unwrap();
    assert_eq!(encoded.len(), 1_800_027);
    encoded
}

#[test]
fn a_full_queue_gives_messages_back() {
    let inv = largest_inv(EXCC);
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..23 {
        peer.state.send_encoded(peer.now, inv.clone()).unwrap();
    }
    let (queued, limit) = (24 * (1_800_027 + QUEUED), 40 * 1024 * 1024);
    let error = peer.state.send_encoded(peer.now, inv.clone()).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::QueueFull { queued, limit });
    assert_eq!(peer.state.stats().queued_bytes, 23 * (1_800_027 + QUEUED));
    // What the peer itself has to say is not kept back.
    peer.receive(Message::Ping(Ping { nonce: 1 })).unwrap();
    assert_eq!(peer.state.stats().queued_frames, 24);
    // A frame takes its room until it has left wholly. The pong goes first.
    peer.transmit(32 + 1_800_026);
    assert!(peer.state.send_encoded(peer.now, inv.clone()).is_err());
    peer.transmit(1);
    peer.state.send_encoded(peer.now, inv).unwrap();
}

#[test]
fn a_full_queue_closes_where_that_is_the_policy() {
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
fn a_queue_takes_exactly_what_is_allowed() {
    let limit = 3 * (24 + QUEUED);
    let mut peer = Peer::established(config(EXCC).max_queued_bytes(limit));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    let error = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::QueueFull { queued: 4 * (24 + QUEUED), limit });
}
