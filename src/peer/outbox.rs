//! The queue of frames to be sent: its order, its bounds, and the frames lent to the driver.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::event::SendId;
use super::frame_batch::{FrameBatch, chunks};
use super::shrink::{push_back, shrink_if_idle, shrink_if_oversized};
use crate::time::Instant;
use crate::wire::{EncodedMessage, HEADER_LEN, InvVect};

/// Number of bytes up to which further frames are lent to the driver. Pongs queue behind lent
/// frames, and no write accepts more (`docs/protocol.md`, 7.4).
const MAX_LENT_BYTES: usize = 256 * 1024;

/// Maximum number of frames that are lent at once. It bounds the search of
/// [`mark_answered`](Outbox::mark_answered).
const MAX_LENT_FRAMES: usize = 128;

/// Number of bytes that each queued frame counts in addition to its own, about the memory that its
/// place takes. Otherwise many small frames would escape the limit (`docs/protocol.md`, 9.2).
const FRAME_OVERHEAD: usize = 128;

/// Number of counted bytes of an `inv` besides its vectors: the header, the count of a long list,
/// and its place.
const INV_OVERHEAD: usize = HEADER_LEN + 3 + FRAME_OVERHEAD;

/// Minimum limit of counted bytes: one announcement must fit.
pub(super) const MIN_QUEUED_BYTES: usize = INV_OVERHEAD + size_of::<InvVect>();

/// The origin of a queued frame, which decides its place and the effect of sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `version` or `verack`.
    Handshake,
    Pong,
    /// A `ping` of the peer's own.
    Ping,
    /// A message of the application, which gets a receipt.
    Receipt(SendId),
    /// A batch of announcements.
    Trickle,
}

impl Purpose {
    /// Returns whether the frame counts towards `max_queued_bytes`. The number of the peer's own
    /// frames is bounded by other means (`docs/protocol.md`, 9.2).
    fn is_counted(self) -> bool {
        matches!(self, Self::Receipt(_) | Self::Trickle)
    }
}

struct Queued {
    frame: EncodedMessage,
    purpose: Purpose,
    /// When the frame was answered, if the driver had not reported it as sent by then.
    answered_at: Option<Instant>,
}

/// A frame whose last byte was sent.
pub(super) struct SentFrame {
    pub(super) frame: EncodedMessage,
    pub(super) purpose: Purpose,
    pub(super) answered_at: Option<Instant>,
}

/// The queue of frames. Tracks partial writes to the byte.
pub(super) struct Outbox {
    /// Frames that may be sent now.
    queue: VecDeque<Queued>,
    /// Frames that may be sent once the peer is established. `None` from then on.
    until_established: Option<Vec<Queued>>,
    /// Bytes of the first frame that were sent.
    offset: usize,
    /// Bytes of `queue` that were not sent.
    bytes: usize,
    /// Bytes of both queues that count towards `max_queued_bytes`.
    counted_bytes: usize,
    /// Number of pongs in `queue`.
    pong_frames: usize,
    /// Number of the first frames that the driver has seen and may have written. No frame is
    /// inserted between them.
    lent: usize,
    receipts: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            until_established: Some(Vec::new()),
            offset: 0,
            bytes: 0,
            counted_bytes: 0,
            pong_frames: 0,
            lent: 0,
            receipts: 0,
        }
    }
}

impl Outbox {
    /// Returns the number of bytes that may be sent now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the bytes that count towards `max_queued_bytes`: of frames that were not sent
    /// completely, each with [`FRAME_OVERHEAD`].
    pub(super) fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// Returns the number of counted bytes with one more frame of `len` bytes.
    pub(super) fn counted_bytes_with(&self, len: usize) -> usize {
        self.counted_bytes.saturating_add(len).saturating_add(FRAME_OVERHEAD)
    }

    /// Returns the number of vectors of an `inv` that fits within a limit of counted bytes.
    pub(super) fn vectors_with_room(&self, limit: usize) -> usize {
        let room = limit.saturating_sub(self.counted_bytes);
        room.saturating_sub(INV_OVERHEAD) / size_of::<InvVect>()
    }

