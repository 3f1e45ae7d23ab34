//! Messages, announcements and misbehaviour over both drivers.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use excc_peer::adapter::Events;
use excc_peer::wire::{Command, ErrorKind, InvVect, List, Message, Ping};
use excc_peer::{Announced, Blame, CloseReason, Event, Hash, Relay, SendErrorKind};

use crate::harness::*;

over_both! {
    two_peers_talk_in_both_directions_at_once,
    announcements_trickle_without_a_wake_up,
    garbage_is_misbehaviour,
    a_half_closed_socket_is_the_end,
    a_socket_half_closed_inside_a_frame_is_a_cut,
    a_remote_that_never_reads_is_closed_although_writes_block,
    back_pressure_loses_no_event,
    dropped_events_close_the_peer,
    dropped_handles_have_no_effect,
    a_handshake_that_never_comes_times_out,
    a_refused_version_is_not_answered,
}
#[cfg(unix)]
over_both!(unix_sockets_are_streams_too);

fn two_peers_talk_in_both_directions_at_once(driver: Driver) {
    let (near, far) = sockets();
    let (alice, mut alice_events) = driver.inbound(config(), far);
    let (bob, mut bob_events) = driver.outbound(config(), near);
    until_established(&mut alice_events);
    until_established(&mut bob_events);

    // More than the sockets can buffer, so that each peer must read while it writes.
    let blob = List::from(vec![InvVect::tx(Hash::ZERO); 50_000]);
    let count = 8;
    for _ in 0..count {
        alice.send(Message::GetData(blob.clone())).unwrap();
        bob.send(Message::GetData(blob.clone())).unwrap();
    }
    let take_all = |events: &mut Events| {
        let (mut received, mut sent) = (0, 0);
        while received < count || sent < count {
            match events.recv_timeout(PATIENCE).expect("an event in time") {
                Event::Message { message: Message::GetData(list), .. } => {
                    assert_eq!(list, blob);
                    received += 1;
                }
                Event::Sent(_) => sent += 1,
                _ => {}
            }
        }
    };
    // In parallel, because back-pressure of one peer would stop the other.
    thread::scope(|scope| {
        scope.spawn(|| take_all(&mut alice_events));
        scope.spawn(|| take_all(&mut bob_events));
    });

    bob.ping().unwrap();
    until(&mut bob_events, |event| matches!(event, Event::RoundTrip { .. }).then_some(()));
    assert!(bob.stats().round_trip.is_some());

    alice.close();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    assert_eq!(until_closed(&mut alice_events), CloseReason::Local);
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
    let error = bob.send(Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Closed(CloseReason::RemoteClosed));
    assert_eq!(error.message, Message::GetAddr);
}

fn announcements_trickle_without_a_wake_up(driver: Driver) {
    let (near, far) = sockets();
    let (alice, mut alice_events) = driver.inbound(config(), far);
    let (_bob, mut bob_events) = driver.outbound(config(), near);
    until_established(&mut alice_events);
    let vector = InvVect::tx(Hash::from_bytes([7; 32]));
    assert_eq!(alice.announce(vector, Relay::Trickle), Announced::Batched);
    let inv = until(&mut bob_events, |event| match event {
        Event::Message { message: Message::Inv(list), .. } => Some(list),
        _ => None,
    });
    assert_eq!(inv, List::from([vector]));
}

fn garbage_is_misbehaviour(driver: Driver) {
    let (mut near, far) = sockets();
    let (alice, mut events) = driver.inbound(config(), far);
    near.write_all(&[0xa5; 64]).unwrap();
    let reason = until_closed(&mut events);
    assert!(matches!(&reason, CloseReason::Decode(error)
        if matches!(error.kind(), ErrorKind::PayloadTooLarge(_))));
    assert_eq!(reason.blame(), Blame::Misbehaviour);
    assert!(read_to_end(&mut near).is_empty());
    drop(near);
    assert_eq!(wait_closed(&alice), reason);
}

fn a_half_closed_socket_is_the_end(driver: Driver) {
    let (mut near, far) = sockets();
    let (alice, mut events) = driver.inbound(config(), far);
    near.write_all(&opening()).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(until_closed(&mut events), CloseReason::RemoteClosed);
    assert_eq!(wait_closed(&alice), CloseReason::RemoteClosed);
}

