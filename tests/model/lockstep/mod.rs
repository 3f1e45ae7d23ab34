//! A peer and its model under the same script: after each step both must be in the same state.
//! Shared by the property tests, by the fuzz targets and by the replay of their corpora.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../../common/mod.rs"]
pub(crate) mod common;
pub(crate) mod messages;
pub(crate) mod script;
pub(crate) mod setup;

mod commands;
mod compare;
mod model;
mod receive;
mod transmit;

use std::collections::BTreeMap;
use std::time::Duration;

use excc_peer::wire::InputBuffer;
use excc_peer::{
    Chain, CloseReason, Direction, Instant, PeerState, SendId, SentNonce, Timer, UnixTime,
};

use common::rng;
use model::{Model, ModelEvent, is_banned_for};
use script::{Access, Step};
use setup::{OTHER_NONCE, Setup};

pub(crate) struct Lockstep {
    setup: Setup,
    other_nonces: Vec<SentNonce>,
    peer: PeerState,
    model: Model,
    now: Instant,
    /// Bytes that the remote has sent and that have not arrived.
    in_flight: Vec<u8>,
    /// The frame that the remote sent last.
    last_received: Vec<u8>,
    /// Bytes that arrived and that the peer has not taken.
    buffer: InputBuffer,
    /// Bytes that were written and that the next `Transmit` is advanced past.
    written: Vec<u8>,
    /// Bytes that a `Transmit` was advanced past.
    wire: Vec<u8>,
    /// Outcomes, and how often each was seen.
    pub(crate) seen: BTreeMap<String, usize>,
}

/// Runs a script on a peer and on its model, and compares them after each step. Returns the
/// outcomes, and how often each was seen.
pub(crate) fn run(setup: &Setup, script: &[Step]) -> BTreeMap<String, usize> {
    let mut lockstep = Lockstep::new(setup);
    for (at, step) in script.iter().enumerate() {
        let _printed = PrintStep(at, step);
        let was_shutting_down = lockstep.peer.is_shutting_down();
        lockstep.step(step);
        lockstep.count_shutdown(was_shutting_down);
        lockstep.compare();
    }
    lockstep.end();
    lockstep.seen
}

/// Prints the step of a script at which the two parted.
struct PrintStep<'a>(usize, &'a Step);

impl Drop for PrintStep<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at step {}, {:?}", self.0, self.1);
        }
    }
}

