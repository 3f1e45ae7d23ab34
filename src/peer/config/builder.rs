//! From settings to a configuration that makes sense.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::super::budget::Budget;
use super::super::error::ConfigError;
use super::super::{answers, known, nonces::SentNonces, outbox, trickle, trickle::Interval};
use super::{AddressHiding, Config, Overflow, replace};
use crate::network::{Chain, Network};
use crate::wire::{Command, MAX_VECTORS, Services, TrailingBytes, check_user_agent};

/// The rate, in bytes a second, that a connection must keep while the remote owes something. A
/// block of 1.25 MiB takes two minutes at this rate.
const LEAST_RATE: u32 = 10 * 1024;

/// The shortest interval between pings.
const MIN_PING_INTERVAL: Duration = Duration::from_millis(1);

/// How long nodes give one another to answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Most messages that are held until a `verack` comes.
const MOST_BEFORE_VERACK: usize = 16;

/// Makes a [`Config`]. What is not set is as the network's own nodes have it.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
    agent: Option<(String, String)>,
    comments: Vec<String>,
    min_remote_version: Option<u32>,
    ping_interval: Option<Option<Duration>>,
}

impl ConfigBuilder {
    pub(super) fn new(network: Network) -> Self {
        let chain = network.chain();
        Self {
            config: Config {
                network,
                user_agent: String::new(),
                services: Services::empty(),
                protocol_version: chain.advertised_version(),
                min_remote_version: 0,
                required_services: Services::empty(),
                start_height: 0,
                relay: true,
                address_hiding: AddressHiding::Never,
                trailing_bytes: TrailingBytes::of(chain),
                sent_nonces: SentNonces::new(),
                allow_self_connections: false,
                review_version: false,
                max_before_verack: 2,
                handshake_timeout: Duration::from_secs(30),
                verack_timeout: Some(Duration::from_secs(30)),
                idle_timeout: Some(Duration::from_secs(120)),
                read_rate: LEAST_RATE,
                ping_interval: None,
                pong_timeout: None,
                write_timeout: Some(Duration::from_secs(20)),
                write_rate: LEAST_RATE,
                response_timeouts: vec![
                    (Command::GetData, Some(RESPONSE_TIMEOUT)),
                    (Command::GetInitState, Some(RESPONSE_TIMEOUT)),
                ],
                max_payloads: vec![(Command::Reject, 4 * 1024)],
                max_unsolicited: Vec::new(),
                budgets: Vec::new(),
                max_requested: 75_000,
                duplicate_request_lifetime: match chain {
                    Chain::Exchangecoin => 30 * RESPONSE_TIMEOUT,
                    Chain::Decred => RESPONSE_TIMEOUT,
                },
                send_unwelcome: false,
                trickle: Interval {
                    shortest: Duration::from_millis(100),
                    longest: Duration::from_millis(500),
                },
                inv_batch: trickle::DEFAULT_BATCH,
                max_waiting_announcements: 50_000,
                known_capacity: 1_000,
                known_lifetime: Duration::from_secs(15 * 60),
                max_queued_bytes: 40 * 1024 * 1024,
                overflow: Overflow::Refuse,
                max_waiting_events: 128,
                max_waiting_event_bytes: 4 * 1024 * 1024,
            },
            agent: None,
            comments: Vec::new(),
            min_remote_version: None,
            ping_interval: None,
        }
    }

    /// The software and its version, to follow the chain's prefix in the user agent.
    /// This crate's own by default.
    pub fn user_agent(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.agent = Some((name.into(), version.into()));
        self
    }

