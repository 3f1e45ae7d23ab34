//! Deadlines by name, on two clocks.

use core::fmt;
use core::time::Duration;

use crate::time::Instant;

/// The time between the first and the second step of judging the remote.
///
/// A driver that was suspended finds a deadline passed before it reads the bytes that wait in
/// the socket. So a passed deadline closes the peer only when it is found again, after the
/// driver has had a turn.
const GRACE: Duration = Duration::from_millis(50);

/// The latest deadline that can be set. The end of time is none.
pub(super) const LAST_DEADLINE: Instant = Instant::from_nanos(u64::MAX - 1);

/// What a deadline is for, from [`next_deadline`](crate::PeerState::next_deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The handshake must be done.
    Handshake,
    /// The remote's `verack` must have come.
    VerAck,
    /// A message must have come.
    Idle,
    /// A `ping` is due.
    Ping,
    /// A `pong` must have come.
    Pong,
    /// A request must have been answered.
    Stall,
    /// Waiting announcements are due.
    Trickle,
    /// The remote must have taken more of what is queued.
    Write,
    /// What was queued before a [shutdown](crate::PeerState::shutdown), or before the remote
    /// ended the conversation, must have left.
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

    /// Whether the remote owes a message by this deadline, so that it runs on the remote's
    /// clock.
    const fn is_remote(self) -> bool {
        matches!(self, Self::VerAck | Self::Idle | Self::Pong | Self::Stall)
    }

    /// Whether the deadline judges the remote, in two steps.
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

/// A deadline that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The remote gets until this time, on its own clock, for bytes that wait to be read.
    Again(Timer, Instant),
    Now(Timer),
}

/// One deadline for each [`Timer`], and the remote's clock.
///
/// The remote's clock stands still while the application does not let the peer read, because a
/// remote that is not heard cannot be late.
pub(super) struct Timers {
    /// [`Instant::MAX`], which never comes, where none is set.
    at: [Instant; Timer::ALL.len()],
    /// Bits of the timers that were found due once and not set since.
    again: u16,
    /// For how many nanoseconds the remote's clock stood still.
    stood_still: u64,
    /// Since when it stands still; [`Instant::MAX`] while it runs.
    stopped_at: Instant,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            at: [Instant::MAX; Timer::ALL.len()],
            again: 0,
            stood_still: 0,
            stopped_at: Instant::MAX,
        }
    }
}

/// # The remote's clock
impl Timers {
    /// Stops the remote's clock, unless it stands still already. Returns whether it ran.
    pub(super) fn stop_remote_clock(&mut self, now: Instant) -> bool {
        let runs = self.stopped_at == Instant::MAX;
        self.stopped_at = self.stopped_at.min(now);
        runs
    }

    /// Lets the remote's clock run from `now` on.
    pub(super) fn run_remote_clock(&mut self, now: Instant) {
        let stood_still = now.as_nanos().saturating_sub(self.stopped_at.as_nanos());
        self.stood_still = self.stood_still.saturating_add(stood_still);
        self.stopped_at = Instant::MAX;
    }

    /// The remote's clock at `now`.
    pub(super) fn remote_clock(&self, now: Instant) -> Instant {
        Instant::from_nanos(now.as_nanos().saturating_sub(self.stood_still))
    }

    /// The time of ours at which the remote's clock will show `at`, if it runs on.
    fn local_clock(&self, at: Instant) -> Instant {
        at + Duration::from_nanos(self.stood_still)
    }

    /// The clock on which a timer runs.
    fn clock(&self, timer: Timer, now: Instant) -> Instant {
        if timer.is_remote() { self.remote_clock(now) } else { now }
    }
}

/// # Deadlines
impl Timers {
    /// Sets a deadline anew, on the timer's own clock.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.at[timer as usize] = at;
        self.again &= !(1 << timer as u16);
    }

    /// Sets a deadline that is derived from others. One that does not move stays judged.
    pub(super) fn move_to(&mut self, timer: Timer, at: Instant) {
        if self.at[timer as usize] != at {
            self.set(timer, at);
        }
    }

    /// Sets a deadline that lies `timeout` ahead.
    pub(super) fn set_after(&mut self, timer: Timer, now: Instant, timeout: Duration) {
        self.set(timer, self.clock(timer, now) + timeout);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.set(timer, Instant::MAX);
    }

    /// Puts a deadline off, if it is set: from when it is, or from now if it has passed, and to
    /// no later than `timeout` ahead.
    pub(super) fn put_off(
        &mut self,
        timer: Timer,
        by: Duration,
        now: Instant,
        timeout: Option<Duration>,
    ) {
        if let (true, Some(timeout)) = (self.is_set(timer), timeout) {
            let clock = self.clock(timer, now);
            self.move_to(timer, postponed(self.at[timer as usize], by, clock, timeout));
        }
    }

    pub(super) fn clear_all(&mut self) {
        self.at = [Instant::MAX; Timer::ALL.len()];
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize] < Instant::MAX
    }

    /// A deadline that is set, on our clock.
    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        let at = self.at[timer as usize];
        let at = if timer.is_remote() { self.local_clock(at) } else { at };
        Some(at).filter(|&at| at < Instant::MAX)
    }

    /// Every deadline that is set, on our clock.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timer, Instant)> {
        Timer::ALL.into_iter().filter_map(|timer| Some((timer, self.get(timer)?)))
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Timer, Instant)> {
        self.iter().min_by_key(|&(_, at)| at)
    }

    /// Takes the earliest deadline that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let (timer, at) = self.next()?;
        if at > now {
            return None;
        }
        let bit = 1 << timer as u16;
        if timer.is_judged() && self.again & bit == 0 {
            let at = self.clock(timer, now) + GRACE;
            self.set(timer, at);
            self.again |= bit;
            return Some(Due::Again(timer, at));
        }
        self.clear(timer);
        Some(Due::Now(timer))
    }
}