fn a_socket_half_closed_inside_a_frame_is_a_cut(driver: Driver) {
    let (mut near, far) = sockets();
    let (_alice, mut events) = driver.inbound(config(), far);
    near.write_all(&opening()[..100]).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let CloseReason::Cut(frame) = until_closed(&mut events) else { panic!("another reason") };
    assert_eq!((frame.command, frame.received), (Some(Command::Version), 76));
}

fn a_remote_that_never_reads_is_closed_although_writes_block(driver: Driver) {
    let (mut near, far) = sockets();
    let timeout = Some(Duration::from_millis(200));
    // With this rate, sent bytes hardly extend the deadline.
    let impatient = config().write_timeout(timeout).write_rate(u32::MAX);
    let mut alice = driver.inbound(impatient, far);
    establish(&mut near, &mut alice.1);
    let ids = fill_queue(&alice.0, &blob());
    let outcome = outcome(&mut alice, &ids);
    assert_eq!(outcome.reason, CloseReason::WriteStall);
    assert!(!outcome.not_sent.is_empty(), "{} sent", outcome.sent.len());
}

fn back_pressure_loses_no_event(driver: Driver) {
    const PINGS: u64 = 50_000;
    let (mut near, far) = sockets();
    let (alice, mut events) = driver.inbound(config(), far);
    let mut pongs = near.try_clone().unwrap();
    let drain = thread::spawn(move || io::copy(&mut pongs, &mut io::sink()).unwrap());
    let flood = thread::spawn(move || {
        near.write_all(&opening()).unwrap();
        for nonce in 0..PINGS {
            near.write_all(&encode(Message::Ping(Ping { nonce }))).unwrap();
        }
        near.shutdown(Shutdown::Write).unwrap();
    });
    until_established(&mut events);
    while alice.with(|peer, _| peer.wants_read()) {
        thread::yield_now();
    }
    let waiting = alice.stats().waiting_events;
    assert!(waiting < 1_000, "{waiting} events wait");

    let mut next = 0;
    let reason = until(&mut events, |event| match event {
        Event::Message { message: Message::Ping(ping), .. } => {
            assert_eq!(ping.nonce, next);
            next += 1;
            None
        }
        Event::Closed(reason) => Some(reason),
        _ => None,
    });
    assert_eq!((next, reason), (PINGS, CloseReason::RemoteClosed));
    flood.join().unwrap();
    drain.join().unwrap();
}

fn dropped_events_close_the_peer(driver: Driver) {
    let (near, far) = sockets();
    let (alice, mut events) = driver.inbound(config(), far);
    let (_bob, mut bob_events) = driver.outbound(config(), near);
    until_established(&mut events);
    until_established(&mut bob_events);
    drop(events);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
}

fn dropped_handles_have_no_effect(driver: Driver) {
    let (near, far) = sockets();
    let (alice, mut alice_events) = driver.inbound(config(), far);
    let (bob, mut bob_events) = driver.outbound(config(), near);
    drop(alice);
    until_established(&mut bob_events);
    bob.ping().unwrap();
    until(&mut alice_events, |event| matches!(event, Event::Message { .. }).then_some(()));
}

fn a_handshake_that_never_comes_times_out(driver: Driver) {
    let (_near, far) = sockets();
    let timeout = Duration::from_millis(50);
    let (alice, mut events) = driver.inbound(config().handshake_timeout(timeout), far);
    assert_eq!(until_closed(&mut events), CloseReason::HandshakeTimeout);
    assert_eq!(wait_closed(&alice), CloseReason::HandshakeTimeout);
}

fn a_refused_version_is_not_answered(driver: Driver) {
    let (mut near, far) = sockets();
    let (alice, mut events) = driver.inbound(config().review_version(true), far);
    near.write_all(&opening()).unwrap();
    until(&mut events, |event| matches!(event, Event::VersionReceived(_)).then_some(()));
    alice.with(|peer, now| peer.refuse_version(now));
    assert_eq!(wait_closed(&alice), CloseReason::VersionRefused);
    assert_eq!(near.read(&mut [0; 8]).unwrap_or_default(), 0, "no byte was sent");
}

#[cfg(unix)]
fn unix_sockets_are_streams_too(driver: Driver) {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let (_alice, mut alice_events) = driver.inbound(config(), far);
    let (bob, mut bob_events) = driver.outbound(config(), near);
    until_established(&mut alice_events);
    until_established(&mut bob_events);
    bob.close();
    assert_eq!(until_closed(&mut alice_events), CloseReason::RemoteClosed);
}