    /// One more comment, to follow the version in brackets.
    pub fn user_agent_comment(mut self, comment: impl Into<String>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// What we offer. Nothing by default.
    pub fn services(mut self, services: Services) -> Self {
        self.config.services = services;
        self
    }

    /// The highest protocol version that we speak, from 1 to the chain's newest. By
    /// default what the live network's nodes advertise: 8 on Exchangecoin, 12 on Decred.
    ///
    /// Who is called answers with no more than the caller says: a crawler that wants to know
    /// the highest version of others must say the [chain's newest](crate::Chain::newest_version).
    pub fn protocol_version(mut self, version: u32) -> Self {
        self.config.protocol_version = version;
        self
    }

    /// The oldest protocol version accepted from a remote: by default 3 on Exchangecoin
    /// and 9 on Decred, or our own where that is older still.
    pub fn min_remote_version(mut self, version: u32) -> Self {
        self.min_remote_version = Some(version);
        self
    }

    /// What a remote must offer not to be hung up on. Nothing by default.
    pub fn required_services(mut self, services: Services) -> Self {
        self.config.required_services = services;
        self
    }

    /// The height of our best block. 0 by default.
    pub fn start_height(mut self, height: i32) -> Self {
        self.config.start_height = height;
        self
    }

    /// Whether we want transactions announced to us. By default we do.
    pub fn relay(mut self, relay: bool) -> Self {
        self.config.relay = relay;
        self
    }

    /// When the remote's address is left out of our `version`. Never by default.
    pub fn address_hiding(mut self, hiding: AddressHiding) -> Self {
        self.config.address_hiding = hiding;
        self
    }

    /// What to do with bytes after a message: by default what the chain's nodes do.
    pub fn trailing_bytes(mut self, trailing: TrailingBytes) -> Self {
        self.config.trailing_bytes = trailing;
        self
    }

    /// Lowers the largest payload of a message, in bytes. A larger one closes the peer at its
    /// header, with [`PayloadTooLarge`](crate::CloseReason::PayloadTooLarge).
    ///
    /// By default each message may be as large as the protocol allows, but for a `reject`:
    /// 4 KiB, instead of 32 MiB.
    pub fn max_payload(mut self, command: Command, bytes: usize) -> Self {
        replace(&mut self.config.max_payloads, command, bytes);
        self
    }

    /// Sets the largest payload of a message that nobody asked for, in bytes. A larger one closes
    /// the peer at its header, with [`Unsolicited`](crate::CloseReason::Unsolicited).
    ///
    /// As many larger messages are accepted as the application has asked for: by a vector of a
    /// `getdata` one `tx`, `block` or mixing message and one `notfound`, by any other request
    /// one answer, by a `mempool` 64 `inv`.
    ///
    /// By default 0 for messages that nodes send as answers only: `block`, `notfound`,
    /// `initstate`, `miningstate`, `cfilter`, `cfheaders`, `cftypes`, `cfilterv2` and
    /// `cfiltersv2`; 12 headers for `headers`, which announce blocks too; no limit for others.
    pub fn max_unsolicited(mut self, command: Command, bytes: usize) -> Self {
        replace(&mut self.config.max_unsolicited, command, bytes);
        self
    }

    /// Sets how much of a command the remote may send. No limit by default.
    ///
    /// With the event of an exceeded budget, a ban score takes a few lines:
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
    /// /// Adds to the score of a host. Returns whether it is to be banned.
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
    /// # let peer = PeerState::outbound(config, remote, now, 0, &mut rng);
    /// # let mut scores = HashMap::new();
    /// # let mut over = || is_banned(&mut scores, &peer, &Event::OverBudget { command: Command::Tx });
    /// # assert_eq!([over(), over(), over(), over()], [false, false, false, true]);
    /// # Ok::<(), excc_peer::ConfigError>(())
    /// ```
    pub fn budget(mut self, command: Command, budget: Budget) -> Self {
        replace(&mut self.config.budgets, command, budget);
        self
    }

    /// The nonces by which self-connections are found, to be shared by all peers of the
    /// process. A configuration and its clones share theirs without this.
    pub fn sent_nonces(mut self, nonces: SentNonces) -> Self {
        self.config.sent_nonces = nonces;
        self
    }

    /// Whether connections to ourselves are put up with, for tests. Not by default.
    pub fn allow_self_connections(mut self, allow: bool) -> Self {
        self.config.allow_self_connections = allow;
        self
    }

    /// Whether the handshake waits, after the remote's `version`, for
    /// [`accept_version`](crate::PeerState::accept_version) or
    /// [`refuse_version`](crate::PeerState::refuse_version). Not by default.
    pub fn review_version(mut self, review: bool) -> Self {
        self.config.review_version = review;
        self
    }

    /// How many messages may come between the `version` and the `verack` of a Decred remote
    /// below protocol version 12, where they are held until the `verack` comes: 2 by default,
    /// and 16 at most, of 4 MiB in all. From version 12 on there may be none; on Exchangecoin any number may
    /// come and is not held.
    pub fn max_before_verack(mut self, messages: u8) -> Self {
        self.config.max_before_verack = messages;
        self
    }

    /// How long the handshake may take: 30 s by default.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// How long the remote's `verack` may take after `version`s are exchanged, where it
    /// is not part of the handshake: on Exchangecoin. 30 s by default.
    pub fn verack_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.verack_timeout = timeout;
        self
    }

