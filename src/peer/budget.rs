//! How much of each command a remote may send.

use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Instant;
use crate::wire::Command;

/// How much of one command a remote may send, set by
/// [`ConfigBuilder::budget`](crate::ConfigBuilder::budget).
///
/// A token bucket: after a time of silence a whole burst may come, then messages and bytes at
/// their rates. A message that exceeds either is received all the same and costs nothing. It is
/// counted in [`CommandStats::over_budget`](crate::CommandStats::over_budget), and announced by
/// [`Event::OverBudget`](crate::Event::OverBudget), or it
/// [closes](Self::close) the peer.
///
/// ```
/// use std::time::Duration;
/// use excc_peer::wire::Command;
/// use excc_peer::{Budget, Config, Network};
///
/// // One `mempool` a minute, three at once.
/// let pool = Budget::messages(3, Duration::from_secs(180));
/// // 100 kB/s of `tx`, 10 MB at once; beyond that the peer is closed.
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
    messages: Option<Rate>,
    bytes: Option<Rate>,
    pub(super) closes: bool,
}

/// So many in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    burst: u64,
    time: Duration,
}

impl Budget {
    const NONE: Self = Self { messages: None, bytes: None, closes: false };

    /// Allows a burst of so many messages, which takes `time` to become available again.
    pub const fn messages(burst: u64, time: Duration) -> Self {
        Self { messages: Some(Rate { burst, time }), ..Self::NONE }
    }

    /// Allows a burst of so many bytes, headers included, which takes `time` to become available
    /// again.
    pub const fn bytes(burst: u64, time: Duration) -> Self {
        Self { bytes: Some(Rate { burst, time }), ..Self::NONE }
    }

    /// Limits bytes as well, headers included.
    pub const fn and_bytes(mut self, burst: u64, time: Duration) -> Self {
        self.bytes = Some(Rate { burst, time });
        self
    }

    /// Closes the peer when the budget is exceeded, with
    /// [`CloseReason::OverBudget`](crate::CloseReason::OverBudget).
    pub const fn close(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Whether it allows anything at all.
    pub(super) fn is_valid(&self) -> bool {
        let mut rates = self.messages.iter().chain(&self.bytes);
        rates.all(|rate| rate.burst > 0 && !rate.time.is_zero())
    }
}

/// What was received of the commands that have a budget.
#[derive(Default)]
pub(super) struct Budgets {
    /// When each burst is available in full again: of messages and of bytes.
    full_at: Vec<(Command, [Instant; 2])>,
}

impl Budgets {
    /// Takes a message from the budget of its command. Returns `false` if the message exceeds it,
    /// and takes nothing then.
    pub(super) fn take(
        &mut self,
        budget: Budget,
        command: Command,
        len: usize,
        now: Instant,
    ) -> bool {
        let place = match self.full_at.iter().position(|(other, _)| *other == command) {
            Some(place) => place,
            None => {
                self.full_at.push((command, [Instant::ZERO; 2]));
                self.full_at.len() - 1
            }
        };
        let full_at = &mut self.full_at[place].1;
        let rates = [(budget.messages, 1), (budget.bytes, len as u64)];
        let mut next = *full_at;
        for ((rate, count), at) in rates.into_iter().zip(&mut next) {
            let Some(rate) = rate else { continue };
            match rate.take(count, *at, now) {
                Some(full_at) => *at = full_at,
                None => return false,
            }
        }
        *full_at = next;
        true
    }
}

impl Rate {
    /// Takes some of a burst that is available in full at `full_at`. Returns when it is again;
    /// `None` if not as many are available.
    fn take(&self, count: u64, full_at: Instant, now: Instant) -> Option<Instant> {
        // A time that no clock can show is as long as a clock lasts.
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

    fn exceeded(budget: Budget, sent: impl IntoIterator<Item = (u64, usize)>) -> Vec<bool> {
        let mut budgets = Budgets::default();
        let take = |(secs, len)| !budgets.take(budget, Command::Tx, len, Instant::from_secs(secs));
        sent.into_iter().map(take).collect()
    }

    #[test]
    fn a_burst_may_come_at_once_and_then_as_much_as_becomes_available() {
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
    fn a_burst_that_never_becomes_available_again_is_used_up() {
        let sent = [0, 1, 2, 1_000_000_000].map(|secs| (secs, 24));
        let budget = Budget::messages(2, Duration::MAX);
        assert_eq!(exceeded(budget, sent), [false, false, true, true]);
        assert_eq!(exceeded(Budget::bytes(23, Duration::MAX), sent), [true; 4]);
    }
}
