//! Memory of the input buffer and of the messages that are decoded from it.

use allocation_counter::measure;
use bytes::Bytes;
use excc_peer::Event;
use excc_peer::wire::{CFilterV2, CFiltersV2, List};

use super::*;

/// How a driver fills the input buffer.
#[derive(Debug, Clone, Copy)]
enum Reads {
    /// It appends received bytes, in pieces of this size.
    Appends(usize),
    /// It reads into the reserved room, from a socket with this many bytes.
    IntoRoom(usize),
    /// It calls `read_from`.
    #[cfg(feature = "std")]
    FromStream,
}

const ALL_READS: &[Reads] = &[
    Reads::Appends(READ),
    Reads::Appends(1_448),
    Reads::IntoRoom(1_448),
    Reads::IntoRoom(256 * 1024),
    #[cfg(feature = "std")]
    Reads::FromStream,
];

impl Counted {
    /// Reads all of `bytes`, and passes every event to `keep`.
    fn read_all(&mut self, bytes: &[u8], reads: Reads, mut keep: impl FnMut(Event)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = self.now;
            self.count(|peer, buffer, _| {
                let len = match reads {
                    Reads::Appends(max) => {
                        let piece = &rest[..max.min(rest.len())];
                        buffer.extend_from_slice(piece);
                        piece.len()
                    }
                    Reads::IntoRoom(max) => {
                        let room = buffer.reserve();
                        let len = (room.capacity() - room.len()).min(max).min(rest.len());
                        room.extend_from_slice(&rest[..len]);
                        len
                    }
                    #[cfg(feature = "std")]
                    Reads::FromStream => buffer.read_from(&mut &*rest).expect("a slice is read"),
                };
                assert!(len > 0, "no room is reserved");
                rest = &rest[len..];
                peer.handle_input(now, buffer).expect("valid");
                while let Some(event) = peer.poll_event() {
                    keep(event);
                    if peer.can_resume() {
                        peer.handle_input(now, buffer).expect("valid");
                    }
                }
            });
        }
        assert!(self.buffer.is_empty());
    }
}

/// A peer that remembers no inventory, so that a message leaves no memory in use.
fn without_known_inventory(network: Network) -> Counted {
    Counted::established(config(network).known_inventory(0, secs(1)))
}

/// The largest messages: an `inv`, and 25 MB of filters on Decred.
fn largest() -> [(Network, Bytes); 2] {
    let filter = |n: u32| CFilterV2 {
        block_hash: hash(n),
        data: vec![0; 250_000].into(),
        proof_index: 0,
        proof_hashes: List::new(),
    };
    let filters = Message::CFiltersV2(CFiltersV2 { filters: (0..100).map(filter).collect() });
    [
        (EXCC, frame(EXCC, 8, Message::Inv((0..50_000).map(tx).collect()))),
        (DCR, frame(DCR, 12, filters)),
    ]
}

#[test]
fn a_large_message_that_is_dropped_releases_its_memory() {
    for (network, bytes) in largest() {
        for &reads in ALL_READS {
            let mut peer = without_known_inventory(network);
            // The first message allocates the idle buffer and a row of the statistics.
            peer.read_all(&frame(network, 8, Message::GetAddr), reads, drop);
            let before = peer.live;
            let rounds = if network == EXCC { 3 } else { 1 };
            for _ in 0..rounds {
                peer.read_all(&bytes, reads, drop);
                let remaining = peer.live - before;
                assert!(
                    remaining <= 4 * KIB,
                    "{reads:?}: {remaining} bytes remain of {}",
                    bytes.len()
                );
                peer.read_all(&frame(network, 8, Message::GetAddr), reads, drop);
                let remaining = peer.live - before;
                assert!(remaining <= 4 * KIB, "{reads:?}: {remaining} bytes after a small message");
            }
            // While the buffer grows, its bytes exist twice.
            let max = 2 * bytes.len() as i64 + 128 * KIB;
            assert!(
                peer.max_live - before <= max,
                "{reads:?}: {} of {max}",
                peer.max_live - before
            );
        }
    }
}