    /// How long the remote may go without completing a message: 120 s by default.
    ///
    /// This, the [`verack_timeout`](Self::verack_timeout), the
    /// [`pong_timeout`](Self::pong_timeout) and the [`response_timeout`](Self::response_timeout)
    /// are what the remote owes. One rule holds for all of them:
    ///
    /// - The remote's clock stands still while the application does not let the peer
    ///   [read](crate::PeerState::wants_read).
    /// - Bytes of the remote's put the deadline off, as the [`read_rate`](Self::read_rate) says.
    /// - A passed deadline closes the peer only if it is still passed 50 ms after
    ///   [`handle_timeout`](crate::PeerState::handle_timeout) found it so, because bytes may wait
    ///   in the socket of a process that was suspended. This holds for the
    ///   [`handshake_timeout`](Self::handshake_timeout) and the
    ///   [`write_timeout`](Self::write_timeout) as well.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// How many bytes of the remote's put the deadlines of what it owes off by one second:
    /// 10,240 by default, and 1 at least.
    ///
    /// Bytes of any message count, because an answer stands behind what the remote sent before.
    /// With `n` new bytes, a deadline is put off by `n / read_rate` seconds, from when it is or
    /// from now if it has passed, but never to more than its timeout from now. So a line that
    /// keeps this rate is never closed while the remote sends. A slower one of `v` bytes a second
    /// is closed after the timeout times `1 / (1 - v / read_rate)`, and silence after the
    /// timeout.
    ///
    /// At the default rate a block of 1.25 MiB may take two minutes, whatever the timeouts.
    pub fn read_rate(mut self, bytes_per_second: u32) -> Self {
        self.config.read_rate = bytes_per_second;
        self
    }

