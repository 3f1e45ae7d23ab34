//! Facts about the remote: its address and its last block.

use std::net::SocketAddr;

use excc_peer::wire::{BlockHeader, Headers, HostAddress, Message, NetAddressV2, Version};
use excc_peer::{Chain, Instant, PeerState};

use crate::common::*;

fn at_height(chain: Chain, height: u32) -> BlockHeader {
    BlockHeader { height, ..header(chain) }
}

fn headers(chain: Chain, heights: &[u32]) -> Message {
    let headers: Vec<_> = heights.iter().map(|&height| at_height(chain, height)).collect();
    Message::Headers(Headers::new(chain, &headers).expect("headers of the chain"))
}

#[test]
fn the_last_block_follows_received_headers_and_blocks() {
    for network in [EXCC, DCR] {
        let chain = network.chain();
        let mut peer = Peer::established(config(network));
        let mut after = |message: Message| {
            peer.receive(message).unwrap();
            assert_eq!(peer.state.stats().last_block, peer.state.last_block());
            peer.state.last_block().expect("known")
        };
        // The version has 100.
        assert_eq!(after(headers(chain, &[])), 100);
        assert_eq!(after(headers(chain, &[99, 100])), 100);
        assert_eq!(after(headers(chain, &[101])), 101);
        assert_eq!(after(headers(chain, &[102, 103, 104])), 104);
        assert_eq!(after(block_message(network, at_height(chain, 90)).0), 104);
        assert_eq!(after(block_message(network, at_height(chain, 105)).0), 105);
        // An `inv` has no height.
        assert_eq!(after(inv([block(1)])), 105);
        for height in [104, 105] {
            peer.state.update_last_block(peer.now, height);
            assert_eq!(peer.state.last_block(), Some(105));
        }
        peer.state.update_last_block(peer.now, 110);
        assert_eq!(peer.state.last_block(), Some(110));
        assert_eq!(peer.state.stats().start_height, Some(100));
    }
}

#[test]
fn no_last_block_is_known_before_the_version() {
    let mut peer = Peer::outbound(config(EXCC));
    peer.state.update_last_block(peer.now, 500);
    assert_eq!(peer.state.last_block(), None);
    peer.receive(Version { start_height: -1, ..version(8) }).unwrap();
    assert_eq!(peer.state.last_block(), Some(0));
}

fn both_directions(remote: SocketAddr) -> [PeerState; 2] {
    [PeerState::outbound, PeerState::inbound].map(|make| {
        let config = config(EXCC).build().unwrap();
        make(config, remote, Instant::ZERO, UNIX_TIME, &mut rng(1))
    })
}

/// Ban lists and address books have the IPv4 form.
#[test]
fn an_ipv4_mapped_address_is_reported_as_ipv4() {
    let mapped: SocketAddr = "[::ffff:203.0.113.7]:9666".parse().unwrap();
    for peer in both_directions(mapped) {
        assert_eq!((peer.remote_address(), peer.stats().remote_address), (remote(), remote()));
        assert!(peer.to_string().starts_with("203.0.113.7:9666 "));
    }
    // Other addresses stay unchanged.
    for address in ["[2001:db8::7]:9666", "[::1]:1", "[::]:0", "0.0.0.0:0"] {
        let address: SocketAddr = address.parse().unwrap();
        assert!(both_directions(address).iter().all(|peer| peer.remote_address() == address));
    }
}

#[test]
fn an_ipv4_mapped_address_is_sent_as_ipv4() {
    let mapped: SocketAddr = "[::ffff:203.0.113.7]:9666".parse().unwrap();
    let [mut plain, mut mapped_peer] = [remote(), mapped].map(|remote| {
        let config = config(EXCC).build().unwrap();
        PeerState::outbound(config, remote, Instant::ZERO, UNIX_TIME, &mut rng(1))
    });
    let bytes = |peer: &mut PeerState| {
        let mut out = peer.transmit(Instant::ZERO);
        let len = bytes::Buf::remaining(&out);
        bytes::Buf::copy_to_bytes(&mut out, len)
    };
    assert_eq!(bytes(&mut plain), bytes(&mut mapped_peer));

    for network in [EXCC, DCR] {
        let mut peer = Peer::established(config(network));
        let address = NetAddressV2 {
            addr: HostAddress::Ipv6("::ffff:203.0.113.7".parse().unwrap()),
            ..NetAddressV2::new(1, Default::default(), remote())
        };
        let pushed = peer.state.push_addrs(peer.now, &[address]).unwrap();
        let ipv4 = NetAddressV2::new(1, Default::default(), remote());
        assert_eq!(pushed.addresses, [ipv4]);
    }
}
