//! Received frames that are refused, and the cost of refusing them (`docs/protocol.md`, 2.3).

use excc_peer::wire::{Command, MAX_PAYLOAD, Message, TrailingBytes};
use excc_peer::{CloseReason, Event, Network};
use rand_core::Rng;

use crate::common::*;

/// The error with which an established peer refuses `bytes`.
fn refused(network: Network, bytes: &[u8]) -> &'static str {
    refused_at(network, newest(network), bytes)
}

fn newest(network: Network) -> i32 {
    network.chain().advertised_version().cast_signed()
}

/// The error with which a peer at `protocol_version` refuses `bytes`.
fn refused_at(network: Network, protocol_version: i32, bytes: &[u8]) -> &'static str {
    let config = config(network);
    let config = match protocol_version {
        9.. if network == EXCC => config.protocol_version(9),
        9.. => config,
        _ => config.min_remote_version(1),
    };
    let mut peer = Peer::inbound(config);
    peer.shake_hands(version(protocol_version));
    let reason = peer.feed(bytes).unwrap_err();
    assert_eq!(peer.events(), [Event::Closed(reason.clone())]);
    assert_eq!(peer.sent(), []);
    decode_error(&reason)
}

#[test]
fn an_unknown_command_closes() {
    for network in [EXCC, DCR] {
        assert_eq!(refused(network, &raw_frame(network, b"hello", b"")), "UnknownCmd");
        assert_eq!(refused(network, &raw_frame(network, b"PING", b"12345678")), "UnknownCmd");
        assert_eq!(refused(network, &raw_frame(network, b"", b"")), "UnknownCmd");
    }
}

#[test]
fn a_malformed_command_closes() {
    for network in [EXCC, DCR] {
        let bytes = raw_frame(network, b"ping\0x", b"12345678");
        assert_eq!(refused(network, &bytes), "MalformedCmd");
        assert_eq!(refused(network, &raw_frame(network, b"\x80", b"")), "MalformedCmd");
    }
}

#[test]
fn a_frame_of_another_network_closes() {
    assert_eq!(refused(EXCC, &frame(DCR, 8, Message::GetAddr)), "WrongNetwork");
    assert_eq!(refused(DCR, &frame(Network::DCR_TESTNET, 8, Message::GetAddr)), "WrongNetwork");
}

#[test]
fn a_wrong_checksum_closes() {
    let mut bytes = frame(EXCC, 8, ping(1)).to_vec();
    bytes[20] ^= 1;
    assert_eq!(refused(EXCC, &bytes), "PayloadChecksum");
    // The checksum of the other chain is wrong too.
    let mut bytes = frame(DCR, 8, ping(1)).to_vec();
    bytes[..4].copy_from_slice(&EXCC.magic().to_le_bytes());
    assert_eq!(refused(EXCC, &bytes), "PayloadChecksum");
}

#[test]
fn trailing_bytes_are_ignored_on_exchangecoin_and_refused_on_decred() {
    let surplus = |network| {
        let mut payload = frame(network, 8, inv([tx(1)]))[24..].to_vec();
        payload.extend_from_slice(b"xyz");
        raw_frame(network, b"inv", &payload)
    };
    let mut peer = Peer::established(config(EXCC));
    peer.feed(&surplus(EXCC)).unwrap();
    assert_eq!(peer.messages(), [inv([tx(1)])]);
    assert_eq!(refused(DCR, &surplus(DCR)), "TrailingBytes");

    let mut strict = Peer::established(config(EXCC).trailing_bytes(TrailingBytes::Reject));
    assert_eq!(decode_error(&strict.feed(&surplus(EXCC)).unwrap_err()), "TrailingBytes");
    let mut lenient = Peer::established(config(DCR).trailing_bytes(TrailingBytes::Ignore));
    lenient.feed(&surplus(DCR)).unwrap();
}

#[test]
fn a_ping_that_is_too_long_closes_whatever_its_checksum() {
    for network in [EXCC, DCR] {
        let mut bytes = raw_frame(network, b"ping", &[0; 9]);
        assert_eq!(refused(network, &bytes), "PayloadTooLarge");
        bytes[20] ^= 1;
        assert_eq!(refused(network, &bytes), "PayloadTooLarge");
    }
}

#[test]
fn a_ping_that_is_too_short_closes_and_is_no_violation() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(config(network));
        let reason = peer.feed(&raw_frame(network, b"ping", &[0; 7])).unwrap_err();
        assert_eq!(decode_error(&reason), "Truncated");
        assert!(!reason.is_violation(EXCC.chain()));
    }
}

#[test]
fn the_maximum_payload_length_is_checked_before_the_network() {
    for network in [EXCC, DCR] {
        let mut header = raw_header(network, b"block", 33_554_433, [0; 4]);
        header[0] ^= 1;
        assert_eq!(refused(network, &header), "PayloadTooLarge");
        header[16..20].copy_from_slice(&33_554_432_u32.to_le_bytes());
        assert_eq!(refused(network, &header), "WrongNetwork");
    }
}

