//! The end of a peer (`docs/protocol.md`, 12).

use std::time::Duration;

use excc_peer::{Blame, CloseReason, Instant, Timer};

use super::{LAST_DEADLINE, Model, ModelEvent, Purpose};

/// How long after fatal input the last bytes may take.
const LAST_TRY: Duration = Duration::from_secs(1);

impl Model {
    pub(super) fn close_for(&mut self, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        self.shuts_down_by = None;
        self.waiting.clear();
        self.outstanding.clear();
        self.dues.clear();
        self.deadlines.clear_all();
        let (has_try, lingers) = match reason {
            CloseReason::RemoteClosed => (true, false),
            CloseReason::Cut(_)
            | CloseReason::Decode(_)
            | CloseReason::PayloadTooLarge { .. }
            | CloseReason::Unsolicited { .. }
            | CloseReason::OverBudget { .. }
            | CloseReason::NotVersion(_)
            | CloseReason::NotVerAck(_)
            | CloseReason::DuplicateVersion
            | CloseReason::DuplicateVerAck => (true, true),
            _ => (false, false),
        };
        self.closed = Some(reason);
        let end_at = (self.now + LAST_TRY).min(LAST_DEADLINE);
        self.linger_until = lingers.then_some(end_at);
        if has_try && self.has_something_to_send() {
            self.tries = 2 + u8::from(self.lent > 0);
            self.deadlines.set(Timer::Shutdown, end_at);
            self.note("last try: begins");
        } else {
            self.abandon();
        }
    }

    /// Drops the queue of a closed peer, and lets the last events come.
    pub(super) fn abandon(&mut self) {
        self.tries = 0;
        self.deadlines.clear_all();
        self.pongs.clear();
        for frame in self.frames.drain(..) {
            if let Purpose::Receipt(id, _) = frame.purpose {
                self.after.push_back(ModelEvent::NotSent(id));
            }
        }
        (self.sent, self.lent) = (0, 0);
        self.after.extend(self.closed.clone().map(ModelEvent::Closed));
    }

    /// Ends the last try to send something, if there is one.
    pub(super) fn end_try(&mut self, note: &'static str) {
        if self.tries > 0 {
            self.note(note);
            self.abandon();
        }
    }

    pub(crate) fn handle_connection_lost(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: connection lost");
        self.close_for(CloseReason::ConnectionLost);
    }

    /// Sends all that is queued, with the waiting announcements, and closes then or when the
    /// time is over.
    pub(crate) fn shutdown(&mut self, now: Instant, timeout: Duration) {
        self.set_time(now);
        if timeout.is_zero() {
            self.close(now);
        }
        if self.closed.is_some() {
            return;
        }
        let end = LAST_DEADLINE.min(self.now + timeout);
        self.shuts_down_by = Some(end);
        self.deadlines.set(Timer::Shutdown, end);
        self.deadlines.clear(Timer::Trickle);
        self.announce_waiting();
        self.close_if_all_was_sent();
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: closed");
        self.close_for(CloseReason::Local);
        self.linger_until = None;
    }

    /// Ends what the application wants ended, once nothing is left to send.
    pub(super) fn close_if_all_was_sent(&mut self) {
        if let Some(at) = self.shuts_down_by
            && self.frames.is_empty()
            && self.pongs.is_empty()
            && self.waiting.is_empty()
        {
            self.close_for(CloseReason::Local);
            self.linger_until = Some(at);
        }
    }
}

/// Whether the model nodes of a chain ban a remote for that decoding error, by its name.
pub(crate) fn is_banned_for(error: &str, is_decred: bool) -> bool {
    match error {
        "Truncated" => false,
        "TrailingBytes" => is_decred,
        _ => true,
    }
}

/// The side that an end is blamed on (`docs/protocol.md`, 12.1).
pub(crate) fn blame(reason: &CloseReason) -> Blame {
    match reason {
        CloseReason::Local
        | CloseReason::VersionRefused
        | CloseReason::Encode(_)
        | CloseReason::PayloadTooLarge { .. }
        | CloseReason::SelfConnection => Blame::Local,
        CloseReason::Decode(_)
        | CloseReason::NotVersion(_)
        | CloseReason::NotVerAck(_)
        | CloseReason::DuplicateVersion
        | CloseReason::DuplicateVerAck
        | CloseReason::Unsolicited { .. }
        | CloseReason::OverBudget { .. } => Blame::Misbehaviour,
        CloseReason::RemoteClosed | CloseReason::ConnectionLost | CloseReason::Cut(_) => {
            Blame::Network
        }
        _ => Blame::Unsuitable,
    }
}
