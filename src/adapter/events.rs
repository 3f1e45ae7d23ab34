//! The receiver of a peer's events.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::MutexGuard;
use std::time::Instant;

use super::driver::Driver;
use super::panics::catch;
use super::shared::Shared;
use super::state::{State, TakenEvent};
use crate::peer::Event;

/// The events of a peer that an adapter drives, in order, up to [`Event::Closed`].
///
/// A thread or a task can take them, with either driver. The iterator blocks its thread.
///
/// The driver stops reading while as many events wait as the
/// [configuration allows](crate::ConfigBuilder::max_waiting_events).
///
/// Dropping the events closes the peer at once. A [`shutdown`](super::Handle::shutdown) in
/// progress is completed instead.
#[must_use = "dropping the events closes the peer"]
pub struct Events {
    shared: Arc<Shared<dyn Driver>>,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared<dyn Driver>>) -> Self {
        Self { shared }
    }

    /// Waits for the next event as a task of any runtime. Returns `None` after the last event.
    ///
    /// Dropping the future before it is ready loses no event.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next event. If there is none, the next event wakes the task of `context`.
    ///
    /// Only the task of the latest call is woken. Returns `None` after the last event.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut waker = None;
        loop {
            let mut state = match self.take_event(self.shared.lock()) {
                Ok(event) => return Poll::Ready(Some(event)),
                Err(state) => state,
            };
            if state.is_finished() {
                return Poll::Ready(None);
            }
            if state.waiters.is_receiver(context.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(context.waker().clone());
                continue;
            };
            let replaced = state.waiters.set_receiver(waker);
            drop(state);
            catch(|| drop(replaced));
            return Poll::Pending;
        }
    }

    /// Blocks the thread until there is an event. Returns `None` after the last event.
    pub fn recv_blocking(&mut self) -> Option<Event> {
        self.recv_until(None)
    }

    /// Blocks the thread until there is an event, for `timeout` at most. Returns `None` after
    /// `timeout`, and after the last event.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Returns the next event without waiting, or `None` if there is none.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.take_event(self.shared.lock()).ok()
    }

    fn recv_until(&self, end: Option<Instant>) -> Option<Event> {
        let mut state = self.shared.lock();
        loop {
            state = match self.take_event(state) {
                Ok(event) => return Some(event),
                Err(state) => state,
            };
            let remaining = end.map(|end| end.saturating_duration_since(Instant::now()));
            if state.is_finished() || remaining == Some(Duration::ZERO) {
                return None;
            }
            state = self.shared.wait_for_change(state, remaining);
        }
    }

    /// Takes the next event, or returns the lock guard if there is none.
    fn take_event<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<Event, MutexGuard<'a, State>> {
        let Some(taken) = state.next_event() else { return Err(state) };
        let TakenEvent { event, resumes_input } = taken;
        if resumes_input {
            // `poll_event` takes no time, so the remote's clock stands still until a call that
            // does (`docs/protocol.md`, 10.1).
            state.peer.handle_timeout(self.shared.now());
            self.shared.unlock_and_wake(state);
        }
        Ok(event)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv_blocking()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let receiver = state.waiters.drop_receiver();
        state.close_unless_shutting_down(self.shared.now());
        self.shared.unlock_and_wake(state);
        catch(|| drop(receiver));
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Events", f)
    }
}
