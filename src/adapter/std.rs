//! A peer over a blocking stream, with threads.
//!
//! Two threads drive a peer: one reads, the other writes and keeps the time. The
//! application holds a [`Handle`], which it may clone, and the [`Events`].
//!
//! ```no_run
//! use std::net::TcpStream;
//!
//! use excc_peer::adapter::std as adapter;
//! use excc_peer::{Config, Event, Network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stream = TcpStream::connect("127.0.0.1:9666")?;
//! let remote = stream.peer_addr()?;
//! let config = Config::builder(Network::EXCC_MAINNET).build()?;
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let (peer, events) = adapter::outbound(config, stream, remote, &mut rng)?;
//! for event in events {
//!     match event {
//!         Event::Established(_) => _ = peer.ping(),
//!         Event::RoundTrip { time, .. } => {
//!             println!("{time:?}");
//!             peer.close();
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! - No lock is held while a thread reads or writes, so that the handle's methods do not
//!   wait for the network.
//! - Events that are not taken hold the remote back: the peer's own bounds are the bounds
//!   of the stream of events, and beyond them the socket is not read.
//! - [`Events`] that are dropped close the peer, as nobody would hear it any more. Handles
//!   that are dropped change nothing.
//! - The end is the event [`Closed`](crate::Event::Closed), after all that came before it;
//!   [`Handle::wait_closed`] also waits for the threads.

use std::boxed::Box;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::string::String;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::vec;

use bytes::{Buf, BytesMut};
use rand_core::CryptoRng;

use crate::peer::{
    Announced, CloseReason, Config, Event, PeerState, Relay, SendError, SendErrorKind, SendId,
    Stats,
};
use crate::time::Instant;
use crate::wire::{EncodedMessage, InvVect, Message};

/// Bytes read at once, at most.
const READ_SIZE: usize = 64 * 1024;

/// Frames and parts of frames written at once, at most.
const WRITE_FRAMES: usize = 32;
const WRITE_PARTS: usize = 2 * WRITE_FRAMES;

/// How long a write may block: no timeout at all is what zero would stand for, and a
/// deadline that is set meanwhile must be noticed.
const MIN_PATIENCE: Duration = Duration::from_millis(1);
const MAX_PATIENCE: Duration = Duration::from_secs(1);

/// A blocking stream that two threads can use at once: a socket, or what the caller makes
/// of one.
pub trait Stream: Read + Write + Send + Sync + Sized + 'static {
    /// Another handle to the same stream.
    ///
    /// # Errors
    ///
    /// What keeps it from being made.
    fn try_clone(&self) -> io::Result<Self>;

    /// Limits how long a write may block. A stream that cannot do so keeps the peer's
    /// timers waiting while a write blocks.
    ///
    /// # Errors
    ///
    /// That it cannot be done, which is put up with.
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Ends the stream both ways, so that reads and writes that block return.
    ///
    /// # Errors
    ///
    /// That it has ended already, which is put up with.
    fn shutdown(&self) -> io::Result<()>;
}

macro_rules! socket_stream {
    ($socket:ty) => {
        impl Stream for $socket {
            fn try_clone(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(timeout))
            }

            fn shutdown(&self) -> io::Result<()> {
                self.shutdown(Shutdown::Both)
            }
        }
    };
}

socket_stream!(TcpStream);
#[cfg(unix)]
socket_stream!(std::os::unix::net::UnixStream);

/// Drives a peer for a connection that we opened, as
/// [`PeerState::outbound`] describes it.
///
/// # Errors
///
/// That the stream cannot be cloned or a thread not be started.
pub fn outbound<S: Stream, R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    spawn(PeerState::outbound(config, remote, Instant::ZERO, unix_time(), rng), stream)
}

