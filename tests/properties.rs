//! What holds for every input, in every order, at every time.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{
    CFilter, Command, EncodedMessage, FeeFilter, FilterType, InvVect, LocatorRequest, Message,
    NetAddress, PeerAddress, Ping, Pong, Protocol, Services,
};
use excc_peer::{
    Announced, CloseReason, Config, ConfigBuilder, Direction, Event, Instant, Network, Overflow,
    Relay, SendId, Timer,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use common::*;

/// A network, and a protocol version that it speaks.
fn protocol() -> impl Strategy<Value = (Network, u32)> {
    prop_oneof![(Just(EXCC), 3_u32..=9), (Just(DCR), 9_u32..=12)]
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Inbound, Direction::Outbound])
}

fn vector() -> impl Strategy<Value = InvVect> {
    (0..40_u32, any::<bool>()).prop_map(|(n, is_tx)| if is_tx { tx(n) } else { block(n) })
}

fn filter(data: Vec<u8>) -> CFilter {
    CFilter { block_hash: hash(1), filter_type: FilterType::REGULAR, data: data.into() }
}

/// Messages that either chain has at some version.
fn message() -> impl Strategy<Value = Message> {
    let vectors = || prop_oneof![8 => vec(vector(), 0..20), 1 => vec(vector(), 100..200)];
    let locator = || vec(any::<u32>().prop_map(hash), 0..5).prop_map(LocatorRequest::new);
    let address = |n: u32| {
        let addr = PeerAddress::new(Services::NODE_NETWORK, remote());
        NetAddress::new(n, addr)
    };
    prop_oneof![
        Just(Message::GetAddr),
        Just(Message::MemPool),
        Just(Message::SendHeaders),
        any::<u64>().prop_map(|nonce| Message::Ping(Ping { nonce })),
        any::<u64>().prop_map(|nonce| Message::Pong(Pong { nonce })),
        any::<i64>().prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })),
        vectors().prop_map(|vectors| Message::Inv(vectors.into())),
        vectors().prop_map(|vectors| Message::GetData(vectors.into())),
        vectors().prop_map(|vectors| Message::NotFound(vectors.into())),
        locator().prop_map(Message::GetHeaders),
        locator().prop_map(Message::GetBlocks),
        vec(any::<u32>().prop_map(address), 0..5).prop_map(|list| Message::Addr(list.into())),
        vec(any::<u8>(), 0..5_000).prop_map(|data| Message::CFilter(filter(data))),
    ]
}

/// A whole session from the remote's side: its handshake, with its verack at a place of
/// its own, and those messages that exist at the version.
fn session(
    (network, protocol_version): (Network, u32),
    verack: usize,
    messages: &[Message],
) -> Vec<u8> {
    let protocol = Protocol::new(network.chain(), protocol_version);
    let frame = |message| frame(network, protocol_version, message);
    let mut frames: Vec<_> = messages
        .iter()
        .filter(|message| message.command().is_defined(protocol))
        .map(|message| frame(message.clone()))
        .collect();
    frames.insert(verack.min(frames.len()), frame(Message::VerAck));
    frames.insert(0, frame(version(protocol_version.cast_signed()).into()));
    frames.concat()
}

/// When the application takes what there is for it, and lets go what is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    AfterEachPiece,
    BeforeTheEnd,
    AfterTheEnd,
}

/// What comes of a stream that ends: events, and bytes that left.
fn outcome(
    config: ConfigBuilder,
    direction: Direction,
    stream: &[u8],
    sizes: &[usize],
    takes: Takes,
) -> (Vec<Event>, Vec<u8>) {
    let mut peer = Peer::new(config, direction, 1);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut take = |peer: &mut Peer| {
        loop {
            events.extend(peer.events());
            sent.extend_from_slice(&peer.transmit(usize::MAX));
            // After an end by the remote, the last ones wait for a try to send.
            events.extend(peer.events());
            if !peer.state.can_resume() {
                break;
            }
            // What is wrong shows in the events.
            _ = peer.resume();
        }
    };
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| *size.min(&rest.len()));
        let (piece, later) = rest.split_at(size);
        rest = later;
        let fed = peer.feed(piece);
        if takes == Takes::AfterEachPiece {
            take(&mut peer);
        }
        if fed.is_err() {
            break;
        }
    }
    if takes != Takes::AfterTheEnd {
        take(&mut peer);
    }
    peer.eof();
    take(&mut peer);
    (events, sent)
}

