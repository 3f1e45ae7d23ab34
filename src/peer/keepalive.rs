//! Keep-alive: our pings, their round trips and deadlines, and the idle deadline.

use alloc::collections::VecDeque;
use core::num::NonZeroU64;
use core::time::Duration;

use super::config::Config;
use super::random::Random;
use super::shrink::{push_back, shrink_if_oversized};
use super::timers::{Timer, Timers};
use crate::time::Instant;
use crate::wire::Ping;

/// Maximum number of unanswered pings that are tracked. The reference nodes track the latest one
/// only, but a remote may answer each of several (`docs/protocol.md`, 6.2).
const MAX_UNANSWERED: usize = 16;

/// Our pings, from the queue to their pongs.
#[derive(Default)]
pub(super) struct Keepalive {
    /// The nonce of a `ping` of the peer's own that is queued.
    queued: Option<NonZeroU64>,
    /// The nonce of each `ping` that was sent and not answered, and when, the earliest first.
    unanswered: VecDeque<(u64, Instant)>,
    last_sent: Option<Instant>,
    round_trip: Option<Duration>,
}

/// # Deadlines
impl Keepalive {
    /// Sets the time of the next `ping`.
    pub(super) fn schedule_ping(timers: &mut Timers, config: &Config) {
        timers.set_after(Timer::Ping, config.ping_interval);
    }

    /// Starts the idle timeout. A complete message of any kind starts it again, as in the
    /// reference nodes (`docs/protocol.md`, 6.4).
    pub(super) fn on_message_received(timers: &mut Timers, config: &Config) {
        timers.set_after(Timer::Idle, config.idle_timeout);
    }

    /// Postpones the deadlines, because received bytes are progress: a `pong` may stand behind
    /// large messages (`docs/protocol.md`, 10.2).
    pub(super) fn on_progress(by: Duration, timers: &mut Timers, config: &Config) {
        timers.postpone(Timer::Idle, by, config.idle_timeout);
        timers.postpone(Timer::Pong, by, config.pong_timeout);
    }
}

/// # Our pings
impl Keepalive {
    /// Returns the nonce of the `ping` that is queued. One is enough: further pings would only
    /// grow the queue (`docs/protocol.md`, 6.1).
    pub(super) fn queued_ping(&self) -> Option<u64> {
        self.queued.map(NonZeroU64::get)
    }

    /// Returns a new `ping`, which the caller queues.
    pub(super) fn new_ping(&mut self, random: &mut Random) -> Ping {
        let nonce = random.nonce();
        self.queued = Some(nonce);
        Ping { nonce: nonce.get() }
    }

    /// Handles a `ping` whose last byte was sent at `at`. Returns the round-trip time if its
    /// `pong` was received before, at `answered_at`.
    ///
    /// The deadline of the `pong` starts now and not at `at`, because the write may have blocked
    /// for a while.
    pub(super) fn on_ping_sent(
        &mut self,
        nonce: u64,
        at: Instant,
        answered_at: Option<Instant>,
        timers: &mut Timers,
        config: &Config,
    ) -> Option<Duration> {
        self.queued.take_if(|queued| queued.get() == nonce);
        self.last_sent = Some(at);
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        push_back(&mut self.unanswered, (nonce, at));
        if let Some(answered_at) = answered_at {
            return self.on_pong(nonce, answered_at.max(at), timers, config);
        }
        // Later pings share the deadline of the earliest (`docs/protocol.md`, 6.2).
        if self.unanswered.len() == 1 {
            timers.set_after(Timer::Pong, config.pong_timeout);
        }
        None
    }

    /// Handles a `pong` that was received at `at`. Returns the round-trip time if it answers a
    /// `ping` that was sent.
    ///
    /// A `pong` answers its `ping` and all earlier ones: nodes answer in order, and may skip some.
    /// The deadline of a later `ping` starts again, because its `pong` may have waited behind this
    /// one.
    pub(super) fn on_pong(
        &mut self,
        nonce: u64,
        at: Instant,
        timers: &mut Timers,
        config: &Config,
    ) -> Option<Duration> {
        let place = self.unanswered.iter().position(|&(sent, _)| sent == nonce)?;
        let (_, sent_at) = self.unanswered.drain(..=place).next_back()?;
        shrink_if_oversized(&mut self.unanswered);
        self.round_trip = Some(at - sent_at);
        timers.clear(Timer::Pong);
        if !self.unanswered.is_empty() {
            timers.set_after(Timer::Pong, config.pong_timeout);
        }
        self.round_trip
    }

