//! The task that drives a peer.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::futures::Notified;
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use tokio::time::{self, Sleep};

use super::driver::{MAX_SLEEP, Task};
use super::linger::linger;
use super::stream::{Stream, is_interrupted};
use crate::adapter::output::Output;
use crate::adapter::shared::Shared;
use crate::adapter::state::State;
use crate::adapter::watch::DriverWatch;
use crate::time::Instant;
use crate::wire::InputBuffer;

/// Drives a peer to its end, and then ends the stream.
pub(super) async fn drive<S: AsyncRead + AsyncWrite>(shared: &Shared<Task>, stream: Stream<S>) {
    let mut sleep = pin!(time::sleep(MAX_SLEEP));
    let mut connection = Connection {
        shared,
        stream,
        buffer: InputBuffer::new(),
        output: Output::new(),
        has_ended: false,
    };
    while let Some(mut wait) = connection.prepare() {
        wait.is_due = wait.deadline.is_some_and(|at| at <= shared.now());
        yield_to_other_tasks(wait.is_due).await;
        if let Some(deadline) = wait.deadline {
            shared.driver.sleep_until(deadline, sleep.as_mut());
        }
        let mut changed = pin!(shared.driver.changed.notified());
        let progress = poll_fn(|context| {
            connection.poll_progress(context, &wait, sleep.as_mut(), changed.as_mut())
        });
        let progress = progress.await;
        connection.report(progress);
    }
    let Connection { stream, buffer, output, has_ended, .. } = connection;
    drop((buffer, output));
    linger(shared, stream, has_ended, sleep).await;
}

async fn yield_to_other_tasks(is_due: bool) {
    if is_due {
        // If another task blocked the runtime, the runtime has not polled its sockets since. The
        // remote must not be judged before its bytes were read (`docs/protocol.md`, 10.3).
        yield_now().await;
    } else {
        // A stream that is always ready must leave other tasks their turn.
        consume_budget().await;
    }
}

struct Connection<'a, S> {
    shared: &'a Shared<Task>,
    stream: Stream<S>,
    buffer: InputBuffer,
    output: Output,
    /// Whether the remote has ended its stream.
    has_ended: bool,
}

/// Conditions that end a wait, besides a wake-up by the application.
struct Wait {
    wants_read: bool,
    deadline: Option<Instant>,
    is_due: bool,
}

/// The results of a wait.
struct Progress {
    read: Poll<io::Result<usize>>,
    /// The time before the write, and the number of bytes that were written.
    written: Poll<io::Result<(Instant, usize)>>,
    is_due: bool,
}

impl<S: AsyncRead + AsyncWrite> Connection<'_, S> {
    /// Hands the peer the input that it deferred, and takes the frames to be written. Returns
    /// `None` once the peer has ended.
    fn prepare(&mut self) -> Option<Wait> {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        while state.peer.can_resume() {
            state.handle_input(now, &mut self.buffer);
            state.discard_events();
        }
        self.output.refill(&mut state, now);
        let wait = self.next_wait(&mut state);
        self.shared.unlock_and_wake_application(state);
        wait
    }

    fn next_wait(&self, state: &mut State) -> Option<Wait> {
        if state.is_finished() {
            return None;
        }
        let (wants_read, deadline) = (state.peer.wants_read(), state.peer.poll_timeout());
        state.watch = DriverWatch {
            notices_room: wants_read,
            notices_output: self.output.has_frames(),
            checks_deadline_at: deadline.unwrap_or(Instant::MAX),
        };
        Some(Wait { wants_read, deadline, is_due: false })
    }

    /// Reads and writes once. Is ready when one of them made progress, at the deadline, or after
    /// a wake-up.
    fn poll_progress(
        &mut self,
        context: &mut Context<'_>,
        wait: &Wait,
        sleep: Pin<&mut Sleep>,
        changed: Pin<&mut Notified<'_>>,
    ) -> Poll<Progress> {
        let mut read = Poll::Pending;
        if wait.wants_read {
            read = self.stream.poll_read(context, self.buffer.reserve());
        }
        let written = self.poll_write(context);
        let has_slept = wait.deadline.is_some() && sleep.poll(context).is_ready();
        let is_due = wait.is_due || has_slept;
        let is_ready =
            read.is_ready() || written.is_ready() || is_due || changed.poll(context).is_ready();
        if is_ready { Poll::Ready(Progress { read, written, is_due }) } else { Poll::Pending }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(Instant, usize)>> {
        if !self.output.is_pending() {
            return Poll::Pending;
        }
        // Bytes count as sent when the write begins, so that round trips include it
        // (`docs/protocol.md`, 6.2).
        let at = self.shared.now();
        self.stream.poll_write(context, &self.output).map_ok(|len| (at, len))
    }

    /// Reports the results of a wait to the peer.
    fn report(&mut self, progress: Progress) {
        let Progress { read, written, is_due } = progress;
        let mut state = self.shared.lock();
        let now = self.shared.now();
        let write_error = match written {
            Poll::Ready(Ok((at, len))) => {
                self.output.on_written(&mut state, at, len);
                None
            }
            Poll::Ready(Err(error)) => Some(error),
            Poll::Pending => None,
        };
        self.report_read(&mut state, now, read);
        // The input that was read with the error may contain the reason of the remote, so it
        // comes first.
        if let Some(error) = write_error.filter(|error| !is_interrupted(error)) {
            state.lose_connection(now, error);
        }
        // Received bytes extend deadlines, so they come first (`docs/protocol.md`, 10.2).
        if is_due {
            state.peer.handle_timeout(now);
        }
        self.shared.unlock_and_wake_application(state);
    }

    fn report_read(&mut self, state: &mut State, now: Instant, read: Poll<io::Result<usize>>) {
        match read {
            Poll::Ready(Ok(0)) => {
                self.has_ended = true;
                state.peer.handle_eof(now);
            }
            Poll::Ready(Ok(_)) => state.handle_input(now, &mut self.buffer),
            Poll::Ready(Err(error)) if !is_interrupted(&error) => state.lose_connection(now, error),
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
    }
}
