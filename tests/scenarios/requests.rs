//! Requests of ours: when their answers are due, and what counts as one.

use bytes::Buf;
use excc_peer::wire::{
    BlockHeader, BlockParts, Command, EncodedMessage, GetInitState, Headers, InitState, InvType,
    InvVect, List, LocatorRequest, Message, MixFactPoly, Protocol,
};
use excc_peer::{Chain, CloseReason, ConfigBuilder, Network, Overflow, SendErrorKind, Timer};

use crate::common::*;

/// A peer that does nothing by itself but wait for answers.
fn peer(config: ConfigBuilder) -> Peer {
    Peer::established(config.idle_timeout(None).ping_interval(None))
}

fn getdata(vectors: impl IntoIterator<Item = InvVect>) -> Message {
    Message::GetData(vectors.into_iter().collect())
}

fn locator() -> LocatorRequest {
    LocatorRequest::new([hash(1)])
}

fn no_headers(chain: Chain) -> Message {
    Message::Headers(Headers::new(chain, &[] as &[BlockHeader]).expect("none is of no chain"))
}

fn stalled_on(vector: InvVect) -> CloseReason {
    CloseReason::Stall { request: Command::GetData, vector: Some(vector) }
}

impl Peer {
    /// Sends a message and sees it leave.
    fn ask(&mut self, message: impl Into<Message>) {
        self.state.send(self.now, message).expect("may be sent");
        self.sent();
    }
}

/// A `block` and what names it.
pub(super) fn a_block(network: Network) -> (Message, InvVect) {
    let chain = network.chain();
    let header = header(chain);
    let vector = InvVect::block(header.block_hash());
    let (transactions, stake_transactions) = (vec![paying(chain, 10)], vec![]);
    let parts = BlockParts { header, transactions, stake_transactions };
    let block = parts.encode(Protocol::new(chain, chain.advertised_version()));
    (Message::Block(block.expect("a valid block")), vector)
}

pub(super) fn a_tx(network: Network) -> (Message, InvVect) {
    let tx = paying(network.chain(), 20);
    let vector = InvVect::tx(tx.tx_hash());
    (Message::Tx(tx), vector)
}

pub(super) fn a_mix() -> (Message, InvVect) {
    let message = Message::from(MixFactPoly {
        signature: [1; 64],
        identity: [2; 33],
        session_id: [3; 32],
        run: 0,
        roots: std::iter::once(&[7_u8; 5][..]).collect(),
        seen_slot_reserves: List::new(),
    });
    let hash = message.as_mix().and_then(|mix| mix.message_hash().ok()).expect("a mix message");
    (message, InvVect::mix(hash))
}

