//! One table of deadlines, on two clocks.

use core::fmt;
use core::time::Duration;

use crate::time::Instant;

/// The time between the two steps in which a deadline of the remote is judged.
///
/// A driver that was suspended finds a deadline expired before it reads the bytes that wait in the
/// socket. An expired deadline therefore closes the peer only if it is found expired again, after
/// the driver had a turn to read (`docs/protocol.md`, 10.3).
const GRACE: Duration = Duration::from_millis(50);

/// The latest deadline that can be set. [`Instant::MAX`] means none.
pub(super) const LAST_DEADLINE: Instant = Instant::from_nanos(u64::MAX - 1);

/// The purpose of a deadline, from [`next_deadline`](crate::PeerState::next_deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The handshake must be complete.
    Handshake,
    /// The remote's `verack` must be received.
    VerAck,
    /// A message must be received.
    Idle,
    /// A `ping` is sent.
    Ping,
    /// The `pong` of an outstanding `ping` must be received.
    Pong,
    /// An outstanding request must be answered.
    Stall,
    /// The batch of announcements is sent.
    Trickle,
    /// The remote must accept more of the queued bytes.
    Write,
    /// The queue must be sent: after a [shutdown](crate::PeerState::shutdown), or in the last try
    /// after the remote ended the conversation.
    Shutdown,
}

impl Timer {
    const ALL: [Self; 9] = [
        Self::Handshake,
        Self::VerAck,
        Self::Idle,
        Self::Ping,
        Self::Pong,
        Self::Stall,
        Self::Trickle,
        Self::Write,
        Self::Shutdown,
    ];

    /// Returns whether the remote owes a message by this deadline, so that it runs on the
    /// remote's clock.
    const fn is_remote(self) -> bool {
        matches!(self, Self::VerAck | Self::Idle | Self::Pong | Self::Stall)
    }

    /// Returns whether the deadline judges the remote, in two steps.
    const fn is_judged(self) -> bool {
        self.is_remote() || matches!(self, Self::Handshake | Self::Write)
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "handshake",
            Self::VerAck => "verack",
            Self::Idle => "idle",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Stall => "stall",
            Self::Trickle => "trickle",
            Self::Write => "write",
            Self::Shutdown => "shutdown",
        })
    }
}

/// A deadline that was found expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The remote has until this time, on its own clock.
    Grace(Timer, Instant),
    Expired(Timer),
}

/// One deadline for each [`Timer`], our clock and the remote's.
///
/// The remote's clock stops during back-pressure: a remote whose bytes are not read cannot be
/// late (`docs/protocol.md`, 10.1).
pub(super) struct Timers {
    now: Instant,
    /// [`Instant::MAX`] for each timer that is not set.
    at: [Instant; Timer::ALL.len()],
    /// One bit for each timer that was found expired and not set since.
    in_grace: u16,
    /// Set once the peer is closed: only [`Timer::Shutdown`] can be set from then on.
    is_sealed: bool,
    /// Nanoseconds for which the remote's clock has been stopped in all.
    stopped_for: u64,
    /// When the remote's clock was stopped, or [`Instant::MAX`] if it runs.
    stopped_at: Instant,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            at: [Instant::MAX; Timer::ALL.len()],
            in_grace: 0,
            is_sealed: false,
            stopped_for: 0,
            stopped_at: Instant::MAX,
        }
    }
}

/// # Clocks
impl Timers {
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Advances both clocks. Neither ever goes backwards. The remote's clock runs from now on.
    pub(super) fn advance_to(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let stopped_for = self.now.as_nanos().saturating_sub(self.stopped_at.as_nanos());
        self.stopped_for = self.stopped_for.saturating_add(stopped_for);
        self.stopped_at = Instant::MAX;
    }

    /// Stops the remote's clock. Returns whether it was running.
    pub(super) fn stop_remote_clock(&mut self) -> bool {
        let was_running = self.stopped_at == Instant::MAX;
        self.stopped_at = self.stopped_at.min(self.now);
        was_running
    }

    /// Returns the time on the remote's clock.
    pub(super) fn remote_clock(&self) -> Instant {
        Instant::from_nanos(self.now.as_nanos().saturating_sub(self.stopped_for))
    }

    /// Returns the time on our clock at which the remote's clock will show `at`, if it is not
    /// stopped before.
    fn local_clock(&self, at: Instant) -> Instant {
        at + Duration::from_nanos(self.stopped_for)
    }

