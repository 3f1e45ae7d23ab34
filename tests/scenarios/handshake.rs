//! The handshake on Exchangecoin, and the rules that both chains share (`docs/protocol.md`, 5).

use std::time::Duration;

use excc_peer::wire::{Command, LocatorRequest, Message, Services, Version};
use excc_peer::{CloseReason, Direction, Event, Instant, Network, SendErrorKind, Timer};

use crate::common::*;

/// The names of events, or the commands of messages.
fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| match event {
        Event::Message { message, .. } => message.command().to_string(),
        other => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
    };
    events.iter().map(name).collect()
}

#[test]
fn an_inbound_peer_answers_a_version_with_a_version_and_a_verack() {
    let mut peer = Peer::inbound(config(EXCC));
    assert_eq!(peer.sent(), []);
    peer.receive(version(8)).unwrap();
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert!(peer.state.is_established());
    assert!(!peer.state.verack_received());
    assert_eq!(names(&peer.events()), ["VersionReceived", "Established"]);
}

#[test]
fn an_outbound_peer_opens_with_its_version_and_answers_with_a_verack() {
    let mut peer = Peer::outbound(config(EXCC));
    assert_eq!(peer.sent_commands(), [Command::Version]);
    peer.receive(version(8)).unwrap();
    assert_eq!(peer.sent_commands(), [Command::VerAck]);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(names(&peer.events()), ["VersionReceived", "Established", "VerAckReceived"]);
    assert!(peer.state.verack_received());
}

#[test]
fn a_ping_before_the_verack_is_answered() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.sent();
    peer.receive(ping(77)).unwrap();
    assert_eq!(peer.sent(), [pong(77)]);
    assert!(!peer.state.verack_received());
}

#[test]
fn messages_before_the_verack_are_emitted_in_order() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    let early = [
        Message::GetAddr,
        inv([tx(1)]),
        Message::GetHeaders(LocatorRequest::new([hash(1)])),
        Message::SendHeaders,
        Message::MemPool,
    ];
    for message in early.iter().cycle().take(50) {
        peer.receive(message.clone()).unwrap();
    }
    assert_eq!(peer.messages(), early.iter().cycle().take(50).cloned().collect::<Vec<_>>());
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.events(), [Event::VerAckReceived]);
}

#[test]
fn a_second_verack_closes() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.receive(Message::VerAck), Err(CloseReason::DuplicateVerAck));
}

#[test]
fn a_second_version_closes() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    assert_eq!(peer.receive(version(8)), Err(CloseReason::DuplicateVersion));
}

#[test]
fn a_first_message_other_than_a_version_closes() {
    for network in [EXCC, DCR] {
        for message in [Message::VerAck, ping(1), Message::GetAddr] {
            let mut peer = Peer::inbound(config(network));
            let command = message.command();
            assert_eq!(peer.receive(message), Err(CloseReason::NotVersion(command)));
            assert_eq!(peer.sent(), []);
        }
    }
}

#[test]
fn a_version_of_zero_is_emitted_and_refused_without_an_answer() {
    let mut peer = Peer::inbound(config(EXCC).min_remote_version(1));
    let reason = CloseReason::ProtocolVersionTooOld { advertised: 0, minimum: 1 };
    assert_eq!(peer.receive(version(0)), Err(reason.clone()));
    assert_eq!(peer.state.protocol_version(), 0);
    assert_eq!(peer.sent(), []);
    assert_eq!(peer.events(), [Event::VersionReceived(version(0).into()), Event::Closed(reason)]);
}

/// The reference nodes store the number unsigned.
#[test]
fn a_negative_version_wraps_in_the_statistics_and_is_too_old() {
    let mut peer = Peer::inbound(config(EXCC));
    let reason = CloseReason::ProtocolVersionTooOld { advertised: -1, minimum: 3 };
    assert_eq!(peer.receive(version(-1)), Err(reason));
    let stats = peer.state.stats();
    assert_eq!(stats.advertised_version, Some(u32::MAX));
    assert_eq!(stats.negotiated_version, Some(8));
    assert_eq!(peer.sent(), []);
}

