//! How a peer presents itself and what it puts up with.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use super::error::ConfigError;
use super::known;
use super::nonces::SentNonces;
use super::send;
use super::trickle::Interval;
use crate::network::Network;
use crate::wire::{MAX_PAYLOAD, PeerAddress, Services, TrailingBytes, check_user_agent};

/// The configuration of a peer: made by a [`ConfigBuilder`], valid by construction, and
/// shared by any number of peers through an `Arc`.
///
/// ```
/// use std::time::Duration;
/// use excc_peer::wire::Services;
/// use excc_peer::{Config, Network};
///
/// let config = Config::builder(Network::EXCC_MAINNET)
///     .user_agent("my-wallet", "2.1.0")
///     .services(Services::empty())
///     .start_height(123_456)
///     .idle_timeout(Some(Duration::from_secs(300)))
///     .build()?;
/// assert_eq!(config.user_agent(), "/exccwire:1.0.0/my-wallet:2.1.0/");
/// # Ok::<(), excc_peer::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) network: Network,
    pub(super) user_agent: String,
    pub(super) services: Services,
    pub(super) protocol_version: u32,
    pub(super) min_remote_version: u32,
    pub(super) start_height: i32,
    pub(super) relay: bool,
    pub(super) address_hiding: AddressHiding,
    pub(super) trailing_bytes: TrailingBytes,
    pub(super) max_reject: usize,
    pub(super) sent_nonces: SentNonces,
    pub(super) allow_self_connections: bool,
    pub(super) review_version: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) verack_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) ping_interval: Option<Duration>,
    pub(super) pong_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) trickle: Interval,
    pub(super) max_waiting_announcements: usize,
    pub(super) known_capacity: usize,
    pub(super) known_lifetime: Duration,
    pub(super) max_queued_bytes: usize,
    pub(super) overflow: Overflow,
    pub(super) max_waiting_events: usize,
    pub(super) max_waiting_event_bytes: usize,
}

impl Config {
    /// A builder with the values of the network's own nodes.
    pub fn builder(network: Network) -> ConfigBuilder {
        ConfigBuilder::new(network)
    }

    /// The network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The whole user agent, its prefix included.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The highest protocol version that we speak.
    pub const fn protocol_version(&self) -> u32 {
        self.protocol_version
    }

    /// What we offer.
    pub const fn services(&self) -> Services {
        self.services
    }

    /// The handle to the nonces that this configuration's peers share.
    pub const fn sent_nonces(&self) -> &SentNonces {
        &self.sent_nonces
    }

    /// The same configuration with another height of our best block, for the connections
    /// that are opened after it rose.
    pub fn with_start_height(mut self, height: i32) -> Self {
        self.start_height = height;
        self
    }

    /// The remote's address as our `version` tells it.
    pub(super) fn receiver(&self, remote: SocketAddr, services: Services) -> PeerAddress {
        const HIDDEN: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
        let is_hidden = match self.address_hiding {
            AddressHiding::Never => false,
            AddressHiding::Proxy(proxy) => proxy.to_canonical() == remote.ip().to_canonical(),
            AddressHiding::Always => true,
        };
        PeerAddress::new(services, if is_hidden { HIDDEN } else { remote })
    }
}

/// When the remote's address is left out of our `version`, so that the remote does not
/// learn the address of a proxy of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AddressHiding {
    /// Never.
    #[default]
    Never,
    /// If it is the address of this proxy, in whatever spelling.
    Proxy(IpAddr),
    /// Always.
    Always,
}