#[test]
fn a_vector_that_is_not_answered_in_time_closes() {
    for network in [EXCC, DCR] {
        let mut peer = peer(config(network));
        peer.ask(getdata([tx(1)]));
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
fn the_thing_itself_or_a_notfound_answers_for_its_vector() {
    for network in [EXCC, DCR] {
        let mut things = vec![a_block(network), a_tx(network)];
        things.extend((network == DCR).then(a_mix));
        for (thing, vector) in things {
            for answer in [thing, Message::NotFound([vector].into())] {
                let mut peer = peer(config(network));
                peer.ask(getdata([vector]));
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
fn each_vector_needs_an_answer_of_its_own() {
    for network in [EXCC, DCR] {
        let ((block, block_vector), (tx_message, tx_vector)) = (a_block(network), a_tx(network));
        let mut peer = peer(config(network));
        peer.ask(getdata([block_vector, tx_vector, tx(1)]));
        peer.receive(block).unwrap();
        peer.receive(tx_message).unwrap();
        peer.receive(Message::NotFound([tx(2)].into())).unwrap();
        assert_eq!(peer.closed_after(secs(30)), stalled_on(tx(1)));
    }
}

#[test]
fn what_is_asked_for_more_often_is_not_due_later() {
    let mut peer = peer(config(EXCC));
    for _ in 0..3 {
        peer.ask(getdata([tx(1)]));
        peer.advance(secs(9));
    }
    peer.ask(getdata([tx(1), tx(2)]));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(3))));
    assert_eq!(peer.state.stats().requested, 2);
    peer.receive(Message::NotFound([tx(1)].into())).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

#[test]
fn what_nodes_say_nothing_to_is_not_waited_for() {
    let mut peer = peer(config(EXCC).send_unwelcome(true));
    peer.ask(getdata([InvType::FILTERED_BLOCK, InvType::new(9)].map(|k| InvVect::new(k, hash(1)))));
    peer.ask(getdata([]));
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 0));
}

#[test]
fn the_time_of_a_request_begins_when_it_has_left() {
    let mut peer = peer(config(EXCC).write_timeout(None));
    peer.state.send(peer.now, getdata([tx(1)])).unwrap();
    peer.transmit(60);
    peer.advance(secs(100));
    assert_eq!(peer.due_in(), None);
    peer.transmit(1);
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

/// An adapter that writes shared frames tells of it afterwards, and may read in between.
#[test]
fn an_answer_may_overtake_the_count_of_its_request() {
    let (thing, vector) = a_tx(EXCC);
    let mut peer = peer(config(EXCC));
    peer.state.send(peer.now, getdata([vector])).unwrap();
    peer.state.send(peer.now, Message::GetInitState(GetInitState::default())).unwrap();
    assert_eq!(peer.state.transmit(peer.now).batch(2).remaining(), 61 + 25);
    peer.receive(thing).unwrap();
    peer.receive(InitState::default()).unwrap();
    peer.transmit(usize::MAX);
    assert_eq!(peer.due_in(), None);
}

#[test]
fn what_comes_before_a_request_was_offered_does_not_answer_it() {
    let mut peer = peer(config(EXCC));
    peer.state.send(peer.now, Message::GetInitState(GetInitState::default())).unwrap();
    peer.receive(InitState::default()).unwrap();
    assert_eq!(peer.events(), [unasked(InitState::default())]);
    peer.transmit(usize::MAX);
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

#[test]
fn an_initial_state_is_due_in_30_seconds() {
    for network in [EXCC, DCR] {
        let mut peer = peer(config(network).send_unwelcome(true));
        peer.ask(Message::GetInitState(GetInitState::default()));
        peer.advance(secs(29));
        peer.receive(InitState::default()).unwrap();
        assert_eq!(peer.due_in(), None);
        peer.ask(Message::GetInitState(GetInitState::default()));
        peer.receive(Message::GetAddr).unwrap();
        let request = Command::GetInitState;
        assert_eq!(peer.closed_after(secs(30)), CloseReason::Stall { request, vector: None });
    }
}

#[test]
fn what_nodes_may_leave_unanswered_has_no_deadline_of_its_own() {
    let mut peer = peer(config(EXCC));
    for message in [
        Message::GetHeaders(locator()),
        Message::GetBlocks(locator()),
        Message::MemPool,
        Message::GetAddr,
        Message::GetMinings,
    ] {
        peer.ask(message);
    }
    assert_eq!(peer.due_in(), None);
}

#[test]
fn any_request_can_be_given_a_deadline() {
    let requests = [
        (Message::GetHeaders(locator()), no_headers(Chain::Exchangecoin)),
        (Message::GetBlocks(locator()), Message::Inv([block(1)].into())),
        (Message::MemPool, Message::Inv([tx(1)].into())),
        (Message::GetAddr, Message::Addr(List::new())),
    ];
    for (request, answer) in requests {
        let command = request.command();
        let config = || config(EXCC).response_timeout(command, Some(secs(900)));
        let mut answered = peer(config());
        answered.ask(request.clone());
        assert_eq!(answered.due_in(), Some((Timer::Stall, secs(900))));
        answered.receive(answer).unwrap();
        assert_eq!(answered.due_in(), None);

        let mut silent = peer(config());
        silent.ask(request);
        let stall = CloseReason::Stall { request: command, vector: None };
        assert_eq!(silent.closed_after(secs(900)), stall);
        assert_eq!(stall.to_string(), format!("response timeout: no answer to {command}"));
    }
}

#[test]
fn a_deadline_can_be_switched_off() {
    let mut peer = peer(config(EXCC).response_timeout(Command::GetData, None).max_requested(2));
    peer.ask(getdata([tx(1), tx(2)]));
    // What is asked for is known all the same.
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 2));
    let refused = peer.state.send(peer.now, getdata([tx(3)])).unwrap_err();
    assert_eq!(refused.kind, SendErrorKind::TooManyRequested { requested: 3, limit: 2 });
    let answer = Message::NotFound([tx(1)].into());
    peer.receive(answer.clone()).unwrap();
    assert_eq!(peer.events()[1..], [asked(answer)]);
    assert_eq!((peer.due_in(), peer.state.stats().requested), (None, 1));
}

#[test]
fn a_later_request_gives_an_earlier_one_no_more_time() {
    let timeout = Some(secs(60));
    let mut peer = peer(config(EXCC).response_timeout(Command::GetHeaders, timeout));
    peer.ask(Message::GetHeaders(locator()));
    peer.advance(secs(40));
    peer.ask(Message::GetHeaders(locator()));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(20))));
}

#[test]
fn the_earliest_of_all_requests_is_due_first() {
    let mut peer = peer(config(EXCC).response_timeout(Command::GetHeaders, Some(secs(10))));
    peer.ask(getdata([tx(1)]));
    peer.ask(Message::GetHeaders(locator()));
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(10))));
    peer.receive(no_headers(Chain::Exchangecoin)).unwrap();
    assert_eq!(peer.due_in(), Some((Timer::Stall, secs(30))));
}

