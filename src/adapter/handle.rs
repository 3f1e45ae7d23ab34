//! The application's side of a peer that is driven.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::guard::catch;
use super::shared::{Driver, Shared};
use crate::peer::{
    Announced, CloseReason, PeerState, Relay, SendError, SendErrorKind, SendId, Stats,
};
use crate::time::Instant;
use crate::wire::{EncodedMessage, InvVect, Message};

/// A handle to a peer that an adapter drives. Clones are handles to the same peer, for any
/// thread or task; dropping them changes nothing.
///
/// No method but [`wait_closed`](Self::wait_closed) waits for anything else than the lock on
/// the peer, which nobody holds while reading or writing.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared<dyn Driver>>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared<dyn Driver>>) -> Self {
        Self { shared }
    }

    /// As [`PeerState::send`].
    ///
    /// # Errors
    ///
    /// Why the message was not queued, with the message.
    pub fn send(&self, message: impl Into<Message>) -> Result<SendId, SendError<Message>> {
        self.with(|peer, _| peer.send(message))
    }

    /// As [`PeerState::send_encoded`].
    ///
    /// # Errors
    ///
    /// Why the message was not queued, with the message.
    pub fn send_encoded(
        &self,
        message: EncodedMessage,
    ) -> Result<SendId, SendError<EncodedMessage>> {
        self.with(|peer, _| peer.send_encoded(message))
    }

    /// As [`PeerState::announce`].
    pub fn announce(&self, vector: InvVect, relay: Relay) -> Announced {
        self.with(|peer, now| peer.announce(now, vector, relay))
    }

    /// As [`PeerState::ping`].
    ///
    /// # Errors
    ///
    /// Why none was queued.
    pub fn ping(&self) -> Result<u64, SendErrorKind> {
        self.with(|peer, _| peer.ping())
    }

    /// The remote's address, as given when the peer was made.
    pub fn remote(&self) -> SocketAddr {
        self.shared.lock().peer.remote()
    }

    /// As [`PeerState::stats`].
    pub fn stats(&self) -> Stats {
        self.shared.lock().peer.stats()
    }

    /// Closes the peer once everything that is queued has been written, or after `timeout`:
    /// as [`PeerState::shutdown`].
    ///
    /// Then the stream is ended in our direction, and the remote has the rest of `timeout` to
    /// end it in its own, so that all of it can arrive: [`Event::Closed`](crate::Event::Closed)
    /// comes before that, [`closed`](Self::closed) and [`wait_closed`](Self::wait_closed)
    /// return after it.
    pub fn shutdown(&self, timeout: Duration) {
        self.with(|peer, now| peer.shutdown(now, timeout));
    }

    /// Closes the peer and its stream at once. What is queued is not written any more, and a
    /// remote whose last words were not read may take it for a connection that broke.
    pub fn close(&self) {
        self.with(|peer, _| peer.close());
    }

    /// Does anything else with the peer, at the time given with it: any command or getter
    /// of [`PeerState`]. Events are left to [`Events`](super::Events), bytes to the driver.
    /// All others wait while `call` runs; it must not use the handle, which would wait for
    /// itself.
    pub fn with<T>(&self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T {
        let mut state = self.shared.lock();
        let now = self.shared.driver.now();
        // What was done before a panic is to leave, too.
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut state.peer, now)));
        self.shared.unlock_and_wake(state);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Waits, as a task, until the peer is closed and its stream, and returns the reason.
    ///
    /// It needs no particular runtime, and may be dropped and called again at any time.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + Sync + Unpin + 'static {
        End { shared: self.shared.clone(), number: None }
    }

    /// Waits, as a thread, for what [`closed`](Self::closed) waits for.
    pub fn wait_closed(&self) -> CloseReason {
        let mut state = self.shared.lock();
        loop {
            match state.end() {
                Some(reason) => return reason.clone(),
                None => state = self.shared.wait_for_change(state, None),
            }
        }
    }

    /// Why the peer is closed, once it is.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.lock().peer.close_reason().cloned()
    }

    /// What broke the connection, behind [`CloseReason::ConnectionLost`].
    pub fn io_error(&self) -> Option<Arc<io::Error>> {
        self.shared.lock().io_error.clone()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Handle", f)
    }
}

/// A task's wait for the end.
struct End {
    shared: Arc<Shared<dyn Driver>>,
    /// Under which it is woken.
    number: Option<u64>,
}

impl Future for End {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CloseReason> {
        let shared = self.shared.clone();
        let mut waker = None;
        loop {
            let mut state = shared.lock();
            if let Some(reason) = state.end() {
                return Poll::Ready(reason.clone());
            }
            if state.is_end_waker(self.number, context.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(context.waker().clone());
                continue;
            };
            let (number, replaced) = state.wake_at_end(self.number, waker);
            drop(state);
            self.number = Some(number);
            catch(|| drop(replaced));
            return Poll::Pending;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.shared.lock().forget_end_waker(number);
            catch(|| drop(waker));
        }
    }
}
