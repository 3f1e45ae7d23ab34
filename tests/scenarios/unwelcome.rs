//! Messages for which nodes ban the sender, which they never answer, or which block them
//! (`docs/protocol.md`, 7.5).
//!
//! Each is returned to the application, or the test states why it is harmless.

use excc_peer::wire::{
    Command, EncodedMessage, GetInitState, HostAddress, InitState, InvType, InvVect, List, Message,
    MiningState, NetAddressV2, Protocol, Reject, RejectCode, Services,
};
use excc_peer::{Chain, ConfigBuilder, Network, SendErrorKind};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::common::*;
use crate::strategies;

fn without_deadlines(network: Network) -> ConfigBuilder {
    let config = quiet(network);
    config.max_requested(usize::MAX).response_timeout(Command::GetInitState, None)
}

/// A message of the command.
fn sample(command: Command, chain: Chain) -> Message {
    let tree = strategies::message(command, chain).new_tree(&mut TestRunner::deterministic());
    tree.expect("a strategy for every command").current()
}

/// The protocol versions that can be negotiated by default.
fn versions(network: Network) -> std::ops::RangeInclusive<u32> {
    let newest = network.chain().advertised_version();
    if network == EXCC { 3..=newest } else { 9..=newest }
}

fn peer_at(network: Network, number: u32) -> Peer {
    let mut peer = Peer::inbound(without_deadlines(network));
    peer.shake_hands(version(number.cast_signed()));
    assert_eq!(peer.state.protocol_version(), number);
    peer
}

/// `send` returns the message as unwelcome, and queues it with `send_unwelcome`.
#[track_caller]
fn assert_unwelcome(peer: &mut Peer, message: &Message) {
    let unwelcome = SendErrorKind::Unwelcome(message.command());
    let error = peer.state.send(peer.now, message.clone()).unwrap_err();
    assert_eq!((&error.kind, &error.message), (&unwelcome, message));
    let network = *peer.state.config().network();
    let encoded = EncodedMessage::new(&network, peer.state.protocol_version(), message).unwrap();
    let error = peer.state.send_encoded(peer.now, encoded.clone()).unwrap_err();
    assert_eq!((error.kind, error.message), (unwelcome, encoded));
    assert_eq!((peer.sent(), peer.events()), (vec![], vec![]));

    let mut permissive = Peer::established(
        without_deadlines(network)
            .send_unwelcome(true)
            .protocol_version(peer.state.protocol_version()),
    );
    permissive.state.send(permissive.now, message.clone()).unwrap();
    assert_eq!(permissive.sent(), std::slice::from_ref(message));
}

#[track_caller]
fn assert_welcome(peer: &mut Peer, message: Message) {
    peer.state.send(peer.now, message.clone()).unwrap();
    assert_eq!(peer.sent(), [message]);
    peer.events();
}

/// On Decred this includes `addr` at version 12 and `addrv2` below.
#[test]
fn messages_that_the_negotiated_version_lacks_are_returned() {
    for network in [EXCC, DCR] {
        let chain = network.chain();
        for number in versions(network) {
            let mut peer = peer_at(network, number);
            let defined = |&command: &Command| command.is_defined(Protocol::new(chain, number));
            let opening = [Command::Version, Command::VerAck];
            let lacking = Command::ALL.iter().copied().filter(|command| !defined(command));
            for command in lacking.filter(|command| !opening.contains(command)) {
                let message = sample(command, chain);
                let error = peer.state.send(peer.now, message.clone()).unwrap_err();
                assert!(matches!(error.kind, SendErrorKind::Encode(_)), "{command}: {error}");
                assert_eq!(error.message, message);
            }
            if network == DCR {
                let [addr, addr_v2] = [Command::Addr, Command::AddrV2].map(|it| defined(&it));
                assert_eq!((addr, addr_v2), (number < 12, number >= 12));
            }
            assert_eq!((peer.sent(), peer.events()), (vec![], vec![]));
        }
    }
}

/// Decred has no `reject`. Exchangecoin's nodes ignore theirs, which exists up to version 8.
#[test]
fn a_reject_is_harmless_on_exchangecoin_and_missing_on_decred() {
    let reject = |command: &str| Reject {
        command: command.into(),
        code: RejectCode::DUST,
        reason: "too little".into(),
        hash: None,
    };
    for number in versions(DCR) {
        let mut peer = peer_at(DCR, number);
        let error = peer.state.send(peer.now, reject("addr")).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Encode(_)));
    }
    assert_welcome(&mut peer_at(EXCC, 8), reject("addr").into());
}

/// Nodes disconnect for them.
#[test]
fn requests_for_filters_of_version_1_are_returned() {
    let requests = [Command::GetCFilter, Command::GetCFHeaders, Command::GetCFTypes];
    for network in [EXCC, DCR] {
        for number in versions(network).filter(|&number| number >= 6) {
            for command in requests {
                let mut peer = peer_at(network, number);
                assert_unwelcome(&mut peer, &sample(command, network.chain()));
            }
        }
    }
}

/// Nodes ban for an empty `inv`, `getdata` or `addr`.
#[test]
fn empty_lists_are_returned() {
    for network in [EXCC, DCR] {
        for number in versions(network) {
            let mut peer = peer_at(network, number);
            assert_unwelcome(&mut peer, &Message::Inv(List::new()));
            assert_unwelcome(&mut peer, &Message::GetData(List::new()));
            if network == EXCC || number < 12 {
                assert_unwelcome(&mut peer, &Message::Addr(List::new()));
            }
            // Nodes ignore an empty `notfound`. An empty `addrv2` cannot be encoded.
            assert_welcome(&mut peer, Message::NotFound(List::new()));
        }
    }
    let mut peer = peer_at(DCR, 12);
    let error = peer.state.send(peer.now, Message::AddrV2(Vec::new())).unwrap_err();
    assert!(matches!(error.kind, SendErrorKind::Encode(_)));
}

