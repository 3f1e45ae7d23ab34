//! Memory of a peer during a flood and after it.
//!
//! The tests count the whole heap of a connection: the peer, the input buffer and the waiting
//! events. Each test states its bounds.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../common/mod.rs"]
mod common;
mod input;

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Buf;
use excc_peer::wire::{
    Command, HEADER_LEN, Headers, InputBuffer, InvVect, LocatorRequest, Message, NetAddress,
    PeerAddress, Ping, Pong, Reject, RejectCode, Services,
};
use excc_peer::{
    Announced, Chain, CloseReason, Config, ConfigBuilder, Instant, Network, PeerState, Relay,
};

use common::*;

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;

/// The number of bytes of a read.
const READ: usize = 64 * 1024;

/// Maximum that a peer keeps after a flood: 1,000 known vectors, and the capacity of short queues.
const KEPT: i64 = 128 * KIB;

/// A peer, and its bytes on the heap.
struct Counted {
    peer: PeerState,
    buffer: InputBuffer,
    now: Instant,
    live: i64,
    /// The maximum of `live`.
    max_live: i64,
}

impl Counted {
    fn inbound(config: ConfigBuilder) -> Self {
        let config: Arc<Config> = config.build().expect("valid").into();
        let mut peer = None;
        let allocated = measure(|| {
            peer = Some(PeerState::inbound(
                config.clone(),
                remote(),
                Instant::ZERO,
                UNIX_TIME,
                &mut rng(1),
            ));
        });
        Self {
            peer: peer.expect("created"),
            buffer: InputBuffer::new(),
            now: Instant::ZERO,
            live: allocated.bytes_current,
            max_live: allocated.bytes_current,
        }
    }

    /// An established peer without the timeouts that close a peer during a flood.
    fn established(config: ConfigBuilder) -> Self {
        let mut peer = Self::inbound(config.idle_timeout(None).ping_interval(None));
        peer.shake_hands();
        peer
    }

    fn shake_hands(&mut self) {
        let network = *self.peer.config().network();
        let highest = self.peer.protocol_version();
        let theirs = frame(network, highest, version(highest.cast_signed()));
        let verack = frame(network, highest, Message::VerAck);
        self.feed(&theirs).expect("valid");
        self.feed(&verack).expect("valid");
        self.drain();
        assert!(self.peer.is_established());
    }

    fn count<T>(&mut self, act: impl FnOnce(&mut PeerState, &mut InputBuffer, Instant) -> T) -> T {
        let mut result = None;
        let allocated = measure(|| result = Some(act(&mut self.peer, &mut self.buffer, self.now)));
        self.max_live = self.max_live.max(self.live + allocated.bytes_max as i64);
        self.live += allocated.bytes_current;
        result.expect("ran")
    }

    /// Receives bytes.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.count(|peer, buffer, now| {
            buffer.extend_from_slice(bytes);
            peer.handle_input(now, buffer)
        })
    }

    /// Takes all events, writes the whole queue, and continues until no input remains.
    fn drain(&mut self) {
        self.count(|peer, buffer, now| {
            loop {
                let mut out = peer.transmit(now);
                out.advance(out.remaining());
                drop(out);
                while peer.poll_event().is_some() {}
                if !peer.can_resume() {
                    return;
                }
                peer.handle_input(now, buffer).expect("valid");
            }
        });
    }

    /// Reads `flood` repeatedly while the peer wants to read, up to `total` bytes.
    fn read(&mut self, flood: &[u8], total: usize, mut after: impl FnMut(&mut Self)) {
        let mut bytes = flood.iter().copied().cycle();
        for _ in 0..total.div_ceil(READ) {
            if !self.peer.wants_read() {
                return;
            }
            let piece: Vec<u8> = bytes.by_ref().take(READ).collect();
            self.feed(&piece).expect("valid");
            after(self);
        }
    }

    /// The bytes on the heap after all events are taken and the input buffer is dropped.
    fn remaining(mut self) -> i64 {
        self.drain();
        self.count(|_, buffer, _| *buffer = InputBuffer::new());
        self.live
    }
}

/// Messages that a remote may send at any number, with their names.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let of = |message: Message| frame(EXCC, 8, message).to_vec();
    let many = |count: u32, message: &dyn Fn(u32) -> Message| {
        (0..count).flat_map(|n| frame(EXCC, 8, message(n))).collect()
    };
    let inv = |first| Message::Inv((first..first + 50_000).map(tx).collect());
    let address = PeerAddress::new(Services::empty(), remote());
    let empty = [Message::GetAddr, Message::MemPool, Message::SendHeaders, Message::GetMinings];
    let padded = |len| Message::Tx(paying(Chain::Exchangecoin, len));
    let reject = Reject {
        command: "tx".into(),
        code: RejectCode::new(0x10),
        reason: "?".repeat(4_000),
        hash: Some(hash(1)),
    };
    // The first message shares the whole input buffer, the others are copied.
    let transactions = [&of(padded(4_100))[..], &of(padded(4_000)).repeat(15)].concat();
    vec![
        ("pings", many(1_000, &|n| Message::Ping(Ping { nonce: n.into() }))),
        ("empty messages", many(1_000, &|n| empty[n as usize % empty.len()].clone())),
        ("announcements", many(4, &|n| inv(n * 50_000))),
        ("the same announcements", of(inv(0))),
        ("one announcement", of(Message::Inv([tx(1)].into()))),
        ("notfound messages", of(Message::NotFound((0..50_000).map(tx).collect()))),
        ("requests", of(Message::GetData((0..50_000).map(tx).collect()))),
        ("locators", of(Message::GetHeaders(LocatorRequest::new(vec![hash(1); 500])))),
        ("addresses", of(Message::Addr(vec![NetAddress::new(0, address); 1_000].into()))),
        ("headers", of(Message::Headers(headers(2_000)))),
        ("rejects", of(reject.into())),
        ("transactions", transactions),
        ("large transactions", of(padded(1_000_000))),
    ]
}

