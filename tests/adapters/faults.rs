//! Faulty streams, slow streams and clocks that jump. Each queued message is reported once.

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use excc_peer::wire::{Command, Message, TrailingBytes};
use excc_peer::{CloseReason, SendId};
use socket2::SockRef;

use crate::common::GRACE;
use crate::harness::*;
use crate::link::{Act, Call, End, Setup};

over_both! {
    an_end_between_frames_is_not_a_cut,
    an_end_inside_a_frame_is_a_cut,
    a_reset_is_a_lost_connection,
    a_socket_dropped_with_unread_bytes_is_a_lost_connection,
    a_failed_write_inside_a_frame_loses_later_messages,
    a_read_that_fails_is_a_lost_connection,
    a_write_of_zero_bytes_is_a_lost_connection,
    a_flush_that_fails_is_a_lost_connection,
    messages_arrive_byte_by_byte,
    two_peers_communicate_byte_by_byte,
    interruptions_do_not_end_lingering,
    reads_that_would_block_are_tried_again,
    writes_that_would_block_are_tried_again,
    a_clock_may_jump,
    a_clock_that_jumps_too_far_is_an_idle_timeout,
}
#[cfg(target_os = "linux")]
over_both!(a_timeout_of_the_connection_is_a_lost_connection);

fn send_some(peer: &Peer) -> Vec<SendId> {
    (0..5).map(|_| peer.0.send(Message::GetAddr).unwrap()).collect()
}

/// Ends the stream after the handshake and the first `len` bytes of a message.
fn half_close(driver: Driver, len: usize) -> CloseReason {
    let (mut remote, near) = sockets();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = send_some(&peer);
    remote.write_all(&encode(blob())[..len]).unwrap();
    remote.shutdown(Shutdown::Write).unwrap();
    outcome(&mut peer, &ids).reason
}

fn an_end_between_frames_is_not_a_cut(driver: Driver) {
    assert_eq!(half_close(driver, 0), CloseReason::RemoteClosed);
    assert_eq!(half_close(driver, encode(blob()).len()), CloseReason::RemoteClosed);
}

fn an_end_inside_a_frame_is_a_cut(driver: Driver) {
    for len in [1, 24, 1_000_000] {
        let CloseReason::Cut(frame) = half_close(driver, len) else {
            panic!("the reason is not `Cut`")
        };
        assert_eq!(frame.command, (len >= 24).then_some(Command::GetData));
    }
}

fn a_reset_is_a_lost_connection(driver: Driver) {
    let (mut remote, near) = sockets();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = fill_queue(&peer.0, &blob());
    SockRef::from(&remote).set_linger(Some(Duration::ZERO)).unwrap();
    drop(remote);
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.reason, CloseReason::ConnectionLost);
    assert!(!outcome.not_sent.is_empty());
    let kind = peer.0.io_error().unwrap().kind();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind}");
}

fn a_socket_dropped_with_unread_bytes_is_a_lost_connection(driver: Driver) {
    let (mut remote, near) = sockets();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = send_some(&peer);
    // The remote has received input, but does not read it.
    remote.peek(&mut [0]).unwrap();
    drop(remote);
    assert_eq!(outcome(&mut peer, &ids).reason, CloseReason::ConnectionLost);
}

