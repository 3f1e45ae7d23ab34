//! Matching of received messages to outstanding requests (`docs/protocol.md`, 7.1 and 7.4).

use bytes::{Buf, Bytes};
use excc_peer::wire::{
    BlockHeader, CFilterV2, Command, GetCFilterV2, GetInitState, Headers, InitState, InvVect, List,
    LocatorRequest, Message, MiningState, NetAddress, PeerAddress, Services,
};
use excc_peer::{Chain, Event, Hash, Network};

use crate::common::*;

fn peer(network: Network) -> Peer {
    Peer::established(quiet(network).send_unwelcome(true))
}

fn send_request(peer: &mut Peer, request: impl Into<Message>) {
    peer.send_now(request);
    peer.events();
}

/// Receives a message, and returns whether its event is solicited.
#[track_caller]
fn is_solicited(peer: &mut Peer, message: impl Into<Message>) -> bool {
    peer.receive(message).expect("acceptable");
    let solicited = peer.events().into_iter().find_map(|event| match event {
        Event::Message { solicited, .. } => Some(solicited),
        _ => None,
    });
    solicited.expect("a message is emitted")
}

#[test]
fn an_object_is_solicited_once_for_each_outstanding_vector() {
    for network in [EXCC, DCR] {
        for (object, vector) in objects(network) {
            let mut peer = peer(network);
            assert!(!is_solicited(&mut peer, object.clone()), "{vector}: not requested");
            send_request(&mut peer, getdata([vector, tx(1)]));
            assert!(is_solicited(&mut peer, object.clone()), "{vector}");
            assert!(!is_solicited(&mut peer, object.clone()), "{vector}: a second time");
            // Another vector of the same type is outstanding.
            send_request(&mut peer, getdata([InvVect::new(vector.kind(), hash(9))]));
            assert!(!is_solicited(&mut peer, object.clone()), "{vector}: another vector");
        }
    }
}

#[test]
fn an_object_is_solicited_even_if_no_inventory_is_remembered() {
    for network in [EXCC, DCR] {
        for (object, vector) in objects(network) {
            let mut peer = Peer::established(quiet(network).known_inventory(0, secs(1)));
            send_request(&mut peer, getdata([vector]));
            assert!(is_solicited(&mut peer, object.clone()));
            assert!(!is_solicited(&mut peer, object));
        }
    }
}

#[test]
fn a_notfound_is_solicited_if_any_of_its_vectors_is_outstanding() {
    for network in [EXCC, DCR] {
        let mut peer = peer(network);
        assert!(!is_solicited(&mut peer, not_found([tx(1)])));
        send_request(&mut peer, getdata([tx(1), block(2), tx(3)]));
        assert!(!is_solicited(&mut peer, not_found([])));
        assert!(!is_solicited(&mut peer, not_found([tx(4), tx(2), block(1)])));
        assert!(is_solicited(&mut peer, not_found([tx(4), block(2)])));
        assert!(!is_solicited(&mut peer, not_found([block(2)])));
        assert!(is_solicited(&mut peer, not_found([tx(1), tx(3)])));
        assert_eq!(peer.state.stats().requested, 0);
    }
}

#[test]
fn a_repeated_getdata_may_be_answered_twice() {
    for network in [EXCC, DCR] {
        for (object, vector) in objects(network) {
            // Every unsolicited message of the command is refused.
            let mut peer = Peer::established(
                quiet(network).max_unsolicited(object.command(), 0).known_inventory(0, secs(1)),
            );
            send_request(&mut peer, getdata([vector]));
            send_request(&mut peer, getdata([vector]));
            assert!(is_solicited(&mut peer, object.clone()));
            assert!(!is_solicited(&mut peer, object.clone()), "answered already");
            assert!(peer.receive(object).is_err(), "answered twice");
        }
    }
}

fn header_after(chain: Chain, prev_block: Hash) -> BlockHeader {
    BlockHeader { prev_block, ..header(chain) }
}

fn headers(chain: Chain, headers: &[BlockHeader]) -> Message {
    Message::Headers(Headers::new(chain, headers).expect("headers of the chain"))
}

fn get_headers(locator: impl Into<List<Hash>>, stop: Hash) -> Message {
    Message::GetHeaders(LocatorRequest { stop, ..LocatorRequest::new(locator) })
}

#[test]
fn headers_are_solicited_if_they_continue_a_locator() {
    for network in [EXCC, DCR] {
        let chain = network.chain();
        let after = |prev| headers(chain, &[header_after(chain, prev)]);
        let stop = header_after(chain, hash(70));
        let answers = [
            ("after the first of the locator", after(hash(1))),
            ("after another of the locator", after(hash(3))),
            ("after the genesis block", after(network.genesis())),
            ("none", headers(chain, &[])),
            ("the stop hash", headers(chain, std::slice::from_ref(&stop))),
        ];
        for (case, answer) in answers {
            let mut peer = peer(network);
            assert!(!is_solicited(&mut peer, answer.clone()), "{case}: before the request");
            send_request(&mut peer, get_headers([hash(1), hash(2), hash(3)], stop.block_hash()));
            assert!(is_solicited(&mut peer, answer.clone()), "{case}");
            assert!(!is_solicited(&mut peer, answer), "{case}: a second time");
        }
    }
}

