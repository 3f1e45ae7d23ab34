//! Round trips: messages to bytes and back, and bytes to messages and back.

mod damage;
mod payloads;
mod strategies;
mod views;

// The fuzz target has the invariants of every payload.
#[allow(dead_code, reason = "shared with the fuzz target, which chooses by bytes")]
#[path = "../../fuzz/src/message.rs"]
mod message;
#[path = "../../fuzz/src/sound.rs"]
mod sound;
#[path = "../../fuzz/src/walk.rs"]
mod walk;

use bytes::Bytes;
use excc_peer::wire::{
    Command, Decoder, EncodedMessage, ErrorKind, HEADER_LEN, InputBuffer, Invalid, Message,
    Protocol, TrailingBytes, Version,
};
use excc_peer::{Chain, Network};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const EXCC: Network = Network::EXCC_MAINNET;
const DCR: Network = Network::DCR_MAINNET;
const NETWORKS: [Network; 2] = [EXCC, DCR];

/// All protocol versions of a chain, and the next one.
fn versions(chain: Chain) -> impl Iterator<Item = u32> {
    0..=chain.newest_version() + 1
}

/// The protocol versions of `chain` that have a message.
fn versions_with(command: Command, chain: Chain) -> Vec<u32> {
    versions(chain).filter(|&it| command.is_defined(Protocol::new(chain, it))).collect()
}

/// Runs `test` with `cases` values of `strategy` for each network and command.
fn for_messages<S: Strategy>(
    commands: &[Command],
    cases: u32,
    strategy: impl Fn(Command, Chain) -> S,
    test: impl Fn(Network, S::Value),
) {
    for network in NETWORKS {
        for &command in commands {
            let strategy = strategy(command, network.chain());
            let config =
                ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
            let tried = TestRunner::new(config).run(&strategy, |value| {
                test(network, value);
                Ok(())
            });
            if let Err(error) = tried {
                panic!("{command} of {}: {error}", network.chain());
            }
        }
    }
}

/// The payload of a message at the newest version that has it.
fn payload(network: Network, message: &Message) -> Option<(u32, Bytes)> {
    let version = *versions_with(message.command(), network.chain()).last()?;
    let encoded = EncodedMessage::new(&network, version, message).expect("within its limits");
    Some((version, encoded.to_bytes().slice(HEADER_LEN..)))
}

fn decode(
    command: Command,
    (network, version): (Network, u32),
    payload: &Bytes,
    trailing: TrailingBytes,
) -> Result<Message, ErrorKind> {
    Message::decode(command, payload, Protocol::new(network.chain(), version), trailing)
        .map_err(|error| error.kind().clone())
}

#[test]
fn every_message_round_trips_at_every_version_that_has_it() {
    for_messages(Command::ALL, 40, strategies::message, |network, message| {
        for version in versions_with(message.command(), network.chain()) {
            let encoded = EncodedMessage::new(&network, version, &message).expect("valid");
            let frame = encoded.to_bytes();
            assert_eq!(encoded.parts().concat(), frame);

            let at = (network, version);
            let payload = frame.slice(HEADER_LEN..);
            let decoded = decode(message.command(), at, &payload, TrailingBytes::Reject);
            assert_eq!(decoded.as_ref(), Ok(&message));

            let mut buffer = InputBuffer::from(&frame[..]);
            let mut decoder = Decoder::new(network, version);
            let received = decoder.decode(&mut buffer).expect("valid").expect("complete");
            assert_eq!((&received.message, received.len), (&message, frame.len()));
            assert_eq!(decoder.incomplete_frame(buffer.len()), None);
            assert_eq!(EncodedMessage::new(&network, version, &received.message), Ok(encoded));
        }
    });
}

#[test]
fn an_undefined_message_is_neither_encoded_nor_decoded() {
    for_messages(Command::ALL, 4, strategies::message, |network, message| {
        let (command, chain) = (message.command(), network.chain());
        let versions_with = versions_with(command, chain);
        // On a chain without the message the payload is not read.
        let payload = payload(network, &message).map(|(_, payload)| payload).unwrap_or_default();
        for version in versions(chain).filter(|version| !versions_with.contains(version)) {
            let encoded = EncodedMessage::new(&network, version, &message).map(|_| ());
            let encoded = encoded.map_err(|error| error.kind().clone());
            let decoded = decode(command, (network, version), &payload, TrailingBytes::Reject);
            assert_eq!(decoded.map(|_| ()), encoded);
            match (&versions_with[..], encoded) {
                ([], Err(ErrorKind::UnknownCmd(unknown))) => assert_eq!(unknown, command.into()),
                (
                    &[first, ..],
                    Err(ErrorKind::MsgInvalidForPVer { version: at, first: from, .. }),
                ) => {
                    assert_eq!((at, from), (version, first));
                }
                (_, encoded) => panic!("{command} at {version}: {encoded:?}"),
            }
        }
    });
}

