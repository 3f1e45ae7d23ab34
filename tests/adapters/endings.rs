//! How peers end: what arrives, what is told, and when.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{Decoder, Message, Ping};
use excc_peer::{CloseReason, Event, SendErrorKind};
use socket2::SockRef;

use crate::harness::*;
use crate::link::{End, Setup};

over_both! {
    what_is_queued_arrives_though_input_lies_unread,
    a_remote_that_never_reads_ends_a_shutdown_at_its_deadline,
    a_remote_that_never_closes_ends_lingering_at_its_deadline,
    a_remote_that_closes_ends_lingering,
    both_sides_may_shut_down,
    closing_cuts_lingering,
    closing_does_not_wait_for_a_write_that_blocks,
    closing_tells_what_lay_in_a_full_queue,
    events_dropped_after_a_shutdown_let_it_finish,
    a_shutdown_that_nobody_watches_reads_on,
    a_shutdown_that_nobody_watches_any_more_reads_on,
    the_end_is_not_told_before_the_events_before_it,
}

const SOON: Duration = Duration::from_millis(300);

fn small_buffers(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
}

/// A remote whose stream has ended in one direction would lose what is on its way to it if
/// the socket were closed over its own pings, which nobody reads any more.
fn what_is_queued_arrives_though_input_lies_unread(driver: Driver) {
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
            let (mut buffer, mut blobs) = (BytesMut::new(), 0);
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
            assert!(buffer.is_empty(), "a part of a frame is left");
            assert_eq!(blobs, BLOBS);
            has_read_all.store(true, SeqCst);
            pinging.join().unwrap();
            is_gone.store(true, SeqCst);
        });
        let outcome = outcome(&mut peer, &ids);
        assert!(is_gone.load(SeqCst), "the end waits for the remote's");
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
    assert!(began.elapsed() >= SOON, "the remote has its time");
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

fn closing_cuts_lingering(driver: Driver) {
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

fn closing_does_not_wait_for_a_write_that_blocks(driver: Driver) {
    let (mut remote, near) = Setup { room: 64 * 1024, ..Setup::default() }.link();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    let ids = fill_queue(&peer.0, &blob());
    remote.wait_until_full();
    peer.0.close();
    let outcome = outcome(&mut peer, &ids);
    assert_eq!(outcome.reason, CloseReason::Local);
    assert_eq!(outcome.not_sent, ids);
}

fn closing_tells_what_lay_in_a_full_queue(driver: Driver) {
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
    assert_eq!(read.len(), 5, "version, verack, and all that was queued");
    assert!(read[2..].iter().all(|message| *message == blob()));
    assert!(poll_once(&mut alice.closed()).is_pending());
    drop(remote);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// A remote that reads nothing, and a peer that has more to tell it than there is room for.
fn unread(driver: Driver) -> (End, Handle, Events) {
    let (mut remote, near) = Setup { room: 256 * 1024, ..Setup::default() }.link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.send(blob()).unwrap();
    remote.wait_until_full();
    (remote, alice, events)
}

/// Reads nothing before all of its own is read.
fn reads_when_read(mut remote: End, alice: &Handle) {
    remote.wait_until_read();
    assert_eq!(messages(&read_to_end(&mut remote)).pop(), Some(blob()));
    drop(remote);
    assert_eq!(wait_closed(alice), CloseReason::Local);
}

/// More messages come than may wait as events.
fn a_shutdown_that_nobody_watches_reads_on(driver: Driver) {
    let (mut remote, alice, events) = unread(driver);
    alice.shutdown(100 * PATIENCE);
    drop(events);
    let flood = encode(Message::GetAddr).repeat(50_000);
    remote.write_all(&flood).unwrap();
    reads_when_read(remote, &alice);
}

/// The same when the events already keep the driver from reading.
fn a_shutdown_that_nobody_watches_any_more_reads_on(driver: Driver) {
    let (mut remote, alice, events) = unread(driver);
    remote.write_all(&encode(Message::GetAddr).repeat(10_000)).unwrap();
    while alice.with(|peer, _| peer.wants_read()) {
        thread::yield_now();
    }
    alice.shutdown(100 * PATIENCE);
    drop(events);
    reads_when_read(remote, &alice);
}

fn the_end_is_not_told_before_the_events_before_it(driver: Driver) {
    const MESSAGES: usize = 10;
    let (mut remote, near): (End, _) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    remote.write_all(&opening()).unwrap();
    remote.write_all(&encode(Message::GetAddr).repeat(MESSAGES)).unwrap();
    remote.end();
    assert_eq!(wait_closed(&alice), CloseReason::RemoteClosed);
    let told: Vec<_> = events.by_ref().collect();
    let messages = told.iter().filter(|event| matches!(event, Event::Message(_)));
    assert_eq!(messages.count(), MESSAGES);
    assert_eq!(told.last(), Some(&Event::Closed(CloseReason::RemoteClosed)));
    assert_eq!(events.try_recv(), None);
    assert_eq!(events.recv_timeout(PATIENCE), None, "without waiting");
    assert_eq!(block_on(events.recv()), None);
    let error = alice.send(Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Closed(CloseReason::RemoteClosed));
}
