//! The peer: a state machine that turns messages, commands and time into behaviour.
//!
//! [`PeerState`] routes to machines. Each machine is a file that owns the state of one concern. The
//! path of a received frame is in `receive.rs`, that of a
//! message to the queue in `send.rs`, that of a queued frame to the socket in `transmit.rs`, and
//! the effects of expired deadlines are in `expired.rs`.

#[macro_use]
mod trace;

mod budget;
mod config;
mod error;
mod event;
mod events;
mod expired;
mod fmt;
mod frame_batch;
mod handshake;
mod hasher;
mod helpers;
mod keepalive;
mod known_inventory;
mod limits;
mod nonces;
mod outbox;
mod outstanding;
mod pongs;
mod random;
mod receive;
mod relay;
mod remote;
mod request_kinds;
mod requests;
mod send;
#[cfg(feature = "serde")]
mod serialize;
mod shrink;
mod shutdown;
mod stats;
mod timers;
mod transmit;
mod trickle;
mod unwelcome;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use rand_core::CryptoRng;

pub use budget::Budget;
pub use config::{AddressHiding, Config, ConfigBuilder, Overflow};
pub use error::{Blame, CloseReason, ConfigError, SendError, SendErrorKind};
pub use event::{Announced, Direction, Established, Event, Relay, SendId};
pub use frame_batch::FrameBatch;
pub use helpers::PushedAddrs;
pub use nonces::{SentNonce, SentNonces};
pub use stats::{CommandStats, Stats, Traffic};
pub use timers::Timer;
pub use transmit::Transmit;

use events::EventQueue;
use handshake::Handshake;
use hasher::InventoryHasher;
use helpers::DuplicateFilter;
use keepalive::Keepalive;
use limits::InputLimits;
use outbox::Outbox;
use pongs::OwedPongs;
use random::Random;
use receive::Input;
use relay::Relayer;
use remote::Remote;
use requests::Requests;
use shutdown::End;
use stats::Counters;
use timers::Timers;
#[cfg(feature = "tracing")]
use trace::Traces;
use unwelcome::SentLimited;

use crate::hash::Hash;
use crate::time::{Instant, UnixTime};
use crate::wire::{
    Decoder, EncodedMessage, InputBuffer, InvVect, List, Message, NetAddressV2, Reject, Version,
};

/// One connection to a remote peer, without the connection.
///
/// The methods come in five groups:
///
/// - **Constructors**: [`outbound`](Self::outbound), [`inbound`](Self::inbound).
/// - **Inputs** report what happened: [`handle_input`](Self::handle_input),
///   [`handle_timeout`](Self::handle_timeout), [`handle_eof`](Self::handle_eof),
///   [`handle_connection_lost`](Self::handle_connection_lost).
/// - **Commands** of the application: [`send`](Self::send), [`announce`](Self::announce),
///   [`ping`](Self::ping), [`shutdown`](Self::shutdown), [`close`](Self::close) and others.
/// - **Outputs**: [`poll_event`](Self::poll_event), [`transmit`](Self::transmit),
///   [`poll_timeout`](Self::poll_timeout), [`wants_write`](Self::wants_write),
///   [`wants_read`](Self::wants_read), [`can_resume`](Self::can_resume).
/// - **Getters** change nothing.
///
/// After each input or command, take the outputs until each is empty, events before bytes. The
/// [crate documentation](crate#a-run-loop) shows the loop, and
/// [`writing_adapters`](crate::writing_adapters) states every rule. Any method may be called at
/// any time and in any order: no call panics, and a closed peer stays closed. Time never goes
/// backwards: a later `now` of an earlier call counts.
pub struct PeerState {
    config: Arc<Config>,
    remote_address: SocketAddr,
    started_at: Instant,
    /// The wall clock at `started_at`.
    started_at_unix: UnixTime,
    random: Random,
    decoder: Decoder,
    input: Input,
    limits: InputLimits,
    handshake: Handshake,
    /// `None` until the remote's `version` is received.
    remote: Option<Remote>,
    keepalive: Keepalive,
    owed_pongs: OwedPongs,
    requests: Requests,
    relayer: Relayer,
    duplicate_filter: DuplicateFilter,
    sent_limited: SentLimited,
    timers: Timers,
    outbox: Outbox,
    /// The time of the latest [`Transmit`].
    transmitted_at: Instant,
    events: EventQueue,
    counters: Counters,
    closed: Option<Box<End>>,
    #[cfg(feature = "tracing")]
    traces: Option<Box<Traces>>,
}

