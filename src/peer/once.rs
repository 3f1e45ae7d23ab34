//! Requests that nodes tolerate a limited number of times.

use core::time::Duration;

use crate::network::Chain;
use crate::time::Instant;
use crate::wire::Command;

/// Points of a ban score for one `mempool` (protocol, 6.3), in parts of a point.
const MEMPOOL_POINTS: u32 = 33 * PARTS;

/// Nodes ban above this score.
const MAX_POINTS: u32 = 100 * PARTS;

const PARTS: u32 = 1 << 16;

/// The time in which a score halves (protocol, 6.1).
const HALF_LIFE: Duration = Duration::from_secs(60);

/// What was queued of the messages that nodes ban the sender of many for.
#[derive(Default)]
pub(super) struct Once {
    has_getinitstate: bool,
    has_initstate: bool,
    /// The score that a node may have by now for our `mempool`s, and when it was that.
    score: u32,
    scored_at: Instant,
}

impl Once {
    /// Whether one more message is tolerated (protocol, 6.3 and Appendix D).
    pub(super) fn is_welcome(&self, command: Command, chain: Chain, now: Instant) -> bool {
        match (command, chain) {
            (Command::GetInitState, Chain::Decred) => !self.has_getinitstate,
            (Command::InitState, Chain::Decred) => !self.has_initstate,
            (Command::MemPool, _) => self.score(now) + MEMPOOL_POINTS <= MAX_POINTS,
            _ => true,
        }
    }

    pub(super) fn on_queued(&mut self, command: Command, now: Instant) {
        match command {
            Command::GetInitState => self.has_getinitstate = true,
            Command::InitState => self.has_initstate = true,
            Command::MemPool => {
                self.score = self.score(now).saturating_add(MEMPOOL_POINTS);
                self.scored_at = now;
            }
            _ => {}
        }
    }

    /// The score at `now`, rounded up: within each half-life it falls along a line, which lies
    /// above the exact curve.
    fn score(&self, now: Instant) -> u32 {
        let (age, half_life) = ((now - self.scored_at).as_nanos(), HALF_LIFE.as_nanos());
        let halvings = u32::try_from(age / half_life).unwrap_or(u32::MAX);
        let score = u128::from(self.score.checked_shr(halvings).unwrap_or(0));
        let fallen = score * (age % half_life) / (2 * half_life);
        u32::try_from(score - fallen).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_never_lies_below_the_exact_one() {
        let mut once = Once::default();
        let mut exact = 0.0_f64;
        let mut last = 0;
        let mut sent = 0;
        for second in 0..3_600_u64 {
            let now = Instant::from_secs(second);
            if once.is_welcome(Command::MemPool, Chain::Exchangecoin, now) {
                let age = f64::from((second - last) as u32);
                exact = exact * 0.5_f64.powf(age / 60.0) + 33.0;
                assert!(exact <= 100.0, "{exact} after {second} s");
                last = second;
                once.on_queued(Command::MemPool, now);
                sent += 1;
            }
        }
        assert!(sent > 60, "{sent} were sent in an hour");
    }

    #[test]
    fn three_are_tolerated_at_once() {
        let mut once = Once::default();
        let mut send = |secs| {
            let now = Instant::from_secs(secs);
            let welcome = once.is_welcome(Command::MemPool, Chain::Decred, now);
            if welcome {
                once.on_queued(Command::MemPool, now);
            }
            welcome
        };
        assert_eq!([0, 0, 0, 0, 1, 60].map(&mut send), [true, true, true, false, false, true]);
        assert!(send(u64::MAX / 1_000_000_000));
    }

    #[test]
    fn an_initial_state_is_asked_for_and_sent_once_on_decred() {
        for command in [Command::GetInitState, Command::InitState] {
            let mut once = Once::default();
            assert!(once.is_welcome(command, Chain::Decred, Instant::ZERO));
            once.on_queued(command, Instant::ZERO);
            assert!(!once.is_welcome(command, Chain::Decred, Instant::MAX));
            assert!(once.is_welcome(command, Chain::Exchangecoin, Instant::ZERO));
        }
    }
}
