//! Reasons for a close: their blame and whether nodes ban for them (`docs/protocol.md`, 12.1).

use std::error::Error;

use excc_peer::wire::{Command, EncodedMessage, Message, Services};
use excc_peer::{Blame, Budget, Chain, CloseReason, Network, Overflow, SendErrorKind};

use crate::common::*;

/// Whether the nodes of Exchangecoin and of Decred ban for a reason.
const BY_NONE: [bool; 2] = [false; 2];
const BY_DECRED: [bool; 2] = [false, true];
const BY_BOTH: [bool; 2] = [true; 2];

/// The reason for which an established peer refuses `bytes`.
fn refused(network: Network, bytes: &[u8]) -> CloseReason {
    let peer = config(network).trailing_bytes(excc_peer::wire::TrailingBytes::Reject);
    Peer::established(peer).feed(bytes).unwrap_err()
}

fn cut(bytes: &[u8]) -> CloseReason {
    let mut peer = Peer::established(config(EXCC));
    peer.feed(bytes).unwrap();
    peer.eof();
    peer.closed()
}

/// Every close reason, its blame, and whether each chain's nodes ban for it.
pub(super) fn reasons() -> Vec<(CloseReason, Blame, [bool; 2])> {
    let encode = {
        let request = excc_peer::wire::GetCFsV2 { start_hash: hash(1), end_hash: hash(2) };
        EncodedMessage::new(&EXCC, 9, &Message::GetCFsV2(request)).unwrap_err()
    };
    let command = Command::Reject;
    let services = Services::NODE_NETWORK;
    let ours = [
        CloseReason::Local,
        CloseReason::VersionRefused,
        CloseReason::PayloadTooLarge { command, len: 2, limit: 1 },
        CloseReason::SelfConnection,
        CloseReason::Encode(encode),
    ];
    let banned = [
        refused(EXCC, &[0xff; 24]),
        refused(EXCC, &raw_frame(DCR, b"ping", &[0; 8])),
        refused(EXCC, &raw_frame(EXCC, b"pung", &[0; 8])),
        refused(EXCC, &raw_frame(EXCC, b"p\x01ng", &[0; 8])),
        refused(EXCC, &raw_frame(EXCC, b"ping", &[0; 9])),
        refused(EXCC, &[&raw_header(EXCC, b"ping", 8, [7; 4])[..], &[0; 8]].concat()),
        refused(EXCC, &raw_frame(EXCC, b"inv", &[0xfd, 1, 0])),
        refused(EXCC, &raw_frame(EXCC, b"addrv2", &[])),
    ];
    let misbehaviour = [
        // A complete payload that is too short.
        refused(EXCC, &raw_frame(EXCC, b"ping", &[0; 7])),
        CloseReason::NotVersion(Command::Ping),
        CloseReason::NotVerAck(Command::Ping),
        CloseReason::DuplicateVersion,
        CloseReason::DuplicateVerAck,
        CloseReason::Unsolicited { command, len: 2, limit: 1 },
        CloseReason::OverBudget { command },
    ];
    let unsuitable = [
        CloseReason::ProtocolVersionTooOld { advertised: 1, minimum: 3 },
        CloseReason::MissingServices { offered: Services::empty(), required: services },
        CloseReason::HandshakeTimeout,
        CloseReason::VerAckTimeout,
        CloseReason::IdleTimeout,
        CloseReason::PongTimeout,
        CloseReason::Stall { request: Command::GetData, vector: Some(block(1)) },
        CloseReason::WriteStall,
        CloseReason::OutputOverflow { queued: 2, limit: 1 },
    ];
    let network = [
        CloseReason::RemoteClosed,
        CloseReason::ConnectionLost,
        cut(&[0xe1]),
        cut(&raw_header(EXCC, b"ping", 8, [0; 4])),
    ];
    let trailing = refused(EXCC, &raw_frame(EXCC, b"inv", &[0, 0]));
    let mut all = vec![(trailing, Blame::Misbehaviour, BY_DECRED)];
    let mut add = |reasons: &[CloseReason], blame, banned| {
        all.extend(reasons.iter().map(|reason| (reason.clone(), blame, banned)));
    };
    add(&ours, Blame::Local, BY_NONE);
    add(&banned, Blame::Misbehaviour, BY_BOTH);
    add(&misbehaviour, Blame::Misbehaviour, BY_NONE);
    add(&unsuitable, Blame::Unsuitable, BY_NONE);
    add(&network, Blame::Network, BY_NONE);
    all
}

#[test]
fn each_close_reason_has_its_blame_and_its_verdict_by_chain() {
    for (reason, blame, banned) in reasons() {
        let violations =
            [Chain::Exchangecoin, Chain::Decred].map(|chain| reason.is_violation(chain));
        assert_eq!((reason.blame(), violations), (blame, banned), "{reason}");
        // Only misbehaviour is a violation.
        assert!(!violations[0] || blame == Blame::Misbehaviour, "{reason}");
    }
}

#[test]
fn each_blame_has_a_name() {
    let names = [Blame::Local, Blame::Misbehaviour, Blame::Unsuitable, Blame::Network]
        .map(|blame| blame.to_string());
    assert_eq!(names, ["local", "misbehaviour", "unsuitable", "network"]);
}

#[test]
fn close_reasons_have_the_exceeded_limit() {
    let mut peer = Peer::established(config(EXCC).max_queued_bytes(200).overflow(Overflow::Close));
    _ = peer.state.send(peer.now, inv((0..9).map(tx))).unwrap_err();
    assert!(matches!(peer.closed(), CloseReason::OutputOverflow { .. }));

    let budget = Budget::bytes(100, secs(1)).close();
    let mut peer = Peer::established(config(EXCC).budget(Command::Inv, budget));
    let over = CloseReason::OverBudget { command: Command::Inv };
    assert_eq!(peer.receive(inv((0..9).map(tx))), Err(over));

    let mut peer = Peer::established(config(EXCC).max_unsolicited(Command::Inv, 100));
    let header = raw_header(EXCC, b"inv", 101, [0; 4]);
    let over = CloseReason::Unsolicited { command: Command::Inv, len: 101, limit: 100 };
    assert_eq!(peer.feed(&header), Err(over));
}

/// The texts of an error and of its sources.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    chain
}

#[test]
fn an_error_chain_repeats_no_text() {
    let mut peer = Peer::inbound(config(EXCC));
    let not_ready = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    peer.shake_hands(version(8));
    let handshake = peer.state.send(peer.now, Message::VerAck).unwrap_err();
    let unwelcome = peer.state.send(peer.now, Message::GetCFTypes).unwrap_err();
    let undefined = peer.state.send(peer.now, Message::AddrV2(vec![])).unwrap_err();
    assert!(matches!(undefined.kind, SendErrorKind::Encode(_)));
    peer.feed(&[0xff; 24]).unwrap_err();
    let closed = peer.state.send(peer.now, Message::GetAddr).unwrap_err();
    for error in [not_ready, handshake, unwelcome, undefined, closed] {
        let causes = chain(&error);
        for (place, cause) in causes.iter().enumerate() {
            let text = cause.strip_prefix("not sent: ").unwrap_or(cause);
            let others = causes.iter().enumerate().filter(|&(other, _)| other != place);
            for (_, other) in others {
                assert!(!other.contains(text), "{causes:?}");
            }
        }
        assert_eq!(causes[0], format!("not sent: {}", error.kind));
    }
    for (reason, _, _) in reasons() {
        let causes = chain(&reason);
        assert_eq!(causes.len(), 1, "{causes:?}");
    }
}
