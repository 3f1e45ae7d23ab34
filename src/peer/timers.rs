//! Deadlines by name.

use core::fmt;
use core::time::Duration;

use crate::time::Instant;

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
    /// The frame that is leaving must have left.
    Write,
    /// What was queued before a [shutdown](crate::PeerState::shutdown) must have left.
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

    /// Those that are put off while the application holds the remote back.
    const PUT_OFF: [Self; 3] = [Self::VerAck, Self::Idle, Self::Pong];
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

/// One deadline for each [`Timer`].
pub(super) struct Timers {
    /// The end of time, which never comes, where none is set.
    at: [Instant; Timer::ALL.len()],
    /// By how many nanoseconds those of [`Timer::PUT_OFF`] are put off once they fall due.
    credit: [u64; Timer::PUT_OFF.len()],
}

impl Default for Timers {
    fn default() -> Self {
        Self { at: [Instant::MAX; Timer::ALL.len()], credit: [0; Timer::PUT_OFF.len()] }
    }
}

impl Timers {
    /// Sets a deadline. The end of time never comes.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.at[timer as usize] = at;
        if let Some(credit) = self.credit_mut(timer) {
            *credit = 0;
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.set(timer, Instant::MAX);
    }

    /// Moves a deadline that is set, unless it would fall due after `at` anyway.
    pub(super) fn extend(&mut self, timer: Timer, at: Instant) {
        if self.at[timer as usize] + self.credit(timer) < at {
            self.set(timer, at);
        }
    }

    /// Gives the remote more time for what it owes: as much as it was not heard. The
    /// deadline moves when it falls due, not before.
    pub(super) fn put_off(&mut self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        for (timer, credit) in Timer::PUT_OFF.into_iter().zip(&mut self.credit) {
            if self.at[timer as usize] < Instant::MAX {
                *credit = credit.saturating_add(nanos);
            }
        }
    }

    fn credit_mut(&mut self, timer: Timer) -> Option<&mut u64> {
        let place = Timer::PUT_OFF.into_iter().position(|one| one == timer)?;
        self.credit.get_mut(place)
    }

    fn credit(&mut self, timer: Timer) -> Duration {
        Duration::from_nanos(self.credit_mut(timer).map_or(0, |credit| *credit))
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.get(timer).is_some()
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        Some(self.at[timer as usize]).filter(|&at| at < Instant::MAX)
    }

    /// Every deadline that is set.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timer, Instant)> {
        Timer::ALL.into_iter().zip(self.at).filter(|&(_, at)| at < Instant::MAX)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Timer, Instant)> {
        self.iter().min_by_key(|&(_, at)| at)
    }

    /// Takes the earliest deadline that is due, so that it is due no more.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        loop {
            let (timer, at) = self.next()?;
            if at > now {
                return None;
            }
            let credit = self.credit(timer);
            self.clear(timer);
            if credit.is_zero() {
                return Some(timer);
            }
            self.set(timer, at + credit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_fall_due_in_order_and_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Instant::from_secs(3));
        timers.set(Timer::Ping, Instant::from_secs(1));
        timers.set(Timer::Write, Instant::from_secs(2));
        assert_eq!(timers.next(), Some((Timer::Ping, Instant::from_secs(1))));
        assert_eq!(timers.take_due(Instant::ZERO), None);
        let now = Instant::from_secs(2);
        assert_eq!(timers.take_due(now), Some(Timer::Ping));
        assert_eq!(timers.take_due(now), Some(Timer::Write));
        assert_eq!(timers.take_due(now), None);
    }

    #[test]
    fn what_is_put_off_falls_due_so_much_later() {
        let mut timers = Timers::default();
        timers.set(Timer::Pong, Instant::from_secs(10));
        timers.put_off(Duration::from_secs(3));
        timers.put_off(Duration::from_secs(4));
        assert_eq!(timers.next(), Some((Timer::Pong, Instant::from_secs(10))));
        assert_eq!(timers.take_due(Instant::from_secs(10)), None);
        assert_eq!(timers.next(), Some((Timer::Pong, Instant::from_secs(17))));
        assert_eq!(timers.take_due(Instant::from_secs(17)), Some(Timer::Pong));
    }

    #[test]
    fn a_deadline_is_only_ever_extended() {
        let mut timers = Timers::default();
        timers.extend(Timer::Idle, Instant::from_secs(1));
        timers.set(Timer::Idle, Instant::from_secs(5));
        timers.put_off(Duration::from_secs(2));
        timers.extend(Timer::Idle, Instant::from_secs(6));
        assert_eq!(timers.next(), Some((Timer::Idle, Instant::from_secs(5))));
        assert_eq!(timers.take_due(Instant::from_secs(6)), None);
        timers.extend(Timer::Idle, Instant::from_secs(9));
        assert_eq!(timers.take_due(Instant::from_secs(9)), Some(Timer::Idle));
    }

    #[test]
    fn the_end_of_time_is_no_deadline() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Instant::MAX);
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
