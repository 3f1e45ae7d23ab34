//! Messages that `send` queues or returns to the application (`docs/protocol.md`, 2.4).

use excc_peer::wire::{EncodedMessage, ErrorKind, FeeFilter, Message};
use excc_peer::{Announced, CloseReason, Event, Network, Relay, SendErrorKind};

use crate::common::*;

#[test]
fn the_application_cannot_send_before_the_version() {
    for mut peer in [Peer::inbound(config(EXCC)), Peer::outbound(config(EXCC))] {
        let error = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
        assert_eq!((error.kind, error.message), (SendErrorKind::NotReady, Message::GetAddr));
        assert_eq!(peer.state.ping(peer.now), Err(SendErrorKind::NotReady));
        let announced = peer.state.announce(peer.now, tx(1), Relay::Immediate);
        assert_eq!(announced, Announced::NotReady);
    }
}

#[test]
fn the_application_cannot_send_handshake_messages() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(config(network));
        for message in [Message::VerAck, version(8).into()] {
            let command = message.command();
            let error = peer.state.send(peer.now, message.clone()).unwrap_err();
            assert_eq!((error.kind, error.message), (SendErrorKind::Handshake(command), message));
        }
        assert!(peer.state.is_established());
        assert_eq!(peer.sent(), []);
    }
}

/// The reference nodes close the connection instead.
#[test]
fn a_message_that_cannot_be_encoded_is_returned() {
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
fn a_message_that_the_negotiated_version_lacks_is_returned() {
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
fn one_encoded_message_serves_many_peers() {
    let encoded = EncodedMessage::new(&EXCC, 8, &inv([block(1)])).unwrap();
    for seed in 0..3 {
        let mut peer = Peer::new(config(EXCC), excc_peer::Direction::Inbound, seed);
        peer.shake_hands(version(8));
        let id = peer.state.send_encoded(peer.now, encoded.clone()).unwrap();
        assert_eq!(peer.transmit(usize::MAX), encoded.to_bytes());
        assert_eq!(peer.events(), [Event::Sent(id)]);
    }
}

#[test]
fn an_encoded_message_of_another_network_is_returned() {
    let encoded = EncodedMessage::new(&Network::EXCC_TESTNET, 8, &Message::GetAddr).unwrap();
    let mut peer = Peer::established(config(EXCC));
    let error = peer.state.send_encoded(peer.now, encoded).unwrap_err();
    let SendErrorKind::Encode(kind) = error.kind else { panic!("{}", error.kind) };
    assert!(matches!(kind.kind(), ErrorKind::WrongNetwork { .. }));
}

#[test]
fn no_message_is_accepted_after_the_close() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.close(peer.now);
    let closed = SendErrorKind::Closed(CloseReason::Local);
    let error = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    assert_eq!((error.kind, error.message), (closed.clone(), Message::GetAddr));
    assert_eq!(peer.state.ping(peer.now), Err(closed));
    assert!(!peer.state.is_established());
}
