//! Threads and tasks of the application that wait for a peer.

use alloc::collections::BTreeMap;
use core::mem;
use core::task::Waker;
use std::sync::Condvar;

use super::panics::catch;

/// Threads and tasks that wait for events or for the end.
///
/// Wakers run code of the application. They are cloned, woken and dropped only without the lock.
pub(super) struct Waiters {
    /// Number of threads that wait for events or for the end.
    threads: usize,
    receiver: Receiver,
    /// Wakers of the tasks that wait for the end.
    end_wakers: BTreeMap<u64, Waker>,
    last_end_key: u64,
}

/// The receiver of events.
enum Receiver {
    /// No task waits for events.
    Idle,
    /// A task waits for events.
    Waiting(Waker),
    /// The events were dropped, so that the driver discards them.
    Dropped,
}

/// Threads and tasks to be woken once the lock is released.
pub(super) struct Woken {
    threads: bool,
    receiver: Option<Waker>,
    end_wakers: BTreeMap<u64, Waker>,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Self { threads: 0, receiver: Receiver::Idle, end_wakers: BTreeMap::new(), last_end_key: 0 }
    }

    pub(super) fn add_thread(&mut self) {
        self.threads += 1;
    }

    pub(super) fn remove_thread(&mut self) {
        self.threads -= 1;
    }

    pub(super) fn are_events_dropped(&self) -> bool {
        matches!(self.receiver, Receiver::Dropped)
    }

    /// Returns whether an event wakes the task of `waker`.
    pub(super) fn is_receiver(&self, waker: &Waker) -> bool {
        matches!(&self.receiver, Receiver::Waiting(receiver) if receiver.will_wake(waker))
    }

    /// Registers a waker for the next event. Returns the waker that it replaces.
    pub(super) fn set_receiver(&mut self, waker: Waker) -> Option<Waker> {
        mem::replace(&mut self.receiver, Receiver::Waiting(waker)).into_waker()
    }

    /// Records that the events were dropped. Returns the waker of the task that waited for them.
    pub(super) fn drop_receiver(&mut self) -> Option<Waker> {
        mem::replace(&mut self.receiver, Receiver::Dropped).into_waker()
    }

    /// Returns whether the end wakes the task of `waker`, registered by `key`.
    pub(super) fn is_end_waker(&self, key: Option<u64>, waker: &Waker) -> bool {
        let registered = key.and_then(|key| self.end_wakers.get(&key));
        registered.is_some_and(|registered| registered.will_wake(waker))
    }

    /// Registers a waker for the end, by `key` or a new key. Returns the key and the waker that
    /// it replaces.
    pub(super) fn set_end_waker(&mut self, key: Option<u64>, waker: Waker) -> (u64, Option<Waker>) {
        let key = key.unwrap_or_else(|| {
            self.last_end_key += 1;
            self.last_end_key
        });
        (key, self.end_wakers.insert(key, waker))
    }

    pub(super) fn remove_end_waker(&mut self, key: u64) -> Option<Waker> {
        self.end_wakers.remove(&key)
    }

    /// Takes the wakers to be woken because events wait.
    pub(super) fn take_for_events(&mut self) -> Woken {
        let receiver = match &self.receiver {
            Receiver::Waiting(_) => mem::replace(&mut self.receiver, Receiver::Idle).into_waker(),
            Receiver::Idle | Receiver::Dropped => None,
        };
        Woken { threads: self.threads > 0, receiver, end_wakers: BTreeMap::new() }
    }

    /// Takes the wakers to be woken because the peer and its driver have ended.
    pub(super) fn take_for_end(&mut self) -> Woken {
        Woken { end_wakers: mem::take(&mut self.end_wakers), ..self.take_for_events() }
    }
}

impl Receiver {
    fn into_waker(self) -> Option<Waker> {
        match self {
            Self::Waiting(waker) => Some(waker),
            Self::Idle | Self::Dropped => None,
        }
    }
}

impl Woken {
    pub(super) const NONE: Self =
        Self { threads: false, receiver: None, end_wakers: BTreeMap::new() };

    /// Wakes all of them. A waker that panics does not cost the others their wake-up.
    pub(super) fn wake(self, threads: &Condvar) {
        if self.threads {
            threads.notify_all();
        }
        for waker in self.receiver.into_iter().chain(self.end_wakers.into_values()) {
            catch(|| waker.wake());
        }
    }
}
