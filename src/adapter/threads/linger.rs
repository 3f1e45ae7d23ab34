//! The end of a stream: a last try to write, and a close without a reset
//! (`docs/protocol.md`, 12.2 and 12.4).

use alloc::vec;
use std::net::Shutdown;
use std::sync::Condvar;

use super::driver::Threads;
use super::pause::Pause;
use super::stream::{Stream, is_transient, limit_blocking};
use crate::adapter::driver::Driver;
use crate::adapter::panics::Guarded;
use crate::adapter::shared::{Shared, wait};
use crate::adapter::state::{DISCARD_SIZE, State};

/// Reads until the remote ends the stream. Closing a socket with unread input resets the
/// connection, and the remote may lose the bytes that we sent last.
pub(super) fn discard_input<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut chunk = vec![0; DISCARD_SIZE];
    let mut pause = Pause::default();
    while shared.lock().lingers_until(shared.now()).is_some() {
        pause.begin();
        match stream.call(|stream| stream.read(&mut chunk)) {
            Ok(0) => return,
            Ok(_) => pause.reset(),
            Err(error) if is_transient(&error) => {
                drop(pause.wait(&shared.driver.input, shared.lock(), &error));
            }
            Err(_) => return,
        }
    }
}

/// Waits until the writing thread has tried to send the frames that were queued when the remote
/// ended the conversation. If it is late, ends the stream, as a write may block without a
/// timeout.
pub(super) fn wait_for_last_try<S: Stream>(shared: &Shared<Threads<S>>) {
    if !wait_until(shared, &shared.driver.input, State::is_finished) {
        shared.driver.abort();
    }
}

/// Ends the stream in our direction, and gives the remote time to end it in its direction.
pub(super) fn linger<S: Stream>(
    shared: &Shared<Threads<S>>,
    stream: &Guarded<S>,
    is_flushed: bool,
) {
    if !is_flushed {
        flush(shared, stream);
    }
    let _ = stream.call(|stream| stream.shutdown(Shutdown::Write));
    // The reading thread discards input until then.
    wait_until(shared, &shared.driver.output, |state| state.running_parts() <= 1);
    shared.driver.abort();
}

/// Flushes the stream. Ignores errors, as the last event was emitted already.
fn flush<S: Stream>(shared: &Shared<Threads<S>>, stream: &Guarded<S>) {
    let mut pause = Pause::default();
    loop {
        let now = shared.now();
        let Some(until) = shared.lock().lingers_until(now) else { return };
        limit_blocking(stream, Some(until - now));
        pause.begin();
        match stream.call(Stream::flush) {
            Err(error) if is_transient(&error) => {
                drop(pause.wait(&shared.driver.output, shared.lock(), &error));
            }
            _ => return,
        }
    }
}

/// Waits for a condition, for as long as the stream lingers. Returns whether it holds.
fn wait_until<S: Stream>(
    shared: &Shared<Threads<S>>,
    woken: &Condvar,
    is_met: impl Fn(&State) -> bool,
) -> bool {
    let mut state = shared.lock();
    loop {
        if is_met(&state) {
            return true;
        }
        let now = shared.now();
        let Some(until) = state.lingers_until(now) else { return false };
        state = wait(woken, state, Some(until - now));
    }
}
