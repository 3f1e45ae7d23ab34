//! A plain and independent model of a peer, written from the rules of `docs/protocol.md`. It keeps
//! the bytes of the current frame in one run and all frames to be sent in one list, and derives
//! everything else anew each time.

mod end;
mod handshake;
mod helpers;
mod input;
mod keepalive;
mod limits;
mod outbox;
mod relay;
mod requests;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use excc_peer::wire::{Command, InvVect, Message, Protocol, Version};
use excc_peer::{CloseReason, Direction, Established, Event, Hash, Instant, Timer, Traffic};

pub(crate) use end::{blame, is_banned_for};
pub(crate) use relay::Answer;
pub(crate) use requests::{Subject, answers};

use crate::lockstep::number;
use crate::lockstep::setup::Setup;
use limits::{Bucket, MemPoolScore};
use outbox::{Frame, Nonces, Purpose};
use relay::Known;
use requests::Request;
use timers::{Deadlines, extended};

/// The end of time never comes, but the moment before it does.
const LAST_DEADLINE: Instant = Instant::from_nanos(Instant::MAX.as_nanos() - 1);

/// An event, with receipts as plain numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelEvent {
    VersionReceived(Version),
    VerAckReceived,
    Established(u32, i64),
    /// A message, and whether it was solicited.
    Message(Message, bool),
    RoundTrip(u64, Duration),
    OverBudget(Command),
    Sent(u64),
    NotSent(u64),
    Closed(CloseReason),
}

impl From<Event> for ModelEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::VersionReceived(version) => Self::VersionReceived((*version).clone()),
            Event::VerAckReceived => Self::VerAckReceived,
            Event::Established(Established { protocol_version: version, time_offset, .. }) => {
                Self::Established(version, time_offset)
            }
            Event::Message { message, solicited } => Self::Message(message, solicited),
            Event::RoundTrip { nonce, time } => Self::RoundTrip(nonce, time),
            Event::OverBudget { command } => Self::OverBudget(command),
            Event::Sent(id) => Self::Sent(number(id)),
            Event::NotSent(id) => Self::NotSent(number(id)),
            Event::Closed(reason) => Self::Closed(reason),
            other => panic!("an event that the model does not have: {other:?}"),
        }
    }
}

/// The frames of one command.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CommandTraffic {
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
    pub(crate) over_budget: u32,
}

pub(crate) struct Model {
    setup: Rc<Setup>,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
    pub(crate) closed: Option<CloseReason>,
    /// How many more `Transmit`s the driver may have after the end.
    tries: u8,
    /// Until when the application waits for the queue to be sent before the end.
    pub(crate) shuts_down_by: Option<Instant>,
    pub(crate) linger_until: Option<Instant>,
    pub(crate) deadlines: Deadlines,
    /// Whether there was back-pressure at some time since `now`.
    was_backpressured: bool,

    /// The received bytes from the start of the current frame.
    received: Vec<u8>,
    /// How many of them were taken: none, or the header.
    taken: usize,
    /// Whether the header was accepted.
    is_admitted: bool,
    /// Bytes of earlier frames.
    bytes_received: usize,
    /// Whether the rest was not looked at, because of back-pressure.
    is_deferred: bool,
    has_ended: bool,

    pub(crate) remote_version: Option<Version>,
    pub(crate) time_offset: i64,
    /// Nonces of other outbound peers of the process that are in their handshakes.
    other_nonces: Vec<u64>,
    is_accepted: bool,
    pub(crate) has_verack: bool,
    is_done: bool,
    /// Messages that came before a `verack` that had to come first, with their sizes.
    early: Vec<(Message, usize)>,
    pub(crate) wants_headers: bool,
    pub(crate) fee_filter: Option<i64>,
    pub(crate) last_block: Option<i64>,

    /// The events that were not polled, with the bytes of messages.
    pub(crate) events: VecDeque<(ModelEvent, usize)>,
    /// The events after those.
    after: VecDeque<ModelEvent>,

    frames: Vec<Frame>,
    /// Bytes of the first frame that were sent.
    sent: usize,
    /// How many frames the latest `Transmit` lent that are in the queue still.
    lent: usize,
    /// The time of the latest `Transmit`.
    sending_at: Instant,
    receipts: u64,
    /// The nonces of `pong`s that are not in the queue yet.
    pongs: Vec<u64>,
    waiting: Vec<InvVect>,
    pub(crate) known: Known,

    pub(crate) outstanding: Vec<Request>,
    /// Until when something must answer the requests of a command, on the remote's clock.
    dues: Vec<(Command, Instant)>,
    /// How many messages may be larger than an unsolicited one, by command.
    allowances: BTreeMap<Command, usize>,
    budgets: BTreeMap<Command, [Option<Bucket>; 2]>,
    /// The first hash and the stop of the last `getheaders` and the last `getblocks` that
    /// were pushed, and until when they are not repeated.
    last_pushed: [Option<(Hash, Hash, Instant)>; 2],
    has_sent_init_state: [bool; 2],
    mempool_score: MemPoolScore,

