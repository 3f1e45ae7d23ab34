//! Helpers that build messages: addresses, block locators, rejects (`docs/protocol.md`, 13).

use std::net::{Ipv6Addr, SocketAddr};

use excc_peer::wire::{
    ErrorKind, HostAddress, LocatorRequest, Message, NetAddressV2, Reject, RejectCode, Services,
};
use excc_peer::{CloseReason, Event, Hash, SendErrorKind};

use crate::common::*;

fn address(n: u32) -> NetAddressV2 {
    let ip = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(n));
    NetAddressV2::new(n.into(), Services::NODE_NETWORK, SocketAddr::new(ip.into(), 9666))
}

const TOR: NetAddressV2 = NetAddressV2 {
    timestamp: 1,
    services: Services::NODE_NETWORK,
    addr: HostAddress::TorV3([7; 32]),
    port: 9666,
};

/// Writes the queue, which must be one message of addresses. Returns its socket addresses.
fn sent_addresses(peer: &mut Peer) -> Vec<Option<SocketAddr>> {
    match peer.sent().as_slice() {
        [Message::Addr(list)] => {
            list.iter().map(|entry| Some(entry.address().socket_addr())).collect()
        }
        [Message::AddrV2(list)] => list.iter().map(NetAddressV2::socket_addr).collect(),
        other => panic!("not one message of addresses: {other:?}"),
    }
}

#[test]
fn addresses_are_sent_in_the_message_of_the_negotiated_version() {
    for (network, own_version, is_v2) in [(EXCC, 8, false), (DCR, 11, false), (DCR, 12, true)] {
        let mut peer = Peer::established(config(network).protocol_version(own_version));
        let given = [address(3), TOR, address(1)];
        let pushed = peer.state.push_addrs(peer.now, &given).unwrap();
        let expected = if is_v2 { given.to_vec() } else { vec![given[0], given[2]] };
        assert_eq!(pushed.addresses, expected);
        let sockets: Vec<_> = expected.iter().map(NetAddressV2::socket_addr).collect();
        assert_eq!(sent_addresses(&mut peer), sockets);
        assert_eq!(peer.events(), [Event::Sent(pushed.id.unwrap())]);
    }
}

#[test]
fn an_address_keeps_its_time_and_services() {
    let mut peer = Peer::established(config(EXCC));
    let late = NetAddressV2 { timestamp: 1 << 40, ..address(1) };
    _ = peer.state.push_addrs(peer.now, &[address(77), late]).unwrap();
    let sent = peer.sent();
    let [Message::Addr(list)] = sent.as_slice() else { panic!("not an addr: {sent:?}") };
    assert_eq!([list[0].timestamp(), list[1].timestamp()], [77, u32::MAX]);
    assert_eq!(list[0].address().services(), Services::NODE_NETWORK);
}

#[test]
fn a_random_sample_of_too_many_addresses_is_sent() {
    for network in [EXCC, DCR] {
        let given: Vec<_> = (0..2_500).map(address).collect();
        let draw = |seed| {
            let mut peer = Peer::new(config(network), excc_peer::Direction::Inbound, seed);
            peer.shake_hands(version(peer.state.protocol_version().cast_signed()));
            let pushed = peer.state.push_addrs(peer.now, &given).unwrap().addresses;
            let sockets: Vec<_> = pushed.iter().map(NetAddressV2::socket_addr).collect();
            assert_eq!(sent_addresses(&mut peer), sockets);
            pushed
        };
        let drawn = draw(1);
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().all(|address| given.contains(address)));
        let mut times: Vec<_> = drawn.iter().map(|address| address.timestamp).collect();
        times.sort_unstable();
        times.dedup();
        assert_eq!(times.len(), 1_000, "no duplicates");
        assert!(times.iter().any(|&time| time > 2_000) && times.iter().any(|&time| time < 500));
        assert_eq!(drawn, draw(1));
        assert_ne!(drawn, draw(2));
    }
}

#[test]
fn addresses_that_fit_keep_their_order() {
    let mut peer = Peer::established(config(EXCC));
    let given: Vec<_> = (0..1_000).map(address).collect();
    assert_eq!(peer.state.push_addrs(peer.now, &given).unwrap().addresses, given);
}

#[test]
fn an_empty_list_of_addresses_is_not_sent() {
    for (network, addresses) in [(EXCC, &[][..]), (DCR, &[][..]), (EXCC, &[TOR][..])] {
        let mut peer = Peer::established(config(network));
        let pushed = peer.state.push_addrs(peer.now, addresses).unwrap();
        assert_eq!((pushed.id, pushed.addresses), (None, vec![]));
        assert_eq!(peer.sent(), []);
    }
}

