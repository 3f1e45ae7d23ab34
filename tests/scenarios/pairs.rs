//! Two peers over a simulated link.

use std::time::Duration;

use excc_peer::sim::{Link, PeerId, Pipe, Simulation};
use excc_peer::wire::{Command, InvVect, Message};
use excc_peer::{Announced, CloseReason, ConfigBuilder, Event, Instant, PeerState, Relay};

use crate::common::*;

/// Two peers of one network, and the events of each with their times.
struct Pair {
    sim: Simulation,
    caller: PeerId,
    listener: PeerId,
    caller_events: Vec<(Instant, Event)>,
    listener_events: Vec<(Instant, Event)>,
}

impl Pair {
    fn new(caller: ConfigBuilder, listener: ConfigBuilder, link: impl Into<Link>) -> Self {
        let mut sim = Simulation::new(1, UNIX_TIME);
        let [caller, listener] = [caller, listener].map(|it| it.build().expect("valid"));
        let (caller, listener) = sim.connect(caller, listener, link);
        Self { sim, caller, listener, caller_events: Vec::new(), listener_events: Vec::new() }
    }

    /// A pair after its handshake, without the events of the handshake.
    fn established(config: ConfigBuilder, latency: Duration) -> Self {
        // A configuration and its clone share their nonces and would detect a self-connection.
        let other = config.clone().sent_nonces(Default::default());
        let mut pair = Self::new(config, other, Pipe::new().latency(latency));
        pair.run(latency * 4);
        assert!(pair.are_established());
        pair.caller_events.clear();
        pair.listener_events.clear();
        pair
    }

    fn run(&mut self, time: Duration) {
        for (at, peer, event) in self.sim.run(time) {
            let events = if peer == self.caller {
                &mut self.caller_events
            } else {
                &mut self.listener_events
            };
            events.push((at, event));
        }
    }

    fn caller(&mut self) -> &mut PeerState {
        &mut self.sim[self.caller]
    }

    fn listener(&mut self) -> &mut PeerState {
        &mut self.sim[self.listener]
    }

    fn are_established(&mut self) -> bool {
        self.caller().is_established() && self.listener().is_established()
    }

    /// Makes the listener stop reading, with a socket that has room for one byte.
    fn block_listener(&mut self) {
        let pipe = self.sim.pipe(self.caller).expect("connected").clone();
        self.sim.set_pipe(self.caller, pipe.capacity(1));
        self.sim.set_reading(self.listener, false);
    }

    fn unblock_listener(&mut self) {
        let pipe = self.sim.pipe(self.caller).expect("connected").clone();
        self.sim.set_pipe(self.caller, pipe.capacity(256 * 1024));
        self.sim.set_reading(self.listener, true);
    }
}

fn inventory(events: &[(Instant, Event)]) -> Vec<InvVect> {
    let vectors = |(_, event): &(Instant, Event)| match event {
        Event::Message { message: Message::Inv(vectors), .. } => vectors.to_vec(),
        _ => Vec::new(),
    };
    events.iter().flat_map(vectors).collect()
}

fn established_at(events: &[(Instant, Event)]) -> Option<Instant> {
    events.iter().find(|(_, event)| matches!(event, Event::Established(_))).map(|&(at, _)| at)
}

#[test]
fn on_exchangecoin_the_handshake_completes_with_the_versions() {
    let mut pair = Pair::new(config(EXCC), config(EXCC), Pipe::new().latency(millis(50)));
    pair.run(secs(1));
    assert_eq!(established_at(&pair.listener_events), Some(Instant::from_millis(50)));
    assert_eq!(established_at(&pair.caller_events), Some(Instant::from_millis(100)));
    assert!(pair.caller().verack_received() && pair.listener().verack_received());
}

#[test]
fn on_decred_the_handshake_completes_with_the_veracks() {
    let mut pair = Pair::new(config(DCR), config(DCR), Pipe::new().latency(millis(50)));
    pair.run(secs(1));
    assert_eq!(established_at(&pair.caller_events), Some(Instant::from_millis(100)));
    assert_eq!(established_at(&pair.listener_events), Some(Instant::from_millis(150)));
}

