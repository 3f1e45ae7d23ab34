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
}

impl Timer {
    const ALL: [Self; 8] = [
        Self::Handshake,
        Self::VerAck,
        Self::Idle,
        Self::Ping,
        Self::Pong,
        Self::Stall,
        Self::Trickle,
        Self::Write,
    ];
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
        })
    }
}

/// One deadline for each [`Timer`].
#[derive(Default)]
pub(super) struct Timers([Deadline; Timer::ALL.len()]);

#[derive(Clone, Copy)]
struct Deadline {
    /// The end of time, which never comes, where none is set.
    at: Instant,
    /// By how many nanoseconds it is put off once it falls due.
    credit: u64,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { at: Instant::MAX, credit: 0 }
    }
}

impl Timers {
    /// Sets a deadline. The end of time never comes.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Deadline { at, credit: 0 };
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = Deadline::default();
    }

    /// Moves a deadline that is set, unless it would fall due after `at` anyway.
    pub(super) fn extend(&mut self, timer: Timer, at: Instant) {
        let deadline = &mut self.0[timer as usize];
        if deadline.at + Duration::from_nanos(deadline.credit) < at {
            *deadline = Deadline { at, credit: 0 };
        }
    }

    /// Gives the remote more time for what it owes: as much as it was not heard. The
    /// deadline moves when it falls due, not before.
    pub(super) fn put_off(&mut self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        for timer in [Timer::VerAck, Timer::Idle, Timer::Pong] {
            let deadline = &mut self.0[timer as usize];
            if deadline.at < Instant::MAX {
                deadline.credit = deadline.credit.saturating_add(nanos);
            }
        }
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].at < Instant::MAX
    }

    /// Every deadline that is set.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timer, Instant)> {
        Timer::ALL
            .into_iter()
            .zip(&self.0)
            .filter(|(_, deadline)| deadline.at < Instant::MAX)
            .map(|(timer, deadline)| (timer, deadline.at))
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
            let credit = self.0[timer as usize].credit;
            self.clear(timer);
            if credit == 0 {
                return Some(timer);
            }
            self.set(timer, at + Duration::from_nanos(credit));
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
