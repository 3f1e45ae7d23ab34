//! Self-connections, found by the nonces of `version` messages (`docs/protocol.md`, 5.4).

use excc_peer::wire::{Message, Version};
use excc_peer::{CloseReason, ConfigBuilder, Direction, Event, Network, SentNonces};

use crate::common::*;

/// A process, whose peers share the nonces of their configuration.
struct Process {
    config: ConfigBuilder,
    network: Network,
    peers: u64,
}

impl Process {
    fn new(network: Network) -> Self {
        Self { config: config(network).sent_nonces(SentNonces::new()), network, peers: 0 }
    }

    fn peer(&mut self, direction: Direction) -> Peer {
        self.peers += 1;
        Peer::new(self.config.clone(), direction, self.peers)
    }

    /// An outbound peer and the nonce of its `version`.
    fn call(&mut self) -> (Peer, u64) {
        let mut peer = self.peer(Direction::Outbound);
        let sent = peer.sent();
        let [Message::Version(version)] = &sent[..] else { panic!("not a version: {sent:?}") };
        (peer, version.nonce)
    }

    /// Whether an inbound peer detects a self-connection by the nonce.
    fn detects(&mut self, nonce: u64) -> bool {
        let mut peer = self.peer(Direction::Inbound);
        match peer.receive(Version { nonce, ..their_version(self.network) }) {
            Ok(()) => false,
            Err(CloseReason::SelfConnection) => true,
            Err(other) => panic!("{other}"),
        }
    }
}

fn their_version(network: Network) -> Version {
    version(network.chain().advertised_version().cast_signed())
}

#[test]
fn a_self_connection_is_detected_at_either_end() {
    for network in [EXCC, DCR] {
        let mut process = Process::new(network);
        let (mut caller, nonce) = process.call();
        assert!(process.detects(nonce));
        assert!(!process.detects(nonce ^ 1));
        let ours = Version { nonce, ..their_version(network) };
        assert_eq!(caller.receive(ours), Err(CloseReason::SelfConnection));
    }
}

/// Otherwise a remote could replay the nonce and learn that two addresses are one node.
#[test]
fn a_nonce_is_not_recognised_after_the_handshake() {
    for network in [EXCC, DCR] {
        let mut process = Process::new(network);
        let (mut caller, nonce) = process.call();
        caller.shake_hands(their_version(network));
        assert!(!process.detects(nonce));
        // The nonce stays unknown after the peer is dropped.
        drop(caller);
        assert!(!process.detects(nonce));
    }
}

#[test]
fn a_nonce_is_recognised_until_the_handshake_completes() {
    // On Decred the handshake ends with the remote's verack.
    let mut process = Process::new(DCR);
    let (mut caller, nonce) = process.call();
    caller.receive(their_version(DCR)).unwrap();
    assert!(process.detects(nonce));
    caller.receive(Message::VerAck).unwrap();
    assert!(!process.detects(nonce));
}

#[test]
fn a_nonce_is_forgotten_when_its_peer_closes() {
    let ends: [fn(Peer) -> Option<Peer>; 5] = [
        |_| None,
        |mut peer| {
            peer.state.close(peer.now);
            Some(peer)
        },
        |mut peer| {
            peer.state.handle_connection_lost(peer.now);
            Some(peer)
        },
        |mut peer| {
            peer.eof();
            Some(peer)
        },
        |mut peer| {
            peer.advance(secs(31));
            Some(peer)
        },
    ];
    for network in [EXCC, DCR] {
        for end in ends {
            let mut process = Process::new(network);
            let (caller, nonce) = process.call();
            let _ended = end(caller);
            assert!(!process.detects(nonce));
        }
    }
}

#[test]
fn two_self_connections_at_once_are_both_detected() {
    let mut process = Process::new(EXCC);
    let (mut first, first_nonce) = process.call();
    let (_second, second_nonce) = process.call();
    assert_ne!(first_nonce, second_nonce);
    assert!(process.detects(first_nonce) && process.detects(second_nonce));
    first.shake_hands(their_version(EXCC));
    assert!(!process.detects(first_nonce) && process.detects(second_nonce));
}

#[test]
fn thousands_of_nonces_are_remembered_at_once() {
    let mut process = Process::new(EXCC);
    let mut calls: Vec<_> = (0..5_000).map(|_| process.call()).collect();
    for (_, nonce) in &calls {
        assert!(process.config_contains(*nonce));
    }
    // Every second peer completes its handshake.
    for (place, (peer, _)) in calls.iter_mut().enumerate() {
        if place % 2 == 0 {
            peer.shake_hands(their_version(EXCC));
        }
    }
    for (place, (_, nonce)) in calls.iter().enumerate() {
        assert_eq!(process.config_contains(*nonce), place % 2 == 1);
    }
    assert!(process.detects(calls[4_999].1));
    assert!(!process.detects(calls[4_998].1));
    let nonces: Vec<u64> = calls.iter().map(|(_, nonce)| *nonce).collect();
    drop(calls);
    assert!(nonces.iter().all(|&nonce| !process.config_contains(nonce)));
}

impl Process {
    fn config_contains(&self, nonce: u64) -> bool {
        self.config.clone().build().expect("valid").sent_nonces().contains(nonce)
    }
}

#[test]
fn two_processes_do_not_recognise_nonces_of_each_other() {
    let (mut one, mut other) = (Process::new(EXCC), Process::new(EXCC));
    let (_caller, nonce) = one.call();
    assert!(one.detects(nonce) && !other.detects(nonce));
}

#[test]
fn a_version_with_our_nonce_closes_and_leaves_no_facts() {
    let nonces = SentNonces::new();
    let config = config(EXCC).sent_nonces(nonces);
    let mut caller = Peer::new(config.clone(), excc_peer::Direction::Outbound, 1);
    let mut listener = Peer::new(config, excc_peer::Direction::Inbound, 2);
    let bytes = caller.transmit(usize::MAX);
    assert_eq!(listener.feed(&bytes), Err(CloseReason::SelfConnection));
    assert_eq!(listener.sent(), []);
    assert_eq!(listener.events(), [Event::Closed(CloseReason::SelfConnection)]);
    let stats = listener.state.stats();
    assert_eq!((stats.advertised_version, stats.user_agent, stats.last_block), (None, None, None));
}

/// The reference nodes remember inbound nonces too, so that many inbound connections evict the
/// outbound ones.
#[test]
fn nonces_of_inbound_peers_are_not_remembered() {
    let config = config(EXCC);
    let mut first = Peer::new(config.clone(), excc_peer::Direction::Inbound, 1);
    first.receive(version(8)).unwrap();
    let Message::Version(ours) = first.sent().swap_remove(0) else { panic!("no version") };
    let mut second = Peer::new(config, excc_peer::Direction::Inbound, 2);
    assert_eq!(second.receive(Version { nonce: ours.nonce, ..version(8) }), Ok(()));
}
