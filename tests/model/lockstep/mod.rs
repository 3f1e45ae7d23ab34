//! A peer and its model under the same script: after each step both must be in the same state.
//! Shared by the property tests, by the fuzz targets and by the replay of their corpora.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../../common/mod.rs"]
pub(crate) mod common;
pub(crate) mod frames;
pub(crate) mod messages;
pub(crate) mod script;
pub(crate) mod setup;
pub(crate) mod values;

mod commands;
mod compare;
mod model;
mod receive;
mod transmit;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use excc_peer::wire::InputBuffer;
use excc_peer::{
    Chain, CloseReason, Direction, Instant, PeerState, SendId, SentNonce, Timer, UnixTime,
};

use common::{remote, rng};
use messages::MessageSpec;
use model::{Model, ModelEvent, blame, is_banned_for};
use script::{Access, Delivery, Step};
use setup::{OTHER_NONCE, Setup};

struct Lockstep {
    setup: Rc<Setup>,
    other_nonces: Vec<SentNonce>,
    peer: PeerState,
    model: Model,
    /// The address of the remote, in its shortest form.
    remote: SocketAddr,
    now: Instant,
    /// Bytes that the remote has sent and that have not arrived.
    in_flight: Vec<u8>,
    /// The frame that the remote sent last.
    last_received: Vec<u8>,
    /// Bytes that arrived and that the peer has not taken.
    buffer: InputBuffer,
    /// How many bytes were written that the next `Transmit` is advanced past.
    written: usize,
    comparisons: usize,
    outcomes: Option<Outcomes>,
}

/// Outcomes, and how often each was seen.
pub(crate) type Outcomes = BTreeMap<String, usize>;

/// Runs a script on a peer and on its model, and compares them after each step. Returns the
/// outcomes.
#[allow(dead_code, reason = "fuzz targets count no outcomes")]
pub(crate) fn run(setup: &Setup, script: &[Step]) -> Outcomes {
    let outcomes = Some(Outcomes::new());
    Lockstep::new(setup.clone(), outcomes).run(script).unwrap_or_default()
}

