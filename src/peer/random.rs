//! Random numbers of a peer after its construction.

use core::hash::Hasher;
use core::num::NonZeroU64;

use rand_core::CryptoRng;
use siphasher::sip::SipHasher24;

/// A generator of random numbers: a keyed pseudo-random function over a counter.
///
/// The remote sees ping nonces and cannot predict later numbers from them. The generator takes 24
/// bytes per peer. The same key gives the same numbers on every machine and in every version, so
/// that recorded tests can be replayed.
pub(crate) struct Random {
    key: (u64, u64),
    counter: u64,
}

impl Random {
    pub(crate) fn new<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { key: (rng.next_u64(), rng.next_u64()), counter: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut function = SipHasher24::new_with_keys(self.key.0, self.key.1);
        function.write(&self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        function.finish()
    }

    /// Draws a nonce other than 0. Reference nodes treat 0 as no nonce (`handlePongMsg`).
    pub(crate) fn nonce(&mut self) -> NonZeroU64 {
        NonZeroU64::new(self.number()).unwrap_or(NonZeroU64::MIN)
    }

    /// Draws a number below `bound`, or 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        let drawn: alloc::vec::Vec<u64> = (0..1_000).map(|_| random.below(10)).collect();
        assert!((0..10).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|&number| number < 10));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draws = |seed| {
            let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(seed));
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(draws(5), draws(5));
        assert_ne!(draws(5), draws(6));
    }
}
