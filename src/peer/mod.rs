//! The peer: values to behaviour. Knows nothing of sockets.

#[macro_use]
mod trace;

mod budget;
mod config;
mod end;
mod error;
mod event;
mod getters;
mod handshake;
mod keyed;
mod known;
mod nonces;
mod once;
mod outbox;
mod ping;
mod push;
mod queue;
mod random;
mod receive;
mod schedule;
mod send;
#[cfg(feature = "serde")]
mod serialize;
mod stall;
mod stats;
mod timers;
mod transmit;
mod trickle;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use rand_core::CryptoRng;

pub use budget::Budget;
pub use config::{AddressHiding, Config, ConfigBuilder, Overflow};
pub use error::{Blame, CloseReason, ConfigError, SendError, SendErrorKind};
pub use event::{Announced, Direction, Established, Event, Relay, SendId};
pub use nonces::{SentNonce, SentNonces};
pub use outbox::FrameBatch;
pub use push::PushedAddrs;
pub use stats::{CommandStats, Stats, Traffic};
pub use timers::Timer;
pub use transmit::Transmit;

use budget::Budgets;
use end::End;
use handshake::{Handshake, Phase};
use keyed::Key;
use known::KnownInventory;
use once::Once;
use outbox::Outbox;
use ping::Pinger;
use push::LastRequests;
use queue::{give_back, push_back};
use random::Random;
use stall::Requests;
use stats::Counters;
use timers::{Due, LAST_DEADLINE, Timers};
#[cfg(feature = "tracing")]
use trace::Traces;
use trickle::Trickle;

use crate::time::{Instant, UnixTime};
use crate::wire::{
    Decoder, EncodedMessage, InputBuffer, InvVect, LAST_SECOND, List, Message, Version,
};

/// One connection to a remote peer, without the connection.
///
/// The methods come in four groups:
///
/// - **Inputs** tell the peer what happened: [`handle_input`](Self::handle_input),
///   [`handle_timeout`](Self::handle_timeout), [`handle_eof`](Self::handle_eof),
///   [`handle_connection_lost`](Self::handle_connection_lost).
/// - **Commands** are what the application wants: [`send`](Self::send),
///   [`announce`](Self::announce), [`ping`](Self::ping), [`shutdown`](Self::shutdown),
///   [`close`](Self::close) and others.
/// - **Outputs** are what the peer wants: [`poll_event`](Self::poll_event),
///   [`transmit`](Self::transmit), [`poll_timeout`](Self::poll_timeout),
///   [`wants_write`](Self::wants_write), [`wants_read`](Self::wants_read),
///   [`can_resume`](Self::can_resume).
/// - **Getters** change nothing.
///
/// After any input or command, take the outputs until each is empty, events before bytes; the
/// [crate documentation](crate#a-run-loop) has the loop, [`writing_adapters`](crate::writing_adapters)
/// every detail. Every method may be called at any
/// time and in any order: none panics, and a closed peer stays closed. Time that goes
/// backwards counts as standing still.
pub struct PeerState {
    config: Arc<Config>,
    remote: SocketAddr,
    direction: Direction,
    started: Instant,
    /// The wall clock at `started`.
    unix_time: UnixTime,
    now: Instant,
    random: Random,
    decoder: Decoder,
    handshake: Handshake,
    remote_version: Option<Arc<Version>>,
    /// The remote's clock less ours, in seconds, when its `version` came.
    time_offset: i64,
    /// Of no meaning before the remote's `version`.
    last_block: i64,
    wants_headers: bool,
    fee_filter: Option<i64>,
    nonce: u64,
    /// Set while the peer is outbound and in its handshake.
    sent_nonce: Option<SentNonce>,
    pinger: Pinger,
    trickle: Trickle,
    known: KnownInventory,
    /// None until something is asked for.
    requests: Option<Box<Requests>>,
    /// None until a helper asks for something.
    last_requests: Option<Box<LastRequests>>,
    once: Once,
    /// None until a command with a budget comes.
    budgets: Option<Box<Budgets>>,
    timers: Timers,
    outbox: Outbox,
    /// The time of the latest [`Transmit`].
    offered_at: Instant,
    events: VecDeque<(Event, usize)>,
    event_bytes: usize,
    counters: Counters,
    input: Input,
    closed: Option<Box<End>>,
    #[cfg(feature = "tracing")]
    traces: Option<Box<Traces>>,
}

