//! The end of a peer: by a reason, at once or after one more try to send what is queued.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use super::PeerState;
use super::error::CloseReason;
use super::event::SendId;
use super::timers::{LAST_DEADLINE, Timer};
use crate::time::Instant;

/// How long after fatal input the remote may take to receive the last bytes, and a driver to
/// send them.
const LAST_TRY: Duration = Duration::from_secs(1);

/// How a peer ended.
pub(super) struct End {
    pub(super) reason: CloseReason,
    pub(super) is_closed_emitted: bool,
    /// How many more times the driver may offer to the socket what was queued before.
    tries: u8,
    /// Receipts of frames that were abandoned, to be emitted before the end is.
    pub(super) unsent: VecDeque<SendId>,
    /// Until when the remote may take to receive the last bytes.
    pub(super) linger_until: Option<Instant>,
}

impl End {
    pub(super) fn is_trying(&self) -> bool {
        self.tries > 0
    }
}

impl PeerState {
    /// Closes a peer that is shutting down once it has nothing left to send.
    pub(super) fn finish_shutdown(&mut self) {
        if self.closed.is_none()
            && let Some(latest) = self.timers.get(Timer::Shutdown)
            && self.outbox.frames() == 0
            && self.trickle.len() == 0
        {
            self.close_with(CloseReason::Local);
            if let Some(end) = &mut self.closed {
                end.linger_until = Some(latest);
            }
        }
    }

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
                frames: self.outbox.frames(),
            }
        );
        let mut end = End {
            reason,
            is_closed_emitted: false,
            tries: 0,
            unsent: VecDeque::new(),
            linger_until: None,
        };
        self.sent_nonce = None;
        self.trickle.clear();
        self.requests = None;
        self.handshake.take_held();
        self.timers.clear_all();
        if end.reason.is_by_input() {
            let end_at = (self.now + LAST_TRY).min(LAST_DEADLINE);
            end.linger_until = (end.reason != CloseReason::RemoteClosed).then_some(end_at);
            if self.outbox.is_sendable() {
                // One to lend the bytes and one to advance past them. A write in progress takes
                // one more, in which the driver advances past what was lent before the end.
                end.tries = 2 + u8::from(self.outbox.has_lent());
                self.timers.set(Timer::Shutdown, end_at);
            }
        }
        let is_trying = end.is_trying();
        self.closed = Some(Box::new(end));
        if !is_trying {
            self.end_last_try();
        }
    }

    /// The driver had one chance more to send what was queued before the end.
    pub(super) fn finish_last_try(&mut self) {
        if let Some(end) = self.closed.as_mut().filter(|end| end.is_trying()) {
            end.tries -= 1;
            if end.tries == 0 || !self.outbox.is_sendable() {
                self.end_last_try();
            }
        }
    }

    /// Drops what is queued.
    pub(super) fn end_last_try(&mut self) {
        if let Some(end) = &mut self.closed {
            end.tries = 0;
            end.unsent.extend(self.outbox.abandon());
            self.timers.clear_all();
        }
    }

    pub(super) fn close_at_eof(&mut self) {
        self.close_with(match self.decoder.cut(self.input.unconsumed) {
            Some(frame) => CloseReason::Cut(frame),
            None => CloseReason::RemoteClosed,
        });
    }
}
