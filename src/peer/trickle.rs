//! The batch of announcements that waits for the next trickle.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use hashbrown::HashTable;

use super::hasher::InventoryHasher;
use super::known_inventory::KnownInventory;
use super::random::Random;
use super::shrink::{push_back, shrink_if_oversized};
use crate::time::Instant;
use crate::wire::{InvVect, List};

/// Capacity of the index that an empty batch keeps.
const KEPT_CAPACITY: usize = 32;

/// Default maximum number of vectors in one trickled `inv`: `maxInvTrickleSize` of the reference
/// nodes.
pub(super) const DEFAULT_BATCH: usize = 1_000;

/// The range from which the delay of each trickle is drawn. A fixed delay would show remotes where
/// a transaction entered the network (`docs/protocol.md`, 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Interval {
    /// Draws a duration from `shortest` up to `longest`, exclusive.
    pub(super) fn draw(&self, random: &mut Random) -> Duration {
        let spread = self.longest.saturating_sub(self.shortest);
        let spread = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        self.shortest.saturating_add(Duration::from_nanos(random.below(spread)))
    }
}

/// Batched vectors, each once. Allocates nothing until a vector is added.
#[derive(Default)]
pub(super) struct Trickle(Option<Box<Batched>>);

/// Vectors in the order in which they were announced.
#[derive(Default)]
struct Batched {
    vectors: VecDeque<InvVect>,
    /// The number of the first vector.
    first: u32,
    index: HashTable<Entry>,
}

/// A vector in the index.
struct Entry {
    number: u32,
    /// A part of the vector's hash, so that no vector is hashed again when the index grows.
    hash: u32,
}

/// Returns the part of a hash that the index keeps.
const fn part(hash: u64) -> u32 {
    hash as u32
}

/// Returns the hash for the index, which uses the lowest and the highest bits.
const fn spread(part: u32) -> u64 {
    part as u64 | (part as u64) << 32
}