/// Drives a peer for a connection that the remote opened, as
/// [`PeerState::inbound`] describes it.
///
/// # Errors
///
/// As [`outbound`].
pub fn inbound<S: Stream, R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    spawn(PeerState::inbound(config, remote, Instant::ZERO, unix_time(), rng), stream)
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn spawn<S: Stream>(peer: PeerState, stream: S) -> io::Result<(Handle, Events)> {
    let reading = stream.try_clone()?;
    let ending = stream.try_clone()?;
    let shared = Arc::new(Shared {
        state: Mutex::new(State { peer, running: 0, io_error: None }),
        output: Condvar::new(),
        input: Condvar::new(),
        events: Condvar::new(),
        epoch: std::time::Instant::now(),
        shutdown: Box::new(move || {
            // A stream that has ended already is as good.
            let _ = ending.shutdown();
        }),
    });
    // Whatever fails from here on, the peer is closed and the threads end.
    let events = Events { shared: shared.clone() };
    Shared::start(&shared, "peer-read", move |shared| shared.read(reading))?;
    Shared::start(&shared, "peer-write", move |shared| shared.drive(stream))?;
    Ok((Handle { shared }, events))
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the writing thread: there may be output, a nearer deadline, or the end.
    output: Condvar,
    /// Wakes the reading thread: there may be room for input, or the end.
    input: Condvar,
    /// Wakes those who wait for events or for the end.
    events: Condvar,
    epoch: std::time::Instant,
    shutdown: Box<dyn Fn() + Send + Sync>,
}

struct State {
    peer: PeerState,
    /// Threads that have not ended.
    running: usize,
    io_error: Option<Arc<io::Error>>,
}

impl State {
    fn is_closed(&self) -> bool {
        self.peer.close_reason().is_some()
    }

    fn lose_connection(&mut self, now: Instant, error: io::Error) {
        if !self.is_closed() {
            self.io_error = Some(Arc::new(error));
            self.peer.handle_connection_lost(now);
        }
    }
}

