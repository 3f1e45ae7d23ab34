//! Frames on their way out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Buf;

use super::event::SendId;
use super::queue::{give_back, push_back, settle};
use crate::time::Instant;
use crate::wire::EncodedMessage;

/// Pongs that wait to be sent, and pong frames in the queue, each. A remote that pings faster
/// than it reads gets no answer to the oldest pings. Nodes measure the latest one only.
const MAX_PONGS: usize = 64;

/// Bytes up to which more frames are lent to a driver at once. Pongs queue up behind lent frames,
/// and no write takes more.
const MAX_LENT: usize = 256 * 1024;

/// Frames that are lent at once. All of them are searched for a request or a `ping` that was
/// answered before the driver told that it was sent.
const MAX_LENT_FRAMES: usize = 128;

/// Why a frame is in the queue, and so what follows when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Handshake,
    Pong,
    Ping,
    /// The application gets an event.
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
    /// When the frame was answered, if that was before the driver told that it was sent.
    answered_at: Option<Instant>,
}

/// A frame whose last byte was sent.
pub(super) struct SentFrame {
    pub(super) frame: EncodedMessage,
    pub(super) purpose: Purpose,
    pub(super) answered_at: Option<Instant>,
}

/// The queue of frames, with partial writes exact to the byte.
#[derive(Default)]
pub(super) struct Outbox {
    /// Frames that may be sent.
    queue: VecDeque<Queued>,
    /// Frames that may be sent once the handshake is done.
    until_established: Vec<Queued>,
    is_open: bool,
    /// Bytes of the first frame that were sent.
    offset: usize,
    /// Bytes of `queue` that were not sent.
    bytes: usize,
    /// Bytes of both queues that count towards the limit.
    limited: usize,
    /// Nonces of pongs that are to be sent. They become frames when there is a chance to send
    /// them, so that one that is dropped is never hashed.
    pongs: VecDeque<u64>,
    /// Pong frames in `queue`.
    pong_frames: usize,
    /// How many of the first frames the driver has seen and may have written. Nothing is
    /// inserted between them.
    lent: usize,
    receipts: u64,
}

impl Outbox {
    /// Bytes that may be sent now, pongs that are not encoded left out.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether anything may be sent now.
    pub(super) fn is_sendable(&self) -> bool {
        self.bytes > 0 || !self.pongs.is_empty()
    }

    /// What counts towards the limit: the bytes of frames that were not sent completely, and
    /// what else they take.
    pub(super) fn limited(&self) -> usize {
        self.limited
    }

    /// Frames that were not sent completely.
    pub(super) fn frames(&self) -> usize {
        self.queue.len() + self.until_established.len() + self.pongs.len()
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
        let queued = Queued { frame, purpose, answered_at: None };
        if self.is_open || purpose == Purpose::Handshake {
            self.bytes += queued.frame.len();
            push_back(&mut self.queue, queued);
        } else {
            self.until_established.push(queued);
        }
    }

    /// Queues a `pong`, which overtakes all frames that the driver has not seen.
    pub(super) fn push_pong(&mut self, nonce: u64) {
        if self.pongs.len() == MAX_PONGS {
            self.pongs.pop_front();
        }
        push_back(&mut self.pongs, nonce);
    }

    /// Makes frames of the pongs that wait, unless earlier ones are still in the queue.
    pub(super) fn encode_pongs(&mut self, encode: impl Fn(u64) -> Option<EncodedMessage>) {
        if self.pong_frames > 0 || self.pongs.is_empty() {
            return;
        }
        let opening = self.queue.iter().take_while(|one| one.purpose == Purpose::Handshake).count();
        let first = self.lent.max(opening).max(usize::from(self.offset > 0));
        for (place, frame) in (first..).zip(self.pongs.drain(..).filter_map(encode)) {
            self.bytes += frame.len();
            self.pong_frames += 1;
            self.queue.insert(place, Queued { frame, purpose: Purpose::Pong, answered_at: None });
        }
        give_back(&mut self.pongs);
    }

    /// Lets everything be sent, what waited for the handshake first.
    pub(super) fn open(&mut self) {
        self.is_open = true;
        let waiting = core::mem::take(&mut self.until_established);
        self.bytes += waiting.iter().map(|queued| queued.frame.len()).sum::<usize>();
        self.queue.extend(waiting);
    }

    /// Gives back the memory of a queue that is empty.
    pub(super) fn settle(&mut self) {
        settle(&mut self.queue);
        settle(&mut self.pongs);
    }

    /// Whether the driver may be writing frames of the latest `Transmit`.
    pub(super) fn has_lent(&self) -> bool {
        self.lent > 0
    }

    /// The driver has seen so many of the first frames.
    pub(super) fn set_lent(&mut self, frames: usize) {
        self.lent = frames.min(self.queue.len());
    }

