//! Announcements that wait for company.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use hashbrown::HashTable;

use super::keyed::Key;
use super::known::KnownInventory;
use super::queue::{give_back, push_back};
use super::random::Random;
use crate::time::Instant;
use crate::wire::{InvVect, List};

/// Room in the index that an empty queue keeps.
const KEPT: usize = 32;

/// Most vectors in one trickled `inv`, unless another number is configured.
pub(super) const BATCH: usize = 1_000;

/// How long announcements wait: between the two durations, drawn anew each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Interval {
    pub(super) fn draw(&self, random: &mut Random) -> Duration {
        let spread = self.longest.saturating_sub(self.shortest);
        let spread = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        self.shortest.saturating_add(Duration::from_nanos(random.below(spread)))
    }
}

/// The vectors that wait, each once. Takes no memory of its own until one does.
#[derive(Default)]
pub(super) struct Trickle(Option<Box<Waiting>>);

/// Vectors in the order in which they were announced.
#[derive(Default)]
struct Waiting {
    vectors: VecDeque<InvVect>,
    /// The number of the first vector.
    first: u32,
    index: HashTable<Entry>,
}

/// A vector in the index.
struct Entry {
    number: u32,
    /// A part of its hash, so that no vector is hashed again when the index grows.
    hash: u32,
}

/// The part of a hash that the index keeps.
const fn part(hash: u64) -> u32 {
    hash as u32
}

/// The hash of the index, which uses the lowest and the highest bits.
const fn spread(part: u32) -> u64 {
    part as u64 | (part as u64) << 32
}

impl Trickle {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.vectors.len())
    }

    /// Whether a vector waits. Here and below, `hash` is that of the known inventory.
    pub(super) fn contains(&self, vector: &InvVect, hash: u64) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.contains(vector, hash))
    }

    /// Adds a vector that does not wait yet.
    pub(super) fn push(&mut self, vector: InvVect, hash: u64) {
        self.0.get_or_insert_default().push(vector, hash);
    }

    /// Takes the next batch, of so many at most, without vectors that have become known
    /// meanwhile. Those that it takes become known until `expires`.
    pub(super) fn take_batch(
        &mut self,
        most: usize,
        known: &mut KnownInventory,
        now: Instant,
        expires: Instant,
    ) -> List<InvVect> {
        let mut batch = alloc::vec::Vec::with_capacity(self.len().min(most));
        let Some(waiting) = &mut self.0 else { return batch.into() };
        while batch.len() < most
            && let Some((vector, hash)) = waiting.pop(known.key())
        {
            if !known.contains_hashed(&vector, hash, now) {
                known.insert_hashed(vector, hash, expires);
                batch.push(vector);
            }
        }
        give_back(&mut waiting.vectors);
        if waiting.vectors.is_empty() && waiting.index.capacity() > KEPT {
            waiting.index = HashTable::new();
        }
        batch.into()
    }

    /// Gives back the memory of a queue that is empty.
    pub(super) fn settle(&mut self) {
        if self.len() == 0 {
            self.clear();
        }
    }

    /// Drops all vectors.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Waiting {
    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    fn contains(&self, vector: &InvVect, hash: u64) -> bool {
        let is_it = |entry: &Entry| self.vectors.get(self.place(entry.number)) == Some(vector);
        self.index.find(spread(part(hash)), is_it).is_some()
    }

    fn push(&mut self, vector: InvVect, hash: u64) {
        let number = self.first.wrapping_add(self.vectors.len() as u32);
        push_back(&mut self.vectors, vector);
        let hash = part(hash);
        self.index.insert_unique(spread(hash), Entry { number, hash }, |entry| spread(entry.hash));
    }

    fn pop(&mut self, key: Key) -> Option<(InvVect, u64)> {
        let vector = self.vectors.pop_front()?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        let hash = key.hash(&vector);
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

    use super::super::keyed::Key;
    use super::*;
    use crate::hash::Hash;

    fn vector(n: u16) -> InvVect {
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&n.to_le_bytes());
        InvVect::tx(Hash::from_bytes(hash))
    }

    fn key() -> Key {
        Key::new(&mut ChaCha8Rng::seed_from_u64(0))
    }

    fn known() -> KnownInventory {
        KnownInventory::new(10_000, key())
    }

    fn push(trickle: &mut Trickle, n: u16) {
        trickle.push(vector(n), key().hash(&vector(n)));
    }

    fn contains(trickle: &Trickle, n: u16) -> bool {
        trickle.contains(&vector(n), key().hash(&vector(n)))
    }

    #[test]
    fn batches_are_full_until_the_last_one() {
        let mut trickle = Trickle::default();
        (0..2_500).for_each(|n| push(&mut trickle, n));
        let mut known = known();
        let mut sizes = [0; 3];
        for size in &mut sizes {
            *size = trickle.take_batch(BATCH, &mut known, Instant::ZERO, Instant::MAX).len();
        }
        assert_eq!(sizes, [1_000, 1_000, 500]);
        assert_eq!(trickle.len(), 0);
    }

    #[test]
    fn known_vectors_are_left_out() {
        let mut trickle = Trickle::default();
        [1, 2, 3].into_iter().for_each(|n| push(&mut trickle, n));
        let mut known = known();
        known.insert(vector(3), Instant::MAX);
        let batch = trickle.take_batch(BATCH, &mut known, Instant::ZERO, Instant::MAX);
        assert_eq!(batch.as_slice(), [vector(1), vector(2)]);
    }

    #[test]
    fn vectors_are_found_while_they_wait() {
        // Numbers wrap around.
        let waiting = Waiting { first: u32::MAX - 1_000, ..Waiting::default() };
        let mut trickle = Trickle(Some(waiting.into()));
        let mut known = known();
        for round in 0..3 {
            let range = 1_500 * round..1_500 * (round + 1);
            for n in range.clone() {
                assert!(!contains(&trickle, n));
                push(&mut trickle, n);
            }
            assert!(range.clone().all(|n| contains(&trickle, n)));
            let expires = Instant::MAX;
            trickle.take_batch(BATCH, &mut known, Instant::ZERO, expires);
            let waiting = range.clone().filter(|&n| contains(&trickle, n));
            assert!(waiting.eq(range.start + 1_000..range.end));
            trickle.take_batch(BATCH, &mut known, Instant::ZERO, expires);
            let index = &trickle.0.as_ref().unwrap().index;
            assert_eq!((trickle.len(), index.len(), index.capacity()), (0, 0, 0));
        }
    }

    #[test]
    fn intervals_are_drawn_from_their_whole_range() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(0));
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_millis(500));
        let interval = Interval { shortest, longest };
        let drawn: alloc::vec::Vec<_> = (0..1_000).map(|_| interval.draw(&mut random)).collect();
        assert!(drawn.iter().all(|wait| (shortest..longest).contains(wait)));
        assert!(drawn.iter().any(|wait| *wait < Duration::from_millis(120)));
        assert!(drawn.iter().any(|wait| *wait > Duration::from_millis(480)));
        let never = Interval { shortest: Duration::ZERO, longest: Duration::ZERO };
        assert_eq!(never.draw(&mut random), Duration::ZERO);
    }
}
