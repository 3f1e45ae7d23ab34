//! The interface between the shared state and the threads or the task that drive a peer.

use crate::time::Instant;

/// The threads or the task that move a peer's bytes and call it in time.
pub(super) trait Driver: Send + Sync {
    fn now(&self) -> Instant;

    /// Wakes the part that writes and keeps the time: there is output, an earlier deadline, or
    /// the end.
    fn wake_writer(&self);

    /// Wakes the part that reads: there is room for input, or the end.
    fn wake_reader(&self);

    /// Ends the stream of a closed peer. May be called more than once.
    fn abort(&self);
}