#[test]
fn peers_of_any_two_versions_negotiate_the_lower_one() {
    for (network, oldest, newest) in [(EXCC, 3, 9), (DCR, 9, 12)] {
        for caller in oldest..=newest {
            for listener in oldest..=newest {
                let version = |version| config(network).protocol_version(version);
                let mut pair = Pair::new(version(caller), version(listener), Pipe::new());
                pair.run(secs(1));
                for side in [pair.caller, pair.listener] {
                    assert!(pair.sim[side].verack_received());
                    assert_eq!(pair.sim[side].protocol_version(), caller.min(listener));
                }
            }
        }
    }
}

#[test]
fn self_connections_can_be_allowed() {
    let config = config(EXCC).allow_self_connections(true);
    let mut pair = Pair::new(config.clone(), config, Pipe::new());
    pair.run(secs(1));
    assert!(pair.caller().verack_received() && pair.listener().verack_received());
}

#[test]
fn a_round_trip_is_the_sum_of_both_latencies() {
    let mut pair = Pair::established(config(EXCC), millis(30));
    pair.sim.set_pipe(pair.listener, Pipe::new().latency(millis(45)));
    let now = pair.sim.now();
    let nonce = pair.caller().ping(now).unwrap();
    pair.run(secs(1));
    let time = millis(75);
    assert!(pair.caller_events.iter().any(|(_, event)| *event == Event::RoundTrip { nonce, time }));
}

#[test]
fn peers_without_other_traffic_stay_connected() {
    for network in [EXCC, DCR] {
        for idle in [15, 120, 600] {
            let config = config(network).idle_timeout(Some(secs(idle)));
            let mut pair = Pair::established(config, millis(100));
            pair.run(secs(10_000));
            assert!(pair.are_established());
        }
    }
}

#[test]
fn announcements_arrive_and_are_not_echoed() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let now = pair.sim.now();
    announce(pair.caller(), now, (0..1_500).map(tx));
    pair.run(secs(1));
    assert_eq!(inventory(&pair.listener_events), (0..1_500).map(tx).collect::<Vec<_>>());
    let now = pair.sim.now();
    let echoed = pair.listener().announce(now, tx(1_499), Relay::Trickle);
    assert_eq!(echoed, Announced::Known);
    pair.run(secs(1));
    assert_eq!(inventory(&pair.caller_events), []);
}

fn announce(peer: &mut PeerState, now: Instant, vectors: impl IntoIterator<Item = InvVect>) {
    for vector in vectors {
        assert_eq!(peer.announce(now, vector, Relay::Trickle), Announced::Batched);
    }
}

#[test]
fn crossing_announcements_are_known_to_both_peers() {
    let mut pair = Pair::established(config(EXCC), secs(1));
    let now = pair.sim.now();
    for side in [pair.caller, pair.listener] {
        let announced = pair.sim[side].announce(now, block(1), Relay::Immediate);
        assert!(matches!(announced, Announced::Queued(_)));
    }
    pair.run(secs(5));
    assert_eq!(inventory(&pair.caller_events), [block(1)]);
    assert_eq!(inventory(&pair.listener_events), [block(1)]);
    assert!(pair.caller_events.iter().all(|(_, event)| !matches!(event, Event::Closed(_))));
}

#[test]
fn a_remote_with_a_full_socket_is_closed_by_the_write_timeout() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    pair.block_listener();
    let start = pair.sim.now();
    let id = pair.caller().send(start, Message::GetAddr).unwrap();
    pair.run(secs(30));
    let end = start + secs(20) + GRACE;
    let expected = [(end, Event::NotSent(id)), (end, Event::Closed(CloseReason::WriteStall))];
    assert_eq!(pair.caller_events, expected);
}

#[test]
fn a_full_socket_with_room_before_the_write_timeout_stays_open() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    pair.block_listener();
    let now = pair.sim.now();
    let id = pair.caller().send(now, Message::GetAddr).unwrap();
    pair.run(secs(19));
    pair.unblock_listener();
    pair.run(secs(19));
    assert!(pair.caller_events.iter().any(|(_, event)| *event == Event::Sent(id)));
    assert!(pair.caller().is_established());
}

