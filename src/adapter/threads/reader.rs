//! The reading thread.

use core::time::Duration;
use std::io;
use std::sync::MutexGuard;

use super::driver::Threads;
use super::linger::{discard_input, wait_for_last_try};
use super::pause::Pause;
use super::stream::{MAX_BLOCKING, Stream, is_transient};
use crate::adapter::panics::Guarded;
use crate::adapter::shared::{Shared, wait};
use crate::adapter::state::State;
use crate::time::Instant;
use crate::wire::InputBuffer;

/// Reads while the peer takes input, and then lets the remote end its stream.
pub(super) fn run<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut reader = Reader {
        shared,
        stream,
        buffer: InputBuffer::new(),
        pause: Pause::default(),
        has_ended: false,
    };
    while reader.wait_for_room() {
        reader.read();
    }
    let has_ended = reader.has_ended;
    drop(reader);
    if !has_ended {
        discard_input(shared, stream);
    }
    wait_for_last_try(shared);
}

struct Reader<'a, S> {
    shared: &'a Shared<Threads<S>>,
    stream: &'a Guarded<S>,
    buffer: InputBuffer,
    pause: Pause,
    /// Whether the remote has ended its stream.
    has_ended: bool,
}

impl<'a, S: Stream> Reader<'a, S> {
    /// Waits until the peer wants more input, and hands it the input that it deferred. Returns
    /// `false` once the peer is closed.
    ///
    /// The thread does not read during back-pressure, so that the remote notices it. Deadlines of
    /// the remote stand still (`docs/protocol.md`, 10.1).
    fn wait_for_room(&mut self) -> bool {
        let mut state = self.shared.lock();
        loop {
            if state.is_closed() {
                return false;
            }
            if state.peer.can_resume() {
                state.handle_input(self.shared.now(), &mut self.buffer);
                self.shared.unlock_and_wake(state);
                state = self.shared.lock();
                continue;
            }
            if state.peer.wants_read() {
                return true;
            }
            state = self.wait(state, None);
        }
    }

    /// Waits until the thread is woken, for `timeout` at most.
    fn wait(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.watch.notices_room = false;
        state = wait(&self.shared.driver.input, state, timeout);
        state.watch.notices_room = true;
        state
    }

    fn read(&mut self) {
        self.pause.begin();
        let read = self.buffer.read_from(&mut GuardedRead(self.stream));
        let mut state = self.shared.lock();
        let now = self.shared.now();
        match read {
            Ok(0) => state = self.on_eof(state, now),
            Ok(_) => {
                self.pause.reset();
                state.handle_input(now, &mut self.buffer);
            }
            Err(error) if is_transient(&error) => {
                state = self.pause.wait(&self.shared.driver.input, state, &error);
            }
            Err(error) => state.lose_connection(now, error),
        }
        self.shared.unlock_and_wake(state);
    }

    fn on_eof(&mut self, mut state: MutexGuard<'a, State>, now: Instant) -> MutexGuard<'a, State> {
        self.has_ended = true;
        // A reset ends both calls, but only one of them may return its error. The error of the
        // write is the better reason.
        if self.shared.driver.is_writing() {
            state = self.wait(state, Some(MAX_BLOCKING));
        }
        state.peer.handle_eof(now);
        state
    }
}

/// Lets an input buffer read from a stream.
struct GuardedRead<'a, S>(&'a Guarded<S>);

impl<S: Stream> io::Read for GuardedRead<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.call(|stream| stream.read(buffer))
    }
}
