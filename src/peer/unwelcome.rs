//! Messages for which the network's nodes ban the sender, or which they never answer.

use core::time::Duration;

use super::remote::has_mixes;
use super::request_kinds::is_served;
use crate::network::Chain;
use crate::time::Instant;
use crate::wire::{Command, EncodedMessage, HEADER_LEN, InvType, Protocol};

/// Length of a frame whose payload is an empty list.
const EMPTY_LIST_LEN: usize = HEADER_LEN + 1;

/// Fixed-point unit of a ban score.
const POINT: u32 = 1 << 16;

/// The ban score that nodes add for one `mempool` (`docs/protocol.md`, 7.5).
const MEMPOOL_POINTS: u32 = 33 * POINT;

/// Nodes ban above this score.
const MAX_POINTS: u32 = 100 * POINT;

/// The time in which nodes halve a score.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// Messages sent so far, as far as nodes limit their number (`docs/protocol.md`, 7.5).
#[derive(Default)]
pub(super) struct SentLimited {
    has_getinitstate: bool,
    has_initstate: bool,
    /// An upper bound of the score that a node has for our `mempool`s, at `scored_at`.
    score: u32,
    scored_at: Instant,
}

impl SentLimited {
    /// Returns whether the nodes of the chain accept a message.
    pub(super) fn is_welcome(
        &self,
        frame: &EncodedMessage,
        protocol: Protocol,
        now: Instant,
    ) -> bool {
        match frame.command() {
            // Nodes ban for empty lists.
            Command::Inv | Command::Addr => frame.len() > EMPTY_LIST_LEN,
            // Nodes ignore vectors of other types, and exccd stops reading after one.
            Command::GetData => {
                let is_served = |kind| match kind {
                    InvType::MIX => has_mixes(protocol),
                    kind => is_served(kind),
                };
                frame.len() > EMPTY_LIST_LEN
                    && frame.vectors().iter().all(|vector| is_served(vector.kind()))
            }
            // Nodes no longer have filters of version 1.
            Command::GetCFilter | Command::GetCFHeaders | Command::GetCFTypes => false,
            Command::GetMinings | Command::MiningState => protocol.chain != Chain::Decred,
            command => self.is_within_limit(command, protocol.chain, now),
        }
    }

    fn is_within_limit(&self, command: Command, chain: Chain, now: Instant) -> bool {
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

    /// Returns the score at `now`. Within each half-life it falls in a straight line, which lies
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
    fn a_score_is_never_below_the_exact_score() {
        let mut sent_limited = SentLimited::default();
        let mut exact = 0.0_f64;
        let mut last = 0;
        let mut sent = 0;
        for second in 0..3_600_u64 {
            let now = Instant::from_secs(second);
            if sent_limited.is_within_limit(Command::MemPool, Chain::Exchangecoin, now) {
                let age = f64::from((second - last) as u32);
                exact = exact * 0.5_f64.powf(age / 60.0) + 33.0;
                assert!(exact <= 100.0, "{exact} after {second} s");
                last = second;
                sent_limited.on_queued(Command::MemPool, now);
                sent += 1;
            }
        }
        assert!(sent > 60, "{sent} were sent in an hour");
    }

    #[test]
    fn three_mempools_are_accepted_at_once() {
        let mut sent_limited = SentLimited::default();
        let mut send = |secs| {
            let now = Instant::from_secs(secs);
            let is_welcome = sent_limited.is_within_limit(Command::MemPool, Chain::Decred, now);
            if is_welcome {
                sent_limited.on_queued(Command::MemPool, now);
            }
            is_welcome
        };
        assert_eq!([0, 0, 0, 0, 1, 60].map(&mut send), [true, true, true, false, false, true]);
        assert!(send(u64::MAX / 1_000_000_000));
    }

    #[test]
    fn an_initial_state_is_requested_and_sent_once_on_decred() {
        for command in [Command::GetInitState, Command::InitState] {
            let mut sent_limited = SentLimited::default();
            assert!(sent_limited.is_within_limit(command, Chain::Decred, Instant::ZERO));
            sent_limited.on_queued(command, Instant::ZERO);
            assert!(!sent_limited.is_within_limit(command, Chain::Decred, Instant::MAX));
            assert!(sent_limited.is_within_limit(command, Chain::Exchangecoin, Instant::ZERO));
        }
    }
}
