//! Frames on their way out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Buf;

use super::event::SendId;
use super::queue::{give_back, push_back, settle};
use crate::wire::EncodedMessage;

/// Why a frame is in the queue, and so what follows when it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Handshake,
    Pong,
    Ping,
    /// The application is told.
    Receipt(SendId),
    /// A batch of announcements.
    Trickle,
}

impl Purpose {
    /// Whether the frame counts towards the limit of queued bytes. What the peer sends
    /// by itself is bounded by other means.
    fn is_limited(self) -> bool {
        matches!(self, Self::Receipt(_) | Self::Trickle)
    }
}

/// What a queued frame is reckoned to take in memory besides its bytes, so that many small
/// ones do not escape the limit.
pub(super) const OVERHEAD: usize = 128;

struct Queued {
    frame: EncodedMessage,
    purpose: Purpose,
}

/// A frame whose last byte has left.
pub(super) struct Left {
    pub(super) frame: EncodedMessage,
    pub(super) purpose: Purpose,
}

/// The queue of frames, with partial writes exact to the byte.
#[derive(Default)]
pub(super) struct Outbox {
    /// Frames that may leave.
    queue: VecDeque<Queued>,
    /// Frames that may leave once the handshake is done.
    held: VecDeque<Queued>,
    is_open: bool,
    /// Bytes of the first frame that have left.
    offset: usize,
    /// Bytes of `queue` that have not left.
    bytes: usize,
    /// What of both queues counts towards the limit.
    limited: usize,
    pongs: u32,
    receipts: u64,
}

impl Outbox {
    /// Bytes that may leave now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What counts towards the limit: the bytes of frames that have not left wholly, and what
    /// else they take.
    pub(super) fn limited(&self) -> usize {
        self.limited
    }

    /// Frames that have not left wholly.
    pub(super) fn frames(&self) -> usize {
        self.queue.len() + self.held.len()
    }

    /// Pongs that have not left wholly.
    pub(super) fn pongs(&self) -> u32 {
        self.pongs
    }

    pub(super) fn next_receipt(&mut self) -> SendId {
        let id = SendId(self.receipts);
        self.receipts += 1;
        id
    }

    pub(super) fn push(&mut self, frame: EncodedMessage, purpose: Purpose) {
        if purpose.is_limited() {
            self.limited += frame.len() + OVERHEAD;
        }
        if purpose == Purpose::Pong {
            self.pongs += 1;
        }
        let queued = Queued { frame, purpose };
        if self.is_open || purpose == Purpose::Handshake {
            self.bytes += queued.frame.len();
            push_back(&mut self.queue, queued);
        } else {
            push_back(&mut self.held, queued);
        }
    }

    /// Lets everything leave, what was held first.
    pub(super) fn open(&mut self) {
        self.is_open = true;
        self.bytes += self.held.iter().map(|queued| queued.frame.len()).sum::<usize>();
        self.queue.append(&mut self.held);
        give_back(&mut self.held);
    }

    /// Gives back the memory of a queue that is empty.
    pub(super) fn settle(&mut self) {
        settle(&mut self.queue);
    }

    /// The size of the frame that leaves now.
    pub(super) fn leaving(&self) -> Option<usize> {
        self.queue.front().map(|queued| queued.frame.len())
    }

    /// Counts `len` more bytes as left. Returns the next frame that thereby left wholly,
    /// and what remains of `len`: call it again until there is none.
    pub(super) fn advance(&mut self, len: usize) -> (Option<Left>, usize) {
        let rest = self.leaving().unwrap_or_default() - self.offset;
        if len < rest {
            self.offset += len;
            self.bytes -= len;
            return (None, 0);
        }
        let Some(Queued { frame, purpose }) = self.queue.pop_front() else { return (None, 0) };
        give_back(&mut self.queue);
        self.offset = 0;
        self.bytes -= rest;
        if purpose.is_limited() {
            self.limited -= frame.len() + OVERHEAD;
        }
        if purpose == Purpose::Pong {
            self.pongs -= 1;
        }
        (Some(Left { frame, purpose }), len - rest)
    }

    /// Drops every frame and returns the receipts of those that had not left wholly.
    pub(super) fn abandon(&mut self) -> VecDeque<SendId> {
        let abandoned = core::mem::take(self);
        self.receipts = abandoned.receipts;
        abandoned
            .queue
            .iter()
            .chain(&abandoned.held)
            .filter_map(|queued| match queued.purpose {
                Purpose::Receipt(id) => Some(id),
                _ => None,
            })
            .collect()
    }

    pub(super) fn chunk(&self) -> &[u8] {
        chunks(self.queue.iter().map(|queued| &queued.frame), self.offset)
            .next()
            .unwrap_or_default()
    }

    #[cfg(feature = "std")]
    pub(super) fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        fill(chunks(self.queue.iter().map(|queued| &queued.frame), self.offset), slices)
    }

    /// The first frames, with what has left of the first one.
    pub(super) fn share(&self, frames: usize) -> Outgoing {
        let frames = self.queue.iter().take(frames).map(|queued| queued.frame.clone()).collect();
        let mut outgoing = Outgoing { frames, first: 0, offset: 0 };
        outgoing.advance(self.offset);
        outgoing
    }
}

