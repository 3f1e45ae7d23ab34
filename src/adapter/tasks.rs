//! A peer as a task of tokio, over any stream that is `AsyncRead` and `AsyncWrite`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use excc_peer::adapter::tasks as adapter;
//! use excc_peer::{Config, Event, Network};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::builder(Network::EXCC_MAINNET).build()?;
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let patience = Duration::from_secs(30);
//! let (peer, mut events) =
//!     adapter::connect(config, "127.0.0.1:9666", patience, &mut rng).await?;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Established(_) => _ = peer.ping(),
//!         Event::RoundTrip { time, .. } => {
//!             println!("{time:?}");
//!             peer.shutdown(Duration::from_secs(5));
//!         }
//!         _ => {}
//!     }
//! }
//! peer.closed().await;
//! # Ok(())
//! # }
//! ```
//!
//! The runtime needs the time driver, and the IO driver for [`connect`] and [`accept`]:
//! `enable_all` and `#[tokio::main]` enable both. A runtime that is shut down ends its peers.
//!
//! [`connect`] and [`accept`] call `set_nodelay(true)`. A TCP stream that you pass to [`outbound`]
//! or [`inbound`] needs it as well, or round trips take
//! [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use rand_core::CryptoRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use tokio::select;
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{self, Sleep};

use super::guard::Guarded;
use super::shared::{Driver, DriverGuard, DriverWatch, Shared, WRITE_PARTS};
use super::{Events, Handle};
use crate::peer::{Config, FrameBatch, PeerState};
use crate::time::{Instant, UnixTime};
use crate::wire::InputBuffer;

/// Bytes of one read whose result is discarded.
const DISCARD_SIZE: usize = 4 * 1024;

/// The "Connection Attempt Delay" that RFC 8305 recommends, section 5.
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The longest sleep, as the runtime's clock cannot represent every deadline.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens a connection and drives a peer for it.
///
/// If a name has several addresses, the next one is tried as soon as an attempt fails, or after
/// 250 ms at the latest, beside the attempts that still run (as in RFC 8305). The first
/// connection is taken and the other attempts are dropped. So an address that does not answer
/// costs 250 ms.
///
/// Looking the name up and connecting share `timeout`. The handshake then has a
/// [timeout of its own](crate::ConfigBuilder::handshake_timeout). Dropping the future cancels the
/// attempts.
///
/// # Errors
///
/// Returns the last error if no connection was made, `TimedOut` after `timeout`, and errors as
/// [`outbound`].
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
    let mut error = io::Error::new(io::ErrorKind::InvalidInput, "a name without addresses");
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

/// Waits for the next connection and drives a peer for it. Dropping the future before it is
/// ready loses no connection.
///
/// # Errors
///
/// Returns an error if no connection was accepted, and errors as [`inbound`]. The listener can be
/// used again.
pub async fn accept<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    listener: &TcpListener,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let (stream, remote) = listener.accept().await?;
    stream.set_nodelay(true)?;
    inbound(config, stream, remote, rng)
}

/// Drives a peer for a connection that we opened, as [`PeerState::outbound`] describes, by a
/// task of the current runtime.
///
/// Call `set_nodelay(true)` on a TCP stream before, or its round trips take
/// [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// Returns an error outside of a runtime.
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

/// Drives a peer for a connection that the remote opened, as [`PeerState::inbound`] describes,
/// by a task of the current runtime.
///
/// Call `set_nodelay(true)` on a TCP stream before, or its round trips take
/// [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
///
/// # Errors
///
/// As [`outbound`].
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
    let shared = Shared::new(peer, Task { changed: Notify::new(), epoch: time::Instant::now() });
    let guard = DriverGuard::new(&shared);
    runtime.spawn(async move { drive(guard.shared(), stream).await });
    Ok((Handle::new(shared.clone()), Events::new(shared)))
}

struct Task {
    /// Wakes the task: there may be output, room for input, a nearer deadline, or the end.
    changed: Notify,
    epoch: time::Instant,
}

impl Driver for Task {
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn wake_writer(&self) {
        self.changed.notify_one();
    }

    fn wake_reader(&self) {
        self.changed.notify_one();
    }

    fn abort(&self) {
        self.changed.notify_one();
    }
}

impl Task {
    /// Sets `sleep` to end at a deadline, or earlier if that is too far away.
    fn sleep_until(&self, deadline: Instant, sleep: Pin<&mut Sleep>) {
        let latest = self.now() + MAX_SLEEP;
        let end = self.epoch + (deadline.min(latest) - Instant::ZERO);
        if sleep.deadline() != end {
            sleep.reset(end);
        }
    }
}

/// The application's stream. A method that returned `Pending` need not be called again.
struct Stream<S>(Guarded<Pin<Box<S>>>);

impl<S: AsyncRead + AsyncWrite> Stream<S> {
    fn new(stream: S) -> Self {
        Self(Guarded::new(Box::pin(stream)))
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        self.0.poll(|stream| pin!(stream.read_buf(buffer)).poll(context))
    }

    /// Writes some of `outgoing` and returns how much. Flushes if that is empty, and returns 0.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &FrameBatch,
    ) -> Poll<io::Result<usize>> {
        if !outgoing.has_remaining() {
            let flush = self.0.poll(|stream| stream.as_mut().poll_flush(context));
            return flush.map_ok(|()| 0);
        }
        let mut parts = [IoSlice::new(&[]); WRITE_PARTS];
        let parts_len = outgoing.chunks_vectored(&mut parts);
        let parts = &parts[..parts_len];
        let write = self.0.poll(|stream| stream.as_mut().poll_write_vectored(context, parts));
        match write {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            write => write,
        }
    }

    fn poll_discard(
        &mut self,
        context: &mut Context<'_>,
        chunk: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(|stream| pin!(stream.read(chunk)).poll(context))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll(|stream| stream.as_mut().poll_shutdown(context))
    }
}

