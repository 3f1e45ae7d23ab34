//! The measured work, as functions of one input.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use divan::black_box;
use excc_peer::wire::{
    Decoder, EncodedMessage, Frame, HEADER_LEN, InputBuffer, Message, TrailingBytes, Version,
};
use excc_peer::{Config, Event, Instant, PeerState, UnixTime};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::{Case, Parts, Shape, accept_unsolicited};

/// Computes the checksum of the payload, the minimum for every message.
pub(crate) fn checksum(case: Case) -> impl FnMut(&mut Bytes) -> [u8; 4] {
    let function = case.chain().hash_function();
    move |frame| function.checksum(&[&frame[HEADER_LEN..]])
}

/// Decodes a frame to a message.
pub(crate) fn decode(case: Case) -> impl FnMut(&mut InputBuffer) -> Frame {
    let mut decoder = Decoder::new(case.network, case.protocol().version);
    move |buffer| decoder.decode(buffer).expect("valid").expect("whole")
}

/// Decodes a payload to a message, without the checksum.
pub(crate) fn parse(case: Case) -> impl FnMut(&mut Bytes) -> Message {
    let (command, protocol) = (case.message().command(), case.protocol());
    move |payload| {
        Message::decode(command, payload, protocol, TrailingBytes::Reject).expect("valid")
    }
}

/// Takes a frame to an event of a peer. The answer to a ping is sent, too.
pub(crate) fn receive(case: Case) -> impl FnMut(&mut InputBuffer) -> Message {
    let mut peer = established(case, &config(case));
    move |buffer| {
        peer.handle_input(Instant::ZERO, buffer).expect("valid");
        if case.shape == Shape::Ping {
            drain(&mut peer);
        }
        match peer.poll_event() {
            Some(Event::Message { message, .. }) => message,
            other => panic!("{other:?} where a message was due"),
        }
    }
}

/// Encodes a message to a frame.
pub(crate) fn encode(case: Case) -> impl FnMut(&mut Message) -> EncodedMessage {
    move |message| case.encode(message)
}

/// Builds a message from its parts and encodes it.
pub(crate) fn build(case: Case) -> impl FnMut(&mut Parts) -> EncodedMessage {
    move |parts| case.encode(&parts.build(case.protocol()))
}

/// Established peers that share a configuration.
pub(crate) fn many_established(case: Case, count: usize) -> Vec<PeerState> {
    let config = config(case);
    (0..count).map(|_| established(case, &config)).collect()
}

/// A configuration for peers that send nothing by themselves.
pub(crate) fn config(case: Case) -> Arc<Config> {
    let config = accept_unsolicited(Config::builder(case.network))
        .protocol_version(case.protocol().version)
        .idle_timeout(None)
        .ping_interval(None)
        .build();
    Arc::new(config.expect("a valid configuration"))
}

/// An established peer without events or bytes to be sent.
pub(crate) fn established(case: Case, config: &Arc<Config>) -> PeerState {
    let remote = "203.0.113.7:9666".parse().expect("an address");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let now = Instant::ZERO;
    let mut peer = PeerState::outbound(
        config.clone(),
        remote,
        now,
        UnixTime::from_secs(1_700_000_000),
        &mut rng,
    );
    drain(&mut peer);

    let theirs = Version {
        protocol_version: case.protocol().version.cast_signed(),
        nonce: 1,
        user_agent: config.user_agent().into(),
        ..Version::default()
    };
    let frames = [theirs.into(), Message::VerAck].map(|message| case.encode(&message).to_bytes());
    let mut buffer = InputBuffer::from(&frames.concat()[..]);
    peer.handle_input(now, &mut buffer).expect("a valid handshake");
    while peer.poll_event().is_some() {}
    drain(&mut peer);
    assert!(peer.is_established());
    peer
}

/// Sends everything that is queued.
pub(crate) fn drain(peer: &mut PeerState) {
    let mut out = peer.transmit(Instant::ZERO);
    while out.has_remaining() {
        let len = black_box(out.chunk()).len();
        out.advance(len);
    }
}
