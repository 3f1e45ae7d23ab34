//! Limits on the messages that a remote may send.

use alloc::boxed::Box;

use super::budget::{Budget, Budgets};
use super::config::Config;
use super::error::CloseReason;
use super::requests::Requests;
use crate::time::Instant;
use crate::wire::Command;

/// Checks the limits of the configuration. Takes no memory before a command with a budget is
/// received.
#[derive(Default)]
pub(super) struct InputLimits {
    budgets: Option<Box<Budgets>>,
}

impl InputLimits {
    /// Checks the length of a payload with its header, so that no larger one is buffered. The
    /// decoder has checked the maximum of the protocol before.
    ///
    /// # Errors
    ///
    /// Returns [`PayloadTooLarge`](CloseReason::PayloadTooLarge) above
    /// [`max_payload`](crate::ConfigBuilder::max_payload), and
    /// [`Unsolicited`](CloseReason::Unsolicited) above
    /// [`max_unsolicited`](crate::ConfigBuilder::max_unsolicited) if no request permits it
    /// (`docs/protocol.md`, 11.1 and 11.2).
    pub(super) fn check_header(
        command: Command,
        len: usize,
        requests: &mut Requests,
        config: &Config,
    ) -> Result<(), CloseReason> {
        if let Some(limit) = config.max_payload(command).filter(|&limit| len > limit) {
            return Err(CloseReason::PayloadTooLarge { command, len, limit });
        }
        if let Some(limit) = config.max_unsolicited(command).filter(|&limit| len > limit)
            && !requests.take_permission(command)
        {
            return Err(CloseReason::Unsolicited { command, len, limit });
        }
        Ok(())
    }

    /// Counts a message. Returns the budget of its command if the message exceeds it
    /// (`docs/protocol.md`, 11.3).
    pub(super) fn exceeded_budget(
        &mut self,
        command: Command,
        frame_len: usize,
        now: Instant,
        config: &Config,
    ) -> Option<Budget> {
        let budget = config.budget(command)?;
        let is_within = self.budgets.get_or_insert_default().take(budget, command, frame_len, now);
        (!is_within).then_some(budget)
    }
}
