//! The std adapter over real sockets and over a stream of our own.
#![cfg(feature = "std")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use excc_peer::adapter::std::{self as adapter, Stream};
use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{
    Command, EncodedMessage, ErrorKind, InvVect, List, Message, Ping, TrailingBytes, Version,
};
use excc_peer::{
    Announced, CloseReason, Config, ConfigBuilder, Event, Hash, Network, Relay, SendErrorKind,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const NETWORK: Network = Network::EXCC_REGNET;
const PATIENCE: Duration = Duration::from_secs(20);

fn builder() -> ConfigBuilder {
    Config::builder(NETWORK)
}

fn config() -> Config {
    builder().build().unwrap()
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// The two ends of a loopback connection.
fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for socket in [&near, &far] {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (near, far)
}

fn inbound<S: Stream>(config: impl Into<Arc<Config>>, stream: S) -> (Handle, Events) {
    let remote = SocketAddr::from(([127, 0, 0, 1], 1));
    adapter::inbound(config, stream, remote, &mut rng(1)).unwrap()
}

fn outbound<S: Stream>(config: impl Into<Arc<Config>>, stream: S) -> (Handle, Events) {
    let remote = SocketAddr::from(([127, 0, 0, 1], 2));
    adapter::outbound(config, stream, remote, &mut rng(2)).unwrap()
}

#[track_caller]
fn until<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("an event in time");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

#[track_caller]
fn until_established(events: &mut Events) {
    until(events, |event| matches!(event, Event::Established(_)).then_some(()));
}

#[track_caller]
fn until_closed(events: &mut Events) -> CloseReason {
    let reason = until(events, |event| match event {
        Event::Closed(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(events.recv_blocking(), None, "nothing comes after the end");
    reason
}

fn encode(message: impl Into<Message>) -> Vec<u8> {
    EncodedMessage::new(&NETWORK, 8, &message.into()).unwrap().to_bytes().to_vec()
}

/// The opening of a remote that is played by hand.
fn opening() -> Vec<u8> {
    let version = Version { protocol_version: 8, nonce: 99, ..Version::default() };
    [encode(version), encode(Message::VerAck)].concat()
}

#[test]
fn two_peers_talk_in_both_directions_at_once() {
    let (near, far) = sockets();
    let (alice, mut alice_events) = inbound(config(), far);
    let (bob, mut bob_events) = outbound(config(), near);
    until_established(&mut alice_events);
    until_established(&mut bob_events);

    // Far more than the sockets hold, so that each must read while it writes.
    let blob = List::from(vec![InvVect::tx(Hash::ZERO); 50_000]);
    let count = 8;
    for _ in 0..count {
        alice.send(Message::GetData(blob.clone())).unwrap();
        bob.send(Message::GetData(blob.clone())).unwrap();
    }
    let take_all = |events: &mut Events| {
        let (mut came, mut left) = (0, 0);
        while came < count || left < count {
            match events.recv_timeout(PATIENCE).expect("an event in time") {
                Event::Message(Message::GetData(list)) => {
                    assert_eq!(list, blob);
                    came += 1;
                }
                Event::Sent(_) => left += 1,
                _ => {}
            }
        }
    };
    // Side by side: events of the one that are not taken would hold back the other.
    thread::scope(|scope| {
        scope.spawn(|| take_all(&mut alice_events));
        scope.spawn(|| take_all(&mut bob_events));
    });

    bob.ping().unwrap();
    until(&mut bob_events, |event| matches!(event, Event::RoundTrip { .. }).then_some(()));
    assert!(bob.stats().round_trip.is_some());

    alice.close();
    assert_eq!(alice.wait_closed(), CloseReason::Local);
    assert_eq!(until_closed(&mut alice_events), CloseReason::Local);
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
    let error = bob.send(Message::GetAddr).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Closed(CloseReason::RemoteClosed));
    assert_eq!(error.message, Message::GetAddr);
}

#[test]
fn announcements_trickle_without_being_asked_for() {
    let (near, far) = sockets();
    let (alice, mut alice_events) = inbound(config(), far);
    let (_bob, mut bob_events) = outbound(config(), near);
    until_established(&mut alice_events);
    let vector = InvVect::tx(Hash::from_bytes([7; 32]));
    assert_eq!(alice.announce(vector, Relay::Trickle), Announced::Queued);
    let inv = until(&mut bob_events, |event| match event {
        Event::Message(Message::Inv(list)) => Some(list),
        _ => None,
    });
    assert_eq!(inv, List::from([vector]));
}

#[test]
fn garbage_is_a_violation() {
    let (mut near, far) = sockets();
    let (alice, mut events) = inbound(config(), far);
    near.write_all(&[0xa5; 64]).unwrap();
    let reason = until_closed(&mut events);
    assert!(reason.is_violation());
    assert!(matches!(&reason, CloseReason::Decode(error)
        if matches!(error.kind(), ErrorKind::PayloadTooLarge(_))));
    assert_eq!(alice.wait_closed(), reason);
    assert_eq!(near.read(&mut [0; 8]).unwrap_or_default(), 0, "the socket is closed");
}

#[test]
fn a_half_closed_socket_is_the_end() {
    let (mut near, far) = sockets();
    let (alice, mut events) = inbound(config(), far);
    near.write_all(&opening()).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(until_closed(&mut events), CloseReason::RemoteClosed);
    assert!(!alice.wait_closed().is_violation());
}

#[test]
fn a_socket_that_is_half_closed_inside_a_frame_is_a_truncation() {
    let (mut near, far) = sockets();
    let (_alice, mut events) = inbound(config(), far);
    near.write_all(&opening()[..100]).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let CloseReason::Decode(error) = until_closed(&mut events) else { panic!("another reason") };
    assert_eq!(error.command(), Some(Command::Version));
    assert!(matches!(error.kind(), ErrorKind::Truncated { .. }));
}

#[test]
fn a_remote_that_never_reads_is_found_out_though_writes_block() {
    let (mut near, far) = sockets();
    let timeout = Some(Duration::from_millis(200));
    let (alice, mut events) = inbound(builder().write_timeout(timeout).build().unwrap(), far);
    near.write_all(&opening()).unwrap();
    until_established(&mut events);
    let blob = Message::GetData(List::from(vec![InvVect::tx(Hash::ZERO); 50_000]));
    let mut queued = 0;
    let full = loop {
        match alice.send(blob.clone()) {
            Ok(_) => queued += 1,
            Err(error) => break error.kind,
        }
    };
    assert!(matches!(full, SendErrorKind::QueueFull { .. }));

    let (mut sent, mut not_sent) = (0, 0);
    let reason = until(&mut events, |event| {
        match event {
            Event::Sent(_) => sent += 1,
            Event::NotSent(_) => not_sent += 1,
            Event::Closed(reason) => return Some(reason),
            _ => {}
        }
        None
    });
    assert_eq!(reason, CloseReason::WriteStall);
    assert_eq!(alice.wait_closed(), CloseReason::WriteStall);
    assert_eq!(sent + not_sent, queued, "what was queued is accounted for");
    assert!(not_sent > 0, "{sent} of {queued} sent");
}

#[test]
fn events_that_are_not_taken_hold_the_remote_back_and_lose_nothing() {
    const PINGS: u64 = 50_000;
    let (mut near, far) = sockets();
    let (alice, mut events) = inbound(config(), far);
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
        Event::Message(Message::Ping(ping)) => {
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

#[test]
fn dropped_events_close_the_peer() {
    let (near, far) = sockets();
    let (alice, events) = inbound(config(), far);
    let (_bob, mut bob_events) = outbound(config(), near);
    until_established(&mut bob_events);
    drop(events);
    assert_eq!(alice.wait_closed(), CloseReason::Local);
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
}

#[test]
fn dropped_handles_change_nothing() {
    let (near, far) = sockets();
    let (alice, mut alice_events) = inbound(config(), far);
    let (bob, mut bob_events) = outbound(config(), near);
    drop(alice);
    until_established(&mut bob_events);
    bob.ping().unwrap();
    until(&mut alice_events, |event| matches!(event, Event::Message(_)).then_some(()));
}

#[test]
fn a_handshake_that_does_not_come_ends_in_time() {
    let (_near, far) = sockets();
    let timeout = Duration::from_millis(50);
    let (alice, mut events) = inbound(builder().handshake_timeout(timeout).build().unwrap(), far);
    assert_eq!(until_closed(&mut events), CloseReason::HandshakeTimeout);
    assert_eq!(alice.wait_closed(), CloseReason::HandshakeTimeout);
}

#[test]
fn a_refused_version_is_not_answered() {
    let (mut near, far) = sockets();
    let (alice, mut events) = inbound(builder().review_version(true).build().unwrap(), far);
    near.write_all(&opening()).unwrap();
    until(&mut events, |event| matches!(event, Event::VersionReceived(_)).then_some(()));
    alice.with(|peer, _| peer.refuse_version());
    assert_eq!(alice.wait_closed(), CloseReason::VersionRefused);
    assert_eq!(near.read(&mut [0; 8]).unwrap_or_default(), 0, "nothing was sent");
}

/// A stream that moves one byte at a time, and is interrupted before each.
struct Dribble {
    socket: TcpStream,
    interrupted: bool,
}

impl Dribble {
    fn new(socket: TcpStream) -> Self {
        Self { socket, interrupted: false }
    }

    fn pause(&mut self) -> io::Result<()> {
        self.interrupted = !self.interrupted;
        if self.interrupted { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pause()?;
        self.socket.read(&mut buffer[..1])
    }
}

impl Write for Dribble {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pause()?;
        self.socket.write(&bytes[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Dribble {
    fn try_clone(&self) -> io::Result<Self> {
        self.socket.try_clone().map(Self::new)
    }

    fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

#[test]
fn a_stream_that_moves_one_byte_at_a_time_will_do() {
    let (near, far) = sockets();
    let (alice, mut alice_events) = inbound(config(), Dribble::new(far));
    let strict = builder().trailing_bytes(TrailingBytes::Reject).build().unwrap();
    let (bob, mut bob_events) = outbound(strict, Dribble::new(near));
    until_established(&mut alice_events);
    until_established(&mut bob_events);
    bob.ping().unwrap();
    until(&mut bob_events, |event| matches!(event, Event::RoundTrip { .. }).then_some(()));
    alice.close();
    assert_eq!(until_closed(&mut bob_events), CloseReason::RemoteClosed);
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_streams_too() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let (_alice, mut alice_events) = inbound(config(), far);
    let (bob, mut bob_events) = outbound(config(), near);
    until_established(&mut alice_events);
    until_established(&mut bob_events);
    bob.close();
    assert_eq!(until_closed(&mut alice_events), CloseReason::RemoteClosed);
}
