//! How a peer presents itself and what it puts up with.

mod builder;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

pub use builder::ConfigBuilder;

use super::answers;
use super::budget::Budget;
use super::nonces::SentNonces;
use super::trickle::Interval;
use crate::network::Network;
use crate::wire::{Command, PeerAddress, Services, TrailingBytes};

/// The configuration of a peer: made by a [`ConfigBuilder`], valid by construction, and
/// shared by any number of peers through an `Arc`. The two ends of one connection within a
/// process need one each, or find that they are the same.
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
    pub(in crate::peer) network: Network,
    pub(in crate::peer) user_agent: String,
    pub(in crate::peer) services: Services,
    pub(in crate::peer) protocol_version: u32,
    pub(in crate::peer) min_remote_version: u32,
    pub(in crate::peer) required_services: Services,
    pub(in crate::peer) start_height: i32,
    pub(in crate::peer) relay: bool,
    pub(in crate::peer) address_hiding: AddressHiding,
    pub(in crate::peer) trailing_bytes: TrailingBytes,
    pub(in crate::peer) sent_nonces: SentNonces,
    pub(in crate::peer) allow_self_connections: bool,
    pub(in crate::peer) review_version: bool,
    pub(in crate::peer) max_before_verack: u8,
    pub(in crate::peer) handshake_timeout: Duration,
    pub(in crate::peer) verack_timeout: Option<Duration>,
    pub(in crate::peer) idle_timeout: Option<Duration>,
    pub(in crate::peer) read_rate: u32,
    pub(in crate::peer) ping_interval: Option<Duration>,
    pub(in crate::peer) pong_timeout: Option<Duration>,
    pub(in crate::peer) write_timeout: Option<Duration>,
    pub(in crate::peer) write_rate: u32,
    /// Of requests; what is not among them has none.
    response_timeouts: Vec<(Command, Option<Duration>)>,
    /// The largest payloads; of what is not among them, the protocol's.
    max_payloads: Vec<(Command, usize)>,
    /// The largest unsolicited payloads; of what is not among them, the defaults.
    max_unsolicited: Vec<(Command, usize)>,
    budgets: Vec<(Command, Budget)>,
    pub(in crate::peer) max_requested: usize,
    pub(in crate::peer) duplicate_request_lifetime: Duration,
    pub(in crate::peer) send_unwelcome: bool,
    pub(in crate::peer) trickle: Interval,
    pub(in crate::peer) inv_batch: usize,
    pub(in crate::peer) max_waiting_announcements: usize,
    pub(in crate::peer) known_capacity: usize,
    pub(in crate::peer) known_lifetime: Duration,
    pub(in crate::peer) max_queued_bytes: usize,
    pub(in crate::peer) overflow: Overflow,
    pub(in crate::peer) max_waiting_events: usize,
    pub(in crate::peer) max_waiting_event_bytes: usize,
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

    /// The height of our best block.
    pub const fn start_height(&self) -> i32 {
        self.start_height
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

    /// How long the answer to a request may take, if there is a limit.
    pub(in crate::peer) fn response_timeout(&self, request: Command) -> Option<Duration> {
        find(&self.response_timeouts, request).flatten()
    }

    /// The most bytes of a payload, if that is less than the protocol allows.
    pub(in crate::peer) fn max_payload(&self, command: Command) -> Option<usize> {
        find(&self.max_payloads, command)
    }

    /// The most bytes of a payload that nobody asked for, if there is a limit.
    pub(in crate::peer) fn max_unsolicited(&self, command: Command) -> Option<usize> {
        find(&self.max_unsolicited, command)
            .or_else(|| answers::default_max_unsolicited(command, self.network.chain()))
    }

    pub(in crate::peer) fn budget(&self, command: Command) -> Option<Budget> {
        find(&self.budgets, command)
    }

    /// The remote's address as our `version` tells it.
    pub(in crate::peer) fn receiver(&self, remote: SocketAddr, services: Services) -> PeerAddress {
        const HIDDEN: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
        let is_hidden = match self.address_hiding {
            AddressHiding::Never => false,
            AddressHiding::Proxy(proxy) => proxy.to_canonical() == remote.ip().to_canonical(),
            AddressHiding::Always => true,
        };
        PeerAddress::new(services, if is_hidden { HIDDEN } else { remote })
    }
}

/// The setting of a command, among those that have one of their own.
fn find<T: Copy>(settings: &[(Command, T)], command: Command) -> Option<T> {
    settings.iter().find(|(other, _)| *other == command).map(|&(_, setting)| setting)
}

/// Replaces the setting of a command.
fn replace<T>(settings: &mut Vec<(Command, T)>, command: Command, setting: T) {
    settings.retain(|(other, _)| *other != command);
    settings.push((command, setting));
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

#[cfg(test)]
mod tests {
    use super::*;

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
