//! From settings to a configuration that makes sense.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::super::error::ConfigError;
use super::super::{known, nonces::SentNonces, send, stall, trickle, trickle::Interval};
use super::{AddressHiding, Config, Overflow};
use crate::network::{Chain, Network};
use crate::wire::{Command, MAX_PAYLOAD, MAX_VECTORS, Services, TrailingBytes, check_user_agent};

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
                max_reject: 4 * 1024,
                sent_nonces: SentNonces::new(),
                allow_self_connections: false,
                review_version: false,
                max_before_verack: 2,
                handshake_timeout: Duration::from_secs(30),
                verack_timeout: Some(Duration::from_secs(30)),
                idle_timeout: Some(Duration::from_secs(120)),
                slow_message_timeout: None,
                ping_interval: None,
                pong_timeout: None,
                write_timeout: Some(Duration::from_secs(20)),
                write_rate: 256 * 1024,
                response_timeouts: vec![
                    (Command::GetData, Some(RESPONSE_TIMEOUT)),
                    (Command::GetInitState, Some(RESPONSE_TIMEOUT)),
                ],
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
                inv_batch: trickle::BATCH,
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

    /// How long the remote may go without completing a message: 120 s by default. As with
    /// everything the remote must do in time once the handshake is done, the time in which
    /// the application [holds it back](crate::PeerState::wants_read) does not count.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// How long a message may take in all as long as bytes of it keep coming. By default the
    /// idle timeout is the limit, however many bytes come; with this, they start it anew,
    /// until a message has taken so long since the one before it was complete. Not shorter
    /// than the idle timeout.
    ///
    /// At the default idle timeout of 120 s a block of 1.25 MiB must come with 11 kB/s.
    pub fn slow_message_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.slow_message_timeout = timeout;
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

    /// How long a frame that has begun to leave may take, besides what its
    /// [size](Self::write_rate) gives it: 20 s by default.
    pub fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// How many bytes of a frame give it one more second to leave: 262,144 by default, and
    /// 1 at least.
    pub fn write_rate(mut self, bytes_per_second: u32) -> Self {
        self.config.write_rate = bytes_per_second;
        self
    }

    /// How long the remote may take to answer a request, from when its last byte has left;
    /// by default 30 s for `getdata` and `getinitstate`. Other requests have no limit, as
    /// nodes need not answer them: to a `getblocks` or a `mempool` nothing is to be said if
    /// there is nothing to announce, and a node that is not synced passes a `getheaders` over.
    ///
    /// A `getdata` is answered vector by vector, for transactions, blocks and mixing messages;
    /// of other types nodes say nothing. Any other request is answered by any message of the
    /// right kind: `getheaders` by `headers`, `getblocks` and `mempool` by `inv`, `getaddr`
    /// by `addr` or `addrv2`, `getminings` by `miningstate`, requests for committed filters by
    /// the message of like name. The time in which the application
    /// [holds the remote back](crate::PeerState::wants_read) does not count.
    pub fn response_timeout(mut self, request: Command, timeout: Option<Duration>) -> Self {
        let timeouts = &mut self.config.response_timeouts;
        timeouts.retain(|(command, _)| *command != request);
        timeouts.push((request, timeout));
        self
    }

    /// Most inventory vectors that may be asked for by `getdata` and not answered: 75,000
    /// by default. A `getdata` with more is given back. Counts only while `getdata` has a
    /// [response timeout](Self::response_timeout).
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
        if let (Some(slow), Some(idle)) = (config.slow_message_timeout, config.idle_timeout)
            && slow < idle
        {
            return Err(ConfigError::SlowMessageTimeout { slow, idle });
        }
        if let Some(&(command, _)) =
            config.response_timeouts.iter().find(|(command, _)| stall::answers(*command).is_empty())
        {
            return Err(ConfigError::NotARequest(command));
        }
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
            ("max_before_verack", config.max_before_verack.into(), 0, MOST_BEFORE_VERACK),
            ("write_rate", config.write_rate as usize, 1, u32::MAX as usize),
            ("inv_batch", config.inv_batch, 1, MAX_VECTORS),
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
            builder().max_queued_bytes(190).build(),
            Err(ConfigError::OutOfRange { what: "max_queued_bytes", .. })
        ));
        assert!(matches!(
            builder().max_before_verack(17).build(),
            Err(ConfigError::OutOfRange { what: "max_before_verack", .. })
        ));
        assert!(matches!(
            builder().write_rate(0).build(),
            Err(ConfigError::OutOfRange { what: "write_rate", .. })
        ));
        for vectors in [0, MAX_VECTORS + 1] {
            assert!(matches!(
                builder().inv_batch(vectors).build(),
                Err(ConfigError::OutOfRange { what: "inv_batch", .. })
            ));
        }
        let empty = ms(2)..=ms(1);
        assert!(matches!(
            builder().trickle_interval(empty).build(),
            Err(ConfigError::TrickleInterval(..))
        ));
    }

    #[test]
    fn a_slow_message_may_take_as_long_as_a_silent_remote() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let builder = || Config::builder(Network::EXCC_MAINNET).idle_timeout(secs(100));
        assert!(builder().slow_message_timeout(secs(100)).build().is_ok());
        assert!(matches!(
            builder().slow_message_timeout(secs(99)).build(),
            Err(ConfigError::SlowMessageTimeout { .. })
        ));
    }

    #[test]
    fn only_requests_are_answered() {
        let second = Some(Duration::from_secs(1));
        let with = |command, timeout| {
            Config::builder(Network::DCR_MAINNET).response_timeout(command, timeout).build()
        };
        for timeout in [second, None] {
            assert_eq!(
                with(Command::Ping, timeout).err(),
                Some(ConfigError::NotARequest(Command::Ping))
            );
        }
        let default = Config::builder(Network::DCR_MAINNET).build().unwrap();
        let timeout = |config: Config, command| config.response_timeout(command);
        assert_eq!(timeout(default.clone(), Command::GetData), Some(RESPONSE_TIMEOUT));
        assert_eq!(timeout(default, Command::GetHeaders), None);
        let headers = with(Command::GetHeaders, second).unwrap();
        assert_eq!(timeout(headers, Command::GetHeaders), second);
        let data = with(Command::GetData, None).unwrap();
        assert_eq!(timeout(data, Command::GetData), None);
    }
}