/// The parts of `frames`, none of them empty, after the first `offset` bytes, which are
/// less than the first frame.
fn chunks<'a>(
    frames: impl Iterator<Item = &'a EncodedMessage>,
    mut offset: usize,
) -> impl Iterator<Item = &'a [u8]> {
    frames.flat_map(EncodedMessage::parts).filter_map(move |part| {
        let left = part.get(offset..).unwrap_or_default();
        offset -= part.len() - left.len();
        (!left.is_empty()).then_some(left)
    })
}

#[cfg(feature = "std")]
fn fill<'a>(chunks: impl Iterator<Item = &'a [u8]>, slices: &mut [std::io::IoSlice<'a>]) -> usize {
    slices
        .iter_mut()
        .zip(chunks)
        .map(|(slice, chunk)| *slice = std::io::IoSlice::new(chunk))
        .count()
}

/// Frames to be written, which share their bytes with the peer and do not borrow it.
///
/// A [`Buf`] like [`Transmit`](crate::Transmit), for adapters that must not hold the
/// peer while they write. The peer is told separately of what has left. Advancing past
/// the end stops at the end.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    frames: Vec<EncodedMessage>,
    first: usize,
    offset: usize,
}

impl Outgoing {
    fn rest(&self) -> impl Iterator<Item = &EncodedMessage> {
        self.frames.iter().skip(self.first)
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.rest().map(EncodedMessage::len).sum::<usize>() - self.offset
    }

    fn chunk(&self) -> &[u8] {
        chunks(self.rest(), self.offset).next().unwrap_or_default()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        fill(chunks(self.rest(), self.offset), slices)
    }

    fn advance(&mut self, mut len: usize) {
        while let Some(frame) = self.frames.get(self.first) {
            let rest = frame.len() - self.offset;
            if len < rest {
                self.offset += len;
                return;
            }
            len -= rest;
            self.first += 1;
            self.offset = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::wire::{InvVect, Message, Ping};

    fn frame(message: &Message) -> EncodedMessage {
        EncodedMessage::new(&Network::EXCC_MAINNET, 8, message).unwrap()
    }

    fn frames() -> [EncodedMessage; 3] {
        [
            frame(&Message::Ping(Ping { nonce: 1 })),
            frame(&Message::Inv([InvVect::tx(Hash::ZERO); 2].into())),
            frame(&Message::VerAck),
        ]
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.open();
        for frame in frames() {
            let id = outbox.next_receipt();
            outbox.push(frame, Purpose::Receipt(id));
        }
        outbox
    }

    #[test]
    fn held_frames_follow_those_of_the_handshake() {
        let [ping, inv, verack] = frames();
        let mut outbox = Outbox::default();
        outbox.push(ping.clone(), Purpose::Trickle);
        assert_eq!((outbox.bytes(), outbox.frames()), (0, 1));
        outbox.push(verack.clone(), Purpose::Handshake);
        assert_eq!(outbox.bytes(), 24);
        outbox.open();
        outbox.push(inv.clone(), Purpose::Trickle);
        let out = outbox.share(usize::MAX);
        assert_eq!(out.frames, [verack, ping, inv]);
    }

    #[test]
    fn what_had_not_left_wholly_is_told() {
        let mut outbox = outbox();
        assert!(outbox.advance(33).0.is_some());
        assert!(outbox.advance(1).0.is_none());
        assert_eq!(outbox.abandon(), [SendId(1), SendId(2)]);
        assert_eq!((outbox.bytes(), outbox.limited(), outbox.frames()), (0, 0, 0));
        assert_eq!(outbox.next_receipt(), SendId(3));
    }

    proptest! {
        #[test]
        fn any_sequence_of_partial_writes_is_exact(writes in proptest::collection::vec(1_usize..60, 0..20)) {
            let expected: Vec<u8> = frames().iter().flat_map(|frame| frame.to_bytes()).collect();
            let mut outbox = outbox();
            let mut written = Vec::new();
            let mut receipts = Vec::new();
            for len in writes.into_iter().chain([usize::MAX]) {
                let mut shared = outbox.share(usize::MAX);
                prop_assert_eq!(shared.remaining(), outbox.bytes());
                prop_assert_eq!(shared.chunk(), outbox.chunk());
                let len = len.min(outbox.bytes());
                written.extend_from_slice(&shared.copy_to_bytes(len));
                let mut rest = len;
                while let (Some(left), more) = outbox.advance(rest) {
                    receipts.push(left.purpose);
                    rest = more;
                }
                prop_assert_eq!(outbox.bytes(), expected.len() - written.len());
            }
            prop_assert_eq!(written, expected);
            prop_assert_eq!(receipts, (0..3).map(|n| Purpose::Receipt(SendId(n))).collect::<Vec<_>>());
            prop_assert_eq!(outbox.limited(), 0);
        }
    }
}
