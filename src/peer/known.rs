//! What the remote is known to have.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::keyed::Key;
use crate::time::Instant;
use crate::wire::InvVect;

/// An index that names no slot: beyond the ends of the list.
const NONE: u16 = u16::MAX;

/// Most vectors that any set may hold: what the links between them can name.
pub(super) const MAX_CAPACITY: usize = NONE as usize;

/// A bounded set of inventory vectors: the one least recently looked up or inserted
/// goes first, and each is forgotten when its time is over.
pub(super) struct KnownInventory {
    key: Key,
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
    /// The vector's.
    hash: u64,
}

impl KnownInventory {
    /// An empty set, which takes no memory until something is inserted.
    pub(super) fn new(capacity: usize, key: Key) -> Self {
        Self {
            key,
            capacity: u16::try_from(capacity).unwrap_or(NONE),
            index: HashTable::new(),
            slots: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// How many vectors are held, those among them whose time is over included.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The key of its hashes, for other sets of the same peer.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.into()
    }

    /// Whether `vector` is known at `now`; if so it counts as used.
    pub(super) fn contains(&mut self, vector: &InvVect, now: Instant) -> bool {
        self.contains_hashed(vector, self.key.hash(vector), now)
    }

    /// As [`contains`](Self::contains), with the hash of the vector.
    pub(super) fn contains_hashed(&mut self, vector: &InvVect, hash: u64, now: Instant) -> bool {
        let found = self.find(vector, hash);
        match found.and_then(|at| self.slots.get(usize::from(at)).map(|slot| (at, slot.expires))) {
            Some((at, expires)) if now < expires => {
                self.use_slot(at);
                true
            }
            _ => false,
        }
    }

    /// Makes `vector` known until `expires`.
    pub(super) fn insert(&mut self, vector: InvVect, expires: Instant) {
        self.insert_hashed(vector, self.key.hash(&vector), expires);
    }

    /// As [`insert`](Self::insert), with the hash of the vector.
    pub(super) fn insert_hashed(&mut self, vector: InvVect, hash: u64, expires: Instant) {
        if let Some(at) = self.find(&vector, hash) {
            self.slots[usize::from(at)].expires = expires;
            self.use_slot(at);
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
            self.forget(at);
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

    fn forget(&mut self, at: u16) {
        let hash = self.slots[usize::from(at)].hash;
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
    }

    fn use_slot(&mut self, at: u16) {
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
        KnownInventory::new(capacity, Key::new(&mut ChaCha8Rng::seed_from_u64(0)))
    }

    fn vector(n: u8) -> InvVect {
        InvVect::tx(Hash::from_bytes([n; 32]))
    }

    #[test]
    fn equal_vectors_are_one_wherever_they_come_from() {
        let mut known = set(10);
        known.insert(vector(1), Instant::MAX);
        assert!(known.contains(&vector(1), Instant::ZERO));
        assert!(!known.contains(&InvVect::block(vector(1).hash()), Instant::ZERO));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
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
    fn a_lifetime_counts_from_insertion_not_from_use() {
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
    fn a_set_of_none_knows_nothing() {
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
        fn behaves_as_a_plain_list_would(
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
