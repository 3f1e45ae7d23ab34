//! TCP connections.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use rand_core::CryptoRng;

use super::start::{inbound, outbound};
use crate::adapter::events::Events;
use crate::adapter::handle::Handle;
use crate::peer::Config;

/// Opens a TCP connection and drives a peer over it.
///
/// The addresses of a name are tried one after the other. Each attempt may take an equal part of
/// the remaining time, so that an address that does not answer leaves time for the others. With two
/// addresses, the second has at least half of `timeout`.
///
/// The lookup of the name does not count towards `timeout`. The handshake has
/// [its own timeout](crate::ConfigBuilder::handshake_timeout).
///
/// # Errors
///
/// Returns
///
/// - the error of the lookup, or [`InvalidInput`](io::ErrorKind::InvalidInput) if the name has no
///   address
/// - the error of the last attempt if none succeeded
/// - [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`
/// - the errors of [`outbound`]
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
    let mut error = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
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

/// Accepts the next TCP connection and drives a peer over it.
///
/// # Errors
///
/// Returns the error of the listener if no connection was accepted, and the errors of
/// [`inbound`]. The listener remains usable.
pub fn accept<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    listener: &TcpListener,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let (stream, remote) = listener.accept()?;
    // On some systems the socket inherits the mode of the listener.
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    inbound(config, stream, remote, rng)
}