#[test]
fn a_kept_message_keeps_at_most_four_times_its_size() {
    let large = frame(EXCC, 8, Message::Inv((0..50_000).map(tx).collect()));
    // Lists that are copied, lists that share a small buffer, and lists of other lengths.
    for vectors in [1, 110, 120, 500, 1_500, 5_000] {
        let small = frame(EXCC, 8, Message::Inv((0..vectors).map(tx).collect()));
        for &reads in ALL_READS {
            let mut peer = without_known_inventory(EXCC);
            peer.read_all(&large, reads, drop);
            let before = peer.live;
            let mut kept = Vec::with_capacity(100);
            let stream = [&large[..], &small, &small].concat();
            let rounds = if vectors == 120 { 50 } else { 5 };
            for _ in 0..rounds {
                peer.read_all(&stream, reads, |event| match event {
                    Event::Message { message: Message::Inv(list), .. } => {
                        if list.len() < 50_000 {
                            kept.push(list);
                        }
                    }
                    other => panic!("{other:?}"),
                });
            }
            assert_eq!(kept.len(), 2 * rounds);
            let size = (kept.len() * small.len()) as i64;
            // A short message may keep a small buffer, and one small buffer may remain.
            let max = (4 * size).max(kept.len() as i64 * 4 * KIB) + 4 * KIB;
            let kept_bytes = peer.live - before;
            assert!(kept_bytes <= max, "{vectors} vectors, {reads:?}: {kept_bytes} for {size}");
        }
    }
}

#[test]
fn a_message_byte_by_byte_is_copied_a_few_times() {
    let bytes = frame(EXCC, 8, Message::Inv((0..50_000).map(tx).collect()));
    let mut peer = without_known_inventory(EXCC);
    let mut messages = 0;
    let allocated = measure(|| {
        for byte in &*bytes {
            peer.buffer.extend_from_slice(&[*byte]);
            peer.peer.handle_input(peer.now, &mut peer.buffer).expect("valid");
            messages += u64::from(peer.peer.poll_event().is_some());
        }
    });
    assert_eq!(messages, 1);
    assert!(allocated.count_total <= 40, "{allocated:?}");
    assert!(allocated.bytes_total <= 4 * bytes.len() as u64, "{allocated:?}");
    assert!(allocated.bytes_current <= 4 * KIB, "{allocated:?}");
}

#[test]
fn small_messages_take_no_allocation_each() {
    let pings: Vec<u8> =
        (0..10_000).flat_map(|nonce| frame(EXCC, 8, Message::Ping(Ping { nonce }))).collect();
    for &reads in ALL_READS {
        let mut peer = without_known_inventory(EXCC);
        peer.read_all(&pings, reads, drop);
        let allocated = measure(|| peer.read_all(&pings, reads, drop));
        // Room is reserved again after each release, not for each message.
        assert!(allocated.count_total <= 500, "{reads:?}: {allocated:?}");
        assert!(allocated.bytes_current.abs() <= 4 * KIB, "{reads:?}: {allocated:?}");
    }
}

#[test]
fn reserved_room_does_not_depend_on_the_announced_length() {
    for (network, command, len) in claims() {
        let mut peer = Counted::established(config(network));
        let header = raw_header(network, command.as_str().as_bytes(), len, [0; 4]);
        peer.feed(&header).expect("acceptable");
        let mut received = 0;
        while received < len as usize / 2 {
            let room = peer.buffer.reserve();
            let spare = room.capacity() - room.len();
            // At most the number of received bytes, or one read.
            assert!(spare <= received.max(READ) + KIB as usize, "{spare} after {received}");
            room.extend_from_slice(&vec![0; spare]);
            received += spare;
            peer.feed(&[]).expect("incomplete");
        }
    }
}

/// Otherwise the next message would keep the buffer of the large one.
#[test]
fn reserved_room_ends_with_a_large_frame() {
    for (network, command, len) in claims() {
        let mut peer = Counted::established(config(network));
        let header = raw_header(network, command.as_str().as_bytes(), len, [0; 4]);
        peer.feed(&header).expect("acceptable");
        let mut rest = len as usize;
        loop {
            let room = peer.buffer.reserve();
            let spare = room.capacity() - room.len();
            assert!(spare <= rest.max(READ), "{spare} for {rest} missing bytes");
            if spare >= rest {
                break;
            }
            room.extend_from_slice(&vec![0; spare]);
            rest -= spare;
            peer.feed(&[]).expect("incomplete");
        }
    }
}

#[test]
fn answered_requests_release_their_memory() {
    let mut peer = without_known_inventory(EXCC);
    let before = peer.live;
    for round in 0..100_u32 {
        let vectors: Vec<_> = (round * 1_000..(round + 1) * 1_000).map(tx).collect();
        let request = Message::GetData(vectors.clone().into());
        peer.count(|peer, _, now| drop(peer.send(now, request)));
        peer.drain();
        peer.feed(&frame(EXCC, 8, Message::NotFound(vectors.into()))).expect("valid");
        peer.drain();
    }
    assert_eq!(peer.peer.stats().requested, 0);
    assert!(peer.live - before <= 16 * KIB, "{}", peer.live - before);
}
