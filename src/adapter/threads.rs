//! A peer over a blocking stream, with threads.
//!
//! Two threads drive a peer: one reads, the other writes and keeps the time. Both sleep while
//! there is nothing to do.
//!
//! [`connect`] and [`accept`] call `set_nodelay(true)`. A TCP stream that you pass to [`outbound`]
//! or [`inbound`] needs it as well, or round trips take
//! [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use excc_peer::adapter::threads as adapter;
//! use excc_peer::{Config, Event, Network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::builder(Network::EXCC_MAINNET).build()?;
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let patience = Duration::from_secs(30);
//! let (peer, events) = adapter::connect(config, "127.0.0.1:9666", patience, &mut rng)?;
//! for event in events {
//!     match event {
//!         Event::Established(_) => _ = peer.ping(),
//!         Event::RoundTrip { time, .. } => {
//!             println!("{time:?}");
//!             peer.shutdown(Duration::from_secs(5));
//!         }
//!         _ => {}
//!     }
//! }
//! peer.wait_closed();
//! # Ok(())
//! # }
//! ```

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Buf;
use rand_core::CryptoRng;

use super::guard::Guarded;
use super::shared::{Driver, DriverGuard, Shared, State, WRITE_PARTS, wait};
use super::{Events, Handle};
use crate::peer::{Config, FrameBatch, PeerState};
use crate::time::{Instant, UnixTime};
use crate::wire::InputBuffer;

/// Bytes of one read whose result is discarded.
const DISCARD_SIZE: usize = 4 * 1024;

/// How long a write may block. Zero would mean no timeout, and the thread must notice deadlines
/// that are set while it writes.
const MIN_PATIENCE: Duration = Duration::from_millis(1);
const MAX_PATIENCE: Duration = Duration::from_millis(250);

/// The longest pause after a call that returned without having blocked or done anything.
const MAX_PAUSE: Duration = Duration::from_millis(64);

/// A blocking stream that two threads use at once: a socket, or a type of yours around one.
///
/// One thread reads and the other writes, each through `&self`. A stream whose methods need
/// `&mut self` can be kept behind one lock for each direction. One lock for both directions
/// would block writes for as long as a read blocks.
///
/// The stream is dropped when the peer has ended, even if handles to the peer are kept.
pub trait Stream: Send + Sync + 'static {
    /// Reads bytes as [`io::Read::read`] does, and blocks until there are some. Returns 0 at the
    /// end of the stream.
    ///
    /// # Errors
    ///
    /// The peer ends with [`ConnectionLost`](crate::CloseReason::ConnectionLost), unless the kind
    /// is `Interrupted` or `WouldBlock`, or `TimedOut` without a code of the operating system.
    /// After these the call is repeated.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes bytes as [`io::Write::write`] does, and blocks until some were taken or for the
    /// time of [`set_write_timeout`](Self::set_write_timeout).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). Returning 0 ends the peer as well.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes bytes of several slices as [`io::Write::write_vectored`] does. By default it
    /// writes from the first slice that is not empty.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.write(first.map_or(&[], |slice| slice))
    }

    /// Sends buffered bytes as [`io::Write::flush`] does. By default it does nothing.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Limits the time for which a write may block. If this fails, the peer's deadlines are
    /// late while a write blocks.
    ///
    /// # Errors
    ///
    /// Errors are ignored.
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Ends the stream in one direction or both. Reads and writes that block in that direction
    /// must return.
    ///
    /// # Errors
    ///
    /// Errors are ignored.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

macro_rules! socket_stream {
    ($socket:ty) => {
        impl Stream for $socket {
            fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                io::Read::read(&mut { self }, buffer)
            }

            fn write(&self, bytes: &[u8]) -> io::Result<usize> {
                io::Write::write(&mut { self }, bytes)
            }

            fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                io::Write::write_vectored(&mut { self }, slices)
            }

            fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(timeout))
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.shutdown(how)
            }
        }
    };
}

socket_stream!(TcpStream);
#[cfg(unix)]
socket_stream!(std::os::unix::net::UnixStream);

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

/// Drives a peer for a connection that we opened, as [`PeerState::outbound`] describes.
///
/// Call `set_nodelay(true)` on a TCP stream before, or its round trips take
/// [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns an error if a thread cannot be started.
pub fn outbound<S: Stream, R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    stream: S,
    remote: SocketAddr,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    spawn(PeerState::outbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

/// Drives a peer for a connection that the remote opened, as [`PeerState::inbound`] describes.
///
/// Call `set_nodelay(true)` on a TCP stream before, or its round trips take
/// [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
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
    spawn(PeerState::inbound(config, remote, Instant::ZERO, UnixTime::now(), rng), stream)
}