    /// How often a `ping` is sent: by default every 107 s, or at 0.4 of an idle timeout
    /// that is shorter than its own default.
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = Some(interval);
        self
    }

    /// How long the answer to a `ping` may take, from when it was sent. No limit by default.
    ///
    /// The deadline is that of the earliest `ping` that is not answered. A `pong` answers its
    /// `ping` and all older ones, and starts the time of later ones anew.
    pub fn pong_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.pong_timeout = timeout;
        self
    }

    /// How long the remote may take no bytes while some are offered: 20 s by default.
    ///
    /// The time begins with the first [`transmit`](crate::PeerState::transmit) that has bytes to
    /// offer. It ends when nothing is queued any more.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// How many bytes that are sent put the deadline of the
    /// [`write_timeout`](Self::write_timeout) off by one second: 10,240 by default, and 1 at
    /// least. The same rule as for the [`read_rate`](Self::read_rate): the queue as a whole must
    /// drain at this rate, or be empty from time to time.
    pub fn write_rate(mut self, bytes_per_second: u32) -> Self {
        self.config.write_rate = bytes_per_second;
        self
    }

    /// How long the remote may take to answer a request, from when its last byte was sent;
    /// by default 30 s for `getdata` and `getinitstate`. **No other request has a limit by
    /// default, `getheaders` included**: a node that is not synchronised ignores a `getheaders`,
    /// and nobody answers a `getblocks` or a `mempool` if there is nothing to announce. Set one for
    /// `getheaders` during a synchronisation, or watch its progress.
    ///
    /// A `getdata` is answered vector by vector, for transactions, blocks and mixing messages;
    /// nodes ignore other types. One deadline holds for all vectors: each answer starts it anew
    /// for the others, and asking for more or again does not move it. Any other request is
    /// answered by a message of the right kind: `getheaders` by `headers`
    /// [that follow its locator](crate::Event::Message::solicited), `getblocks` and `mempool` by
    /// `inv`, `getaddr` by `addr` or `addrv2`, `getminings` by `miningstate`, requests for
    /// committed filters by the message of like name. A message that came before the request
    /// was offered to the socket answers nothing; a vector of a `getdata` counts as asked for from
    /// when it is queued.
    ///
    /// How bytes of the remote's and back-pressure count: see
    /// [`idle_timeout`](Self::idle_timeout).
    pub fn response_timeout(mut self, request: Command, timeout: Option<Duration>) -> Self {
        replace(&mut self.config.response_timeouts, request, timeout);
        self
    }

    /// Most inventory vectors that may be asked for by `getdata` and not answered: 75,000
    /// by default. A `getdata` with more is given back.
    ///
    /// Pace large requests: nodes add 99 points for each 50,000 vectors of a `getdata` to the score
    /// of its sender, rounded down, and 33 for a `mempool`. They ban above 100 points, which
    /// halve each minute.
    pub fn max_requested(mut self, vectors: usize) -> Self {
        self.config.max_requested = vectors;
        self
    }

    /// How long [`push_getheaders`](crate::PeerState::push_getheaders) and
    /// [`push_getblocks`](crate::PeerState::push_getblocks) hold a request back that repeats
    /// the last one: by default 900 s on Exchangecoin and 30 s on Decred.
    pub fn duplicate_request_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.duplicate_request_lifetime = lifetime;
        self
    }

    /// Whether messages may be sent that get the sender banned or ignored by the network's
    /// nodes: [those](crate::SendErrorKind::Unwelcome) are given back by default.
    pub fn send_unwelcome(mut self, send: bool) -> Self {
        self.config.send_unwelcome = send;
        self
    }

    /// How long announcements wait for company: drawn from this range each time, by
    /// default from 100 ms to 500 ms. Zero to zero sends them at once.
    pub fn trickle_interval(mut self, interval: RangeInclusive<Duration>) -> Self {
        let (shortest, longest) = interval.into_inner();
        self.config.trickle = Interval { shortest, longest };
        self
    }

    /// Most vectors in one trickled `inv`: 1,000 by default, and from 1 to [`MAX_VECTORS`].
    pub fn inv_batch(mut self, vectors: usize) -> Self {
        self.config.inv_batch = vectors;
        self
    }

    /// Most announcements that wait for the next trickle: 50,000 by default.
    pub fn max_waiting_announcements(mut self, vectors: usize) -> Self {
        self.config.max_waiting_announcements = vectors;
        self
    }

    /// How many inventory vectors the remote is remembered to have, 1,000 by default and
    /// 65,535 at most, and for how long, 15 minutes by default.
    pub fn known_inventory(mut self, vectors: usize, lifetime: Duration) -> Self {
        self.config.known_capacity = vectors;
        self.config.known_lifetime = lifetime;
        self
    }

    /// Most bytes of messages and announcements that wait to be sent, where each message
    /// counts as 128 bytes more than it has, which is about what else it takes in memory:
    /// 40 MiB by default, and 191, for an `inv` of one vector, at least.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.config.max_queued_bytes = bytes;
        self
    }

    /// What happens beyond that. By default the message is given back.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.config.overflow = overflow;
        self
    }

    /// How many events, and how many bytes of messages in them, may wait before input is
    /// no longer taken: 128 and 4 MiB by default. One message is always let in.
    pub fn max_waiting_events(mut self, events: usize, bytes: usize) -> Self {
        self.config.max_waiting_events = events;
        self.config.max_waiting_event_bytes = bytes;
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// What of it makes no sense.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut config = self.config;
        let chain = config.network.chain();

        let (name, version) = match &self.agent {
            Some((name, version)) => (name.as_str(), version.as_str()),
            None => (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
        };
        config.user_agent =
            assemble_user_agent(chain.user_agent_prefix(), name, version, &self.comments)?;

        let (version, newest) = (config.protocol_version, chain.newest_version());
        if version == 0 || version > newest {
            return Err(ConfigError::ProtocolVersion { version, newest });
        }
        let minimum =
            self.min_remote_version.unwrap_or_else(|| chain.lowest_remote_version().min(version));
        if minimum > version {
            return Err(ConfigError::MinRemoteVersion { minimum, version });
        }
        config.min_remote_version = minimum;

        config.ping_interval = match (self.ping_interval, config.idle_timeout) {
            (Some(Some(ping)), Some(idle)) if ping >= idle => {
                return Err(ConfigError::PingsTooRare { ping, idle });
            }
            (Some(interval), _) => interval,
            (None, Some(idle)) if idle < Duration::from_secs(120) => Some(idle * 2 / 5),
            (None, _) => Some(Duration::from_secs(107)),
        };
        if let Some(&(command, _)) =
            config.response_timeouts.iter().find(|(command, _)| !answers::is_request(*command))
        {
            return Err(ConfigError::NotARequest(command));
        }
        let response = config.response_timeouts.iter().filter_map(|&(_, timeout)| timeout).min();
        let timeouts = [
            ("handshake_timeout", Some(config.handshake_timeout)),
            ("verack_timeout", config.verack_timeout),
            ("idle_timeout", config.idle_timeout),
            ("pong_timeout", config.pong_timeout),
            ("write_timeout", config.write_timeout),
            ("response_timeout", response),
        ];
        for (what, timeout) in timeouts {
            if timeout == Some(Duration::ZERO) {
                return Err(ConfigError::ZeroDuration { what });
            }
        }
        if let Some(value) = config.ping_interval.filter(|&interval| interval < MIN_PING_INTERVAL) {
            let (what, minimum) = ("ping_interval", MIN_PING_INTERVAL);
            return Err(ConfigError::TooShort { what, value, minimum });
        }
        if let Some(&(command, _)) = config.budgets.iter().find(|(_, budget)| !budget.is_valid()) {
            return Err(ConfigError::EmptyBudget(command));
        }
        let Interval { shortest, longest } = config.trickle;
        if shortest > longest {
            return Err(ConfigError::TrickleInterval(shortest, longest));
        }

        let ranges = [
            ("max_before_verack", config.max_before_verack.into(), 0, MOST_BEFORE_VERACK),
            ("read_rate", config.read_rate as usize, 1, u32::MAX as usize),
            ("write_rate", config.write_rate as usize, 1, u32::MAX as usize),
            ("inv_batch", config.inv_batch, 1, MAX_VECTORS),
            ("known_inventory", config.known_capacity, 0, known::MAX_CAPACITY),
            ("max_waiting_events", config.max_waiting_events, 1, usize::MAX),
            ("max_queued_bytes", config.max_queued_bytes, outbox::MIN_QUEUED_BYTES, usize::MAX),
        ];
        for (what, value, least, most) in ranges {
            if value < least || value > most {
                return Err(ConfigError::OutOfRange { what, value, least, most });
            }
        }
        Ok(config)
    }
}

fn assemble_user_agent(
    prefix: &str,
    name: &str,
    version: &str,
    comments: &[String],
) -> Result<String, ConfigError> {
    let comments =
        if comments.is_empty() { String::new() } else { format!("({})", comments.join("; ")) };
    let agent = format!("{prefix}{name}:{version}{comments}/");
    match check_user_agent(agent.as_bytes()) {
        Ok(()) => Ok(agent),
        Err(kind) => Err(ConfigError::UserAgent { agent, kind }),
    }
}

#[cfg(test)]
mod tests;