    pub(super) fn lend_all(&mut self) {
        self.lent = self.queue.len();
    }

    /// Notes that a lent frame is answered, before the driver has told that it was sent.
    /// Returns whether there is such a frame.
    pub(super) fn answer_lent(
        &mut self,
        now: Instant,
        is_answered: impl Fn(&EncodedMessage) -> bool,
    ) -> bool {
        let lent = self.queue.iter_mut().take(self.lent.min(MAX_LENT_FRAMES));
        let mut unanswered = lent.filter(|queued| queued.answered_at.is_none());
        match unanswered.find(|queued| is_answered(&queued.frame)) {
            Some(queued) => {
                queued.answered_at = Some(now);
                true
            }
            None => false,
        }
    }

    /// Counts `len` more bytes as sent. Returns the next frame that thereby was sent
    /// completely, and what remains of `len`: call it again until there is none.
    pub(super) fn advance(&mut self, len: usize) -> (Option<SentFrame>, usize) {
        let first = self.queue.front().map_or(0, |queued| queued.frame.len());
        let remaining = first - self.offset;
        if len < remaining {
            self.offset += len;
            self.bytes -= len;
            return (None, 0);
        }
        let Some(Queued { frame, purpose, answered_at }) = self.queue.pop_front() else {
            return (None, 0);
        };
        give_back(&mut self.queue);
        self.offset = 0;
        self.bytes -= remaining;
        self.lent = self.lent.saturating_sub(1);
        if purpose.is_limited() {
            self.limited -= frame.len() + OVERHEAD;
        }
        if purpose == Purpose::Pong {
            self.pong_frames -= 1;
        }
        (Some(SentFrame { frame, purpose, answered_at }), len - remaining)
    }

    /// Drops every frame and returns the receipts of those that were not sent completely.
    pub(super) fn abandon(&mut self) -> VecDeque<SendId> {
        let abandoned = core::mem::take(self);
        self.receipts = abandoned.receipts;
        abandoned
            .queue
            .iter()
            .chain(&abandoned.until_established)
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

    /// Fills `slices` with the first bytes. Returns how many slices, and of how many frames.
    #[cfg(feature = "std")]
    pub(super) fn chunks_vectored<'a>(
        &'a self,
        slices: &mut [std::io::IoSlice<'a>],
    ) -> (usize, usize) {
        let count = self.count_to_lend(slices.len());
        let frames = self.queue.iter().take(count).map(|queued| &queued.frame);
        let used = fill(chunks(frames, self.offset), slices);
        // A slice is a frame or a part of one.
        let mut bytes: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        let mut offset = self.offset;
        let covered = self.queue.iter().take_while(|queued| {
            let is_covered = bytes > 0;
            bytes = bytes.saturating_sub(queued.frame.len() - core::mem::take(&mut offset));
            is_covered
        });
        (used, covered.count())
    }

    /// The first frames, without the bytes of the first one that were sent.
    pub(super) fn batch(&self, most: usize) -> FrameBatch {
        let frames = self.queue.iter().take(self.count_to_lend(most));
        let frames = frames.map(|queued| queued.frame.clone()).collect();
        let mut outgoing = FrameBatch { frames, first: 0, offset: 0 };
        outgoing.advance(self.offset);
        outgoing
    }

    /// How many of the first frames are lent at once, of so many at most.
    pub(super) fn count_to_lend(&self, most: usize) -> usize {
        let mut bytes = 0;
        let frames = self.queue.iter().take(most.min(MAX_LENT_FRAMES)).take_while(|queued| {
            let is_lent = bytes < MAX_LENT;
            bytes += queued.frame.len();
            is_lent
        });
        frames.count()
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
#[derive(Clone, Default)]
#[must_use]
pub struct FrameBatch {
    frames: Vec<EncodedMessage>,
    first: usize,
    offset: usize,
}

impl FrameBatch {
    fn rest(&self) -> impl Iterator<Item = &EncodedMessage> {
        self.frames.iter().skip(self.first)
    }
}

/// Shows the numbers of frames and bytes only.
impl fmt::Debug for FrameBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBatch")
            .field("frames", &self.rest().count())
            .field("remaining", &self.remaining())
            .finish()
    }
}

impl Buf for FrameBatch {
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
    use alloc::vec;

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
    fn other_frames_follow_those_of_the_handshake() {
        let [ping, inv, verack] = frames();
        let mut outbox = Outbox::default();
        outbox.push(ping.clone(), Purpose::Trickle);
        assert_eq!((outbox.bytes(), outbox.frames()), (0, 1));
        outbox.push(verack.clone(), Purpose::Handshake);
        assert_eq!(outbox.bytes(), 24);
        outbox.open();
        outbox.push(inv.clone(), Purpose::Trickle);
        let out = outbox.batch(usize::MAX);
        assert_eq!(out.frames, [verack, ping, inv]);
    }

