//! Texts for logs: one short line each, without control characters from the remote.

use std::error::Error;
use std::fmt::Display;

use excc_peer::wire::{Command, InvVect, MAX_PAYLOAD, Message, Services};
use excc_peer::{
    Announced, CloseReason, ConfigError, Direction, Hash, Instant, Relay, SendErrorKind, Timer,
};

use super::error::reasons;
use crate::common::*;

#[track_caller]
fn assert_fits(value: impl Display) {
    let line = value.to_string();
    assert!(!line.is_empty() && line.len() < 200, "{line}");
    assert!(line.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{line:?}");
}

/// Every close reason, some with the longest values.
fn close_reasons() -> Vec<CloseReason> {
    let mut garbage = Peer::established(config(EXCC));
    let mut unknown = Peer::established(config(EXCC));
    let mut large = Peer::established(config(EXCC));
    let mut cut = Peer::established(config(DCR));
    cut.feed(&raw_header(DCR, b"cfiltersv2", 20_000_000, [0; 4])).unwrap();
    cut.eof();
    let vector = Some(InvVect::mix(Hash::ZERO));
    let extremes = [
        garbage.feed(&[b'\n'; 30]).unwrap_err(),
        unknown.feed(&raw_frame(EXCC, b"\r\n\x1b[2J", b"")).unwrap_err(),
        large.feed(&raw_header(EXCC, b"reject", 5_000, [0; 4])).unwrap_err(),
        cut.closed(),
        CloseReason::Unsolicited { command: Command::CFiltersV2, len: MAX_PAYLOAD, limit: 0 },
        CloseReason::OverBudget { command: Command::MixPairReq },
        CloseReason::NotVerAck(Command::MixPairReq),
        CloseReason::ProtocolVersionTooOld { advertised: -1, minimum: 3 },
        CloseReason::MissingServices { offered: Services::empty(), required: Services::all() },
        CloseReason::Stall { request: Command::GetData, vector },
        CloseReason::Stall { request: Command::GetHeaders, vector: None },
        CloseReason::OutputOverflow { queued: usize::MAX, limit: 1 },
    ];
    reasons().into_iter().map(|(reason, ..)| reason).chain(extremes).collect()
}

#[test]
fn every_close_reason_fits_a_log_line() {
    close_reasons().iter().for_each(assert_fits);
}

#[test]
fn every_send_error_fits_a_log_line() {
    for reason in close_reasons() {
        assert_fits(SendErrorKind::Closed(reason));
    }
    assert_fits(SendErrorKind::NotReady);
    assert_fits(SendErrorKind::ShuttingDown);
    assert_fits(SendErrorKind::Handshake(Command::Version));
    assert_fits(SendErrorKind::QueueFull { queued: usize::MAX, limit: 1 });
    assert_fits(SendErrorKind::TooManyRequested { requested: usize::MAX, limit: 1 });
    assert_fits(SendErrorKind::Unwelcome(Command::GetCFHeaders));
    let error =
        Peer::inbound(config(EXCC)).state.send(Instant::ZERO, Message::GetAddr).unwrap_err();
    assert_fits(&error);
    assert_eq!(error.to_string(), "not sent: the handshake is not complete");
    assert!(error.source().is_none(), "the text includes the cause");
}

#[test]
fn every_configuration_error_fits_a_log_line() {
    let long = secs(u64::MAX);
    let zero = secs(0);
    for error in [
        config(EXCC).user_agent("a\nb", "1").build().unwrap_err(),
        config(EXCC).protocol_version(99).build().unwrap_err(),
        config(EXCC).min_remote_version(99).build().unwrap_err(),
        ConfigError::PingsTooRare { ping: long, idle: zero },
        ConfigError::ZeroDuration { setting: "idle_timeout" },
        ConfigError::TooShort { setting: "ping_interval", value: zero, min: long },
        ConfigError::EmptyBudget(Command::CFiltersV2),
        ConfigError::NotARequest(Command::Ping),
        ConfigError::TrickleInterval(long, zero),
        config(EXCC).inv_batch(0).build().unwrap_err(),
    ] {
        assert_fits(error);
    }
}

#[test]
fn a_peer_and_its_values_fit_a_log_line() {
    let mut peer = Peer::established(config(EXCC));
    assert_eq!(peer.state.to_string(), "203.0.113.7:9666 (inbound)");
    assert_eq!(Peer::outbound(config(EXCC)).state.to_string(), "203.0.113.7:9666 (outbound)");
    assert_fits(Direction::Outbound);
    peer.state.deadlines().for_each(|(timer, _)| assert_fits(timer));
    let sent = peer.state.announce(peer.now, tx(1), Relay::Immediate);
    for announced in [
        sent,
        Announced::Batched,
        Announced::Known,
        Announced::Unwanted,
        Announced::Full,
        Announced::NotReady,
    ] {
        assert_fits(announced);
    }
    peer.state.shutdown(peer.now, secs(10));
    assert!(peer.state.deadlines().any(|(timer, _)| timer == Timer::Shutdown));
    peer.state.deadlines().for_each(|(timer, _)| assert_fits(timer));
    let shown = format!("{:?}", peer.state);
    assert!(shown.starts_with("PeerState {") && shown.contains("phase: established"), "{shown}");
}
