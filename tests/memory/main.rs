//! How much memory a peer holds while a remote does its worst, and after.
//!
//! Counted is everything that lives on the heap because of a connection: what the peer
//! holds, the receive buffer, and the events that wait. Each test states its bounds.

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

/// As much as is read at a time.
const READ: usize = 64 * 1024;

/// Most of what a peer keeps once all is over: 1,000 known vectors, and the room of queues
/// that were short.
const KEPT: i64 = 128 * KIB;

/// A peer, and what lives because of it.
struct Counted {
    peer: PeerState,
    buffer: InputBuffer,
    now: Instant,
    live: i64,
    /// The most that ever lived.
    most: i64,
}

impl Counted {
    fn inbound(config: ConfigBuilder) -> Self {
        let config: Arc<Config> = config.build().expect("valid").into();
        let mut peer = None;
        let taken = measure(|| {
            peer = Some(PeerState::inbound(
                config.clone(),
                remote(),
                Instant::ZERO,
                UNIX_TIME,
                &mut rng(1),
            ));
        });
        Self {
            peer: peer.expect("made"),
            buffer: InputBuffer::new(),
            now: Instant::ZERO,
            live: taken.bytes_current,
            most: taken.bytes_current,
        }
    }

    /// After a handshake, with all timeouts off that end a peer which only floods.
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
        self.feed(&theirs).expect("acceptable");
        self.feed(&verack).expect("acceptable");
        self.drain();
        assert!(self.peer.is_established());
    }

    fn count<T>(&mut self, act: impl FnOnce(&mut PeerState, &mut InputBuffer, Instant) -> T) -> T {
        let mut result = None;
        let taken = measure(|| result = Some(act(&mut self.peer, &mut self.buffer, self.now)));
        self.most = self.most.max(self.live + taken.bytes_max as i64);
        self.live += taken.bytes_current;
        result.expect("it was run")
    }

    /// Bytes are read.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.count(|peer, buffer, now| {
            buffer.extend_from_slice(bytes);
            peer.handle_input(now, buffer)
        })
    }

    /// Takes all events and everything that is to be written, and goes on until there is
    /// no more of either.
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

    /// Reads `flood` over and over, as long as the peer wants to.
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

    /// What lives when all is taken and the receive buffer is given up.
    fn left(mut self) -> i64 {
        self.drain();
        self.count(|_, buffer, _| *buffer = InputBuffer::new());
        self.live
    }
}

/// What a remote may send as often as it likes, and the largest frame in it.
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
    // The first keeps the whole receive buffer alive, the others are copied out of it.
    let transactions = [&of(padded(4_100))[..], &of(padded(4_000)).repeat(15)].concat();
    vec![
        ("pings", many(1_000, &|n| Message::Ping(Ping { nonce: n.into() }))),
        ("empty messages", many(1_000, &|n| empty[n as usize % empty.len()].clone())),
        ("announcements", many(4, &|n| inv(n * 50_000))),
        ("the same announcements", of(inv(0))),
        ("one announcement", of(Message::Inv([tx(1)].into()))),
        ("what was not found", of(Message::NotFound((0..50_000).map(tx).collect()))),
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
        .expect("of the chain")
}

/// The longest frame of a flood.
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

