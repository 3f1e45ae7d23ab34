//! Up to three pings in every order of queueing, writing, reporting and answering, compared with a
//! small model.

use std::time::Duration;

use bytes::Buf;
use excc_peer::wire::{Message, Ping, Pong};
use excc_peer::{Event, Instant, Timer};

use crate::common::*;

const TIMEOUT: Duration = secs(1_000);

/// The extension of a deadline by the 32 bytes of a `pong`.
const PONG_WORTH: Duration = worth(32);

/// The sender of a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Peer,
    Application,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Queue(usize),
    /// The driver writes the queue to the socket.
    Write,
    /// The driver reports the write to the peer.
    Report,
    Answer(usize),
}

/// The expected state of a peer, with numbers in place of nonces.
#[derive(Default)]
struct Model {
    /// Pings queued and not yet reported as written, with the time of their pong, if any.
    queue: Vec<(usize, Option<Instant>)>,
    /// The number of them that are written, and the time of the write.
    written: usize,
    written_at: Instant,
    /// Pings reported as written and not answered, with the time of the write.
    unanswered: Vec<(usize, Instant)>,
    deadline: Option<Instant>,
}

impl Model {
    /// Reports the write. Round trips start at the time before the write, deadlines at `now`, the
    /// latest time given to the peer.
    fn report(&mut self, now: Instant) -> Vec<(usize, Duration)> {
        let mut round_trips = Vec::new();
        for (ping, answered_at) in self.queue.drain(..self.written).collect::<Vec<_>>() {
            self.unanswered.push((ping, self.written_at));
            if let Some(at) = answered_at {
                round_trips.extend(self.answer_reported(ping, at, now));
            } else if self.unanswered.len() == 1 {
                self.deadline = Some(now + TIMEOUT);
            }
        }
        self.written = 0;
        round_trips
    }

    fn answer(&mut self, ping: usize, now: Instant) -> Option<(usize, Duration)> {
        // All received bytes extend the deadline.
        self.deadline = self.deadline.map(|at| (at.max(now) + PONG_WORTH).min(now + TIMEOUT));
        let lent = self.queue.iter_mut().take(self.written).find(|(queued, _)| *queued == ping);
        if let Some((_, answered_at)) = lent {
            *answered_at = Some(now);
            return None;
        }
        self.answer_reported(ping, now, now)
    }

    /// A pong answers its ping and all older ones.
    fn answer_reported(
        &mut self,
        ping: usize,
        at: Instant,
        now: Instant,
    ) -> Option<(usize, Duration)> {
        let place = self.unanswered.iter().position(|(sent, _)| *sent == ping)?;
        let (_, sent_at) = self.unanswered[place];
        self.unanswered.drain(..=place);
        self.deadline = (!self.unanswered.is_empty()).then_some(now + TIMEOUT);
        Some((ping, at - sent_at))
    }
}

/// A peer that is driven one step a second, and the model to compare it with.
struct Run {
    peer: Peer,
    model: Model,
    nonces: Vec<u64>,
    unreported: usize,
    /// The latest time given to the peer.
    latest: Instant,
}

impl Run {
    fn new() -> Self {
        let config = quiet(EXCC).write_timeout(None);
        Self {
            peer: Peer::established(config.pong_timeout(Some(TIMEOUT))),
            model: Model::default(),
            nonces: Vec::new(),
            unreported: 0,
            latest: Instant::ZERO,
        }
    }

    fn step(&mut self, step: Step, senders: &[Sender]) {
        self.peer.now += secs(1);
        let now = self.peer.now;
        let mut round_trips = Vec::new();
        match step {
            Step::Queue(ping) => {
                let nonce = match senders[ping] {
                    Sender::Peer => self.peer.state.ping(now).unwrap(),
                    Sender::Application => {
                        let nonce = 1 + ping as u64;
                        self.peer.state.send(now, Message::Ping(Ping { nonce })).unwrap();
                        nonce
                    }
                };
                self.nonces.push(nonce);
                self.model.queue.push((ping, None));
            }
            Step::Write => {
                self.unreported = self.peer.state.transmit(now).batch(8).remaining();
                self.model.written = self.model.queue.len();
                self.model.written_at = now;
            }
            Step::Report => {
                let at = self.model.written_at;
                self.peer.state.transmit(at).advance(self.unreported);
                round_trips = self.model.report(self.latest);
            }
            Step::Answer(ping) => {
                round_trips.extend(self.model.answer(ping, now));
                let nonce = self.nonces[ping];
                self.peer.receive(Message::Pong(Pong { nonce })).unwrap();
            }
        }
        if step != Step::Report {
            self.latest = now;
        }
        self.check(&round_trips);
    }

