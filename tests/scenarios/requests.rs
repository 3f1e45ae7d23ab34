//! Requests and their stall timeouts (`docs/protocol.md`, 7.2 and 7.3).

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{
    BlockHeader, Command, EncodedMessage, GetInitState, Headers, InitState, InvType, InvVect, List,
    LocatorRequest, Message,
};
use excc_peer::{Chain, CloseReason, Overflow, SendErrorKind, Timer};

use crate::common::*;

fn locator() -> LocatorRequest {
    LocatorRequest::new([hash(1)])
}

fn no_headers(chain: Chain) -> Message {
    Message::Headers(Headers::new(chain, &[] as &[BlockHeader]).expect("headers of the chain"))
}

fn stalled_on(vector: InvVect) -> CloseReason {
    CloseReason::Stall { request: Command::GetData, vector: Some(vector) }
}

#[test]
fn an_unanswered_vector_closes_after_30_seconds() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(quiet(network));
        peer.send_now(getdata([tx(1)]));
        assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
        let reason = peer.closed_after(secs(30));
        assert_eq!(reason, stalled_on(tx(1)));
        assert!(!reason.is_violation(network.chain()));
        assert_eq!(
            reason.to_string(),
            format!("response timeout: no answer to getdata of {}", tx(1))
        );
    }
}

#[test]
fn an_object_or_a_notfound_answers_its_vector() {
    for network in [EXCC, DCR] {
        for (object, vector) in objects(network) {
            for answer in [object, not_found([vector])] {
                let mut peer = Peer::established(quiet(network));
                peer.send_now(getdata([vector]));
                assert_eq!(peer.state.stats().requested, 1);
                peer.advance(secs(29));
                peer.receive(answer).unwrap();
                assert_eq!(peer.state.stats().requested, 0);
                assert_eq!(peer.due_in(), None);
            }
        }
    }
}

#[test]
fn each_vector_needs_its_own_answer() {
    for network in [EXCC, DCR] {
        let [(block, block_vector), (tx_message, tx_vector)] = &objects(network)[..2] else {
            unreachable!()
        };
        let mut peer = Peer::established(quiet(network));
        peer.send_now(getdata([*block_vector, *tx_vector, tx(1)]));
        peer.receive(block.clone()).unwrap();
        peer.receive(tx_message.clone()).unwrap();
        peer.receive(not_found([tx(2)])).unwrap();
        assert_eq!(peer.closed_after(secs(30)), stalled_on(tx(1)));
    }
}

#[test]
fn a_repeated_getdata_does_not_move_the_deadline() {
    let mut peer = Peer::established(quiet(EXCC));
    for _ in 0..3 {
        peer.send_now(getdata([tx(1)]));
        peer.advance(secs(9));
    }
    peer.send_now(getdata([tx(1), tx(2)]));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(3))));
    assert_eq!(peer.state.stats().requested, 2);
    peer.receive(not_found([tx(1)])).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

#[test]
fn vectors_that_no_node_answers_set_no_deadline() {
    let mut peer = Peer::established(quiet(EXCC).send_unwelcome(true));
    let kinds = [InvType::ERROR, InvType::FILTERED_BLOCK, InvType::new(9)];
    peer.send_now(getdata(kinds.map(|kind| InvVect::new(kind, hash(1)))));
    peer.send_now(getdata([]));
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 0));
}

#[test]
fn a_stall_timeout_starts_with_the_last_byte_of_the_request() {
    let mut peer = Peer::established(quiet(EXCC).write_timeout(None));
    peer.state.send(peer.now, getdata([tx(1)])).unwrap();
    peer.transmit(60);
    peer.advance(secs(100));
    assert_eq!(peer.due_in(), None);
    peer.transmit(1);
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

/// An adapter that writes a frame batch reports it afterwards, and may read before that.
#[test]
fn an_answer_to_a_lent_request_prevents_its_deadline() {
    let (object, vector) = objects(EXCC).swap_remove(1);
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.send(peer.now, getdata([vector])).unwrap();
    peer.state.send(peer.now, Message::GetInitState(GetInitState::default())).unwrap();
    assert_eq!(peer.state.transmit(peer.now).batch(2).remaining(), 61 + 25);
    peer.receive(object).unwrap();
    peer.receive(InitState::default()).unwrap();
    peer.transmit(usize::MAX);
    assert_eq!(peer.due_in(), None);
}

#[test]
fn an_initstate_is_due_in_30_seconds() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(quiet(network).send_unwelcome(true));
        peer.send_now(Message::GetInitState(GetInitState::default()));
        peer.advance(secs(29));
        peer.receive(InitState::default()).unwrap();
        assert_eq!(peer.due_in(), None);
        peer.send_now(Message::GetInitState(GetInitState::default()));
        peer.receive(Message::GetAddr).unwrap();
        let request = Command::GetInitState;
        assert_eq!(peer.closed_after(secs(30)), CloseReason::Stall { request, vector: None });
    }
}

