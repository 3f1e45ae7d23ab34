//! The builder of a [`Config`].

use alloc::string::String;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::super::budget::Budget;
use super::super::error::ConfigError;
use super::super::nonces::SentNonces;
use super::super::trickle::Interval;
use super::user_agent::UserAgent;
use super::{AddressHiding, Config, Overflow, check, defaults, replace};
use crate::network::Network;
use crate::wire::{Command, Services, TrailingBytes};

/// Builds a [`Config`].
///
/// Each method replaces one setting. The defaults are those of the network's reference nodes,
/// unless the method gives a reason for another one. [`build`](Self::build) checks all settings.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
    // Settings whose defaults depend on others.
    user_agent: UserAgent,
    min_remote_version: Option<u32>,
    ping_interval: Option<Option<Duration>>,
}

impl ConfigBuilder {
    pub(super) fn new(network: Network) -> Self {
        Self {
            config: defaults::config(network),
            user_agent: UserAgent::default(),
            min_remote_version: None,
            ping_interval: None,
        }
    }

    /// Builds the configuration.
    ///
    /// # Errors
    ///
    /// - Returns [`ConfigError::UserAgent`] if the user agent is longer than 256 bytes or has a
    ///   character other than printable ASCII.
    /// - Returns [`ConfigError::ProtocolVersion`] if
    ///   [`protocol_version`](Self::protocol_version) is 0 or above the newest of the chain.
    /// - Returns [`ConfigError::MinRemoteVersion`] if
    ///   [`min_remote_version`](Self::min_remote_version) is above `protocol_version`.
    /// - Returns [`ConfigError::ZeroDuration`] if a timeout is zero.
    /// - Returns [`ConfigError::PingsTooRare`] if [`ping_interval`](Self::ping_interval) is not
    ///   below [`idle_timeout`](Self::idle_timeout).
    /// - Returns [`ConfigError::TooShort`] if `ping_interval` is below 1 ms.
    /// - Returns [`ConfigError::NotARequest`] if a
    ///   [`response_timeout`](Self::response_timeout) is set for a message that has no answer.
    /// - Returns [`ConfigError::EmptyBudget`] if a [`budget`](Self::budget) has a burst or a time of
    ///   zero.
    /// - Returns [`ConfigError::TrickleInterval`] if
    ///   [`trickle_interval`](Self::trickle_interval) ends before it begins.
    /// - Returns [`ConfigError::OutOfRange`] if another number is out of the range that its method
    ///   states.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut config = self.config;
        config.user_agent = self.user_agent.assemble(config.network.chain())?;
        config.min_remote_version =
            self.min_remote_version.unwrap_or_else(|| defaults::min_remote_version(&config));
        config.ping_interval =
            self.ping_interval.unwrap_or_else(|| Some(defaults::ping_interval(&config)));
        check::config(&config)?;
        Ok(config)
    }
}

/// # Identity
///
/// Contents of our `version` message.
impl ConfigBuilder {
    /// Sets the name and the version of the software in the user agent. Default: those of this
    /// crate.
    ///
    /// They follow the prefix of the chain, as in `/exccwire:1.0.0/NAME:VERSION/`. The complete
    /// user agent has at most 256 characters of printable ASCII.
    pub fn user_agent(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.user_agent.name = name.into();
        self.user_agent.version = version.into();
        self
    }

    /// Adds a comment to the user agent. Default: none.
    ///
    /// Comments follow the version in parentheses, as in `NAME:VERSION(FIRST; SECOND)`.
    pub fn user_agent_comment(mut self, comment: impl Into<String>) -> Self {
        self.user_agent.comments.push(comment.into());
        self
    }

    /// Sets the services that we advertise. Default: none.
    ///
    /// A peer that serves no headers must not advertise the full-node service. A node that
    /// synchronises from us disconnects after 10 s without headers.
    pub fn services(mut self, services: Services) -> Self {
        self.config.services = services;
        self
    }

    /// Sets the highest protocol version that we support, from 1 to the chain's
    /// [newest](crate::Chain::newest_version). Default: the version that nodes of the live network
    /// [advertise](crate::Chain::advertised_version), which is 8 on Exchangecoin and 12 on Decred.
    ///
    /// A listener advertises at most the caller's version. So a crawler that records the highest
    /// version of each node must set the newest one.
    pub fn protocol_version(mut self, version: u32) -> Self {
        self.config.protocol_version = version;
        self
    }

