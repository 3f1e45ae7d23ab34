//! The state that a driver and the application share: a peer under a lock, and the threads and
//! tasks that wait for it.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use super::driver::Driver;
use super::panics::catch;
use super::state::{DriverSignal, State};
use crate::peer::PeerState;
use crate::time::Instant;

pub(super) struct Shared<D: ?Sized> {
    state: Mutex<State>,
    /// Wakes threads that wait for events or for the end.
    changed: Condvar,
    pub(super) driver: D,
}

impl<D: Driver> Shared<D> {
    pub(super) fn new(mut peer: PeerState, driver: D) -> Arc<Self> {
        peer.defer_traces();
        Arc::new(Self { state: Mutex::new(State::new(peer)), changed: Condvar::new(), driver })
    }
}

impl<D: Driver + ?Sized> Shared<D> {
    pub(super) fn now(&self) -> Instant {
        self.driver.now()
    }

    /// Ignores poison. The peer does not panic, so a panic under the lock was in code of the
    /// application and left the peer consistent.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Formats the peer as `name(peer)`, or as `name(in use)` if the lock is taken. It must not
    /// wait for the lock, because [`Handle::with`](super::Handle::with) formats under the lock.
    pub(super) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return f.debug_tuple(name).field(&format_args!("in use")).finish();
            }
        };
        f.debug_tuple(name).field(&state.peer).finish()
    }

    /// Unlocks after a change by the application or by one part of the driver. Wakes the parts
    /// of the driver and the application that the change concerns.
    pub(super) fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>) {
        let now = self.settle(&mut state);
        let signal = state.driver_signal(now);
        self.unlock(state);
        self.wake_driver(&signal);
    }

    fn wake_driver(&self, signal: &DriverSignal) {
        let (wake_writer, wake_reader) = match *signal {
            DriverSignal::Changed { wake_writer, wake_reader } => (wake_writer, wake_reader),
            DriverSignal::Closed | DriverSignal::Finished => (true, true),
        };
        if wake_writer {
            self.driver.wake_writer();
        }
        if wake_reader {
            self.driver.wake_reader();
        }
        if matches!(signal, DriverSignal::Finished) {
            self.driver.abort();
        }
    }

    /// Unlocks after a change by the whole driver, and wakes the application.
    pub(super) fn unlock_and_wake_application(&self, mut state: MutexGuard<'_, State>) {
        self.settle(&mut state);
        self.unlock(state);
    }

    /// Completes a change. Discarded events may make room for input. Returns the time.
    fn settle(&self, state: &mut State) -> Instant {
        state.discard_events();
        let now = self.now();
        state.start_flush_timeout(now);
        now
    }

    /// Unlocks, and wakes the application.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let woken = state.take_woken();
        let traces = state.peer.take_traces();
        // Wakers and subscribers are code of the application, which may use the handle.
        drop(state);
        catch(|| traces.emit());
        woken.wake(&self.changed);
    }

    /// Waits for a wake-up, which comes with events or with the end.
    pub(super) fn wait_for_change<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.waiters.add_thread();
        let mut state = wait(&self.changed, state, timeout);
        state.waiters.remove_thread();
        state
    }
}

/// Waits for `condition`, for `timeout` at most.
pub(super) fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, State> {
    match timeout {
        Some(timeout) => {
            let waited = condition.wait_timeout(state, timeout);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
        None => condition.wait(state).unwrap_or_else(PoisonError::into_inner),
    }
}

#[cfg(test)]
mod tests;