impl Shared {
    fn start(
        shared: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<()> {
        let this = shared.clone();
        shared.lock().running += 1;
        let started = thread::Builder::new().name(String::from(name)).spawn(move || {
            run(&this);
            this.lock().running -= 1;
            this.events.notify_all();
        });
        if started.is_err() {
            shared.lock().running -= 1;
        }
        started.map(drop)
    }

    /// A panic elsewhere leaves a peer that is still sound, as it never panics itself.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match timeout {
            Some(timeout) => {
                let waited = condition.wait_timeout(state, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => condition.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// Wakes whoever may have something to do after the peer changed.
    fn notify(&self, state: &State) {
        self.output.notify_one();
        self.input.notify_one();
        self.events.notify_all();
        if state.is_closed() {
            (self.shutdown)();
        }
    }

    /// The reading thread: takes input as long as the peer has room for it.
    fn read(&self, mut stream: impl Read) {
        let mut chunk = vec![0; READ_SIZE];
        let mut buffer = BytesMut::new();
        while self.wait_for_room(&mut buffer) {
            let read = stream.read(&mut chunk);
            let mut state = self.lock();
            let now = self.now();
            match read {
                Ok(0) => state.peer.handle_eof(now),
                Ok(read) => {
                    buffer.extend_from_slice(&chunk[..read]);
                    // An error is told as the event that closes the peer.
                    let _ = state.peer.handle_input(now, &mut buffer);
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => state.lose_connection(now, error),
            }
            self.notify(&state);
        }
    }

    /// Waits until the peer wants more input, and hands it what it held back before.
    /// Tells whether the peer is still open.
    fn wait_for_room(&self, buffer: &mut BytesMut) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_closed() {
                return false;
            }
            if state.peer.can_resume() {
                let _ = state.peer.handle_input(self.now(), buffer);
                self.notify(&state);
            } else if state.peer.wants_read() {
                return true;
            } else {
                state = Self::wait(&self.input, state, None);
            }
        }
    }

    /// The writing thread: writes what there is, and calls the peer in time.
    fn drive(&self, mut stream: impl Stream) {
        let mut state = self.lock();
        while !state.is_closed() {
            let now = self.now();
            if state.peer.poll_timeout().is_some_and(|at| at <= now) {
                state.peer.handle_timeout(now);
                self.notify(&state);
                continue;
            }
            let frames = state.peer.transmit(now).share(WRITE_FRAMES);
            let patience = state.peer.poll_timeout().map(|at| at - now);
            if !frames.has_remaining() {
                state = Self::wait(&self.output, state, patience);
                continue;
            }
            drop(state);
            let patience = patience.unwrap_or(MAX_PATIENCE).clamp(MIN_PATIENCE, MAX_PATIENCE);
            let _ = stream.set_write_timeout(patience);
            let mut parts = [IoSlice::new(&[]); WRITE_PARTS];
            let used = frames.chunks_vectored(&mut parts);
            let written = stream.write_vectored(&parts[..used]);

            state = self.lock();
            let now = self.now();
            match written {
                Ok(0) => state.lose_connection(now, io::ErrorKind::WriteZero.into()),
                Ok(written) => state.peer.transmit(now).advance(written),
                Err(error) if is_transient(&error) => continue,
                Err(error) => state.lose_connection(now, error),
            }
            self.notify(&state);
        }
        self.notify(&state);
    }
}

/// Whether the call may simply be made again.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// A handle to a peer that threads drive. Clones are handles to the same peer.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// As [`PeerState::send`].
    ///
    /// # Errors
    ///
    /// Why the message was not queued, with the message.
    pub fn send(&self, message: impl Into<Message>) -> Result<SendId, SendError<Message>> {
        self.with(|peer, _| peer.send(message))
    }

    /// As [`PeerState::send_encoded`].
    ///
    /// # Errors
    ///
    /// Why the message was not queued, with the message.
    pub fn send_encoded(
        &self,
        message: EncodedMessage,
    ) -> Result<SendId, SendError<EncodedMessage>> {
        self.with(|peer, _| peer.send_encoded(message))
    }

    /// As [`PeerState::announce`].
    pub fn announce(&self, vector: InvVect, relay: Relay) -> Announced {
        self.with(|peer, now| peer.announce(now, vector, relay))
    }

    /// As [`PeerState::ping`].
    ///
    /// # Errors
    ///
    /// Why none was queued.
    pub fn ping(&self) -> Result<u64, SendErrorKind> {
        self.with(|peer, _| peer.ping())
    }

    /// As [`PeerState::stats`].
    pub fn stats(&self) -> Stats {
        self.shared.lock().peer.stats()
    }

    /// Closes the peer. What is queued is not written any more.
    pub fn close(&self) {
        self.with(|peer, _| peer.close());
    }

    /// Does anything else with the peer, at the time given with it: any command or getter
    /// of [`PeerState`]. Events are left to [`Events`], bytes to the threads. All others
    /// wait while `call` runs; it must not use the handle, which would wait for itself.
    pub fn with<T>(&self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        let result = call(&mut state.peer, now);
        self.shared.notify(&state);
        result
    }

    /// Waits for the end of the peer and of its threads.
    pub fn wait_closed(&self) -> CloseReason {
        let mut state = self.shared.lock();
        loop {
            match state.peer.close_reason() {
                Some(reason) if state.running == 0 => return reason.clone(),
                _ => state = Shared::wait(&self.shared.events, state, None),
            }
        }
    }

    /// What broke the connection, behind [`CloseReason::ConnectionLost`].
    pub fn io_error(&self) -> Option<Arc<io::Error>> {
        self.shared.lock().io_error.clone()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.shared.lock().peer).finish()
    }
}

/// The events of a peer, in order, until [`Event::Closed`]. Dropping them closes the peer.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
}

impl Events {
    /// The next event, once there is one; none after the last.
    pub fn recv(&self) -> Option<Event> {
        self.recv_until(None)
    }

    /// The next event, if there is one in time.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.recv_until(std::time::Instant::now().checked_add(timeout))
    }

    fn recv_until(&self, end: Option<std::time::Instant>) -> Option<Event> {
        let mut state = self.shared.lock();
        loop {
            let was_held = !takes_input(&state.peer);
            if let Some(event) = state.peer.poll_event() {
                if was_held && takes_input(&state.peer) {
                    // The one goes on reading, the other tells the peer when that was.
                    self.shared.input.notify_one();
                    self.shared.output.notify_one();
                }
                return Some(event);
            }
            let left = end.map(|end| end.saturating_duration_since(std::time::Instant::now()));
            if state.is_closed() || left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = Shared::wait(&self.shared.events, state, left);
        }
    }
}

/// Whether the reading thread has something to do.
fn takes_input(peer: &PeerState) -> bool {
    peer.wants_read() || peer.can_resume()
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.peer.close();
        self.shared.notify(&state);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