/// A configuration that speaks up to that version.
fn speaking((network, protocol_version): (Network, u32)) -> ConfigBuilder {
    config(network).protocol_version(protocol_version)
}

/// Anything an application, a remote or the clock may do.
#[derive(Debug, Clone)]
enum Op {
    Bytes(Vec<u8>),
    Receive(Message),
    Version(i32),
    VerAck,
    Eof,
    Lost,
    Send(Message),
    SendEncoded(Message),
    Announce(InvVect, Relay),
    AddKnown(InvVect),
    Ping,
    Accept,
    Refuse,
    Close,
    Shutdown(Duration),
    Advance(Duration),
    GoBack(Duration),
    EndOfTime,
    Poll(usize),
    Transmit(usize),
    Resume,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..40).prop_map(Op::Bytes),
        10 => message().prop_map(Op::Receive),
        2 => select(vec![-1, 0, 3, 8, 9, 11, 12, 13]).prop_map(Op::Version),
        2 => Just(Op::VerAck),
        1 => Just(Op::Eof),
        1 => Just(Op::Lost),
        10 => message().prop_map(Op::Send),
        3 => message().prop_map(Op::SendEncoded),
        15 => (vector(), select(vec![Relay::Trickle, Relay::Immediate]))
            .prop_map(|(vector, relay)| Op::Announce(vector, relay)),
        2 => vector().prop_map(Op::AddKnown),
        4 => Just(Op::Ping),
        2 => Just(Op::Accept),
        1 => Just(Op::Refuse),
        1 => Just(Op::Close),
        1 => (0..3_000_u64).prop_map(|time| Op::Shutdown(millis(time))),
        10 => (0..2_000_u64).prop_map(|time| Op::Advance(millis(time))),
        2 => (0..200_u64).prop_map(|time| Op::Advance(secs(time))),
        1 => (0..200_u64).prop_map(|time| Op::GoBack(secs(time))),
        1 => Just(Op::EndOfTime),
        5 => (0..10_usize).prop_map(Op::Poll),
        10 => prop_oneof![0..100_usize, Just(usize::MAX)].prop_map(Op::Transmit),
        5 => Just(Op::Resume),
    ]
}

/// Operations that mostly begin with a handshake, without which little happens.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    (any::<bool>(), any::<bool>(), vec(op(), 0..60)).prop_map(|(opens, shakes, ops)| {
        let opening = [
            opens.then_some(Op::Version(12)),
            opens.then_some(Op::Accept),
            (opens && shakes).then_some(Op::VerAck),
        ];
        opening.into_iter().flatten().chain(ops).collect()
    })
}

/// How a peer of narrow limits is made.
#[derive(Debug, Clone)]
struct Setup {
    config: Config,
    direction: Direction,
    /// Most bytes that may be queued.
    limit: usize,
}

fn setup() -> impl Strategy<Value = Setup> {
    let limits = (191..4_000_usize, 1..20_usize, 0..5_000_usize, 0..30_usize);
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (protocol(), direction(), limits, switches).prop_map(
        |(protocol, direction, limits, (review, closes, at_once, pongs))| {
            let (queued, events, event_bytes, known) = limits;
            let config = speaking(protocol)
                .review_version(review)
                .overflow(if closes { Overflow::Close } else { Overflow::Refuse })
                .pong_timeout(pongs.then_some(secs(30)))
                .max_queued_bytes(queued)
                .max_waiting_events(events, event_bytes)
                .max_waiting_announcements(30)
                .known_inventory(known, secs(900));
            let config = match at_once {
                true => config.trickle_interval(Duration::ZERO..=Duration::ZERO),
                false => config,
            };
            Setup { config: config.build().unwrap(), direction, limit: queued }
        },
    )
}