#[test]
fn variable_length_integers_must_have_their_shortest_form() {
    for network in [EXCC, DCR] {
        let bytes = raw_frame(network, b"inv", &[0xfd, 0xfc, 0]);
        assert_eq!(refused(network, &bytes), "NonCanonicalVarInt");
    }
}

#[test]
fn a_count_above_its_limit_closes_before_the_items() {
    for network in [EXCC, DCR] {
        let bytes = raw_frame(network, b"inv", &[0xfd, 0x51, 0xc3]);
        assert_eq!(refused(network, &bytes), "TooManyVectors");
    }
}

#[test]
fn a_reject_exists_on_exchangecoin_up_to_version_8() {
    let (empty, filled) = (|n| raw_frame(n, b"reject", b""), |n| raw_frame(n, b"reject", b"x"));
    assert_eq!(refused_at(EXCC, 9, &empty(EXCC)), "MsgInvalidForPVer");
    assert_eq!(refused_at(EXCC, 9, &filled(EXCC)), "PayloadTooLarge");
    assert_eq!(refused_at(DCR, 9, &empty(DCR)), "UnknownCmd");
    assert_eq!(refused_at(DCR, 9, &filled(DCR)), "UnknownCmd");
}

#[test]
fn a_getinitstate_exists_from_version_8_on() {
    let bytes = |payload: &[u8]| raw_frame(EXCC, b"getinitstate", payload);
    assert_eq!(refused_at(EXCC, 7, &bytes(b"")), "MsgInvalidForPVer");
    assert_eq!(refused_at(EXCC, 7, &bytes(b"x")), "PayloadTooLarge");
    let mut peer = Peer::established(config(EXCC));
    peer.feed(&bytes(&[0])).unwrap();
    assert!(matches!(&peer.messages()[..], [Message::GetInitState(it)] if it.types.is_empty()));
}

/// The reference nodes read the payload first.
#[test]
fn a_getcfilterv2_before_version_7_is_refused_by_its_header() {
    let bytes = raw_frame(EXCC, b"getcfilterv2", &[0; 32]);
    assert_eq!(refused_at(EXCC, 6, &bytes[..24]), "MsgInvalidForPVer");
    assert_eq!(refused_at(EXCC, 6, &bytes), "MsgInvalidForPVer");
}

#[test]
fn an_addr_does_not_exist_at_version_12() {
    let bytes = |payload: &[u8]| raw_frame(DCR, b"addr", payload);
    assert_eq!(refused_at(DCR, 12, &bytes(b"")), "MsgInvalidForPVer");
    assert_eq!(refused_at(DCR, 12, &bytes(b"x")), "PayloadTooLarge");
    let mut peer = Peer::inbound(config(DCR));
    peer.shake_hands(version(11));
    assert_eq!(peer.feed(&bytes(&[0])), Ok(()));
}

#[test]
fn an_addrv2_needs_addresses_of_known_types_and_valid_timestamps() {
    let refused = |payload: &[u8]| refused(DCR, &raw_frame(DCR, b"addrv2", payload));
    assert_eq!(refused(&[0]), "TooFewAddrs");
    let with = |time: [u8; 8], type_number: u8| {
        [&[1][..], &time, &[1; 8], &[type_number], &[203, 0, 113, 7], &[0xc2, 0x25]].concat()
    };
    assert_eq!(refused(&with([0; 8], 4)), "UnknownNetAddrType");
    assert_eq!(refused(&with([0xff; 8], 1)), "InvalidTimestamp");
    let mut peer = Peer::established(config(DCR));
    assert_eq!(peer.feed(&raw_frame(DCR, b"addrv2", &with([0; 8], 1))), Ok(()));
}

#[test]
fn the_type_of_a_transaction_is_checked_before_its_length() {
    for network in [EXCC, DCR] {
        assert_eq!(refused(network, &raw_frame(network, b"tx", &[1, 0, 3, 0])), "UnknownTxType");
        assert_eq!(refused(network, &raw_frame(network, b"tx", &[1, 0, 0, 0])), "Truncated");
    }
}

#[test]
fn the_negotiated_version_applies_from_the_next_frame_on() {
    let mut peer = Peer::inbound(config(EXCC));
    let mut bytes = frame(EXCC, 8, version(4)).to_vec();
    bytes.extend_from_slice(&raw_frame(EXCC, b"feefilter", &[0; 8]));
    assert_eq!(decode_error(&peer.feed(&bytes).unwrap_err()), "MsgInvalidForPVer");
}