    pub(crate) nonces: Nonces,
    /// The `ping`s that were sent and not answered, with their times.
    pub(crate) pings: Vec<(u64, Instant)>,
    pub(crate) last_ping: Option<Instant>,
    pub(crate) round_trip: Option<Duration>,

    pub(crate) bytes_sent: u64,
    pub(crate) last_send: Option<Instant>,
    pub(crate) last_receive: Option<Instant>,
    pub(crate) commands: BTreeMap<Command, CommandTraffic>,
    /// Steps of the model that no event shows.
    pub(crate) notes: Vec<&'static str>,
}

impl Model {
    pub(crate) fn new(setup: &Rc<Setup>, now: Instant) -> Self {
        let mut model = Self {
            setup: Rc::clone(setup),
            other_nonces: setup.sent_nonces.clone(),
            started: now,
            now,
            closed: None,
            tries: 0,
            shuts_down_by: None,
            linger_until: None,
            deadlines: Deadlines::default(),
            was_backpressured: false,
            received: Vec::new(),
            taken: 0,
            is_admitted: false,
            bytes_received: 0,
            is_deferred: false,
            has_ended: false,
            remote_version: None,
            time_offset: 0,
            is_accepted: false,
            has_verack: false,
            is_done: false,
            early: Vec::new(),
            wants_headers: false,
            fee_filter: None,
            last_block: None,
            events: VecDeque::new(),
            after: VecDeque::new(),
            frames: Vec::new(),
            sent: 0,
            lent: 0,
            sending_at: now,
            receipts: 0,
            pongs: Vec::new(),
            waiting: Vec::new(),
            known: Known {
                capacity: setup.known_capacity,
                lifetime: setup.known_lifetime,
                vectors: Vec::new(),
            },
            outstanding: Vec::new(),
            dues: Vec::new(),
            allowances: BTreeMap::new(),
            budgets: limits::buckets(setup, now),
            last_pushed: [None; 2],
            has_sent_init_state: [false; 2],
            mempool_score: MemPoolScore::default(),
            nonces: Nonces::default(),
            pings: Vec::new(),
            last_ping: None,
            round_trip: None,
            bytes_sent: 0,
            last_send: None,
            last_receive: None,
            commands: BTreeMap::new(),
            notes: Vec::new(),
        };
        model.deadlines.set(Timer::Handshake, now + setup.handshake_timeout);
        model.deadlines.set_after(Timer::Idle, now, setup.idle_timeout);
        if setup.direction == Direction::Outbound {
            model.push_version();
        }
        model
    }

    pub(crate) fn protocol(&self) -> Protocol {
        let version = match &self.remote_version {
            Some(version) => self.setup.version.min(version.protocol_version.cast_unsigned()),
            None => self.setup.version,
        };
        Protocol::new(self.setup.network.chain(), version)
    }

    pub(crate) fn is_established(&self) -> bool {
        self.is_done && self.closed.is_none()
    }

    pub(crate) fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.has_ended && !self.is_backpressured()
    }

    pub(crate) fn wants_write(&self) -> bool {
        (self.closed.is_none() || self.tries > 0) && self.has_something_to_send()
    }

    pub(crate) fn can_resume(&self) -> bool {
        self.closed.is_none() && self.is_deferred && !self.is_backpressured()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.after.is_empty()
    }

    fn is_backpressured(&self) -> bool {
        let bytes: usize = self.events.iter().map(|(_, bytes)| bytes).sum();
        let is_reviewed = self.remote_version.is_some() && !self.is_accepted;
        (self.setup.reviews && is_reviewed)
            || self.events.len() >= self.setup.max_waiting_events
            || (bytes > 0 && bytes >= self.setup.max_waiting_event_bytes)
    }

    fn count_frame(
        &mut self,
        command: Command,
        len: usize,
        direction: fn(&mut CommandTraffic) -> &mut Traffic,
    ) {
        let traffic = direction(self.commands.entry(command).or_default());
        traffic.messages += 1;
        traffic.bytes += len as u64;
    }

    fn note(&mut self, what: &'static str) {
        self.notes.push(what);
    }

    fn emit(&mut self, event: ModelEvent, bytes: usize) {
        self.events.push_back((event, bytes));
        self.was_backpressured |= self.is_backpressured();
    }

    pub(crate) fn poll_event(&mut self) -> Option<ModelEvent> {
        let event = self.events.pop_front().map(|(event, _)| event);
        event.or_else(|| self.after.pop_front())
    }
}
