//! Sequences of calls in any order.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{EncodedMessage, InvVect, Message};
use excc_peer::{
    Announced, CloseReason, Config, Direction, Event, Instant, Overflow, Relay, SendId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::*;
use crate::{direction, message, protocol, speaking, vector};

/// An action of the application, of the remote, of the driver or of the clock.
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
    ClockBack(Duration),
    MaxInstant,
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
        1 => (0..200_u64).prop_map(|time| Op::ClockBack(secs(time))),
        1 => Just(Op::MaxInstant),
        5 => (0..10_usize).prop_map(Op::Poll),
        10 => prop_oneof![0..100_usize, Just(usize::MAX)].prop_map(Op::Transmit),
        5 => Just(Op::Resume),
    ]
}

/// Sequences of actions, of which most begin with a handshake.
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

/// The configuration of a peer with small limits.
#[derive(Debug, Clone)]
struct Setup {
    config: Config,
    direction: Direction,
    /// The maximum of `queued_bytes`.
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

/// Bytes of frames that the limit does not count: the handshake, a ping, and 64 pongs, with two
/// more after a late verack.
const MAX_UNCOUNTED: usize = 382 + 24 + 32 + (64 + 2) * 32;

/// A peer and the receipts that it must emit.
struct Run {
    peer: Peer,
    limit: usize,
    /// The latest time given to the peer.
    latest: Instant,
    /// The returned receipts, and whether each is emitted.
    receipts: BTreeMap<SendId, bool>,
    events: Vec<Event>,
    sent: Vec<u8>,
    is_closed: bool,
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
            is_closed: false,
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
                self.expect_receipt(sent.ok());
            }
            Op::SendEncoded(message) => {
                if let Ok(encoded) = encode(12, message) {
                    let sent = state.send_encoded(now, encoded);
                    self.expect_receipt(sent.ok());
                }
            }
            Op::Announce(vector, relay) => {
                if let Announced::Queued(id) = state.announce(now, *vector, *relay) {
                    self.expect_receipt(Some(id));
                }
            }
            Op::AddKnown(vector) => state.add_known_inventory(now, *vector),
            Op::Ping => _ = state.ping(now),
            Op::Accept => state.accept_version(now),
            Op::Refuse => state.refuse_version(now),
            Op::Close => state.close(now),
            Op::Shutdown(timeout) => state.shutdown(now, *timeout),
            Op::Advance(time) => self.peer.advance(*time),
            Op::ClockBack(time) => {
                self.peer.now = Instant::ZERO + now.since_epoch().saturating_sub(*time);
            }
            Op::MaxInstant => {
                self.peer.now = Instant::MAX;
                state.handle_timeout(Instant::MAX);
            }
            Op::Poll(max) => self.poll(*max),
            Op::Transmit(max) => {
                let bytes = self.peer.transmit(*max);
                self.sent.extend_from_slice(&bytes);
            }
            Op::Resume => _ = state.handle_input(now, &mut self.peer.buffer),
        }
        self.latest = self.latest.max(self.peer.now);
        self.check();
    }

    fn expect_receipt(&mut self, id: Option<SendId>) {
        if let Some(id) = id {
            assert!(!self.peer.state.is_shutting_down(), "accepted during a shutdown");
            assert_eq!(self.receipts.insert(id, false), None, "a receipt is returned twice");
        }
    }

    fn poll(&mut self, max: usize) {
        for _ in 0..max {
            let Some(event) = self.peer.state.poll_event() else { break };
            assert!(!self.is_closed, "after `Closed`: {event:?}");
            match &event {
                Event::Sent(id) | Event::NotSent(id) => {
                    let is_sent = matches!(event, Event::Sent(_));
                    let state = &self.peer.state;
                    let lingers_after_sending_all = state.linger_until().is_some()
                        && state.close_reason() == Some(&CloseReason::Local);
                    assert!(is_sent || !lingers_after_sending_all);
                    assert_eq!(
                        self.receipts.insert(*id, true),
                        Some(false),
                        "a receipt is emitted twice"
                    );
                }
                Event::Closed(reason) => {
                    assert_eq!(Some(reason), self.peer.state.close_reason());
                    self.is_closed = true;
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
            // After a close by the remote, the last try to send may remain.
            let is_trying = state.wants_write();
            assert!(is_trying || stats.queued_frames == 0);
            assert_eq!(state.poll_timeout().is_some(), is_trying);
            assert!(!is_trying || !self.is_closed);
        } else {
            let waiting = state.transmit(Instant::ZERO).remaining();
            assert!(waiting <= self.limit + MAX_UNCOUNTED, "{waiting} bytes are queued");
        }
        let queued = stats.queued_frames + stats.waiting_announcements;
        assert!(queued > 0 || !state.is_shutting_down(), "a shutdown with an empty queue");
    }

    /// Closes the peer if it is open, and takes the remaining events.
    fn end(&mut self) {
        self.peer.state.close(self.peer.now);
        self.poll(usize::MAX);
        assert!(self.is_closed, "`Closed` is not emitted");
        let missing: Vec<_> =
            self.receipts.iter().filter(|(_, is_emitted)| !**is_emitted).collect();
        assert!(missing.is_empty(), "missing receipts: {missing:?}");
        self.check();
    }
}

fn run(setup: &Setup, ops: &[Op], seed: u64, with_early_timeouts: bool) -> Run {
    let mut run = Run::new(setup, seed);
    for op in ops {
        if with_early_timeouts && run.peer.state.poll_timeout().is_none_or(|at| at > run.latest) {
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
    fn every_sequence_of_calls_keeps_the_invariants(setup in setup(), ops in ops()) {
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
    fn an_early_timeout_has_no_effect(
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
            let remaining = (at - run.latest).as_nanos() as u64;
            run.peer.now = run.latest + Duration::from_nanos(remaining / 100 * part);
            run.peer.state.handle_timeout(run.peer.now);
            prop_assert_eq!(snapshot(&mut run.peer), before);
            // Under back-pressure the remote's clock stands still.
            let moved = run.peer.state.poll_timeout();
            let is_held_back = !run.peer.state.wants_read();
            prop_assert!(moved == Some(at) || (is_held_back && moved > Some(at)));
        }
    }

    #[test]
    fn many_early_timeouts_have_no_effect(setup in setup(), ops in ops()) {
        let plain = run(&setup, &ops, 1, false);
        let interrupted = run(&setup, &ops, 1, true);
        prop_assert_eq!(plain.events, interrupted.events);
        prop_assert_eq!(plain.sent, interrupted.sent);
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_bytes(setup in setup(), ops in ops()) {
        let [first, second, other] = [1, 1, 2].map(|seed| run(&setup, &ops, seed, false));
        prop_assert_eq!(first.events, second.events);
        prop_assert_eq!(&first.sent, &second.sent);
        // The sent bytes include the nonce of a version.
        if first.sent.len() > 150 && other.sent.len() > 150 {
            prop_assert_ne!(first.sent, other.sent);
        }
    }
}