/// # Constructors
impl PeerState {
    /// Creates a peer for a connection that we opened, and queues its `version`.
    ///
    /// `remote_address` is the remote's address in our `version`. Use `0.0.0.0:0` for a remote
    /// behind a proxy that is known by name only. `unix_time` is the wall clock at `now`. All
    /// random numbers derive from `rng`, which is read here only: the same numbers and the same
    /// calls give the same bytes.
    pub fn outbound<R: CryptoRng + ?Sized>(
        config: impl Into<Arc<Config>>,
        remote_address: SocketAddr,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        let config = config.into();
        let mut peer = Self::new(config, remote_address, Direction::Outbound, now, unix_time, rng);
        peer.enqueue_version();
        peer
    }

    /// Creates a peer for a connection that the remote opened, as [`outbound`](Self::outbound)
    /// does. It queues its `version` when the remote's is received.
    pub fn inbound<R: CryptoRng + ?Sized>(
        config: impl Into<Arc<Config>>,
        remote_address: SocketAddr,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        Self::new(config.into(), remote_address, Direction::Inbound, now, unix_time, rng)
    }

    fn new<R: CryptoRng + ?Sized>(
        config: Arc<Config>,
        remote_address: SocketAddr,
        direction: Direction,
        now: Instant,
        unix_time: UnixTime,
        rng: &mut R,
    ) -> Self {
        let mut decoder = Decoder::new(config.network, config.protocol_version);
        decoder.set_trailing_bytes(config.trailing_bytes);
        let mut random = Random::new(rng);
        let mut timers = Timers::new(now);
        // The timeout covers the time before the first message, too.
        Keepalive::on_message_received(&mut timers, &config);
        // Ban lists and address books keep an IPv4-mapped address as IPv4.
        let remote_address =
            SocketAddr::new(remote_address.ip().to_canonical(), remote_address.port());
        let nonce = random.nonce().get();
        let hasher = InventoryHasher::new(rng);
        Self {
            remote_address,
            started_at: now,
            started_at_unix: unix_time,
            random,
            decoder,
            input: Input::default(),
            limits: InputLimits::default(),
            handshake: Handshake::new(direction, nonce, &config, &mut timers),
            remote: None,
            keepalive: Keepalive::default(),
            owed_pongs: OwedPongs::default(),
            requests: Requests::default(),
            relayer: Relayer::new(&config, hasher),
            duplicate_filter: DuplicateFilter::default(),
            sent_limited: SentLimited::default(),
            timers,
            outbox: Outbox::default(),
            transmitted_at: now,
            events: EventQueue::default(),
            counters: Counters::default(),
            closed: None,
            config,
            #[cfg(feature = "tracing")]
            traces: None,
        }
    }
}

/// # Inputs
impl PeerState {
    /// Handles received bytes: takes complete frames from the front of `buffer` while the peer
    /// [wants to read](Self::wants_read), and leaves the rest.
    ///
    /// Use one [`InputBuffer`] for each peer, and append received bytes to it. Call this again
    /// with the same buffer when [`can_resume`](Self::can_resume) returns `true`.
    ///
    /// # Errors
    ///
    /// Returns the reason to close the peer: the first error of the input, or an earlier reason.
    /// Messages received before the error are emitted.
    pub fn handle_input(
        &mut self,
        now: Instant,
        buffer: &mut InputBuffer,
    ) -> Result<(), CloseReason> {
        self.advance_to(now);
        self.check_open()?;
        self.receive(buffer)
    }