/// The state of the input beyond the frames taken from it.
#[derive(Default)]
struct Input {
    /// Bytes that were not taken from the buffer.
    unconsumed: usize,
    /// Whether frames may be among them that were not taken for want of room.
    is_deferred: bool,
    /// Whether the frame was judged whose header was taken.
    is_admitted: bool,
    /// Whether the remote has ended its stream.
    has_ended: bool,
}

impl PeerState {
    /// A peer for a connection that we opened. Its `version` is ready to be sent.
    ///
    /// `remote` is where the remote is, as our `version` will tell it; behind a proxy that
    /// knows it by a name only, `0.0.0.0:0`. `unix_time` is the wall clock at `now`, in
    /// seconds. Everything random is drawn from `rng` here and now: the same numbers and
    /// the same inputs give the same bytes.
    pub fn outbound<R: CryptoRng + ?Sized>(
        config: impl Into<Arc<Config>>,
        remote: SocketAddr,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        let mut peer = Self::new(config.into(), remote, Direction::Outbound, now, unix_time, rng);
        peer.sent_nonce = Some(peer.config.sent_nonces.insert(peer.nonce));
        peer.push_version();
        peer
    }

    /// A peer for a connection that the remote opened: like [`outbound`](Self::outbound),
    /// but it waits for the remote's `version`.
    pub fn inbound<R: CryptoRng + ?Sized>(
        config: impl Into<Arc<Config>>,
        remote: SocketAddr,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        Self::new(config.into(), remote, Direction::Inbound, now, unix_time, rng)
    }

    fn new<R: CryptoRng + ?Sized>(
        config: Arc<Config>,
        remote: SocketAddr,
        direction: Direction,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        let mut decoder = Decoder::new(config.network, config.protocol_version);
        decoder.set_trailing_bytes(config.trailing_bytes);
        let mut random = Random::new(rng);
        let mut timers = Timers::default();
        timers.set_after(Timer::Handshake, now, config.handshake_timeout);
        if let Some(timeout) = config.idle_timeout {
            timers.set_after(Timer::Idle, now, timeout);
        }
        let nonce = random.nonce().get();
        let key = Key::new(rng);
        Self {
            // As ban lists and address books have it.
            remote: SocketAddr::new(remote.ip().to_canonical(), remote.port()),
            direction,
            started: now,
            unix_time,
            now,
            nonce,
            sent_nonce: None,
            random,
            decoder,
            handshake: Handshake::new(),
            remote_version: None,
            time_offset: 0,
            last_block: 0,
            wants_headers: false,
            fee_filter: None,
            pinger: Pinger::default(),
            trickle: Trickle::default(),
            known: KnownInventory::new(config.known_capacity, key),
            requests: None,
            last_requests: None,
            once: Once::default(),
            budgets: None,
            timers,
            outbox: Outbox::default(),
            offered_at: now,
            events: VecDeque::new(),
            event_bytes: 0,
            counters: Counters::default(),
            input: Input::default(),
            closed: None,
            config,
            #[cfg(feature = "tracing")]
            traces: None,
        }
    }
}

