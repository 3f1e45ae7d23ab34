//! The fields of our `version` message and of the remote's (`docs/protocol.md`, 5.3).

use std::net::IpAddr;

use excc_peer::wire::{ErrorKind, Message, PeerAddress, Services, Version};
use excc_peer::{AddressHiding, CloseReason, ConfigBuilder, ConfigError, Event, Network};

use crate::common::*;

/// The `version` of an inbound peer whose remote offers [`Services::NODE_NETWORK`].
fn answer(config: ConfigBuilder) -> Version {
    let mut peer = Peer::inbound(config);
    peer.advance(secs(7));
    peer.receive(version(8)).unwrap();
    sent_version(&mut peer)
}

fn sent_version(peer: &mut Peer) -> Version {
    match peer.sent().swap_remove(0) {
        Message::Version(version) => *version,
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_version_has_the_configured_fields() {
    let services = Services::NODE_NETWORK | Services::NODE_CF;
    let config = config(EXCC).services(services).start_height(1234).relay(false);
    let ours = answer(config.user_agent("exccd", "2.7.6").user_agent_comment("pre"));
    let expected = Version {
        protocol_version: 8,
        services,
        timestamp: UNIX_TIME.as_secs() as i64 + 7,
        receiver: PeerAddress::new(Services::NODE_NETWORK, remote()),
        sender: PeerAddress::from_parts(services, [0; 16].into(), 0),
        nonce: ours.nonce,
        user_agent: "/exccwire:1.0.0/exccd:2.7.6(pre)/".into(),
        start_height: 1234,
        relay: false,
    };
    assert_eq!(ours, expected);
    assert_ne!(ours.nonce, 0);
}

#[test]
fn an_outbound_version_has_no_services_of_the_remote() {
    let ours = sent_version(&mut Peer::outbound(config(EXCC)));
    assert_eq!(ours.receiver, PeerAddress::new(Services::empty(), remote()));
}

#[test]
fn the_start_height_can_be_raised_for_later_connections() {
    let config = config(EXCC).start_height(1).build().unwrap().with_start_height(2);
    let mut peer = Peer::with_config(config, excc_peer::Direction::Outbound, 1);
    assert_eq!(sent_version(&mut peer).start_height, 2);
}

#[test]
fn the_address_of_a_proxy_is_hidden() {
    let proxy = |ip: IpAddr| config(EXCC).address_hiding(AddressHiding::Proxy(ip));
    let ours = sent_version(&mut Peer::outbound(proxy(remote().ip())));
    assert_eq!(ours.receiver, PeerAddress::new(Services::empty(), "0.0.0.0:0".parse().unwrap()));
    // On the wire it is an IPv4-mapped address.
    assert_eq!(ours.receiver.wire_ip().octets()[10..12], [0xff, 0xff]);

    let ours = sent_version(&mut Peer::outbound(proxy("203.0.113.8".parse().unwrap())));
    assert_eq!(ours.receiver.socket_addr(), remote());
}

#[test]
fn a_hidden_address_keeps_its_services() {
    let ours = answer(config(EXCC).address_hiding(AddressHiding::Always));
    let hidden = PeerAddress::new(Services::NODE_NETWORK, "0.0.0.0:0".parse().unwrap());
    assert_eq!(ours.receiver, hidden);
}

/// The reference nodes drop it without an error and advertise only the prefix.
#[test]
fn a_user_agent_that_is_too_long_is_a_configuration_error() {
    let error = config(EXCC).user_agent("n".repeat(300), "1").build().unwrap_err();
    assert!(matches!(error, ConfigError::UserAgent { kind: ErrorKind::UserAgentTooLong(_), .. }));
}

/// A `version` payload: 80 bytes, the user agent, the height and the relay flag.
fn whole_payload() -> Vec<u8> {
    frame(EXCC, 8, version(12))[24..].to_vec()
}

/// The result of receiving a `version` payload.
fn received(network: Network, payload: &[u8]) -> Result<(), CloseReason> {
    Peer::inbound(config(network)).feed(&raw_frame(network, b"version", payload))
}

#[test]
fn a_version_may_end_after_any_optional_field() {
    let payload = whole_payload();
    let agent_end = 80 + 1 + "/remote:1/".len();
    let allowed = [46, 72, 80, agent_end, agent_end + 4, agent_end + 5];
    for network in [EXCC, DCR] {
        for len in 0..=payload.len() {
            match received(network, &payload[..len]) {
                Ok(()) => assert!(allowed.contains(&len), "{len}"),
                Err(reason) => {
                    assert_eq!(decode_error(&reason), "Truncated");
                    assert!(!allowed.contains(&len), "{len}");
                    assert!(!reason.is_violation(EXCC.chain()));
                }
            }
        }
    }
}

#[test]
fn missing_fields_have_their_defaults() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.feed(&raw_frame(EXCC, b"version", &whole_payload()[..46])).unwrap();
    let Some(Event::VersionReceived(version)) = peer.state.poll_event() else { panic!() };
    assert_eq!((version.nonce, version.start_height, version.relay), (0, 0, true));
    assert_eq!(version.user_agent, "");
}

#[test]
fn user_agents_are_limited_and_printable() {
    let with_agent = |len_prefix: &[u8], agent: &[u8]| {
        let mut payload = whole_payload()[..80].to_vec();
        payload.extend_from_slice(len_prefix);
        payload.extend_from_slice(agent);
        payload
    };
    for network in [EXCC, DCR] {
        let refused = |payload: &[u8]| decode_error(&received(network, payload).unwrap_err());
        assert_eq!(received(network, &with_agent(&[0xfd, 0, 1], &[b'a'; 256])), Ok(()));
        assert_eq!(refused(&with_agent(&[0xfd, 1, 1], &[b'a'; 257])), "UserAgentTooLong");
        assert_eq!(refused(&with_agent(&[2], &[b'a', 0x80])), "MalformedStrictString");
        assert_eq!(refused(&with_agent(&[0xfe, 0, 0, 0, 0x10], b"a")), "VarStringTooLong");
    }
}

#[test]
fn bytes_after_a_version_are_ignored_on_exchangecoin_and_refused_on_decred() {
    let mut payload = whole_payload();
    payload.extend_from_slice(&[1, 2, 3]);
    assert_eq!(received(EXCC, &payload), Ok(()));
    assert_eq!(decode_error(&received(DCR, &payload).unwrap_err()), "TrailingBytes");
}

#[test]
fn a_timestamp_out_of_range_is_refused_on_decred() {
    let mut payload = whole_payload();
    payload[12..20].copy_from_slice(&i64::MAX.to_le_bytes());
    assert_eq!(received(EXCC, &payload), Ok(()));
    assert_eq!(decode_error(&received(DCR, &payload).unwrap_err()), "InvalidTimestamp");
}

#[test]
fn a_version_above_its_maximum_length_is_refused_at_its_header() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.feed(&raw_header(EXCC, b"version", 358, [0; 4])).unwrap();
    let mut peer = Peer::inbound(config(EXCC));
    let reason = peer.feed(&raw_header(EXCC, b"version", 359, [0; 4])).unwrap_err();
    assert_eq!(decode_error(&reason), "PayloadTooLarge");
}
