//! What is done to messages, as functions that do it to one input after the other.

use bytes::{Buf, Bytes, BytesMut};
use divan::black_box;
use excc_peer::wire::{
    Decoder, EncodedMessage, Frame, HEADER_LEN, Message, TrailingBytes, Version,
};
use excc_peer::{Config, Event, Instant, PeerState};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::{Case, Parts, Shape};

/// What cannot be saved: the checksum over every byte of the payload.
pub(crate) fn checksum(case: Case) -> impl FnMut(&mut BytesMut) -> [u8; 4] {
    let function = case.chain().hash_function();
    move |buffer| function.checksum(&[&buffer[HEADER_LEN..]])
}

/// From a frame to a message.
pub(crate) fn decode(case: Case) -> impl FnMut(&mut BytesMut) -> Frame {
    let mut decoder = Decoder::new(case.network, case.protocol().version);
    move |buffer| decoder.decode(buffer).expect("valid").expect("whole")
}

/// From a payload to a message, without its checksum.
pub(crate) fn parse(case: Case) -> impl FnMut(&mut Bytes) -> Message {
    let (command, protocol) = (case.message().command(), case.protocol());
    move |payload| {
        Message::decode(command, payload, protocol, TrailingBytes::Reject).expect("valid")
    }
}

/// From a frame to a peer's event. The answer to a ping leaves, too.
pub(crate) fn receive(case: Case) -> impl FnMut(&mut BytesMut) -> Message {
    let mut peer = established(case);
    move |buffer| {
        peer.handle_input(Instant::ZERO, buffer).expect("valid");
        if case.shape == Shape::Ping {
            drain(&mut peer);
        }
        match peer.poll_event() {
            Some(Event::Message(message)) => message,
            other => panic!("{other:?} where a message was due"),
        }
    }
}

/// From a message to a frame.
pub(crate) fn encode(case: Case) -> impl FnMut(&mut Message) -> EncodedMessage {
    move |message| case.encode(message)
}

/// From the parts of a message to a frame.
pub(crate) fn build(case: Case) -> impl FnMut(&mut Parts) -> EncodedMessage {
    move |parts| case.encode(&parts.build(case.protocol()))
}

/// Queues a frame with each of `peers` peers and lets it leave them all.
pub(crate) fn relay(case: Case, peers: usize) -> impl FnMut(&mut EncodedMessage) {
    let mut peers: Vec<_> = (0..peers).map(|_| established(case)).collect();
    move |frame| {
        for peer in &mut peers {
            peer.send_encoded(frame.clone()).expect("room in the queue");
            drain(peer);
            assert!(matches!(peer.poll_event(), Some(Event::Sent(_))));
        }
    }
}

/// A peer with its handshake done.
fn established(case: Case) -> PeerState {
    let version = case.protocol().version;
    let config = Config::builder(case.network).protocol_version(version).build();
    let remote = "203.0.113.7:9666".parse().expect("an address");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = config.expect("a valid configuration");
    let mut peer = PeerState::outbound(config, remote, Instant::ZERO, 1_700_000_000, &mut rng);

    let protocol_version = version.cast_signed();
    let theirs = Version { protocol_version, nonce: 1, ..Version::default() };
    let frames = [theirs.into(), Message::VerAck].map(|message| case.encode(&message).to_bytes());
    let mut buffer = BytesMut::from(&frames.concat()[..]);
    peer.handle_input(Instant::ZERO, &mut buffer).expect("a valid handshake");
    while peer.poll_event().is_some() {}
    drain(&mut peer);
    assert!(peer.is_established());
    peer
}

/// Lets all leave that is queued.
fn drain(peer: &mut PeerState) {
    let mut out = peer.transmit(Instant::ZERO);
    while out.has_remaining() {
        let len = black_box(out.chunk()).len();
        out.advance(len);
    }
}