    /// Handles the passage of time. Has no effect if no deadline has expired.
    ///
    /// Read from the stream and call [`handle_input`](Self::handle_input) first, so that the
    /// remote is not judged before its bytes are read. For drivers that cannot, a deadline that
    /// closes the peer because of the remote is
    /// [judged in two steps](crate::ConfigBuilder::idle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_to(now);
        self.on_timeout();
    }

    /// Handles the end of the remote's stream. The peer closes once complete frames are taken
    /// that back-pressure left in the buffer.
    pub fn handle_eof(&mut self, now: Instant) {
        self.advance_to(now);
        self.receive_eof();
    }

    /// Handles the loss of the connection, for any reason.
    pub fn handle_connection_lost(&mut self, now: Instant) {
        self.advance_to(now);
        self.close_now(CloseReason::ConnectionLost);
    }
}

/// # Commands
impl PeerState {
    /// Queues a message. [`Event::Sent`] is emitted when its last byte is sent. A `ping` is
    /// measured as those of [`ping`](Self::ping) are, and a request must be
    /// [answered in time](ConfigBuilder::response_timeout).
    ///
    /// Messages can be queued from [`Event::VersionReceived`] on, and are sent after our `verack`.
    ///
    /// # Errors
    ///
    /// Returns the message and the [reason](SendErrorKind) why it is not queued. The peer is
    /// unchanged, unless the queue is full under [`Overflow::Close`].
    pub fn send(
        &mut self,
        now: Instant,
        message: impl Into<Message>,
    ) -> Result<SendId, SendError<Message>> {
        self.advance_to(now);
        let message = message.into();
        self.encode_and_enqueue(&message).map_err(|kind| SendError { kind, message })
    }

    /// Queues a message that is already encoded, and neither encodes nor hashes it again. This is
    /// the way to send one block to many peers.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_encoded(
        &mut self,
        now: Instant,
        message: EncodedMessage,
    ) -> Result<SendId, SendError<EncodedMessage>> {
        self.advance_to(now);
        self.check_and_enqueue(message.clone()).map_err(|kind| SendError { kind, message })
    }

    /// Announces an object to the remote, unless the remote knows or does not want it.
    pub fn announce(&mut self, now: Instant, vector: InvVect, relay: Relay) -> Announced {
        self.advance_to(now);
        self.announce_vector(vector, relay)
    }

    /// Queues a `ping`, and returns its random nonce. If one is queued already, returns its nonce.
    /// [`Event::RoundTrip`] is emitted when the `pong` is received.
    ///
    /// # Errors
    ///
    /// Returns [`NotReady`](SendErrorKind::NotReady) before the handshake completes,
    /// [`ShuttingDown`](SendErrorKind::ShuttingDown) after [`shutdown`](Self::shutdown), and
    /// [`Closed`](SendErrorKind::Closed) for a closed peer.
    pub fn ping(&mut self, now: Instant) -> Result<u64, SendErrorKind> {
        self.advance_to(now);
        self.enqueue_ping_of_application()
    }

    /// Accepts a `version` that is [under review](ConfigBuilder::review_version), so that the
    /// handshake continues. Has no effect at other times.
    pub fn accept_version(&mut self, now: Instant) {
        self.advance_to(now);
        if self.closed.is_none() {
            let protocol = self.decoder.protocol();
            let actions = self.handshake.accept(protocol, &self.config, &mut self.timers);
            self.perform(actions);
        }
    }

    /// Closes the peer because of the remote's `version`. Queued messages are not sent.
    pub fn refuse_version(&mut self, now: Instant) {
        self.advance_to(now);
        self.close_now(CloseReason::VersionRefused);
    }

    /// Records that the remote has an object that it did not announce to us.
    pub fn add_known_inventory(&mut self, now: Instant, vector: InvVect) {
        self.advance_to(now);
        self.relayer.mark_known(vector, &self.timers, &self.config);
    }

    /// Returns whether the remote is known to have an object. If so, it is evicted later.
    pub fn is_known_inventory(&mut self, now: Instant, vector: &InvVect) -> bool {
        self.advance_to(now);
        self.relayer.is_known(vector, &self.timers)
    }

    /// Raises [`last_block`](Self::last_block), once the remote's `version` is received.
    pub fn update_last_block(&mut self, now: Instant, height: i64) {
        self.advance_to(now);
        if let Some(remote) = &mut self.remote {
            remote.raise_last_block(height);
        }
    }

    /// Closes the peer once all queued messages and announcements are sent, or after `timeout`.
    /// Another call sets the timeout again. A timeout of zero is a [`close`](Self::close).
    ///
    /// Until then no further messages can be queued, and messages of the remote are received and
    /// pings answered as before. All other reasons to close remain, such as
    /// the [write timeout](ConfigBuilder::write_timeout). Sent bytes may still be on their way
    /// when the peer closes: see [`linger_until`](Self::linger_until).
    pub fn shutdown(&mut self, now: Instant, timeout: Duration) {
        if timeout.is_zero() {
            return self.close(now);
        }
        self.advance_to(now);
        self.begin_shutdown(timeout);
    }

    /// Closes the peer: queued messages are not sent, and it does not [linger](Self::linger_until).
    pub fn close(&mut self, now: Instant) {
        self.advance_to(now);
        self.close_locally();
    }
}

