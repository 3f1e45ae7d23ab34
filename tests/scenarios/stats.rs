//! Statistics of a peer.

use excc_peer::wire::{Command, FeeFilter, Message, Services, Version};
use excc_peer::{Direction, Instant, Relay, Stats};

use crate::common::*;

/// Received messages, received bytes, sent messages and sent bytes of a command.
fn traffic(stats: &Stats, command: Command) -> [u64; 4] {
    let of = stats.commands.iter().find(|of| of.command == command);
    of.map_or([0; 4], |of| {
        [of.received.messages, of.received.bytes, of.sent.messages, of.sent.bytes]
    })
}

/// The reference nodes report their own services until the remote's arrive.
#[test]
fn facts_about_the_remote_are_absent_before_its_version() {
    let config = config(EXCC).services(Services::NODE_NETWORK).start_height(5);
    let stats = Peer::outbound(config).state.stats();
    assert_eq!((stats.remote_address, stats.direction), (remote(), Direction::Outbound));
    assert_eq!(stats.connected_at, Instant::ZERO);
    assert_eq!((stats.services, stats.user_agent, stats.relay), (None, None, None));
    assert_eq!((stats.advertised_version, stats.negotiated_version), (None, None));
    assert_eq!((stats.start_height, stats.last_block, stats.time_offset), (None, None, None));
    assert_eq!((stats.last_send, stats.last_receive), (None, None));
    assert_eq!((stats.bytes_sent, stats.bytes_received), (0, 0));
    assert_eq!((stats.queued_frames, stats.queued_bytes), (1, 0));
}

#[test]
fn facts_of_the_version_are_reported() {
    let mut peer = Peer::inbound(config(EXCC));
    let theirs = Version {
        services: Services::from_bits_retain(0x85),
        timestamp: UNIX_TIME.as_secs() as i64 - 30,
        start_height: -5,
        relay: false,
        ..version(9)
    };
    peer.receive(theirs).unwrap();
    let stats = peer.state.stats();
    assert_eq!(stats.services, Some(Services::from_bits_retain(0x85)));
    assert_eq!(stats.user_agent.as_deref(), Some("/remote:1/"));
    assert_eq!((stats.advertised_version, stats.negotiated_version), (Some(9), Some(8)));
    assert_eq!((stats.start_height, stats.last_block), (Some(-5), Some(0)));
    assert_eq!((stats.time_offset, stats.relay), (Some(-30), Some(false)));
    assert_eq!(stats.waiting_events, 2);
}

#[test]
fn preferences_of_the_remote_are_reported() {
    let mut peer = Peer::established(config(EXCC));
    assert!(!peer.state.wants_headers());
    peer.receive(Message::SendHeaders).unwrap();
    peer.receive(Message::FeeFilter(FeeFilter { min_fee: 10 })).unwrap();
    peer.receive(Message::FeeFilter(FeeFilter { min_fee: -3 })).unwrap();
    let stats = peer.state.stats();
    assert!(stats.wants_headers && peer.state.wants_headers());
    assert_eq!((stats.fee_filter, peer.state.fee_filter()), (Some(-3), Some(-3)));
}

#[test]
fn every_deadline_has_a_name() {
    let mut peer = Peer::inbound(config(EXCC));
    let names = |peer: &Peer| -> Vec<String> {
        peer.state.deadlines().map(|(timer, _)| timer.to_string()).collect()
    };
    assert_eq!(names(&peer), ["handshake", "idle"]);
    peer.receive(version(8)).unwrap();
    assert_eq!(names(&peer), ["verack", "idle", "ping"]);
    peer.receive(Message::VerAck).unwrap();
    peer.sent();
    peer.state.send(peer.now, Message::GetData([tx(1)].into())).unwrap();
    peer.sent();
    _ = peer.state.announce(peer.now, tx(2), Relay::Trickle);
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.transmit(1);
    assert_eq!(names(&peer), ["idle", "ping", "stall", "trickle", "write"]);
    let earliest = peer.state.deadlines().min_by_key(|&(_, at)| at);
    assert_eq!(peer.state.next_deadline(), earliest);
    peer.state.close(peer.now);
    assert_eq!(peer.state.deadlines().count(), 0);
}

#[test]
fn traffic_is_counted_by_command_and_in_total() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.receive(version(8)).unwrap();
    peer.receive(Message::VerAck).unwrap();
    let opening = peer.transmit(usize::MAX).len() as u64;
    let theirs = frame(EXCC, 8, version(8)).len() as u64;
    peer.receive(ping(1)).unwrap();
    peer.receive(ping(2)).unwrap();
    peer.transmit(40);
    let stats = peer.state.stats();
    assert_eq!(traffic(&stats, Command::Version), [1, theirs, 1, opening - 24]);
    assert_eq!(traffic(&stats, Command::VerAck), [1, 24, 1, 24]);
    assert_eq!(traffic(&stats, Command::Ping), [2, 64, 0, 0]);
    // The second pong is sent in part.
    assert_eq!(traffic(&stats, Command::Pong), [0, 0, 1, 32]);
    assert_eq!(stats.bytes_received, theirs + 24 + 64);
    assert_eq!(stats.bytes_sent, opening + 40);
    assert_eq!(stats.queued_frames, 1);
}

#[test]
fn last_send_and_last_receive_count_whole_frames() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    let bytes = frame(EXCC, 8, Message::MemPool);
    peer.advance(secs(1));
    peer.transmit(24);
    peer.feed(&bytes).unwrap();
    peer.advance(secs(1));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.transmit(23);
    peer.feed(&bytes[..23]).unwrap();
    let stats = peer.state.stats();
    assert_eq!(stats.last_send, Some(Instant::from_secs(1)));
    assert_eq!(stats.last_receive, Some(Instant::from_secs(1)));
}

#[test]
fn statistics_are_available_after_the_close() {
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    let before = peer.state.stats();
    assert_eq!((before.queued_frames, before.queued_bytes), (1, 24 + QUEUED));
    peer.state.close(peer.now);
    let after = peer.state.stats();
    assert_eq!((after.queued_frames, after.queued_bytes), (0, 0));
    assert_eq!((after.bytes_sent, after.user_agent), (before.bytes_sent, before.user_agent));
}
