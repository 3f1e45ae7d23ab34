//! Round trips, and deadlines after a suspension.

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use excc_peer::Event;
use excc_peer::adapter::{self, Events};
use excc_peer::wire::{Message, Pong};

use crate::harness::*;
use crate::link::{Act, Call, End, Setup};

over_both!(round_trips_include_the_time_of_the_write);
#[cfg(target_os = "linux")]
over_both!(a_suspended_process_keeps_its_peers);

const WRITE: Duration = Duration::from_millis(50);

fn round_trip(events: &mut Events) -> Duration {
    until(events, |event| match event {
        Event::RoundTrip { time, .. } => Some(time),
        _ => None,
    })
}

/// Answers a `ping` as soon as it arrives.
fn answer(remote: &mut End, nonce: u64) {
    wait_for("the ping", || !remote.take().is_empty());
    remote.write_all(&encode(Message::Pong(Pong { nonce }))).unwrap();
}

fn round_trips_include_the_time_of_the_write(driver: Driver) {
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = is_slow.clone();
    let plan = move |call| {
        if call == Call::Write && slow.load(Relaxed) {
            thread::sleep(WRITE);
        }
        Act::Go
    };
    let (mut remote, near) = Setup::planned(plan).link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    wait_for("the handshake to be sent", || alice.stats().queued_frames == 0);
    remote.take();
    is_slow.store(true, Relaxed);
    let nonce = alice.ping().unwrap();
    answer(&mut remote, nonce);
    let time = round_trip(&mut events);
    assert!(time >= WRITE, "{time:?}");
    assert_eq!(alice.stats().round_trip, Some(time));
}

/// The remote answers before the write returns.
#[test]
fn a_round_trip_that_is_shorter_than_the_write_is_not_zero() {
    struct SlowReturn(End, AtomicBool);

    impl adapter::threads::Stream for SlowReturn {
        fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }

        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            let written = self.0.write(bytes)?;
            // The write after the handshake.
            if self.1.load(Relaxed) {
                thread::sleep(20 * WRITE);
            }
            Ok(written)
        }

        fn flush(&self) -> io::Result<()> {
            self.1.store(true, Relaxed);
            Ok(())
        }

        fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            self.0.shutdown(how)
        }
    }

    let (mut remote, near) = Setup::default().link();
    let config = Arc::new(config().build().unwrap());
    let stream = SlowReturn(near, AtomicBool::new(false));
    let (alice, mut events) = start_std(excc_peer::Direction::Inbound, config, stream).unwrap();
    establish(&mut remote, &mut events);
    wait_for("the handshake to be sent", || alice.stats().queued_frames == 0);
    remote.take();
    // The flush after the handshake.
    thread::sleep(WRITE);
    let nonce = alice.ping().unwrap();
    answer(&mut remote, nonce);
    let time = round_trip(&mut events);
    assert!(time > Duration::ZERO && time < 10 * WRITE, "{time:?}");
}

/// The remote pings every 100 ms, and the pings wait in the socket.
#[cfg(target_os = "linux")]
fn a_suspended_process_keeps_its_peers(driver: Driver) {
    suspension::parent_or_child(driver);
}

/// A child process is stopped for longer than the idle timeout.
#[cfg(target_os = "linux")]
mod suspension {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use excc_peer::wire::Ping;
    use excc_peer::{CloseReason, Direction};

    use super::*;
    use crate::child::{self, Process};

    const IDLE: Duration = Duration::from_secs(1);
    const STOPPED: Duration = Duration::from_secs(3);

    pub(super) fn parent_or_child(driver: Driver) {
        match child::argument() {
            Some(address) => child(driver, &address),
            None => parent(driver),
        }
    }

    fn child(driver: Driver, address: &str) {
        let stream = TcpStream::connect(address).unwrap();
        let config = config().idle_timeout(Some(IDLE)).build().unwrap();
        let (_peer, events) = stream.start(driver, Direction::Outbound, config.into()).unwrap();
        let Some(Event::Closed(reason)) = events.last() else {
            panic!("the last event is not `Closed`")
        };
        assert_eq!(reason, CloseReason::RemoteClosed);
    }

    fn parent(driver: Driver) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let test = "timing::a_suspended_process_keeps_its_peers";
        let mut child = Process::start(test, driver, &address);
        let (mut remote, _) = listener.accept().unwrap();
        remote.write_all(&opening()).unwrap();
        let mut pongs = remote.try_clone().unwrap();
        let drain = thread::spawn(move || {
            let mut bytes = Vec::new();
            pongs.read_to_end(&mut bytes).ok();
            bytes.len()
        });
        ping_for(&mut remote, Duration::from_millis(300));
        child.signal("STOP");
        ping_for(&mut remote, STOPPED);
        child.signal("CONT");
        ping_for(&mut remote, IDLE);
        remote.shutdown(Shutdown::Write).unwrap();
        assert!(drain.join().unwrap() > 0);
        assert!(child.wait().success(), "another reason than expected");
    }

    fn ping_for(remote: &mut TcpStream, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            // Fails once the peer is closed.
            remote.write_all(&encode(Message::Ping(Ping { nonce: 1 }))).ok();
            thread::sleep(Duration::from_millis(100));
        }
    }
}

#[cfg(feature = "tokio")]
mod blocked {
    use excc_peer::wire::Ping;
    use excc_peer::{CloseReason, Direction};
    use tokio::runtime::Builder;
    use tokio::time;

    use super::*;

    /// A task blocks the only thread repeatedly, for longer than the idle timeout. The remote
    /// pings every 100 ms.
    #[test]
    fn a_blocked_runtime_keeps_its_peers() {
        let (mut remote, near) = sockets();
        remote.write_all(&opening()).unwrap();
        let mut pings = remote.try_clone().unwrap();
        let pinging = thread::spawn(move || {
            let ping = encode(Message::Ping(Ping { nonce: 1 }));
            while pings.write_all(&ping).is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = config().idle_timeout(Some(Duration::from_secs(1))).build().unwrap();
            near.set_nonblocking(true).unwrap();
            let near = tokio::net::TcpStream::from_std(near).unwrap();
            let (alice, mut events) =
                start_tokio(Direction::Inbound, Arc::new(config), near).unwrap();
            let taking = tokio::spawn(async move {
                let mut pings = 0;
                while let Some(event) = events.recv().await {
                    pings += usize::from(matches!(event, Event::Message { .. }));
                }
                pings
            });
            time::sleep(Duration::from_millis(300)).await;
            for _ in 0..2 {
                // The command wakes the driver, which runs before the runtime polls its sockets.
                alice.ping().unwrap();
                thread::sleep(Duration::from_secs(2));
                tokio::task::yield_now().await;
                thread::sleep(Duration::from_millis(200));
                time::sleep(Duration::from_millis(200)).await;
                assert_eq!(alice.close_reason(), None);
            }
            alice.close();
            assert_eq!(alice.closed().await, CloseReason::Local);
            assert!(taking.await.unwrap() >= 20);
        });
        drop(remote);
        pinging.join().unwrap();
    }
}