/// # Helpers, which put a message together and [`send`](PeerState::send) it
impl PeerState {
    /// Sends addresses of nodes: in `addrv2` on Decred from protocol version 12 on, otherwise in
    /// `addr`, which leaves out Tor addresses.
    ///
    /// Up to [`MAX_ADDRS`](crate::wire::MAX_ADDRS) addresses keep their order. From a longer list,
    /// that number is drawn at random. Without addresses, no message is queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push_addrs(
        &mut self,
        now: Instant,
        addresses: &[NetAddressV2],
    ) -> Result<PushedAddrs, SendErrorKind> {
        self.advance_to(now);
        self.enqueue_addresses(addresses)
    }

    /// Requests the headers of the blocks after a block locator, up to the hash `stop`, or as many
    /// as fit if it is [`Hash::ZERO`].
    ///
    /// Returns `None`, and queues no message, if the request repeats the latest one of this
    /// helper: with the same `stop` and the same first hash of a locator, within
    /// [`duplicate_request_lifetime`](ConfigBuilder::duplicate_request_lifetime).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). The request does not become the latest one.
    pub fn push_getheaders(
        &mut self,
        now: Instant,
        locator: impl Into<List<Hash>>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        self.advance_to(now);
        self.enqueue_locator_request(Message::GetHeaders, locator.into(), stop)
    }

    /// Requests the hashes of the blocks after a block locator, as
    /// [`push_getheaders`](Self::push_getheaders) requests headers. Repetition is checked apart.
    ///
    /// # Errors
    ///
    /// As [`push_getheaders`](Self::push_getheaders).
    pub fn push_getblocks(
        &mut self,
        now: Instant,
        locator: impl Into<List<Hash>>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        self.advance_to(now);
        self.enqueue_locator_request(Message::GetBlocks, locator.into(), stop)
    }

    /// Sends a `reject`. Only Exchangecoin defines it, up to protocol version 8, and its nodes
    /// ignore it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push_reject(
        &mut self,
        now: Instant,
        reject: Reject,
    ) -> Result<SendId, SendError<Message>> {
        self.send(now, reject)
    }
}

/// # Outputs
impl PeerState {
    /// Takes the next event. No event follows [`Event::Closed`].
    ///
    /// If the remote ended the conversation while bytes were queued, the last events follow one
    /// more try to [write](Self::wants_write).
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop().or_else(|| self.closed.as_mut()?.pop_event())
    }

    /// Returns the bytes to be sent, as a [`Buf`](bytes::Buf). Write some of them, and advance by
    /// the number of written bytes.
    ///
    /// The call starts the [write timeout](ConfigBuilder::write_timeout). Bytes that are advanced
    /// past count as sent at `now`. Read the clock before a write that may block, write, and
    /// advance a new `Transmit` of that time, so that a round trip includes the write.
    pub fn transmit(&mut self, now: Instant) -> Transmit<'_> {
        self.advance_to(now);
        Transmit::new(self, now)
    }

    /// Returns whether [`transmit`](Self::transmit) has bytes to send. A closed peer may have: if
    /// the remote ended the conversation, queued bytes may be sent once more.
    pub fn wants_write(&self) -> bool {
        self.outbox.bytes() > 0 || !self.owed_pongs.is_empty()
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) must be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(_, at)| at)
    }

    /// Returns whether the peer accepts input. Otherwise stop reading: events wait at their
    /// [limit](ConfigBuilder::max_waiting_events), or a `version` is under review.
    pub fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.input.has_ended() && !self.is_backpressured()
    }

    /// Returns whether back-pressure left frames in the buffer and has ended. If so, call
    /// [`handle_input`](Self::handle_input) before waiting.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        self.closed.is_none() && self.input.is_deferred() && !self.is_backpressured()
    }
}

