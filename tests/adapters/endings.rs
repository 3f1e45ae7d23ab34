//! The end of a peer: bytes that arrive, events that are emitted, and their times.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{Decoder, InputBuffer, Message, Ping};
use excc_peer::{CloseReason, Direction, Event, SendErrorKind};
use socket2::SockRef;

use crate::harness::*;
use crate::link::{Act, Call, End, Setup};

over_both! {
    queued_messages_arrive_although_input_is_unread,
    a_remote_that_never_reads_ends_a_shutdown_at_its_deadline,
    a_remote_that_never_closes_ends_lingering_at_its_deadline,
    a_remote_that_closes_ends_lingering,
    both_sides_may_shut_down,
    closing_ends_lingering,
    closing_does_not_wait_for_a_blocked_write,
    closing_reports_the_messages_of_a_full_queue,
    events_dropped_after_a_shutdown_let_it_finish,
    a_shutdown_without_events_continues_to_read,
    a_shutdown_without_events_ends_the_back_pressure,
    the_end_is_the_last_event,
    a_version_followed_by_fatal_input_is_answered,
    fatal_input_during_a_write_does_not_discard_later_frames,
    a_version_followed_by_the_end_is_answered,
    input_after_fatal_input_is_discarded_for_a_second,
    closing_ends_lingering_after_fatal_input,
    buffered_bytes_are_flushed_after_the_end_of_the_remote,
    a_blocked_last_try_is_abandoned,
    a_blocked_last_try_without_a_timeout_is_abandoned,
}

const SOON: Duration = Duration::from_millis(300);

fn small_buffers(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
}

/// The remote's pings are unread. Closing the socket with unread input would reset the
/// connection, and the remote would lose bytes in transit.
fn queued_messages_arrive_although_input_is_unread(driver: Driver) {
    const BLOBS: usize = 4;
    let (mut remote, near) = sockets();
    small_buffers(&remote);
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids: Vec<_> = (0..BLOBS).map(|_| peer.0.send(blob()).unwrap()).collect();
    peer.0.shutdown(2 * PATIENCE);
    let error = peer.0.send(Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::ShuttingDown);

    let (has_read_all, is_gone) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut pings = remote.try_clone().unwrap();
        let (has_read_all, is_gone) = (&has_read_all, &is_gone);
        let pinging = scope.spawn(move || {
            let ping = encode(Message::Ping(Ping { nonce: 5 }));
            while !has_read_all.load(SeqCst) {
                pings.write_all(&ping).unwrap();
            }
        });
        scope.spawn(move || {
            let mut decoder = Decoder::new(NETWORK, 8);
            let (mut buffer, mut blobs) = (InputBuffer::new(), 0);
            let mut chunk = vec![0; 16 * 1024];
            loop {
                match remote.read(&mut chunk).expect("no reset") {
                    0 => break,
                    read => buffer.extend_from_slice(&chunk[..read]),
                }
                while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                    blobs += usize::from(matches!(frame.message, Message::GetData(_)));
                }
            }
            assert!(buffer.is_empty(), "a part of a frame remains");
            assert_eq!(blobs, BLOBS);
            has_read_all.store(true, SeqCst);
            pinging.join().unwrap();
            is_gone.store(true, SeqCst);
        });
        let outcome = outcome(&mut peer, &ids);
        assert!(is_gone.load(SeqCst), "the end waits for the end of the remote");
        assert_eq!((outcome.reason, outcome.sent.len()), (CloseReason::Local, BLOBS));
    });
}

fn a_remote_that_never_reads_ends_a_shutdown_at_its_deadline(driver: Driver) {
    let (mut remote, near) = sockets();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = fill_queue(&peer.0, &blob());
    let began = Instant::now();
    peer.0.shutdown(SOON);
    let outcome = outcome(&mut peer, &ids);
    assert!(began.elapsed() >= SOON);
    assert_eq!(outcome.reason, CloseReason::Local);
    assert!(!outcome.not_sent.is_empty());
}

fn a_remote_that_never_closes_ends_lingering_at_its_deadline(driver: Driver) {
    let (mut remote, near) = sockets();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.send(Message::GetAddr).unwrap();
    let began = Instant::now();
    alice.shutdown(SOON);
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    assert!(read_to_end(&mut remote).ends_with(&encode(Message::GetAddr)));
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    assert!(began.elapsed() >= SOON, "the remote has time to end the stream");
}

fn a_remote_that_closes_ends_lingering(driver: Driver) {
    let (mut remote, near) = sockets();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.shutdown(100 * PATIENCE);
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    let mut closed = alice.closed();
    read_to_end(&mut remote);
    assert!(poll_once(&mut closed).is_pending());
    remote.shutdown(Shutdown::Write).unwrap();
    assert_eq!(block_on(closed), CloseReason::Local);
}

fn both_sides_may_shut_down(driver: Driver) {
    let (far, near) = sockets();
    let mut alice = driver.inbound(config(), near);
    let mut bob = driver.outbound(config(), far);
    until_established(&mut alice.1);
    until_established(&mut bob.1);
    alice.0.shutdown(100 * PATIENCE);
    bob.0.shutdown(100 * PATIENCE);
    for peer in [&mut alice, &mut bob] {
        let reason = outcome(peer, &[]).reason;
        assert!(matches!(reason, CloseReason::Local | CloseReason::RemoteClosed), "{reason}");
    }
}