    fn check(&mut self, expected: &[(usize, Duration)]) {
        let round_trips: Vec<_> = self
            .peer
            .events()
            .into_iter()
            .filter(|event| matches!(event, Event::RoundTrip { .. }))
            .collect();
        let nonces = &self.nonces;
        let event =
            |&(ping, time): &(usize, Duration)| Event::RoundTrip { nonce: nonces[ping], time };
        assert_eq!(round_trips, expected.iter().map(event).collect::<Vec<_>>());
        let stats = self.peer.state.stats();
        let outstanding = self.model.unanswered.last().map(|(ping, _)| nonces[*ping]);
        assert_eq!(stats.outstanding_ping, outstanding);
        if let Some((_, time)) = expected.last() {
            assert_eq!(stats.round_trip, Some(*time));
        }
        let due = self.peer.state.next_deadline();
        assert_eq!(due, self.model.deadline.map(|at| (Timer::Pong, at)));
    }
}

/// The steps that are possible after `steps`.
fn next(steps: &[Step], senders: &[Sender]) -> Vec<Step> {
    let mut queued: Vec<usize> = Vec::new();
    let mut reported = 0;
    let (mut written, mut answered) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Queue(ping) => queued.push(*ping),
            Step::Write => written = queued.len(),
            Step::Report => reported = written,
            Step::Answer(ping) => answered.push(*ping),
        }
    }
    let mut next = Vec::new();
    let ping = queued.len();
    // `PeerState::ping` queues no second ping before the first is reported as written.
    let has_queued_ping = || queued[reported..].iter().any(|&ping| senders[ping] == Sender::Peer);
    if ping < senders.len() && (senders[ping] == Sender::Application || !has_queued_ping()) {
        next.push(Step::Queue(ping));
    }
    if written == reported && queued.len() > reported {
        next.push(Step::Write);
    }
    if written > reported {
        next.push(Step::Report);
    }
    let unanswered = queued[..written].iter().filter(|ping| !answered.contains(*ping));
    next.extend(unanswered.map(|&ping| Step::Answer(ping)));
    next
}

/// Runs every sequence of steps to its end, and returns their number.
fn run_all(steps: &mut Vec<Step>, senders: &[Sender]) -> usize {
    let next = next(steps, senders);
    if next.is_empty() {
        let mut run = Run::new();
        for &step in &*steps {
            run.step(step, senders);
        }
        let stats = run.peer.state.stats();
        assert_eq!((stats.outstanding_ping, run.peer.due_in()), (None, None));
        return 1;
    }
    let mut runs = 0;
    for step in next {
        steps.push(step);
        runs += run_all(steps, senders);
        steps.pop();
    }
    runs
}

#[test]
fn up_to_three_pings_are_tracked_in_every_order() {
    let both = [Sender::Peer, Sender::Application];
    let mut runs = 0;
    for first in both {
        runs += run_all(&mut Vec::new(), &[first]);
        for second in both {
            runs += run_all(&mut Vec::new(), &[first, second]);
            for third in both {
                runs += run_all(&mut Vec::new(), &[first, second, third]);
            }
        }
    }
    assert!(runs > 3_000, "{runs} orders");
}

/// A regression: both pings are written, and the first is answered before the write is reported.
#[test]
fn a_lent_ping_may_be_answered_before_it_counts_as_sent() {
    let steps = [
        Step::Queue(0),
        Step::Queue(1),
        Step::Write,
        Step::Answer(0),
        Step::Report,
        Step::Answer(1),
    ];
    let senders = [Sender::Application; 2];
    let mut run = Run::new();
    steps.into_iter().for_each(|step| run.step(step, &senders));
    assert_eq!(run.peer.due_in(), None);
    assert_eq!(run.peer.state.stats().round_trip, Some(secs(3)));
}
