//! TCP connections.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use rand_core::CryptoRng;

use super::start::{inbound, outbound};
use crate::adapter::{Events, Handle};
use crate::peer::Config;

/// Opens a connection and drives a peer for it.
///
/// If a name has several addresses, they are tried one after the other. Each may take an equal
/// part of the time that remains of `timeout`, so that one that does not answer leaves time for
/// the others: of two addresses, the second has at least half of `timeout`. Looking the name up
/// is not part of `timeout`. The handshake then has a
/// [timeout of its own](crate::ConfigBuilder::handshake_timeout).
///
/// # Errors
///
/// Returns the last error if no connection was made, `TimedOut` after `timeout`, and errors as
/// [`outbound`].
pub fn connect<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    address: impl ToSocketAddrs,
    timeout: Duration,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let addresses: Vec<_> = address.to_socket_addrs()?.collect();
    let (stream, remote) = connect_to_any(&addresses, timeout)?;
    stream.set_nodelay(true)?;
    outbound(config, stream, remote, rng)
}

fn connect_to_any(
    addresses: &[SocketAddr],
    timeout: Duration,
) -> io::Result<(TcpStream, SocketAddr)> {
    let started = std::time::Instant::now();
    let mut error = io::Error::new(io::ErrorKind::InvalidInput, "a name without addresses");
    for (remaining_addresses, &address) in (1..=addresses.len() as u32).rev().zip(addresses) {
        let part = timeout.saturating_sub(started.elapsed()) / remaining_addresses;
        if part.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, part) {
            Ok(stream) => return Ok((stream, address)),
            Err(failure) => error = failure,
        }
    }
    Err(error)
}

/// Waits for the next connection and drives a peer for it.
///
/// # Errors
///
/// Returns an error if no connection was accepted, and errors as [`inbound`]. The listener can be
/// used again.
pub fn accept<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    listener: &TcpListener,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let (stream, remote) = listener.accept()?;
    // Some systems hand the listener's mode on to the socket.
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    inbound(config, stream, remote, rng)
}
