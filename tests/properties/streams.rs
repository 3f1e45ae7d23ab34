//! Streams of bytes: at once, in pieces, damaged and random.

use excc_peer::wire::{Command, Message, Protocol};
use excc_peer::{ConfigBuilder, Direction, Event, Network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::*;
use crate::{direction, message, protocol, speaking};

/// The bytes of a remote's session: its version, the messages that exist at the protocol version,
/// and its verack at the place `verack`.
fn session(
    (network, protocol_version): (Network, u32),
    verack: usize,
    messages: &[Message],
) -> Vec<u8> {
    let protocol = Protocol::new(network.chain(), protocol_version);
    let frame = |message| frame(network, protocol_version, message);
    let mut frames: Vec<_> = messages
        .iter()
        .filter(|message| message.command().is_defined(protocol))
        .map(|message| frame(message.clone()))
        .collect();
    frames.insert(verack.min(frames.len()), frame(Message::VerAck));
    frames.insert(0, frame(version(protocol_version.cast_signed()).into()));
    frames.concat()
}

/// When the application takes the events and the driver writes the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polls {
    AfterEachPiece,
    BeforeTheEnd,
    AfterTheEnd,
}

/// The events of a stream and of its end, and the sent bytes.
fn outcome(
    config: ConfigBuilder,
    direction: Direction,
    stream: &[u8],
    sizes: &[usize],
    polls: Polls,
) -> (Vec<Event>, Vec<u8>) {
    let mut peer = Peer::new(config, direction, 1);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut poll = |peer: &mut Peer| {
        loop {
            events.extend(peer.events());
            sent.extend_from_slice(&peer.transmit(usize::MAX));
            // After a close by the remote, the last events follow the last try to send.
            events.extend(peer.events());
            if !peer.state.can_resume() {
                break;
            }
            // The events have the error.
            _ = peer.resume();
        }
    };
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| *size.min(&rest.len()));
        let (piece, later) = rest.split_at(size);
        rest = later;
        let fed = peer.feed(piece);
        if polls == Polls::AfterEachPiece {
            poll(&mut peer);
        }
        if fed.is_err() {
            break;
        }
    }
    if polls != Polls::AfterTheEnd {
        poll(&mut peer);
    }
    peer.eof();
    poll(&mut peer);
    (events, sent)
}

/// Bytes that are often zero, one, or the first byte of a large count.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(0xfd), Just(0xff), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_result_of_a_stream_does_not_depend_on_its_pieces(
        protocol in protocol(),
        direction in direction(),
        verack in 0..20_usize,
        messages in vec(message(), 0..20),
        sizes in vec(1..200_usize, 1..20),
        max_events in 1..10_usize,
        polls in select(vec![Polls::AfterEachPiece, Polls::BeforeTheEnd]),
    ) {
        let latest = match protocol {
            (DCR, 12) => 0,
            (DCR, _) => 2,
            _ => usize::MAX,
        };
        let stream = session(protocol, verack.min(latest), &messages);
        let config = speaking(protocol);
        let at_once = outcome(config.clone(), direction, &stream, &[], Polls::AfterEachPiece);
        let bytewise = outcome(config.clone(), direction, &stream, &[1], Polls::AfterEachPiece);
        prop_assert_eq!(&bytewise, &at_once);
        let config = config.max_waiting_events(max_events, 1_000);
        prop_assert_eq!(&outcome(config, direction, &stream, &sizes, polls), &at_once);
    }

    #[test]
    fn the_events_of_a_damaged_stream_do_not_depend_on_its_pieces(
        protocol in protocol(),
        direction in direction(),
        verack in 0..5_usize,
        messages in vec(message(), 0..10),
        damage in vec((any::<prop::sample::Index>(), 1..=u8::MAX), 0..4),
        cut in any::<prop::sample::Index>(),
        sizes in vec(1..200_usize, 1..20),
        max_events in 1..10_usize,
        polls in select(vec![Polls::AfterEachPiece, Polls::BeforeTheEnd, Polls::AfterTheEnd]),
    ) {
        let mut stream = session(protocol, verack, &messages);
        for (at, flip) in damage {
            let at = at.index(stream.len());
            stream[at] ^= flip;
        }
        stream.truncate(cut.index(4 * stream.len()));
        let config = speaking(protocol);
        // The answers sent before the damage is found do depend on the pieces.
        let (at_once, _) = outcome(config.clone(), direction, &stream, &[], Polls::AfterEachPiece);
        prop_assert!(matches!(at_once.last(), Some(Event::Closed(_))));
        let bytewise = outcome(config.clone(), direction, &stream, &[1], Polls::AfterEachPiece);
        prop_assert_eq!(&bytewise.0, &at_once);
        let config = config.max_waiting_events(max_events, 1_000);
        prop_assert_eq!(&outcome(config, direction, &stream, &sizes, polls).0, &at_once);
    }

    #[test]
    fn random_bytes_close_the_peer_without_a_panic(
        protocol in protocol(),
        direction in direction(),
        opens in any::<bool>(),
        pieces in vec(vec(any::<u8>(), 0..300), 0..10),
    ) {
        let mut peer = Peer::new(speaking(protocol), direction, 1);
        if opens {
            peer.feed(&session(protocol, 0, &[])).unwrap();
        }
        for piece in pieces {
            _ = peer.feed(&piece);
        }
        peer.eof();
        peer.transmit(usize::MAX);
        prop_assert!(matches!(peer.events().last(), Some(Event::Closed(_))));
    }

    #[test]
    fn a_random_payload_in_a_valid_frame_is_emitted_or_closes(
        protocol in protocol(),
        command in select(Command::ALL),
        payload in vec(byte(), 0..400),
    ) {
        let mut peer = Peer::new(speaking(protocol), Direction::Inbound, 1);
        peer.shake_hands(version(protocol.1.cast_signed()));
        let bytes = raw_frame(protocol.0, command.as_str().as_bytes(), &payload);
        match peer.feed(&bytes) {
            Ok(()) => {
                let got: Vec<_> = peer.messages().iter().map(Message::command).collect();
                prop_assert_eq!(got, [command]);
            }
            Err(reason) => prop_assert_eq!(peer.events(), [Event::Closed(reason)]),
        }
    }
}
