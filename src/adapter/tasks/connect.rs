//! TCP connections.

use alloc::sync::Arc;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;

use rand_core::CryptoRng;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use tokio::task::JoinSet;
use tokio::{select, time};

use super::start::{inbound, outbound};
use crate::adapter::events::Events;
use crate::adapter::handle::Handle;
use crate::peer::Config;

/// The recommended "Connection Attempt Delay" (RFC 8305, section 5).
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Opens a TCP connection and drives a peer over it.
///
/// If a name has several addresses, the next attempt begins when one fails, and after 250 ms at
/// the latest. Attempts run side by side, as in RFC 8305. The first connection is used, and the
/// other attempts are dropped. So an address that does not answer costs 250 ms.
///
/// The lookup of the name counts towards `timeout`. The handshake has
/// [its own timeout](crate::ConfigBuilder::handshake_timeout). Dropping the future cancels all
/// attempts.
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
pub async fn connect<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    address: impl ToSocketAddrs,
    timeout: Duration,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let connecting = async { race(lookup_host(address).await?).await };
    let stream = time::timeout(timeout, connecting).await??;
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    outbound(config, stream, remote, rng)
}

/// Connects to the address that answers first.
async fn race(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.fuse();
    let mut error = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    let mut attempts = JoinSet::new();
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        select! {
            biased;
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(failure))) => error = failure,
                Some(Err(failure)) => error = failure.into(),
                None => return Err(error),
            },
            () = time::sleep(CONNECTION_ATTEMPT_DELAY), if !is_last => {}
        }
    }
}

/// Accepts the next TCP connection and drives a peer over it. Dropping the future before it is
/// ready loses no connection.
///
/// # Errors
///
/// Returns the error of the listener if no connection was accepted, and the errors of
/// [`inbound`]. The listener remains usable.
pub async fn accept<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    listener: &TcpListener,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let (stream, remote) = listener.accept().await?;
    stream.set_nodelay(true)?;
    inbound(config, stream, remote, rng)
}