/// What happens when more would be queued than
/// [`max_queued_bytes`](ConfigBuilder::max_queued_bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The message is given back; announcements go on waiting.
    #[default]
    Refuse,
    /// The peer is closed, as Decred's node does it.
    Close,
}

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
    fn new(network: Network) -> Self {
        let chain = network.chain();
        Self {
            config: Config {
                network,
                user_agent: String::new(),
                services: Services::empty(),
                protocol_version: chain.advertised_version(),
                min_remote_version: 0,
                start_height: 0,
                relay: true,
                address_hiding: AddressHiding::Never,
                trailing_bytes: TrailingBytes::of(chain),
                max_reject: 4 * 1024,
                sent_nonces: SentNonces::new(),
                allow_self_connections: false,
                review_version: false,
                handshake_timeout: Duration::from_secs(30),
                verack_timeout: Some(Duration::from_secs(30)),
                idle_timeout: Some(Duration::from_secs(120)),
                ping_interval: None,
                pong_timeout: None,
                write_timeout: Some(Duration::from_secs(20)),
                trickle: Interval {
                    shortest: Duration::from_millis(100),
                    longest: Duration::from_millis(500),
                },
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

    /// The largest payload of a `reject`, in bytes: 4 KiB by default, where the wire
    /// allows 32 MiB.
    pub fn max_reject(mut self, bytes: usize) -> Self {
        self.config.max_reject = bytes;
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

    /// How long the remote may go without completing a message: 120 s by default. As with
    /// everything the remote must do in time once the handshake is done, the time in which
    /// the application [holds it back](crate::PeerState::wants_read) does not count.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// How often a `ping` is sent: by default every 107 s, or at 0.4 of an idle timeout
    /// that is shorter than its own default.
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = Some(interval);
        self
    }

    /// How long the answer to our latest `ping` may take; shorter than the interval between
    /// pings. No limit by default.
    pub fn pong_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.pong_timeout = timeout;
        self
    }

    /// How long a frame that has begun to leave may take, besides one second for each 256
    /// KiB of it: 20 s by default.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// How long announcements wait for company: drawn from this range each time, by
    /// default from 100 ms to 500 ms. Zero to zero sends them at once.
    pub fn trickle_interval(mut self, interval: RangeInclusive<Duration>) -> Self {
        let (shortest, longest) = interval.into_inner();
        self.config.trickle = Interval { shortest, longest };
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

    /// Most bytes of messages and announcements that wait to be sent: 40 MiB by default,
    /// and 63, which is an `inv` of one vector, at least.
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
            (None, Some(idle)) if idle < Duration::from_secs(120) => Some(idle.mul_f32(0.4)),
            (None, _) => Some(Duration::from_secs(107)),
        };
        let recurring =
            [("idle_timeout", config.idle_timeout), ("ping_interval", config.ping_interval)];
        for (what, interval) in recurring {
            if interval == Some(Duration::ZERO) {
                return Err(ConfigError::ZeroDuration { what });
            }
        }
        if let (Some(pong), Some(ping)) = (config.pong_timeout, config.ping_interval)
            && pong >= ping
        {
            return Err(ConfigError::PongsNeverLate { pong, ping });
        }
        let Interval { shortest, longest } = config.trickle;
        if shortest > longest {
            return Err(ConfigError::TrickleInterval(shortest, longest));
        }

        let ranges = [
            ("max_reject", config.max_reject, 0, MAX_PAYLOAD),
            ("known_inventory", config.known_capacity, 0, known::MAX_CAPACITY),
            ("max_waiting_events", config.max_waiting_events, 1, usize::MAX),
            ("max_queued_bytes", config.max_queued_bytes, send::LEAST_QUEUE, usize::MAX),
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
mod tests {
    use super::*;
    use crate::wire::ErrorKind;

    fn agent(build: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Result<String, ConfigError> {
        let config = build(Config::builder(Network::EXCC_MAINNET)).build()?;
        Ok(config.user_agent)
    }

    #[test]
    fn user_agents_are_assembled_from_their_parts() {
        let own = concat!("/exccwire:1.0.0/excc-peer:", env!("CARGO_PKG_VERSION"), "/");
        assert_eq!(agent(|b| b).as_deref(), Ok(own));
        let exccd = |b: ConfigBuilder| b.user_agent("exccd", "2.7.6");
        assert_eq!(agent(exccd).as_deref(), Ok("/exccwire:1.0.0/exccd:2.7.6/"));
        assert_eq!(
            agent(|b| exccd(b).user_agent_comment("pre")).as_deref(),
            Ok("/exccwire:1.0.0/exccd:2.7.6(pre)/")
        );
        assert_eq!(
            agent(|b| exccd(b).user_agent_comment("a").user_agent_comment("b")).as_deref(),
            Ok("/exccwire:1.0.0/exccd:2.7.6(a; b)/")
        );
    }

    #[test]
    fn a_user_agent_that_cannot_be_sent_is_refused() {
        let rest = "/exccwire:1.0.0/".len() + ":1/".len();
        assert!(agent(|b| b.user_agent("x".repeat(256 - rest), "1")).is_ok());
        assert!(matches!(
            agent(|b| b.user_agent("x".repeat(257 - rest), "1")),
            Err(ConfigError::UserAgent { kind: ErrorKind::UserAgentTooLong(_), .. })
        ));
        assert!(matches!(
            agent(|b| b.user_agent("n\u{e4}me", "1")),
            Err(ConfigError::UserAgent { kind: ErrorKind::MalformedStrictString { .. }, .. })
        ));
    }

    #[test]
    fn versions_are_those_the_chain_knows() {
        let version = |version| Config::builder(Network::EXCC_REGNET).protocol_version(version);
        for (version, build) in [(0, version(0)), (10, version(10))] {
            assert_eq!(
                build.build().err(),
                Some(ConfigError::ProtocolVersion { version, newest: 9 })
            );
        }
        assert_eq!(version(1).build().unwrap().min_remote_version, 1);
        assert_eq!(version(9).build().unwrap().min_remote_version, 3);
        assert_eq!(
            version(5).min_remote_version(6).build().err(),
            Some(ConfigError::MinRemoteVersion { minimum: 6, version: 5 })
        );
    }

    #[test]
    fn pings_come_in_time_whatever_the_idle_timeout() {
        let ping = |idle: Option<u64>| {
            let idle = idle.map(Duration::from_secs);
            let config = Config::builder(Network::DCR_SIMNET).idle_timeout(idle).build();
            config.unwrap().ping_interval
        };
        assert_eq!(ping(Some(120)), Some(Duration::from_secs(107)));
        assert_eq!(ping(None), Some(Duration::from_secs(107)));
        assert_eq!(ping(Some(15)).map(|ping| ping.as_millis()), Some(6_000));
        let second = Some(Duration::from_secs(1));
        let builder = Config::builder(Network::DCR_SIMNET).idle_timeout(second);
        assert!(matches!(
            builder.clone().ping_interval(second).build(),
            Err(ConfigError::PingsTooRare { .. })
        ));
        assert!(matches!(
            builder.clone().pong_timeout(second).build(),
            Err(ConfigError::PongsNeverLate { .. })
        ));
        let zero = Some(Duration::ZERO);
        let refused = |what| Some(ConfigError::ZeroDuration { what });
        assert_eq!(builder.clone().ping_interval(zero).build().err(), refused("ping_interval"));
        assert_eq!(builder.idle_timeout(zero).build().err(), refused("idle_timeout"));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let builder = || Config::builder(Network::EXCC_MAINNET);
        let ms = Duration::from_millis;
        assert!(matches!(
            builder().known_inventory(1 << 16, ms(1)).build(),
            Err(ConfigError::OutOfRange { what: "known_inventory", .. })
        ));
        assert!(matches!(
            builder().max_waiting_events(0, 1).build(),
            Err(ConfigError::OutOfRange { what: "max_waiting_events", .. })
        ));
        assert!(matches!(
            builder().max_reject(MAX_PAYLOAD + 1).build(),
            Err(ConfigError::OutOfRange { what: "max_reject", .. })
        ));
        assert!(matches!(
            builder().max_queued_bytes(62).build(),
            Err(ConfigError::OutOfRange { what: "max_queued_bytes", .. })
        ));
        let empty = ms(2)..=ms(1);
        assert!(matches!(
            builder().trickle_interval(empty).build(),
            Err(ConfigError::TrickleInterval(..))
        ));
    }

    #[test]
    fn addresses_are_hidden_from_the_remotes_of_a_proxy() {
        let remote: SocketAddr = "[::ffff:10.0.0.7]:9050".parse().unwrap();
        let receiver = |hiding| {
            let config = Config::builder(Network::EXCC_MAINNET).address_hiding(hiding).build();
            config.unwrap().receiver(remote, Services::NODE_CF)
        };
        let proxy = |ip: &str| AddressHiding::Proxy(ip.parse().unwrap());
        let shown = PeerAddress::new(Services::NODE_CF, remote);
        let hidden = PeerAddress::new(Services::NODE_CF, "0.0.0.0:0".parse().unwrap());
        assert_eq!(receiver(AddressHiding::Never), shown);
        assert_eq!(receiver(AddressHiding::Always), hidden);
        assert_eq!(receiver(proxy("10.0.0.7")), hidden);
        assert_eq!(receiver(proxy("::ffff:a00:7")), hidden);
        assert_eq!(receiver(proxy("10.0.0.8")), shown);
    }
}