    #[test]
    fn receipts_of_frames_that_were_not_sent_completely_are_returned() {
        let mut outbox = outbox();
        assert!(outbox.advance(33).0.is_some());
        assert!(outbox.advance(1).0.is_none());
        assert_eq!(outbox.abandon(), [SendId(1), SendId(2)]);
        assert_eq!((outbox.bytes(), outbox.limited(), outbox.frames()), (0, 0, 0));
        assert_eq!(outbox.next_receipt(), SendId(3));
    }

    fn pong(nonce: u64) -> EncodedMessage {
        frame(&Message::Pong(crate::wire::Pong { nonce }))
    }

    fn commands(outbox: &Outbox) -> Vec<&'static str> {
        outbox.queue.iter().map(|queued| queued.frame.command().as_str()).collect()
    }

    #[test]
    fn pongs_overtake_frames_that_were_not_lent() {
        let mut outbox = outbox();
        outbox.set_lent(2);
        outbox.push_pong(7);
        outbox.push_pong(8);
        assert!(outbox.is_sendable());
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        assert_eq!(commands(&outbox), ["ping", "inv", "pong", "pong", "verack"]);
        assert_eq!(outbox.queue[2].frame, pong(7));
        outbox.push_pong(9);
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        assert_eq!(outbox.queue.len(), 5, "earlier ones go first");
        assert_eq!(outbox.frames(), 6);

        outbox.set_lent(0);
        let len = outbox.bytes();
        (0..len).for_each(|_| _ = outbox.advance(1));
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        assert_eq!((commands(&outbox), outbox.bytes()), (vec!["pong"], 32));
    }

    #[test]
    fn pongs_follow_the_handshake_and_a_frame_that_is_partly_sent() {
        let [ping, inv, verack] = frames();
        let mut outbox = Outbox::default();
        outbox.push(verack, Purpose::Handshake);
        outbox.push(ping, Purpose::Trickle);
        outbox.open();
        outbox.push(inv, Purpose::Trickle);
        outbox.push_pong(7);
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        assert_eq!(commands(&outbox), ["verack", "pong", "ping", "inv"]);
        let (mut sent, mut rest) = (0, 24 + 32 + 1);
        while let (Some(_), more) = outbox.advance(rest) {
            (sent, rest) = (sent + 1, more);
        }
        outbox.push_pong(8);
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        assert_eq!((sent, commands(&outbox)), (2, vec!["ping", "pong", "inv"]));
    }

    #[test]
    fn the_oldest_of_many_pongs_are_dropped() {
        let mut outbox = outbox();
        (0..1_000).for_each(|nonce| outbox.push_pong(nonce));
        outbox.encode_pongs(|nonce| Some(pong(nonce)));
        let pongs = outbox.queue.iter().take(MAX_PONGS).map(|queued| queued.frame.clone());
        assert!(pongs.eq((1_000 - MAX_PONGS as u64..1_000).map(pong)));
        assert_eq!(outbox.queue.len(), MAX_PONGS + 3);
    }

    #[test]
    fn about_as_many_bytes_are_lent_as_a_write_takes() {
        let mut outbox = Outbox::default();
        outbox.open();
        assert_eq!(outbox.count_to_lend(9), 0);
        let large = frame(&Message::Inv([InvVect::tx(Hash::ZERO); 5_000].into()));
        (0..9).for_each(|_| outbox.push(large.clone(), Purpose::Trickle));
        assert_eq!(outbox.count_to_lend(1), 1);
        assert_eq!(outbox.count_to_lend(9), 2);
        assert_eq!(outbox.batch(9).remaining(), 2 * large.len());
    }

    #[test]
    fn only_a_lent_frame_is_answered() {
        let mut outbox = outbox();
        let is_ping = |frame: &EncodedMessage| frame.ping_nonce() == Some(1);
        assert!(!outbox.answer_lent(Instant::ZERO, is_ping));
        outbox.set_lent(1);
        assert!(outbox.answer_lent(Instant::ZERO, is_ping));
        assert!(!outbox.answer_lent(Instant::ZERO, is_ping), "once");
        let (sent, _) = outbox.advance(32);
        assert_eq!(sent.and_then(|frame| frame.answered_at), Some(Instant::ZERO));
    }

    proptest! {
        #[test]
        fn any_sequence_of_partial_writes_is_exact(writes in proptest::collection::vec(1_usize..60, 0..20)) {
            let expected: Vec<u8> = frames().iter().flat_map(|frame| frame.to_bytes()).collect();
            let mut outbox = outbox();
            let mut written = Vec::new();
            let mut receipts = Vec::new();
            for len in writes.into_iter().chain([usize::MAX]) {
                let mut shared = outbox.batch(usize::MAX);
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
