//! A close without a reset (`docs/protocol.md`, 12.4).

use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::futures::Notified;
use tokio::task::coop::consume_budget;
use tokio::time::Sleep;

use super::driver::Task;
use super::stream::{Stream, is_interrupted};
use crate::adapter::shared::Shared;
use crate::adapter::state::DISCARD_SIZE;

/// Ends the stream in our direction, and discards input until the remote ends it in its
/// direction. Closing a socket with unread input resets the connection, and the remote may lose
/// the bytes that we sent last.
pub(super) async fn linger<S: AsyncRead + AsyncWrite>(
    shared: &Shared<Task>,
    stream: Stream<S>,
    remote_has_ended: bool,
    mut sleep: Pin<&mut Sleep>,
) {
    let mut ending = Ending { stream, chunk: Vec::new(), has_ended: false, remote_has_ended };
    while !ending.is_complete() {
        let Some(until) = shared.lock().lingers_until(shared.now()) else { return };
        consume_budget().await;
        shared.driver.sleep_until(until, sleep.as_mut());
        let mut changed = pin!(shared.driver.changed.notified());
        let progress =
            poll_fn(|context| ending.poll_progress(context, sleep.as_mut(), changed.as_mut()));
        let progress = progress.await;
        ending.apply(progress);
    }
}

/// A stream that ends in both directions.
struct Ending<S> {
    stream: Stream<S>,
    chunk: Vec<u8>,
    /// Whether the stream has ended in our direction.
    has_ended: bool,
    remote_has_ended: bool,
}

/// The results of a wait.
struct Progress {
    shutdown: Poll<io::Result<()>>,
    read: Poll<io::Result<usize>>,
}

impl<S: AsyncRead + AsyncWrite> Ending<S> {
    fn is_complete(&self) -> bool {
        self.has_ended && self.remote_has_ended
    }

    /// Shuts the stream down and reads once. Is ready when one of them made progress, at the
    /// deadline, or after a wake-up.
    fn poll_progress(
        &mut self,
        context: &mut Context<'_>,
        sleep: Pin<&mut Sleep>,
        changed: Pin<&mut Notified<'_>>,
    ) -> Poll<Progress> {
        let (mut shutdown, mut read) = (Poll::Pending, Poll::Pending);
        if !self.has_ended {
            shutdown = self.stream.poll_shutdown(context);
        }
        if !self.remote_has_ended {
            self.chunk.resize(DISCARD_SIZE, 0);
            read = self.stream.poll_discard(context, &mut self.chunk);
        }
        let is_ready = shutdown.is_ready()
            || read.is_ready()
            || changed.poll(context).is_ready()
            || sleep.poll(context).is_ready();
        if is_ready { Poll::Ready(Progress { shutdown, read }) } else { Poll::Pending }
    }

    fn apply(&mut self, progress: Progress) {
        if let Poll::Ready(result) = progress.shutdown {
            self.has_ended = !result.is_err_and(|error| is_interrupted(&error));
        }
        match progress.read {
            Poll::Ready(Ok(0)) => self.remote_has_ended = true,
            // A stream that cannot be read has no more to give.
            Poll::Ready(Err(error)) if !is_interrupted(&error) => self.give_up(),
            Poll::Ready(_) | Poll::Pending => {}
        }
    }

    fn give_up(&mut self) {
        self.has_ended = true;
        self.remote_has_ended = true;
    }
}
