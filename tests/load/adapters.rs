//! The adapters under test, and a stream that breaks.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use excc_peer::Config;
use excc_peer::adapter::{self, Events, Handle};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

type Driven = io::Result<(Handle, Events)>;

/// The operations of both adapters.
pub(crate) trait Adapter {
    const NAME: &'static str;

    fn inbound(config: Arc<Config>, socket: TcpStream, rng: &mut ChaCha8Rng) -> Driven;

    /// The connection breaks after `cut` bytes were sent.
    fn outbound(
        config: Arc<Config>,
        socket: TcpStream,
        cut: Option<u64>,
        rng: &mut ChaCha8Rng,
    ) -> Driven;
}

pub(crate) struct Std;

impl Adapter for Std {
    const NAME: &'static str = "std";

    fn inbound(config: Arc<Config>, socket: TcpStream, rng: &mut ChaCha8Rng) -> Driven {
        let remote = socket.peer_addr()?;
        adapter::threads::inbound(config, socket, remote, rng)
    }

    fn outbound(
        config: Arc<Config>,
        socket: TcpStream,
        cut: Option<u64>,
        rng: &mut ChaCha8Rng,
    ) -> Driven {
        let remote = socket.peer_addr()?;
        match cut {
            Some(remaining) => {
                adapter::threads::outbound(config, Brittle::new(socket, remaining), remote, rng)
            }
            None => adapter::threads::outbound(config, socket, remote, rng),
        }
    }
}

pub(crate) struct Tokio;

impl Tokio {
    fn socket(socket: TcpStream) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
        let remote = socket.peer_addr()?;
        socket.set_nonblocking(true)?;
        Ok((tokio::net::TcpStream::from_std(socket)?, remote))
    }
}

impl Adapter for Tokio {
    const NAME: &'static str = "tokio";

    fn inbound(config: Arc<Config>, socket: TcpStream, rng: &mut ChaCha8Rng) -> Driven {
        let (socket, remote) = Self::socket(socket)?;
        adapter::tasks::inbound(config, socket, remote, rng)
    }

    fn outbound(
        config: Arc<Config>,
        socket: TcpStream,
        cut: Option<u64>,
        rng: &mut ChaCha8Rng,
    ) -> Driven {
        let (socket, remote) = Self::socket(socket)?;
        match cut {
            Some(remaining) => {
                adapter::tasks::outbound(config, Brittle::new(socket, remaining), remote, rng)
            }
            None => adapter::tasks::outbound(config, socket, remote, rng),
        }
    }
}

/// A socket that breaks after a number of sent bytes, perhaps inside a frame. With unread input its
/// end is a reset.
struct Brittle<S> {
    socket: S,
    remaining: AtomicU64,
}

impl<S> Brittle<S> {
    fn new(socket: S, remaining: u64) -> Self {
        Self { socket, remaining: remaining.into() }
    }

    /// Returns the part of `bytes` that may still be written.
    fn allowed<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let allowed = self.remaining.load(Relaxed).min(bytes.len() as u64) as usize;
        match &bytes[..allowed] {
            [] => Err(ErrorKind::ConnectionReset.into()),
            allowed => Ok(allowed),
        }
    }

    fn count(&self, written: usize) {
        self.remaining.fetch_sub(written as u64, Relaxed);
    }
}

impl adapter::threads::Stream for Brittle<TcpStream> {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        adapter::threads::Stream::read(&self.socket, buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = adapter::threads::Stream::write(&self.socket, self.allowed(bytes)?)?;
        self.count(written);
        Ok(written)
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

impl AsyncRead for Brittle<tokio::net::TcpStream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Brittle<tokio::net::TcpStream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = self.allowed(bytes)?;
        let written = ready!(Pin::new(&mut self.socket).poll_write(context, allowed))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
