use super::super::Faults;
use super::*;
use crate::network::Network;
use crate::peer::{CloseReason, ConfigBuilder, Relay, SendError, SendId};
use crate::wire::{Command, InvVect, Message};
use crate::{Hash, Overflow};

const UNIX_TIME: u64 = 1_700_000_000;

fn config() -> Config {
    builder().build().expect("a valid configuration")
}

/// Accepts the unsolicited messages that these tests send.
fn builder() -> ConfigBuilder {
    Config::builder(Network::EXCC_MAINNET).max_unsolicited(Command::NotFound, 10_000)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns two peers after their handshake.
fn established(link: impl Into<Link>) -> (Simulation, PeerId, PeerId) {
    let mut sim = Simulation::new(1, UnixTime::from_secs(UNIX_TIME));
    let (caller, listener) = sim.connect(config(), config(), link);
    sim.run(Duration::from_secs(5));
    assert!(sim[caller].is_established() && sim[listener].is_established());
    (sim, caller, listener)
}

fn closed_at(events: &[(Instant, PeerId, Event)], peer: PeerId) -> Option<(Instant, CloseReason)> {
    events.iter().find_map(|(at, id, event)| match event {
        Event::Closed(reason) if *id == peer => Some((*at, reason.clone())),
        _ => None,
    })
}

fn messages_to(events: &[(Instant, PeerId, Event)], peer: PeerId) -> Vec<(Instant, Message)> {
    let message = |(at, id, event): &(Instant, PeerId, Event)| match event {
        Event::Message { message, .. } if *id == peer => Some((*at, message.clone())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

fn send(
    sim: &mut Simulation,
    peer: PeerId,
    message: Message,
) -> Result<SendId, SendError<Message>> {
    let now = sim.now();
    sim[peer].send(now, message)
}

/// Returns a `notfound` with `vectors` vectors.
fn not_found(vectors: u8) -> Message {
    Message::NotFound((0..vectors).map(|n| InvVect::tx(Hash::from_bytes([n; 32]))).collect())
}

#[test]
fn a_handshake_takes_one_latency_for_each_side() {
    let mut sim = Simulation::new(1, UnixTime::from_secs(UNIX_TIME));
    let link = Link::new(Pipe::new().latency(millis(50)), Pipe::new().latency(millis(30)));
    let (caller, listener) = sim.connect(config(), config(), link);
    assert_eq!((caller.remote(), listener.remote()), (listener, caller));
    let events = sim.run(Duration::from_secs(1));
    let established_at = |peer| {
        events.iter().find(|(_, id, event)| *id == peer && matches!(event, Event::Established(_)))
    };
    assert_eq!(established_at(listener).map(|e| e.0), Some(Instant::from_millis(50)));
    assert_eq!(established_at(caller).map(|e| e.0), Some(Instant::from_millis(80)));
    assert_eq!(sim.now(), Instant::from_secs(1));
    assert_eq!(sim.unix_time(), UnixTime::from_secs(UNIX_TIME + 1));
}

#[test]
fn a_command_that_answers_an_event_comes_before_all_output() {
    let mut sim = Simulation::new(1, UnixTime::from_secs(UNIX_TIME));
    let (caller, listener) = sim.connect(config(), config(), Pipe::new());
    while let Some((id, event)) = sim.next_event(Instant::from_secs(1)) {
        if id == listener && matches!(event, Event::VersionReceived(_)) {
            let now = sim.now();
            sim[listener].refuse_version(now);
        }
    }
    assert_eq!(sim[listener].close_reason(), Some(&CloseReason::VersionRefused));
    assert_eq!(sim[caller].close_reason(), Some(&CloseReason::RemoteClosed));
    assert_eq!(sim[caller].stats().bytes_received, 0);
}

#[test]
fn pings_keep_idle_peers_open() {
    let (mut sim, caller, listener) = established(Pipe::new().latency(millis(100)));
    let events = sim.run(Duration::from_secs(100_000));
    assert!(closed_at(&events, caller).or(closed_at(&events, listener)).is_none());
    assert!(messages_to(&events, caller).len() > 900);
    assert_eq!(sim.schedule.sleeping().len(), 2);
}

#[test]
fn written_bytes_arrive_before_the_end_of_the_stream() {
    let (mut sim, caller, listener) = established(Pipe::new().latency(millis(20)));
    send(&mut sim, caller, Message::GetAddr).unwrap();
    sim.next_event(sim.now());
    let now = sim.now();
    sim[caller].close(now);
    let start = sim.now();
    let events = sim.run(Duration::from_secs(1));
    let at = start + millis(20);
    assert_eq!(messages_to(&events, listener), [(at, Message::GetAddr)]);
    assert_eq!(closed_at(&events, listener), Some((at, CloseReason::RemoteClosed)));
}

#[test]
fn a_removed_peer_does_not_exist() {
    let (mut sim, caller, listener) = established(Pipe::new());
    assert!(sim.remove(caller).is_some());
    assert!(sim.get(caller).is_none() && sim.remove(caller).is_none());
    let events = sim.run(Duration::from_secs(1));
    assert!(matches!(closed_at(&events, listener), Some((_, CloseReason::RemoteClosed))));
    assert_eq!(sim.peers().map(|(id, _)| id).collect::<Vec<_>>(), [listener]);
    assert!(sim.schedule.sleeping().all(|id| id == listener));
    let (next, _) = sim.connect(config(), config(), Pipe::new());
    assert_eq!(next.index(), 2);
    sim.remove(listener);
    sim.reset(caller);
    sim.set_reading(caller, false);
    sim.set_pipe(caller, Pipe::new());
    assert!(sim.pipe(caller).is_none() && sim.get_mut(caller).is_none());
}

#[test]
fn a_stream_that_was_shut_down_ends() {
    let (mut sim, caller, listener) = established(Pipe::new().latency(millis(20)));
    sim.shut_down(caller);
    let start = sim.now();
    let events = sim.run(Duration::from_secs(1));
    let reason = CloseReason::RemoteClosed;
    assert_eq!(closed_at(&events, listener), Some((start + millis(20), reason.clone())));
    assert_eq!(closed_at(&events, caller), Some((start + millis(40), reason)));
}

#[test]
fn a_peer_that_cannot_send_its_queue_still_closes() {
    let (mut sim, caller, listener) = established(Pipe::new());
    sim.shut_down(listener);
    send(&mut sim, listener, not_found(1)).expect("the peer is open");
    sim.shut_down(caller);
    let events = sim.run(Duration::from_secs(5));
    for peer in [caller, listener] {
        let (_, reason) = closed_at(&events, peer).expect("a closed peer");
        assert_eq!(reason, CloseReason::RemoteClosed);
    }
}

#[test]
fn a_reader_that_pauses_blocks_the_writer() {
    let (mut sim, caller, listener) = established(Pipe::new().capacity(100));
    sim.set_reading(listener, false);
    let id = send(&mut sim, caller, not_found(10)).unwrap();
    assert!(sim.run(Duration::from_secs(10)).is_empty());
    sim.set_reading(listener, true);
    let events = sim.run(Duration::ZERO);
    assert!(events.contains(&(sim.now(), caller, Event::Sent(id))));
    assert_eq!(messages_to(&events, listener), [(sim.now(), not_found(10))]);

    sim.set_reading(listener, false);
    send(&mut sim, caller, not_found(10)).unwrap();
    let events = sim.run(Duration::from_secs(30));
    assert!(matches!(closed_at(&events, caller), Some((_, CloseReason::WriteStall))));
    assert!(closed_at(&events, listener).is_none(), "it has not read the end of the stream");
}

#[test]
fn a_reset_closes_both_sides_at_once() {
    let at = Instant::from_secs(7);
    let faults = [Faults::new().reset_at(at), Faults::new().reset_after(300)];
    for (faults, expected) in faults.into_iter().zip([Some(at), None]) {
        let (mut sim, caller, listener) = established(Pipe::new().latency(millis(10)));
        sim.set_pipe(listener, Pipe::new().latency(millis(10)).faults(faults));
        send(&mut sim, caller, Message::GetAddr).unwrap();
        for _ in 0..9 {
            send(&mut sim, listener, Message::GetAddr).unwrap();
        }
        let events = sim.run(Duration::from_secs(10));
        let expected = (expected.unwrap_or(Instant::from_secs(5)), CloseReason::ConnectionLost);
        for side in [caller, listener] {
            assert_eq!(closed_at(&events, side), Some(expected.clone()));
        }
        assert_eq!(messages_to(&events, caller).is_empty(), faults.reset_after.is_some());
    }
}

#[test]
fn a_reset_by_command_loses_bytes_in_transit() {
    let (mut sim, caller, listener) = established(Pipe::new().latency(millis(10)));
    send(&mut sim, caller, Message::GetAddr).unwrap();
    sim.run(millis(5));
    sim.reset(listener);
    let events = sim.run(Duration::from_secs(1));
    assert!(messages_to(&events, listener).is_empty());
    for side in [caller, listener] {
        assert!(matches!(closed_at(&events, side), Some((_, CloseReason::ConnectionLost))));
    }
}

#[test]
fn a_flipped_bit_is_detected() {
    let (mut sim, caller, listener) = established(Pipe::new());
    sim.set_pipe(caller, Pipe::new().faults(Faults::new().flip(1.0)));
    send(&mut sim, caller, not_found(100)).unwrap();
    let events = sim.run(Duration::from_secs(300));
    assert!(messages_to(&events, listener).is_empty());
    assert!(closed_at(&events, listener).is_some() && closed_at(&events, caller).is_some());
}

#[test]
fn split_and_merged_chunks_lose_no_bytes() {
    let faults = Faults::new().split(0.8).merge(0.5, millis(40));
    let (mut sim, caller, listener) =
        established(Pipe::new().latency(millis(5)).jitter(millis(5)).capacity(500).faults(faults));
    let sent: Vec<Message> = (0..100).map(not_found).collect();
    for message in &sent {
        send(&mut sim, caller, message.clone()).unwrap();
    }
    let events = sim.run(Duration::from_secs(60));
    let received: Vec<Message> =
        messages_to(&events, listener).into_iter().map(|(_, message)| message).collect();
    assert_eq!(received, sent);
}

/// Returns the events of a network with all kinds of traffic and faults.
fn trace(seed: u64) -> Vec<(Instant, PeerId, Event)> {
    let mut sim = Simulation::new(seed, UnixTime::from_secs(UNIX_TIME));
    let faults = Faults::new().split(0.3).merge(0.3, millis(50)).flip(0.01);
    let pipe = Pipe::new().latency(millis(20)).jitter(millis(80)).faults(faults);
    let peers: Vec<_> = (0..20).map(|_| sim.connect(config(), config(), pipe.clone())).collect();
    let mut events = sim.run(Duration::from_secs(1));
    for (n, &(caller, listener)) in (0..).zip(&peers) {
        let now = sim.now();
        _ = sim[caller].announce(now, InvVect::tx(Hash::from_bytes([n; 32])), Relay::Trickle);
        _ = sim[listener].ping(now);
        events.extend(sim.run(millis(100)));
    }
    events.extend(sim.run(Duration::from_secs(1_000)));
    events
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = trace(1);
    assert!(run.iter().any(|(_, _, event)| matches!(event, Event::Closed(_))));
    assert_eq!(trace(1), run);
    assert_ne!(trace(2), run);
}

#[test]
fn the_clock_can_reach_its_maximum() {
    let (mut sim, caller, listener) = established(Pipe::new());
    sim.set_pipe(caller, Pipe::new().latency(Duration::MAX));
    let now = sim.now();
    sim[caller].close(now);
    sim.run(Duration::MAX);
    assert_eq!(sim.now(), Instant::MAX);
    assert!(sim[listener].close_reason().is_some());
}

#[test]
fn a_peer_that_closes_a_slow_reader_ends_the_stream() {
    let config = || builder().max_queued_bytes(5_000).overflow(Overflow::Close);
    let build = || config().build().expect("a valid configuration");
    let mut sim = Simulation::new(1, UnixTime::from_secs(UNIX_TIME));
    let (caller, listener) = sim.connect(build(), build(), Pipe::new().bandwidth(1_000));
    sim.run(Duration::from_secs(5));
    let sent: Vec<SendId> =
        core::iter::from_fn(|| send(&mut sim, caller, not_found(100)).ok()).collect();
    assert_eq!(sent.len(), 1);
    let events = sim.run(Duration::from_secs(5));
    assert!(matches!(closed_at(&events, caller), Some((_, CloseReason::OutputOverflow { .. }))));
    assert!(matches!(closed_at(&events, listener), Some((_, CloseReason::RemoteClosed))));
}