fn spawn<S: Stream>(peer: PeerState, stream: S) -> io::Result<(Handle, Events)> {
    let stream = Arc::new(Guarded::new(stream));
    let threads = Threads {
        output: Condvar::new(),
        input: Condvar::new(),
        epoch: std::time::Instant::now(),
        is_writing: AtomicBool::new(false),
        stream: Mutex::new(Some(stream.clone())),
    };
    let shared = Shared::new(peer, threads);
    // If a thread cannot be started, these close the peer and end the other thread.
    let events = Events::new(shared.clone());
    let [read_guard, write_guard] = [(); 2].map(|()| DriverGuard::new(&shared));
    let read_stream = stream.clone();
    start(read_guard, "peer-read", move |shared| read(shared, &read_stream))?;
    start(write_guard, "peer-write", move |shared| drive(shared, &stream))?;
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

struct Threads<S> {
    /// Wakes the writing thread: there may be output, a nearer deadline, or the end.
    output: Condvar,
    /// Wakes the reading thread: there may be room for input, or the end.
    input: Condvar,
    epoch: std::time::Instant,
    /// Whether the writing thread is in a call of the stream.
    is_writing: AtomicBool,
    /// Ends calls that block. Taken when the peer ends, because handles keep this struct alive
    /// and must not keep the stream open.
    stream: Mutex<Option<Arc<Guarded<S>>>>,
}

impl<S: Stream> Driver for Threads<S> {
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn wake_writer(&self) {
        self.output.notify_one();
    }

    fn wake_reader(&self) {
        self.input.notify_one();
    }

    fn abort(&self) {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = stream {
            // A stream that has ended already is as good.
            let _ = stream.call(|stream| stream.shutdown(Shutdown::Both));
        }
    }
}

/// Lets the input buffer read from a stream.
struct Reader<'a, S>(&'a Guarded<S>);

impl<S: Stream> io::Read for Reader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.call(|stream| stream.read(buffer))
    }
}

/// The reading thread: takes input while the peer has room for it.
fn read<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut buffer = InputBuffer::new();
    let mut pause = Pause::default();
    let mut has_ended = false;
    while wait_for_room(shared, &mut buffer) {
        pause.begin();
        let read = buffer.read_from(&mut Reader(stream));
        let mut state = shared.lock();
        let now = shared.driver.now();
        match read {
            Ok(0) => {
                has_ended = true;
                if shared.driver.is_writing.load(Relaxed) {
                    // A reset ends both calls, but may be the error of the write only.
                    state.watch.reads = false;
                    state = wait(&shared.driver.input, state, Some(MAX_PATIENCE));
                    state.watch.reads = true;
                }
                state.peer.handle_eof(now);
            }
            Ok(_) => {
                pause.reset();
                state.handle_input(now, &mut buffer);
            }
            Err(error) if is_transient(&error) => {
                state = pause.wait(&shared.driver.input, state, &error);
            }
            Err(error) => state.lose_connection(now, error),
        }
        shared.unlock_and_wake(state);
    }
    drop(buffer);
    if !has_ended {
        discard_input(shared, stream);
    }
    wait_for_last_try(shared);
}

/// Reads until the remote ends the stream. Input that is left unread when a socket is closed
/// would reset the connection, and the remote might lose what we sent before.
fn discard_input<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut chunk = vec![0; DISCARD_SIZE];
    let mut pause = Pause::default();
    while shared.lock().lingers_until(shared.driver.now()).is_some() {
        pause.begin();
        match stream.call(|stream| stream.read(&mut chunk)) {
            Ok(0) => return,
            Ok(_) => pause.reset(),
            Err(error) if is_transient(&error) => {
                drop(pause.wait(&shared.driver.input, shared.lock(), &error));
            }
            Err(_) => return,
        }
    }
}

/// Waits until the writing thread has tried to send what was queued before the remote ended the
/// conversation. Ends the stream if it is late: its write may block and have no timeout.
fn wait_for_last_try<S: Stream>(shared: &Shared<Threads<S>>) {
    let mut state = shared.lock();
    while !state.is_ended()
        && let now = shared.driver.now()
        && let Some(until) = state.lingers_until(now)
    {
        state = wait(&shared.driver.input, state, Some(until - now));
    }
    let is_late = !state.is_ended();
    drop(state);
    if is_late {
        shared.driver.abort();
    }
}

/// Waits until the peer wants more input, and hands it what it held back before. Returns
/// whether the peer is open.
fn wait_for_room<S: Stream>(shared: &Shared<Threads<S>>, buffer: &mut InputBuffer) -> bool {
    let mut state = shared.lock();
    loop {
        if state.is_closed() {
            return false;
        }
        if state.peer.can_resume() {
            state.handle_input(shared.driver.now(), buffer);
            shared.unlock_and_wake(state);
            state = shared.lock();
        } else if state.peer.wants_read() {
            return true;
        } else {
            state.watch.reads = false;
            state = wait(&shared.driver.input, state, None);
            state.watch.reads = true;
        }
    }
}

