//! Access to the threads of a peer.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::net::Shutdown;
use std::sync::{Condvar, Mutex, PoisonError};

use super::stream::Stream;
use crate::adapter::driver::Driver;
use crate::adapter::panics::Guarded;
use crate::time::Instant;

/// The clock of both threads, and the means to wake them and to end their stream.
pub(super) struct Threads<S> {
    /// Wakes the writing thread: there may be output, an earlier deadline, or the end.
    pub(super) output: Condvar,
    /// Wakes the reading thread: there may be room for input, or the end.
    pub(super) input: Condvar,
    epoch: std::time::Instant,
    /// Whether the writing thread is in a call of the stream.
    is_writing: AtomicBool,
    /// Ends calls that block. Taken when the peer ends, because handles keep this struct alive
    /// and must not keep the stream open.
    stream: Mutex<Option<Arc<Guarded<S>>>>,
}

impl<S> Threads<S> {
    pub(super) fn new(stream: Arc<Guarded<S>>) -> Self {
        Self {
            output: Condvar::new(),
            input: Condvar::new(),
            epoch: std::time::Instant::now(),
            is_writing: AtomicBool::new(false),
            stream: Mutex::new(Some(stream)),
        }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.is_writing.load(Relaxed)
    }

    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Relaxed);
    }
}

impl<S: Stream> Driver for Threads<S> {
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn wake_writer(&self) {
        self.output.notify_one();
    }

    fn wake_reader(&self) {
        self.input.notify_one();
    }

    fn abort(&self) {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = stream {
            // An error means that the stream has ended already.
            let _ = stream.call(|stream| stream.shutdown(Shutdown::Both));
        }
    }
}