/// # Inputs
impl PeerState {
    /// Bytes came: takes complete frames from the front of `buffer`, as long as there is
    /// [room](Self::wants_read) for what follows from them, and leaves the rest.
    ///
    /// Use one [`InputBuffer`] for each peer and append to it what is read. Call this again with
    /// the same buffer when [`can_resume`](Self::can_resume) says so.
    ///
    /// # Errors
    ///
    /// Returns the reason why the peer is closed: the first error of the input, or an earlier
    /// reason. Messages that came before the error are not lost.
    pub fn handle_input(
        &mut self,
        now: Instant,
        buffer: &mut InputBuffer,
    ) -> Result<(), CloseReason> {
        self.set_now(now);
        self.check_open()?;
        self.receive(buffer)
    }

    /// Time passed: does what is due. Does nothing if nothing is.
    ///
    /// Read from the stream and call [`handle_input`](Self::handle_input) first, so that the
    /// remote is not judged before its bytes are read. To make up for a driver that does not, a
    /// deadline that would close the peer for what the remote did not do is
    /// [judged in two steps](crate::ConfigBuilder::idle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        while let Some(due) = self.timers.take_due(self.now) {
            match due {
                Due::Now(timer) => self.fire(timer),
                Due::Again(timer, again) => self.grant(timer, again),
            }
        }
        self.finish_shutdown();
    }

    /// The remote ended its stream. The peer closes once the frames are taken that were left
    /// in the buffer for want of room.
    pub fn handle_eof(&mut self, now: Instant) {
        self.set_now(now);
        self.input.has_ended = true;
        if !self.input.is_deferred {
            self.close_at_eof();
        }
    }

    /// The connection broke, in whatever way.
    pub fn handle_connection_lost(&mut self, now: Instant) {
        self.set_now(now);
        self.close_with(CloseReason::ConnectionLost);
        self.end_last_try();
    }
}

/// # Commands
impl PeerState {
    /// Queues a message. Its [`Event::Sent`] follows when its last byte has left. A `ping`
    /// is measured like those of [`ping`](Self::ping), and requests must be
    /// [answered in time](ConfigBuilder::response_timeout).
    ///
    /// Possible from [`Event::VersionReceived`] on; nothing leaves before our `verack`.
    ///
    /// # Errors
    ///
    /// Why it was not queued, with the message. The peer stays as it was, unless the
    /// queue is full under [`Overflow::Close`].
    pub fn send(
        &mut self,
        now: Instant,
        message: impl Into<Message>,
    ) -> Result<SendId, SendError<Message>> {
        self.set_now(now);
        let message = message.into();
        match self.encode_to_send(&message).and_then(|frame| self.enqueue(frame)) {
            Ok(id) => Ok(id),
            Err(kind) => Err(SendError { kind, message }),
        }
    }