/// A deadline that bytes of the remote's put off: from when it is, or from now if it has passed,
/// and to no later than `timeout` ahead. So a line that keeps the least rate never lets it pass,
/// a slower one does after a while, and silence after `timeout`.
pub(super) fn postponed(at: Instant, by: Duration, now: Instant, timeout: Duration) -> Instant {
    (at.max(now) + by).min(now + timeout)
}

/// The time that bytes are worth at a least rate.
pub(super) fn worth(bytes: usize, bytes_per_second: u32) -> Duration {
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

    #[test]
    fn deadlines_fall_due_in_order_and_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Trickle, at(3));
        timers.set(Timer::Ping, at(1));
        timers.set(Timer::Shutdown, at(2));
        assert_eq!(timers.next(), Some((Timer::Ping, at(1))));
        assert_eq!(timers.take_due(Instant::ZERO), None);
        assert_eq!(timers.take_due(at(2)), Some(Due::Now(Timer::Ping)));
        assert_eq!(timers.take_due(at(2)), Some(Due::Now(Timer::Shutdown)));
        assert_eq!(timers.take_due(at(2)), None);
    }

    #[test]
    fn the_remote_is_judged_when_its_deadline_is_found_passed_twice() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, at(1));
        let again = at(100) + GRACE;
        assert_eq!(timers.take_due(at(100)), Some(Due::Again(Timer::Idle, again)));
        assert_eq!(timers.take_due(at(100)), None);
        assert_eq!(timers.next(), Some((Timer::Idle, again)));
        assert_eq!(timers.take_due(again), Some(Due::Now(Timer::Idle)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_that_was_moved_is_judged_anew() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, at(1));
        timers.take_due(at(1));
        timers.put_off(Timer::Idle, secs(2), at(1), Some(secs(9)));
        let moved = at(3) + GRACE;
        assert_eq!(timers.next(), Some((Timer::Idle, moved)));
        assert_eq!(timers.take_due(moved), Some(Due::Again(Timer::Idle, moved + GRACE)));
    }

    #[test]
    fn a_deadline_that_was_set_anew_is_judged_anew_though_it_is_the_same_time() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, at(1));
        timers.take_due(at(1));
        let again = at(1) + GRACE;
        timers.move_to(Timer::Idle, again);
        timers.set(Timer::Pong, at(1));
        timers.take_due(at(1));
        timers.set(Timer::Pong, again);
        assert_eq!(timers.take_due(again), Some(Due::Now(Timer::Idle)));
        assert_eq!(timers.take_due(again), Some(Due::Again(Timer::Pong, again + GRACE)));
    }

    #[test]
    fn the_remotes_clock_stands_still_while_it_is_stopped() {
        let mut timers = Timers::default();
        timers.set_after(Timer::Pong, at(0), secs(10));
        timers.set_after(Timer::Ping, at(0), secs(10));
        assert!(timers.stop_remote_clock(at(2)));
        assert!(!timers.stop_remote_clock(at(3)));
        timers.run_remote_clock(at(6));
        assert_eq!(timers.get(Timer::Pong), Some(at(14)));
        assert_eq!(timers.get(Timer::Ping), Some(at(10)));
        assert_eq!(timers.remote_clock(at(6)), at(2));
        timers.run_remote_clock(at(8));
        assert_eq!(timers.remote_clock(at(8)), at(4));
    }

    #[test]
    fn bytes_put_a_deadline_off_as_far_as_its_timeout_reaches() {
        assert_eq!(postponed(at(10), secs(3), at(5), secs(20)), at(13));
        assert_eq!(postponed(at(10), secs(30), at(5), secs(20)), at(25));
        assert_eq!(postponed(at(10), secs(3), at(500), secs(20)), at(503));
        assert_eq!(worth(10_240, 10_240), secs(1));
        assert_eq!(worth(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(worth(usize::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn the_end_of_time_is_no_deadline() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Instant::MAX);
        timers.set_after(Timer::Pong, at(1), Duration::MAX);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_set(Timer::Idle));
    }

    #[test]
    fn every_timer_has_a_place_of_its_own() {
        for (place, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }
}
