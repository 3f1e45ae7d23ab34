//! Calls that drivers make on their streams.

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use excc_peer::adapter::{self, Events, Handle};
use excc_peer::wire::Message;
use excc_peer::{CloseReason, Direction, Event};

use crate::harness::*;
use crate::link::{Act, Call, Counts, End, Setup};

over_both! {
    many_frames_are_one_write,
    buffered_bytes_are_flushed,
    buffered_bytes_are_flushed_at_the_end,
    a_read_that_panics_ends_the_peer,
    a_write_that_panics_ends_the_peer,
    a_flush_that_panics_ends_the_peer,
    a_stream_may_panic_when_it_is_closed,
    a_close_releases_everything,
    a_shutdown_releases_everything,
    a_disconnecting_remote_releases_everything,
    an_idle_peer_makes_no_calls,
}
#[cfg(target_os = "linux")]
over_both!(a_peer_closes_its_only_descriptor_at_the_end);

/// Returns a remote, the call counts of the peer's stream, and the peer after its handshake.
fn after_the_handshake(driver: Driver) -> (End, Arc<Counts>, Handle, Events) {
    let (mut remote, near) = Setup::default().link();
    let counts = near.counts.clone();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    remote.wait_until_read();
    wait_for("the handshake to be sent", || alice.stats().queued_frames == 0);
    (remote, counts, alice, events)
}

fn many_frames_are_one_write(driver: Driver) {
    const FRAMES: usize = 20;
    let (remote, counts, alice, mut events) = after_the_handshake(driver);
    let before = counts.writes.load(Relaxed);
    alice.with(|peer, now| {
        for _ in 0..FRAMES {
            peer.send(now, Message::GetAddr).unwrap();
        }
    });
    for _ in 0..FRAMES {
        until(&mut events, |event| matches!(event, Event::Sent(_)).then_some(()));
    }
    assert_eq!(counts.writes.load(Relaxed) - before, 1);
    assert!(remote.take().ends_with(&encode(Message::GetAddr).repeat(FRAMES)));
}

fn buffered_bytes_are_flushed(driver: Driver) {
    let buffering = || Setup { buffers_writes: true, ..Setup::default() };
    let (mut remote, near) = buffering().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.send(Message::GetAddr).unwrap();
    let mut received = Vec::new();
    wait_for("all messages", || {
        received.extend(remote.take());
        received.ends_with(&encode(Message::GetAddr))
    });
    assert_eq!(messages(&received).len(), 3);
}

fn buffered_bytes_are_flushed_at_the_end(driver: Driver) {
    // The flush after the last message is tried more than once.
    let flushes = AtomicUsize::new(0);
    let plan = move |call| match call {
        Call::Flush => match flushes.fetch_add(1, Relaxed) % 4 {
            0 | 1 => Act::Fail(io::ErrorKind::Interrupted),
            2 => Act::Fail(io::ErrorKind::WouldBlock),
            _ => Act::Go,
        },
        _ => Act::Go,
    };
    let (mut remote, near) = Setup { buffers_writes: true, ..Setup::planned(plan) }.link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.with(|peer, now| {
        peer.send(now, Message::GetAddr).unwrap();
        peer.shutdown(now, PATIENCE);
    });
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    assert_eq!(messages(&read_to_end(&mut remote)).pop(), Some(Message::GetAddr));
    remote.end();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// The stream panics after the handshake, in calls of one kind and in calls that end it.
fn ends_by_a_panic(driver: Driver, kind: Call) {
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = is_armed.clone();
    let plan = move |call| {
        let panics = call == kind || matches!(call, Call::SetTimeout | Call::Shutdown | Call::Drop);
        if panics && armed.load(Relaxed) { Act::Panic } else { Act::Go }
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let liveness = near.liveness();
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    is_armed.store(true, Relaxed);
    let waiting = peer.0.clone();
    let waiting = thread::spawn(move || wait_closed(&waiting));
    let ids: Vec<_> = std::iter::from_fn(|| peer.0.send(Message::GetAddr).ok()).take(3).collect();
    // This may fail, as the peer may have ended.
    remote.write_all(&encode(Message::GetAddr)).ok();
    // Ends a blocked read, because the call that would end it panics.
    remote.end();
    let reason = outcome(&mut peer, &ids).reason;
    assert!(matches!(reason, CloseReason::ConnectionLost | CloseReason::RemoteClosed), "{reason}");
    assert_eq!(waiting.join().unwrap(), reason);
    assert_eq!(liveness.strong_count(), 0, "the stream is dropped");
}

fn a_read_that_panics_ends_the_peer(driver: Driver) {
    ends_by_a_panic(driver, Call::Read);
}

fn a_write_that_panics_ends_the_peer(driver: Driver) {
    ends_by_a_panic(driver, Call::Write);
}

fn a_flush_that_panics_ends_the_peer(driver: Driver) {
    ends_by_a_panic(driver, Call::Flush);
}

/// A stream that panics when it is shut down or dropped.
fn a_stream_may_panic_when_it_is_closed(driver: Driver) {
    let plan = |call| match call {
        Call::Shutdown | Call::Drop => Act::Panic,
        _ => Act::Go,
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let liveness = near.liveness();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    alice.close();
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    remote.end();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    assert_eq!(liveness.strong_count(), 0, "the stream is dropped");
}

/// A stream may panic because an earlier panic poisoned its lock.
#[test]
fn a_poisoned_stream_ends_only_its_peer() {
    struct Poisoned(Mutex<End>);

    impl adapter::threads::Stream for Poisoned {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            let _end = self.0.lock().unwrap();
            std::panic::resume_unwind(Box::new("as planned"));
        }

        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            adapter::threads::Stream::write(&*self.0.lock().unwrap(), bytes)
        }

        fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
            self.0.lock().unwrap().set_write_timeout(timeout)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            self.0.lock().unwrap().shutdown(how)
        }
    }

    impl Drop for Poisoned {
        fn drop(&mut self) {
            drop(self.0.lock().unwrap());
        }
    }

    let (_remote, near) = Setup::default().link();
    let config = Arc::new(config().build().unwrap());
    let stream = Poisoned(Mutex::new(near));
    let mut peer = start_std(Direction::Outbound, config, stream).unwrap();
    assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
    assert!(peer.0.io_error().is_some());
}