fn headers(count: usize) -> Headers {
    Headers::new(Chain::Exchangecoin, &vec![header(Chain::Exchangecoin); count])
        .expect("headers of the chain")
}

/// The length of the longest frame of a flood.
fn longest(flood: &[u8]) -> i64 {
    let mut longest = 0;
    let mut rest = flood;
    while let Some((header, _)) = rest.split_first_chunk::<HEADER_LEN>() {
        let payload = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        let len = HEADER_LEN + payload as usize;
        longest = longest.max(len as i64);
        rest = &rest[len..];
    }
    longest
}

/// The sum of the heap and of the peer itself, on a 64-bit machine.
#[cfg(target_pointer_width = "64")]
#[test]
fn an_idle_peer_takes_at_most_1536_bytes() {
    for network in [EXCC, DCR] {
        let mut peer = Counted::inbound(config(network));
        peer.shake_hands();
        // Idle queues release the memory of the handshake.
        peer.now += secs(107);
        peer.count(|peer, _, now| peer.handle_timeout(now));
        peer.drain();
        let nonce = peer.peer.stats().outstanding_ping.expect("a ping is sent");
        for message in [Message::Pong(Pong { nonce }), Message::Ping(Ping { nonce: 1 })] {
            peer.feed(&frame(network, peer.peer.protocol_version(), message)).expect("valid");
            peer.drain();
        }
        peer.count(|_, buffer, _| *buffer = InputBuffer::new());
        let all = peer.live + size_of::<PeerState>() as i64;
        assert!(all <= 1_536, "{all}");
    }
}

#[test]
fn a_flood_with_polled_events_takes_the_memory_of_one_message() {
    for (name, flood) in floods() {
        let mut peer = Counted::established(config(EXCC));
        let before = peer.live;
        peer.read(&flood, 8 * MIB as usize, Counted::drain);
        // An input buffer grows by doubling, and its bytes are copied.
        let max = 3 * longest(&flood) + 256 * KIB;
        assert!(peer.max_live - before <= max, "{name}: {} of {max}", peer.max_live - before);
        let remaining = peer.remaining() - before;
        assert!(remaining <= KEPT, "{name}: {remaining}");
    }
}

#[test]
fn a_flood_with_waiting_events_is_bounded() {
    const EVENTS: i64 = 4 * MIB;
    for (name, flood) in floods() {
        let mut peer = Counted::established(config(EXCC));
        let before = peer.live;
        peer.read(&flood, 64 * MIB as usize, |_| {});
        assert!(!peer.peer.wants_read());
        let max = 2 * (EVENTS + longest(&flood)) + 256 * KIB;
        assert!(peer.max_live - before <= max, "{name}: {} of {max}", peer.max_live - before);
        let remaining = peer.remaining() - before;
        assert!(remaining <= KEPT, "{name}: {remaining}");
    }
}

#[test]
fn pings_of_a_remote_that_does_not_read_are_bounded() {
    let mut peer = Counted::established(config(EXCC));
    let before = peer.live;
    let pings = frame(EXCC, 8, Message::Ping(Ping { nonce: 1 })).repeat(1_000);
    peer.read(&pings, MIB as usize, |peer| {
        peer.count(|peer, buffer, now| {
            while peer.poll_event().is_some() {
                if peer.can_resume() {
                    peer.handle_input(now, buffer).expect("valid");
                }
            }
        });
    });
    assert!(peer.peer.wants_read() && peer.buffer.is_empty());
    assert!(peer.max_live - before <= 2 * READ as i64, "{}", peer.max_live - before);
}

#[test]
fn a_handshake_byte_by_byte_takes_the_memory_of_its_bytes() {
    for network in [EXCC, DCR] {
        let mut peer = Counted::inbound(config(network));
        let before = peer.live;
        let bytes = frame(network, 8, version(8));
        for byte in &bytes[..bytes.len() - 1] {
            peer.feed(&[*byte]).expect("valid so far");
            peer.now += Duration::from_millis(200);
            peer.count(|peer, _, now| peer.handle_timeout(now));
        }
        assert!(peer.peer.close_reason().is_none());
        assert!(peer.max_live - before <= 4 * bytes.len() as i64);
        peer.now = Instant::from_secs(30);
        peer.count(|peer, _, now| peer.handle_timeout(now));
        peer.now += GRACE;
        peer.count(|peer, _, now| peer.handle_timeout(now));
        assert_eq!(peer.peer.close_reason(), Some(&CloseReason::HandshakeTimeout));
        assert!(peer.remaining() - before <= KIB);
    }
}

