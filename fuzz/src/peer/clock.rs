//! The clock, and what is due when.

use std::time::Duration;

use excc_peer::{CloseReason, Instant, Timer};

use super::{LARGEST_INV_OF_ONE, Life};

/// The time between the two steps in which a passed deadline is judged.
const GRACE: Duration = Duration::from_millis(50);

/// How long announcements that found the queue full wait at least.
const RETRY: Duration = Duration::from_millis(100);

/// The deadlines of what the remote owes.
const OWED: [Timer; 4] = [Timer::VerAck, Timer::Idle, Timer::Pong, Timer::Stall];

/// What the remote owed before an input, and whether the application kept the peer from
/// reading since the time was told.
pub(super) struct Owed {
    at: [Option<Instant>; OWED.len()],
    pressed: bool,
}

impl Life {
    /// The peer is about to be told the time.
    pub(super) fn told_now(&mut self) {
        self.told(self.now);
    }

    pub(super) fn told(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        self.pressed = !self.peer.wants_read();
    }

    /// Whether deadlines may lie where no time is.
    pub(super) fn is_near_the_end_of_time(&self) -> bool {
        self.latest + Duration::from_secs(1_000) == Instant::MAX
    }

    pub(super) fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.peer.deadlines().find(|&(other, _)| other == timer).map(|(_, at)| at)
    }

    pub(super) fn owed(&self) -> Owed {
        Owed { at: OWED.map(|timer| self.deadline(timer)), pressed: self.pressed }
    }

    /// Bytes came, and no deadline is sooner for it.
    pub(super) fn assert_put_off(&mut self, before: &Owed, bytes: usize) {
        if before.pressed {
            return;
        }
        for (timer, before) in OWED.into_iter().zip(before.at) {
            let after = self.deadline(timer);
            if let (Some(before), Some(after)) = (before, after) {
                let earliest = before.min(self.latest + self.shortest(timer));
                assert!(after >= earliest, "{timer} is due sooner");
            }
            if before != after && bytes > 0 {
                self.passed.remove(&timer);
            }
        }
    }

    /// A deadline lies its whole time ahead.
    pub(super) fn assert_set(&self, timer: Timer, timeout: Option<Duration>) {
        let at = timeout.map(|timeout| self.latest + timeout).filter(|&at| at < Instant::MAX);
        assert_eq!(self.deadline(timer), at, "{timer}");
    }

    pub(super) fn time_out(&mut self, at: Instant) {
        self.take_note();
        let (pressed, was_closed) = (self.pressed, self.is_closed);
        self.told(at);
        let before: Vec<_> = self.peer.deadlines().collect();
        let (due, stats) = (self.peer.next_deadline(), self.peer.stats());
        self.peer.handle_timeout(at);
        let waiting = self.peer.stats().waiting_announcements;
        self.known.count_uses(stats.waiting_announcements - waiting);
        match due {
            Some((timer, deadline)) if deadline <= self.latest => {
                let next = self.peer.poll_timeout();
                assert!(next.is_none_or(|next| next > self.latest), "{timer} stays due");
                if timer == Timer::Trickle && self.peer.is_established() {
                    let one_more = self.peer.stats().queued_bytes + LARGEST_INV_OF_ONE;
                    assert!(
                        waiting == 0 || one_more > self.setup.max_queued_bytes,
                        "announcements wait with room for them"
                    );
                }
            }
            // The remote's clock stood still, as is found out now.
            _ if pressed => {}
            due => {
                assert_eq!(self.peer.next_deadline(), due);
                assert_eq!(self.peer.stats(), stats);
            }
        }
        if was_closed {
            self.tries = if self.peer.wants_write() { self.tries } else { 0 };
        } else {
            self.assert_judged_twice(&before);
        }
        self.take_note();
    }

    /// A peer is closed for what the remote did not do only if the deadline was found passed
    /// before.
    fn assert_judged_twice(&mut self, before: &[(Timer, Instant)]) {
        let again = self.latest + GRACE;
        if let Some(timer) = self.peer.close_reason().and_then(judged_by) {
            let passed = self.passed.get(&timer);
            assert!(passed.is_some_and(|&at| at + GRACE <= self.latest), "{timer} at once");
        }
        for &(timer, at) in before {
            if at <= self.latest && self.deadline(timer) == Some(again) {
                self.passed.insert(timer, self.latest);
            }
        }
    }

    /// The process was suspended: the time shows before what waits in the socket is read.
    pub(super) fn suspend(&mut self, time: Duration) {
        self.now += time;
        self.time_out(self.now);
        self.deliver(0);
    }

    /// No deadline is further ahead than its whole time, and those of which the reason is
    /// known are set.
    pub(super) fn assert_deadlines(&self) {
        for (timer, at) in self.peer.deadlines() {
            let latest = match timer {
                Timer::Handshake => {
                    let whole = Instant::from_secs(1_000) + self.setup.handshake_timeout;
                    whole.max(self.latest + GRACE)
                }
                Timer::Shutdown => Instant::MAX,
                timer => self.latest + self.longest(timer),
            };
            assert!(at <= latest, "{timer} in {:?}", at - self.latest);
        }
        if self.is_near_the_end_of_time() {
            return;
        }
        let awaits_pong = self.setup.pong_timeout.is_some() && self.pings.outstanding().is_some();
        assert_eq!(self.deadline(Timer::Pong).is_some(), awaits_pong);
        let awaits_data = self.setup.response_timeout.is_some() && self.asked.any_is_outstanding();
        match self.deadline(Timer::Stall) {
            Some(_) => assert!(awaits_data || self.requests.any_is_outstanding()),
            None => assert!(!awaits_data, "a request may never be answered"),
        }
    }

    /// The least that a deadline of the remote's is set ahead, but for the time between the
    /// two steps.
    fn shortest(&self, timer: Timer) -> Duration {
        let timeout = match timer {
            Timer::VerAck => self.setup.verack_timeout,
            Timer::Idle => self.setup.idle_timeout,
            Timer::Pong => self.setup.pong_timeout,
            _ => Some(Duration::from_secs(1)),
        };
        timeout.unwrap_or_default().min(GRACE)
    }

    /// The most that a deadline is set ahead.
    fn longest(&self, timer: Timer) -> Duration {
        let timeout = match timer {
            Timer::VerAck => self.setup.verack_timeout,
            Timer::Idle => self.setup.idle_timeout,
            Timer::Pong => self.setup.pong_timeout,
            Timer::Write => self.setup.write_timeout,
            Timer::Stall => Some(Duration::from_secs(30)),
            Timer::Ping => Some(Duration::from_secs(107)),
            _ => Some(self.setup.longest_trickle.max(RETRY)),
        };
        timeout.unwrap_or_default().max(GRACE)
    }
}

/// The deadline that a peer was closed by, if that judges the remote.
fn judged_by(reason: &CloseReason) -> Option<Timer> {
    match reason {
        CloseReason::HandshakeTimeout => Some(Timer::Handshake),
        CloseReason::VerAckTimeout => Some(Timer::VerAck),
        CloseReason::IdleTimeout => Some(Timer::Idle),
        CloseReason::PongTimeout => Some(Timer::Pong),
        CloseReason::Stall { .. } => Some(Timer::Stall),
        CloseReason::WriteStall => Some(Timer::Write),
        _ => None,
    }
}