/// What to wait for besides the application.
struct Wait {
    wants_read: bool,
    deadline: Option<Instant>,
}

async fn drive<S: AsyncRead + AsyncWrite>(shared: &Shared<Task>, mut stream: Stream<S>) {
    let mut buffer = InputBuffer::new();
    let mut outgoing = FrameBatch::default();
    let mut is_flushed = true;
    let mut has_ended = false;
    let mut sleep = pin!(time::sleep(MAX_SLEEP));
    while let Some(wait) = prepare(shared, &mut buffer, &mut outgoing) {
        let Wait { wants_read, deadline } = wait;
        let mut is_due = deadline.is_some_and(|at| at <= shared.driver.now());
        if is_due {
            // If another task blocked the runtime, it has not looked at its sockets since. The
            // remote must not be judged before that.
            yield_now().await;
        } else {
            // A stream that is always ready must leave other tasks their turn.
            consume_budget().await;
        }
        if let Some(deadline) = deadline {
            shared.driver.sleep_until(deadline, sleep.as_mut());
        }
        let wants_write = outgoing.has_remaining() || !is_flushed;
        let (read, written) = {
            let mut changed = pin!(shared.driver.changed.notified());
            poll_fn(|context| {
                let (mut read, mut written) = (Poll::Pending, Poll::Pending);
                if wants_read {
                    read = stream.poll_read(context, buffer.reserve());
                }
                if wants_write {
                    // Bytes count as sent when the write begins, so that round trips include it.
                    let at = shared.driver.now();
                    let write = stream.poll_write(context, &outgoing);
                    written = write.map_ok(|len| (at, len));
                }
                is_due |= deadline.is_some() && sleep.as_mut().poll(context).is_ready();
                let is_ready = read.is_ready()
                    || written.is_ready()
                    || is_due
                    || changed.as_mut().poll(context).is_ready();
                if is_ready { Poll::Ready((read, written)) } else { Poll::Pending }
            })
            .await
        };

        let mut state = shared.lock();
        let now = shared.driver.now();
        if let Poll::Ready(Ok((at, len))) = written {
            is_flushed = len == 0;
            state.note_written(at, len, &mut outgoing);
        }
        match read {
            Poll::Ready(Ok(0)) => {
                has_ended = true;
                state.peer.handle_eof(now);
            }
            Poll::Ready(Ok(_)) => state.handle_input(now, &mut buffer),
            Poll::Ready(Err(error)) if !is_interrupted(&error) => state.lose_connection(now, error),
            _ => {}
        }
        // After the input that came with it, which may tell why the remote takes no more.
        if let Poll::Ready(Err(error)) = written
            && !is_interrupted(&error)
        {
            state.lose_connection(now, error);
        }
        // After the read, so that the remote is not late because this task is.
        if is_due {
            state.peer.handle_timeout(now);
        }
        shared.unlock_and_wake_application(state);
    }
    drop((buffer, outgoing));
    linger(shared, stream, has_ended, sleep).await;
}

/// Whether the call can be repeated.
fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Hands the peer the input that it held back before, and lends the frames to be written.
/// Returns `None` once the peer has ended.
fn prepare(
    shared: &Shared<Task>,
    buffer: &mut InputBuffer,
    outgoing: &mut FrameBatch,
) -> Option<Wait> {
    let mut state = shared.lock();
    let now = shared.driver.now();
    while state.peer.can_resume() {
        state.handle_input(now, buffer);
        state.discard_events();
    }
    state.lend(now, outgoing);
    let mut wait = None;
    if !state.is_ended() {
        let (wants_read, deadline) = (state.peer.wants_read(), state.peer.poll_timeout());
        state.watch = DriverWatch {
            reads: wants_read,
            writes: outgoing.has_remaining(),
            until: deadline.unwrap_or(Instant::MAX),
        };
        wait = Some(Wait { wants_read, deadline });
    }
    shared.unlock_and_wake_application(state);
    wait
}

/// Ends the stream in our direction, and discards input until the remote ends it in its own.
/// Input that is left unread when a socket is closed would reset the connection, and the remote
/// might lose what we sent before.
async fn linger<S: AsyncRead + AsyncWrite>(
    shared: &Shared<Task>,
    mut stream: Stream<S>,
    mut remote_has_ended: bool,
    mut sleep: Pin<&mut Sleep>,
) {
    let mut has_ended = false;
    let mut chunk = Vec::new();
    while !has_ended || !remote_has_ended {
        let Some(until) = shared.lock().lingers_until(shared.driver.now()) else { return };
        consume_budget().await;
        shared.driver.sleep_until(until, sleep.as_mut());
        chunk.resize(DISCARD_SIZE, 0);
        let mut changed = pin!(shared.driver.changed.notified());
        let (shutdown, read) = poll_fn(|context| {
            let (mut shutdown, mut read) = (Poll::Pending, Poll::Pending);
            if !has_ended {
                shutdown = stream.poll_shutdown(context);
            }
            if !remote_has_ended {
                read = stream.poll_discard(context, &mut chunk);
            }
            let is_ready = shutdown.is_ready()
                || read.is_ready()
                || changed.as_mut().poll(context).is_ready()
                || sleep.as_mut().poll(context).is_ready();
            if is_ready { Poll::Ready((shutdown, read)) } else { Poll::Pending }
        })
        .await;
        if let Poll::Ready(result) = shutdown {
            has_ended = !result.is_err_and(|error| is_interrupted(&error));
        }
        match read {
            Poll::Ready(Ok(0)) => remote_has_ended = true,
            Poll::Ready(Err(error)) if !is_interrupted(&error) => return,
            _ => {}
        }
    }
}
