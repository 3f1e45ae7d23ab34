//! A peer as a task of tokio, over any stream that reads and writes.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use excc_peer::adapter::tokio as adapter;
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
//! The runtime must have its time driver, and for [`connect`] and [`accept`] that of IO, as
//! `enable_all` and `#[tokio::main]` see to it. If it is shut down, so are its peers.

use alloc::sync::Arc;
use alloc::vec;
use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use rand_core::CryptoRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::Notify;
use tokio::{select, time};

use super::shared::{
    Driver, DriverGuard, DriverWatch, Shared, WRITE_FRAMES, WRITE_PARTS, unix_time,
};
use super::{Events, Handle};
use crate::peer::{Config, Outgoing, PeerState};
use crate::time::Instant;

/// Bytes read at once: more where more come, so that peers at rest hold little.
const MIN_READ: usize = 4 * 1024;
const MAX_READ: usize = 64 * 1024;

/// The longest sleep without a look at the clock, which cannot count for ever.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens a connection and drives a peer for it.
///
/// Of a name with several addresses they are tried in turn; that and looking it up must be
/// done within `timeout`. The handshake then has a
/// [time of its own](crate::ConfigBuilder::handshake_timeout). Dropping the future before it
/// is ready gives the connection up.
///
/// # Errors
///
/// That no connection was made, or no peer, as [`outbound`].
pub async fn connect<R: CryptoRng + ?Sized>(
    config: impl Into<Arc<Config>>,
    address: impl ToSocketAddrs,
    timeout: Duration,
    rng: &mut R,
) -> io::Result<(Handle, Events)> {
    let stream = time::timeout(timeout, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let remote = stream.peer_addr()?;
    outbound(config, stream, remote, rng)
}

/// Waits for the next connection and drives a peer for it. No connection is lost if the future
/// is dropped before it is ready.
///
/// # Errors
///
/// That no connection was accepted, or no peer was made, as [`inbound`]. The listener can be
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

/// Drives a peer for a connection that we opened, as
/// [`PeerState::outbound`] describes it, by a task of the runtime that it is called in.
///
/// # Errors
///
/// That it is not called in a runtime.
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
    spawn(PeerState::outbound(config, remote, Instant::ZERO, unix_time(), rng), stream)
}

/// Drives a peer for a connection that the remote opened, as
/// [`PeerState::inbound`] describes it, by a task of the runtime that it is called in.
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
    spawn(PeerState::inbound(config, remote, Instant::ZERO, unix_time(), rng), stream)
}

fn spawn<S>(peer: PeerState, stream: S) -> io::Result<(Handle, Events)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
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
    /// When to wake up for a deadline: not too late, but perhaps too early.
    fn wake_up(&self, deadline: Instant) -> time::Instant {
        let latest = self.now() + MAX_SLEEP;
        self.epoch + (deadline.min(latest) - Instant::ZERO)
    }
}

/// What to wait for next.
struct Wait {
    outgoing: Outgoing,
    wants_read: bool,
    deadline: Option<Instant>,
}

/// What was waited for.
enum Waited {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    /// The time has come, or the application has done something.
    Woken,
}

async fn drive<S: AsyncRead + AsyncWrite>(shared: &Shared<Task>, stream: S) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = BytesMut::new();
    let mut read_size = MIN_READ;
    let mut is_flushed = true;
    let mut sleep = core::pin::pin!(time::sleep(MAX_SLEEP));
    while let Some(Wait { outgoing, wants_read, deadline }) = prepare(shared, &mut buffer) {
        if let Some(deadline) = deadline
            && let wake_up = shared.driver.wake_up(deadline)
            && sleep.deadline() != wake_up
        {
            sleep.as_mut().reset(wake_up);
        }
        if wants_read {
            buffer.reserve(read_size);
        }
        let wants_write = outgoing.has_remaining() || !is_flushed;
        let waited = select! {
            read = reader.read_buf(&mut buffer), if wants_read => Waited::Read(read),
            wrote = write(&mut writer, &outgoing), if wants_write => Waited::Wrote(wrote),
            () = &mut sleep, if deadline.is_some() => Waited::Woken,
            () = shared.driver.changed.notified() => Waited::Woken,
        };

        let mut state = shared.lock();
        let now = shared.driver.now();
        match waited {
            Waited::Read(Ok(0)) => state.peer.handle_eof(now),
            Waited::Read(Ok(read)) => {
                let size = if read >= read_size { read_size * 2 } else { read_size / 2 };
                read_size = size.clamp(MIN_READ, MAX_READ);
                // An error is told as the event that closes the peer.
                let _ = state.peer.handle_input(now, &mut buffer);
            }
            Waited::Wrote(Ok(written)) => {
                is_flushed = written == 0;
                state.peer.transmit(now).advance(written);
            }
            Waited::Read(Err(error)) | Waited::Wrote(Err(error)) => {
                if !is_interrupted(&error) {
                    state.lose_connection(now, error);
                }
            }
            Waited::Woken => {}
        }
        shared.unlock_and_wake_application(state);
    }
    linger(shared, reader, writer).await;
}

/// Writes some of what there is and returns how much, or flushes what was written before. May
/// be dropped before it is ready: then nothing was written.
async fn write(writer: &mut (impl AsyncWrite + Unpin), outgoing: &Outgoing) -> io::Result<usize> {
    if !outgoing.has_remaining() {
        return writer.flush().await.map(|()| 0);
    }
    let mut parts = [IoSlice::new(&[]); WRITE_PARTS];
    let used = outgoing.chunks_vectored(&mut parts);
    match writer.write_vectored(&parts[..used]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// Whether the call may simply be made again.
fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Calls the peer in time and hands it the input that it held back before. Returns nothing
/// once the peer is closed.
fn prepare(shared: &Shared<Task>, buffer: &mut BytesMut) -> Option<Wait> {
    let mut state = shared.lock();
    let now = shared.driver.now();
    state.peer.handle_timeout(now);
    while state.peer.can_resume() {
        let _ = state.peer.handle_input(now, buffer);
        state.pass_over_events();
    }
    let wait = (!state.is_closed()).then(|| Wait {
        outgoing: state.peer.transmit(now).share(WRITE_FRAMES),
        wants_read: state.peer.wants_read(),
        deadline: state.peer.poll_timeout(),
    });
    if let Some(Wait { outgoing, wants_read, deadline }) = &wait {
        state.watch = DriverWatch {
            reads: *wants_read,
            writes: outgoing.has_remaining(),
            until: deadline.unwrap_or(Instant::MAX),
        };
    }
    shared.unlock_and_wake_application(state);
    wait
}

/// After a shutdown: ends the stream in our direction, and passes over what the remote still
/// sends until it ends it in its own.
async fn linger<S: AsyncRead + AsyncWrite>(
    shared: &Shared<Task>,
    mut reader: ReadHalf<S>,
    mut writer: WriteHalf<S>,
) {
    let ending = async {
        while let Err(error) = writer.shutdown().await
            && is_interrupted(&error)
        {}
        let mut chunk = vec![0; MIN_READ];
        loop {
            match reader.read(&mut chunk).await {
                Ok(read) if read > 0 => {}
                Err(error) if is_interrupted(&error) => {}
                _ => return,
            }
        }
    };
    let mut ending = core::pin::pin!(ending);
    loop {
        let Some(until) = shared.lock().lingers_until(shared.driver.now()) else { return };
        select! {
            () = &mut ending => return,
            () = time::sleep_until(shared.driver.wake_up(until)) => {}
            () = shared.driver.changed.notified() => {}
        }
    }
}