    /// Returns the time on the clock of a timer.
    fn clock(&self, timer: Timer) -> Instant {
        if timer.is_remote() { self.remote_clock() } else { self.now }
    }
}

/// # Deadlines
impl Timers {
    /// Sets a deadline, on the timer's own clock.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        if self.is_sealed && timer != Timer::Shutdown {
            return;
        }
        self.at[timer as usize] = at;
        self.in_grace &= !(1 << timer as u16);
    }

    /// Sets a deadline `timeout` from now. Without a timeout, leaves the timer as it is.
    pub(super) fn set_after(&mut self, timer: Timer, timeout: impl Into<Option<Duration>>) {
        if let Some(timeout) = timeout.into() {
            self.set(timer, self.clock(timer) + timeout);
        }
    }

    /// Sets a deadline that is computed from others. A deadline that does not change keeps its
    /// grace.
    pub(super) fn update(&mut self, timer: Timer, at: Instant) {
        if self.at[timer as usize] != at {
            self.set(timer, at);
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.set(timer, Instant::MAX);
    }

    /// Clears all deadlines. From then on, only [`Timer::Shutdown`] can be set.
    pub(super) fn seal(&mut self) {
        self.at = [Instant::MAX; Timer::ALL.len()];
        self.is_sealed = true;
    }

    /// Postpones a deadline, if it is set and has a timeout, as [`postponed`] computes.
    pub(super) fn postpone(&mut self, timer: Timer, by: Duration, timeout: Option<Duration>) {
        self.postpone_from(timer, by, self.clock(timer), timeout);
    }

    /// As [`postpone`](Self::postpone), with progress that was made at `now`.
    pub(super) fn postpone_from(
        &mut self,
        timer: Timer,
        by: Duration,
        now: Instant,
        timeout: Option<Duration>,
    ) {
        if let (true, Some(timeout)) = (self.is_set(timer), timeout) {
            self.update(timer, postponed(self.at[timer as usize], by, now, timeout));
        }
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize] < Instant::MAX
    }

    /// Returns a deadline that is set, on our clock.
    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        let at = self.at[timer as usize];
        let at = if timer.is_remote() { self.local_clock(at) } else { at };
        Some(at).filter(|&at| at < Instant::MAX)
    }

    /// Iterates over the deadlines that are set, on our clock.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timer, Instant)> {
        Timer::ALL.into_iter().filter_map(|timer| Some((timer, self.get(timer)?)))
    }

    /// Returns the earliest deadline.
    pub(super) fn next(&self) -> Option<(Timer, Instant)> {
        self.iter().min_by_key(|&(_, at)| at)
    }

    /// Takes the earliest deadline if it has expired. The first time, a deadline that judges the
    /// remote is set again, [`GRACE`] from now.
    pub(super) fn take_due(&mut self) -> Option<Due> {
        let (timer, at) = self.next()?;
        if at > self.now {
            return None;
        }
        let bit = 1 << timer as u16;
        if timer.is_judged() && self.in_grace & bit == 0 {
            let until = self.clock(timer) + GRACE;
            self.set(timer, until);
            self.in_grace |= bit;
            return Some(Due::Grace(timer, until));
        }
        self.clear(timer);
        Some(Due::Expired(timer))
    }
}

/// Returns a deadline `at` that progress postpones: from its own time, or from now if it has
/// expired, but to no later than `timeout` from now.
///
/// A line that keeps the minimum rate never lets the deadline expire, a slower line does after a
/// while, and silence does after `timeout` (`docs/protocol.md`, 10.2).
pub(super) fn postponed(at: Instant, by: Duration, now: Instant, timeout: Duration) -> Instant {
    (at.max(now) + by).min(now + timeout)
}

