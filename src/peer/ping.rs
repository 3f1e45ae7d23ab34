//! Our pings and what answers them.

use core::time::Duration;

use crate::time::Instant;

/// The latest `ping` of ours, as the reference nodes track it: a newer one takes the
/// place of an unanswered one.
#[derive(Default)]
pub(super) struct Pinger {
    state: State,
    last: Option<Instant>,
    round_trip: Option<Duration>,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Answered,
    Queued {
        nonce: u64,
    },
    Left {
        nonce: u64,
        at: Instant,
    },
}

impl Pinger {
    /// A `ping` waits to be sent.
    pub(super) fn queued(&mut self, nonce: u64) {
        self.state = State::Queued { nonce };
    }

    /// Whether a `ping` waits to be sent.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.state, State::Queued { .. })
    }

    /// The last byte of a `ping` left. Tells whether it is the latest one.
    pub(super) fn left(&mut self, nonce: u64, at: Instant) -> bool {
        match self.state {
            State::Queued { nonce: latest } if latest == nonce => {
                self.state = State::Left { nonce, at };
                self.last = Some(at);
                true
            }
            _ => false,
        }
    }

    /// The round-trip time, if `nonce` is that of the latest `ping` and it has left.
    pub(super) fn answered(&mut self, nonce: u64, now: Instant) -> Option<Duration> {
        match self.state {
            State::Left { nonce: latest, at } if latest == nonce => {
                self.state = State::Answered;
                self.round_trip = Some(now - at);
                self.round_trip
            }
            _ => None,
        }
    }

    /// The nonce of a `ping` that was sent and not answered.
    pub(super) fn outstanding(&self) -> Option<u64> {
        match self.state {
            State::Left { nonce, .. } => Some(nonce),
            _ => None,
        }
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

    #[test]
    fn a_round_trip_begins_when_the_ping_has_left() {
        let mut pinger = Pinger::default();
        pinger.queued(7);
        assert_eq!(pinger.answered(7, Instant::from_secs(1)), None);
        assert!(pinger.left(7, Instant::from_secs(5)));
        assert_eq!(pinger.outstanding(), Some(7));
        assert_eq!(pinger.answered(8, Instant::from_secs(6)), None);
        assert_eq!(pinger.answered(7, Instant::from_secs(6)), Some(SECOND));
        assert_eq!(pinger.answered(7, Instant::from_secs(7)), None);
        assert_eq!(pinger.round_trip(), Some(SECOND));
        assert_eq!(pinger.last(), Some(Instant::from_secs(5)));
    }

    #[test]
    fn only_the_latest_ping_counts() {
        let mut pinger = Pinger::default();
        pinger.queued(1);
        pinger.queued(2);
        assert!(!pinger.left(1, Instant::ZERO));
        assert!(pinger.left(2, Instant::ZERO));
        assert_eq!(pinger.answered(1, Instant::from_secs(1)), None);
        assert_eq!(pinger.answered(2, Instant::from_secs(1)), Some(SECOND));
    }
}
