//! Starts the task of a peer.

use alloc::sync::Arc;
use std::io;
use std::net::SocketAddr;

use rand_core::CryptoRng;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::drive;
use super::driver::Task;
use super::stream::Stream;
use crate::adapter::driver_guard::DriverGuard;
use crate::adapter::events::Events;
use crate::adapter::handle::Handle;
use crate::adapter::shared::Shared;
use crate::peer::{Config, PeerState};
use crate::time::{Instant, UnixTime};

/// Drives a peer over a connection that we opened, by a task of the current runtime. See
/// [`PeerState::outbound`].
///
/// Call `set_nodelay(true)` on a TCP stream first. Otherwise round trips take
/// [44 ms longer](crate::adapter#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns an error if it is called outside of a runtime.
pub fn outbound<S, R>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    R: CryptoRng + ?Sized,
{
    spawn(PeerState::outbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

/// Drives a peer over a connection that the remote opened, by a task of the current runtime. See
/// [`PeerState::inbound`].
///
/// Call `set_nodelay(true)` on a TCP stream first. Otherwise round trips take
/// [44 ms longer](crate::adapter#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns the errors of [`outbound`].
pub fn inbound<S, R>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    R: CryptoRng + ?Sized,
{
    spawn(PeerState::inbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

fn spawn<S>(peer: PeerState, stream: S) -> io::Result<(Handle, Events)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let stream = Stream::new(stream);
    let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
    let shared = Shared::new(peer, Task::new());
    let guard = DriverGuard::new(&shared);
    runtime.spawn(async move { drive(guard.shared(), stream).await });
    Ok((Handle::new(shared.clone()), Events::new(shared)))
}