/// Runs a script in the same way, without counting outcomes.
#[allow(dead_code, reason = "property tests count outcomes")]
pub(crate) fn check(setup: Setup, script: &[Step]) {
    Lockstep::new(setup, None).run(script);
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
    fn new(setup: Setup, outcomes: Option<Outcomes>) -> Self {
        let setup = Rc::new(setup);
        let make = match setup.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        // The clock can go back from here.
        let now = Instant::from_secs(1_000);
        let (config, other_nonces) = setup.config();
        let unix_time = UnixTime::from_secs(setup.unix_time.as_secs());
        let mut lockstep = Self {
            other_nonces,
            peer: make(config, setup.remote(), now, unix_time, &mut rng(setup.seed)),
            model: Model::new(&setup, now),
            setup,
            remote: remote(),
            now,
            in_flight: Vec::new(),
            last_received: Vec::new(),
            buffer: InputBuffer::new(),
            written: 0,
            comparisons: 0,
            outcomes,
        };
        lockstep.compare();
        lockstep
    }

    fn run(mut self, script: &[Step]) -> Option<Outcomes> {
        for (at, step) in script.iter().enumerate() {
            let _printed = PrintStep(at, step);
            let was_shutting_down = self.peer.is_shutting_down();
            self.step(step);
            self.count_shutdown(was_shutting_down);
            self.compare();
        }
        self.end();
        self.outcomes
    }

    fn count(&mut self, outcome: impl Display) {
        if let Some(outcomes) = &mut self.outcomes {
            *outcomes.entry(outcome.to_string()).or_default() += 1;
        }
    }

    fn count_shutdown(&mut self, was_shutting_down: bool) {
        if !was_shutting_down {
            return;
        }
        let reason = self.peer.close_reason().cloned();
        match (self.peer.linger_until(), reason) {
            (Some(_), Some(_)) => self.count("shut down: all left"),
            (None, Some(reason)) => self.count(format_args!("shut down: {}", name(&reason))),
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
            | Step::ReceiveEncodedVersion(..)
            | Step::ReceiveBadFrame(..)
            | Step::ReceivePayload(..)
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
            command => self.command(command),
        }
    }

    fn version_in_force(&self) -> u32 {
        self.model.protocol().version
    }

    fn time_out(&mut self) {
        self.peer.handle_timeout(self.now);
        let reason = self.peer.close_reason();
        let [fired, spared] = self.model.handle_timeout(self.now, reason);
        let next = self.peer.poll_timeout();
        assert!(next.is_none_or(|next| next > self.model.now), "a deadline remains due");
        for timer in fired {
            self.count(format_args!("timer: {timer}"));
        }
        for timer in spared {
            self.count(format_args!("spared: {timer}"));
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let event = self.peer.poll_event().map(ModelEvent::from);
            assert_eq!(event, self.model.poll_event());
            let Some(event) = event else { return };
            if let ModelEvent::Closed(reason) = &event {
                self.check_reason(reason);
            }
            if self.outcomes.is_some() {
                self.count_event(&event);
            }
        }
    }

    fn count_event(&mut self, event: &ModelEvent) {
        let network = self.setup.network;
        match event {
            ModelEvent::VersionReceived(version) if version.nonce == OTHER_NONCE => {
                self.count("event: another nonce");
            }
            ModelEvent::VersionReceived(_) => self.count("event: version"),
            ModelEvent::VerAckReceived => self.count("event: verack"),
            ModelEvent::Established(..) => self.count(format_args!("event: {network} established")),
            ModelEvent::Message(message, solicited) => {
                if *solicited {
                    self.count(format_args!("solicited: {}", message.command()));
                }
                self.count(format_args!("event: {}", message.command()));
            }
            ModelEvent::RoundTrip(..) => self.count("event: round trip"),
            ModelEvent::OverBudget(_) => self.count("event: over budget"),
            ModelEvent::Sent(_) => self.count("event: sent"),
            ModelEvent::NotSent(_) => self.count("event: not sent"),
            ModelEvent::Closed(reason) => self.count(format_args!("closed: {}", name(reason))),
        }
    }

    /// The verdict on the end, and its text.
    fn check_reason(&self, reason: &CloseReason) {
        let chain = self.setup.network.chain();
        let is_banned = match reason {
            CloseReason::Decode(error) => {
                is_banned_for(error.kind().name(), chain == Chain::Decred)
            }
            _ => false,
        };
        assert_eq!(reason.is_violation(chain), is_banned, "{reason}");
        assert_eq!(reason.blame(), blame(reason), "{reason}");
        assert!(!reason.to_string().is_empty());
    }

    /// Sends and polls everything, closes the peer unless it is closed, and checks that it stays
    /// closed.
    fn end(&mut self) {
        self.transmit(usize::MAX, Access::Chunks(true), Duration::ZERO);
        self.poll(usize::MAX);
        self.compare_state();
        self.compare_stats();
        self.peer.close(self.now);
        self.model.close(self.now);
        self.poll(usize::MAX);
        self.compare();
        self.now += Duration::from_secs(1_000_000);
        self.time_out();
        for step in AFTER_THE_END {
            self.step(step);
        }
        self.compare();
        self.compare_nonces();
        self.compare_stats();
        for note in std::mem::take(&mut self.model.notes) {
            self.count(note);
        }
    }
}

/// Calls that have no effect on a closed peer.
const AFTER_THE_END: &[Step] = &[
    Step::EndOfStream,
    Step::ConnectionLost,
    Step::RefuseVersion,
    Step::AcceptVersion,
    Step::ReceivePings(1, Delivery::AtOnce),
    Step::Send(MessageSpec::Tx(0)),
    Step::Ping,
    Step::Shutdown(Duration::MAX),
    Step::Transmit(usize::MAX, Access::Batch(usize::MAX), Duration::ZERO),
    Step::PollEvents(1),
];

/// The number of a receipt, which is the text of its `Display`.
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
