//! Budgets: limits on the messages and bytes of a command (`docs/protocol.md`, 11.3).

use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Instant;
use crate::wire::Command;

/// Limits the messages and bytes of a command that a remote sends, set by
/// [`ConfigBuilder::budget`](crate::ConfigBuilder::budget).
///
/// A budget has one token bucket for messages, one for bytes, or both. A bucket has two numbers:
///
/// - `burst`: the number of messages or bytes in a full bucket. At least 1.
/// - `time`: the time in which an empty bucket fills completely, at a steady rate. More than zero.
///
/// A message takes its tokens from all buckets, or from none if one bucket has too few. The latter
/// message exceeds the budget. It is
///
/// - counted in [`CommandStats::over_budget`](crate::CommandStats::over_budget);
/// - received after [`Event::OverBudget`](crate::Event::OverBudget), or
///   [closes](Self::close) the peer.
///
/// ```
/// use std::time::Duration;
/// use excc_peer::wire::Command;
/// use excc_peer::{Budget, Config, Network};
///
/// // One `mempool` per minute, and three in a burst.
/// let pool = Budget::messages(3, Duration::from_secs(180));
/// // 100 kB/s of `tx`, and 10 MB in a burst. More closes the peer.
/// let txs = Budget::bytes(10_000_000, Duration::from_secs(100)).close();
/// let config = Config::builder(Network::EXCC_MAINNET)
///     .budget(Command::MemPool, pool)
///     .budget(Command::Tx, txs)
///     .build()?;
/// # Ok::<(), excc_peer::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Budget {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    pub(super) closes: bool,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    burst: u64,
    time: Duration,
}

impl Budget {
    const NONE: Self = Self { messages: None, bytes: None, closes: false };

    /// Limits messages. The complete `burst` becomes available again within `time`.
    pub const fn messages(burst: u64, time: Duration) -> Self {
        Self { messages: Some(Bucket { burst, time }), ..Self::NONE }
    }

    /// Limits bytes, with headers. The complete `burst` becomes available again within `time`.
    pub const fn bytes(burst: u64, time: Duration) -> Self {
        Self { bytes: Some(Bucket { burst, time }), ..Self::NONE }
    }

    /// Limits bytes as well, as [`bytes`](Self::bytes) does.
    pub const fn and_bytes(mut self, burst: u64, time: Duration) -> Self {
        self.bytes = Some(Bucket { burst, time });
        self
    }

    /// Closes the peer if a message exceeds the budget, with
    /// [`CloseReason::OverBudget`](crate::CloseReason::OverBudget).
    pub const fn close(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Returns whether every bucket has a burst and a time above zero.
    pub(super) fn is_valid(&self) -> bool {
        let mut buckets = self.messages.iter().chain(&self.bytes);
        buckets.all(|bucket| bucket.burst > 0 && !bucket.time.is_zero())
    }
}

/// The fill levels of all buckets of a peer.
#[derive(Default)]
pub(super) struct Budgets {
    /// By command, the times at which the buckets of messages and of bytes are full.
    full_at: Vec<(Command, [Instant; 2])>,
}

impl Budgets {
    /// Takes the tokens of a message of `len` bytes. Returns `false` and takes none if the message
    /// exceeds the budget.
    pub(super) fn take(
        &mut self,
        budget: Budget,
        command: Command,
        len: usize,
        now: Instant,
    ) -> bool {
        let full_at = self.full_at(command);
        let buckets = [(budget.messages, 1), (budget.bytes, len as u64)];
        let mut next = *full_at;
        for ((bucket, count), at) in buckets.into_iter().zip(&mut next) {
            let Some(bucket) = bucket else { continue };
            match bucket.take(count, *at, now) {
                Some(full_at) => *at = full_at,
                None => return false,
            }
        }
        *full_at = next;
        true
    }

    fn full_at(&mut self, command: Command) -> &mut [Instant; 2] {
        let place = match self.full_at.iter().position(|(other, _)| *other == command) {
            Some(place) => place,
            None => {
                self.full_at.push((command, [Instant::ZERO; 2]));
                self.full_at.len() - 1
            }
        };
        &mut self.full_at[place].1
    }
}

impl Bucket {
    /// Takes `count` tokens from a bucket that is full at `full_at`. Returns the time at which it
    /// is full again, or `None` if it has too few tokens.
    fn take(&self, count: u64, full_at: Instant, now: Instant) -> Option<Instant> {
        // An `Instant` has 64 bits of nanoseconds, so a longer time never elapses.
        let time = self.time.as_nanos().min(u64::MAX.into());
        let cost = time * u128::from(count) / u128::from(self.burst);
        let taken = (full_at - now).as_nanos();
        let cost = Some(cost).filter(|cost| taken + cost <= time)?;
        Some(full_at.max(now) + Duration::from_nanos(u64::try_from(cost).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives messages at times in seconds and of lengths in bytes. Returns whether each exceeds
    /// the budget.
    fn exceeded(budget: Budget, sent: impl IntoIterator<Item = (u64, usize)>) -> Vec<bool> {
        let mut budgets = Budgets::default();
        let take = |(secs, len)| !budgets.take(budget, Command::Tx, len, Instant::from_secs(secs));
        sent.into_iter().map(take).collect()
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_fills_at_its_rate() {
        let budget = Budget::messages(3, Duration::from_secs(30));
        let sent = [0, 0, 0, 0, 9, 10, 10, 100, 100, 100, 100].map(|secs| (secs, 24));
        let expected = [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1].map(|over| over == 1);
        assert_eq!(exceeded(budget, sent), expected);
    }

    #[test]
    fn bytes_are_limited_as_well() {
        let budget =
            Budget::messages(100, Duration::from_secs(1)).and_bytes(1_000, Duration::from_secs(10));
        let sent = [(0, 600), (0, 600), (0, 400), (0, 1), (6, 600), (6, 1)];
        assert_eq!(exceeded(budget, sent), [false, true, false, true, false, true]);
        assert_eq!(exceeded(budget, [(0, 1_001)]), [true]);
    }

    #[test]
    fn a_bucket_with_an_endless_time_never_fills_again() {
        let sent = [0, 1, 2, 1_000_000_000].map(|secs| (secs, 24));
        let budget = Budget::messages(2, Duration::MAX);
        assert_eq!(exceeded(budget, sent), [false, false, true, true]);
        assert_eq!(exceeded(Budget::bytes(23, Duration::MAX), sent), [true; 4]);
    }
}