/// Frames of the peer's own that the limit does not count: the handshake, a ping, and
/// pongs, of which two more may be owed after a late verack.
const OWN: usize = 382 + 24 + 32 + (64 + 2) * 32;

/// A peer and what it owes.
struct Run {
    peer: Peer,
    limit: usize,
    /// The latest time that the peer was told.
    latest: Instant,
    /// The receipts handed out, and whether each was told.
    receipts: BTreeMap<SendId, bool>,
    events: Vec<Event>,
    sent: Vec<u8>,
    is_over: bool,
}

impl Run {
    fn new(setup: &Setup, seed: u64) -> Self {
        Self {
            peer: Peer::with_config(setup.config.clone(), setup.direction, seed),
            limit: setup.limit,
            latest: Instant::ZERO,
            receipts: BTreeMap::new(),
            events: Vec::new(),
            sent: Vec::new(),
            is_over: false,
        }
    }

    fn apply(&mut self, op: &Op) {
        let now = self.peer.now;
        let state = &mut self.peer.state;
        let network = *state.config().network();
        let encode = |version, message: &Message| EncodedMessage::new(&network, version, message);
        match op {
            Op::Bytes(bytes) => _ = self.peer.feed(bytes),
            Op::Receive(message) => {
                if let Ok(encoded) = encode(state.protocol_version(), message) {
                    _ = self.peer.feed(&encoded.to_bytes());
                }
            }
            Op::Version(number) => _ = self.peer.receive(version(*number)),
            Op::VerAck => _ = self.peer.receive(Message::VerAck),
            Op::Eof => self.peer.eof(),
            Op::Lost => state.handle_connection_lost(now),
            Op::Send(message) => {
                let sent = state.send(now, message.clone());
                self.promise(sent.ok());
            }
            Op::SendEncoded(message) => {
                if let Ok(encoded) = encode(12, message) {
                    let sent = state.send_encoded(now, encoded);
                    self.promise(sent.ok());
                }
            }
            Op::Announce(vector, relay) => {
                if let Announced::Queued(id) = state.announce(now, *vector, *relay) {
                    self.promise(Some(id));
                }
            }
            Op::AddKnown(vector) => state.add_known_inventory(now, *vector),
            Op::Ping => _ = state.ping(now),
            Op::Accept => state.accept_version(now),
            Op::Refuse => state.refuse_version(now),
            Op::Close => state.close(now),
            Op::Shutdown(timeout) => state.shutdown(now, *timeout),
            Op::Advance(time) => self.peer.advance(*time),
            Op::GoBack(time) => {
                self.peer.now = Instant::ZERO + now.since_epoch().saturating_sub(*time);
            }
            Op::EndOfTime => {
                self.peer.now = Instant::MAX;
                state.handle_timeout(Instant::MAX);
            }
            Op::Poll(most) => self.poll(*most),
            Op::Transmit(most) => {
                let bytes = self.peer.transmit(*most);
                self.sent.extend_from_slice(&bytes);
            }
            Op::Resume => _ = state.handle_input(now, &mut self.peer.buffer),
        }
        self.latest = self.latest.max(self.peer.now);
        self.check();
    }

    fn promise(&mut self, id: Option<SendId>) {
        if let Some(id) = id {
            assert!(!self.peer.state.is_shutting_down(), "nothing more is taken");
            assert_eq!(self.receipts.insert(id, false), None, "handed out twice");
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let Some(event) = self.peer.state.poll_event() else { break };
            assert!(!self.is_over, "after the end: {event:?}");
            match &event {
                Event::Sent(id) | Event::NotSent(id) => {
                    let is_sent = matches!(event, Event::Sent(_));
                    let state = &self.peer.state;
                    let lingers_for_us = state.linger_until().is_some()
                        && state.close_reason() == Some(&CloseReason::Local);
                    assert!(is_sent || !lingers_for_us);
                    assert_eq!(self.receipts.insert(*id, true), Some(false), "told twice");
                }
                Event::Closed(reason) => {
                    assert_eq!(Some(reason), self.peer.state.close_reason());
                    self.is_over = true;
                }
                _ => {}
            }
            self.events.push(event);
        }
    }

