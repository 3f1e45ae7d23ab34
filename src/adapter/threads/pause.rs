//! Pauses between calls of a stream that does not block.

use core::time::Duration;
use std::io;
use std::sync::{Condvar, MutexGuard};
use std::time::Instant;

use super::stream::MIN_BLOCKING;
use crate::adapter::shared::wait;
use crate::adapter::state::State;

/// Maximum pause after a call that neither blocked nor made progress.
const MAX_PAUSE: Duration = Duration::from_millis(64);

/// Keeps a thread from spinning over a stream that does not block.
#[derive(Default)]
pub(super) struct Pause {
    length: Duration,
    began: Option<Instant>,
}

impl Pause {
    /// Records the time before a call that should block.
    pub(super) fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// Makes the next pause a short one, as a call made progress.
    pub(super) fn reset(&mut self) {
        self.length = Duration::ZERO;
    }

    /// Pauses after a call that failed without having blocked. Each pause is twice as long as the
    /// one before.
    pub(super) fn wait<'a>(
        &mut self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        error: &io::Error,
    ) -> MutexGuard<'a, State> {
        let has_blocked = self.began.is_none_or(|began| began.elapsed() >= MIN_BLOCKING);
        let has_ended = state.is_finished() && state.linger_until().is_none();
        if has_blocked || error.kind() == io::ErrorKind::Interrupted || has_ended {
            return state;
        }
        self.length = (2 * self.length).clamp(MIN_BLOCKING, MAX_PAUSE);
        wait(condition, state, Some(self.length))
    }
}
