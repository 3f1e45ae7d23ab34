//! Configuration: identity, limits and timeouts.

mod builder;
mod check;
mod defaults;
mod user_agent;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

pub use builder::ConfigBuilder;

use super::budget::Budget;
use super::nonces::SentNonces;
use super::request_kinds;
use super::trickle::Interval;
use crate::network::Network;
use crate::wire::{Command, PeerAddress, Services, TrailingBytes};

/// The configuration of a peer: identity, limits and timeouts.
///
/// A [`ConfigBuilder`] makes it and checks every setting. Any number of peers can share one
/// configuration through an `Arc`.
///
/// All clones of a configuration share one set of [`SentNonces`]. So the two ends of a connection
/// within one process need two configurations. With a shared one, the inbound peer closes with
/// [`CloseReason::SelfConnection`](crate::CloseReason::SelfConnection).
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
    // Identity.
    pub(in crate::peer) network: Network,
    pub(in crate::peer) user_agent: String,
    pub(in crate::peer) services: Services,
    pub(in crate::peer) protocol_version: u32,
    pub(in crate::peer) start_height: i32,
    pub(in crate::peer) relay: bool,
    pub(in crate::peer) address_hiding: AddressHiding,

    // Handshake.
    pub(in crate::peer) min_remote_version: u32,
    pub(in crate::peer) required_services: Services,
    pub(in crate::peer) review_version: bool,
    pub(in crate::peer) max_before_verack: u8,
    pub(in crate::peer) handshake_timeout: Duration,
    pub(in crate::peer) verack_timeout: Option<Duration>,
    pub(in crate::peer) sent_nonces: SentNonces,
    pub(in crate::peer) allow_self_connections: bool,

    // Keep-alive and timeouts.
    pub(in crate::peer) ping_interval: Option<Duration>,
    pub(in crate::peer) pong_timeout: Option<Duration>,
    pub(in crate::peer) idle_timeout: Option<Duration>,
    pub(in crate::peer) read_rate: u32,

    // Requests.
    /// Response timeouts by request. A request without an entry has no timeout.
    response_timeouts: Vec<(Command, Option<Duration>)>,
    pub(in crate::peer) max_requested: usize,
    pub(in crate::peer) duplicate_request_lifetime: Duration,

    // Relay.
    pub(in crate::peer) trickle: Interval,
    pub(in crate::peer) inv_batch: usize,
    pub(in crate::peer) max_waiting_announcements: usize,
    pub(in crate::peer) known_capacity: usize,
    pub(in crate::peer) known_lifetime: Duration,

    // Output queue.
    pub(in crate::peer) max_queued_bytes: usize,
    pub(in crate::peer) overflow: Overflow,
    pub(in crate::peer) write_timeout: Option<Duration>,
    pub(in crate::peer) write_rate: u32,
    pub(in crate::peer) send_unwelcome: bool,

    // Input limits.
    /// Maximum payload lengths. A command without an entry has the limit of the protocol.
    max_payloads: Vec<(Command, usize)>,
    /// Maximum unsolicited payload lengths. A command without an entry has the default.
    max_unsolicited: Vec<(Command, usize)>,
    budgets: Vec<(Command, Budget)>,
    pub(in crate::peer) trailing_bytes: TrailingBytes,

    // Events.
    pub(in crate::peer) max_waiting_events: usize,
    pub(in crate::peer) max_waiting_event_bytes: usize,
}

impl Config {
    /// Returns a builder with the defaults of the reference nodes of `network`.
    pub fn builder(network: Network) -> ConfigBuilder {
        ConfigBuilder::new(network)
    }

    /// The network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The complete user agent, with the prefix of the chain.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The highest protocol version that we support.
    pub const fn protocol_version(&self) -> u32 {
        self.protocol_version
    }

    /// The services that our `version` advertises.
    pub const fn services(&self) -> Services {
        self.services
    }

    /// The height of our best block, as our `version` advertises it.
    pub const fn start_height(&self) -> i32 {
        self.start_height
    }

    /// The set of nonces that the peers of this configuration share.
    pub const fn sent_nonces(&self) -> &SentNonces {
        &self.sent_nonces
    }

    /// Replaces the [start height](ConfigBuilder::start_height), for new connections after the
    /// best block has changed.
    pub fn with_start_height(mut self, height: i32) -> Self {
        self.start_height = height;
        self
    }

    /// Returns the timeout of a request, if it has one.
    pub(in crate::peer) fn response_timeout(&self, request: Command) -> Option<Duration> {
        find(&self.response_timeouts, request).flatten()
    }

    /// Returns the configured maximum payload length in bytes, if there is one. The limit of the
    /// protocol applies as well.
    pub(in crate::peer) fn max_payload(&self, command: Command) -> Option<usize> {
        find(&self.max_payloads, command)
    }

    /// Returns the maximum length in bytes of an unsolicited payload, if there is one.
    pub(in crate::peer) fn max_unsolicited(&self, command: Command) -> Option<usize> {
        find(&self.max_unsolicited, command)
            .or_else(|| request_kinds::default_max_unsolicited(command, self.network.chain()))
    }

    pub(in crate::peer) fn budget(&self, command: Command) -> Option<Budget> {
        find(&self.budgets, command)
    }

    /// Returns the receiver address of our `version` (`docs/protocol.md`, 5.3).
    pub(in crate::peer) fn receiver(&self, remote: SocketAddr, services: Services) -> PeerAddress {
        const HIDDEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let is_hidden = match self.address_hiding {
            AddressHiding::Never => false,
            // Reference nodes compare the texts of both addresses, which differ between two
            // spellings of one address (`docs/protocol.md`, 5.7).
            AddressHiding::Proxy(proxy) => proxy.to_canonical() == remote.ip().to_canonical(),
            AddressHiding::Always => true,
        };
        PeerAddress::new(services, if is_hidden { HIDDEN } else { remote })
    }
}

/// Returns the setting of a command, if there is one.
fn find<T: Copy>(settings: &[(Command, T)], command: Command) -> Option<T> {
    settings.iter().find(|(other, _)| *other == command).map(|&(_, setting)| setting)
}

/// Adds or replaces the setting of a command.
fn replace<T>(settings: &mut Vec<(Command, T)>, command: Command, setting: T) {
    settings.retain(|(other, _)| *other != command);
    settings.push((command, setting));
}

/// Condition under which our `version` hides the remote's address, set by
/// [`ConfigBuilder::address_hiding`].
///
/// The `version` message has a field for the address of its receiver. On a connection through a
/// proxy this is the address of the proxy, which the remote should not learn. A hidden address is
/// sent as `0.0.0.0:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AddressHiding {
    /// Sends the remote's address always.
    #[default]
    Never,
    /// Hides the remote's address if its IP address is the one of this proxy. An IPv4-mapped IPv6
    /// address equals its IPv4 address.
    Proxy(IpAddr),
    /// Hides the remote's address always.
    Always,
}

/// Reaction to a message that would exceed
/// [`max_queued_bytes`](ConfigBuilder::max_queued_bytes), set by [`ConfigBuilder::overflow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Returns the message with [`SendErrorKind::QueueFull`](crate::SendErrorKind::QueueFull).
    /// Batched announcements stay in the batch until the queue has room.
    #[default]
    Refuse,
    /// Closes the peer with [`CloseReason::OutputOverflow`](crate::CloseReason::OutputOverflow), as
    /// Decred's reference node does.
    Close,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_proxy_is_hidden_in_every_spelling() {
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