#[test]
fn requests_that_nodes_may_ignore_have_no_deadline_by_default() {
    let mut peer = Peer::established(quiet(EXCC));
    for message in [
        Message::GetHeaders(locator()),
        Message::GetBlocks(locator()),
        Message::MemPool,
        Message::GetAddr,
        Message::GetMinings,
    ] {
        peer.send_now(message);
    }
    assert_eq!(peer.due_in(), None);
}

#[test]
fn any_request_can_have_a_stall_timeout() {
    let requests = [
        (Message::GetHeaders(locator()), no_headers(Chain::Exchangecoin)),
        (Message::GetBlocks(locator()), inv([block(1)])),
        (Message::MemPool, inv([tx(1)])),
        (Message::GetAddr, Message::Addr(List::new())),
    ];
    for (request, answer) in requests {
        let command = request.command();
        let config = || quiet(EXCC).response_timeout(command, Some(secs(900)));
        let mut answered = Peer::established(config());
        answered.send_now(request.clone());
        assert_eq!(answered.due_in(), Some((Timer::Stall, secs(900))));
        answered.receive(answer).unwrap();
        assert_eq!(answered.due_in(), None);

        let mut silent = Peer::established(config());
        silent.send_now(request);
        let stall = CloseReason::Stall { request: command, vector: None };
        assert_eq!(silent.closed_after(secs(900)), stall);
        assert_eq!(stall.to_string(), format!("response timeout: no answer to {command}"));
    }
}

#[test]
fn a_stall_timeout_can_be_disabled() {
    let mut peer =
        Peer::established(quiet(EXCC).response_timeout(Command::GetData, None).max_requested(2));
    peer.send_now(getdata([tx(1), tx(2)]));
    // The requests are tracked without a deadline too.
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 2));
    let refused = peer.state.send(peer.now, getdata([tx(3)])).unwrap_err();
    assert_eq!(refused.kind, SendErrorKind::TooManyRequested { requested: 3, limit: 2 });
    let answer = not_found([tx(1)]);
    peer.receive(answer.clone()).unwrap();
    assert_eq!(peer.events()[1..], [solicited(answer)]);
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 1));
}

#[test]
fn a_later_request_does_not_move_the_deadline() {
    let timeout = Some(secs(60));
    let mut peer = Peer::established(quiet(EXCC).response_timeout(Command::GetHeaders, timeout));
    peer.send_now(Message::GetHeaders(locator()));
    peer.advance(secs(40));
    peer.send_now(Message::GetHeaders(locator()));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(20))));
}

#[test]
fn the_earliest_deadline_of_all_requests_is_due_first() {
    let mut peer =
        Peer::established(quiet(EXCC).response_timeout(Command::GetHeaders, Some(secs(10))));
    peer.send_now(getdata([tx(1)]));
    peer.send_now(Message::GetHeaders(locator()));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(10))));
    peer.receive(no_headers(Chain::Exchangecoin)).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

#[test]
fn an_answer_that_waits_under_back_pressure_is_in_time() {
    let mut peer = Peer::established(quiet(EXCC).max_waiting_events(2, usize::MAX));
    peer.send_now(getdata([tx(1)]));
    peer.events();
    peer.advance(secs(10));
    peer.receive(Message::GetAddr).unwrap();
    peer.receive(Message::GetAddr).unwrap();
    assert!(!peer.state.wants_read());
    // The answer waits in the input buffer.
    peer.receive(not_found([tx(1)])).unwrap();
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), None);
    peer.events();
    peer.resume().unwrap();
    assert_eq!(peer.state.stats().requested, 0);
}

#[test]
fn a_stall_timeout_runs_on_after_back_pressure() {
    let mut peer = Peer::established(quiet(EXCC).max_waiting_events(1, usize::MAX));
    peer.send_now(getdata([tx(1)]));
    peer.events();
    peer.sent();
    for _ in 0..3 {
        peer.advance(secs(5));
        peer.receive(Message::GetAddr).unwrap();
        peer.advance(secs(100));
        peer.events();
        // The remote's clock runs again from this call, which every driver makes after it takes
        // events.
        peer.sent();
    }
    // Three messages of 24 bytes extend the deadline.
    let bytes_worth = nanos(3 * 24 * 1_000_000_000 / 10_240);
    assert_eq!(peer.closed_after(secs(15) + bytes_worth), stalled_on(tx(1)));
}