fn closing_ends_lingering(driver: Driver) {
    let (mut remote, near) = sockets();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.shutdown(100 * PATIENCE);
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    assert!(poll_once(&mut alice.closed()).is_pending());
    alice.close();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    // Both directions have ended now.
    wait_for("an error", || remote.write_all(&[0; 1024]).is_err());
}

fn closing_does_not_wait_for_a_blocked_write(driver: Driver) {
    let (mut remote, near) = Setup { capacity: 64 * 1024, ..Setup::default() }.link();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = fill_queue(&peer.0, &blob());
    remote.wait_until_full();
    peer.0.close();
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.reason, CloseReason::Local);
    assert_eq!(outcome.not_sent, ids);
}

fn closing_reports_the_messages_of_a_full_queue(driver: Driver) {
    let (mut remote, near) = sockets();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = fill_queue(&peer.0, &blob());
    peer.0.close();
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.reason, CloseReason::Local);
    assert!(!outcome.not_sent.is_empty());
}

fn events_dropped_after_a_shutdown_let_it_finish(driver: Driver) {
    let (mut remote, near) = sockets();
    small_buffers(&remote);
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    for _ in 0..3 {
        alice.send(blob()).unwrap();
    }
    alice.shutdown(2 * PATIENCE);
    drop(events);
    assert_eq!(alice.close_reason(), None);
    let read = messages(&read_to_end(&mut remote));
    assert_eq!(read.len(), 5, "version, verack and all queued messages");
    assert!(read[2..].iter().all(|message| *message == blob()));
    assert!(poll_once(&mut alice.closed()).is_pending());
    drop(remote);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// Returns a remote that reads no bytes, and a peer that has queued more than the stream takes.
fn unread(driver: Driver) -> (End, Handle, Events) {
    let (mut remote, near) = Setup { capacity: 256 * 1024, ..Setup::default() }.link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.send(blob()).unwrap();
    remote.wait_until_full();
    (remote, alice, events)
}

/// Reads only after the peer has read all input.
fn read_after_the_peer(mut remote: End, alice: &Handle) {
    remote.wait_until_read();
    assert_eq!(messages(&read_to_end(&mut remote)).pop(), Some(blob()));
    drop(remote);
    assert_eq!(wait_closed(alice), CloseReason::Local);
}

/// The peer receives more messages than events may wait.
fn a_shutdown_without_events_continues_to_read(driver: Driver) {
    let (mut remote, alice, events) = unread(driver);
    alice.shutdown(100 * PATIENCE);
    drop(events);
    let flood = encode(Message::GetAddr).repeat(50_000);
    remote.write_all(&flood).unwrap();
    read_after_the_peer(remote, &alice);
}

/// As above, but the driver has stopped reading before.
fn a_shutdown_without_events_ends_the_back_pressure(driver: Driver) {
    let (mut remote, alice, events) = unread(driver);
    remote.write_all(&encode(Message::GetAddr).repeat(10_000)).unwrap();
    while alice.with(|peer, _| peer.wants_read()) {
        thread::yield_now();
    }
    alice.shutdown(100 * PATIENCE);
    drop(events);
    read_after_the_peer(remote, &alice);
}

fn the_end_is_the_last_event(driver: Driver) {
    const MESSAGES: usize = 10;
    let (mut remote, near): (End, _) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    remote.write_all(&opening()).unwrap();
    remote.write_all(&encode(Message::GetAddr).repeat(MESSAGES)).unwrap();
    remote.end();
    assert_eq!(wait_closed(&alice), CloseReason::RemoteClosed);
    let emitted: Vec<_> = events.by_ref().collect();
    let messages = emitted.iter().filter(|event| matches!(event, Event::Message { .. }));
    assert_eq!(messages.count(), MESSAGES);
    assert_eq!(emitted.last(), Some(&Event::Closed(CloseReason::RemoteClosed)));
    assert_eq!(events.try_recv(), None);
    assert_eq!(events.recv_timeout(PATIENCE), None, "without waiting");
    assert_eq!(block_on(events.recv()), None);
    let error = alice.send(Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Closed(CloseReason::RemoteClosed));
}

/// Returns the `version` of a remote and bytes that are no frame.
fn fatal_opening(garbage: usize) -> Vec<u8> {
    [encode(version()), vec![0xa5; garbage]].concat()
}

fn is_fatal(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Decode(_))
}

fn is_answer_to_a_version(bytes: &[u8]) -> bool {
    matches!(&messages(bytes)[..], [Message::Version(_), Message::VerAck])
}