/// Such a type in the last vector blocks the reader of an Exchangecoin node without a limit.
#[test]
fn getdata_of_a_type_that_nodes_do_not_serve_is_returned() {
    for network in [EXCC, DCR] {
        for number in versions(network) {
            let mut peer = peer_at(network, number);
            for kind in (0..20).chain([u32::MAX]).map(InvType::new) {
                let request = getdata([tx(1), InvVect::new(kind, hash(1))]);
                let is_served = match kind {
                    InvType::TX | InvType::BLOCK => true,
                    InvType::MIX => network == DCR && number >= 10,
                    _ => false,
                };
                if is_served {
                    assert_welcome(&mut peer, request);
                } else {
                    assert_unwelcome(&mut peer, &request);
                }
            }
        }
    }
}

/// No version that can be negotiated on Decred has them. On Exchangecoin both are harmless at any
/// number.
#[test]
fn getminings_and_miningstate_are_returned_on_decred() {
    let state = Message::MiningState(MiningState {
        version: 1,
        height: 1,
        block_hashes: List::new(),
        vote_hashes: List::new(),
    });
    for number in versions(DCR) {
        let mut peer = peer_at(DCR, number);
        assert_unwelcome(&mut peer, &Message::GetMinings);
        assert_unwelcome(&mut peer, &state);
    }
    for number in versions(EXCC) {
        let mut peer = peer_at(EXCC, number);
        for _ in 0..2 {
            assert_welcome(&mut peer, Message::GetMinings);
            assert_welcome(&mut peer, state.clone());
        }
    }
}

/// Decred's nodes accept the first of each. Exchangecoin's nodes ignore the second.
#[test]
fn a_second_getinitstate_or_initstate_is_returned_on_decred() {
    let messages = || [Message::from(GetInitState::default()), Message::from(InitState::default())];
    for number in versions(DCR) {
        let mut peer = peer_at(DCR, number);
        for message in messages() {
            assert_welcome(&mut peer, message.clone());
            assert_unwelcome_again(&mut peer, &message);
            // The rule has no time limit.
            peer.advance(secs(100_000));
            assert_unwelcome_again(&mut peer, &message);
        }
    }
    let mut peer = peer_at(EXCC, 8);
    for message in messages() {
        assert_welcome(&mut peer, message.clone());
        assert_welcome(&mut peer, message);
    }
}

/// `send` returns a message that it accepted before.
#[track_caller]
fn assert_unwelcome_again(peer: &mut Peer, message: &Message) {
    let error = peer.state.send(peer.now, message.clone()).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Unwelcome(message.command()));
    assert_eq!(peer.sent(), []);
}

#[test]
fn a_getinitstate_that_was_not_queued_may_be_sent_later() {
    let mut peer = Peer::established(without_deadlines(DCR).max_queued_bytes(200));
    let filler = inv([tx(1)]);
    peer.state.send(peer.now, filler.clone()).unwrap();
    let error = peer.state.send(peer.now, GetInitState::default()).unwrap_err();
    assert!(matches!(error.kind, SendErrorKind::QueueFull { .. }));
    peer.sent();
    assert_welcome(&mut peer, GetInitState::default().into());
}

/// A `mempool` adds 33 points to a score that halves each minute. Nodes ban above 100.
#[test]
fn mempools_above_the_ban_score_are_returned() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(without_deadlines(network));
        for _ in 0..3 {
            assert_welcome(&mut peer, Message::MemPool);
        }
        assert_unwelcome_again(&mut peer, &Message::MemPool);
        // The score falls from 99 to 67 in 34 s. The linear bound of `src/peer/unwelcome.rs` takes
        // 39 s.
        peer.advance(secs(38));
        assert_unwelcome_again(&mut peer, &Message::MemPool);
        peer.advance(secs(1));
        assert_welcome(&mut peer, Message::MemPool);
        assert_unwelcome_again(&mut peer, &Message::MemPool);
        // One a minute is accepted at any number.
        for _ in 0..100 {
            peer.advance(secs(60));
            assert_welcome(&mut peer, Message::MemPool);
        }
        let mut permissive = Peer::established(without_deadlines(network).send_unwelcome(true));
        for _ in 0..10 {
            assert_welcome(&mut permissive, Message::MemPool);
        }
    }
}

/// Decred's nodes ban for an IPv4 address in `addrv2` that has the IPv6 type.
#[test]
fn an_ipv4_mapped_address_is_sent_in_canonical_form() {
    let mapped = HostAddress::from("::ffff:203.0.113.9".parse::<std::net::IpAddr>().unwrap());
    let address =
        NetAddressV2 { timestamp: 1, services: Services::empty(), addr: mapped, port: 9_108 };
    let canonical = NetAddressV2 { addr: mapped.to_canonical(), ..address };
    assert!(matches!(canonical.addr, HostAddress::Ipv4(_)));
    let mut peer = Peer::established(without_deadlines(DCR));
    let pushed = peer.state.push_addrs(peer.now, &[address]).unwrap();
    assert_eq!(pushed.addresses, [canonical]);
    assert_eq!(peer.sent(), [Message::AddrV2(vec![canonical])]);
}
