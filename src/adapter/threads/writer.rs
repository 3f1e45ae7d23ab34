//! The writing thread, which also keeps the time.

use core::time::Duration;
use std::io::{self, IoSlice};
use std::sync::MutexGuard;

use super::driver::Threads;
use super::linger::linger;
use super::pause::Pause;
use super::stream::{Stream, is_transient, limit_blocking};
use crate::adapter::output::{MAX_SLICES, Output};
use crate::adapter::panics::Guarded;
use crate::adapter::shared::{Shared, wait};
use crate::adapter::state::State;
use crate::time::Instant;

/// Writes output and calls the peer in time, and then ends the stream.
pub(super) fn run<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut writer = Writer { shared, stream, output: Output::new(), pause: Pause::default() };
    loop {
        match writer.wait_for_output() {
            Next::Write { timeout } => writer.write(timeout),
            Next::Linger => return linger(shared, stream, writer.output.is_flushed()),
            Next::End => return,
        }
    }
}

/// The next action of the writing thread.
enum Next {
    /// Writes or flushes, for `timeout` at most.
    Write {
        timeout: Option<Duration>,
    },
    /// Ends the stream in our direction, as the peer has ended.
    Linger,
    End,
}

struct Writer<'a, S> {
    shared: &'a Shared<Threads<S>>,
    stream: &'a Guarded<S>,
    output: Output,
    pause: Pause,
}

impl<'a, S: Stream> Writer<'a, S> {
    /// Calls the peer in time until there is output, or until the peer has ended.
    fn wait_for_output(&mut self) -> Next {
        let mut state = self.shared.lock();
        loop {
            let now = self.shared.now();
            if state.peer.poll_timeout().is_some_and(|at| at <= now) {
                // After a suspension, the reading thread may not have had its turn. The peer
                // judges the remote in two steps for this reason (`docs/protocol.md`, 10.3).
                state.peer.handle_timeout(now);
                self.shared.unlock_and_wake(state);
                state = self.shared.lock();
                continue;
            }
            self.output.refill(&mut state, now);
            if state.is_finished() {
                return self.finish(state);
            }
            let deadline = state.peer.poll_timeout();
            let timeout = deadline.map(|at| at - now);
            if self.output.is_pending() {
                return Next::Write { timeout };
            }
            state.watch.suspend_writer(deadline);
            state = wait(&self.shared.driver.output, state, timeout);
            state.watch.wake_writer();
        }
    }

    fn finish(&self, state: MutexGuard<'_, State>) -> Next {
        let lingers = state.lingers_until(self.shared.now()).is_some();
        self.shared.unlock_and_wake(state);
        if lingers { Next::Linger } else { Next::End }
    }

    /// Writes once, for `timeout` at most.
    fn write(&mut self, timeout: Option<Duration>) {
        limit_blocking(self.stream, timeout);
        self.pause.begin();
        let (at, written) = self.call_stream();
        let mut state = self.shared.lock();
        self.shared.driver.set_writing(false);
        match written {
            Ok(len) => {
                self.pause.reset();
                self.output.on_written(&mut state, at, len);
            }
            Err(error) if is_transient(&error) => {
                drop(self.pause.wait(&self.shared.driver.output, state, &error));
                return;
            }
            Err(error) => state.lose_connection(self.shared.now(), error),
        }
        self.shared.unlock_and_wake(state);
    }

    /// Writes some of the frames, or flushes if there are none. Returns the time before the call
    /// and the number of bytes that were written.
    fn call_stream(&self) -> (Instant, io::Result<usize>) {
        let at = self.shared.now();
        self.shared.driver.set_writing(true);
        let written = if self.output.has_frames() {
            self.write_frames()
        } else {
            self.stream.call(Stream::flush).map(|()| 0)
        };
        (at, written)
    }

    fn write_frames(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let slices = self.output.slices(&mut slices);
        match self.stream.call(|stream| stream.write_vectored(slices))? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }
}
