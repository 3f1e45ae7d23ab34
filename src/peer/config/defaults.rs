//! Default settings, and the reasons for them.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::nonces::SentNonces;
use super::super::trickle::{self, Interval};
use super::{AddressHiding, Config, Overflow};
use crate::network::{Chain, Network};
use crate::wire::{Command, Services, TrailingBytes};

/// `stallResponseTimeout` of the reference nodes (`docs/protocol.md`, 7.3).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// `defaultIdleTimeout` of the reference nodes (`docs/protocol.md`, 6.4).
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// `pingInterval` of the reference nodes, which is 13 s less than their default idle timeout
/// (`docs/protocol.md`, 6.1).
const PING_INTERVAL: Duration = Duration::from_secs(107);

/// Rate in bytes per second that extends deadlines.
///
/// A reference node disconnects if the largest block, 1.25 MiB, takes longer than its idle timeout
/// of 120 s. This rate is slightly lower, so that no line which satisfies them fails here
/// (`docs/protocol.md`, 10.2).
const RATE: u32 = 10 * 1024;

/// Returns the configuration of a builder without any setting.
///
/// The user agent, the minimum remote version and the ping interval depend on other settings.
/// [`ConfigBuilder::build`](super::ConfigBuilder::build) sets them.
pub(super) fn config(network: Network) -> Config {
    let chain = network.chain();
    Config {
        network,
        user_agent: String::new(),
        services: Services::empty(),
        // `MaxProtocolVersion` of the nodes' peer packages. exccd knows version 9 and advertises 8
        // (`docs/protocol.md`, 1.1).
        protocol_version: chain.advertised_version(),
        start_height: 0,
        relay: true,
        address_hiding: AddressHiding::Never,

        min_remote_version: 0,
        required_services: Services::empty(),
        review_version: false,
        // `readRemoteVerAckMsgLegacy` of dcrd reads three messages (`docs/protocol.md`, 5.6).
        max_before_verack: 2,
        // `negotiateTimeout` (`docs/protocol.md`, 5.8).
        handshake_timeout: Duration::from_secs(30),
        // Intended by exccd, which never arms this deadline (`docs/protocol.md`, 5.5 and 14).
        verack_timeout: Some(Duration::from_secs(30)),
        sent_nonces: SentNonces::new(),
        allow_self_connections: false,

        ping_interval: None,
        // No reference node has a pong deadline (`docs/protocol.md`, 6.2).
        pong_timeout: None,
        idle_timeout: Some(IDLE_TIMEOUT),
        read_rate: RATE,

        // Nodes must answer these two. They may ignore every other request (`docs/protocol.md`, 7.1).
        response_timeouts: vec![
            (Command::GetData, Some(RESPONSE_TIMEOUT)),
            (Command::GetInitState, Some(RESPONSE_TIMEOUT)),
        ],
        // `maxBurst` of dcrd's `maybeAddDeadline` (`docs/protocol.md`, 7.3).
        max_requested: 75_000,
        duplicate_request_lifetime: duplicate_request_lifetime(chain),

        // dcrd's range, which hides where a transaction began (`docs/protocol.md`, 8.2).
        trickle: Interval {
            shortest: Duration::from_millis(100),
            longest: Duration::from_millis(500),
        },
        inv_batch: trickle::DEFAULT_BATCH,
        // One full `inv`. The lists of the reference nodes have no bound (`docs/protocol.md`, 8.2).
        max_waiting_announcements: 50_000,
        // `maxKnownInventory` and `maxKnownInventoryTTL` of dcrd (`docs/protocol.md`, 8.1).
        known_capacity: 1_000,
        known_lifetime: Duration::from_secs(15 * 60),

        // `maxQueuedOutputBytes` of dcrd (`docs/protocol.md`, 9.2).
        max_queued_bytes: 40 * 1024 * 1024,
        // dcrd disconnects. Only the application knows whether to wait (`docs/protocol.md`, 9.2).
        overflow: Overflow::Refuse,
        // `writeStallTimeout` of dcrd (`docs/protocol.md`, 9.4).
        write_timeout: Some(Duration::from_secs(20)),
        write_rate: RATE,
        // A ban lasts 24 hours (`docs/protocol.md`, 7.5).
        send_unwelcome: false,

        // The protocol allows 32 MiB, which no code reads (`docs/protocol.md`, 11.1).
        max_payloads: vec![(Command::Reject, 4 * 1024)],
        max_unsolicited: Vec::new(),
        budgets: Vec::new(),
        // exccd ignores them in `ReadMessageN`, and dcrd refuses them (`docs/protocol.md`, 2.3).
        trailing_bytes: TrailingBytes::of(chain),

        // Bounds the memory of a peer whose events are not taken (`docs/protocol.md`, 11.4).
        max_waiting_events: 128,
        max_waiting_event_bytes: 4 * 1024 * 1024,
    }
}

/// Returns the response timeout of `getheaders` and `getblocks` in the reference nodes.
///
/// Their memory of the last request never expires: after a lost answer an identical request is
/// never sent again (`PushGetHeadersMsg`; `docs/protocol.md`, 13.2).
fn duplicate_request_lifetime(chain: Chain) -> Duration {
    match chain {
        Chain::Exchangecoin => 30 * RESPONSE_TIMEOUT,
        Chain::Decred => RESPONSE_TIMEOUT,
    }
}

/// Returns the minimum of the reference nodes' servers, or our own version if that is lower.
pub(super) fn min_remote_version(config: &Config) -> u32 {
    config.network.chain().min_remote_version().min(config.protocol_version)
}

/// Returns an interval of which two fit into every idle timeout.
///
/// Reference nodes ping every 107 s whatever their idle timeout is. With a shorter one, two quiet
/// nodes disconnect each other (`docs/protocol.md`, 6.1).
pub(super) fn ping_interval(config: &Config) -> Duration {
    match config.idle_timeout {
        Some(idle) if idle < IDLE_TIMEOUT => idle * 2 / 5,
        _ => PING_INTERVAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ping_interval_follows_a_short_idle_timeout() {
        let interval = |idle: Option<u64>| {
            let idle = idle.map(Duration::from_secs);
            let config = Config::builder(Network::DCR_SIMNET).idle_timeout(idle).build();
            config.unwrap().ping_interval
        };
        assert_eq!(interval(Some(120)), Some(PING_INTERVAL));
        assert_eq!(interval(None), Some(PING_INTERVAL));
        assert_eq!(interval(Some(15)), Some(Duration::from_secs(6)));
    }

    #[test]
    fn the_minimum_remote_version_is_at_most_our_own() {
        let minimum = |version| {
            let builder = Config::builder(Network::EXCC_REGNET).protocol_version(version);
            builder.build().unwrap().min_remote_version
        };
        assert_eq!(minimum(1), 1);
        assert_eq!(minimum(9), 3);
    }

    #[test]
    fn only_requests_with_a_guaranteed_answer_have_a_timeout() {
        let config = Config::builder(Network::DCR_MAINNET).build().unwrap();
        assert_eq!(config.response_timeout(Command::GetData), Some(RESPONSE_TIMEOUT));
        assert_eq!(config.response_timeout(Command::GetInitState), Some(RESPONSE_TIMEOUT));
        assert_eq!(config.response_timeout(Command::GetHeaders), None);
    }
}