#[test]
fn an_announced_payload_length_allocates_no_memory() {
    let mut peer = Peer::established(config(EXCC).max_payload(Command::Reject, MAX_PAYLOAD));
    let before = peer.buffer.reserve().capacity();
    let header = raw_header(EXCC, b"reject", 32 * 1024 * 1024, [0; 4]);
    for byte in header {
        peer.feed(&[byte]).unwrap();
    }
    peer.feed(&[0; 100]).unwrap();
    assert_eq!(peer.buffer.len(), 100);
    let room = peer.buffer.reserve().capacity();
    assert!(room <= 16 * before, "{room} where {before} were");
}

#[test]
fn messages_before_an_error_are_emitted_first() {
    let mut peer = Peer::established(config(EXCC));
    let mut bytes = frame(EXCC, 8, Message::GetAddr).to_vec();
    bytes.extend_from_slice(&frame(EXCC, 8, Message::MemPool));
    bytes.extend_from_slice(&raw_frame(EXCC, b"hello", b""));
    bytes.extend_from_slice(&frame(EXCC, 8, Message::SendHeaders));
    let reason = peer.feed(&bytes).unwrap_err();
    let expected =
        [unsolicited(Message::GetAddr), unsolicited(Message::MemPool), Event::Closed(reason)];
    assert_eq!(peer.events(), expected);
}

#[test]
fn the_first_close_reason_is_final() {
    let mut peer = Peer::established(config(EXCC));
    let first = peer.feed(&raw_frame(EXCC, b"hello", b"")).unwrap_err();
    assert_eq!(peer.events(), [Event::Closed(first.clone())]);
    assert_eq!(peer.receive(Message::GetAddr), Err(first.clone()));
    assert_eq!(peer.feed(&raw_frame(DCR, b"", b"")), Err(first.clone()));
    peer.eof();
    peer.state.handle_connection_lost(peer.now);
    peer.state.close(peer.now);
    peer.advance(secs(1_000));
    assert_eq!(peer.state.close_reason(), Some(&first));
    assert_eq!(peer.events(), []);
    assert_eq!(peer.state.poll_timeout(), None);
    assert!(!peer.state.wants_read() && !peer.state.can_resume());
}

#[test]
fn random_bytes_close() {
    for seed in 0..100 {
        let mut garbage = [0; 200];
        rng(seed).fill_bytes(&mut garbage);
        for network in [EXCC, DCR] {
            let mut peer = Peer::inbound(config(network));
            assert!(peer.feed(&garbage).unwrap_err().is_violation(network.chain()));
            assert_eq!(peer.sent(), []);
        }
    }
}

#[test]
fn unknown_commands_are_not_counted() {
    let mut peer = Peer::established(quiet(EXCC));
    let before = peer.state.stats().commands;
    let reason = peer.feed(&raw_frame(EXCC, b"trace", &[])).unwrap_err();
    assert_eq!(decode_error(&reason), "UnknownCmd");
    assert_eq!(peer.state.stats().commands, before);
}

#[test]
fn an_announced_payload_that_never_arrives_ends_with_the_idle_timeout() {
    for (network, command, len) in
        [(EXCC, Command::Block, 1_310_720), (DCR, Command::CFiltersV2, 26_321_001)]
    {
        let mut peer = Peer::established(config(network));
        let header = raw_header(network, command.as_str().as_bytes(), len, [0; 4]);
        peer.feed(&header).unwrap();
        peer.feed(&[0; 1_000]).unwrap();
        assert!(peer.state.wants_read());
        assert!(peer.buffer.reserve().capacity() <= 1_000 + 64 * 1024);
        assert_eq!(peer.closed_after(secs(120)), CloseReason::IdleTimeout);
    }
}

#[test]
fn a_payload_above_the_maximum_of_its_command_is_refused() {
    for network in [EXCC, DCR] {
        let mut peer = Peer::established(config(network));
        let header = raw_header(network, b"block", 32 * 1024 * 1024, [0; 4]);
        assert_eq!(decode_error(&peer.feed(&header).unwrap_err()), "PayloadTooLarge");
    }
}

/// A driver must only append to the reserved room. Any other change damages its own stream only.
#[test]
fn a_driver_that_damages_its_buffer_does_not_break_the_peer() {
    let mut peer = Peer::established(config(EXCC));
    let frame = frame(EXCC, 8, Message::GetAddr);
    peer.feed(&frame[..20]).unwrap();
    peer.buffer.reserve().clear();
    peer.feed(&[]).unwrap();
    peer.feed(&frame.repeat(2)).unwrap();
    assert_eq!(peer.messages(), [Message::GetAddr, Message::GetAddr]);
    peer.buffer.reserve().extend_from_slice(&frame[..20]);
    peer.buffer = Default::default();
    peer.feed(&frame).unwrap();
    assert_eq!(peer.messages(), [Message::GetAddr]);
}
