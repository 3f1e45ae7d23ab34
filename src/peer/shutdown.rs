//! The end of a peer: shutdown, close, the last try to send, and lingering.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::PeerState;
use super::error::CloseReason;
use super::event::{Event, SendId};
use super::shrink::shrink_if_oversized;
use super::timers::{LAST_DEADLINE, Timer};
use crate::time::Instant;

/// The time in which a driver may send queued bytes after fatal input, and in which the remote may
/// receive them (`docs/protocol.md`, 12.2 and 12.4).
const LAST_TRY: Duration = Duration::from_secs(1);

/// The end of a closed peer.
pub(super) struct End {
    pub(super) reason: CloseReason,
    is_closed_emitted: bool,
    /// Number of [`Transmit`](super::Transmit)s that remain of the last try.
    transmits: u8,
    /// Receipts of abandoned messages, emitted before the end is.
    unsent: VecDeque<SendId>,
    linger_until: Option<Instant>,
}

impl End {
    /// Returns whether queued bytes may still be sent.
    fn is_trying(&self) -> bool {
        self.transmits > 0
    }

    /// Returns whether [`pop_event`](Self::pop_event) would return an event.
    pub(super) fn has_events(&self) -> bool {
        !self.is_trying() && !self.is_closed_emitted
    }

    /// Returns the next of the last events, which follow the last try.
    pub(super) fn pop_event(&mut self) -> Option<Event> {
        if self.is_trying() {
            return None;
        }
        if let Some(id) = self.unsent.pop_front() {
            shrink_if_oversized(&mut self.unsent);
            return Some(Event::NotSent(id));
        }
        let is_emitted = core::mem::replace(&mut self.is_closed_emitted, true);
        (!is_emitted).then(|| Event::Closed(self.reason.clone()))
    }

    pub(super) const fn linger_until(&self) -> Option<Instant> {
        self.linger_until
    }
}

impl PeerState {
    /// Sends the batch of announcements, and closes the peer once the queue is empty or `timeout`
    /// has passed (`docs/protocol.md`, 12.3).
    pub(super) fn begin_shutdown(&mut self, timeout: Duration) {
        if self.closed.is_some() {
            return;
        }
        let deadline = (self.timers.now() + timeout).min(LAST_DEADLINE);
        self.timers.set(Timer::Shutdown, deadline);
        self.timers.clear(Timer::Trickle);
        self.send_batch();
        self.finish_shutdown();
    }

    /// Closes a peer that is shutting down and has an empty queue. The rest of the timeout is for
    /// bytes that are on their way.
    pub(super) fn finish_shutdown(&mut self) {
        if self.closed.is_some() || self.queued_frames() > 0 || self.relayer.batched() > 0 {
            return;
        }
        let Some(deadline) = self.timers.get(Timer::Shutdown) else { return };
        self.close_with(CloseReason::Local);
        if let Some(end) = &mut self.closed {
            end.linger_until = Some(deadline);
        }
    }

    /// Closes the peer. The first reason is final.
    ///
    /// If the remote ended the conversation, queued bytes may be sent once more, as both nodes send
    /// their `version` before they close over fatal input (`docs/protocol.md`, 12.2).
    pub(super) fn close_with(&mut self, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        trace!(
            DEBUG,
            self,
            Closed {
                violation: reason.is_violation(self.config.network.chain()),
                reason: reason.clone(),
                frames: self.queued_frames(),
            }
        );
        self.relayer.clear_batch();
        self.requests.clear();
        self.handshake.on_closed();
        self.timers.seal();
        let is_by_input = reason.is_by_input();
        let deadline = (self.timers.now() + LAST_TRY).min(LAST_DEADLINE);
        // After its own end, the remote has sent all it will, and no unread input can reset the
        // connection.
        let lingers = is_by_input && reason != CloseReason::RemoteClosed;
        let has_last_try = is_by_input && self.wants_write();
        self.closed = Some(Box::new(End {
            reason,
            is_closed_emitted: false,
            // One to lend the bytes and one to advance past them. A write in progress takes one
            // more, in which the driver advances past bytes that were lent before.
            transmits: 2 + u8::from(self.outbox.has_lent()),
            unsent: VecDeque::new(),
            linger_until: lingers.then_some(deadline),
        }));
        if has_last_try {
            self.timers.set(Timer::Shutdown, deadline);
        } else {
            self.end_last_try();
        }
    }

    /// # Errors
    ///
    /// Returns the reason why the peer is closed.
    pub(super) fn check_open(&self) -> Result<(), CloseReason> {
        match self.close_reason() {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Closes the peer without a last try.
    pub(super) fn close_now(&mut self, reason: CloseReason) {
        self.close_with(reason);
        self.end_last_try();
    }

    /// Closes the peer on behalf of the application, which wants no lingering either.
    pub(super) fn close_locally(&mut self) {
        self.close_now(CloseReason::Local);
        if let Some(end) = &mut self.closed {
            end.linger_until = None;
        }
    }

    /// Counts one [`Transmit`](super::Transmit) of the last try.
    pub(super) fn on_transmit_dropped(&mut self) {
        let Some(end) = self.closed.as_mut().filter(|end| end.is_trying()) else { return };
        end.transmits -= 1;
        let is_last = end.transmits == 0;
        if is_last || !self.wants_write() {
            self.end_last_try();
        }
    }

    /// Abandons the queue of a closed peer.
    pub(super) fn end_last_try(&mut self) {
        let Some(end) = &mut self.closed else { return };
        end.transmits = 0;
        end.unsent.extend(self.outbox.abandon());
        self.owed_pongs.clear();
        self.timers.clear(Timer::Shutdown);
    }
}