    /// Returns the number of frames that were not sent completely.
    pub(super) fn frames(&self) -> usize {
        self.queue.len() + self.until_established.as_ref().map_or(0, Vec::len)
    }

    pub(super) fn next_receipt(&mut self) -> SendId {
        let id = SendId(self.receipts);
        self.receipts += 1;
        id
    }

    /// Appends a frame. Before the peer is established, only the frames of the handshake can be
    /// sent.
    pub(super) fn enqueue(&mut self, frame: EncodedMessage, purpose: Purpose) {
        if purpose.is_counted() {
            self.counted_bytes += frame.len() + FRAME_OVERHEAD;
        }
        let queued = Queued { frame, purpose, answered_at: None };
        match &mut self.until_established {
            Some(waiting) if purpose != Purpose::Handshake => waiting.push(queued),
            _ => {
                self.bytes += queued.frame.len();
                push_back(&mut self.queue, queued);
            }
        }
    }

    /// Returns whether pongs are queued.
    pub(super) fn has_pongs(&self) -> bool {
        self.pong_frames > 0
    }

    /// Inserts pongs behind lent frames, the handshake and a frame that is partly sent. They
    /// overtake all others: behind megabytes of blocks, a `pong` would miss its deadline
    /// (`docs/protocol.md`, 9.1).
    pub(super) fn insert_pongs(&mut self, frames: impl Iterator<Item = EncodedMessage>) {
        let is_handshake = |queued: &&Queued| queued.purpose == Purpose::Handshake;
        let handshake = self.queue.iter().take_while(is_handshake).count();
        let first = self.lent.max(handshake).max(usize::from(self.offset > 0));
        for (place, frame) in (first..).zip(frames) {
            self.bytes += frame.len();
            self.pong_frames += 1;
            self.queue.insert(place, Queued { frame, purpose: Purpose::Pong, answered_at: None });
        }
    }

    /// Allows all frames to be sent, those that waited for the handshake first.
    pub(super) fn on_established(&mut self) {
        let waiting = self.until_established.take().unwrap_or_default();
        self.bytes += waiting.iter().map(|queued| queued.frame.len()).sum::<usize>();
        self.queue.extend(waiting);
    }

    pub(super) fn shrink_if_idle(&mut self) {
        shrink_if_idle(&mut self.queue);
    }

    /// Counts `len` more bytes as sent. Returns the next frame that is sent completely by this,
    /// and the remaining bytes of `len`. The caller repeats this until no frame is returned.
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
        shrink_if_oversized(&mut self.queue);
        self.offset = 0;
        self.bytes -= remaining;
        self.lent = self.lent.saturating_sub(1);
        if purpose.is_counted() {
            self.counted_bytes -= frame.len() + FRAME_OVERHEAD;
        }
        if purpose == Purpose::Pong {
            self.pong_frames -= 1;
        }
        (Some(SentFrame { frame, purpose, answered_at }), len - remaining)
    }

    /// Drops every frame. Returns the receipts of those that were not sent completely.
    pub(super) fn abandon(&mut self) -> VecDeque<SendId> {
        let abandoned = core::mem::take(self);
        self.receipts = abandoned.receipts;
        abandoned
            .queue
            .iter()
            .chain(abandoned.until_established.iter().flatten())
            .filter_map(|queued| match queued.purpose {
                Purpose::Receipt(id) => Some(id),
                _ => None,
            })
            .collect()
    }
}

/// # Frames lent to the driver
impl Outbox {
    /// Returns whether the driver may be writing frames of the latest `Transmit`.
    pub(super) fn has_lent(&self) -> bool {
        self.lent > 0
    }

    /// Handles the end of a `Transmit` that lent the first `frames` frames.
    pub(super) fn set_lent(&mut self, frames: usize) {
        self.lent = frames.min(self.queue.len());
    }

    pub(super) fn lend_all(&mut self) {
        self.lent = self.queue.len();
    }