/// Returns the time in which `bytes` are transferred at a minimum rate.
pub(super) fn transfer_time(bytes: usize, bytes_per_second: u32) -> Duration {
    let nanos = (bytes as u64).saturating_mul(1_000_000_000);
    Duration::from_nanos(nanos / u64::from(bytes_per_second.max(1)))
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

    fn timers(deadlines: impl IntoIterator<Item = (Timer, Instant)>) -> Timers {
        let mut timers = Timers::new(Instant::ZERO);
        deadlines.into_iter().for_each(|(timer, at)| timers.set(timer, at));
        timers
    }

    impl Timers {
        fn take_due_at(&mut self, now: Instant) -> Option<Due> {
            self.advance_to(now);
            self.take_due()
        }
    }

    #[test]
    fn deadlines_expire_in_order_and_once() {
        let mut timers =
            timers([(Timer::Trickle, at(3)), (Timer::Ping, at(1)), (Timer::Shutdown, at(2))]);
        assert_eq!(timers.next(), Some((Timer::Ping, at(1))));
        assert_eq!(timers.take_due(), None);
        assert_eq!(timers.take_due_at(at(2)), Some(Due::Expired(Timer::Ping)));
        assert_eq!(timers.take_due(), Some(Due::Expired(Timer::Shutdown)));
        assert_eq!(timers.take_due(), None);
    }

    #[test]
    fn a_deadline_of_the_remote_expires_when_it_is_found_expired_twice() {
        let mut timers = timers([(Timer::Idle, at(1))]);
        let until = at(100) + GRACE;
        assert_eq!(timers.take_due_at(at(100)), Some(Due::Grace(Timer::Idle, until)));
        assert_eq!(timers.take_due(), None);
        assert_eq!(timers.next(), Some((Timer::Idle, until)));
        assert_eq!(timers.take_due_at(until), Some(Due::Expired(Timer::Idle)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_postponed_deadline_has_grace_again() {
        let mut timers = timers([(Timer::Idle, at(1))]);
        timers.take_due_at(at(1));
        timers.postpone(Timer::Idle, secs(2), Some(secs(9)));
        let postponed = at(3) + GRACE;
        assert_eq!(timers.next(), Some((Timer::Idle, postponed)));
        let again = Due::Grace(Timer::Idle, postponed + GRACE);
        assert_eq!(timers.take_due_at(postponed), Some(again));
    }

    #[test]
    fn a_deadline_that_is_set_again_to_the_same_time_has_grace_again() {
        let mut timers = timers([(Timer::Idle, at(1))]);
        timers.take_due_at(at(1));
        let until = at(1) + GRACE;
        timers.update(Timer::Idle, until);
        timers.set(Timer::Pong, at(1));
        timers.take_due();
        timers.set(Timer::Pong, until);
        assert_eq!(timers.take_due_at(until), Some(Due::Expired(Timer::Idle)));
        assert_eq!(timers.take_due(), Some(Due::Grace(Timer::Pong, until + GRACE)));
    }

    #[test]
    fn deadlines_of_the_remote_move_while_its_clock_is_stopped() {
        let mut timers = Timers::new(Instant::ZERO);
        timers.set_after(Timer::Pong, secs(10));
        timers.set_after(Timer::Ping, secs(10));
        timers.advance_to(at(2));
        assert!(timers.stop_remote_clock());
        assert!(!timers.stop_remote_clock());
        timers.advance_to(at(6));
        assert_eq!(timers.get(Timer::Pong), Some(at(14)));
        assert_eq!(timers.get(Timer::Ping), Some(at(10)));
        assert_eq!(timers.remote_clock(), at(2));
        timers.advance_to(at(8));
        assert_eq!(timers.remote_clock(), at(4));
        timers.advance_to(at(1));
        assert_eq!((timers.now(), timers.remote_clock()), (at(8), at(4)));
    }

    #[test]
    fn a_deadline_is_postponed_to_at_most_its_timeout_from_now() {
        assert_eq!(postponed(at(10), secs(3), at(5), secs(20)), at(13));
        assert_eq!(postponed(at(10), secs(30), at(5), secs(20)), at(25));
        assert_eq!(postponed(at(10), secs(3), at(500), secs(20)), at(503));
        assert_eq!(transfer_time(10_240, 10_240), secs(1));
        assert_eq!(transfer_time(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(transfer_time(usize::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn the_maximum_instant_is_no_deadline() {
        let mut timers = timers([(Timer::Idle, Instant::MAX)]);
        timers.advance_to(at(1));
        timers.set_after(Timer::Pong, Duration::MAX);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_set(Timer::Idle));
    }

    #[test]
    fn a_sealed_table_takes_the_end_of_the_last_try_only() {
        let mut timers = timers([(Timer::Idle, at(1)), (Timer::Write, at(2))]);
        timers.seal();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Pong, at(3));
        timers.set(Timer::Shutdown, at(4));
        assert!(timers.iter().eq([(Timer::Shutdown, at(4))]));
    }

    #[test]
    fn timers_are_numbered_in_order() {
        for (place, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }
}