/// After the end, no thread uses the stream and the stream is dropped. The handle and the events
/// still exist.
fn releases_everything(driver: Driver, end: impl FnOnce(&Peer, End) -> CloseReason) {
    let (mut remote, near) = Setup::default().link();
    let (liveness, token) = (near.liveness(), near.thread_token.clone());
    let mut peer = driver.inbound(config(), near);
    establish(&mut remote, &mut peer.1);
    wait_for("the handshake to be sent", || peer.0.stats().queued_frames == 0);
    let reason = end(&peer, remote);
    assert_eq!(wait_closed(&peer.0), reason);
    wait_for("the stream to be dropped", || liveness.strong_count() == 0);
    if driver.is_std() {
        wait_for("the threads to end", || Arc::strong_count(&token) == 1);
    }
}

fn a_close_releases_everything(driver: Driver) {
    releases_everything(driver, |peer, _remote| {
        peer.0.close();
        CloseReason::Local
    });
}

fn a_shutdown_releases_everything(driver: Driver) {
    releases_everything(driver, |peer, remote| {
        peer.0.shutdown(PATIENCE);
        remote.end();
        wait_closed(&peer.0)
    });
}

fn a_disconnecting_remote_releases_everything(driver: Driver) {
    releases_everything(driver, |_, remote| {
        drop(remote);
        CloseReason::RemoteClosed
    });
}

fn an_idle_peer_makes_no_calls(driver: Driver) {
    let (_remote, counts, _alice, _events) = after_the_handshake(driver);
    // The last flush may follow the handshake.
    thread::sleep(Duration::from_millis(100));
    let before = counts.all();
    thread::sleep(Duration::from_secs(1));
    assert!(counts.all() - before <= 2, "{} calls", counts.all() - before);
}

/// Counts the descriptors of this process that refer to one socket.
#[cfg(target_os = "linux")]
fn descriptors_of(socket: &std::path::Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target == socket).count()
}

/// 1,024 descriptors are enough for 1,000 peers.
#[cfg(target_os = "linux")]
fn a_peer_closes_its_only_descriptor_at_the_end(driver: Driver) {
    use std::os::fd::AsRawFd;

    let (mut remote, near) = sockets();
    let socket = std::fs::read_link(format!("/proc/self/fd/{}", near.as_raw_fd())).unwrap();
    assert_eq!(descriptors_of(&socket), 1);
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    assert_eq!(descriptors_of(&socket), 1);
    alice.close();
    wait_closed(&alice);
    assert_eq!(descriptors_of(&socket), 0, "while the handle and the events exist");
    drop((alice, events));
}
