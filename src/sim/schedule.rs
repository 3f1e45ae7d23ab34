//! The order in which peers run.

use alloc::collections::{BTreeSet, VecDeque};

use super::peer_id::PeerId;
use crate::time::Instant;

/// Peers that run now, and the times at which others run.
pub(super) struct Schedule {
    ready: VecDeque<PeerId>,
    /// One entry for each peer with a [`Slot::wakes_at`].
    wakes: BTreeSet<(Instant, PeerId)>,
}

/// The place of one peer in a [`Schedule`].
#[derive(Default)]
pub(super) struct Slot {
    is_ready: bool,
    wakes_at: Option<Instant>,
}

impl Schedule {
    pub(super) const fn new() -> Self {
        Self { ready: VecDeque::new(), wakes: BTreeSet::new() }
    }

    pub(super) fn first_ready(&self) -> Option<PeerId> {
        self.ready.front().copied()
    }

    /// Removes the first peer that is ready. The caller clears its slot by
    /// [`Slot::clear_ready`].
    pub(super) fn pop_ready(&mut self) {
        self.ready.pop_front();
    }

    /// Lets a peer run at the current time.
    pub(super) fn make_ready(&mut self, id: PeerId, slot: &mut Slot) {
        if !slot.is_ready {
            slot.is_ready = true;
            self.ready.push_back(id);
        }
    }

    /// Lets a peer run at `at` at the latest.
    ///
    /// A later time does not replace an earlier one. A peer that runs too early does no harm and
    /// costs less than an update for each deadline that moves.
    pub(super) fn wake_at(&mut self, id: PeerId, slot: &mut Slot, at: Instant) {
        if slot.wakes_at.is_some_and(|wakes_at| wakes_at <= at) {
            return;
        }
        if let Some(replaced) = slot.wakes_at.replace(at) {
            self.wakes.remove(&(replaced, id));
        }
        self.wakes.insert((at, id));
    }

    /// Removes the earliest time up to and including `until`. The caller clears the slot of its
    /// peer by [`Slot::clear_wake`].
    pub(super) fn pop_wake(&mut self, until: Instant) -> Option<(Instant, PeerId)> {
        self.wakes.first().filter(|(at, _)| *at <= until)?;
        self.wakes.pop_first()
    }

    /// Removes the time of a peer that is removed from the simulation.
    pub(super) fn remove_wake(&mut self, id: PeerId, slot: &Slot) {
        if let Some(at) = slot.wakes_at {
            self.wakes.remove(&(at, id));
        }
    }

    /// Returns the peers that run later.
    #[cfg(test)]
    pub(super) fn sleeping(&self) -> impl ExactSizeIterator<Item = PeerId> {
        self.wakes.iter().map(|&(_, id)| id)
    }
}

impl Slot {
    pub(super) fn clear_ready(&mut self) {
        self.is_ready = false;
    }

    pub(super) fn clear_wake(&mut self) {
        self.wakes_at = None;
    }
}