    /// Queues a message that is encoded already, without encoding or hashing it again: the
    /// way to send one block to many peers.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_encoded(
        &mut self,
        now: Instant,
        message: EncodedMessage,
    ) -> Result<SendId, SendError<EncodedMessage>> {
        self.set_now(now);
        let checked = self.check_sendable(message.command()).and_then(|()| {
            Ok(message.check(self.config.network.magic(), self.decoder.protocol())?)
        });
        match checked.and_then(|()| self.enqueue(message.clone())) {
            Ok(id) => Ok(id),
            Err(kind) => Err(SendError { kind, message }),
        }
    }

    /// Announces that we have something, unless the remote knows it or does not want it.
    pub fn announce(&mut self, now: Instant, vector: InvVect, relay: Relay) -> Announced {
        self.set_now(now);
        if !self.is_established() || self.is_shutting_down() {
            return Announced::NotReady;
        }
        if !self.wants(vector.kind()) {
            return Announced::Unwanted;
        }
        let hash = self.known.key().hash(&vector);
        if self.known.contains_hashed(&vector, hash, self.now) {
            return Announced::Known;
        }
        match relay {
            Relay::Immediate => match self.send(now, Message::Inv(List::from([vector]))) {
                Ok(id) => {
                    self.learn(vector);
                    Announced::Queued(id)
                }
                Err(_) if self.closed.is_some() => Announced::NotReady,
                Err(_) => Announced::Full,
            },
            Relay::Trickle if self.trickle.contains(&vector, hash) => Announced::Batched,
            Relay::Trickle if self.trickle.len() >= self.config.max_waiting_announcements => {
                Announced::Full
            }
            Relay::Trickle => {
                self.trickle.push(vector, hash);
                if !self.timers.is_set(Timer::Trickle) {
                    self.set_trickle_timer();
                }
                Announced::Batched
            }
        }
    }

    /// Queues a `ping` with a random nonce, which is returned. One that was not sent yet
    /// serves as well. [`Event::RoundTrip`] follows when it is answered.
    ///
    /// # Errors
    ///
    /// [`NotReady`](SendErrorKind::NotReady) before the handshake is done,
    /// [`ShuttingDown`](SendErrorKind::ShuttingDown) and [`Closed`](SendErrorKind::Closed)
    /// at the end.
    pub fn ping(&mut self, now: Instant) -> Result<u64, SendErrorKind> {
        self.set_now(now);
        self.check_live()?;
        if !self.is_established() {
            return Err(SendErrorKind::NotReady);
        }
        // So that pings cannot grow the queue.
        Ok(self.pinger.queued().unwrap_or_else(|| self.push_ping()).get())
    }

    /// Goes on with a handshake that
    /// [waits for a review](ConfigBuilder::review_version). Does nothing at other times.
    pub fn accept_version(&mut self, now: Instant) {
        self.set_now(now);
        if self.closed.is_none() && self.handshake.phase() == Phase::UnderReview {
            self.answer_version();
        }
    }

    /// Closes the peer because of what the remote's `version` says. Nothing that has not
    /// left yet will.
    pub fn refuse_version(&mut self, now: Instant) {
        self.set_now(now);
        self.close_with(CloseReason::VersionRefused);
        self.end_last_try();
    }

    /// Makes it known that the remote has something, other than by announcing it to us.
    pub fn add_known_inventory(&mut self, now: Instant, vector: InvVect) {
        self.set_now(now);
        self.learn(vector);
    }

    /// Whether the remote is known to have something; if so it is remembered longer.
    pub fn is_known_inventory(&mut self, now: Instant, vector: &InvVect) -> bool {
        self.set_now(now);
        self.known.contains(vector, self.now)
    }

    /// Raises the height of the remote's best block. Lower heights, and any before the
    /// remote's `version`, are ignored.
    pub fn update_last_block(&mut self, now: Instant, height: i64) {
        self.set_now(now);
        if self.remote_version.is_some() {
            self.last_block = self.last_block.max(height);
        }
    }

    /// Closes the peer once everything that is queued has left, waiting announcements
    /// included, or after `timeout`, when the rest is not sent any more. Called again, it sets
    /// the time anew. A `timeout` of zero is [`close`](Self::close).
    ///
    /// Until then the remote is heard and answered as before, the application can queue nothing
    /// more, and every other reason to close stands: a remote that does not read is told by the
    /// [write timeout](ConfigBuilder::write_timeout), announcements that do not fit under
    /// [`Overflow::Close`] by that. What has left may still be on its way when the peer is closed:
    /// [`linger_until`](Self::linger_until) is for that.
    pub fn shutdown(&mut self, now: Instant, timeout: Duration) {
        self.set_now(now);
        if timeout.is_zero() {
            return self.close(now);
        }
        if self.closed.is_some() {
            return;
        }
        let latest = (self.now + timeout).min(LAST_DEADLINE);
        self.timers.set(Timer::Shutdown, latest);
        self.timers.clear(Timer::Trickle);
        self.send_trickle();
        self.finish_shutdown();
    }

    /// Closes the peer. What is queued is not sent any more, and nothing
    /// [lingers](Self::linger_until).
    pub fn close(&mut self, now: Instant) {
        self.set_now(now);
        self.close_with(CloseReason::Local);
        self.end_last_try();
        if let Some(end) = &mut self.closed {
            end.linger_until = None;
        }
    }
}