/// The writing thread: writes what there is, and calls the peer in time.
fn drive<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let output = &shared.driver.output;
    let mut pause = Pause::default();
    let mut outgoing = FrameBatch::default();
    let mut is_flushed = true;
    let mut state = shared.lock();
    loop {
        let now = shared.driver.now();
        if state.peer.poll_timeout().is_some_and(|at| at <= now) {
            // The reading thread may not have had its turn after a suspension. The peer judges
            // the remote in two steps because of that.
            state.peer.handle_timeout(now);
            shared.unlock_and_wake(state);
            state = shared.lock();
            continue;
        }
        state.lend(now, &mut outgoing);
        if state.is_ended() {
            break;
        }
        let deadline = state.peer.poll_timeout();
        let patience = deadline.map(|at| at - now);
        if !outgoing.has_remaining() && is_flushed {
            state.watch.writes = false;
            state.watch.until = deadline.unwrap_or(Instant::MAX);
            state = wait(output, state, patience);
            state.watch.writes = true;
            state.watch.until = Instant::ZERO;
            continue;
        }
        drop(state);
        let patience = patience.unwrap_or(MAX_PATIENCE).clamp(MIN_PATIENCE, MAX_PATIENCE);
        let _ = stream.call(|stream| stream.set_write_timeout(patience));
        pause.begin();
        // Bytes count as sent when the write begins, so that round trips include it.
        let at = shared.driver.now();
        shared.driver.is_writing.store(true, Relaxed);
        let written = write(stream, &outgoing);

        state = shared.lock();
        shared.driver.is_writing.store(false, Relaxed);
        match written {
            Ok(len) => {
                pause.reset();
                is_flushed = len == 0;
                state.note_written(at, len, &mut outgoing);
            }
            Err(error) if is_transient(&error) => {
                state = pause.wait(output, state, &error);
                continue;
            }
            Err(error) => state.lose_connection(shared.driver.now(), error),
        }
        shared.unlock_and_wake(state);
        state = shared.lock();
    }
    let lingers = state.lingers_until(shared.driver.now()).is_some();
    shared.unlock_and_wake(state);
    if lingers {
        linger(shared, stream, is_flushed);
    }
}

/// Writes some of what there is and returns how much, or flushes what was written before.
fn write(stream: &Guarded<impl Stream>, outgoing: &FrameBatch) -> io::Result<usize> {
    if !outgoing.has_remaining() {
        return stream.call(Stream::flush).map(|()| 0);
    }
    let mut parts = [IoSlice::new(&[]); WRITE_PARTS];
    let used = outgoing.chunks_vectored(&mut parts);
    match stream.call(|stream| stream.write_vectored(&parts[..used]))? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// Ends the stream in our direction, and gives the remote the time to end it in its own.
fn linger<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>, mut is_flushed: bool) {
    let mut pause = Pause::default();
    let mut state = shared.lock();
    while !is_flushed
        && let now = shared.driver.now()
        && let Some(until) = state.lingers_until(now)
    {
        drop(state);
        let patience = (until - now).clamp(MIN_PATIENCE, MAX_PATIENCE);
        let _ = stream.call(|stream| stream.set_write_timeout(patience));
        pause.begin();
        let flushed = stream.call(Stream::flush);
        state = shared.lock();
        match flushed {
            Err(error) if is_transient(&error) => {
                state = pause.wait(&shared.driver.output, state, &error);
            }
            // Of what cannot be flushed nobody is told any more.
            _ => is_flushed = true,
        }
    }
    drop(state);
    let _ = stream.call(|stream| stream.shutdown(Shutdown::Write));
    let mut state = shared.lock();
    while state.running > 1
        && let now = shared.driver.now()
        && let Some(until) = state.lingers_until(now)
    {
        state = wait(&shared.driver.output, state, Some(until - now));
    }
    drop(state);
    shared.driver.abort();
}

/// Whether the call may simply be made again.
fn is_transient(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => true,
        // Where a call that takes too long is told as `WouldBlock`, the system says this of a
        // connection that broke.
        io::ErrorKind::TimedOut => cfg!(windows) || error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Keeps a thread from spinning over a stream that does not block.
#[derive(Default)]
struct Pause {
    length: Duration,
    began: Option<std::time::Instant>,
}

impl Pause {
    /// A call begins that should block.
    fn begin(&mut self) {
        self.began = Some(std::time::Instant::now());
    }

    /// A call did something.
    fn reset(&mut self) {
        self.length = Duration::ZERO;
    }

    /// Waits if a call gave up that has not blocked, and longer each time.
    fn wait<'a>(
        &mut self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        error: &io::Error,
    ) -> MutexGuard<'a, State> {
        let has_blocked = self.began.is_none_or(|began| began.elapsed() >= MIN_PATIENCE);
        let has_ended = state.is_ended() && state.linger_until().is_none();
        if has_blocked || error.kind() == io::ErrorKind::Interrupted || has_ended {
            return state;
        }
        self.length = (2 * self.length).clamp(MIN_PATIENCE, MAX_PAUSE);
        wait(condition, state, Some(self.length))
    }
}
