//! Blocking streams.

use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};

use crate::adapter::panics::Guarded;

/// Minimum and maximum time for which a write may block. A timeout of zero would mean none, and
/// the writing thread must notice deadlines that are set during a write.
pub(super) const MIN_BLOCKING: Duration = Duration::from_millis(1);
pub(super) const MAX_BLOCKING: Duration = Duration::from_millis(250);

/// A blocking stream that two threads use at once, such as a socket.
///
/// One thread reads and the other writes, both through `&self`. If the methods of your stream need
/// `&mut self`, use one lock for each direction. A single lock would block writes while a read
/// blocks.
///
/// The stream is dropped when the peer has ended, even if handles to the peer remain.
pub trait Stream: Send + Sync + 'static {
    /// Reads bytes, as [`io::Read::read`]. Blocks until there are bytes. Returns 0 at the end of the
    /// stream.
    ///
    /// # Errors
    ///
    /// After these errors the driver repeats the call:
    ///
    /// - [`Interrupted`](io::ErrorKind::Interrupted)
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock)
    /// - [`TimedOut`](io::ErrorKind::TimedOut) without a code of the operating system
    ///
    /// Any other error ends the peer with
    /// [`ConnectionLost`](crate::CloseReason::ConnectionLost).
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes bytes, as [`io::Write::write`]. Blocks until some bytes are written, or for the time
    /// of [`set_write_timeout`](Self::set_write_timeout).
    ///
    /// # Errors
    ///
    /// Errors have the effects described at [`read`](Self::read). Returning 0 ends the peer with
    /// [`ConnectionLost`](crate::CloseReason::ConnectionLost).
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes bytes of several slices, as [`io::Write::write_vectored`]. By default, writes the
    /// first slice that is not empty.
    ///
    /// # Errors
    ///
    /// Errors have the effects described at [`write`](Self::write).
    fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.write(first.map_or(&[], |slice| slice))
    }

    /// Sends buffered bytes, as [`io::Write::flush`]. By default, does nothing.
    ///
    /// # Errors
    ///
    /// Errors have the effects described at [`read`](Self::read).
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Limits the time for which a write may block.
    ///
    /// # Errors
    ///
    /// Errors are ignored. The peer then acts late on deadlines that pass while a write blocks.
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Ends the stream in one direction or both. Blocked reads and writes in that direction must
    /// return.
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
