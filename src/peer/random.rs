//! Random numbers after construction.

use core::hash::Hasher;
use core::num::NonZeroU64;

use rand_core::CryptoRng;
use siphasher::sip::SipHasher24;

/// A pseudo-random function over a counter: unpredictable to the remote, which sees
/// ping nonces, small, and of the same values on every machine and in every version.
pub(crate) struct Random {
    key: (u64, u64),
    drawn: u64,
}

impl Random {
    pub(crate) fn new<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { key: (rng.next_u64(), rng.next_u64()), drawn: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut function = SipHasher24::new_with_keys(self.key.0, self.key.1);
        function.write(&self.drawn.to_le_bytes());
        self.drawn = self.drawn.wrapping_add(1);
        function.finish()
    }

    /// A nonce that is not 0, which the reference nodes take for "none".
    pub(crate) fn nonce(&mut self) -> NonZeroU64 {
        NonZeroU64::new(self.number()).unwrap_or(NonZeroU64::MIN)
    }

    /// A number from 0 up to and not including `bound`; 0 if that is 0.
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