#[test]
fn addresses_are_refused_before_the_handshake_and_after_the_close() {
    let mut early = Peer::inbound(config(EXCC));
    assert_eq!(early.state.push_addrs(early.now, &[address(1)]), Err(SendErrorKind::NotReady));
    let mut closed = Peer::established(config(EXCC));
    closed.state.close(closed.now);
    let refused = SendErrorKind::Closed(CloseReason::Local);
    assert_eq!(closed.state.push_addrs(closed.now, &[address(1)]), Err(refused));
}

#[test]
fn a_repeated_locator_request_is_not_sent_until_it_expires() {
    for (network, lifetime) in [(EXCC, secs(900)), (DCR, secs(30))] {
        let mut peer = Peer::established(config(network).idle_timeout(None));
        let push = |peer: &mut Peer, rest, stop| {
            let pushed = peer.state.push_getheaders(peer.now, [hash(1), hash(rest)], hash(stop));
            peer.sent();
            pushed.unwrap().is_some()
        };
        assert!(push(&mut peer, 2, 9));
        assert!(!push(&mut peer, 2, 9));
        assert!(!push(&mut peer, 3, 9), "the first hash and the stop hash count");
        assert!(push(&mut peer, 2, 8));
        assert!(push(&mut peer, 2, 9), "only the last request counts");
        peer.advance(lifetime - nanos(1));
        assert!(!push(&mut peer, 2, 9));
        peer.advance(nanos(1));
        assert!(push(&mut peer, 2, 9));
    }
}

#[test]
fn getheaders_and_getblocks_are_remembered_apart() {
    let mut peer = Peer::established(config(EXCC));
    let stop = Hash::ZERO;
    let headers = peer.state.push_getheaders(peer.now, [hash(1)], stop).unwrap();
    let blocks = peer.state.push_getblocks(peer.now, [hash(1)], stop).unwrap();
    assert!(headers.is_some() && blocks.is_some());
    assert_eq!(peer.state.push_getblocks(peer.now, [hash(1)], stop), Ok(None));
    let request = LocatorRequest { protocol_version: 8, locator: [hash(1)].into(), stop };
    let expected = [Message::GetHeaders(request.clone()), Message::GetBlocks(request)];
    assert_eq!(peer.sent(), expected);
}

#[test]
fn a_request_with_an_empty_locator_is_always_sent() {
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..3 {
        assert!(peer.state.push_getheaders(peer.now, [], hash(9)).unwrap().is_some());
    }
}

#[test]
fn a_locator_that_is_too_long_is_returned_and_not_remembered() {
    let mut peer = Peer::established(config(EXCC));
    let push = |peer: &mut Peer, count| {
        let locator: Vec<Hash> = (0..count).map(hash).collect();
        peer.state.push_getheaders(peer.now, locator, hash(9))
    };
    let error = push(&mut peer, 501).unwrap_err();
    let SendErrorKind::Encode(encode) = &error.kind else { panic!("{error}") };
    assert!(matches!(encode.kind(), ErrorKind::TooManyLocators(_)));
    let Message::GetHeaders(request) = error.message else { panic!("another message") };
    assert_eq!(request.locator.len(), 501);
    assert!(push(&mut peer, 500).unwrap().is_some());
    assert!(push(&mut peer, 500).unwrap().is_none());
    assert!(push(&mut peer, 501).unwrap().is_none(), "the same first hash and stop hash");
}

#[test]
fn a_request_that_is_not_queued_is_not_remembered() {
    let mut peer = Peer::inbound(config(EXCC));
    let refused = peer.state.push_getblocks(peer.now, [hash(1)], hash(2)).unwrap_err();
    assert_eq!(refused.kind, SendErrorKind::NotReady);
    peer.shake_hands(version(8));
    assert!(peer.state.push_getblocks(peer.now, [hash(1)], hash(2)).unwrap().is_some());
    peer.state.close(peer.now);
    let refused = peer.state.push_getblocks(peer.now, [hash(1)], hash(2)).unwrap_err();
    assert_eq!(refused.kind, SendErrorKind::Closed(CloseReason::Local));
}

#[test]
fn a_reject_is_sent_only_on_exchangecoin_up_to_version_8() {
    let reject = Reject {
        command: "tx".into(),
        code: RejectCode::DUST,
        reason: "too little".into(),
        hash: Some(hash(1)),
    };
    let mut peer = Peer::established(config(EXCC));
    let id = peer.state.push_reject(peer.now, reject.clone()).unwrap();
    assert_eq!(peer.sent(), [Message::from(reject.clone())]);
    assert_eq!(peer.events(), [Event::Sent(id)]);
    for config in [config(EXCC).protocol_version(9), config(DCR)] {
        let mut peer = Peer::established(config);
        let error = peer.state.push_reject(peer.now, reject.clone()).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Encode(_)));
        assert_eq!(error.message, Message::from(reject.clone()));
        assert_eq!(peer.state.close_reason(), None);
    }
}
