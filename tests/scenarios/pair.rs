//! Two peers, and time between them.

use excc_peer::wire::{Command, InvVect, Message};
use excc_peer::{Announced, CloseReason, Event, Instant, Relay};

use crate::common::*;

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
fn on_exchangecoin_a_handshake_is_done_when_versions_are_exchanged() {
    let mut pair = Pair::new(config(EXCC), config(EXCC), millis(50));
    pair.run(secs(1));
    assert_eq!(established_at(&pair.listener_events), Some(Instant::from_millis(50)));
    assert_eq!(established_at(&pair.caller_events), Some(Instant::from_millis(100)));
    assert!(pair.caller.state.verack_received() && pair.listener.state.verack_received());
}

#[test]
fn on_decred_a_handshake_is_done_when_veracks_are_exchanged() {
    let mut pair = Pair::new(config(DCR), config(DCR), millis(50));
    pair.run(secs(1));
    assert_eq!(established_at(&pair.caller_events), Some(Instant::from_millis(100)));
    assert_eq!(established_at(&pair.listener_events), Some(Instant::from_millis(150)));
}

#[test]
fn peers_of_all_versions_agree_on_the_lower_one() {
    for (network, oldest, newest) in [(EXCC, 3, 9), (DCR, 9, 12)] {
        for caller in oldest..=newest {
            for listener in oldest..=newest {
                let version = |version| config(network).protocol_version(version);
                let mut pair = Pair::new(version(caller), version(listener), millis(1));
                pair.run(secs(1));
                for side in [&pair.caller, &pair.listener] {
                    assert!(side.state.verack_received());
                    assert_eq!(side.state.protocol_version(), caller.min(listener));
                }
            }
        }
    }
}

#[test]
fn a_round_trip_takes_both_delays() {
    let mut pair = Pair::established(config(EXCC), millis(30));
    pair.to_caller.delay = millis(45);
    let nonce = pair.caller.state.ping(pair.caller.now).unwrap();
    pair.run(secs(1));
    let time = millis(75);
    assert!(pair.caller_events.iter().any(|(_, event)| *event == Event::RoundTrip { nonce, time }));
}

#[test]
fn quiet_peers_keep_each_other_alive() {
    for network in [EXCC, DCR] {
        for idle in [15, 120, 600] {
            let config = config(network).idle_timeout(Some(secs(idle)));
            let mut pair = Pair::established(config, millis(100));
            pair.run(secs(10_000));
            assert!(pair.caller.state.is_established() && pair.listener.state.is_established());
        }
    }
}

#[test]
fn announcements_arrive_and_are_not_echoed() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let now = pair.caller.now;
    for n in 0..1_500 {
        _ = pair.caller.state.announce(now, tx(n), Relay::Trickle);
    }
    pair.run(secs(1));
    assert_eq!(inventory(&pair.listener_events), (0..1_500).map(tx).collect::<Vec<_>>());
    let now = pair.listener.now;
    let echoed = pair.listener.state.announce(now, tx(1_499), Relay::Trickle);
    assert_eq!(echoed, Announced::Known);
    pair.run(secs(1));
    assert_eq!(inventory(&pair.caller_events), []);
}

/// One that crosses the other's on the wire comes back once, and no more.
#[test]
fn announcements_that_cross_are_known_to_both() {
    let mut pair = Pair::established(config(EXCC), secs(1));
    let now = pair.caller.now;
    for peer in [&mut pair.caller, &mut pair.listener] {
        assert!(matches!(
            peer.state.announce(now, block(1), Relay::Immediate),
            Announced::Queued(_)
        ));
    }
    pair.run(secs(5));
    assert_eq!(inventory(&pair.caller_events), [block(1)]);
    assert_eq!(inventory(&pair.listener_events), [block(1)]);
    assert!(pair.caller_events.iter().all(|(_, event)| !matches!(event, Event::Closed(_))));
}

#[test]
fn a_close_reaches_the_other_side_as_an_end() {
    let mut pair = Pair::established(config(DCR), millis(20));
    pair.caller.state.close(pair.caller.now);
    pair.run(secs(1));
    let last = |events: &[(Instant, Event)]| events.last().map(|(_, event)| event.clone());
    assert_eq!(last(&pair.caller_events), Some(Event::Closed(CloseReason::Local)));
    assert_eq!(last(&pair.listener_events), Some(Event::Closed(CloseReason::RemoteClosed)));
}

#[test]
fn a_remote_whose_socket_is_full_is_given_up() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    pair.to_listener.is_blocked = true;
    let start = pair.caller.now;
    let id = pair.caller.state.send(pair.caller.now, Message::GetAddr).unwrap();
    pair.run(secs(30));
    let end = start + secs(20) + GRACE;
    let expected = [(end, Event::NotSent(id)), (end, Event::Closed(CloseReason::WriteStall))];
    assert_eq!(pair.caller_events, expected);
}

#[test]
fn a_socket_that_has_room_again_in_time_is_not_given_up() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    pair.to_listener.is_blocked = true;
    let id = pair.caller.state.send(pair.caller.now, Message::GetAddr).unwrap();
    pair.run(secs(19));
    pair.to_listener.is_blocked = false;
    pair.run(secs(19));
    assert!(pair.caller_events.iter().any(|(_, event)| *event == Event::Sent(id)));
    assert!(pair.caller.state.is_established());
}

#[test]
fn both_sides_count_the_same_bytes() {
    let mut pair = Pair::established(config(EXCC), millis(20));
    let now = pair.caller.now;
    for n in 0..100 {
        _ = pair.caller.state.announce(now, tx(n), Relay::Trickle);
        pair.listener.state.send(pair.listener.now, Message::NotFound([tx(n)].into())).unwrap();
    }
    pair.run(secs(500));
    let (caller, listener) = (pair.caller.state.stats(), pair.listener.state.stats());
    assert_eq!(caller.bytes_sent, listener.bytes_received);
    assert_eq!(listener.bytes_sent, caller.bytes_received);
    for (sender, receiver) in [(&caller, &listener), (&listener, &caller)] {
        for sent in &sender.commands {
            let received = receiver.commands.iter().find(|of| of.command == sent.command);
            assert_eq!(received.map(|of| of.received), Some(sent.sent), "{}", sent.command);
        }
    }
    assert!(caller.commands.iter().any(|of| of.command == Command::Ping));
}
