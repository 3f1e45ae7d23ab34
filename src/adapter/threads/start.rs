//! Starts the threads of a peer.

use alloc::string::String;
use alloc::sync::Arc;
use std::net::SocketAddr;
use std::{io, thread};

use rand_core::CryptoRng;

use super::driver::Threads;
use super::stream::Stream;
use super::{reader, writer};
use crate::adapter::driver_guard::DriverGuard;
use crate::adapter::events::Events;
use crate::adapter::handle::Handle;
use crate::adapter::panics::Guarded;
use crate::adapter::shared::Shared;
use crate::peer::{Config, PeerState};
use crate::time::{Instant, UnixTime};

/// Drives a peer over a connection that we opened. See [`PeerState::outbound`].
///
/// Call `set_nodelay(true)` on a TCP stream first. Otherwise round trips take
/// [44 ms longer](crate::adapter#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns the error of the operating system if a thread cannot be started.
pub fn outbound<S: Stream, R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    spawn(PeerState::outbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

/// Drives a peer over a connection that the remote opened. See [`PeerState::inbound`].
///
/// Call `set_nodelay(true)` on a TCP stream first. Otherwise round trips take
/// [44 ms longer](crate::adapter#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns the errors of [`outbound`].
pub fn inbound<S: Stream, R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    spawn(PeerState::inbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

fn spawn<S: Stream>(peer: PeerState, stream: S) -> io::Result<(Handle, Events)> {
    let stream = Arc::new(Guarded::new(stream));
    let shared = Shared::new(peer, Threads::new(stream.clone()));
    // If a thread cannot be started, dropping these closes the peer and ends the other thread.
    let events = Events::new(shared.clone());
    let [read_guard, write_guard] = [(); 2].map(|()| DriverGuard::new(&shared));
    let read_stream = stream.clone();
    start(read_guard, "peer-read", move |shared| reader::run(shared, &read_stream))?;
    start(write_guard, "peer-write", move |shared| writer::run(shared, &stream))?;
    Ok((Handle::new(shared), events))
}

fn start<S: Stream>(
    guard: DriverGuard<Threads<S>>,
    name: &str,
    run: impl FnOnce(&Shared<Threads<S>>) + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name(String::from(name));
    thread.spawn(move || run(guard.shared())).map(drop)
}
