//! Inventory that the remote is known to have.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::hasher::InventoryHasher;
use crate::time::Instant;
use crate::wire::InvVect;

/// An index of no slot: the neighbour of the first and of the last slot.
const NONE: u16 = u16::MAX;

/// Maximum capacity of a set: the number of slots that 16-bit links can address.
pub(super) const MAX_CAPACITY: usize = NONE as usize;

/// A bounded set of inventory vectors. Evicts the vector that was least recently looked up or
/// inserted, and forgets each vector when it expires (`docs/protocol.md`, 8.1).
pub(super) struct KnownInventory {
    hasher: InventoryHasher,
    capacity: u16,
    index: HashTable<u16>,
    slots: Vec<Slot>,
    newest: u16,
    oldest: u16,
}

struct Slot {
    vector: InvVect,
    newer: u16,
    older: u16,
    expires: Instant,
    /// The hash of the vector.
    hash: u64,
}

impl KnownInventory {
    /// Creates an empty set, which allocates nothing until a vector is inserted.
    pub(super) fn new(capacity: usize, hasher: InventoryHasher) -> Self {
        Self {
            hasher,
            capacity: u16::try_from(capacity).unwrap_or(NONE),
            index: HashTable::new(),
            slots: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Returns the number of vectors, expired ones included.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the hash function, for other sets of the same peer.
    pub(super) fn hasher(&self) -> InventoryHasher {
        self.hasher
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.into()
    }

    /// Returns whether `vector` is known at `now`. If so, it is evicted later.
    pub(super) fn contains(&mut self, vector: &InvVect, now: Instant) -> bool {
        self.contains_hashed(vector, self.hasher.hash(vector), now)
    }

    /// As [`contains`](Self::contains), for a vector whose hash is computed already.
    pub(super) fn contains_hashed(&mut self, vector: &InvVect, hash: u64, now: Instant) -> bool {
        let found = self.find(vector, hash);
        match found.and_then(|at| self.slots.get(usize::from(at)).map(|slot| (at, slot.expires))) {
            Some((at, expires)) if now < expires => {
                self.mark_used(at);
                true
            }
            _ => false,
        }
    }

    /// Inserts `vector`, which expires at `expires`.
    pub(super) fn insert(&mut self, vector: InvVect, expires: Instant) {
        self.insert_hashed(vector, self.hasher.hash(&vector), expires);
    }

    /// As [`insert`](Self::insert), for a vector whose hash is computed already.
    pub(super) fn insert_hashed(&mut self, vector: InvVect, hash: u64, expires: Instant) {
        if let Some(at) = self.find(&vector, hash) {
            self.slots[usize::from(at)].expires = expires;
            self.mark_used(at);
            return;
        }
        if self.capacity == 0 {
            return;
        }
        let slot = Slot { vector, newer: NONE, older: NONE, expires, hash };
        let at = if self.slots.len() < self.capacity() {
            self.slots.push(slot);
            (self.slots.len() - 1) as u16
        } else {
            let at = self.oldest;
            self.unlink(at);
            self.remove_from_index(at);
            self.slots[usize::from(at)] = slot;
            at
        };
        self.link_newest(at);
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| slots[usize::from(at)].hash);
    }

    fn find(&self, vector: &InvVect, hash: u64) -> Option<u16> {
        self.index.find(hash, |&at| self.slots[usize::from(at)].vector == *vector).copied()
    }

    fn remove_from_index(&mut self, at: u16) {
        let hash = self.slots[usize::from(at)].hash;
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
    }

    fn mark_used(&mut self, at: u16) {
        if self.newest != at {
            self.unlink(at);
            self.link_newest(at);
        }
    }

    fn unlink(&mut self, at: u16) {
        let Slot { newer, older, .. } = self.slots[usize::from(at)];
        match self.slots.get_mut(usize::from(newer)) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(usize::from(older)) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: u16) {
        let second = self.newest;
        let slot = &mut self.slots[usize::from(at)];
        (slot.newer, slot.older) = (NONE, second);
        match self.slots.get_mut(usize::from(second)) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use core::time::Duration;

    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::hash::Hash;

    const LIFETIME: Duration = Duration::from_secs(900);

    fn set(capacity: usize) -> KnownInventory {
        KnownInventory::new(capacity, InventoryHasher::new(&mut ChaCha8Rng::seed_from_u64(0)))
    }

    fn vector(n: u8) -> InvVect {
        InvVect::tx(Hash::from_bytes([n; 32]))
    }

    #[test]
    fn vectors_are_equal_by_type_and_hash() {
        let mut known = set(10);
        known.insert(vector(1), Instant::MAX);
        assert!(known.contains(&vector(1), Instant::ZERO));
        assert!(!known.contains(&InvVect::block(vector(1).hash()), Instant::ZERO));
    }

    #[test]
    fn the_least_recently_used_vector_is_evicted() {
        let mut known = set(3);
        for n in 1..=3 {
            known.insert(vector(n), Instant::MAX);
        }
        assert!(known.contains(&vector(1), Instant::ZERO));
        known.insert(vector(4), Instant::MAX);
        assert!(!known.contains(&vector(2), Instant::ZERO));
        assert!([1, 3, 4].iter().all(|&n| known.contains(&vector(n), Instant::ZERO)));
    }

    #[test]
    fn a_vector_expires_after_its_last_insertion() {
        let mut known = set(3);
        known.insert(vector(1), Instant::ZERO + LIFETIME);
        let last = Instant::ZERO + (LIFETIME - Duration::from_nanos(1));
        assert!(known.contains(&vector(1), last));
        assert!(!known.contains(&vector(1), Instant::ZERO + LIFETIME));
        known.insert(vector(1), Instant::ZERO + 2 * LIFETIME);
        assert!(known.contains(&vector(1), Instant::ZERO + LIFETIME));
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn a_set_of_capacity_zero_stays_empty() {
        let mut known = set(0);
        known.insert(vector(1), Instant::MAX);
        assert!(!known.contains(&vector(1), Instant::ZERO));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        Look(u8),
        Wait(u16),
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(
            capacity in 1_usize..8,
            steps in proptest::collection::vec(
                prop_oneof![
                    (0_u8..12).prop_map(Step::Insert),
                    (0_u8..12).prop_map(Step::Look),
                    (0_u16..400).prop_map(Step::Wait),
                ],
                0..200,
            ),
        ) {
            let mut known = set(capacity);
            let mut model: VecDeque<(u8, Instant)> = VecDeque::new();
            let mut now = Instant::ZERO;
            for step in steps {
                match step {
                    Step::Insert(n) => {
                        model.retain(|&(other, _)| other != n);
                        if model.len() == capacity {
                            model.pop_front();
                        }
                        model.push_back((n, now + LIFETIME));
                        known.insert(vector(n), now + LIFETIME);
                    }
                    Step::Look(n) => {
                        let place = model.iter().position(|&(other, end)| other == n && now < end);
                        prop_assert_eq!(known.contains(&vector(n), now), place.is_some());
                        if let Some(used) = place.and_then(|place| model.remove(place)) {
                            model.push_back(used);
                        }
                    }
                    Step::Wait(secs) => now += Duration::from_secs(secs.into()),
                }
                prop_assert_eq!(known.len(), model.len());
            }
        }
    }
}