    /// Sets the height of our best block. Default: 0.
    pub fn start_height(mut self, height: i32) -> Self {
        self.config.start_height = height;
        self
    }

    /// Sets whether the remote should announce transactions to us. Default: `true`.
    pub fn relay(mut self, relay: bool) -> Self {
        self.config.relay = relay;
        self
    }

    /// Sets when our `version` hides the remote's address. Default: [`AddressHiding::Never`].
    pub fn address_hiding(mut self, hiding: AddressHiding) -> Self {
        self.config.address_hiding = hiding;
        self
    }
}

/// # Handshake
impl ConfigBuilder {
    /// Sets the oldest protocol version that we accept from a remote, at most our own. Default: 3
    /// on Exchangecoin and 9 on Decred, or our own version if that is older.
    ///
    /// An older remote closes the peer with
    /// [`ProtocolVersionTooOld`](crate::CloseReason::ProtocolVersionTooOld).
    pub fn min_remote_version(mut self, version: u32) -> Self {
        self.min_remote_version = Some(version);
        self
    }

    /// Sets the services that a remote must advertise. Default: none.
    ///
    /// A remote that lacks one closes the peer with
    /// [`MissingServices`](crate::CloseReason::MissingServices). Reference nodes require the
    /// full-node service of the nodes that they connect to.
    pub fn required_services(mut self, services: Services) -> Self {
        self.config.required_services = services;
        self
    }

    /// Sets whether the application reviews the remote's `version`. Default: `false`.
    ///
    /// With a review, the handshake pauses after the remote's `version`. It continues with
    /// [`accept_version`](crate::PeerState::accept_version) or ends with
    /// [`refuse_version`](crate::PeerState::refuse_version). The pause is back-pressure: the peer
    /// reads nothing more. The [handshake timeout](Self::handshake_timeout) keeps running.
    pub fn review_version(mut self, review: bool) -> Self {
        self.config.review_version = review;
        self
    }

    /// Sets the maximum number of messages between the `version` and the `verack` of a Decred
    /// remote below protocol version 12. Default: 2. Maximum: 16.
    ///
    /// These early messages are deferred and emitted after the `verack`. Their frames have at most
    /// 4 MiB together. One more message closes the peer with
    /// [`NotVerAck`](crate::CloseReason::NotVerAck).
    ///
    /// The setting has no effect on other remotes. From version 12 on, Decred allows no early
    /// message. On Exchangecoin any number may precede the `verack`, and none is deferred.
    pub fn max_before_verack(mut self, messages: u8) -> Self {
        self.config.max_before_verack = messages;
        self
    }

    /// Sets the maximum duration of the handshake, from the construction of the peer. Default:
    /// 30 s. It must not be zero.
    ///
    /// Neither received bytes nor back-pressure extend it. On Exchangecoin the handshake completes
    /// when both `version`s are exchanged, and the [`verack_timeout`](Self::verack_timeout)
    /// follows.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// Sets the maximum time until the remote's `verack` on Exchangecoin, from the exchange of
    /// `version`s. Default: 30 s. `None` is no limit. It must not be zero.
    ///
    /// On Decred the `verack` is part of the handshake, and this setting has no effect.
    pub fn verack_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.verack_timeout = timeout;
        self
    }

    /// Sets the nonces that detect self-connections. Default: a new set.
    ///
    /// All peers of a process should share one set. A configuration and its clones share theirs
    /// without this setting.
    pub fn sent_nonces(mut self, nonces: SentNonces) -> Self {
        self.config.sent_nonces = nonces;
        self
    }

    /// Sets whether self-connections are allowed, for tests. Default: `false`.
    pub fn allow_self_connections(mut self, allow: bool) -> Self {
        self.config.allow_self_connections = allow;
        self
    }
}

