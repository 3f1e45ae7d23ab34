//! Our pings and what answers them.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::time::Instant;

/// The latest `ping` of ours, as the reference nodes track it: a newer one takes the
/// place of an unanswered one when it leaves.
#[derive(Default)]
pub(super) struct Pinger {
    /// Waits to be sent.
    queued: Option<NonZeroU64>,
    /// The last one that the application sent by itself, if it waits.
    queued_by_application: Option<u64>,
    /// Was sent and not answered.
    outstanding: Option<(u64, Instant)>,
    /// Answered one that waits to be sent. Where frames are written from a shared buffer, a
    /// `pong` may come before it is told that its `ping` has left.
    early: Option<(u64, Instant)>,
    last: Option<Instant>,
    round_trip: Option<Duration>,
}

impl Pinger {
    /// A `ping` waits to be sent.
    pub(super) fn set_queued(&mut self, nonce: NonZeroU64) {
        self.queued = Some(nonce);
    }

    /// A `ping` of the application's own waits to be sent.
    pub(super) fn set_queued_by_application(&mut self, nonce: u64) {
        self.queued_by_application = Some(nonce);
        self.early.take_if(|(early, _)| *early == nonce);
    }

    /// The nonce of a `ping` that waits to be sent, unless it is one of the application's own.
    pub(super) fn queued(&self) -> Option<NonZeroU64> {
        self.queued
    }

    /// The last byte of a `ping` left. Returns the round-trip time, if it has been answered
    /// already.
    pub(super) fn left(&mut self, nonce: u64, at: Instant) -> Option<Duration> {
        self.queued.take_if(|queued| queued.get() == nonce);
        self.queued_by_application.take_if(|queued| *queued == nonce);
        self.outstanding = Some((nonce, at));
        self.last = Some(at);
        let (_, answered_at) = self.early.take_if(|(early, _)| *early == nonce)?;
        self.answered(nonce, answered_at)
    }

    /// The round-trip time, if `nonce` is that of the latest `ping` that has left.
    pub(super) fn answered(&mut self, nonce: u64, now: Instant) -> Option<Duration> {
        let Some((_, at)) = self.outstanding.take_if(|(latest, _)| *latest == nonce) else {
            let queued = [self.queued.map(NonZeroU64::get), self.queued_by_application];
            if queued.contains(&Some(nonce)) {
                self.early = Some((nonce, now));
            }
            return None;
        };
        self.round_trip = Some(now - at);
        self.round_trip
    }

    /// The nonce of a `ping` that was sent and not answered.
    pub(super) fn outstanding(&self) -> Option<u64> {
        self.outstanding.map(|(nonce, _)| nonce)
    }

    /// When the latest `ping` left.
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

    const SECOND: Duration = Duration::from_secs(1);

    const fn nonce(nonce: u64) -> NonZeroU64 {
        NonZeroU64::new(nonce).expect("not 0")
    }

    #[test]
    fn a_round_trip_begins_when_the_ping_has_left() {
        let mut pinger = Pinger::default();
        pinger.set_queued(nonce(7));
        pinger.left(7, Instant::from_secs(5));
        assert_eq!((pinger.queued(), pinger.outstanding()), (None, Some(7)));
        assert_eq!(pinger.answered(8, Instant::from_secs(6)), None);
        assert_eq!(pinger.answered(7, Instant::from_secs(6)), Some(SECOND));
        assert_eq!(pinger.answered(7, Instant::from_secs(7)), None);
        assert_eq!(pinger.round_trip(), Some(SECOND));
        assert_eq!(pinger.last(), Some(Instant::from_secs(5)));
    }

    #[test]
    fn an_answer_may_come_before_its_ping_is_known_to_have_left() {
        let mut pinger = Pinger::default();
        pinger.set_queued(nonce(7));
        assert_eq!(pinger.answered(7, Instant::from_secs(1)), None);
        assert_eq!(pinger.left(7, Instant::from_secs(2)), Some(Duration::ZERO));
        assert_eq!((pinger.queued(), pinger.outstanding()), (None, None));
        assert_eq!(pinger.left(7, Instant::from_secs(3)), None);
    }

    #[test]
    fn a_pong_of_old_answers_no_later_ping() {
        let mut pinger = Pinger::default();
        assert_eq!(pinger.answered(7, Instant::from_secs(1)), None);
        pinger.set_queued_by_application(7);
        assert_eq!(pinger.left(7, Instant::from_secs(2)), None);
        assert_eq!(pinger.outstanding(), Some(7));
        pinger.set_queued_by_application(7);
        assert_eq!(pinger.answered(7, Instant::from_secs(3)), Some(SECOND));
        assert_eq!(pinger.answered(7, Instant::from_secs(3)), None);
        pinger.set_queued_by_application(7);
        assert_eq!(pinger.left(7, Instant::from_secs(4)), None);
    }

    #[test]
    fn a_newer_ping_counts_once_it_has_left() {
        let mut pinger = Pinger::default();
        pinger.left(1, Instant::ZERO);
        pinger.set_queued(nonce(2));
        assert_eq!(pinger.answered(1, Instant::from_secs(1)), Some(SECOND));
        pinger.left(2, Instant::from_secs(1));
        pinger.left(3, Instant::from_secs(1));
        assert_eq!(pinger.answered(2, Instant::from_secs(2)), None);
        assert_eq!(pinger.answered(3, Instant::from_secs(2)), Some(SECOND));
    }
}
