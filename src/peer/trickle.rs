//! Announcements that wait for company.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::known::KnownInventory;
use super::queue::{give_back, push_back, settle};
use super::random::Random;
use crate::time::Instant;
use crate::wire::{InvVect, List};

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

/// The vectors that wait, in the order in which they were announced.
#[derive(Default)]
pub(super) struct Trickle {
    waiting: VecDeque<InvVect>,
}

impl Trickle {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, vector: InvVect) {
        push_back(&mut self.waiting, vector);
    }

    /// Takes the next batch, of so many at most, without what has become known meanwhile;
    /// what it takes becomes known until `expires`, so that a vector that waits twice goes out once.
    pub(super) fn take_batch(
        &mut self,
        most: usize,
        known: &mut KnownInventory,
        now: Instant,
        expires: Instant,
    ) -> List<InvVect> {
        let mut batch = alloc::vec::Vec::with_capacity(self.waiting.len().min(most));
        while batch.len() < most
            && let Some(vector) = self.waiting.pop_front()
        {
            if !known.contains(&vector, now) {
                known.insert(vector, expires);
                batch.push(vector);
            }
        }
        give_back(&mut self.waiting);
        batch.into()
    }

    /// Gives back the memory of a queue that is empty.
    pub(super) fn settle(&mut self) {
        settle(&mut self.waiting);
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        self.waiting = VecDeque::new();
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

    fn known() -> KnownInventory {
        let key = Key::new(&mut ChaCha8Rng::seed_from_u64(0));
        KnownInventory::new(10_000, key)
    }

    #[test]
    fn batches_are_full_until_the_last_one() {
        let mut trickle = Trickle::default();
        (0..2_500).for_each(|n| trickle.push(vector(n)));
        let mut known = known();
        let mut sizes = [0; 3];
        for size in &mut sizes {
            *size = trickle.take_batch(BATCH, &mut known, Instant::ZERO, Instant::MAX).len();
        }
        assert_eq!(sizes, [1_000, 1_000, 500]);
        assert_eq!(trickle.len(), 0);
    }

    #[test]
    fn what_is_known_or_waits_twice_is_left_out() {
        let mut trickle = Trickle::default();
        [1, 2, 3, 2].into_iter().for_each(|n| trickle.push(vector(n)));
        let mut known = known();
        known.insert(vector(3), Instant::MAX);
        let batch = trickle.take_batch(BATCH, &mut known, Instant::ZERO, Instant::MAX);
        assert_eq!(batch.as_slice(), [vector(1), vector(2)]);
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