#[test]
fn the_time_in_which_the_application_holds_the_remote_back_does_not_count() {
    let mut peer = peer(config(EXCC).max_waiting_events(2, usize::MAX));
    peer.ask(getdata([tx(1)]));
    peer.events();
    peer.advance(secs(10));
    peer.receive(Message::GetAddr).unwrap();
    peer.receive(Message::GetAddr).unwrap();
    assert!(!peer.state.wants_read());
    // The answer is there, and the application does not let it in.
    peer.receive(Message::NotFound([tx(1)].into())).unwrap();
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), None);
    peer.events();
    peer.resume().unwrap();
    assert_eq!(peer.state.stats().requested, 0);
}

#[test]
fn what_is_left_of_its_time_is_the_remotes_afterwards() {
    let mut peer = peer(config(EXCC).max_waiting_events(1, usize::MAX));
    peer.ask(getdata([tx(1)]));
    peer.events();
    peer.sent();
    for _ in 0..3 {
        peer.advance(secs(5));
        peer.receive(Message::GetAddr).unwrap();
        peer.advance(secs(100));
        peer.events();
        // As any loop does after taking events; it is how the peer learns the time of that.
        peer.sent();
    }
    // Three messages of 24 bytes put the end off.
    let bytes_worth = nanos(3 * 24 * 1_000_000_000 / 10_240);
    assert_eq!(peer.closed_after(secs(15) + bytes_worth), stalled_on(tx(1)));
}

#[test]
fn only_so_much_may_be_asked_for_at_a_time() {
    for network in [EXCC, DCR] {
        let mut peer = peer(config(network));
        peer.ask(getdata((0..50_000).map(tx)));
        let many = getdata((50_000..75_001).map(tx));
        let error = peer.state.send(peer.now, many.clone()).unwrap_err();
        let kind = SendErrorKind::TooManyRequested { requested: 75_001, limit: 75_000 };
        assert_eq!((&error.kind, &error.message), (&kind, &many));
        peer.ask(getdata((50_000..75_000).map(tx)));
        assert_eq!(peer.state.stats().requested, 75_000);
        peer.receive(Message::NotFound((0..50_000).map(tx).collect())).unwrap();
        peer.ask(getdata((75_000..125_000).map(tx)));
        assert_eq!(peer.state.stats().requested, 75_000);
    }
}

#[test]
fn an_encoded_request_is_waited_for_too() {
    let mut peer = peer(config(EXCC));
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
fn a_request_that_is_refused_is_not_waited_for() {
    let config = config(EXCC).max_queued_bytes(200).overflow(Overflow::Refuse);
    let mut peer = peer(config);
    let refused = peer.state.send(peer.now, getdata((0..10).map(tx))).unwrap_err();
    assert!(matches!(refused.kind, SendErrorKind::QueueFull { .. }));
    assert_eq!(peer.state.stats().requested, 0);
}

#[test]
fn what_nodes_do_not_put_up_with_is_given_back() {
    let bad_kind = getdata([tx(1), InvVect::new(InvType::new(9), hash(1))]);
    let mix = getdata([InvVect::mix(hash(1))]);
    let empty = [Message::Inv(List::new()), getdata([]), Message::Addr(List::new())];
    let unwelcome = |network| {
        let mut messages = vec![Message::GetCFTypes, bad_kind.clone()];
        messages.extend_from_slice(&empty[..2]);
        match network {
            EXCC => messages.extend([empty[2].clone(), mix.clone()]),
            _ => messages.push(Message::GetMinings),
        }
        messages
    };
    for network in [EXCC, DCR] {
        for message in unwelcome(network) {
            let mut careful = peer(config(network));
            let error = careful.state.send(careful.now, message.clone()).unwrap_err();
            assert_eq!(error.kind, SendErrorKind::Unwelcome(message.command()));
            assert_eq!(error.message, message);
            assert_eq!(careful.state.close_reason(), None);
            let encoded = EncodedMessage::new(&network, newest(network), &message).unwrap();
            let error = careful.state.send_encoded(careful.now, encoded).unwrap_err();
            assert_eq!(error.kind, SendErrorKind::Unwelcome(message.command()));

            let mut bold = peer(config(network).send_unwelcome(true));
            bold.state.send(bold.now, message.clone()).unwrap();
            assert_eq!(bold.sent(), [message]);
        }
        let mut peer = peer(config(network));
        peer.state
            .send(peer.now, if network == EXCC { Message::GetMinings } else { mix.clone() })
            .unwrap();
    }
}

fn newest(network: Network) -> u32 {
    network.chain().advertised_version()
}

#[test]
fn what_the_remote_sends_is_known_from_then_on() {
    for network in [EXCC, DCR] {
        let mut things = vec![a_block(network), a_tx(network)];
        things.extend((network == DCR).then(a_mix));
        for (thing, vector) in things {
            let mut peer = peer(config(network));
            assert!(!peer.state.is_known_inventory(peer.now, &vector));
            peer.receive(thing.clone()).unwrap();
            assert_eq!(peer.events(), [unasked(thing)]);
            assert!(peer.state.is_known_inventory(peer.now, &vector));
            assert_eq!(peer.state.stats().known_inventory, 1);
        }
    }
}