/// On a machine of 64 bits, and all of it: what lies on the heap, and the peer itself.
#[cfg(target_pointer_width = "64")]
#[test]
fn an_idle_peer_takes_a_kibibyte_and_a_half() {
    for network in [EXCC, DCR] {
        let mut peer = Counted::inbound(config(network));
        peer.shake_hands();
        // Its queues give back what they needed for the handshake when they have been quiet.
        peer.now += secs(107);
        peer.count(|peer, _, now| peer.handle_timeout(now));
        peer.drain();
        let nonce = peer.peer.stats().outstanding_ping.expect("a ping has left");
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
fn a_flood_that_is_taken_needs_room_for_one_message() {
    for (name, flood) in floods() {
        let mut peer = Counted::established(config(EXCC));
        let before = peer.live;
        peer.read(&flood, 8 * MIB as usize, Counted::drain);
        // A receive buffer grows by doubling, and what it had is copied meanwhile.
        let most = 3 * longest(&flood) + 256 * KIB;
        assert!(peer.most - before <= most, "{name}: {} of {most}", peer.most - before);
        let left = peer.left() - before;
        assert!(left <= KEPT, "{name}: {left}");
    }
}

#[test]
fn a_flood_that_nobody_takes_is_bounded() {
    const EVENTS: i64 = 4 * MIB;
    for (name, flood) in floods() {
        let mut peer = Counted::established(config(EXCC));
        let before = peer.live;
        peer.read(&flood, 64 * MIB as usize, |_| {});
        assert!(!peer.peer.wants_read());
        let most = 2 * (EVENTS + longest(&flood)) + 256 * KIB;
        assert!(peer.most - before <= most, "{name}: {} of {most}", peer.most - before);
        let left = peer.left() - before;
        assert!(left <= KEPT, "{name}: {left}");
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
    assert!(peer.most - before <= 2 * READ as i64, "{}", peer.most - before);
}

#[test]
fn a_handshake_that_dribbles_takes_what_it_brings() {
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
        assert!(peer.most - before <= 4 * bytes.len() as i64);
        peer.now = Instant::from_secs(30);
        peer.count(|peer, _, now| peer.handle_timeout(now));
        peer.now += GRACE;
        peer.count(|peer, _, now| peer.handle_timeout(now));
        assert_eq!(peer.peer.close_reason(), Some(&CloseReason::HandshakeTimeout));
        assert!(peer.left() - before <= KIB);
    }
}

/// The commands that may claim the most.
fn claims() -> [(Network, Command, u32); 3] {
    [
        (EXCC, Command::Inv, 1_800_003),
        (DCR, Command::MixDCNet, 20_988_047),
        (DCR, Command::CFiltersV2, 26_321_001),
    ]
}

#[test]
fn a_message_that_is_half_there_takes_what_came_of_it() {
    for (network, command, len) in claims() {
        let mut peer = Counted::established(config(network));
        let before = peer.live;
        let header = raw_header(network, command.as_str().as_bytes(), len, [0; 4]);
        peer.feed(&header).expect("acceptable");
        assert!(peer.most - before <= KIB, "{command}: {}", peer.most - before);
        for read in 1..=(len as usize / 2 / READ) {
            peer.feed(&[0; READ]).expect("not whole");
            let most = 3 * (read * READ) as i64 + KIB;
            assert!(peer.most - before <= most, "{command}: {}", peer.most - before);
        }
        assert!(peer.left() - before <= 0, "{command}");
    }
}

#[test]
fn announcements_that_never_leave_are_bounded() {
    const LIMIT: usize = 4 * 1024 * 1024;
    // Of each there is a copy while their queue grows.
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
        // Of the places in the queue there is a copy while it grows.
        let most = 2 * LIMIT as i64 + WAITING + KEPT;
        assert!(peer.most - before <= most, "{relay:?}: {} of {most}", peer.most - before);

        for _ in 0..3 {
            peer.drain();
            peer.now += secs(1);
            peer.count(|peer, _, now| peer.handle_timeout(now));
        }
        let left = peer.left() - before;
        assert!(left <= KEPT, "{relay:?}: {left}");
    }
}

/// Messages that are small, or next to nothing.
fn small() -> [Message; 3] {
    [Message::GetAddr, Message::Ping(Ping { nonce: 1 }), Message::NotFound([tx(1)].into())]
}

/// A peer whose queue is full of one message, and what lived before.
fn full_of(message: &Message) -> (Counted, i64) {
    let mut peer = Counted::established(config(EXCC).max_queued_bytes(1024 * 1024));
    let before = peer.live;
    while peer.count(|peer, _, now| peer.send(now, message.clone()).is_ok()) {}
    (peer, before)
}

#[test]
fn small_messages_that_wait_do_not_escape_the_limit() {
    for message in small() {
        let command = message.command();
        let (mut peer, before) = full_of(&message);
        let most = 2 * MIB;
        assert!(peer.most - before <= most, "{command}: {} of {most}", peer.most - before);
        peer.drain();
        let left = peer.left() - before;
        assert!(left <= KEPT, "{command}: {left}");
    }
}

#[test]
fn a_closed_peer_gives_back_what_its_queue_took() {
    for message in small() {
        let command = message.command();
        let (mut peer, before) = full_of(&message);
        peer.count(|peer, _, now| peer.close(now));
        let left = peer.left() - before;
        assert!(left <= KEPT, "{command}: {left}");
    }
}

/// They are bounded by their number, and each by what its command allows.
#[test]
fn messages_that_a_verack_must_follow_are_bounded() {
    let early = frame(DCR, 11, Message::Inv((0..50_000).map(tx).collect()));
    let mut peer = Counted::inbound(config(DCR));
    let before = peer.live;
    peer.feed(&frame(DCR, 11, version(11))).expect("acceptable");
    for piece in early.repeat(2).chunks(READ) {
        peer.feed(piece).expect("allowed");
    }
    let held = 2 * early.len() as i64;
    assert!(peer.most - before <= 2 * held, "{}", peer.most - before);
    let refused = Err(CloseReason::NotVerAck(Command::Inv));
    assert_eq!(peer.feed(&early[..HEADER_LEN]), refused);
    let left = peer.left() - before;
    assert!(left <= KEPT, "{left}");
}
