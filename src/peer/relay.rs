//! Relay: announcements to the remote, without the inventory that it is known to have.

use core::time::Duration;

use super::config::Config;
use super::event::{Announced, Relay};
use super::hasher::InventoryHasher;
use super::known_inventory::KnownInventory;
use super::random::Random;
use super::timers::{Timer, Timers};
use super::trickle::Trickle;
use crate::wire::{InvVect, List};

/// Delay until the batch is sent again if the queue had no room for it.
const RETRY: Duration = Duration::from_millis(100);

/// The known inventory and the batch of announcements.
pub(super) struct Relayer {
    known: KnownInventory,
    trickle: Trickle,
}

/// # Known inventory
impl Relayer {
    pub(super) fn new(config: &Config, hasher: InventoryHasher) -> Self {
        Self {
            known: KnownInventory::new(config.known_capacity, hasher),
            trickle: Trickle::default(),
        }
    }

    pub(super) fn hasher(&self) -> InventoryHasher {
        self.known.hasher()
    }

    /// Returns whether any inventory can be known.
    pub(super) fn tracks_inventory(&self) -> bool {
        self.known.capacity() > 0
    }

    pub(super) fn known_len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn is_known(&mut self, vector: &InvVect, timers: &Timers) -> bool {
        self.known.contains(vector, timers.now())
    }

    pub(super) fn mark_known(&mut self, vector: InvVect, timers: &Timers, config: &Config) {
        self.known.insert(vector, timers.now() + config.known_lifetime);
    }

    /// Handles the vectors of an `inv`. Reads only as many of the last ones as the set can hold,
    /// because earlier ones would be evicted (`docs/protocol.md`, 8.1).
    pub(super) fn on_inventory_received(
        &mut self,
        vectors: &[InvVect],
        timers: &Timers,
        config: &Config,
    ) {
        let skipped = vectors.len().saturating_sub(self.known.capacity());
        let read = vectors.iter().skip(skipped);
        read.for_each(|vector| self.mark_known(*vector, timers, config));
    }
}

/// # Announcements
impl Relayer {
    /// Returns the number of batched vectors.
    pub(super) fn batched(&self) -> usize {
        self.trickle.len()
    }

    /// Adds a vector to the batch. Returns nothing if the vector is to be sent at once.
    pub(super) fn announce(
        &mut self,
        vector: InvVect,
        relay: Relay,
        timers: &mut Timers,
        random: &mut Random,
        config: &Config,
    ) -> Option<Announced> {
        let hash = self.known.hasher().hash(&vector);
        if self.known.contains_hashed(&vector, hash, timers.now()) {
            return Some(Announced::Known);
        }
        if relay == Relay::Immediate {
            return None;
        }
        if self.trickle.contains(&vector, hash) {
            return Some(Announced::Batched);
        }
        if self.trickle.len() >= config.max_waiting_announcements {
            return Some(Announced::Full);
        }
        self.trickle.push(vector, hash);
        // The first vector of a batch starts its delay, and later ones do not extend it
        // (`docs/protocol.md`, 8.2).
        if !timers.is_set(Timer::Trickle) {
            timers.set_after(Timer::Trickle, config.trickle.draw(random));
        }
        Some(Announced::Batched)
    }

    /// Takes at most `max` vectors of the batch, without those that have become known.
    pub(super) fn take_batch(
        &mut self,
        max: usize,
        timers: &Timers,
        config: &Config,
    ) -> List<InvVect> {
        let (now, expires) = (timers.now(), timers.now() + config.known_lifetime);
        self.trickle.take_batch(max, &mut self.known, now, expires)
    }

    /// Schedules the batch again, because the queue has no room for it.
    pub(super) fn retry(timers: &mut Timers) {
        timers.set_after(Timer::Trickle, RETRY);
    }

    /// Removes all batched vectors.
    pub(super) fn clear_batch(&mut self) {
        self.trickle.clear();
    }

    pub(super) fn shrink_if_idle(&mut self) {
        self.trickle.shrink_if_idle();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::time::Instant;

    struct Bench {
        relayer: Relayer,
        timers: Timers,
        random: Random,
        config: Config,
    }

    impl Bench {
        fn new() -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let config = Config::builder(Network::EXCC_MAINNET)
                .max_waiting_announcements(2)
                .known_inventory(3, Duration::from_secs(60))
                .build()
                .unwrap();
            Self {
                relayer: Relayer::new(&config, InventoryHasher::new(&mut rng)),
                timers: Timers::new(Instant::ZERO),
                random: Random::new(&mut rng),
                config,
            }
        }

        fn announce(&mut self, n: u8, relay: Relay) -> Option<Announced> {
            let Self { relayer, timers, random, config } = self;
            relayer.announce(vector(n), relay, timers, random, config)
        }
    }

    fn vector(n: u8) -> InvVect {
        InvVect::tx(Hash::from_bytes([n; 32]))
    }

    #[test]
    fn announcements_are_batched_once_and_up_to_the_limit() {
        let mut bench = Bench::new();
        let expected = [(1, Announced::Batched), (1, Announced::Batched), (2, Announced::Batched)];
        for (n, announced) in expected.into_iter().chain([(3, Announced::Full)]) {
            assert_eq!(bench.announce(n, Relay::Trickle), Some(announced));
        }
        assert_eq!(bench.relayer.batched(), 2);
        assert_eq!(bench.announce(3, Relay::Immediate), None);
    }

    #[test]
    fn the_first_vector_starts_the_delay_of_the_batch() {
        let mut bench = Bench::new();
        assert_eq!(bench.announce(1, Relay::Trickle), Some(Announced::Batched));
        let delay = bench.timers.get(Timer::Trickle);
        bench.timers.advance_to(Instant::from_millis(50));
        assert_eq!(bench.announce(2, Relay::Trickle), Some(Announced::Batched));
        assert_eq!(bench.timers.get(Timer::Trickle), delay);
        let batch = bench.relayer.take_batch(9, &bench.timers, &bench.config);
        assert_eq!(batch.as_slice(), [vector(1), vector(2)]);
        assert_eq!(bench.announce(1, Relay::Trickle), Some(Announced::Known));
    }

    #[test]
    fn the_last_vectors_of_a_long_inv_become_known() {
        let mut bench = Bench::new();
        let vectors: Vec<_> = (0..9).map(vector).collect();
        bench.relayer.on_inventory_received(&vectors, &bench.timers, &bench.config);
        let is_known = vectors.iter().map(|vector| bench.relayer.is_known(vector, &bench.timers));
        assert!(is_known.eq((0..9).map(|n| n >= 6)));
        assert_eq!(bench.announce(8, Relay::Immediate), Some(Announced::Known));
    }
}
