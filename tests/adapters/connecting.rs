//! Opening and accepting connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use excc_peer::{CloseReason, Direction};
use socket2::{Domain, Socket, Type};

use crate::harness::*;

over_both! {
    a_connection_is_opened_and_accepted,
    a_refused_connection_is_an_error,
    the_first_address_that_answers_is_used,
    a_name_without_addresses_is_an_error,
}
#[cfg(target_os = "linux")]
over_both! {
    a_listener_that_does_not_answer_times_out,
    an_address_that_does_not_answer_leaves_time_for_others,
}

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Returns an address without a listener, and the socket that reserves it.
fn deserted() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&LOOPBACK.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

fn a_connection_is_opened_and_accepted(driver: Driver) {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    // The connection is established before it is accepted.
    let (bob, mut bob_events) = driver.connect(&[address], PATIENCE).unwrap();
    let (alice, mut alice_events) = driver.accept(&listener).unwrap();
    until_established(&mut alice_events);
    until_established(&mut bob_events);
    assert_eq!(bob.remote_address(), address);
    assert_eq!(bob.stats().direction, Direction::Outbound);
    assert_eq!(alice.stats().direction, Direction::Inbound);
    assert_ne!(alice.remote_address().port(), 0);
    bob.close();
    assert_eq!(until_closed(&mut alice_events), CloseReason::RemoteClosed);
}

fn a_refused_connection_is_an_error(driver: Driver) {
    let (_socket, address) = deserted();
    let error = driver.connect(&[address], PATIENCE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

fn the_first_address_that_answers_is_used(driver: Driver) {
    let (_socket, deserted) = deserted();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let (bob, mut events) = driver.connect(&[deserted, address, deserted], PATIENCE).unwrap();
    let (_alice, _alice_events) = driver.accept(&listener).unwrap();
    assert_eq!(bob.remote_address(), address);
    until_established(&mut events);
}

fn a_name_without_addresses_is_an_error(driver: Driver) {
    let error = driver.connect(&[], PATIENCE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// Returns an address that never answers, and the sockets that fill the queue of its listener.
#[cfg(target_os = "linux")]
fn black_hole() -> (Vec<Socket>, SocketAddr) {
    let (socket, address) = deserted();
    socket.listen(0).unwrap();
    let mut sockets = vec![socket];
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100))
    {
        sockets.push(stream.into());
    }
    (sockets, address)
}

#[cfg(target_os = "linux")]
fn a_listener_that_does_not_answer_times_out(driver: Driver) {
    let (_sockets, address) = black_hole();
    let error = driver.connect(&[address, address], Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error = driver.connect(&[address], Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[cfg(target_os = "linux")]
fn an_address_that_does_not_answer_leaves_time_for_others(driver: Driver) {
    let (_sockets, black_hole) = black_hole();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let began = Instant::now();
    let timeout = Duration::from_secs(if driver.is_std() { 3 } else { 9 });
    let (bob, mut events) = driver.connect(&[black_hole, black_hole, address], timeout).unwrap();
    assert!(began.elapsed() < timeout, "{:?}", began.elapsed());
    assert_eq!(bob.remote_address(), address);
    let (_alice, _alice_events) = driver.accept(&listener).unwrap();
    until_established(&mut events);
    if !driver.is_std() {
        // Two delays of 250 ms, instead of a third of the timeout for each address.
        let elapsed = began.elapsed();
        assert!((Duration::from_millis(500)..timeout / 3).contains(&elapsed), "{elapsed:?}");
    }
}

/// The accepted socket must block, although the listener does not.
#[test]
fn a_listener_that_does_not_block_can_be_used() {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    listener.set_nonblocking(true).unwrap();
    let error = Driver::Std.accept(&listener).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let address = listener.local_addr().unwrap();
    let (_bob, mut events) = Driver::Std.connect(&[address], PATIENCE).unwrap();
    let mut accepted = None;
    wait_for("a connection", || {
        accepted = Driver::Std.accept(&listener).ok();
        accepted.is_some()
    });
    until_established(&mut events);
}