    /// Marks the first unanswered lent frame that `is_answered` accepts. Returns whether there is
    /// one (`docs/protocol.md`, 7.4).
    pub(super) fn mark_answered(
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

    pub(super) fn chunk(&self) -> &[u8] {
        let frames = self.queue.iter().map(|queued| &queued.frame);
        chunks(frames, self.offset).next().unwrap_or_default()
    }

    /// Fills `slices` with the first bytes. Returns the number of slices that were filled, and the
    /// number of frames that they cover.
    #[cfg(feature = "std")]
    pub(super) fn chunks_vectored<'a>(
        &'a self,
        slices: &mut [std::io::IoSlice<'a>],
    ) -> (usize, usize) {
        let count = self.count_to_lend(slices.len());
        let frames = self.queue.iter().take(count).map(|queued| &queued.frame);
        let used = super::frame_batch::fill(chunks(frames, self.offset), slices);
        // A slice is a frame or a part of a frame.
        let mut bytes: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        let mut offset = self.offset;
        let covered = self.queue.iter().take_while(|queued| {
            let is_covered = bytes > 0;
            bytes = bytes.saturating_sub(queued.frame.len() - core::mem::take(&mut offset));
            is_covered
        });
        (used, covered.count())
    }

    /// Returns at most `max` of the first frames, without the bytes of the first one that were
    /// sent.
    pub(super) fn batch(&self, max: usize) -> FrameBatch {
        let frames = self.queue.iter().take(self.count_to_lend(max));
        FrameBatch::new(frames.map(|queued| queued.frame.clone()).collect(), self.offset)
    }

    /// Returns the number of the first frames that are lent at once, at most `max`.
    pub(super) fn count_to_lend(&self, max: usize) -> usize {
        let mut bytes = 0;
        let frames = self.queue.iter().take(max.min(MAX_LENT_FRAMES)).take_while(|queued| {
            let is_lent = bytes < MAX_LENT_BYTES;
            bytes += queued.frame.len();
            is_lent
        });
        frames.count()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use bytes::Buf;
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
        outbox.on_established();
        for frame in frames() {
            let id = outbox.next_receipt();
            outbox.enqueue(frame, Purpose::Receipt(id));
        }
        outbox
    }

    #[test]
    fn frames_of_the_handshake_are_sent_first() {
        let [ping, inv, verack] = frames();
        let mut outbox = Outbox::default();
        outbox.enqueue(ping, Purpose::Trickle);
        assert_eq!((outbox.bytes(), outbox.frames()), (0, 1));
        outbox.enqueue(verack, Purpose::Handshake);
        assert_eq!(outbox.bytes(), 24);
        outbox.on_established();
        outbox.enqueue(inv, Purpose::Trickle);
        assert_eq!(commands(&outbox), ["verack", "ping", "inv"]);
    }

    #[test]
    fn abandoned_receipts_are_those_of_unsent_frames() {
        let mut outbox = outbox();
        assert!(outbox.advance(33).0.is_some());
        assert!(outbox.advance(1).0.is_none());
        assert_eq!(outbox.abandon(), [SendId(1), SendId(2)]);
        assert_eq!((outbox.bytes(), outbox.counted_bytes(), outbox.frames()), (0, 0, 0));
        assert_eq!(outbox.next_receipt(), SendId(3));
    }

    fn pong(nonce: u64) -> EncodedMessage {
        frame(&Message::Pong(crate::wire::Pong { nonce }))
    }

    fn commands(outbox: &Outbox) -> Vec<&'static str> {
        outbox.queue.iter().map(|queued| queued.frame.command().as_str()).collect()
    }

    #[test]
    fn pongs_overtake_frames_that_are_not_lent() {
        let mut outbox = outbox();
        outbox.set_lent(2);
        outbox.insert_pongs([7, 8].into_iter().map(pong));
        assert_eq!(commands(&outbox), ["ping", "inv", "pong", "pong", "verack"]);
        assert_eq!(outbox.queue[2].frame, pong(7));
        assert!(outbox.has_pongs());

        outbox.set_lent(0);
        let len = outbox.bytes();
        (0..len).for_each(|_| _ = outbox.advance(1));
        assert!(!outbox.has_pongs());
        outbox.insert_pongs([9].into_iter().map(pong));
        assert_eq!((commands(&outbox), outbox.bytes()), (vec!["pong"], 32));
    }

