//! A pong that is read before the peer is told that its ping has left.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use excc_peer::wire::{EncodedMessage, Message, Pong, Version};
use excc_peer::{Config, Event, Instant, Network, PeerState};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

#[test]
fn a_pong_may_overtake_the_count_of_its_ping() {
    let network = Network::EXCC_MAINNET;
    let config = Config::builder(network).pong_timeout(Some(Duration::from_secs(5)));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (at, unix) = (Instant::from_millis, 1_700_000_000);
    let remote = "203.0.113.7:9666".parse().unwrap();
    let mut peer = PeerState::outbound(config.build().unwrap(), remote, at(0), unix, &mut rng);
    let frame = |message: &Message| EncodedMessage::new(&network, 8, message).unwrap().to_bytes();
    let version = Version { protocol_version: 8, nonce: 1, ..Version::default() };
    let mut buffer = BytesMut::from(&frame(&version.into())[..]);
    buffer.extend_from_slice(&frame(&Message::VerAck));
    peer.handle_input(at(0), &mut buffer).unwrap();
    peer.transmit(at(0)).advance(usize::MAX);

    let nonce = peer.ping().unwrap();
    // The bytes are on the wire, and answered, before the writer gets to say so.
    let written = peer.transmit(at(10)).share(8).remaining();
    buffer.extend_from_slice(&frame(&Message::Pong(Pong { nonce })));
    peer.handle_input(at(12), &mut buffer).unwrap();
    peer.transmit(at(13)).advance(written);

    let events: Vec<_> = std::iter::from_fn(|| peer.poll_event()).collect();
    assert_eq!(peer.stats().outstanding_ping, None);
    assert!(events.contains(&Event::RoundTrip { nonce, time: Duration::ZERO }));
    peer.handle_timeout(at(5_100));
    assert_eq!(peer.close_reason(), None, "answered in time");
}