/// The protocol version in our `version` message and the negotiated one, with a remote of version
/// `theirs`.
fn negotiated(network: Network, theirs: i32) -> (i32, u32) {
    let lowest = u32::try_from(theirs).unwrap().min(3);
    let mut peer = Peer::inbound(config(network).min_remote_version(lowest));
    peer.receive(version(theirs)).unwrap();
    match &peer.sent()[0] {
        Message::Version(ours) => (ours.protocol_version, peer.state.protocol_version()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_inbound_peer_sends_the_negotiated_version() {
    assert_eq!(negotiated(EXCC, 1), (1, 1));
    assert_eq!(negotiated(EXCC, 7), (7, 7));
    assert_eq!(negotiated(EXCC, 9), (8, 8));
    assert_eq!(negotiated(DCR, 11), (11, 11));
    assert_eq!(negotiated(DCR, 13), (12, 12));
}

#[test]
fn an_outbound_peer_sends_its_highest_version_and_negotiates_down() {
    let mut peer = Peer::outbound(config(EXCC));
    assert!(matches!(&peer.sent()[..], [Message::Version(ours)] if ours.protocol_version == 8));
    peer.receive(version(4)).unwrap();
    assert_eq!(peer.state.protocol_version(), 4);
    let refused =
        peer.state.send(peer.now, Message::FeeFilter(excc_peer::wire::FeeFilter { min_fee: 1 }));
    assert!(matches!(refused.unwrap_err().kind, SendErrorKind::Encode(_)));
}

#[test]
fn the_established_event_has_the_negotiated_version() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(Version { timestamp: UNIX_TIME.as_secs() as i64 + 90, ..version(6) }).unwrap();
    let established = peer.events().into_iter().find_map(|event| match event {
        Event::Established(established) => Some(established),
        _ => None,
    });
    let established = established.unwrap();
    assert_eq!((established.protocol_version, established.time_offset), (6, 90));
}

/// In the reference nodes the difference wraps.
#[test]
fn the_time_offset_of_a_hostile_clock_saturates() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(Version { timestamp: i64::MIN, ..version(8) }).unwrap();
    assert_eq!(peer.state.stats().time_offset, Some(i64::MIN));
}

/// In the reference nodes the verack is sent last.
#[test]
fn our_verack_precedes_messages_queued_on_the_version() {
    let mut peer = Peer::outbound(config(EXCC).review_version(true));
    peer.receive(version(8)).unwrap();
    assert!(matches!(peer.events()[..], [Event::VersionReceived(_)]));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    assert_eq!(peer.sent_commands(), [Command::Version]);
    peer.state.accept_version(peer.now);
    assert_eq!(peer.sent_commands(), [Command::VerAck, Command::GetAddr]);
}

#[test]
fn a_version_under_review_is_answered_once_accepted() {
    let mut peer = Peer::inbound(config(EXCC).review_version(true));
    peer.feed(&frame(EXCC, 8, version(8))).unwrap();
    // Input is not taken until the application accepts.
    peer.feed(&frame(EXCC, 8, Message::VerAck)).unwrap();
    assert!(!peer.state.wants_read() && !peer.state.can_resume());
    assert_eq!(names(&peer.events()), ["VersionReceived"]);
    assert_eq!(peer.sent(), []);
    peer.advance(secs(29));
    assert_eq!(peer.sent(), []);

    peer.state.accept_version(peer.now);
    peer.resume().unwrap();
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert_eq!(names(&peer.events()), ["Established", "VerAckReceived"]);
    peer.state.accept_version(peer.now);
    assert_eq!(peer.sent(), []);
}

#[test]
fn a_review_ends_at_the_handshake_timeout() {
    let mut peer = Peer::inbound(config(EXCC).review_version(true));
    peer.receive(version(8)).unwrap();
    assert_eq!(peer.closed_after(secs(30)), CloseReason::HandshakeTimeout);
    peer.state.accept_version(peer.now);
    assert_eq!(peer.sent(), []);
}

#[test]
fn a_refused_version_gets_no_answer() {
    for review in [false, true] {
        let mut peer = Peer::inbound(config(EXCC).review_version(review));
        peer.receive(version(8)).unwrap();
        let queued = peer.state.send(peer.now, Message::GetAddr).unwrap();
        assert!(matches!(peer.state.poll_event(), Some(Event::VersionReceived(_))));
        peer.state.refuse_version(peer.now);
        assert_eq!(peer.sent(), []);
        let events = peer.events();
        let end = [Event::NotSent(queued), Event::Closed(CloseReason::VersionRefused)];
        assert_eq!(events[events.len() - 2..], end);
    }
}

#[test]
fn an_unfinished_handshake_closes_after_30_seconds() {
    for network in [EXCC, DCR] {
        for mut peer in [Peer::inbound(config(network)), Peer::outbound(config(network))] {
            assert_eq!(peer.due_in(), Some((Timer::Handshake, secs(30))));
            assert_eq!(peer.closed_after(secs(30)), CloseReason::HandshakeTimeout);
        }
    }
}

/// The reference nodes wait without a limit.
#[test]
fn the_verack_is_due_30_seconds_after_the_version() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.advance(secs(10));
    peer.receive(version(8)).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::VerAck, secs(30))));
    peer.advance(secs(20));
    // Another message does not answer, but its 24 bytes extend the deadline by 24 / 10,240 s.
    peer.receive(Message::GetAddr).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::VerAck, secs(10) + nanos(2_343_750))));
    assert_eq!(peer.closed_after(secs(10) + nanos(2_343_750)), CloseReason::VerAckTimeout);
}

#[test]
fn a_verack_clears_its_deadline() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.advance(secs(29));
    peer.receive(Message::VerAck).unwrap();
    peer.advance(secs(60));
    assert_eq!(peer.state.close_reason(), None);
}

