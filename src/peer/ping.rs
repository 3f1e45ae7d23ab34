//! Our pings, and the pongs that answer them.

use alloc::collections::VecDeque;
use core::num::NonZeroU64;
use core::time::Duration;

use super::queue::{give_back, push_back};
use crate::time::Instant;

/// Unanswered pings that are remembered. Reference nodes remember the latest one only, but a
/// remote may answer each of several.
const MAX_UNANSWERED: usize = 16;

/// Tracks pings from the queue to their answers.
#[derive(Default)]
pub(super) struct Pinger {
    /// The nonce of a `ping` of the peer's own that waits to be sent.
    queued: Option<NonZeroU64>,
    /// Pings that were sent and not answered, and when, the earliest first.
    unanswered: VecDeque<(u64, Instant)>,
    last: Option<Instant>,
    round_trip: Option<Duration>,
}

impl Pinger {
    pub(super) fn set_queued(&mut self, nonce: NonZeroU64) {
        self.queued = Some(nonce);
    }

    /// The nonce of a `ping` of the peer's own that waits to be sent.
    pub(super) fn queued(&self) -> Option<NonZeroU64> {
        self.queued
    }

    /// The last byte of a `ping` was sent at `at`. Returns whether no other one is unanswered.
    pub(super) fn on_sent(&mut self, nonce: u64, at: Instant) -> bool {
        self.queued.take_if(|queued| queued.get() == nonce);
        self.last = Some(at);
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        push_back(&mut self.unanswered, (nonce, at));
        self.unanswered.len() == 1
    }

    /// A `pong` came. Returns the round-trip time if it answers a `ping` that was sent. It
    /// answers older pings as well: nodes answer in order, and may leave some out.
    pub(super) fn on_pong(&mut self, nonce: u64, now: Instant) -> Option<Duration> {
        let place = self.unanswered.iter().position(|&(sent, _)| sent == nonce)?;
        let (_, at) = self.unanswered.drain(..=place).next_back()?;
        give_back(&mut self.unanswered);
        self.round_trip = Some(now - at);
        self.round_trip
    }

    /// Whether all pings that were sent are answered.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// The nonce of the latest `ping` that was sent and not answered.
    pub(super) fn outstanding(&self) -> Option<u64> {
        self.unanswered.back().map(|&(nonce, _)| nonce)
    }

    /// When the latest `ping` was sent.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// The latest round-trip time.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_round_trip_counts_from_the_sending_of_the_ping() {
        let mut pinger = Pinger::default();
        pinger.set_queued(NonZeroU64::MIN);
        assert!(pinger.on_sent(1, at(5)));
        assert_eq!((pinger.queued(), pinger.outstanding()), (None, Some(1)));
        assert_eq!(pinger.on_pong(8, at(6)), None);
        assert_eq!(pinger.on_pong(1, at(7)), Some(secs(2)));
        assert_eq!(pinger.on_pong(1, at(8)), None);
        assert_eq!((pinger.round_trip(), pinger.last()), (Some(secs(2)), Some(at(5))));
    }

    #[test]
    fn a_pong_answers_older_pings_as_well() {
        let mut pinger = Pinger::default();
        assert_eq!([1, 2, 3].map(|nonce| pinger.on_sent(nonce, at(nonce))), [true, false, false]);
        assert_eq!(pinger.on_pong(2, at(9)), Some(secs(7)));
        assert_eq!(pinger.on_pong(1, at(9)), None);
        assert!(!pinger.is_answered());
        assert_eq!(pinger.on_pong(3, at(9)), Some(secs(6)));
        assert!(pinger.is_answered());
    }

    #[test]
    fn only_the_latest_unanswered_pings_are_remembered() {
        let mut pinger = Pinger::default();
        for nonce in 0..100 {
            pinger.on_sent(nonce, at(nonce));
        }
        assert_eq!(pinger.unanswered.len(), MAX_UNANSWERED);
        assert_eq!(pinger.on_pong(83, at(100)), None);
        assert_eq!(pinger.on_pong(84, at(100)), Some(secs(16)));
    }
}