/// A client that takes the announcement for the last answer never completes its synchronisation.
#[test]
fn an_announced_block_does_not_answer_a_getheaders() {
    for network in [EXCC, DCR] {
        let chain = network.chain();
        let config = quiet(network).response_timeout(Command::GetHeaders, Some(secs(30)));
        let mut peer = Peer::established(config);
        send_request(&mut peer, get_headers([hash(1)], Hash::ZERO));
        peer.advance(secs(20));
        let announcement = headers(chain, &[header_after(chain, hash(500))]);
        assert!(!is_solicited(&mut peer, announcement));
        // The announcement leaves the request outstanding and its deadline in place.
        let (timer, remaining) = peer.due_in().unwrap();
        assert_eq!(timer, excc_peer::Timer::Stall);
        assert!(remaining < secs(11));
        let first = header_after(chain, hash(1));
        let second = header_after(chain, first.block_hash());
        assert!(is_solicited(&mut peer, headers(chain, &[first, second])));
        assert_eq!(peer.due_in(), None);
    }
}

#[test]
fn headers_before_their_request_is_lent_leave_it_outstanding() {
    let chain = EXCC.chain();
    let mut peer = peer(EXCC);
    peer.state.send(peer.now, get_headers([hash(1)], Hash::ZERO)).unwrap();
    // The headers continue the locator, but the request is not lent yet.
    let next = headers(chain, &[header_after(chain, hash(1))]);
    assert!(!is_solicited(&mut peer, next.clone()));
    peer.sent();
    peer.events();
    assert!(is_solicited(&mut peer, next));
}

#[test]
fn headers_answer_the_request_that_they_continue_and_all_earlier_ones() {
    let chain = EXCC.chain();
    let mut peer = peer(EXCC);
    for n in 1..=3 {
        send_request(&mut peer, get_headers([hash(n)], Hash::ZERO));
    }
    let after = |n| headers(chain, &[header_after(chain, hash(n))]);
    assert!(is_solicited(&mut peer, after(2)));
    assert!(!is_solicited(&mut peer, after(1)), "nodes answer in order");
    assert!(is_solicited(&mut peer, after(3)));
}

fn mining_state() -> MiningState {
    MiningState { version: 1, height: 1, block_hashes: List::new(), vote_hashes: List::new() }
}

/// Requests that are matched by command only, with an answer each.
fn by_command(network: Network) -> Vec<(Message, Message)> {
    let inv = |vectors: &[InvVect]| Message::Inv(vectors.iter().copied().collect());
    let address = NetAddress::new(1, PeerAddress::new(Services::empty(), remote()));
    let mut pairs = vec![
        (GetInitState::default().into(), InitState::default().into()),
        (Message::GetBlocks(LocatorRequest::new([hash(1)])), inv(&[block(1)])),
        (Message::MemPool, inv(&[tx(1)])),
        (
            Message::GetCFilterV2(GetCFilterV2 { block_hash: hash(1) }),
            CFilterV2 {
                block_hash: hash(1),
                data: Bytes::new(),
                proof_index: 0,
                proof_hashes: List::new(),
            }
            .into(),
        ),
    ];
    if network == EXCC {
        pairs.push((Message::GetAddr, Message::Addr([address].into())));
        pairs.push((Message::GetMinings, Message::MiningState(mining_state())));
    }
    pairs
}

#[test]
fn other_answers_are_solicited_once_for_each_request() {
    for network in [EXCC, DCR] {
        for (request, answer) in by_command(network) {
            let command = request.command();
            let mut peer = peer(network);
            assert!(!is_solicited(&mut peer, answer.clone()), "{command}: not requested");
            send_request(&mut peer, request.clone());
            send_request(&mut peer, request);
            assert!(is_solicited(&mut peer, answer.clone()), "{command}");
            assert!(is_solicited(&mut peer, answer.clone()), "{command}: requested twice");
            assert!(!is_solicited(&mut peer, answer), "{command}: a third time");
        }
    }
}

#[test]
fn messages_that_answer_no_command_are_never_solicited() {
    let mut peer = peer(EXCC);
    for (request, _) in by_command(EXCC) {
        send_request(&mut peer, request);
    }
    send_request(&mut peer, getdata([tx(1)]));
    for message in [Message::GetAddr, Message::SendHeaders, Message::MemPool, getdata([tx(1)])] {
        assert!(!is_solicited(&mut peer, message));
    }
}

#[test]
fn an_answer_to_a_lent_request_is_solicited() {
    for network in [EXCC, DCR] {
        for (request, answer) in by_command(network) {
            let command = request.command();
            let mut peer = peer(network);
            peer.state.send(peer.now, request).unwrap();
            let written = peer.state.transmit(peer.now).batch(1).remaining();
            assert!(is_solicited(&mut peer, answer.clone()), "{command}");
            peer.state.transmit(peer.now).advance(written);
            assert!(!is_solicited(&mut peer, answer), "{command}");
        }
    }
}
