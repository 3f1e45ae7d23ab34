//! Random numbers of a simulation.

use core::convert::Infallible;
use core::time::Duration;

use rand_core::{TryCryptoRng, TryRng};

/// SplitMix64. It is small and fast, and gives the same numbers on every machine and in every
/// version.
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a duration from zero up to and including `longest`. Draws no number if `longest` is
    /// zero.
    pub(super) fn duration(&mut self, longest: Duration) -> Duration {
        if longest.is_zero() {
            return longest;
        }
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// Returns `true` with a probability. Draws no number if the probability is 0, so that a fault
    /// that is switched off does not change the other draws.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        const STEPS: u64 = 1 << 53;
        probability > 0.0 && (self.below(STEPS) as f64) < probability * STEPS as f64
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.number() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.number())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The numbers are predictable on purpose, so that a run can be repeated.
impl TryCryptoRng for Random {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certain_event_happens_and_an_impossible_one_does_not() {
        let mut random = Random::new(1);
        assert!((0..1_000).all(|_| random.happens(1.0)));
        let before = random.state;
        assert!((0..1_000).all(|_| !random.happens(0.0) && !random.happens(f64::NAN)));
        assert_eq!(random.state, before);
    }

    #[test]
    fn an_event_happens_about_as_often_as_is_probable() {
        let mut random = Random::new(1);
        let often = (0..10_000).filter(|_| random.happens(0.3)).count();
        assert!((2_800..3_200).contains(&often), "{often}");
    }

    #[test]
    fn durations_range_from_zero_to_the_longest() {
        let mut random = Random::new(1);
        assert_eq!(random.duration(Duration::ZERO), Duration::ZERO);
        random.duration(Duration::MAX);
        let drawn: alloc::vec::Vec<_> =
            (0..100).map(|_| random.duration(Duration::from_nanos(2)).as_nanos()).collect();
        assert!((0..=2).all(|nanos| drawn.contains(&nanos)));
        assert!(drawn.iter().all(|&nanos| nanos <= 2));
    }
}