/// # Outputs
impl PeerState {
    /// The next event. After [`Event::Closed`] there is none.
    ///
    /// If the remote ended the conversation while something was queued, the last events come
    /// after one more try to [write](Self::wants_write) it.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some((event, bytes)) = self.events.pop_front() {
            self.event_bytes -= bytes;
            give_back(&mut self.events);
            return Some(event);
        }
        let end = self.closed.as_mut().filter(|end| !end.is_trying())?;
        if let Some(id) = end.unsent.pop_front() {
            give_back(&mut end.unsent);
            return Some(Event::NotSent(id));
        }
        let is_emitted = core::mem::replace(&mut end.is_closed_emitted, true);
        (!is_emitted).then(|| Event::Closed(end.reason.clone()))
    }

    /// The bytes to be written, as a [`Buf`](bytes::Buf). Write some of them and advance by
    /// as many as were taken.
    ///
    /// Asking for them counts as trying to write: from then on the remote must take them
    /// [in time](crate::ConfigBuilder::write_timeout). Bytes that are advanced past count as sent
    /// at `now`. Read the clock before a write that may block, write, and advance a new
    /// `Transmit` of that time: a round trip includes the time of the write.
    pub fn transmit(&mut self, now: Instant) -> Transmit<'_> {
        self.set_now(now);
        Transmit::new(self, now)
    }

    /// Whether [`transmit`](Self::transmit) would give bytes. Asking is no try to write.
    ///
    /// May be so for a closed peer: if the remote ended the conversation, what was queued before
    /// may be written once more, and the events end after that.
    pub fn wants_write(&self) -> bool {
        self.outbox.is_sendable()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(_, at)| at)
    }

    /// Whether there is room for what more input brings. While there is not, read nothing,
    /// so that the remote feels it: events wait to be taken, or a `version` to be reviewed.
    pub fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.input.has_ended && self.has_room()
    }

    /// Whether frames were left in the buffer for want of room and there is room now: call
    /// [`handle_input`](Self::handle_input) before waiting for anything.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        self.closed.is_none() && self.input.is_deferred && self.has_room()
    }
}

/// What all of them share.
impl PeerState {
    fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
        // Events are taken without the time, so that all of it up to now is not counted.
        self.timers.run_remote_clock(self.now);
        self.note_back_pressure();
    }

    /// Stops the remote's clock while the application does not let the peer read.
    fn note_back_pressure(&mut self) {
        if self.is_backpressured() && self.timers.stop_remote_clock(self.now) {
            trace!(TRACE, self, BackPressure { events: self.events.len() });
        }
    }

    /// The wall clock, in Unix seconds, within what both chains can represent.
    fn wall_clock(&self) -> i64 {
        let time = self.unix_time + (self.now - self.started);
        time.as_secs().min(LAST_SECOND) as i64
    }

    /// Whether the application may still queue something.
    fn check_live(&self) -> Result<(), SendErrorKind> {
        self.check_open().map_err(SendErrorKind::Closed)?;
        if self.is_shutting_down() { Err(SendErrorKind::ShuttingDown) } else { Ok(()) }
    }

    fn check_open(&self) -> Result<(), CloseReason> {
        match self.close_reason() {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    fn emit(&mut self, event: Event, bytes: usize) {
        self.event_bytes += bytes;
        push_back(&mut self.events, (event, bytes));
        self.note_back_pressure();
    }

    /// Whether the application keeps the peer from reading.
    fn is_backpressured(&self) -> bool {
        self.handshake.phase() == Phase::UnderReview
            || self.events.len() >= self.config.max_waiting_events
            || (self.event_bytes >= self.config.max_waiting_event_bytes && self.event_bytes > 0)
    }

    fn has_room(&self) -> bool {
        !self.is_backpressured()
    }
}
