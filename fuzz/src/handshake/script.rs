//! What the bytes of an input stand for, but for what the remote sends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use excc_peer::wire::Services;
use excc_peer::{Chain, Config, ConfigError, Direction, Network, SentNonces};

use crate::input::{Input, draws_from_input};

/// The remote's address.
pub(super) const REMOTE: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 9666);

/// The wall clock when the peer is made.
pub(super) const UNIX_TIME: u64 = 1_700_000_000;

/// Nonces that other peers of the process have sent. The first one's peer may have finished
/// its handshake.
pub(super) const SENT_NONCES: [u64; 2] = [7, 9];

/// The shortest timeout.
const MOMENT: Duration = Duration::from_nanos(1);

/// What we offer.
const SERVICES: Services = Services::NODE_CF;

/// What an input stands for, as it is drawn.
pub(super) struct Script<'a> {
    input: Input<'a>,
}

draws_from_input!(Script);

impl<'a> Script<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { input: Input::new(input) }
    }

    /// From a nanosecond to most of an hour.
    pub(super) fn duration(&mut self) -> Duration {
        let unit = self.one_of(&[1_000_000_000, 1, 1_000_000, 10_000_000_000]);
        Duration::from_nanos(unit * u64::from(self.byte()))
    }
}

/// How the peer is made, as the model needs to know it.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) network: Network,
    pub(super) direction: Direction,
    pub(super) version: u32,
    pub(super) min_remote_version: u32,
    pub(super) reviews: bool,
    pub(super) allows_self: bool,
    pub(super) services: Services,
    pub(super) user_agent: &'static str,
    pub(super) start_height: i32,
    pub(super) relay: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) verack_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) ping_interval: Option<Duration>,
    /// How many bytes of the remote's put deadlines off by a second.
    pub(super) read_rate: u32,
    pub(super) max_waiting_events: usize,
    /// How many messages may precede a `verack` on Decred before version 12.
    pub(super) max_before_verack: u8,
    pub(super) required_services: Services,
    /// Whether the peer of the first of the sent nonces has finished its handshake.
    pub(super) first_is_done: bool,
    /// Whether what is queued is looked at after every step, rather than when it leaves.
    pub(super) looks: bool,
}

impl Setup {
    pub(super) fn new(script: &mut Script<'_>) -> Self {
        let flags = script.byte();
        let has = |bit: u8| flags & (1 << bit) != 0;
        let network = if has(0) { Network::DCR_MAINNET } else { Network::EXCC_MAINNET };
        let chain = network.chain();
        let version = match u32::from(script.byte()) {
            0 => chain.advertised_version(),
            version => 1 + (version - 1) % chain.newest_version(),
        };
        let lowest = match chain {
            Chain::Decred => 9,
            _ => 3,
        };
        let secs = Duration::from_secs;
        Self {
            network,
            direction: if has(1) { Direction::Outbound } else { Direction::Inbound },
            version,
            min_remote_version: match u32::from(script.byte()) {
                0 => lowest.min(version),
                minimum => (minimum - 1) % (version + 1),
            },
            reviews: has(2),
            allows_self: has(3),
            services: SERVICES,
            user_agent: match chain {
                Chain::Decred => "/dcrwire:1.0.0/fuzz:1/",
                _ => "/exccwire:1.0.0/fuzz:1/",
            },
            start_height: i32::from(script.byte()) - 100,
            relay: !has(4),
            handshake_timeout: script.one_of(&[secs(30), secs(5), MOMENT, Duration::MAX]),
            verack_timeout: script.one_of(&[Some(secs(30)), None, Some(secs(5)), Some(MOMENT)]),
            idle_timeout: script.one_of(&[Some(secs(120)), None, Some(secs(9))]),
            ping_interval: script.one_of(&[Some(secs(107)), None, Some(secs(4))]),
            max_waiting_events: script.one_of(&[128, 1, 2, 3]),
            max_before_verack: script.one_of(&[2, 0, 1, 5]),
            required_services: Services::from_bits_retain(script.one_of(&[0, 1 << 60, 5 << 61])),
            read_rate: script.one_of(&[10_240, 1, 7, u32::MAX]),
            first_is_done: has(6),
            looks: !has(5),
        }
    }

    /// # Errors
    ///
    /// Those of the configuration, which may refuse what the script asks for.
    pub(super) fn config(&self, nonces: SentNonces) -> Result<Config, ConfigError> {
        Config::builder(self.network)
            .user_agent("fuzz", "1")
            .protocol_version(self.version)
            .min_remote_version(self.min_remote_version)
            .review_version(self.reviews)
            .allow_self_connections(self.allows_self)
            .sent_nonces(nonces)
            .services(self.services)
            .start_height(self.start_height)
            .relay(self.relay)
            .handshake_timeout(self.handshake_timeout)
            .verack_timeout(self.verack_timeout)
            .idle_timeout(self.idle_timeout)
            .ping_interval(self.ping_interval)
            .write_timeout(None)
            .read_rate(self.read_rate)
            .send_unwelcome(true)
            .max_before_verack(self.max_before_verack)
            .required_services(self.required_services)
            .max_waiting_events(self.max_waiting_events, usize::MAX)
            .build()
    }
}