/// # Keep-alive and timeouts
impl ConfigBuilder {
    /// Sets the interval between our pings. Default: 107 s, or 0.4 of an
    /// [`idle_timeout`](Self::idle_timeout) below 120 s. `None` sends no `ping` by itself.
    ///
    /// The interval must be at least 1 ms and below the idle timeout.
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = Some(interval);
        self
    }

    /// Sets the maximum time from the sending of a `ping` to its `pong`. Default: `None`, which is
    /// no limit. It must not be zero.
    ///
    /// The deadline is that of the earliest unanswered `ping`. A `pong` answers its `ping` and all
    /// older ones, and restarts the deadline for later ones.
    pub fn pong_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.pong_timeout = timeout;
        self
    }

    /// Sets the maximum time between two complete messages of the remote. Default: 120 s. `None` is
    /// no limit. It must not be zero.
    ///
    /// # Deadlines of the remote
    ///
    /// This timeout, the [`verack_timeout`](Self::verack_timeout), the
    /// [`pong_timeout`](Self::pong_timeout) and each
    /// [`response_timeout`](Self::response_timeout) set deadlines for the remote. They have three
    /// rules in common:
    ///
    /// - Back-pressure stops the remote's clock: the deadlines do not pass while the peer does not
    ///   [want to read](crate::PeerState::wants_read).
    /// - Received bytes extend the deadlines, at the [`read_rate`](Self::read_rate).
    /// - A passed deadline closes the peer only if it is still passed 50 ms after
    ///   [`handle_timeout`](crate::PeerState::handle_timeout) first found it. So a process that was
    ///   suspended can first read the bytes in its socket.
    ///
    /// The last rule applies to the [`handshake_timeout`](Self::handshake_timeout) and the
    /// [`write_timeout`](Self::write_timeout) as well.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Sets the rate of received bytes that keeps extending the
    /// [deadlines of the remote](Self::idle_timeout), in bytes per second. Default: 10,240.
    /// Minimum: 1.
    ///
    /// The bytes of every message count, because an answer follows the messages that the remote
    /// queued before it. `n` new bytes extend a deadline with the timeout `T` as follows:
    ///
    /// - It moves by `n / read_rate` seconds, from its present time or from now if it has passed.
    /// - It never moves to more than `T` from now.
    ///
    /// So a remote meets its deadlines while it sends at this rate. A remote that sends `v` bytes
    /// per second, fewer than that, is closed after `T / (1 - v / read_rate)`. A silent remote is
    /// closed after `T`.
    ///
    /// At the default rate a block of 1.25 MiB may take 128 s, whatever the timeouts are.
    pub fn read_rate(mut self, bytes_per_second: u32) -> Self {
        self.config.read_rate = bytes_per_second;
        self
    }
}

/// # Requests
impl ConfigBuilder {
    /// Sets the maximum time from the sending of a request to its answer. Default: 30 s for
    /// `getdata` and `getinitstate`, and none for other requests. `None` is no limit. It must not be
    /// zero.
    ///
    /// **`getheaders` has no limit by default**, because a node that is not synchronised ignores it.
    /// Set a limit during a synchronisation, or watch its progress. `getblocks` and `mempool` have
    /// none, because no node answers them if it has nothing to announce.
    ///
    /// These messages answer a request:
    ///
    /// | request | answer |
    /// |---|---|
    /// | `getdata` | `tx`, `block`, mixing message or `notfound`, for each vector |
    /// | `getheaders` | `headers` that [follow its locator](crate::Event::Message::solicited) |
    /// | `getblocks`, `mempool` | `inv` |
    /// | `getaddr` | `addr` or `addrv2` |
    /// | `getminings` | `miningstate` |
    /// | `getinitstate` | `initstate` |
    /// | `getcf...` | the message with the same name without `get`; `cfiltersv2` for `getcfsv2` |
    ///
    /// All vectors of all `getdata` share one deadline. Each answer restarts it for the remaining
    /// vectors. Another `getdata` does not move it. Vectors of other types have no answer, because
    /// nodes ignore them.
    ///
    /// A message answers a request only if it arrives after the request was first offered to the
    /// socket. A vector of a `getdata` counts as requested once the `getdata` is queued.
    ///
    /// Received bytes and back-pressure extend the deadlines as
    /// [`idle_timeout`](Self::idle_timeout) describes.
    pub fn response_timeout(mut self, request: Command, timeout: Option<Duration>) -> Self {
        replace(&mut self.config.response_timeouts, request, timeout);
        self
    }