#[test]
fn both_peers_count_the_same_bytes() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let now = pair.sim.now();
    announce(pair.caller(), now, (0..100).map(tx));
    for n in 0..100 {
        pair.listener().send(now, not_found([tx(n)])).unwrap();
    }
    pair.run(secs(500));
    let (caller, listener) = (pair.caller().stats(), pair.listener().stats());
    assert_eq!(caller.bytes_sent, listener.bytes_received);
    assert_eq!(listener.bytes_sent, caller.bytes_received);
    for (sender, receiver) in [(&caller, &listener), (&listener, &caller)] {
        for sent in &sender.commands {
            let received = receiver.commands.iter().find(|row| row.command == sent.command);
            assert_eq!(received.map(|row| row.received), Some(sent.sent), "{}", sent.command);
        }
    }
    assert!(caller.commands.iter().any(|row| row.command == Command::Ping));
}

/// The time and the reason of each peer's `Closed`, which must be its last event.
fn ends(pair: &Pair) -> [(Instant, CloseReason); 2] {
    [&pair.caller_events, &pair.listener_events].map(|events| match events.last() {
        Some((at, Event::Closed(reason))) => (*at, reason.clone()),
        other => panic!("not closed: {other:?}"),
    })
}

fn received(events: &[(Instant, Event)]) -> Vec<Message> {
    let message = |(_, event): &(Instant, Event)| match event {
        Event::Message { message, .. } => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn a_close_ends_the_stream_of_the_other_peer() {
    let mut pair = Pair::established(config(DCR), millis(20));
    let now = pair.sim.now();
    pair.caller().close(now);
    pair.run(secs(1));
    let expected = [(now, CloseReason::Local), (now + millis(20), CloseReason::RemoteClosed)];
    assert_eq!(ends(&pair), expected);
}

#[test]
fn everything_queued_before_a_shutdown_arrives_before_the_end_of_the_stream() {
    for network in [EXCC, DCR] {
        let mut pair = Pair::established(config(network), millis(20));
        let start = pair.sim.now();
        let id = pair.caller().send(start, Message::SendHeaders).unwrap();
        announce(pair.caller(), start, (0..1_500).map(tx));
        pair.caller().shutdown(start, secs(10));
        pair.run(secs(1));
        let expected = [Message::SendHeaders, inv((0..1_000).map(tx)), inv((1_000..1_500).map(tx))];
        assert_eq!(received(&pair.listener_events), expected);
        assert_eq!(pair.caller_events[0], (start, Event::Sent(id)));
        let arrival = start + millis(20);
        let expected = [(start, CloseReason::Local), (arrival, CloseReason::RemoteClosed)];
        assert_eq!(ends(&pair), expected);
        assert_eq!(pair.caller().linger_until(), Some(start + secs(10)));
    }
}

#[test]
fn a_full_socket_with_room_before_the_shutdown_timeout_gets_everything() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let start = pair.sim.now();
    pair.block_listener();
    pair.caller().send(start, Message::SendHeaders).unwrap();
    pair.caller().shutdown(start, secs(10));
    pair.listener().ping(start).unwrap();
    pair.run(secs(9));
    assert!(pair.caller().is_shutting_down());
    pair.unblock_listener();
    pair.run(secs(9));
    // The pong does not overtake a frame that is sent in part.
    let messages = received(&pair.listener_events);
    assert!(matches!(messages[..], [Message::SendHeaders, Message::Pong(_)]), "{messages:?}");
    let expected =
        [(start + secs(9), CloseReason::Local), (start + millis(9_020), CloseReason::RemoteClosed)];
    assert_eq!(ends(&pair), expected);
}

#[test]
fn a_full_socket_without_room_before_the_shutdown_timeout_gets_nothing() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let start = pair.sim.now();
    pair.block_listener();
    let id = pair.caller().send(start, Message::SendHeaders).unwrap();
    pair.caller().shutdown(start, secs(10));
    pair.run(secs(11));
    let end = start + secs(10);
    let expected = [(end, Event::NotSent(id)), (end, Event::Closed(CloseReason::Local))];
    assert_eq!(pair.caller_events, expected);
    assert_eq!(received(&pair.listener_events), []);
}

#[test]
fn both_peers_can_shut_down_at_once() {
    let mut pair = Pair::established(config(DCR), millis(20));
    let now = pair.sim.now();
    for side in [pair.caller, pair.listener] {
        pair.sim[side].send(now, Message::SendHeaders).unwrap();
        pair.sim[side].shutdown(now, secs(10));
    }
    pair.run(secs(1));
    assert!(ends(&pair).iter().all(|(_, reason)| *reason == CloseReason::Local));
    for side in [pair.caller, pair.listener] {
        assert!(pair.sim[side].linger_until().is_some());
    }
}
