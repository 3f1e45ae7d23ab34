//! Limits on the length of a payload, checked at its header (`docs/protocol.md`, 11.1 and 11.2).

use excc_peer::wire::{
    Command, GetCFilterV2, GetCFsV2, GetInitState, LocatorRequest, Message, Protocol, Reject,
    RejectCode,
};
use excc_peer::{Chain, CloseReason, Config, ConfigBuilder, Network};

use crate::common::*;

/// A configuration with the default limits on unsolicited messages.
fn default_limits(network: Network) -> ConfigBuilder {
    Config::builder(network).idle_timeout(None).ping_interval(None).send_unwelcome(true)
}

/// A peer at the newest version that has the command, if any, and the maximum payload there.
fn peer_with(
    network: Network,
    command: Command,
    configure: impl Fn(ConfigBuilder) -> ConfigBuilder,
) -> Option<(Peer, usize)> {
    let chain = network.chain();
    let oldest = if chain == Chain::Decred { 9 } else { 3 };
    let versions = (oldest..=chain.newest_version()).rev();
    let number = { versions }.find(|&it| command.is_defined(Protocol::new(chain, it)))?;
    let config = configure(default_limits(network).protocol_version(number));
    let peer = match command {
        Command::Version => Peer::inbound(config),
        _ => Peer::established(config),
    };
    Some((peer, command.max_payload(Protocol::new(chain, number))))
}

fn header_of(network: Network, command: Command, len: usize) -> Vec<u8> {
    raw_header(network, command.as_str().as_bytes(), len as u32, [0; 4])
}

#[test]
fn the_maximum_payload_of_each_command_can_be_lowered() {
    for network in [EXCC, DCR] {
        for &command in Command::ALL {
            let limits = |limit| {
                move |config: ConfigBuilder| {
                    config.max_payload(command, limit).max_unsolicited(command, usize::MAX)
                }
            };
            let Some((_, largest)) = peer_with(network, command, limits(0)) else { continue };
            if largest == 0 {
                continue;
            }
            for limit in [0, largest / 2, largest - 1] {
                let (mut peer, _) = peer_with(network, command, limits(limit)).unwrap();
                let expected = CloseReason::PayloadTooLarge { command, len: limit + 1, limit };
                assert_eq!(peer.feed(&header_of(network, command, limit + 1)), Err(expected));
                let (mut peer, _) = peer_with(network, command, limits(limit)).unwrap();
                // An empty payload is complete, and may be malformed.
                if limit > 0 {
                    assert_eq!(peer.feed(&header_of(network, command, limit)), Ok(()));
                }
            }
            // The setting never raises the limit.
            let (mut peer, _) = peer_with(network, command, limits(usize::MAX)).unwrap();
            let reason = peer.feed(&header_of(network, command, largest + 1)).unwrap_err();
            assert_eq!(decode_error(&reason), "PayloadTooLarge");
        }
    }
}

#[test]
fn a_maximum_payload_applies_to_its_command_only() {
    let mut peer = Peer::established(default_limits(EXCC).max_payload(Command::Inv, 100));
    peer.receive(Message::Addr(Default::default())).unwrap();
    peer.receive(getdata((0..50).map(tx))).unwrap();
    peer.receive(inv((0..2).map(tx))).unwrap();
    assert!(peer.receive(inv((0..3).map(tx))).is_err());
}

#[test]
fn the_maximum_unsolicited_payload_of_each_command_can_be_set() {
    for network in [EXCC, DCR] {
        for &command in Command::ALL {
            let limits =
                |limit| move |config: ConfigBuilder| config.max_unsolicited(command, limit);
            let Some((_, largest)) = peer_with(network, command, limits(0)) else { continue };
            let largest = match command {
                // The default of `max_payload` for a `reject`.
                Command::Reject => 4_096,
                _ => largest,
            };
            if largest < 2 {
                continue;
            }
            for limit in [largest / 2, largest - 1] {
                let (mut peer, _) = peer_with(network, command, limits(limit)).unwrap();
                assert_eq!(peer.feed(&header_of(network, command, limit)), Ok(()), "{command}");
                let (mut peer, _) = peer_with(network, command, limits(limit)).unwrap();
                let expected = CloseReason::Unsolicited { command, len: limit + 1, limit };
                assert_eq!(peer.feed(&header_of(network, command, limit + 1)), Err(expected));
            }
        }
    }
}

/// The default limits refuse every message that only answers requests.
#[test]
fn unsolicited_answers_are_refused_at_their_headers() {
    for network in [EXCC, DCR] {
        for &command in Command::ALL {
            let Some((mut peer, largest)) = peer_with(network, command, |config| config) else {
                continue;
            };
            let limit = match command {
                Command::Headers => Some(1 + 12 * (network.chain().header_len() + 1)),
                _ if ANSWERS.contains(&command) => Some(0),
                _ => None,
            };
            let len = largest.min(4_000);
            if let Some(limit) = limit {
                let header = header_of(network, command, limit + 1);
                let expected = CloseReason::Unsolicited { command, len: limit + 1, limit };
                assert_eq!(peer.feed(&header), Err(expected));
            } else if len > 0 {
                assert_eq!(peer.feed(&header_of(network, command, len)), Ok(()), "{command}");
            }
        }
    }
}

