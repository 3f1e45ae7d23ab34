//! A peer and its reference under the same script.

mod application;
mod compare;
mod remote;

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::InputBuffer;
use excc_peer::{
    Chain, CloseReason, Direction, Instant, PeerState, SendId, SentNonce, Timer, Transmit, UnixTime,
};

use crate::common::rng;
use crate::parts::{ModelEvent, is_banned_for};
use crate::reference::Reference;
use crate::script::{Step, Way};
use crate::setup::{OTHER_NONCE, Setup};

pub(crate) struct Duel {
    setup: Setup,
    other_nonces: Vec<SentNonce>,
    peer: PeerState,
    reference: Reference,
    now: Instant,
    /// Bytes that the remote has sent and that have not arrived.
    under_way: Vec<u8>,
    /// The frame that the remote sent last.
    last_said: Vec<u8>,
    /// Bytes that arrived and that the peer has not taken.
    buffer: InputBuffer,
    /// Bytes that were written and that the next `Transmit` is advanced past.
    written: Vec<u8>,
    /// Bytes that a `Transmit` was advanced past.
    wire: Vec<u8>,
    /// Outcomes, and how often each was seen.
    pub(crate) seen: BTreeMap<String, usize>,
}

/// Runs a script on a peer and on its reference, and compares them after each step. Returns the
/// outcomes, and how often each was seen.
pub(crate) fn run(setup: &Setup, script: &[Step]) -> BTreeMap<String, usize> {
    let mut duel = Duel::new(setup);
    for (at, step) in script.iter().enumerate() {
        let _printed = PrintStep(at, step);
        let was_shutting_down = duel.peer.is_shutting_down();
        duel.step(step);
        duel.see_shutdown(was_shutting_down);
        duel.compare();
    }
    duel.end();
    duel.seen
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

impl Duel {
    fn new(setup: &Setup) -> Self {
        let make = match setup.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        // The clock can go back from here.
        let now = Instant::from_secs(1_000);
        let (config, other_nonces) = setup.config();
        let (remote, unix_time) = (setup.remote(), setup.unix_time);
        let duel = Self {
            setup: setup.clone(),
            other_nonces,
            peer: make(
                config,
                remote,
                now,
                UnixTime::from_secs(unix_time.as_secs()),
                &mut rng(setup.seed),
            ),
            reference: Reference::new(setup, now),
            now,
            under_way: Vec::new(),
            last_said: Vec::new(),
            buffer: InputBuffer::new(),
            written: Vec::new(),
            wire: Vec::new(),
            seen: BTreeMap::new(),
        };
        duel.compare();
        duel
    }

    fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Notes how a shutdown went.
    fn see_shutdown(&mut self, was_shutting_down: bool) {
        let closed = self.peer.close_reason().map(name);
        match (was_shutting_down, self.peer.linger_until(), closed) {
            (true, Some(_), Some(_)) => self.saw("shut down: all left"),
            (true, None, Some(reason)) => self.saw(format!("shut down: {reason}")),
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(time) => self.now += *time,
            Step::GoBack(time) => {
                self.now = Instant::ZERO + self.now.since_epoch().saturating_sub(*time);
            }
            Step::EndOfTime => self.now = Instant::MAX,
            Step::TimeOut => self.time_out(),
            Step::Skip(beyond) => {
                if let Some(at) = self.peer.poll_timeout() {
                    self.now = at + *beyond;
                    self.time_out();
                }
            }
            Step::SkipOwn => {
                if let Some((Timer::Ping | Timer::Trickle, at)) = self.peer.next_deadline() {
                    self.now = at;
                    self.time_out();
                }
            }
            Step::OtherIsDone => {
                self.other_nonces.clear();
                self.reference.forget_other_nonces();
            }
            Step::Poll(most) => self.poll(*most),
            Step::Transmit(len, way, earlier) => self.transmit(*len, *way, *earlier),
            Step::Version(..)
            | Step::Say(..)
            | Step::Blurt(..)
            | Step::Pings(..)
            | Step::AnswerPing(..)
            | Step::Answer(..)
            | Step::Repeat(_)
            | Step::Dribble(..)
            | Step::Suspend(..)
            | Step::Damaged(..)
            | Step::Raw(_)
            | Step::Arrive
            | Step::Resume
            | Step::Eof
            | Step::Lost => self.remote_step(step),
            wish => self.wish(wish),
        }
    }

    fn version_in_force(&self) -> u32 {
        self.reference.protocol().version
    }

    fn time_out(&mut self) {
        self.peer.handle_timeout(self.now);
        let reason = self.peer.close_reason();
        let [went_off, spared] = self.reference.handle_timeout(self.now, reason);
        for timer in went_off {
            self.saw(format!("timer: {timer}"));
        }
        for timer in spared {
            self.saw(format!("spared: {timer}"));
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let event = self.peer.poll_event().map(ModelEvent::from);
            assert_eq!(event, self.reference.poll_event());
            let Some(event) = event else { return };
            if let ModelEvent::Message(message, true) = &event {
                self.saw(format!("solicited: {}", message.command()));
            }
            self.saw(match event {
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

    fn transmit(&mut self, most: usize, way: Way, earlier: Duration) {
        let at = Instant::ZERO + self.now.since_epoch().saturating_sub(earlier);
        let (mut out, reference) = (self.peer.transmit(at), &mut self.reference);
        let wire = &mut self.wire;
        let mut advance = |out: &mut Transmit<'_>, reference: &mut Reference, bytes: &[u8]| {
            out.advance(bytes.len());
            wire.extend_from_slice(&bytes[..reference.advance(bytes.len())]);
        };
        reference.begin_transmit(at);
        let written = std::mem::take(&mut self.written);
        if !written.is_empty() {
            advance(&mut out, reference, &written);
        }
        assert_eq!(out.remaining(), reference.remaining());
        match way {
            Way::Chunks(_) | Way::ChunksAfterLook(_) => {
                if let Way::ChunksAfterLook(frames) = way {
                    let mut shared = out.batch(frames);
                    let seen = shared.copy_to_bytes(shared.remaining());
                    assert_eq!(seen.len(), reference.lend(frames, &seen));
                }
                let mut rest = most.min(out.remaining());
                while rest > 0 {
                    let mut chunk = out.chunk().to_vec();
                    assert!(!chunk.is_empty());
                    reference.lend(1, &chunk);
                    chunk.truncate(rest);
                    advance(&mut out, reference, &chunk);
                    rest -= chunk.len();
                }
                if let Way::Chunks(true) = way {
                    reference.lend(1, out.chunk());
                } else if !out.has_remaining() {
                    // Advancing beyond the end stops there.
                    out.advance(1);
                }
            }
            Way::Vectored(slices) => {
                let mut slices = vec![IoSlice::new(&[]); slices];
                let count = out.chunks_vectored(&mut slices);
                let mut seen: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(seen.is_empty(), slices.is_empty() || !out.has_remaining());
                reference.lend(reference.frames_in(seen.len()), &seen);
                seen.truncate(most);
                advance(&mut out, reference, &seen);
            }
            Way::Shared(frames) | Way::SharedUntilNext(frames) => {
                let mut shared = out.batch(frames);
                let mut seen = shared.copy_to_bytes(shared.remaining()).to_vec();
                assert_eq!(seen.len(), reference.lend(frames, &seen));
                seen.truncate(most);
                match way {
                    Way::Shared(_) => advance(&mut out, reference, &seen),
                    _ => self.written = seen,
                }
            }
        }
        drop(out);
        reference.end_transmit();
    }

    /// Sends and polls everything, closes the peer unless it is closed, and checks that it stays
    /// closed.
    fn end(&mut self) {
        self.transmit(usize::MAX, Way::Chunks(true), Duration::ZERO);
        self.poll(usize::MAX);
        self.compare();
        self.peer.close(self.now);
        self.reference.close(self.now);
        self.poll(usize::MAX);
        self.compare();
        self.now += Duration::from_secs(1_000_000);
        self.time_out();
        self.transmit(usize::MAX, Way::Shared(usize::MAX), Duration::ZERO);
        self.poll(usize::MAX);
        self.compare();
        for note in std::mem::take(&mut self.reference.notes) {
            self.saw(note);
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
