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
        assert_eq!(build.build().err(), Some(ConfigError::ProtocolVersion { version, newest: 9 }));
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
    assert!(builder.clone().pong_timeout(Some(Duration::MAX)).build().is_ok());
}

#[test]
fn intervals_and_timeouts_that_leave_no_time_are_refused() {
    let builder = || Config::builder(Network::DCR_SIMNET);
    let zero = Some(Duration::ZERO);
    let refused = [
        ("handshake_timeout", builder().handshake_timeout(Duration::ZERO)),
        ("verack_timeout", builder().verack_timeout(zero)),
        ("idle_timeout", builder().idle_timeout(zero)),
        ("pong_timeout", builder().pong_timeout(zero)),
        ("write_timeout", builder().write_timeout(zero)),
        ("response_timeout", builder().response_timeout(Command::GetHeaders, zero)),
    ];
    for (what, builder) in refused {
        assert_eq!(builder.build().err(), Some(ConfigError::ZeroDuration { what }));
    }
    for nanos in [0, 1, 999_999] {
        let interval = Some(Duration::from_nanos(nanos));
        assert!(matches!(
            builder().ping_interval(interval).build(),
            Err(ConfigError::TooShort { what: "ping_interval", .. })
        ));
    }
    assert!(builder().ping_interval(Some(MIN_PING_INTERVAL)).build().is_ok());
    for budget in [
        Budget::messages(0, Duration::from_secs(1)),
        Budget::messages(1, Duration::ZERO),
        Budget::messages(1, Duration::from_secs(1)).and_bytes(0, Duration::from_secs(1)),
    ] {
        assert_eq!(
            builder().budget(Command::Tx, budget).build().err(),
            Some(ConfigError::EmptyBudget(Command::Tx))
        );
    }
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
        builder().read_rate(0).build(),
        Err(ConfigError::OutOfRange { what: "read_rate", .. })
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