#[test]
fn headers_blocks_and_transactions_are_encoded_on_their_chain_only() {
    let commands = [Command::Headers, Command::Block, Command::Tx];
    for_messages(&commands, 10, strategies::message, |network, message| {
        let other = if network == EXCC { DCR } else { EXCC };
        let (of, expected) = (network.chain(), other.chain());
        let refused = EncodedMessage::new(&other, expected.newest_version(), &message);
        let kind = refused.map_err(|error| error.kind().clone());
        assert_eq!(kind, Err(ErrorKind::InvalidMsg(Invalid::OtherChain { of, expected })));
    });
}

#[test]
fn a_payload_that_ends_early_is_truncated() {
    let strategy =
        |command, chain| (strategies::message(command, chain), any::<prop::sample::Index>());
    for_messages(Command::ALL, 40, strategy, |network, (message, cut)| {
        let Some((version, payload)) = payload(network, &message) else { return };
        // Most fields of a version are optional.
        if matches!(message, Message::Version(_)) {
            return;
        }
        if payload.is_empty() {
            return;
        }
        let short = payload.slice(..cut.index(payload.len()));
        let refused = decode(message.command(), (network, version), &short, TrailingBytes::Ignore);
        assert!(matches!(refused, Err(ErrorKind::Truncated { .. })), "{refused:?}");
    });
}

#[test]
fn bytes_after_a_message_are_refused_or_ignored() {
    let strategy = |command, chain| {
        let more = prop::collection::vec(any::<u8>(), 1..10);
        (strategies::message(command, chain), more)
    };
    for_messages(Command::ALL, 20, strategy, |network, (message, more)| {
        let Some((version, payload)) = payload(network, &message) else { return };
        let (command, at) = (message.command(), (network, version));
        let long = Bytes::from([&payload[..], &more].concat());
        let refused = decode(command, at, &long, TrailingBytes::Reject);
        assert_eq!(refused, Err(ErrorKind::TrailingBytes(more.len())));
        let ignored = decode(command, at, &long, TrailingBytes::Ignore);
        assert_eq!(ignored.as_ref(), Ok(&message));
        // The ignored bytes are not kept.
        let encoded = EncodedMessage::new(&network, version, &message).expect("valid");
        let again = EncodedMessage::new(&network, version, &ignored.expect("valid"));
        assert_eq!(again, Ok(encoded));
    });
}

#[test]
fn a_version_may_end_after_each_field_from_the_fourth_on() {
    for_messages(&[Command::Version], 40, strategies::message, |network, message| {
        let (version, payload) = payload(network, &message).expect("both chains have it");
        let Message::Version(full) = message else { panic!("not a version: {message:?}") };
        let agent = payload.len() - 85;
        let ends = [46, 72, 80, 80 + agent, 84 + agent, 85 + agent];
        for end in 0..=payload.len() {
            let short = payload.slice(..end);
            let at = (network, version);
            let read = decode(Command::Version, at, &short, TrailingBytes::Reject);
            let Some(fields) = ends.iter().position(|&it| it == end) else {
                assert!(matches!(read, Err(ErrorKind::Truncated { .. })), "{read:?}");
                continue;
            };
            let mut expected = Version {
                protocol_version: full.protocol_version,
                services: full.services,
                timestamp: full.timestamp,
                receiver: full.receiver,
                ..Version::default()
            };
            if fields > 0 {
                expected.sender = full.sender;
            }
            if fields > 1 {
                expected.nonce = full.nonce;
            }
            if fields > 2 {
                expected.user_agent.clone_from(&full.user_agent);
            }
            if fields > 3 {
                expected.start_height = full.start_height;
            }
            if fields > 4 {
                expected.relay = full.relay;
            }
            assert_eq!(read, Ok(expected.into()));
        }
    });
}