    fn check(&mut self) {
        let state = &mut self.peer.state;
        let stats = state.stats();
        assert!(stats.queued_bytes <= self.limit, "{} bytes queued", stats.queued_bytes);
        if state.close_reason().is_some() {
            assert!(!state.wants_read() && !state.can_resume() && !state.is_established());
            assert_eq!(stats.waiting_announcements, 0);
            // What was queued before an end by the remote may leave, for a while.
            let is_trying = state.wants_write();
            assert!(is_trying || stats.queued_frames == 0);
            assert_eq!(state.poll_timeout().is_some(), is_trying);
            assert!(!is_trying || !self.is_over);
        } else {
            let waiting = state.transmit(Instant::ZERO).remaining();
            assert!(waiting <= self.limit + OWN, "{waiting} bytes wait");
        }
        let queued = stats.queued_frames + stats.waiting_announcements;
        assert!(queued > 0 || !state.is_shutting_down(), "there is nothing to wait for");
    }

    /// Ends the run, by force where nothing else has, and takes what is left.
    fn end(&mut self) {
        self.peer.state.close(self.peer.now);
        self.poll(usize::MAX);
        assert!(self.is_over, "the end was not told");
        let untold: Vec<_> = self.receipts.iter().filter(|(_, told)| !**told).collect();
        assert!(untold.is_empty(), "untold: {untold:?}");
        self.check();
    }
}