/// The commands with the largest payloads, and their maximum lengths.
fn claims() -> [(Network, Command, u32); 3] {
    [
        (EXCC, Command::Inv, 1_800_003),
        (DCR, Command::MixDCNet, 20_988_047),
        (DCR, Command::CFiltersV2, 26_321_001),
    ]
}

#[test]
fn an_incomplete_message_takes_the_memory_of_its_bytes() {
    for (network, command, len) in claims() {
        let mut peer = Counted::established(config(network));
        let before = peer.live;
        let header = raw_header(network, command.as_str().as_bytes(), len, [0; 4]);
        peer.feed(&header).expect("valid");
        assert!(peer.max_live - before <= KIB, "{command}: {}", peer.max_live - before);
        for read in 1..=(len as usize / 2 / READ) {
            peer.feed(&[0; READ]).expect("incomplete");
            let max = 3 * (read * READ) as i64 + KIB;
            assert!(peer.max_live - before <= max, "{command}: {}", peer.max_live - before);
        }
        assert!(peer.remaining() - before <= 0, "{command}");
    }
}

#[test]
fn announcements_that_are_never_sent_are_bounded() {
    const LIMIT: usize = 4 * 1024 * 1024;
    // Each vector exists twice while the batch grows.
    const WAITING: i64 = 3 * 50_000 * size_of::<InvVect>() as i64;

    for relay in [Relay::Trickle, Relay::Immediate] {
        let mut peer = Counted::established(config(EXCC).max_queued_bytes(LIMIT));
        let before = peer.live;
        for second in 0..200 {
            peer.count(|peer, _, now| {
                for number in second * 1_000..(second + 1) * 1_000 {
                    let announced = peer.announce(now, tx(number), relay);
                    assert!(!matches!(announced, Announced::Known | Announced::Unwanted));
                }
            });
            peer.now += secs(1);
            peer.count(|peer, _, now| peer.handle_timeout(now));
        }
        // Each slot of the queue exists twice while the queue grows.
        let max = 2 * LIMIT as i64 + WAITING + KEPT;
        assert!(peer.max_live - before <= max, "{relay:?}: {} of {max}", peer.max_live - before);

        for _ in 0..3 {
            peer.drain();
            peer.now += secs(1);
            peer.count(|peer, _, now| peer.handle_timeout(now));
        }
        let remaining = peer.remaining() - before;
        assert!(remaining <= KEPT, "{relay:?}: {remaining}");
    }
}

/// Small messages.
fn small() -> [Message; 3] {
    [Message::GetAddr, Message::Ping(Ping { nonce: 1 }), Message::NotFound([tx(1)].into())]
}

/// A peer with a queue full of one message, and its bytes on the heap before.
fn with_full_queue(message: &Message) -> (Counted, i64) {
    let mut peer = Counted::established(config(EXCC).max_queued_bytes(1024 * 1024));
    let before = peer.live;
    while peer.count(|peer, _, now| peer.send(now, message.clone()).is_ok()) {}
    (peer, before)
}

#[test]
fn queued_small_messages_are_bounded() {
    for message in small() {
        let command = message.command();
        let (mut peer, before) = with_full_queue(&message);
        let max = 2 * MIB;
        assert!(peer.max_live - before <= max, "{command}: {} of {max}", peer.max_live - before);
        peer.drain();
        let remaining = peer.remaining() - before;
        assert!(remaining <= KEPT, "{command}: {remaining}");
    }
}

#[test]
fn a_closed_peer_releases_its_queue() {
    for message in small() {
        let command = message.command();
        let (mut peer, before) = with_full_queue(&message);
        peer.count(|peer, _, now| peer.close(now));
        let remaining = peer.remaining() - before;
        assert!(remaining <= KEPT, "{command}: {remaining}");
    }
}

#[test]
fn messages_before_a_decred_verack_are_bounded() {
    let early = frame(DCR, 11, Message::Inv((0..50_000).map(tx).collect()));
    let mut peer = Counted::inbound(config(DCR));
    let before = peer.live;
    peer.feed(&frame(DCR, 11, version(11))).expect("valid");
    for piece in early.repeat(2).chunks(READ) {
        peer.feed(piece).expect("allowed");
    }
    let early_bytes = 2 * early.len() as i64;
    assert!(peer.max_live - before <= 2 * early_bytes, "{}", peer.max_live - before);
    let refused = Err(CloseReason::NotVerAck(Command::Inv));
    assert_eq!(peer.feed(&early[..HEADER_LEN]), refused);
    let remaining = peer.remaining() - before;
    assert!(remaining <= KEPT, "{remaining}");
}
