//! Checks of a configuration: every setting in its range, and no two in contradiction.

use core::time::Duration;

use super::super::error::ConfigError;
use super::super::{known_inventory, outbox, request_kinds};
use super::Config;
use crate::wire::MAX_VECTORS;

/// Minimum interval between pings. A shorter one would leave time for little else.
const MIN_PING_INTERVAL: Duration = Duration::from_millis(1);

/// Maximum of [`max_before_verack`](super::ConfigBuilder::max_before_verack). Early messages take
/// memory for a remote before its handshake completes (`docs/protocol.md`, 5.6).
const MAX_BEFORE_VERACK: usize = 16;

pub(super) fn config(config: &Config) -> Result<(), ConfigError> {
    protocol_versions(config)?;
    timeouts(config)?;
    ping_interval(config)?;
    requests(config)?;
    budgets(config)?;
    trickle_interval(config)?;
    ranges(config)
}

fn protocol_versions(config: &Config) -> Result<(), ConfigError> {
    let (version, newest) = (config.protocol_version, config.network.chain().newest_version());
    if version == 0 || version > newest {
        return Err(ConfigError::ProtocolVersion { version, newest });
    }
    let min = config.min_remote_version;
    if min > version {
        return Err(ConfigError::MinRemoteVersion { min, version });
    }
    Ok(())
}

/// A deadline with a timeout of zero would have passed whenever it is set.
fn timeouts(config: &Config) -> Result<(), ConfigError> {
    let response = config.response_timeouts.iter().filter_map(|&(_, timeout)| timeout).min();
    let timeouts = [
        ("handshake_timeout", Some(config.handshake_timeout)),
        ("verack_timeout", config.verack_timeout),
        ("idle_timeout", config.idle_timeout),
        ("pong_timeout", config.pong_timeout),
        ("write_timeout", config.write_timeout),
        ("response_timeout", response),
    ];
    match timeouts.into_iter().find(|(_, timeout)| *timeout == Some(Duration::ZERO)) {
        Some((setting, _)) => Err(ConfigError::ZeroDuration { setting }),
        None => Ok(()),
    }
}

fn ping_interval(config: &Config) -> Result<(), ConfigError> {
    let Some(ping) = config.ping_interval else { return Ok(()) };
    if let Some(idle) = config.idle_timeout.filter(|&idle| ping >= idle) {
        return Err(ConfigError::PingsTooRare { ping, idle });
    }
    if ping < MIN_PING_INTERVAL {
        let (setting, min) = ("ping_interval", MIN_PING_INTERVAL);
        return Err(ConfigError::TooShort { setting, value: ping, min });
    }
    Ok(())
}

fn requests(config: &Config) -> Result<(), ConfigError> {
    let mut requests = config.response_timeouts.iter().map(|&(command, _)| command);
    match requests.find(|&command| !request_kinds::is_request(command)) {
        Some(command) => Err(ConfigError::NotARequest(command)),
        None => Ok(()),
    }
}

fn budgets(config: &Config) -> Result<(), ConfigError> {
    match config.budgets.iter().find(|(_, budget)| !budget.is_valid()) {
        Some(&(command, _)) => Err(ConfigError::EmptyBudget(command)),
        None => Ok(()),
    }
}

fn trickle_interval(config: &Config) -> Result<(), ConfigError> {
    let (shortest, longest) = (config.trickle.shortest, config.trickle.longest);
    if shortest > longest {
        return Err(ConfigError::TrickleInterval(shortest, longest));
    }
    Ok(())
}