impl Lockstep {
    fn new(setup: &Setup) -> Self {
        let make = match setup.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        // The clock can go back from here.
        let now = Instant::from_secs(1_000);
        let (config, other_nonces) = setup.config();
        let (remote, unix_time) = (setup.remote(), setup.unix_time);
        let lockstep = Self {
            setup: setup.clone(),
            other_nonces,
            peer: make(
                config,
                remote,
                now,
                UnixTime::from_secs(unix_time.as_secs()),
                &mut rng(setup.seed),
            ),
            model: Model::new(setup, now),
            now,
            in_flight: Vec::new(),
            last_received: Vec::new(),
            buffer: InputBuffer::new(),
            written: Vec::new(),
            wire: Vec::new(),
            seen: BTreeMap::new(),
        };
        lockstep.compare();
        lockstep
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Notes how a shutdown went.
    fn count_shutdown(&mut self, was_shutting_down: bool) {
        let closed = self.peer.close_reason().map(name);
        match (was_shutting_down, self.peer.linger_until(), closed) {
            (true, Some(_), Some(_)) => self.count("shut down: all left"),
            (true, None, Some(reason)) => self.count(format!("shut down: {reason}")),
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(time) => self.now += *time,
            Step::SetClockBack(time) => {
                self.now = Instant::ZERO + self.now.since_epoch().saturating_sub(*time);
            }
            Step::EndOfTime => self.now = Instant::MAX,
            Step::HandleTimeout => self.time_out(),
            Step::SkipToDeadline(beyond) => {
                if let Some(at) = self.peer.poll_timeout() {
                    self.now = at + *beyond;
                    self.time_out();
                }
            }
            Step::SkipToOwnDeadline => {
                if let Some((Timer::Ping | Timer::Trickle, at)) = self.peer.next_deadline() {
                    self.now = at;
                    self.time_out();
                }
            }
            Step::OtherHandshakeCompletes => {
                self.other_nonces.clear();
                self.model.forget_other_nonces();
            }
            Step::PollEvents(most) => self.poll(*most),
            Step::Transmit(len, access, earlier) => self.transmit(*len, *access, *earlier),
            Step::ReceiveVersion(..)
            | Step::Receive(..)
            | Step::ReceiveUnchecked(..)
            | Step::ReceivePings(..)
            | Step::ReceivePong(..)
            | Step::ReceiveAnswer(..)
            | Step::ReceiveAgain(_)
            | Step::ReceiveSlowly(..)
            | Step::Suspend(..)
            | Step::ReceiveDamaged(..)
            | Step::ReceiveBytes(_)
            | Step::ReceiveRest
            | Step::Resume
            | Step::EndOfStream
            | Step::ConnectionLost => self.receive_step(step),
            wish => self.command(wish),
        }
    }

    fn version_in_force(&self) -> u32 {
        self.model.protocol().version
    }

    fn time_out(&mut self) {
        self.peer.handle_timeout(self.now);
        let reason = self.peer.close_reason();
        let [fired, spared] = self.model.handle_timeout(self.now, reason);
        for timer in fired {
            self.count(format!("timer: {timer}"));
        }
        for timer in spared {
            self.count(format!("spared: {timer}"));
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let event = self.peer.poll_event().map(ModelEvent::from);
            assert_eq!(event, self.model.poll_event());
            let Some(event) = event else { return };
            if let ModelEvent::Message(message, true) = &event {
                self.count(format!("solicited: {}", message.command()));
            }
            self.count(match event {
                ModelEvent::VersionReceived(version) if version.nonce == OTHER_NONCE => {
                    "event: another nonce".into()
                }
                ModelEvent::VersionReceived(_) => "event: version".into(),
                ModelEvent::VerAckReceived => "event: verack".into(),
                ModelEvent::Established(..) => format!("event: {} established", self.setup.network),
                ModelEvent::Message(message, _) => format!("event: {}", message.command()),
                ModelEvent::RoundTrip(..) => "event: round trip".into(),
                ModelEvent::OverBudget(_) => "event: over budget".into(),
                ModelEvent::Sent(_) => "event: sent".into(),
                ModelEvent::NotSent(_) => "event: not sent".into(),
                ModelEvent::Closed(reason) => {
                    self.check_blame(&reason);
                    format!("closed: {}", name(&reason))
                }
            });
        }
    }

    /// Nodes ban for what cannot be decoded, with exceptions, and for nothing else.
    fn check_blame(&self, reason: &CloseReason) {
        let chain = self.setup.network.chain();
        let is_banned = match reason {
            CloseReason::Decode(error) => {
                is_banned_for(error.kind().name(), chain == Chain::Decred)
            }
            _ => false,
        };
        assert_eq!(reason.is_violation(chain), is_banned, "{reason}");
    }

    /// Sends and polls everything, closes the peer unless it is closed, and checks that it stays
    /// closed.
    fn end(&mut self) {
        self.transmit(usize::MAX, Access::Chunks(true), Duration::ZERO);
        self.poll(usize::MAX);
        self.compare();
        self.peer.close(self.now);
        self.model.close(self.now);
        self.poll(usize::MAX);
        self.compare();
        self.now += Duration::from_secs(1_000_000);
        self.time_out();
        self.transmit(usize::MAX, Access::Batch(usize::MAX), Duration::ZERO);
        self.poll(usize::MAX);
        self.compare();
        for note in std::mem::take(&mut self.model.notes) {
            self.count(note);
        }
    }
}

fn number(id: SendId) -> u64 {
    id.to_string().parse().expect("ids are numbers")
}

/// A name for each reason, with the kind of error where that is one.
fn name(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Stall { vector: Some(_), .. } => "Stall of a vector".into(),
        CloseReason::Decode(error) => format!("Decode, {}", error.kind().name()),
        other => {
            let shown = format!("{other:?}");
            shown.split(['(', ' ']).next().unwrap_or_default().into()
        }
    }
}
