//! Blocking streams.

use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};

use crate::adapter::panics::Guarded;

/// Minimum and maximum time for which a write may block. A timeout of zero would mean none, and
/// the writing thread must notice deadlines that are set during a write.
pub(super) const MIN_BLOCKING: Duration = Duration::from_millis(1);
pub(super) const MAX_BLOCKING: Duration = Duration::from_millis(250);

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

/// Limits the time for which the next write may block.
pub(super) fn limit_blocking(stream: &Guarded<impl Stream>, timeout: Option<Duration>) {
    let timeout = timeout.unwrap_or(MAX_BLOCKING).clamp(MIN_BLOCKING, MAX_BLOCKING);
    let _ = stream.call(|stream| stream.set_write_timeout(timeout));
}

/// Returns whether a failed call can be repeated.
pub(super) fn is_transient(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => true,
        // Unix reports the timeout of a call as `WouldBlock`. There, `TimedOut` with a code of the
        // operating system is a broken connection.
        io::ErrorKind::TimedOut => cfg!(windows) || error.raw_os_error().is_none(),
        _ => false,
    }
}