    /// Sets the maximum number of vectors that are requested by `getdata` and not answered.
    /// Default: 75,000.
    ///
    /// A `getdata` beyond that is returned with
    /// [`TooManyRequested`](crate::SendErrorKind::TooManyRequested).
    ///
    /// Pace large requests to avoid a ban. Nodes score their senders:
    ///
    /// - A `getdata` of `n` vectors adds 99 points times `n / 50_000`, rounded down.
    /// - A `mempool` adds 33 points.
    /// - Points halve every minute, and more than 100 points ban.
    pub fn max_requested(mut self, vectors: usize) -> Self {
        self.config.max_requested = vectors;
        self
    }

    /// Sets how long [`push_getheaders`](crate::PeerState::push_getheaders) and
    /// [`push_getblocks`](crate::PeerState::push_getblocks) suppress a request that repeats the last
    /// one. Default: 900 s on Exchangecoin and 30 s on Decred.
    pub fn duplicate_request_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.duplicate_request_lifetime = lifetime;
        self
    }
}

/// # Relay
impl ConfigBuilder {
    /// Sets the range from which the delay of each batch of announcements is drawn. Default: 100 ms
    /// to 500 ms. Zero to zero adds no delay.
    pub fn trickle_interval(mut self, interval: RangeInclusive<Duration>) -> Self {
        let (shortest, longest) = interval.into_inner();
        self.config.trickle = Interval { shortest, longest };
        self
    }

    /// Sets the maximum number of vectors in the `inv` of a batch. Default: 1,000. Range: 1 to
    /// [`MAX_VECTORS`](crate::wire::MAX_VECTORS).
    pub fn inv_batch(mut self, vectors: usize) -> Self {
        self.config.inv_batch = vectors;
        self
    }

    /// Sets the maximum number of announcements that wait for the next batch. Default: 50,000.
    ///
    /// One more is refused with [`Announced::Full`](crate::Announced::Full).
    pub fn max_waiting_announcements(mut self, vectors: usize) -> Self {
        self.config.max_waiting_announcements = vectors;
        self
    }

    /// Sets how many inventory vectors are recorded as known to the remote, and for how long.
    /// Default: 1,000 vectors for 15 min. Maximum: 65,535 vectors.
    ///
    /// The least recently used vector is dropped first. With 0 vectors, nothing is recorded.
    pub fn known_inventory(mut self, vectors: usize, lifetime: Duration) -> Self {
        self.config.known_capacity = vectors;
        self.config.known_lifetime = lifetime;
        self
    }
}

/// # Output queue
impl ConfigBuilder {
    /// Sets the maximum size of the output queue, in bytes. Default: 40 MiB. Minimum: 191, which is
    /// an `inv` of one vector.
    ///
    /// Messages of the application and announcements count. Each counts as its frame and 128 bytes,
    /// which is about the memory that it takes.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.config.max_queued_bytes = bytes;
        self
    }

    /// Sets the reaction to a message that would exceed
    /// [`max_queued_bytes`](Self::max_queued_bytes). Default: [`Overflow::Refuse`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.config.overflow = overflow;
        self
    }

    /// Sets the maximum time without a sent byte while bytes are offered. Default: 20 s. `None` is
    /// no limit. It must not be zero.
    ///
    /// The deadline starts with the first [`transmit`](crate::PeerState::transmit) that offers
    /// bytes. It is cleared when the queue is empty. Sent bytes extend it at the
    /// [`write_rate`](Self::write_rate).
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// Sets the rate of sent bytes that keeps extending the deadline of the
    /// [`write_timeout`](Self::write_timeout), in bytes per second. Default: 10,240. Minimum: 1.
    ///
    /// The rule is that of the [`read_rate`](Self::read_rate), and applies to the queue as a whole:
    /// the queue must drain at this rate, or be empty from time to time.
    pub fn write_rate(mut self, bytes_per_second: u32) -> Self {
        self.config.write_rate = bytes_per_second;
        self
    }

    /// Sets whether messages are sent for which nodes ban, disconnect or ignore the sender.
    /// Default: `false`, which returns them with
    /// [`Unwelcome`](crate::SendErrorKind::Unwelcome).
    pub fn send_unwelcome(mut self, send: bool) -> Self {
        self.config.send_unwelcome = send;
        self
    }
}

/// # Input limits
impl ConfigBuilder {
    /// Lowers the maximum payload length of a message, in bytes. Default: the limit of the protocol,
    /// except for `reject`, which has 4 KiB instead of 32 MiB.
    ///
    /// A longer payload closes the peer at the header, with
    /// [`PayloadTooLarge`](crate::CloseReason::PayloadTooLarge).
    pub fn max_payload(mut self, command: Command, bytes: usize) -> Self {
        replace(&mut self.config.max_payloads, command, bytes);
        self
    }

