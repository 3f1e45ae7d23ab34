//! The handshake on Decred: only a few messages may precede the remote's `verack`
//! (`docs/protocol.md`, 5.1 and 5.6).

use excc_peer::wire::{Command, Message};
use excc_peer::{CloseReason, Event};

use crate::common::*;

/// An inbound peer that has answered the version and awaits the verack.
fn awaits_verack(protocol_version: i32) -> Peer {
    let mut peer = Peer::inbound(config(DCR));
    peer.receive(version(protocol_version)).unwrap();
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert!(matches!(peer.events()[..], [Event::VersionReceived(_)]));
    peer
}

#[test]
fn an_inbound_peer_sends_its_verack_with_its_version() {
    let mut peer = awaits_verack(12);
    assert!(!peer.state.is_established());
    peer.receive(Message::VerAck).unwrap();
    assert!(matches!(peer.events()[..], [Event::VerAckReceived, Event::Established(_)]));
    assert_eq!(peer.sent(), []);
}

#[test]
fn an_outbound_peer_sends_its_verack_after_the_remotes() {
    let mut peer = Peer::outbound(config(DCR));
    assert_eq!(peer.sent_commands(), [Command::Version]);
    peer.receive(version(12)).unwrap();
    assert_eq!(peer.sent(), []);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.sent_commands(), [Command::VerAck]);
    let events = peer.events();
    assert!(matches!(
        events[..],
        [Event::VersionReceived(_), Event::VerAckReceived, Event::Established(_)]
    ));
}

#[test]
fn from_version_12_on_no_message_may_precede_the_verack() {
    let mut peer = awaits_verack(12);
    assert_eq!(peer.receive(ping(1)), Err(CloseReason::NotVerAck(Command::Ping)));
    assert_eq!(peer.sent(), []);
}

#[test]
fn a_message_before_the_verack_is_refused_at_its_header() {
    let mut peer = awaits_verack(12);
    let header = raw_header(DCR, b"block", 1_000_000, [0; 4]);
    assert_eq!(peer.feed(&header), Err(CloseReason::NotVerAck(Command::Block)));
}

#[test]
fn two_messages_may_precede_the_verack_before_version_12() {
    let mut peer = awaits_verack(11);
    peer.receive(ping(1)).unwrap();
    peer.receive(ping(2)).unwrap();
    assert_eq!(peer.events(), []);
    assert_eq!(peer.sent(), []);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.sent(), [pong(1), pong(2)]);
    let events = peer.events();
    assert!(matches!(events[..2], [Event::VerAckReceived, Event::Established(_)]));
    assert_eq!(events[2..], [unsolicited(ping(1)), unsolicited(ping(2))]);
}

#[test]
fn a_third_message_before_the_verack_closes() {
    let mut peer = awaits_verack(11);
    peer.receive(ping(1)).unwrap();
    peer.receive(ping(2)).unwrap();
    assert_eq!(peer.receive(ping(3)), Err(CloseReason::NotVerAck(Command::Ping)));
    // Early messages are not emitted, since the handshake did not complete.
    assert_eq!(peer.closed(), CloseReason::NotVerAck(Command::Ping));
}

#[test]
fn early_messages_are_answered_after_our_verack() {
    let mut peer = Peer::outbound(config(DCR));
    peer.sent();
    peer.receive(version(9)).unwrap();
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.receive(ping(5)).unwrap();
    assert_eq!(peer.sent(), []);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.sent(), [Message::VerAck, pong(5), Message::GetAddr]);
}

#[test]
fn a_second_version_before_the_verack_closes() {
    let mut peer = awaits_verack(11);
    assert_eq!(peer.receive(version(11)), Err(CloseReason::DuplicateVersion));
}

#[test]
fn a_verack_after_the_handshake_closes() {
    let mut peer = Peer::established(config(DCR));
    assert_eq!(peer.receive(Message::VerAck), Err(CloseReason::DuplicateVerAck));
}

#[test]
fn a_version_below_the_minimum_is_refused_without_an_answer() {
    let mut peer = Peer::inbound(config(DCR));
    let reason = CloseReason::ProtocolVersionTooOld { advertised: 8, minimum: 9 };
    assert_eq!(peer.receive(version(8)), Err(reason.clone()));
    assert_eq!(peer.sent(), []);
    assert_eq!(peer.events(), [Event::VersionReceived(version(8).into()), Event::Closed(reason)]);
}

#[test]
fn the_handshake_timeout_includes_the_verack() {
    let mut peer = awaits_verack(12);
    assert_eq!(peer.closed_after(secs(30)), CloseReason::HandshakeTimeout);
}

#[test]
fn messages_queued_on_the_version_wait_for_both_veracks() {
    let mut peer = awaits_verack(12);
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    assert_eq!(peer.sent(), []);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.sent(), [Message::GetAddr]);
    assert_eq!(peer.events().last(), Some(&Event::Sent(id)));
}

#[test]
fn an_accepted_version_is_answered_with_a_version_and_a_verack() {
    let mut peer = Peer::inbound(config(DCR).review_version(true));
    peer.receive(version(12)).unwrap();
    assert_eq!(peer.sent(), []);
    peer.state.accept_version(peer.now);
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert!(!peer.state.is_established());
}

#[test]
fn the_number_of_messages_before_the_verack_can_be_configured() {
    for allowed in [0, 1, 5] {
        let mut peer = Peer::inbound(config(DCR).max_before_verack(allowed));
        peer.receive(version(11)).unwrap();
        for nonce in 0..allowed as u64 {
            peer.receive(ping(nonce)).unwrap();
        }
        assert_eq!(peer.receive(ping(99)), Err(CloseReason::NotVerAck(Command::Ping)));
        // The setting has no effect from version 12 on.
        let mut strict = Peer::inbound(config(DCR).max_before_verack(allowed));
        strict.receive(version(12)).unwrap();
        assert_eq!(strict.receive(ping(0)), Err(CloseReason::NotVerAck(Command::Ping)));
    }
}