/// Frames that were queued before the fatal bytes are sent. The connection is not reset, even if
/// the peer does not decode all input.
fn a_version_followed_by_fatal_input_is_answered(driver: Driver) {
    for (direction, garbage) in [
        (Direction::Inbound, 64),
        (Direction::Inbound, 4_000_000),
        (Direction::Outbound, 64),
        (Direction::Outbound, 4_000_000),
    ] {
        let (mut remote, near) = sockets();
        let config = config().build().unwrap();
        // All input arrives before the peer starts.
        let mut writing = remote.try_clone().unwrap();
        let writing = thread::spawn(move || writing.write_all(&fatal_opening(garbage)));
        thread::sleep(Duration::from_millis(20));
        let (alice, mut events) = near.start(driver, direction, config.into()).unwrap();
        let reason = until_closed(&mut events);
        assert!(is_fatal(&reason), "{reason}");
        assert!(is_answer_to_a_version(&read_to_end(&mut remote)));
        writing.join().unwrap().expect("no reset");
        drop(remote);
        assert_eq!(wait_closed(&alice), reason);
    }
}

/// Threads read during a write, so they decode the fatal bytes while our `version` is written.
/// Tasks do not.
fn fatal_input_during_a_write_does_not_discard_later_frames(driver: Driver) {
    let is_fatal_input_decoded = Arc::new(AtomicBool::new(false));
    let is_decoded = is_fatal_input_decoded.clone();
    let blocks = driver.is_std();
    let setup = Setup::planned(move |call| {
        if blocks && call == Call::Write {
            wait_for("the fatal input", || is_decoded.load(SeqCst));
        }
        Act::Go
    });
    let (mut remote, near) = setup.link();
    let counts = near.counts.clone();
    let (alice, _events) = driver.outbound(config(), near);
    wait_for("a write", || counts.writes.load(SeqCst) > 0);
    remote.write_all(&fatal_opening(64)).unwrap();
    if blocks {
        wait_for("the end", || alice.close_reason().is_some());
    }
    is_fatal_input_decoded.store(true, SeqCst);
    assert!(is_answer_to_a_version(&read_to_end(&mut remote)));
}

fn a_version_followed_by_the_end_is_answered(driver: Driver) {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let (mut remote, near) = sockets();
        let config = config().build().unwrap();
        remote.write_all(&encode(version())).unwrap();
        remote.shutdown(Shutdown::Write).unwrap();
        let (alice, mut events) = near.start(driver, direction, config.into()).unwrap();
        assert!(is_answer_to_a_version(&read_to_end(&mut remote)));
        assert_eq!(until_closed(&mut events), CloseReason::RemoteClosed);
        assert_eq!(wait_closed(&alice), CloseReason::RemoteClosed);
    }
}

fn input_after_fatal_input_is_discarded_for_a_second(driver: Driver) {
    let (mut remote, near) = sockets();
    let (alice, mut events) = driver.inbound(config(), near);
    let began = Instant::now();
    remote.write_all(&fatal_opening(64)).unwrap();
    let reason = until_closed(&mut events);
    assert!(is_fatal(&reason), "{reason}");
    assert!(poll_once(&mut alice.closed()).is_pending(), "the remote has time to end the stream");
    assert!(is_answer_to_a_version(&read_to_end(&mut remote)));
    assert_eq!(wait_closed(&alice), reason);
    let elapsed = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&elapsed), "{elapsed:?}");
}

fn closing_ends_lingering_after_fatal_input(driver: Driver) {
    let (mut remote, near) = sockets();
    let (alice, mut events) = driver.inbound(config(), near);
    remote.write_all(&fatal_opening(64)).unwrap();
    let reason = until_closed(&mut events);
    let began = Instant::now();
    alice.close();
    assert_eq!(wait_closed(&alice), reason);
    assert!(began.elapsed() < Duration::from_millis(900));
}

fn buffered_bytes_are_flushed_after_the_end_of_the_remote(driver: Driver) {
    let (mut remote, near) = Setup { buffers_writes: true, ..Setup::default() }.link();
    remote.write_all(&encode(version())).unwrap();
    remote.end();
    let (alice, _events) = driver.inbound(config(), near);
    assert_eq!(wait_closed(&alice), CloseReason::RemoteClosed);
    assert!(is_answer_to_a_version(&read_to_end(&mut remote)));
}

/// The remote reads no bytes, and the last try ends after a second.
fn a_blocked_last_try_is_abandoned(driver: Driver) {
    abandons_a_last_try(driver, Setup::default());
}

fn a_blocked_last_try_without_a_timeout_is_abandoned(driver: Driver) {
    let plan = |call| match call {
        Call::SetTimeout => Act::Fail(io::ErrorKind::Unsupported),
        _ => Act::Go,
    };
    abandons_a_last_try(driver, Setup::planned(plan));
}

fn abandons_a_last_try(driver: Driver, setup: Setup) {
    let (mut remote, near) = Setup { capacity: 64 * 1024, ..setup }.link();
    let mut alice = driver.inbound(config(), near);
    establish(&mut remote, &mut alice.1);
    let ids: Vec<_> = (0..3).map(|_| alice.0.send(blob()).unwrap()).collect();
    remote.wait_until_full();
    let began = Instant::now();
    remote.end();
    let outcome = outcome(&mut alice, &ids);
    assert_eq!((outcome.reason, outcome.not_sent), (CloseReason::RemoteClosed, ids));
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
