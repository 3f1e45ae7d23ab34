//! Access to the task of a peer.

use core::pin::Pin;
use core::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Sleep};

use crate::adapter::driver::Driver;
use crate::time::Instant;

/// Maximum sleep, because the clock of the runtime cannot represent every deadline.
pub(super) const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The clock of a task, and the means to wake it.
pub(super) struct Task {
    /// Wakes the task: there may be output, room for input, an earlier deadline, or the end.
    pub(super) changed: Notify,
    epoch: time::Instant,
}

impl Driver for Task {
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn wake_writer(&self) {
        self.changed.notify_one();
    }

    fn wake_reader(&self) {
        self.changed.notify_one();
    }

    fn abort(&self) {
        self.changed.notify_one();
    }
}

impl Task {
    pub(super) fn new() -> Self {
        Self { changed: Notify::new(), epoch: time::Instant::now() }
    }

    /// Sets the end of `sleep` to a deadline, or to the maximum sleep if that is earlier.
    pub(super) fn sleep_until(&self, deadline: Instant, sleep: Pin<&mut Sleep>) {
        let latest = self.now() + MAX_SLEEP;
        let end = self.epoch + (deadline.min(latest) - Instant::ZERO);
        if sleep.deadline() != end {
            sleep.reset(end);
        }
    }
}