impl Trickle {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |batched| batched.vectors.len())
    }

    /// Returns whether a vector is batched. Here and below, `hash` is its hash in the known
    /// inventory.
    pub(super) fn contains(&self, vector: &InvVect, hash: u64) -> bool {
        self.0.as_ref().is_some_and(|batched| batched.contains(vector, hash))
    }

    /// Adds a vector that is not batched yet.
    pub(super) fn push(&mut self, vector: InvVect, hash: u64) {
        self.0.get_or_insert_default().push(vector, hash);
    }

    /// Takes at most `max` vectors. Skips those that have become known. The others become known
    /// until `expires`.
    pub(super) fn take_batch(
        &mut self,
        max: usize,
        known: &mut KnownInventory,
        now: Instant,
        expires: Instant,
    ) -> List<InvVect> {
        let mut batch = alloc::vec::Vec::with_capacity(self.len().min(max));
        let Some(batched) = &mut self.0 else { return batch.into() };
        while batch.len() < max
            && let Some((vector, hash)) = batched.pop(known.hasher())
        {
            if !known.contains_hashed(&vector, hash, now) {
                known.insert_hashed(vector, hash, expires);
                batch.push(vector);
            }
        }
        shrink_if_oversized(&mut batched.vectors);
        if batched.vectors.is_empty() && batched.index.capacity() > KEPT_CAPACITY {
            batched.index = HashTable::new();
        }
        batch.into()
    }

    /// Frees the memory of an empty batch.
    pub(super) fn shrink_if_idle(&mut self) {
        if self.len() == 0 {
            self.clear();
        }
    }

    /// Removes all vectors.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Batched {
    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    fn contains(&self, vector: &InvVect, hash: u64) -> bool {
        let is_same = |entry: &Entry| self.vectors.get(self.place(entry.number)) == Some(vector);
        self.index.find(spread(part(hash)), is_same).is_some()
    }

    fn push(&mut self, vector: InvVect, hash: u64) {
        let number = self.first.wrapping_add(self.vectors.len() as u32);
        push_back(&mut self.vectors, vector);
        let hash = part(hash);
        self.index.insert_unique(spread(hash), Entry { number, hash }, |entry| spread(entry.hash));
    }

    fn pop(&mut self, hasher: InventoryHasher) -> Option<(InvVect, u64)> {
        let vector = self.vectors.pop_front()?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        let hash = hasher.hash(&vector);
        let found = self.index.find_entry(spread(part(hash)), |entry| entry.number == number);
        if let Ok(entry) = found {
            entry.remove();
        }
        Some((vector, hash))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::hasher::InventoryHasher;
    use super::*;
    use crate::hash::Hash;

    fn vector(n: u16) -> InvVect {
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&n.to_le_bytes());
        InvVect::tx(Hash::from_bytes(hash))
    }

    fn hasher() -> InventoryHasher {
        InventoryHasher::new(&mut ChaCha8Rng::seed_from_u64(0))
    }

    fn known() -> KnownInventory {
        KnownInventory::new(10_000, hasher())
    }

    fn push(trickle: &mut Trickle, n: u16) {
        trickle.push(vector(n), hasher().hash(&vector(n)));
    }

    fn contains(trickle: &Trickle, n: u16) -> bool {
        trickle.contains(&vector(n), hasher().hash(&vector(n)))
    }

    #[test]
    fn every_batch_but_the_last_is_full() {
        let mut trickle = Trickle::default();
        (0..2_500).for_each(|n| push(&mut trickle, n));
        let mut known = known();
        let mut sizes = [0; 3];
        for size in &mut sizes {
            *size =
                trickle.take_batch(DEFAULT_BATCH, &mut known, Instant::ZERO, Instant::MAX).len();
        }
        assert_eq!(sizes, [1_000, 1_000, 500]);
        assert_eq!(trickle.len(), 0);
    }

    #[test]
    fn known_vectors_are_skipped() {
        let mut trickle = Trickle::default();
        [1, 2, 3].into_iter().for_each(|n| push(&mut trickle, n));
        let mut known = known();
        known.insert(vector(3), Instant::MAX);
        let batch = trickle.take_batch(DEFAULT_BATCH, &mut known, Instant::ZERO, Instant::MAX);
        assert_eq!(batch.as_slice(), [vector(1), vector(2)]);
    }

    #[test]
    fn batched_vectors_are_found() {
        // Numbers wrap around.
        let batched = Batched { first: u32::MAX - 1_000, ..Batched::default() };
        let mut trickle = Trickle(Some(batched.into()));
        let mut known = known();
        for round in 0..3 {
            let range = 1_500 * round..1_500 * (round + 1);
            for n in range.clone() {
                assert!(!contains(&trickle, n));
                push(&mut trickle, n);
            }
            assert!(range.clone().all(|n| contains(&trickle, n)));
            let expires = Instant::MAX;
            trickle.take_batch(DEFAULT_BATCH, &mut known, Instant::ZERO, expires);
            let remaining = range.clone().filter(|&n| contains(&trickle, n));
            assert!(remaining.eq(range.start + 1_000..range.end));
            trickle.take_batch(DEFAULT_BATCH, &mut known, Instant::ZERO, expires);
            let index = &trickle.0.as_ref().unwrap().index;
            assert_eq!((trickle.len(), index.len(), index.capacity()), (0, 0, 0));
        }
    }

    #[test]
    fn delays_are_drawn_from_the_whole_interval() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(0));
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_millis(500));
        let interval = Interval { shortest, longest };
        let drawn: alloc::vec::Vec<_> = (0..1_000).map(|_| interval.draw(&mut random)).collect();
        assert!(drawn.iter().all(|delay| (shortest..longest).contains(delay)));
        assert!(drawn.iter().any(|delay| *delay < Duration::from_millis(120)));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_millis(480)));
        let zero = Interval { shortest: Duration::ZERO, longest: Duration::ZERO };
        assert_eq!(zero.draw(&mut random), Duration::ZERO);
    }
}