#[test]
fn the_verack_deadline_can_be_disabled() {
    let mut peer = Peer::inbound(config(EXCC).verack_timeout(None));
    peer.receive(version(8)).unwrap();
    for nonce in 0..10 {
        peer.advance(secs(60));
        peer.receive(ping(nonce)).unwrap();
    }
    assert!(peer.state.is_established() && !peer.state.verack_received());
}

#[test]
fn a_remote_without_a_required_service_is_refused() {
    let required = Services::NODE_NETWORK | Services::NODE_CF;
    for network in [EXCC, DCR] {
        let newest = network.chain().advertised_version().cast_signed();
        let mut refused = Peer::inbound(config(network).required_services(required));
        let offered = Services::NODE_NETWORK;
        let reason = CloseReason::MissingServices { offered, required };
        let lacking = Version { services: offered, ..version(newest) };
        assert_eq!(refused.receive(lacking), Err(reason.clone()));
        assert!(!reason.is_violation(EXCC.chain()));
        assert!(matches!(refused.events()[..], [Event::VersionReceived(_), Event::Closed(_)]));
        assert_eq!(refused.sent(), []);

        let mut accepted = Peer::inbound(config(network).required_services(required));
        let more = Services::from_bits_retain(0xff);
        accepted.shake_hands(Version { services: more, ..version(newest) });
    }
}

#[test]
fn before_the_version_other_messages_are_refused_at_their_headers() {
    let mut peer = Peer::inbound(config(EXCC));
    let header = raw_header(EXCC, b"block", 1_000_000, [0; 4]);
    assert_eq!(peer.feed(&header), Err(CloseReason::NotVersion(Command::Block)));
}

/// Peers of both networks and both directions, before their handshake.
fn new_peers() -> impl Iterator<Item = (Network, Peer)> {
    [EXCC, DCR].into_iter().flat_map(|network| {
        [Direction::Inbound, Direction::Outbound]
            .map(|direction| (network, Peer::new(config(network), direction, 1)))
    })
}

/// Feeds `bytes` one by one, with a pause after each, until the peer closes.
fn dribble(peer: &mut Peer, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if peer.state.close_reason().is_some() {
            return;
        }
        peer.feed(&[*byte]).unwrap();
        assert!(peer.buffer.len() <= bytes.len());
        peer.advance(pause);
    }
}

#[test]
fn a_version_byte_by_byte_does_not_extend_the_handshake() {
    for (network, mut peer) in new_peers() {
        let bytes = frame(network, 8, version(8));
        dribble(&mut peer, &bytes[..12], millis(2_500));
        peer.feed(&bytes[12..13]).unwrap();
        assert_eq!(peer.now, Instant::from_secs(30));
        assert_eq!(peer.closed_after(secs(0)), CloseReason::HandshakeTimeout);
        assert_eq!(peer.feed(&bytes), Err(CloseReason::HandshakeTimeout));
    }
}

#[test]
fn a_version_completed_after_the_grace_period_is_ignored() {
    for (network, mut peer) in new_peers() {
        let bytes = frame(network, 12, version(12));
        let (last, rest) = bytes.split_last().unwrap();
        let pause = secs(30) / rest.len() as u32;
        dribble(&mut peer, rest, pause);
        assert_eq!(peer.state.close_reason(), None);
        peer.advance(Instant::from_secs(30) + GRACE - peer.now - nanos(1));
        assert_eq!(peer.state.close_reason(), None);
        peer.advance(nanos(1));
        assert_eq!(peer.feed(&[*last]), Err(CloseReason::HandshakeTimeout));
        assert_eq!(peer.events(), [Event::Closed(CloseReason::HandshakeTimeout)]);
    }
}

#[test]
fn a_version_completed_within_the_grace_period_is_accepted() {
    for (network, mut peer) in new_peers() {
        let highest = peer.state.protocol_version().cast_signed();
        let bytes = frame(network, 12, version(highest));
        let (last, rest) = bytes.split_last().unwrap();
        dribble(&mut peer, rest, nanos(1));
        peer.advance(Instant::from_secs(30) + GRACE - peer.now - nanos(1));
        peer.feed(&[*last]).unwrap();
        assert!(matches!(peer.events()[0], Event::VersionReceived(_)));
    }
}

#[test]
fn a_verack_byte_by_byte_is_late() {
    for (network, reason) in
        [(EXCC, CloseReason::VerAckTimeout), (DCR, CloseReason::HandshakeTimeout)]
    {
        let mut peer = Peer::inbound(config(network));
        peer.receive(version(8 + 4 * i32::from(network == DCR))).unwrap();
        dribble(&mut peer, &frame(network, 8, Message::VerAck)[..20], millis(1_500));
        assert_eq!(peer.now, Instant::from_secs(30));
        peer.advance(GRACE - nanos(1));
        assert_eq!(peer.state.close_reason(), None);
        // On Exchangecoin each byte extends the deadline by a tenth of a millisecond.
        peer.advance(millis(2));
        assert_eq!(peer.closed(), reason);
    }
}