    #[test]
    fn pongs_follow_the_handshake_and_a_frame_that_is_partly_sent() {
        let [ping, inv, verack] = frames();
        let mut outbox = Outbox::default();
        outbox.enqueue(verack, Purpose::Handshake);
        outbox.enqueue(ping, Purpose::Trickle);
        outbox.on_established();
        outbox.enqueue(inv, Purpose::Trickle);
        outbox.insert_pongs([7].into_iter().map(pong));
        assert_eq!(commands(&outbox), ["verack", "pong", "ping", "inv"]);
        let (mut sent, mut remaining) = (0, 24 + 32 + 1);
        while let (Some(_), more) = outbox.advance(remaining) {
            (sent, remaining) = (sent + 1, more);
        }
        outbox.insert_pongs([8].into_iter().map(pong));
        assert_eq!((sent, commands(&outbox)), (2, vec!["ping", "pong", "inv"]));
    }

    #[test]
    fn an_announcement_fits_into_the_smallest_queue() {
        let outbox = Outbox::default();
        assert_eq!(outbox.vectors_with_room(MIN_QUEUED_BYTES - 1), 0);
        assert_eq!(outbox.vectors_with_room(MIN_QUEUED_BYTES), 1);
        let inv = frame(&Message::Inv([InvVect::tx(Hash::ZERO)].into()));
        assert!(outbox.counted_bytes_with(inv.len()) <= MIN_QUEUED_BYTES);
    }

    #[test]
    fn frames_are_lent_up_to_a_number_of_bytes() {
        let mut outbox = Outbox::default();
        outbox.on_established();
        assert_eq!(outbox.count_to_lend(9), 0);
        let large = frame(&Message::Inv([InvVect::tx(Hash::ZERO); 5_000].into()));
        (0..9).for_each(|_| outbox.enqueue(large.clone(), Purpose::Trickle));
        assert_eq!(outbox.count_to_lend(1), 1);
        assert_eq!(outbox.count_to_lend(9), 2);
        assert_eq!(outbox.batch(9).remaining(), 2 * large.len());
    }

    #[test]
    fn only_a_lent_frame_is_marked_as_answered() {
        let mut outbox = outbox();
        let is_ping = |frame: &EncodedMessage| frame.ping_nonce() == Some(1);
        assert!(!outbox.mark_answered(Instant::ZERO, is_ping));
        outbox.set_lent(1);
        assert!(outbox.mark_answered(Instant::ZERO, is_ping));
        assert!(!outbox.mark_answered(Instant::ZERO, is_ping), "once");
        let (sent, _) = outbox.advance(32);
        assert_eq!(sent.and_then(|frame| frame.answered_at), Some(Instant::ZERO));
    }

    proptest! {
        #[test]
        fn partial_writes_are_exact_to_the_byte(writes in proptest::collection::vec(1_usize..60, 0..20)) {
            let expected: Vec<u8> = frames().iter().flat_map(|frame| frame.to_bytes()).collect();
            let mut outbox = outbox();
            let mut written = Vec::new();
            let mut receipts = Vec::new();
            for len in writes.into_iter().chain([usize::MAX]) {
                let mut batch = outbox.batch(usize::MAX);
                prop_assert_eq!(batch.remaining(), outbox.bytes());
                prop_assert_eq!(batch.chunk(), outbox.chunk());
                let len = len.min(outbox.bytes());
                written.extend_from_slice(&batch.copy_to_bytes(len));
                let mut rest = len;
                while let (Some(sent), more) = outbox.advance(rest) {
                    receipts.push(sent.purpose);
                    rest = more;
                }
                prop_assert_eq!(outbox.bytes(), expected.len() - written.len());
            }
            prop_assert_eq!(written, expected);
            prop_assert_eq!(receipts, (0..3).map(|n| Purpose::Receipt(SendId(n))).collect::<Vec<_>>());
            prop_assert_eq!(outbox.counted_bytes(), 0);
        }
    }
}
