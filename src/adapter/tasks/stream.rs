//! Guarded access to an asynchronous stream.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::adapter::output::{MAX_SLICES, Output};
use crate::adapter::panics::Guarded;

/// A stream of the application. A method that returned `Pending` need not be called again.
pub(super) struct Stream<S>(Guarded<Pin<Box<S>>>);

impl<S: AsyncRead + AsyncWrite> Stream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Guarded::new(Box::pin(stream)))
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        self.0.poll(|stream| pin!(stream.read_buf(buffer)).poll(context))
    }

    /// Writes some of the frames and returns the number of bytes. Flushes if there are no frames,
    /// and returns 0.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        output: &Output,
    ) -> Poll<io::Result<usize>> {
        if !output.has_frames() {
            let flush = self.0.poll(|stream| stream.as_mut().poll_flush(context));
            return flush.map_ok(|()| 0);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let slices = output.slices(&mut slices);
        let write = self.0.poll(|stream| stream.as_mut().poll_write_vectored(context, slices));
        match write {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            write => write,
        }
    }

    pub(super) fn poll_discard(
        &mut self,
        context: &mut Context<'_>,
        chunk: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(|stream| pin!(stream.read(chunk)).poll(context))
    }

    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll(|stream| stream.as_mut().poll_shutdown(context))
    }
}

/// Returns whether a failed call can be repeated.
pub(super) fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}
