//! The application's handle to a peer.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::driver::Driver;
use super::panics::catch;
use super::shared::Shared;
use crate::peer::{
    Announced, CloseReason, PeerState, Relay, SendError, SendErrorKind, SendId, Stats,
};
use crate::time::Instant;
use crate::wire::{EncodedMessage, InvVect, Message};

/// A handle to a peer that an adapter drives.
///
/// Clones refer to the same peer. Any thread or task can use them. Dropping them has no effect.
///
/// Methods may wait for the lock on the peer, which no driver holds while it reads, writes or
/// waits. Only [`wait_closed`](Self::wait_closed) waits longer.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared<dyn Driver>>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared<dyn Driver>>) -> Self {
        Self { shared }
    }

    /// Queues a message. See [`PeerState::send`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`PeerState::send`], with the message.
    pub fn send(&self, message: impl Into<Message>) -> Result<SendId, SendError<Message>> {
        self.with(|peer, now| peer.send(now, message))
    }

    /// Queues an encoded message. See [`PeerState::send_encoded`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`PeerState::send_encoded`], with the message.
    pub fn send_encoded(
        &self,
        message: EncodedMessage,
    ) -> Result<SendId, SendError<EncodedMessage>> {
        self.with(|peer, now| peer.send_encoded(now, message))
    }

    /// Announces an inventory vector. See [`PeerState::announce`].
    pub fn announce(&self, vector: InvVect, relay: Relay) -> Announced {
        self.with(|peer, now| peer.announce(now, vector, relay))
    }

    /// Queues a `ping` and returns its nonce. See [`PeerState::ping`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`PeerState::ping`].
    pub fn ping(&self) -> Result<u64, SendErrorKind> {
        self.with(|peer, now| peer.ping(now))
    }

    /// Continues a handshake that waits for a review. See [`PeerState::accept_version`].
    pub fn accept_version(&self) {
        self.with(|peer, now| peer.accept_version(now));
    }

    /// Closes the peer because of the remote's `version`. See [`PeerState::refuse_version`].
    pub fn refuse_version(&self) {
        self.with(|peer, now| peer.refuse_version(now));
    }

    /// Returns the remote's address. See [`PeerState::remote_address`].
    pub fn remote_address(&self) -> SocketAddr {
        self.shared.lock().peer.remote_address()
    }

    /// Returns a snapshot of the peer's statistics. See [`PeerState::stats`].
    pub fn stats(&self) -> Stats {
        self.shared.lock().peer.stats()
    }

    /// Closes the peer once all queued messages are sent, or after `timeout`. See
    /// [`PeerState::shutdown`].
    ///
    /// Then [`Event::Closed`](crate::Event::Closed) is emitted, and the driver ends the stream in
    /// our direction. It keeps the stream until the remote ends it in its direction or `timeout` is
    /// over, so that all sent bytes can arrive. [`closed`](Self::closed) and
    /// [`wait_closed`](Self::wait_closed) wait for this.
    pub fn shutdown(&self, timeout: Duration) {
        self.with(|peer, now| peer.shutdown(now, timeout));
    }

    /// Closes the peer and its stream at once. Queued messages are discarded. If the remote's input
    /// was not read completely, the operating system may reset the connection.
    pub fn close(&self) {
        self.with(|peer, now| peer.close(now));
    }

    /// Calls any command or getter of [`PeerState`], with the current time. Leave events to
    /// [`Events`](super::Events), and input and output to the driver.
    ///
    /// `call` runs under the lock on the peer. Any use of the handle in `call` deadlocks, except
    /// its `Debug` output.
    pub fn with<T>(&self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        // The driver must learn of the commands before a panic as well.
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut state.peer, now)));
        self.shared.unlock_and_wake(state);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Waits until the peer is closed and its stream is dropped, and returns the reason.
    ///
    /// Any runtime can poll the future. It may be dropped at any time.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + Sync + Unpin + 'static {
        End { shared: self.shared.clone(), key: None }
    }

    /// Blocks the thread until the peer is closed and its stream is dropped, and returns the
    /// reason.
    pub fn wait_closed(&self) -> CloseReason {
        let mut state = self.shared.lock();
        loop {
            match state.end_reason() {
                Some(reason) => return reason.clone(),
                None => state = self.shared.wait_for_change(state, None),
            }
        }
    }

    /// Returns the reason, or `None` while the peer is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.lock().peer.close_reason().cloned()
    }

    /// Returns the error of the stream that caused [`CloseReason::ConnectionLost`].
    pub fn io_error(&self) -> Option<Arc<io::Error>> {
        self.shared.lock().io_error.clone()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Handle", f)
    }
}

/// The future of [`Handle::closed`].
struct End {
    shared: Arc<Shared<dyn Driver>>,
    /// The key of the waker, once it is registered.
    key: Option<u64>,
}

impl Future for End {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CloseReason> {
        let shared = self.shared.clone();
        let mut waker = None;
        loop {
            let mut state = shared.lock();
            if let Some(reason) = state.end_reason() {
                return Poll::Ready(reason.clone());
            }
            if state.waiters.is_end_waker(self.key, context.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(context.waker().clone());
                continue;
            };
            let (key, replaced) = state.waiters.set_end_waker(self.key, waker);
            drop(state);
            self.key = Some(key);
            catch(|| drop(replaced));
            return Poll::Pending;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.lock().waiters.remove_end_waker(key);
            catch(|| drop(waker));
        }
    }
}
