//! The events of a peer that is driven.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::MutexGuard;
use std::time::Instant;

use super::guard::catch;
use super::shared::{Driver, Shared, State};
use crate::peer::Event;

/// The events of a peer that an adapter drives, in order, until [`Event::Closed`].
///
/// To be taken by a thread or by a task, whichever drives the peer; as an iterator it waits
/// as a thread. Events that are not taken hold the remote back: the peer's own
/// [bounds](crate::ConfigBuilder::max_waiting_events) are those of the stream of events, and
/// beyond them nothing is read.
///
/// Dropping it closes the peer at once, as nobody would hear it any more. Only what a
/// [`shutdown`](super::Handle::shutdown) has promised before is still done.
pub struct Events {
    shared: Arc<Shared<dyn Driver>>,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared<dyn Driver>>) -> Self {
        Self { shared }
    }

    /// Waits, as a task, for the next event; there is none after the last.
    ///
    /// It needs no particular runtime. Nothing is lost if it is dropped before it is ready.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The next event for the task of `context`, which is woken when there is one: what
    /// [`recv`](Self::recv) is made of.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut waker = None;
        loop {
            let mut state = match self.next_of(self.shared.lock()) {
                Ok(event) => return Poll::Ready(Some(event)),
                Err(state) => state,
            };
            if state.is_closed() {
                return Poll::Ready(None);
            }
            if state.is_receiver(context.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(context.waker().clone());
                continue;
            };
            let replaced = state.receiver.replace(waker);
            drop(state);
            catch(|| drop(replaced));
            return Poll::Pending;
        }
    }

    /// Waits, as a thread, for the next event; there is none after the last.
    pub fn recv_blocking(&mut self) -> Option<Event> {
        self.recv_until(None)
    }

    /// Waits, as a thread, for the next event, but no longer than `timeout`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// The next event, if there is one by now.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.next_of(self.shared.lock()).ok()
    }

    fn recv_until(&self, end: Option<Instant>) -> Option<Event> {
        let mut state = self.shared.lock();
        loop {
            state = match self.next_of(state) {
                Ok(event) => return Some(event),
                Err(state) => state,
            };
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if state.is_closed() || left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = self.shared.wait_for_change(state, left);
        }
    }

    /// Takes the next event, or gives the lock back where there is none.
    fn next_of<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<Event, MutexGuard<'a, State>> {
        let Some((event, is_room_made)) = state.next_event() else { return Err(state) };
        if is_room_made {
            // Taking an event tells the peer no time, and the remote was held back until now.
            state.peer.handle_timeout(self.shared.driver.now());
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
        state.on_events_dropped();
        let receiver = state.receiver.take();
        self.shared.unlock_and_wake(state);
        catch(|| drop(receiver));
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Events", f)
    }
}