#[test]
fn the_number_of_requested_vectors_is_limited() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(quiet(network));
        peer.send_now(getdata((0..50_000).map(tx)));
        let many = getdata((50_000..75_001).map(tx));
        let error = peer.state.send(peer.now, many.clone()).unwrap_err();
        let kind = SendErrorKind::TooManyRequested { requested: 75_001, limit: 75_000 };
        assert_eq!((&error.kind, &error.message), (&kind, &many));
        peer.send_now(getdata((50_000..75_000).map(tx)));
        assert_eq!(peer.state.stats().requested, 75_000);
        peer.receive(not_found((0..50_000).map(tx))).unwrap();
        peer.send_now(getdata((75_000..125_000).map(tx)));
        assert_eq!(peer.state.stats().requested, 75_000);
    }
}

#[test]
fn an_encoded_request_has_a_stall_timeout() {
    let mut peer = Peer::established(quiet(EXCC));
    let encoded = |message: &Message| EncodedMessage::new(&EXCC, 8, message).unwrap();
    peer.state.send_encoded(peer.now, encoded(&getdata([tx(1)]))).unwrap();
    peer.sent();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
    let many = encoded(&getdata((2..50_002).map(tx)));
    peer.state.send_encoded(peer.now, many.clone()).unwrap();
    let refused = peer.state.send_encoded(peer.now, many).unwrap_err();
    assert!(matches!(refused.kind, SendErrorKind::TooManyRequested { .. }));
}

#[test]
fn a_request_that_is_not_queued_is_not_outstanding() {
    let config = quiet(EXCC).max_queued_bytes(200).overflow(Overflow::Refuse);
    let mut peer = Peer::established(config);
    let refused = peer.state.send(peer.now, getdata((0..10).map(tx))).unwrap_err();
    assert!(matches!(refused.kind, SendErrorKind::QueueFull { .. }));
    assert_eq!(peer.state.stats().requested, 0);
}

/// The timeout of deadlines that a test sets itself.
const TIMEOUT: Duration = secs(20);

/// Requests, and an answer to each.
fn requests() -> [(Message, Message); 5] {
    let headers = excc_peer::wire::Headers::new(EXCC.chain(), &[header(EXCC.chain())]);
    [
        (
            Message::GetHeaders(LocatorRequest::new([hash(1)])),
            Message::Headers(headers.expect("headers of the chain")),
        ),
        (Message::GetBlocks(LocatorRequest::new([hash(1)])), inv([block(1)])),
        (GetInitState::default().into(), InitState::default().into()),
        (Message::MemPool, inv([tx(1)])),
        (getdata([tx(1)]), not_found([tx(1)])),
    ]
}

#[test]
fn a_message_before_its_request_is_lent_is_no_answer() {
    for (request, answer) in requests() {
        let command = request.command();
        let config = || quiet(EXCC).response_timeout(command, Some(TIMEOUT));
        let mut peer = Peer::established(config());
        peer.receive(answer.clone()).unwrap();
        peer.state.send(peer.now, request.clone()).unwrap();
        if command != Command::GetData {
            // The request is queued and not lent. A `getdata` is excluded, whose answers name their
            // vectors.
            peer.receive(answer.clone()).unwrap();
        }
        peer.sent();
        assert_eq!(peer.due_in(), Some((Timer::Stall, TIMEOUT)), "{command}");
        peer.events();

        // The same message after the request answers it.
        peer.receive(answer.clone()).unwrap();
        assert_eq!(peer.due_in(), None, "{command}");
        assert_eq!(peer.events(), [solicited(answer)]);
    }
}

#[test]
fn an_answer_clears_only_the_deadline_of_its_request() {
    for (request, _) in requests() {
        let command = request.command();
        let is_inv = |message: &Message| message.command() == Command::Inv;
        for (other, answer) in requests() {
            let answers_both = matches!(command, Command::GetBlocks | Command::MemPool);
            if other.command() == command || (is_inv(&answer) && answers_both) {
                continue;
            }
            let mut peer = Peer::requesting(quiet(EXCC), request.clone(), TIMEOUT);
            peer.receive(answer).unwrap();
            assert!(matches!(peer.due_in(), Some((Timer::Stall, _))), "{command}");
        }
    }
}

#[test]
fn each_answer_to_a_getdata_restarts_the_deadline_of_the_others() {
    let mut peer = Peer::requesting(quiet(EXCC), getdata((0..40).map(block)), TIMEOUT);
    for n in 0..39 {
        peer.advance_until_closed(secs(19));
        peer.receive(not_found([block(n)])).unwrap();
        assert_eq!(peer.due_in(), Some((Timer::Stall, TIMEOUT)));
    }
    // An unsolicited message restarts no deadline, but its 61 bytes extend it by 6 ms.
    peer.advance_until_closed(secs(19));
    peer.receive(not_found([block(0)])).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(1) + worth(61))));
    let vector = Some(block(39));
    let reason = CloseReason::Stall { request: Command::GetData, vector };
    assert_eq!(peer.closed_after(secs(1) + worth(61)), reason);
}
