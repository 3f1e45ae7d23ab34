//! Deadlines and both clocks (`docs/protocol.md`, 10).

use std::time::Duration;

use excc_peer::{CloseReason, Instant, Timer};

use super::Model;

/// The time between the two steps in which a passed deadline is judged.
const GRACE: Duration = Duration::from_millis(50);

/// The timers in the order in which they fire if they are due at one time.
const TIMERS: [Timer; 9] = [
    Timer::Handshake,
    Timer::VerAck,
    Timer::Idle,
    Timer::Ping,
    Timer::Pong,
    Timer::Stall,
    Timer::Trickle,
    Timer::Write,
    Timer::Shutdown,
];

/// The deadlines on the remote's clock.
const OWED: [Timer; 4] = [Timer::VerAck, Timer::Idle, Timer::Pong, Timer::Stall];

/// The deadlines that fire at once, because they close no peer that could do better.
const AT_ONCE: [Timer; 3] = [Timer::Ping, Timer::Trickle, Timer::Shutdown];

/// A deadline after `progress` bytes at `rate` bytes a second: later by their time, from
/// `clock` if it has passed, and never more than `timeout` from `clock`.
pub(crate) fn extended(
    at: Instant,
    clock: Instant,
    progress: usize,
    rate: u32,
    timeout: Duration,
) -> Instant {
    let nanos = progress as u128 * 1_000_000_000 / u128::from(rate);
    let time = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
    (at.max(clock) + time).min(clock + timeout)
}

/// When each timer fires.
#[derive(Default)]
pub(crate) struct Deadlines {
    /// In the order of [`TIMERS`].
    set: [Option<Deadline>; TIMERS.len()],
    /// How long in all the remote's clock stood still.
    pub(crate) stopped: Duration,
}

#[derive(Clone, Copy)]
struct Deadline {
    /// For what the remote owes, a time of the remote's clock.
    at: Instant,
    /// Whether it was found due once, and moved for that.
    is_judged: bool,
}

impl Deadlines {
    fn of(&mut self, timer: Timer) -> &mut Option<Deadline> {
        let place = TIMERS.iter().position(|&other| other == timer);
        &mut self.set[place.expect("a timer of the model")]
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        // The end of time never comes.
        *self.of(timer) = (at < Instant::MAX).then_some(Deadline { at, is_judged: false });
    }

    /// Sets a deadline that may be switched off.
    pub(crate) fn set_after(&mut self, timer: Timer, now: Instant, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.set(timer, now + timeout);
        }
    }

    /// Sets a deadline, unless it is set to that time already.
    pub(crate) fn move_to(&mut self, timer: Timer, at: Instant) {
        if self.at(timer) != Some(at) {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        *self.of(timer) = None;
    }

    pub(crate) fn clear_all(&mut self) {
        self.set = Default::default();
    }

    /// The time of a deadline: for what the remote owes, on the remote's clock.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        let mut all = TIMERS.iter().zip(&self.set);
        all.find(|&(&other, _)| other == timer)?.1.map(|deadline| deadline.at)
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer).is_some()
    }

    /// The time on the remote's clock.
    pub(crate) fn remote_clock(&self, now: Instant) -> Instant {
        Instant::ZERO + now.since_epoch().saturating_sub(self.stopped)
    }

    /// All that are set, on the caller's clock.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Timer, Instant)> {
        let all = TIMERS.iter().zip(&self.set).filter_map(|(&timer, deadline)| {
            let at = deadline.as_ref()?.at;
            Some((timer, if OWED.contains(&timer) { at + self.stopped } else { at }))
        });
        // The end of time never comes.
        all.filter(|&(_, at)| at < Instant::MAX)
    }

    /// The earliest, on the caller's clock.
    pub(crate) fn next(&self) -> Option<(Timer, Instant)> {
        self.all().min_by_key(|&(_, at)| at)
    }

    /// Judges the earliest deadline that is due: grants it some more time the first time, if it
    /// is not one that fires at once, and takes it the second time.
    pub(crate) fn judge(&mut self, now: Instant) -> Option<Judged> {
        let (timer, _) = self.next().filter(|&(_, at)| at <= now)?;
        let clock = if OWED.contains(&timer) { self.remote_clock(now) } else { now };
        let deadline = self.of(timer);
        if AT_ONCE.contains(&timer) || deadline.is_some_and(|deadline| deadline.is_judged) {
            *deadline = None;
            return Some(Judged::Fired(timer));
        }
        let at = clock + GRACE;
        *deadline = (at < Instant::MAX).then_some(Deadline { at, is_judged: true });
        Some(Judged::Spared(timer, at))
    }
}

/// The outcome of judging a deadline that was due.
pub(crate) enum Judged {
    /// It is now at a later time, on its own clock.
    Spared(Timer, Instant),
    Fired(Timer),
}

impl Model {
    /// Returns the timers that fired, and those that were spared the first time. `named` is the
    /// end that the peer chose, which decides between several overdue answers.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        named: Option<&CloseReason>,
    ) -> [Vec<Timer>; 2] {
        self.set_time(now);
        let (mut fired, mut spared) = (Vec::new(), Vec::new());
        while let Some(judged) = self.deadlines.judge(self.now) {
            match judged {
                Judged::Fired(timer) => {
                    fired.push(timer);
                    self.fire(timer, named);
                }
                Judged::Spared(timer, at) => {
                    spared.push(timer);
                    if timer == Timer::Stall {
                        self.dues.iter_mut().for_each(|(_, due)| *due = at.max(*due));
                    }
                }
            }
        }
        self.close_if_all_was_sent();
        [fired, spared]
    }

    pub(super) fn fire(&mut self, timer: Timer, named: Option<&CloseReason>) {
        match timer {
            Timer::Handshake => self.close_for(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_for(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_for(CloseReason::IdleTimeout),
            Timer::Pong => self.close_for(CloseReason::PongTimeout),
            Timer::Write => self.close_for(CloseReason::WriteStall),
            Timer::Stall => self.on_stall(named),
            Timer::Trickle => self.announce_waiting(),
            Timer::Ping => {
                self.push_ping();
                self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
            }
            Timer::Shutdown => {
                self.end_try("last try: not used");
                self.close_for(CloseReason::Local);
            }
            other => panic!("a timer that the model does not have: {other}"),
        }
    }

    /// Sets the clock. The remote's stands still in a span with back-pressure at some time.
    pub(super) fn set_time(&mut self, now: Instant) {
        let now = now.max(self.now);
        if self.was_backpressured {
            self.deadlines.stopped += now - self.now;
        }
        self.now = now;
        self.was_backpressured = self.is_backpressured();
    }

    pub(super) fn remote_clock(&self) -> Instant {
        self.deadlines.remote_clock(self.now)
    }
}