    /// Sets the maximum payload length of an unsolicited message, in bytes.
    ///
    /// A longer one closes the peer at the header, with
    /// [`Unsolicited`](crate::CloseReason::Unsolicited), unless it was requested. Requests allow
    /// this many longer messages:
    ///
    /// - A vector of a `getdata` allows one `tx`, `block` or mixing message and one `notfound`.
    /// - A `mempool` allows 64 `inv`.
    /// - Every other request allows one answer.
    ///
    /// Defaults:
    ///
    /// - 0 for messages that nodes send as answers only: `block`, `notfound`, `initstate`,
    ///   `miningstate`, `cfilter`, `cfheaders`, `cftypes`, `cfilterv2` and `cfiltersv2`.
    /// - The length of 12 headers for `headers`, which announces blocks as well.
    /// - No limit for other messages.
    pub fn max_unsolicited(mut self, command: Command, bytes: usize) -> Self {
        replace(&mut self.config.max_unsolicited, command, bytes);
        self
    }

    /// Sets how many messages of a command the remote may send, and how many bytes. Default: no
    /// limit.
    ///
    /// A ban score takes a few lines, with the event of an exceeded budget:
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::net::IpAddr;
    /// use std::time::Duration;
    /// use excc_peer::wire::Command;
    /// use excc_peer::{Blame, Budget, CloseReason, Config, Event, Network, PeerState};
    ///
    /// let config = Config::builder(Network::EXCC_MAINNET)
    ///     .budget(Command::MemPool, Budget::messages(3, Duration::from_secs(180)))
    ///     .budget(Command::GetData, Budget::bytes(4_000_000, Duration::from_secs(60)))
    ///     .build()?;
    ///
    /// /// Adds to the score of a host. Returns whether the host is to be banned.
    /// fn is_banned(scores: &mut HashMap<IpAddr, u32>, peer: &PeerState, event: &Event) -> bool {
    ///     let points = match event {
    ///         Event::OverBudget { .. } => 33,
    ///         Event::Closed(reason) if reason.is_violation(peer.config().network().chain()) => 101,
    ///         Event::Closed(reason) if reason.blame() == Blame::Misbehaviour => 50,
    ///         _ => return false,
    ///     };
    ///     let score = scores.entry(peer.remote_address().ip()).or_default();
    ///     *score += points;
    ///     *score > 100
    /// }
    /// # let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    /// # let (remote, now) = ("127.0.0.1:9666".parse().unwrap(), excc_peer::Instant::ZERO);
    /// # let unix_time = excc_peer::UnixTime::from_secs(0);
    /// # let peer = PeerState::outbound(config, remote, now, unix_time, &mut rng);
    /// # let mut scores = HashMap::new();
    /// # let mut over = || is_banned(&mut scores, &peer, &Event::OverBudget { command: Command::Tx });
    /// # assert_eq!([over(), over(), over(), over()], [false, false, false, true]);
    /// # Ok::<(), excc_peer::ConfigError>(())
    /// ```
    pub fn budget(mut self, command: Command, budget: Budget) -> Self {
        replace(&mut self.config.budgets, command, budget);
        self
    }

    /// Sets the treatment of surplus bytes after a message in its payload. Default:
    /// [`TrailingBytes::Ignore`] on Exchangecoin and [`TrailingBytes::Reject`] on Decred.
    pub fn trailing_bytes(mut self, trailing: TrailingBytes) -> Self {
        self.config.trailing_bytes = trailing;
        self
    }
}

/// # Events
impl ConfigBuilder {
    /// Sets the number of waiting events, and the number of bytes of the messages in them, at which
    /// the peer stops reading. Default: 128 events and 4 MiB. Minimum: 1 event.
    ///
    /// This is back-pressure: the remote's clock stops as well. The message that reaches a limit is
    /// still received. So with a limit of 0 bytes, one message at a time waits.
    pub fn max_waiting_events(mut self, events: usize, bytes: usize) -> Self {
        self.config.max_waiting_events = events;
        self.config.max_waiting_event_bytes = bytes;
        self
    }
}
