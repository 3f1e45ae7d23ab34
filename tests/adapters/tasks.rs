//! Tests of the tokio driver only.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use excc_peer::adapter::{Events, tasks as adapter};
use excc_peer::wire::{Message, Ping};
use excc_peer::{CloseReason, Direction, Event};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time;

use crate::common::{GRACE, rng};
use crate::harness::*;
use crate::link::Setup;

const REMOTE: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

fn inbound(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Peer {
    start_tokio(Direction::Inbound, Arc::new(config().build().unwrap()), stream).unwrap()
}

fn pinging(direction: Direction, stream: tokio::io::DuplexStream) -> Peer {
    let config = config().ping_interval(Some(PING_INTERVAL)).build().unwrap();
    start_tokio(direction, Arc::new(config), stream).unwrap()
}

const PING_INTERVAL: Duration = Duration::from_secs(90);

fn outbound(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Peer {
    start_tokio(Direction::Outbound, Arc::new(config().build().unwrap()), stream).unwrap()
}

fn a_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn established(events: &mut Events) {
    let waiting =
        async { while events.recv().await.expect("not closed") != Event::VerAckReceived {} };
    time::timeout(PATIENCE, waiting).await.expect("established in time");
}

#[test]
fn starting_a_peer_outside_of_a_runtime_fails() {
    let (_far, near) = Setup::default().link();
    let error = adapter::outbound(config().build().unwrap(), near, REMOTE, &mut rng(2));
    assert!(error.is_err());
    let (_far, near) = Setup::default().link();
    let error = adapter::inbound(config().build().unwrap(), near, REMOTE, &mut rng(2));
    assert!(error.is_err());
}

#[test]
fn dropping_a_runtime_ends_its_peers() {
    let runtime = a_runtime();
    let ((mut remote, near), (_far, idle)) = (Setup::default().link(), Setup::default().link());
    let liveness = near.liveness();
    let (mut peer, idle) = {
        let _context = runtime.enter();
        (inbound(near), inbound(idle))
    };
    establish(&mut remote, &mut peer.1);
    let waiting = idle.0.clone();
    let waiting = std::thread::spawn(move || wait_closed(&waiting));
    drop(runtime);
    assert_eq!(waiting.join().unwrap(), CloseReason::ConnectionLost);
    assert_eq!(outcome(&mut peer, &[]).reason, CloseReason::ConnectionLost);
    assert!(peer.0.io_error().is_some());
    assert_eq!(liveness.strong_count(), 0);
    // Commands have no effect after the end.
    peer.0.shutdown(PATIENCE);
    assert!(peer.0.ping().is_err());
}

#[test]
fn dropping_a_runtime_ends_a_shutdown() {
    let runtime = a_runtime();
    let (mut remote, near) = Setup { capacity: 1024, ..Setup::default() }.link();
    let mut peer = {
        let _context = runtime.enter();
        inbound(near)
    };
    establish(&mut remote, &mut peer.1);
    let ids = [peer.0.send(blob()).unwrap()];
    peer.0.shutdown(100 * PATIENCE);
    runtime.shutdown_background();
    let outcome = outcome(&mut peer, &ids);
    assert_eq!((outcome.reason, &outcome.not_sent[..]), (CloseReason::ConnectionLost, &ids[..]));
}

#[test]
fn the_task_ends_with_its_peer() {
    let runtime = a_runtime();
    for round in 0..4 {
        let (mut remote, near) = Setup::default().link();
        let (alice, mut events) = {
            let _context = runtime.enter();
            inbound(near)
        };
        establish(&mut remote, &mut events);
        assert_eq!(runtime.metrics().num_alive_tasks(), 1);
        match round {
            0 => alice.close(),
            1 => alice.shutdown(Duration::from_millis(50)),
            2 => drop(remote),
            _ => drop(events),
        }
        wait_closed(&alice);
        wait_for("the task to end", || runtime.metrics().num_alive_tasks() == 0);
    }
}

#[tokio::test]
async fn pipes_in_memory_are_streams_too() {
    let (near, far) = tokio::io::duplex(64);
    let (alice, mut alice_events) = inbound(near);
    let (bob, mut bob_events) = outbound(far);
    established(&mut alice_events).await;
    established(&mut bob_events).await;
    bob.shutdown(PATIENCE);
    assert_eq!(bob.closed().await, CloseReason::Local);
    assert_eq!(alice.closed().await, CloseReason::RemoteClosed);
}

#[test]
fn buffered_sockets_are_flushed() {
    let (mut remote, near) = sockets();
    near.set_nonblocking(true).unwrap();
    let (alice, mut events) = {
        let _context = runtime().enter();
        inbound(BufStream::new(tokio::net::TcpStream::from_std(near).unwrap()))
    };
    establish(&mut remote, &mut events);
    alice.send(Message::GetAddr).unwrap();
    let mut handshake = vec![0; crate::faults::handshake_len()];
    remote.read_exact(&mut handshake).unwrap();
    let mut message = encode(Message::GetAddr);
    remote.read_exact(&mut message).unwrap();
    assert_eq!(message, encode(Message::GetAddr));
    alice.with(|peer, now| {
        peer.send(now, Message::MemPool).unwrap();
        peer.shutdown(now, PATIENCE);
    });
    assert_eq!(read_to_end(&mut remote), encode(Message::MemPool));
    drop(remote);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// The timer of the `select!` drops the future that waits for an event.
#[tokio::test]
async fn a_select_loop_loses_no_event() {
    const PINGS: u64 = 1_000;
    let (near, mut far) = tokio::io::duplex(4096);
    let (_alice, mut events) = inbound(near);
    let remote = tokio::spawn(async move {
        far.write_all(&opening()).await.unwrap();
        let (mut read, mut write) = tokio::io::split(far);
        let flood = async {
            for nonce in 0..PINGS {
                write.write_all(&encode(Message::Ping(Ping { nonce }))).await.unwrap();
            }
            write.shutdown().await.unwrap();
        };
        let mut pongs = Vec::new();
        tokio::join!(flood, async { read.read_to_end(&mut pongs).await.ok() });
    });
    let mut ticks = time::interval(Duration::from_micros(50));
    let mut next = 0;
    let taking = async {
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {}
                event = events.recv() => match event {
                    Some(Event::Message { message: Message::Ping(ping), .. }) => {
                        assert_eq!(ping.nonce, next);
                        next += 1;
                    }
                    Some(_) => {}
                    None => break,
                },
            }
        }
    };
    time::timeout(PATIENCE, taking).await.expect("the end in time");
    assert_eq!(next, PINGS);
    remote.await.unwrap();
}

/// Dropping the future that accepts a connection loses no connection.
#[tokio::test]
async fn accepting_may_be_cancelled_at_any_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config().build().unwrap());
    let (_, _bob_events) =
        adapter::connect(config.clone(), address, PATIENCE, &mut rng(2)).await.unwrap();
    let accepting = async {
        loop {
            let mut rng = rng(1);
            let accepted = adapter::accept(config.clone(), &listener, &mut rng);
            if let Ok(accepted) = time::timeout(Duration::ZERO, accepted).await {
                return accepted.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (alice, _events) = time::timeout(PATIENCE, accepting).await.expect("a connection in time");
    assert_eq!(alice.stats().direction, Direction::Inbound);
}

/// A connection with pings only, for twelve hours of virtual time.
#[tokio::test(start_paused = true)]
async fn time_may_be_virtual() {
    let (near, far) = tokio::io::duplex(1024);
    let (alice, mut alice_events) = pinging(Direction::Inbound, near);
    let (bob, mut bob_events) = pinging(Direction::Outbound, far);
    established(&mut alice_events).await;
    established(&mut bob_events).await;
    let count = |mut events: Events| async move {
        let mut round_trips = 0;
        while let Some(event) = events.recv().await {
            match event {
                Event::RoundTrip { time, .. } => {
                    assert!(time < Duration::from_secs(1));
                    round_trips += 1;
                }
                Event::Closed(_) => break,
                Event::Message { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        round_trips
    };
    let counting =
        tokio::spawn(async move { tokio::join!(count(alice_events), count(bob_events)) });
    let hours = Duration::from_secs(12 * 60 * 60);
    time::sleep(hours).await;
    assert_eq!((alice.close_reason(), bob.close_reason()), (None, None));
    alice.shutdown(PATIENCE);
    assert_eq!(alice.closed().await, CloseReason::Local);
    assert_eq!(bob.closed().await, CloseReason::RemoteClosed);
    let (ours, theirs) = counting.await.unwrap();
    let max = (hours.as_secs() / PING_INTERVAL.as_secs()) as i32;
    for round_trips in [ours, theirs] {
        assert!((max - 1..=max).contains(&round_trips), "{round_trips} round trips");
    }
}

/// Returns whether a time is as expected. Timers have a resolution of a millisecond.
fn is_at(expected: Duration, elapsed: Duration) -> bool {
    (expected..expected + Duration::from_millis(5)).contains(&elapsed)
}

/// Under virtual time, deadlines pass exactly when they are due.
#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_under_virtual_time() {
    let (near, mut far) = tokio::io::duplex(4096);
    let (alice, mut events) = inbound(near);
    far.write_all(&opening()).await.unwrap();
    established(&mut events).await;
    let began = time::Instant::now();
    assert_eq!(alice.closed().await, CloseReason::IdleTimeout);
    let idle = Duration::from_secs(120);
    assert!(is_at(idle + GRACE, began.elapsed()));

    let (near, _far) = tokio::io::duplex(4096);
    let began = time::Instant::now();
    let (alice, _events) = inbound(near);
    assert_eq!(alice.closed().await, CloseReason::HandshakeTimeout);
    let handshake = Duration::from_secs(30);
    assert!(is_at(handshake + GRACE, began.elapsed()));
}

/// The deadline is beyond the maximum sleep.
#[tokio::test(start_paused = true)]
async fn a_deadline_may_be_weeks_away() {
    let weeks = Duration::from_secs(4 * 7 * 24 * 60 * 60);
    let (near, mut far) = tokio::io::duplex(4096);
    let patient = config().idle_timeout(Some(weeks)).ping_interval(None).build().unwrap();
    let (alice, mut events) = start_tokio(Direction::Inbound, Arc::new(patient), near).unwrap();
    far.write_all(&opening()).await.unwrap();
    established(&mut events).await;
    let began = time::Instant::now();
    assert_eq!(alice.closed().await, CloseReason::IdleTimeout);
    assert!(is_at(weeks + GRACE, began.elapsed()));
}
