//! Slow and busy links, on which earlier versions closed peers without cause
//! (`docs/protocol.md`, 10.2).

use excc_peer::wire::{BlockHeader, BlockParts, Command, InvVect, Message, Protocol};
use excc_peer::{Event, Instant};

use crate::common::*;

/// A link at a steady rate, which delivers ten pieces a second.
struct Link {
    bytes_per_second: usize,
}

impl Link {
    fn feed(&self, peer: &mut Peer, bytes: &[u8]) {
        for piece in bytes.chunks(self.bytes_per_second / 10) {
            peer.advance(millis(100));
            peer.feed(piece).unwrap_or_else(|reason| panic!("{reason} at {:?}", peer.now));
        }
    }
}

/// The reference nodes queue a pong behind all other messages.
#[test]
fn a_pong_after_twenty_long_messages_is_in_time() {
    let config = config(EXCC).pong_timeout(Some(secs(20))).ping_interval(Some(secs(30)));
    let mut peer = Peer::established(config);
    let link = Link { bytes_per_second: 200_000 };
    let inv = frame(EXCC, 8, inv((0..50_000).map(tx)));
    let mut nonces = Vec::new();
    for _ in 0..20 {
        link.feed(&mut peer, &inv);
        peer.events();
        nonces.extend(peer.sent().into_iter().map(|message| match message {
            Message::Ping(ping) => ping.nonce,
            other => panic!("not a ping: {other:?}"),
        }));
    }
    assert_eq!(peer.now, Instant::from_millis(20 * 9_100));
    assert!(nonces.len() >= 5, "{} pings", nonces.len());
    for nonce in nonces {
        peer.receive(pong(nonce)).unwrap();
        assert!(peer.events().iter().any(|event| matches!(event, Event::RoundTrip { .. })));
    }
    assert_eq!(peer.state.stats().outstanding_ping, None);
}

/// Frames of blocks, and their vectors.
fn blocks(count: u32, script_len: usize) -> Vec<(Vec<u8>, InvVect)> {
    let chain = EXCC.chain();
    let transactions = vec![paying(chain, script_len)];
    let block = |nonce| {
        let header = BlockHeader { nonce, ..header(chain) };
        let vector = InvVect::block(header.block_hash());
        let parts =
            BlockParts { header, transactions: transactions.clone(), stake_transactions: vec![] };
        let block = parts.encode(Protocol::new(chain, 8)).expect("a valid block");
        (frame(EXCC, 8, Message::Block(block)).to_vec(), vector)
    };
    (0..count).map(block).collect()
}

#[test]
fn forty_requested_blocks_may_take_longer_than_one() {
    let blocks = blocks(40, 1_200_000);
    let mut peer = Peer::established(config(EXCC));
    let vectors: Vec<_> = blocks.iter().map(|(_, vector)| *vector).collect();
    peer.state.send(peer.now, Message::GetData(vectors.into())).unwrap();
    peer.sent();
    peer.events();
    let link = Link { bytes_per_second: 1_000_000 };
    for (bytes, _) in &blocks {
        link.feed(&mut peer, bytes);
        let events = peer.events();
        assert!(matches!(events[..], [Event::Message { solicited: true, .. }]));
        peer.sent();
    }
    assert!(peer.now > Instant::from_secs(48));
    assert_eq!(peer.state.stats().requested, 0);
}

#[test]
fn one_large_block_may_take_longer_than_the_stall_timeout() {
    for bytes_per_second in [43_000, 11_000, 10_240] {
        let [(bytes, vector)] = &blocks(1, 1_290_000)[..] else { unreachable!() };
        let mut peer = Peer::established(config(EXCC));
        peer.state.send(peer.now, getdata([*vector])).unwrap();
        peer.sent();
        peer.events();
        Link { bytes_per_second }.feed(&mut peer, bytes);
        assert!(peer.now >= Instant::from_secs(1_290_000 / bytes_per_second as u64));
        assert!(matches!(peer.events()[..], [Event::Message { solicited: true, .. }]));
    }
}

#[test]
fn a_remote_that_goes_silent_after_a_long_message_stalls() {
    let [(bytes, vector)] = &blocks(1, 1_000_000)[..] else { unreachable!() };
    let mut peer = Peer::established(config(EXCC));
    peer.state.send(peer.now, getdata([*vector, block(1)])).unwrap();
    peer.sent();
    peer.events();
    Link { bytes_per_second: 50_000 }.feed(&mut peer, bytes);
    let reason = peer.closed_after(secs(30));
    let stall = excc_peer::CloseReason::Stall { request: Command::GetData, vector: Some(block(1)) };
    assert_eq!(reason, stall);
}