#[test]
fn up_to_12_headers_may_announce_blocks() {
    for network in [EXCC, DCR] {
        let chain = network.chain();
        let headers = |count| {
            let headers = vec![header(chain); count];
            Message::Headers(
                excc_peer::wire::Headers::new(chain, &headers).expect("headers of the chain"),
            )
        };
        let mut peer = Peer::established(default_limits(network));
        peer.receive(headers(12)).unwrap();
        peer.receive(headers(12)).unwrap();
        let reason = peer.receive(headers(13)).unwrap_err();
        assert!(matches!(reason, CloseReason::Unsolicited { command: Command::Headers, .. }));
        let mut peer = Peer::established(default_limits(network));
        peer.state.send(peer.now, Message::GetHeaders(LocatorRequest::new([hash(1)]))).unwrap();
        peer.receive(headers(2_000)).unwrap();
        assert!(peer.receive(headers(13)).is_err(), "one answer for each request");
    }
}

/// Requests, and a command that answers each.
fn requests(network: Network) -> Vec<(Message, Command)> {
    let locator = || LocatorRequest::new([hash(1)]);
    let filters = GetCFsV2 { start_hash: hash(1), end_hash: hash(2) };
    let getdata = |vector| getdata([vector]);
    let mut requests = vec![
        (getdata(block(1)), Command::Block),
        (getdata(block(1)), Command::NotFound),
        (getdata(tx(1)), Command::Tx),
        (getdata(tx(1)), Command::NotFound),
        (GetInitState::default().into(), Command::InitState),
        (Message::GetHeaders(locator()), Command::Headers),
        (Message::GetBlocks(locator()), Command::Inv),
        (Message::GetCFTypes, Command::CFTypes),
        (Message::GetCFilterV2(GetCFilterV2 { block_hash: hash(1) }), Command::CFilterV2),
    ];
    match network {
        EXCC => {
            requests.push((Message::GetMinings, Command::MiningState));
            requests.push((Message::GetAddr, Command::Addr));
        }
        _ => {
            requests.push((Message::GetCFsV2(filters), Command::CFiltersV2));
            requests.push((Message::GetAddr, Command::AddrV2));
            for mix in [Command::MixPairReq, Command::MixKeyXchg, Command::MixSecrets] {
                requests.push((getdata(excc_peer::wire::InvVect::mix(hash(1))), mix));
            }
        }
    }
    requests
}

#[test]
fn a_large_answer_is_accepted_after_its_request() {
    for network in [EXCC, DCR] {
        for (request, command) in requests(network) {
            let mut peer = Peer::established(default_limits(network).max_unsolicited(command, 0));
            let header = header_of(network, command, 1);
            let expected = CloseReason::Unsolicited { command, len: 1, limit: 0 };
            assert_eq!(peer.feed(&header), Err(expected), "{command}");

            let mut peer = Peer::established(default_limits(network).max_unsolicited(command, 0));
            peer.state.send(peer.now, request).unwrap();
            assert_eq!(peer.feed(&header), Ok(()), "{command}");
            // A header is checked once.
            for _ in 0..3 {
                assert_eq!(peer.feed(&[]), Ok(()), "{command}");
            }
        }
    }
}

#[test]
fn one_mempool_may_be_answered_by_64_invs() {
    let mut peer = Peer::established(default_limits(EXCC).max_unsolicited(Command::Inv, 100));
    peer.state.send(peer.now, Message::MemPool).unwrap();
    let batch = inv((0..1_000).map(tx));
    for _ in 0..64 {
        peer.receive(batch.clone()).unwrap();
        peer.events();
    }
    assert!(peer.receive(batch).is_err());
}

/// On Decred a filter batch may have 26 MB.
#[test]
fn an_unsolicited_filter_batch_is_refused_at_its_header() {
    let header = header_of(DCR, Command::CFiltersV2, 25_000_000);
    let mut peer = Peer::established(default_limits(DCR));
    let command = Command::CFiltersV2;
    let reason = CloseReason::Unsolicited { command, len: 25_000_000, limit: 0 };
    assert_eq!(peer.feed(&header), Err(reason));

    let filters = GetCFsV2 { start_hash: hash(1), end_hash: hash(2) };
    let mut peer = Peer::established(default_limits(DCR));
    peer.state.send(peer.now, Message::GetCFsV2(filters)).unwrap();
    assert_eq!(peer.feed(&header), Ok(()));
}

#[test]
fn max_payload_applies_to_solicited_messages() {
    let config = default_limits(EXCC).max_payload(Command::Block, 1_000);
    let mut peer = Peer::established(config);
    peer.state.send(peer.now, getdata([block(1)])).unwrap();
    let reason = peer.feed(&header_of(EXCC, Command::Block, 1_001)).unwrap_err();
    assert!(matches!(reason, CloseReason::PayloadTooLarge { limit: 1_000, .. }));
}

#[test]
fn a_reject_has_a_lower_limit_than_the_protocol_allows() {
    let reject = |len| Reject {
        command: "tx".into(),
        code: RejectCode::DUST,
        reason: "r".repeat(len),
        hash: Some(hash(1)),
    };
    let mut peer = Peer::established(config(EXCC));
    peer.receive(reject(4_000)).unwrap();
    assert_eq!(peer.messages(), [reject(4_000).into()]);
    let bytes = frame(EXCC, 8, reject(5_000));
    let (command, len) = (Command::Reject, bytes.len() - 24);
    let reason = CloseReason::PayloadTooLarge { command, len, limit: 4_096 };
    assert_eq!(peer.feed(&bytes[..24]), Err(reason));

    let mut lenient = Peer::established(config(EXCC).max_payload(Command::Reject, 10_000));
    lenient.receive(reject(5_000)).unwrap();
}
