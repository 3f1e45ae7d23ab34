//! The lifetime of a driver's threads and tasks.

use alloc::sync::Arc;
use std::io;

use super::driver::Driver;
use super::shared::Shared;

/// A thread or task of a driver. Dropping it ends the peer, also when a runtime is shut down and
/// drops its tasks.
pub(super) struct DriverGuard<D: Driver>(Arc<Shared<D>>);

impl<D: Driver> DriverGuard<D> {
    pub(super) fn new(shared: &Arc<Shared<D>>) -> Self {
        shared.lock().on_part_started();
        Self(shared.clone())
    }

    pub(super) fn shared(&self) -> &Shared<D> {
        &self.0
    }
}

impl<D: Driver> Drop for DriverGuard<D> {
    fn drop(&mut self) {
        let Self(shared) = self;
        let mut state = shared.lock();
        state.on_part_ended();
        let is_last = state.running_parts() == 0;
        let now = shared.now();
        // Once the peer is closed, the other thread may still have output to write.
        if is_last || !state.is_closed() {
            state.lose_connection(now, io::Error::other("the driver of the peer ended"));
        }
        shared.unlock_and_wake(state);
        if is_last {
            // The stream is dropped before the application learns of the end.
            shared.driver.abort();
            let mut state = shared.lock();
            state.on_driver_ended();
            shared.unlock_and_wake_application(state);
        }
    }
}