fn run(setup: &Setup, ops: &[Op], seed: u64, is_disturbed: bool) -> Run {
    let mut run = Run::new(setup, seed);
    for op in ops {
        if is_disturbed && run.peer.state.poll_timeout().is_none_or(|at| at > run.latest) {
            run.peer.state.handle_timeout(run.latest);
        }
        run.apply(op);
    }
    run.apply(&Op::Transmit(usize::MAX));
    run.end();
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_pieces_in_which_a_stream_comes_make_no_difference(
        protocol in protocol(),
        direction in direction(),
        verack in 0..20_usize,
        messages in vec(message(), 0..20),
        sizes in vec(1..200_usize, 1..20),
        max_events in 1..10_usize,
        takes in select(vec![Takes::AfterEachPiece, Takes::BeforeTheEnd]),
    ) {
        let latest = match protocol {
            (DCR, 12) => 0,
            (DCR, _) => 2,
            _ => usize::MAX,
        };
        let stream = session(protocol, verack.min(latest), &messages);
        let config = speaking(protocol);
        let whole = outcome(config.clone(), direction, &stream, &[], Takes::AfterEachPiece);
        prop_assert_eq!(&outcome(config.clone(), direction, &stream, &[1], Takes::AfterEachPiece), &whole);
        let config = config.max_waiting_events(max_events, 1_000);
        prop_assert_eq!(&outcome(config, direction, &stream, &sizes, takes), &whole);
    }

    #[test]
    fn nor_do_they_where_the_stream_is_damaged(
        protocol in protocol(),
        direction in direction(),
        verack in 0..5_usize,
        messages in vec(message(), 0..10),
        damage in vec((any::<prop::sample::Index>(), 1..=u8::MAX), 0..4),
        cut in any::<prop::sample::Index>(),
        sizes in vec(1..200_usize, 1..20),
        max_events in 1..10_usize,
        takes in select(vec![Takes::AfterEachPiece, Takes::BeforeTheEnd, Takes::AfterTheEnd]),
    ) {
        let mut stream = session(protocol, verack, &messages);
        for (at, flip) in damage {
            let at = at.index(stream.len());
            stream[at] ^= flip;
        }
        stream.truncate(cut.index(4 * stream.len()));
        let config = speaking(protocol);
        // How many answers had left when the damage was found does depend on the pieces.
        let (whole, _) = outcome(config.clone(), direction, &stream, &[], Takes::AfterEachPiece);
        prop_assert!(matches!(whole.last(), Some(Event::Closed(_))));
        prop_assert_eq!(&outcome(config.clone(), direction, &stream, &[1], Takes::AfterEachPiece).0, &whole);
        let config = config.max_waiting_events(max_events, 1_000);
        prop_assert_eq!(&outcome(config, direction, &stream, &sizes, takes).0, &whole);
    }

    #[test]
    fn no_sequence_of_calls_breaks_a_peer(setup in setup(), ops in ops()) {
        let mut run = Run::new(&setup, 1);
        for op in &ops {
            run.apply(op);
        }
        run.end();
        for op in &ops {
            run.apply(op);
        }
    }

    #[test]
    fn a_due_timeout_moves_the_deadline_or_closes(setup in setup(), ops in ops()) {
        let mut run = Run::new(&setup, 1);
        for op in &ops {
            run.apply(op);
            if let Some(at) = run.peer.state.poll_timeout() {
                run.peer.now = run.peer.now.max(at);
                run.peer.state.handle_timeout(run.peer.now);
                let next = run.peer.state.poll_timeout();
                prop_assert!(next.is_none_or(|next| next > run.peer.now), "{at:?} {next:?}");
            }
        }
    }

    #[test]
    fn a_timeout_that_is_not_due_changes_nothing(
        setup in setup(),
        ops in ops(),
        part in 0..100_u64,
    ) {
        let snapshot = |peer: &mut Peer| {
            let state = &peer.state;
            let wants = (state.wants_write(), state.wants_read(), state.can_resume());
            (state.stats(), wants, state.close_reason().cloned())
        };
        let mut run = Run::new(&setup, 1);
        for op in &ops {
            run.apply(op);
            let before = snapshot(&mut run.peer);
            let Some(at) = run.peer.state.poll_timeout().filter(|&at| at > run.latest) else {
                continue;
            };
            let left = (at - run.latest).as_nanos() as u64;
            run.peer.now = run.latest + Duration::from_nanos(left / 100 * part);
            run.peer.state.handle_timeout(run.peer.now);
            prop_assert_eq!(snapshot(&mut run.peer), before);
            // The remote's clock stands still while it is held back.
            let moved = run.peer.state.poll_timeout();
            let is_held_back = !run.peer.state.wants_read();
            prop_assert!(moved == Some(at) || (is_held_back && moved > Some(at)));
        }
    }

    #[test]
    fn nor_does_any_number_of_them(setup in setup(), ops in ops()) {
        let plain = run(&setup, &ops, 1, false);
        let disturbed = run(&setup, &ops, 1, true);
        prop_assert_eq!(plain.events, disturbed.events);
        prop_assert_eq!(plain.sent, disturbed.sent);
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_bytes(setup in setup(), ops in ops()) {
        let [first, second, other] = [1, 1, 2].map(|seed| run(&setup, &ops, seed, false));
        prop_assert_eq!(first.events, second.events);
        prop_assert_eq!(&first.sent, &second.sent);
        // A whole version has its nonce in it.
        if first.sent.len() > 150 && other.sent.len() > 150 {
            prop_assert_ne!(first.sent, other.sent);
        }
    }

    #[test]
    fn announcements_are_what_waits_without_what_is_known(
        steps in vec((vector(), 0..10_u8, 0..200_u64), 0..200),
    ) {
        let mut peer = Peer::established(config(EXCC).idle_timeout(None).ping_interval(None));
        let mut known = BTreeSet::new();
        let mut waiting: Vec<(Instant, InvVect)> = Vec::new();
        for (vector, what, pause) in steps {
            let end = peer.now + millis(pause);
            while let Some((timer, at)) = peer.state.next_deadline().filter(|&(_, at)| at <= end) {
                prop_assert_eq!(timer, Timer::Trickle);
                // What has waited longest has not waited too long.
                prop_assert!(at - waiting[0].0 < millis(500));
                peer.skip_to_deadline();
                let due: Vec<_> = waiting
                    .drain(..)
                    .map(|(_, vector)| vector)
                    .filter(|&vector| known.insert(vector))
                    .collect();
                prop_assert_eq!(announced(&peer.sent()), due);
            }
            prop_assert!(waiting.is_empty() || peer.state.poll_timeout().is_some());
            peer.now = end;
            match what {
                0..6 => {
                    let answer = peer.state.announce(peer.now, vector, Relay::Trickle);
                    if known.contains(&vector) {
                        prop_assert_eq!(answer, Announced::Known);
                    } else {
                        prop_assert_eq!(answer, Announced::Batched);
                        waiting.push((peer.now, vector));
                    }
                }
                6 | 7 => {
                    let answer = peer.state.announce(peer.now, vector, Relay::Immediate);
                    prop_assert_eq!(matches!(answer, Announced::Queued(_)), known.insert(vector));
                    let expected = if answer == Announced::Known { vec![] } else { vec![vector] };
                    prop_assert_eq!(announced(&peer.sent()), expected);
                }
                8 => {
                    peer.receive(Message::Inv([vector].into())).unwrap();
                    known.insert(vector);
                }
                _ => {
                    peer.state.add_known_inventory(peer.now, vector);
                    known.insert(vector);
                }
            }
            peer.events();
        }
    }

    #[test]
    fn announcements_leave_through_the_narrowest_queue(
        count in 1..100_u32,
        limit in 191..4_000_usize,
        blocked in 0..10_u64,
    ) {
        let config = config(DCR).max_queued_bytes(limit).idle_timeout(None).ping_interval(None);
        let mut peer = Peer::established(config);
        while peer.state.send(peer.now, Message::GetAddr).is_ok() {}
        for n in 0..count {
            prop_assert_eq!(peer.state.announce(peer.now, tx(n), Relay::Trickle), Announced::Batched);
        }
        peer.advance(secs(blocked));
        prop_assert_eq!(peer.state.stats().waiting_announcements, count as usize);
        let mut left = Vec::new();
        for _ in 0..=count {
            left.extend(announced(&peer.sent()));
            peer.advance(millis(500));
        }
        prop_assert_eq!(left, (0..count).map(tx).collect::<Vec<_>>());
    }

    #[test]
    fn garbage_does_no_harm(
        protocol in protocol(),
        direction in direction(),
        opens in any::<bool>(),
        pieces in vec(vec(any::<u8>(), 0..300), 0..10),
    ) {
        let mut peer = Peer::new(speaking(protocol), direction, 1);
        if opens {
            peer.feed(&session(protocol, 0, &[])).unwrap();
        }
        for piece in pieces {
            _ = peer.feed(&piece);
        }
        peer.eof();
        peer.transmit(usize::MAX);
        prop_assert!(matches!(peer.events().last(), Some(Event::Closed(_))));
    }

    #[test]
    fn nor_does_any_payload_in_a_sound_frame(
        protocol in protocol(),
        command in select(Command::ALL),
        payload in vec(prop_oneof![Just(0_u8), Just(1), Just(0xfd), Just(0xff), any::<u8>()], 0..400),
    ) {
        let mut peer = Peer::new(speaking(protocol), Direction::Inbound, 1);
        peer.shake_hands(version(protocol.1.cast_signed()));
        let bytes = raw_frame(protocol.0, command.as_str().as_bytes(), &payload);
        match peer.feed(&bytes) {
            Ok(()) => {
                let got: Vec<_> = peer.messages().iter().map(Message::command).collect();
                prop_assert_eq!(got, [command]);
            }
            Err(reason) => prop_assert_eq!(peer.events(), [Event::Closed(reason)]),
        }
    }
}

/// The vectors of the `inv`s among messages.
fn announced(messages: &[Message]) -> Vec<InvVect> {
    let vectors = |message: &Message| match message {
        Message::Inv(vectors) => vectors.to_vec(),
        _ => Vec::new(),
    };
    messages.iter().flat_map(vectors).collect()
}