fn a_failed_write_inside_a_frame_loses_later_messages(driver: Driver) {
    // Single bytes are written up to the fourth byte of the third message.
    let limit = handshake_len() + 2 * encode(Message::GetAddr).len() + 4;
    let calls = AtomicUsize::new(0);
    let plan = move |call| match call {
        Call::Write if calls.fetch_add(1, Relaxed) < limit => Act::AtMost(1),
        Call::Write => Act::Fail(io::ErrorKind::ConnectionAborted),
        _ => Act::Go,
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = peer.0.with(|peer, now| {
        let send = |_| peer.send(now, Message::GetAddr).unwrap();
        (0..5).map(send).collect::<Vec<_>>()
    });
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.reason, CloseReason::ConnectionLost);
    assert_eq!(peer.0.io_error().unwrap().kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!((outcome.sent, outcome.not_sent), (ids[..2].to_vec(), ids[2..].to_vec()));
    assert_eq!(remote.take().len(), limit);
}

/// Returns the number of bytes of the handshake of an inbound peer.
pub(crate) fn handshake_len() -> usize {
    let mut peer = crate::common::Peer::inbound(config());
    peer.feed(&opening()).unwrap();
    peer.transmit(usize::MAX).len()
}

/// Returns a stream whose calls of one kind act differently after the first `calls` ones.
fn after(kind: Call, calls: usize, act: Act) -> (End, End) {
    let count = AtomicUsize::new(0);
    let plan = move |call| {
        if call == kind && count.fetch_add(1, Relaxed) >= calls { act } else { Act::Go }
    };
    Setup::planned(plan).link()
}

fn a_read_that_fails_is_a_lost_connection(driver: Driver) {
    let failure = Act::Fail(io::ErrorKind::PermissionDenied);
    let (mut remote, near) = after(Call::Read, 1, failure);
    let mut peer = driver.inbound(config(), near);
    remote.write_all(&opening()).ok();
    assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
    assert_eq!(peer.0.io_error().unwrap().kind(), io::ErrorKind::PermissionDenied);
}

fn a_write_of_zero_bytes_is_a_lost_connection(driver: Driver) {
    let (mut remote, near) = after(Call::Write, 0, Act::Zero);
    let mut peer = driver.inbound(config(), near);
    remote.write_all(&opening()).unwrap();
    assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
    assert_eq!(peer.0.io_error().unwrap().kind(), io::ErrorKind::WriteZero);
}

fn a_flush_that_fails_is_a_lost_connection(driver: Driver) {
    let (mut remote, near) = after(Call::Flush, 0, Act::Fail(io::ErrorKind::StorageFull));
    let mut peer = driver.inbound(config(), near);
    remote.write_all(&opening()).unwrap();
    assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
    assert_eq!(peer.0.io_error().unwrap().kind(), io::ErrorKind::StorageFull);
}

/// The operating system reports `ETIMEDOUT` if the remote does not acknowledge sent bytes. The
/// timeout of a blocking call has another code.
#[cfg(target_os = "linux")]
fn a_timeout_of_the_connection_is_a_lost_connection(driver: Driver) {
    const ETIMEDOUT: i32 = 110;
    for call in [Call::Read, Call::Write] {
        let count = AtomicUsize::new(0);
        let plan = move |made| {
            let fails = made == call && count.fetch_add(1, Relaxed) == 0;
            if fails { Act::FailOs(ETIMEDOUT) } else { Act::Go }
        };
        let (mut remote, near) = Setup::planned(plan).link();
        let mut peer = driver.inbound(config(), near);
        // This may fail, as the peer may have ended.
        remote.write_all(&opening()).ok();
        assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
        assert_eq!(peer.0.io_error().unwrap().kind(), io::ErrorKind::TimedOut);
    }
}

/// Interrupts every second call. The other calls move one byte.
fn dribble() -> Setup {
    let calls = [const { AtomicUsize::new(0) }; 6];
    Setup::planned(move |call| {
        if calls[call as usize].fetch_add(1, Relaxed) % 2 == 0 {
            Act::Fail(io::ErrorKind::Interrupted)
        } else {
            Act::AtMost(1)
        }
    })
}

fn messages_arrive_byte_by_byte(driver: Driver) {
    let (mut remote, near) = dribble().link();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = send_some(&peer);
    peer.0.shutdown(PATIENCE);
    assert_eq!(messages(&read_to_end(&mut remote)).len(), 2 + ids.len());
    drop(remote);
    let outcome = outcome(&mut peer, &ids);
    assert_eq!((outcome.reason, outcome.sent), (CloseReason::Local, ids));
}

fn two_peers_communicate_byte_by_byte(driver: Driver) {
    let (far, near) = dribble().link();
    let strict = config().trailing_bytes(TrailingBytes::Reject);
    let (alice, mut alice_events) = driver.inbound(config(), near);
    let (bob, mut bob_events) = driver.outbound(strict, far);
    until_established(&mut alice_events);
    until_established(&mut bob_events);
    bob.ping().unwrap();
    until_round_trip(&mut bob_events);
    alice.close();
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
}

fn interruptions_do_not_end_lingering(driver: Driver) {
    let (mut remote, near) = dribble().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.shutdown(100 * PATIENCE);
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    read_to_end(&mut remote);
    remote.write_all(&[0; 1000]).unwrap();
    remote.wait_until_read();
    assert!(poll_once(&mut alice.closed()).is_pending());
    remote.end();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// For a while, calls of one kind return `WouldBlock` at once. Threads must pause between calls.
/// For a task, which is woken at once, the number of calls limits this.
fn storm(driver: Driver, kind: Call) {
    let began = Instant::now();
    let count = AtomicUsize::new(0);
    let has_ended = move || {
        if driver.is_std() {
            began.elapsed() > Duration::from_millis(400)
        } else {
            count.fetch_add(1, Relaxed) > 10_000
        }
    };
    let plan = move |call| {
        if call == kind && !has_ended() { Act::Fail(io::ErrorKind::WouldBlock) } else { Act::Go }
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let counts = near.counts.clone();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = send_some(&peer);
    peer.0.shutdown(PATIENCE);
    assert_eq!(messages(&read_to_end(&mut remote)).len(), 2 + ids.len());
    remote.end();
    let outcome = outcome(&mut peer, &ids);
    assert_eq!((outcome.reason, outcome.sent), (CloseReason::Local, ids));
    if driver.is_std() {
        assert!(counts.all() < 200, "{} calls", counts.all());
    }
}

/// Threads must not spin after our end of the stream, until the remote's.
#[test]
fn lingering_over_reads_that_would_block_does_not_spin() {
    let is_stormy = Arc::new(AtomicBool::new(false));
    let stormy = is_stormy.clone();
    let plan = move |call| {
        if call == Call::Read && stormy.load(Relaxed) {
            Act::Fail(io::ErrorKind::WouldBlock)
        } else {
            Act::Go
        }
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let counts = near.counts.clone();
    let (alice, mut events) = Driver::Std.inbound(config(), near);
    establish(&mut remote, &mut events);
    is_stormy.store(true, Relaxed);
    alice.shutdown(Duration::from_millis(400));
    remote.write_all(&encode(Message::GetAddr)).unwrap();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    assert!(counts.all() < 200, "{} calls", counts.all());
}

fn reads_that_would_block_are_tried_again(driver: Driver) {
    storm(driver, Call::Read);
}

fn writes_that_would_block_are_tried_again(driver: Driver) {
    storm(driver, Call::Write);
}

const HOUR: Duration = Duration::from_secs(60 * 60);

fn a_clock_may_jump(driver: Driver) {
    let (far, near) = sockets();
    let patient = || {
        // The clock would also jump past the deadline of a write in progress.
        config().idle_timeout(Some(2 * HOUR)).ping_interval(Some(HOUR / 4)).write_timeout(None)
    };
    let mut alice = driver.inbound(patient(), near);
    let mut bob = driver.outbound(patient(), far);
    until_established(&mut alice.1);
    until_established(&mut bob.1);
    for hours in 1..4 {
        alice.0.with(|peer, now| peer.handle_timeout(now + hours * HOUR));
        // The ping whose time has passed.
        until_round_trip(&mut alice.1);
        bob.0.ping().unwrap();
        until_round_trip(&mut bob.1);
    }
    let ids = send_some(&alice);
    alice.0.shutdown(PATIENCE);
    let outcome = outcome(&mut alice, &ids);
    assert_eq!((outcome.reason, outcome.sent), (CloseReason::Local, ids));
}

fn a_clock_that_jumps_too_far_is_an_idle_timeout(driver: Driver) {
    let (mut remote, near) = Setup { capacity: 1, ..Setup::default() }.link();
    // No other deadline may end the peer.
    let mut peer = driver.inbound(config().write_timeout(None).verack_timeout(None), near);
    establish(&mut remote, &mut peer.1);
    let ids = send_some(&peer);
    peer.0.with(|peer, now| {
        peer.handle_timeout(now + HOUR);
        assert_eq!(peer.close_reason(), None, "the first step only moves the deadline");
        peer.handle_timeout(now + HOUR + GRACE);
    });
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.not_sent, ids);
    assert_eq!(outcome.reason, CloseReason::IdleTimeout);
}