/// # Getters
impl PeerState {
    /// Returns the earliest deadline and its purpose.
    pub fn next_deadline(&self) -> Option<(Timer, Instant)> {
        self.timers.next()
    }

    /// Returns every deadline that is set, and its purpose.
    pub fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        self.timers.iter()
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Returns the remote's address, as given at construction. An IPv4-mapped IPv6 address is
    /// returned as IPv4.
    pub const fn remote_address(&self) -> SocketAddr {
        self.remote_address
    }

    /// Returns the side that opened the connection.
    pub const fn direction(&self) -> Direction {
        self.handshake.direction()
    }

    /// Returns the remote's `version`, or `None` until it is received.
    pub fn remote_version(&self) -> Option<&Arc<Version>> {
        Some(&self.remote.as_ref()?.version)
    }

    /// Returns the protocol version in force: our highest one until one is negotiated.
    pub const fn protocol_version(&self) -> u32 {
        self.decoder.protocol().version
    }

    /// Returns whether the handshake is complete and the peer is not closed.
    pub fn is_established(&self) -> bool {
        self.closed.is_none() && self.handshake.is_established()
    }

    /// Returns whether a [`shutdown`](Self::shutdown) is in progress.
    pub fn is_shutting_down(&self) -> bool {
        self.closed.is_none() && self.timers.is_set(Timer::Shutdown)
    }

    /// Returns whether the remote's `verack` was received.
    pub const fn verack_received(&self) -> bool {
        self.handshake.verack_received()
    }

    /// Returns whether the remote sent `sendheaders`: it prefers `headers` to announce blocks.
    pub fn wants_headers(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.wants_headers)
    }

    /// Returns the rate of the remote's latest `feefilter`, by convention in atoms per kilobyte.
    pub fn fee_filter(&self) -> Option<i64> {
        self.remote.as_ref()?.fee_filter
    }

    /// Returns the height of the highest block that the remote claims to have, or `None` until its
    /// `version` is received.
    ///
    /// This is the height in the `version`, or 0 if negative. Received `headers` and blocks raise
    /// it, and so does [`update_last_block`](Self::update_last_block); an `inv` has no heights.
    /// No claim is verified.
    pub fn last_block(&self) -> Option<i64> {
        Some(self.remote.as_ref()?.last_block)
    }

    /// Returns whether [`poll_event`](Self::poll_event) would return an event.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty() || self.closed.as_ref().is_some_and(|end| end.has_events())
    }

    /// Returns the reason why the peer is closed, or `None` if it is open.
    pub const fn close_reason(&self) -> Option<&CloseReason> {
        match &self.closed {
            Some(end) => Some(&end.reason),
            None => None,
        }
    }

    /// Returns the time until which the connection of a closed peer lingers: the timeout of a
    /// complete [`shutdown`](Self::shutdown), or 1 s after fatal input.
    ///
    /// Sent bytes may still be in buffers of the operating system, and some systems drop them when
    /// a socket with unread input is closed. End the stream in the direction of the remote, read
    /// and discard until the remote ends its direction, and close the socket then or at this time.
    pub fn linger_until(&self) -> Option<Instant> {
        self.closed.as_ref()?.linger_until()
    }

    /// Returns a snapshot of the statistics.
    pub fn stats(&self) -> Stats {
        self.snapshot()
    }
}
