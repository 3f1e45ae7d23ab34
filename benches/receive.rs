//! What it costs to receive, beside the one thing that cannot be saved: the checksum over
//! every byte. Compare the throughputs of one message across the groups.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use excc_peer::wire::{
    BlockHeader, Decoder, EncodedMessage, HEADER_LEN, Headers, InvVect, Message, NetAddress,
    PeerAddress, Ping, Services, Version,
};
use excc_peer::{Chain, Config, Event, Hash, Instant, Network, PeerState};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

/// Shows which of them allocate.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A message of some size on some chain.
#[derive(Clone, Copy)]
struct Case {
    network: Network,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Ping,
    Addr(u32),
    Inv(u32),
    Headers(u32),
}

const NETWORKS: [Network; 2] = [Network::EXCC_MAINNET, Network::DCR_MAINNET];

const LISTS: [Shape; 4] =
    [Shape::Addr(1_000), Shape::Inv(1_000), Shape::Inv(50_000), Shape::Headers(2_000)];

fn cases(shapes: &[Shape]) -> impl Iterator<Item = Case> {
    NETWORKS
        .into_iter()
        .flat_map(|network| shapes.iter().map(move |&shape| Case { network, shape }))
}

fn all() -> impl Iterator<Item = Case> {
    cases(&[Shape::Ping]).chain(cases(&LISTS))
}

fn lists() -> impl Iterator<Item = Case> {
    cases(&LISTS)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.network.chain();
        match self.shape {
            Shape::Ping => write!(f, "{chain} ping"),
            Shape::Addr(count) => write!(f, "{chain} addr {count}"),
            Shape::Inv(count) => write!(f, "{chain} inv {count}"),
            Shape::Headers(count) => write!(f, "{chain} headers {count}"),
        }
    }
}

impl Case {
    fn message(self) -> Message {
        match self.shape {
            Shape::Ping => Message::Ping(Ping { nonce: 7 }),
            Shape::Addr(count) => Message::Addr((0..count).map(address).collect()),
            Shape::Inv(count) => Message::Inv((0..count).map(|n| InvVect::tx(hash(n))).collect()),
            Shape::Headers(count) => {
                let chain = self.network.chain();
                let headers: Vec<_> = (0..count).map(|height| header(chain, height)).collect();
                Message::Headers(Headers::new(chain, &headers).expect("headers of the chain"))
            }
        }
    }

    fn frame(self) -> Bytes {
        frame(self.network, &self.message())
    }

    /// Throughput counts the payload, in all groups alike.
    fn payload(self) -> BytesCount {
        BytesCount::new(self.frame().len() - HEADER_LEN)
    }
}

/// The newest version that has `addr`.
const fn version(network: Network) -> u32 {
    match network.chain() {
        Chain::Decred => 11,
        chain => chain.advertised_version(),
    }
}

fn frame(network: Network, message: &Message) -> Bytes {
    EncodedMessage::new(&network, version(network), message).expect("a valid message").to_bytes()
}

fn hash(number: u32) -> Hash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_le_bytes());
    Hash::from_bytes(hash)
}

fn address(number: u32) -> NetAddress {
    let ip = std::net::Ipv4Addr::from(number).to_ipv6_mapped();
    NetAddress::new(number, PeerAddress::from_parts(Services::NODE_NETWORK, ip, 9666))
}

fn header(chain: Chain, height: u32) -> BlockHeader {
    BlockHeader {
        version: 1,
        prev_block: hash(height),
        merkle_root: hash(height),
        stake_root: hash(height),
        vote_bits: 1,
        final_state: [0; 6],
        voters: 5,
        fresh_stake: 0,
        revocations: 0,
        pool_size: 40_000,
        bits: 0x1d00_ffff,
        sbits: 1,
        height,
        size: 1_000,
        timestamp: height,
        nonce: height,
        extra_data: [0; 32],
        stake_version: 0,
        equihash_solution: (chain == Chain::Exchangecoin).then_some([7; 100]),
    }
}

/// A peer with its handshake done.
fn established(network: Network) -> PeerState {
    let config = Config::builder(network).protocol_version(version(network)).build();
    let remote = "203.0.113.7:9666".parse().expect("an address");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = config.expect("a valid configuration");
    let mut peer = PeerState::outbound(config, remote, Instant::ZERO, 1_700_000_000, &mut rng);

    let protocol_version = version(network).cast_signed();
    let theirs = Version { protocol_version, nonce: 1, ..Version::default() };
    let frames = [theirs.into(), Message::VerAck].map(|message| frame(network, &message));
    let mut buffer = BytesMut::from(&frames.concat()[..]);
    peer.handle_input(Instant::ZERO, &mut buffer).expect("a valid handshake");
    while peer.poll_event().is_some() {}
    drain(&mut peer);
    assert!(peer.is_established());
    peer
}

/// Lets all leave that is queued.
fn drain(peer: &mut PeerState) -> usize {
    let mut out = peer.transmit(Instant::ZERO);
    let len = black_box(out.chunk()).len();
    out.advance(out.remaining());
    len
}

#[divan::bench(args = all())]
fn checksum_only(bencher: Bencher<'_, '_>, case: &Case) {
    let (frame, function) = (case.frame(), case.network.chain().hash_function());
    bencher
        .counter(case.payload())
        .with_inputs(|| BytesMut::from(&frame[..]))
        .bench_local_refs(|buffer| function.checksum(&[&buffer[HEADER_LEN..]]));
}

#[divan::bench(args = all())]
fn decoder(bencher: Bencher<'_, '_>, case: &Case) {
    let frame = case.frame();
    let mut decoder = Decoder::new(case.network, version(case.network));
    bencher
        .counter(case.payload())
        .with_inputs(|| BytesMut::from(&frame[..]))
        .bench_local_refs(|buffer| decoder.decode(buffer).expect("valid").expect("whole"));
}

#[divan::bench(args = lists())]
fn peer(bencher: Bencher<'_, '_>, case: &Case) {
    let frame = case.frame();
    let mut peer = established(case.network);
    bencher.counter(case.payload()).with_inputs(|| BytesMut::from(&frame[..])).bench_local_refs(
        |buffer| {
            peer.handle_input(Instant::ZERO, buffer).expect("valid");
            match peer.poll_event() {
                Some(Event::Message(message)) => message,
                other => panic!("{other:?} where a message was due"),
            }
        },
    );
}

#[divan::bench(args = cases(&[Shape::Ping]))]
fn ping_in_pong_out(bencher: Bencher<'_, '_>, case: &Case) {
    let frame = case.frame();
    let mut peer = established(case.network);
    bencher.counter(case.payload()).with_inputs(|| BytesMut::from(&frame[..])).bench_local_refs(
        |buffer| {
            peer.handle_input(Instant::ZERO, buffer).expect("valid");
            assert!(peer.poll_event().is_some());
            assert_eq!(drain(&mut peer), frame.len());
        },
    );
}