    /// Returns the nonce of the latest `ping` that was sent and not answered.
    pub(super) fn outstanding_ping(&self) -> Option<u64> {
        self.unanswered.back().map(|&(nonce, _)| nonce)
    }

    /// Returns when the latest `ping` was sent.
    pub(super) fn last_ping(&self) -> Option<Instant> {
        self.last_sent
    }

    /// Returns the latest round-trip time.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::network::Network;

    const PONG_TIMEOUT: Duration = Duration::from_secs(20);

    const fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    struct Bench {
        keepalive: Keepalive,
        timers: Timers,
        config: Config,
    }

    impl Bench {
        fn new() -> Self {
            let config = Config::builder(Network::EXCC_MAINNET).pong_timeout(Some(PONG_TIMEOUT));
            Self {
                keepalive: Keepalive::default(),
                timers: Timers::new(Instant::ZERO),
                config: config.build().unwrap(),
            }
        }

        fn ping_sent(&mut self, nonce: u64, at: Instant) {
            self.timers.advance_to(at);
            let round_trip =
                self.keepalive.on_ping_sent(nonce, at, None, &mut self.timers, &self.config);
            assert_eq!(round_trip, None);
        }

        fn pong(&mut self, nonce: u64, at: Instant) -> Option<Duration> {
            self.timers.advance_to(at);
            self.keepalive.on_pong(nonce, at, &mut self.timers, &self.config)
        }

        fn pong_deadline(&self) -> Option<Instant> {
            self.timers.get(Timer::Pong)
        }
    }

    #[test]
    fn a_round_trip_is_measured_from_when_the_ping_was_sent() {
        let mut bench = Bench::new();
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(0));
        let Ping { nonce } = bench.keepalive.new_ping(&mut random);
        assert_eq!(bench.keepalive.queued_ping(), Some(nonce));
        bench.ping_sent(nonce, at(5));
        let keepalive = &bench.keepalive;
        assert_eq!((keepalive.queued_ping(), keepalive.outstanding_ping()), (None, Some(nonce)));
        assert_eq!(bench.pong(!nonce, at(6)), None);
        assert_eq!(bench.pong(nonce, at(7)), Some(secs(2)));
        assert_eq!(bench.pong(nonce, at(8)), None);
        let keepalive = &bench.keepalive;
        assert_eq!((keepalive.round_trip(), keepalive.last_ping()), (Some(secs(2)), Some(at(5))));
    }

    #[test]
    fn the_earliest_unanswered_ping_sets_the_deadline_of_the_pong() {
        let mut bench = Bench::new();
        bench.ping_sent(1, at(1));
        bench.ping_sent(2, at(2));
        bench.ping_sent(3, at(3));
        assert_eq!(bench.pong_deadline(), Some(at(1) + PONG_TIMEOUT));
        assert_eq!(bench.pong(2, at(9)), Some(secs(7)));
        assert_eq!(bench.pong_deadline(), Some(at(9) + PONG_TIMEOUT));
        assert_eq!(bench.pong(1, at(9)), None, "it is answered by the later pong");
        assert_eq!(bench.pong(3, at(10)), Some(secs(7)));
        assert_eq!(bench.pong_deadline(), None);
    }

    #[test]
    fn a_pong_may_be_received_before_its_ping_counts_as_sent() {
        let mut bench = Bench::new();
        for (answered_at, expected) in [(at(7), secs(2)), (at(4), secs(0))] {
            let Bench { keepalive, timers, config } = &mut bench;
            let round_trip = keepalive.on_ping_sent(1, at(5), Some(answered_at), timers, config);
            assert_eq!((round_trip, bench.pong_deadline()), (Some(expected), None));
        }
    }

    #[test]
    fn the_latest_unanswered_pings_are_tracked() {
        let mut bench = Bench::new();
        (0..100).for_each(|nonce| bench.ping_sent(nonce, at(nonce)));
        assert_eq!(bench.keepalive.unanswered.len(), MAX_UNANSWERED);
        assert_eq!(bench.pong(83, at(100)), None);
        assert_eq!(bench.pong(84, at(100)), Some(secs(16)));
    }
}