fn ranges(config: &Config) -> Result<(), ConfigError> {
    let ranges = [
        ("max_before_verack", config.max_before_verack.into(), 0, MAX_BEFORE_VERACK),
        ("read_rate", config.read_rate as usize, 1, u32::MAX as usize),
        ("write_rate", config.write_rate as usize, 1, u32::MAX as usize),
        ("inv_batch", config.inv_batch, 1, MAX_VECTORS),
        ("known_inventory", config.known_capacity, 0, known_inventory::MAX_CAPACITY),
        ("max_waiting_events", config.max_waiting_events, 1, usize::MAX),
        // A queue without room for one announcement would refuse all (`docs/protocol.md`, 9.2).
        ("max_queued_bytes", config.max_queued_bytes, outbox::MIN_QUEUED_BYTES, usize::MAX),
    ];
    for (setting, value, min, max) in ranges {
        if value < min || value > max {
            return Err(ConfigError::OutOfRange { setting, value, min, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::budget::Budget;
    use super::super::ConfigBuilder;
    use super::*;
    use crate::network::Network;
    use crate::wire::Command;

    const SECOND: Duration = Duration::from_secs(1);

    fn builder() -> ConfigBuilder {
        Config::builder(Network::DCR_SIMNET)
    }

    fn error(builder: ConfigBuilder) -> Option<ConfigError> {
        builder.build().err()
    }

    #[test]
    fn protocol_versions_are_those_of_the_chain() {
        let version = |version| Config::builder(Network::EXCC_REGNET).protocol_version(version);
        for (version, builder) in [(0, version(0)), (10, version(10))] {
            let expected = ConfigError::ProtocolVersion { version, newest: 9 };
            assert_eq!(error(builder), Some(expected));
        }
        assert_eq!(
            error(version(5).min_remote_version(6)),
            Some(ConfigError::MinRemoteVersion { min: 6, version: 5 })
        );
    }

    #[test]
    fn zero_timeouts_are_refused() {
        let zero = Some(Duration::ZERO);
        for (setting, builder) in [
            ("handshake_timeout", builder().handshake_timeout(Duration::ZERO)),
            ("verack_timeout", builder().verack_timeout(zero)),
            ("idle_timeout", builder().idle_timeout(zero)),
            ("pong_timeout", builder().pong_timeout(zero)),
            ("write_timeout", builder().write_timeout(zero)),
            ("response_timeout", builder().response_timeout(Command::GetHeaders, zero)),
        ] {
            assert_eq!(error(builder), Some(ConfigError::ZeroDuration { setting }));
        }
    }

    #[test]
    fn ping_intervals_are_at_least_a_millisecond_and_below_the_idle_timeout() {
        for nanos in [0, 1, 999_999] {
            let interval = Some(Duration::from_nanos(nanos));
            assert!(matches!(
                error(builder().ping_interval(interval)),
                Some(ConfigError::TooShort { setting: "ping_interval", .. })
            ));
        }
        assert!(builder().ping_interval(Some(MIN_PING_INTERVAL)).build().is_ok());
        assert_eq!(
            error(builder().idle_timeout(Some(SECOND)).ping_interval(Some(SECOND))),
            Some(ConfigError::PingsTooRare { ping: SECOND, idle: SECOND })
        );
    }

    #[test]
    fn a_pong_timeout_may_exceed_the_ping_interval() {
        assert!(builder().pong_timeout(Some(Duration::MAX)).build().is_ok());
    }

    #[test]
    fn response_timeouts_are_for_requests_only() {
        for timeout in [Some(SECOND), None] {
            assert_eq!(
                error(builder().response_timeout(Command::Ping, timeout)),
                Some(ConfigError::NotARequest(Command::Ping))
            );
        }
        let timeout = |command, timeout| {
            let config = builder().response_timeout(command, timeout).build().unwrap();
            config.response_timeout(command)
        };
        assert_eq!(timeout(Command::GetHeaders, Some(SECOND)), Some(SECOND));
        assert_eq!(timeout(Command::GetData, None), None);
    }

    #[test]
    fn empty_budgets_are_refused() {
        for budget in [
            Budget::messages(0, SECOND),
            Budget::messages(1, Duration::ZERO),
            Budget::messages(1, SECOND).and_bytes(0, SECOND),
        ] {
            assert_eq!(
                error(builder().budget(Command::Tx, budget)),
                Some(ConfigError::EmptyBudget(Command::Tx))
            );
        }
    }

    #[test]
    fn an_empty_trickle_interval_is_refused() {
        assert_eq!(
            error(builder().trickle_interval(SECOND..=Duration::ZERO)),
            Some(ConfigError::TrickleInterval(SECOND, Duration::ZERO))
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (expected, builder) in [
            ("known_inventory", builder().known_inventory(1 << 16, SECOND)),
            ("max_waiting_events", builder().max_waiting_events(0, 1)),
            ("read_rate", builder().read_rate(0)),
            ("write_rate", builder().write_rate(0)),
            ("max_queued_bytes", builder().max_queued_bytes(190)),
            ("max_before_verack", builder().max_before_verack(17)),
            ("inv_batch", builder().inv_batch(0)),
            ("inv_batch", builder().inv_batch(MAX_VECTORS + 1)),
        ] {
            let Some(ConfigError::OutOfRange { setting, .. }) = error(builder) else {
                panic!("{expected} is accepted");
            };
            assert_eq!(setting, expected);
        }
    }
}
