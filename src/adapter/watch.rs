//! Tracks which changes of a peer its driver notices by itself.

use crate::peer::PeerState;
use crate::time::Instant;

/// Changes that a driver notices without a wake-up.
///
/// Most commands leave the driver nothing to do: an announcement waits for the next batch, for
/// example. A wake-up costs more than the command, so it is sent only when the driver needs it.
pub(super) struct DriverWatch {
    /// Whether the reading part notices room for input.
    pub(super) notices_room: bool,
    /// Whether the writing part notices output.
    pub(super) notices_output: bool,
    /// Time at which the writing part looks at the deadline.
    pub(super) checks_deadline_at: Instant,
}

impl DriverWatch {
    /// The driver looks at everything before it waits.
    pub(super) const AWAKE: Self =
        Self { notices_room: true, notices_output: true, checks_deadline_at: Instant::ZERO };

    /// Returns whether the reading part must be woken, and records that it will be.
    pub(super) fn must_wake_reader(&mut self, peer: &PeerState) -> bool {
        let must_wake = !self.notices_room && takes_input(peer);
        self.notices_room |= must_wake;
        must_wake
    }

    /// Returns whether the writing part must be woken, and records that it will be.
    pub(super) fn must_wake_writer(&mut self, peer: &PeerState) -> bool {
        let is_due_earlier = peer.poll_timeout().is_some_and(|at| at < self.checks_deadline_at);
        let must_wake = is_due_earlier || (!self.notices_output && peer.wants_write());
        if must_wake {
            self.wake_writer();
        }
        must_wake
    }

    /// Records that the writing part looks at output and deadlines before it waits.
    pub(super) fn wake_writer(&mut self) {
        self.notices_output = true;
        self.checks_deadline_at = Instant::ZERO;
    }

    /// Records that the writing part waits for output until `deadline`.
    pub(super) fn suspend_writer(&mut self, deadline: Option<Instant>) {
        self.notices_output = false;
        self.checks_deadline_at = deadline.unwrap_or(Instant::MAX);
    }
}

/// Whether the reading part has something to do.
pub(super) fn takes_input(peer: &PeerState) -> bool {
    peer.wants_read() || peer.can_resume()
}
