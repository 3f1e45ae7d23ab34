//! The bytes that were received and not decoded yet.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// Room for one read at rest. An empty buffer keeps no more than this.
const MIN_READ: usize = 4 * 1024;

/// Room for one read under load.
const MAX_READ: usize = 64 * 1024;

/// A payload shares the memory of the buffer only if that has at most so many times the size
/// of the payload. Otherwise the payload is copied, which costs far less than its checksum.
const MAX_SHARE: usize = 4;

/// The input of a [`Decoder`](super::Decoder) or a [`PeerState`](crate::PeerState): received
/// bytes up to the end of the last read.
///
/// One buffer belongs to one connection. Drivers append what they read; the decoder takes
/// frames from the front. The buffer decides how much to reserve, when a payload is copied,
/// and when memory is given back:
///
/// - It reserves 4 KiB for a read at rest, and up to 64 KiB while reads return as much. For
///   the rest of a larger frame it reserves as much as was received before, and never beyond the
///   end of that frame. So memory grows with bytes received, never with lengths claimed.
/// - A message that the application keeps holds at most 4 times its own size, or 4 KiB.
/// - An empty buffer keeps at most 4 KiB.
///
/// ```
/// use excc_peer::wire::{Decoder, EncodedMessage, InputBuffer, Message, Ping};
/// use excc_peer::Network;
///
/// let network = Network::EXCC_MAINNET;
/// let ping = Message::Ping(Ping { nonce: 7 });
/// let frame = EncodedMessage::new(&network, 8, &ping)?.to_bytes();
///
/// let mut buffer = InputBuffer::new();
/// let mut decoder = Decoder::new(network, 8);
/// buffer.extend_from_slice(&frame[..10]);
/// assert_eq!(decoder.decode(&mut buffer)?, None);
/// buffer.extend_from_slice(&frame[10..]);
/// assert_eq!(decoder.decode(&mut buffer)?.map(|frame| frame.message), Some(ping));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct InputBuffer {
    bytes: BytesMut,
    /// The size of the allocation in which `bytes` lies, at least.
    allocated: usize,
    /// The length of `bytes` when they were last looked at.
    seen: usize,
    /// Room for the next read, unless a large frame needs more.
    read_size: usize,
    /// Bytes that the frame at the front lacked when `seen` was counted; 0 if that is not known.
    missing: usize,
}

impl InputBuffer {
    /// An empty buffer, without memory of its own.
    pub fn new() -> Self {
        Self { bytes: BytesMut::new(), allocated: 0, seen: 0, read_size: MIN_READ, missing: 0 }
    }

    /// Bytes that were received and not taken.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all bytes were taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Makes room for the next read and lends the bytes, to be appended to within their
    /// capacity: `stream.read_buf(buffer.reserve())`.
    pub fn reserve(&mut self) -> &mut BytesMut {
        let len = self.bytes.len();
        let spare = self.bytes.capacity() - len;
        if self.is_large() {
            if spare == 0 {
                self.grow(self.missing().min(len.max(MAX_READ)));
            }
        } else {
            let size = self.read_size.max(self.missing());
            if spare < size.div_ceil(2) && !self.bytes.try_reclaim(size) {
                self.reallocate(size);
            }
        }
        &mut self.bytes
    }

    /// Reads once from a stream and returns how many bytes came; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the error of the stream.
    #[cfg(feature = "std")]
    pub fn read_from(
        &mut self,
        stream: &mut (impl std::io::Read + ?Sized),
    ) -> std::io::Result<usize> {
        let bytes = self.reserve();
        let len = bytes.len();
        // Safe code reads into initialised memory only, which limits what one read is worth.
        let room = (bytes.capacity() - len).min(MAX_READ);
        bytes.resize(len + room, 0);
        let result = stream.read(&mut bytes[len..]);
        let read = result.as_ref().map_or(0, |&read| read.min(room));
        bytes.truncate(len + read);
        result.map(|_| read)
    }

    /// Appends bytes that were read elsewhere.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let len = self.bytes.len();
        if self.bytes.capacity() - len < bytes.len() && !self.bytes.try_reclaim(bytes.len()) {
            // As much again, so that many small pieces are copied a few times only.
            let again = if self.is_large() { len.min(self.missing()) } else { len };
            self.reallocate(bytes.len().max(again));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that the frame at the front lacks; 0 if that is not known.
    fn missing(&self) -> usize {
        self.missing.saturating_sub(self.bytes.len() - self.seen)
    }

    /// Whether the frame at the front is incomplete and does not fit into one read.
    fn is_large(&self) -> bool {
        self.missing() > 0 && self.bytes.len() + self.missing() > MAX_READ
    }

    /// Makes more room, in place if the allocator can: fresh pages for every size that a large
    /// frame goes through would cost more than its checksum. Unlike `BytesMut::reserve`, this
    /// reserves no more than `additional` bytes.
    fn grow(&mut self, additional: usize) {
        let mut bytes = Vec::from(core::mem::take(&mut self.bytes));
        bytes.reserve_exact(additional);
        self.bytes = BytesMut::from(Bytes::from(bytes));
        self.allocated = self.bytes.capacity();
    }

    fn reallocate(&mut self, additional: usize) {
        let mut bytes = BytesMut::with_capacity(self.bytes.len() + additional);
        bytes.extend_from_slice(&self.bytes);
        self.allocated = bytes.capacity();
        self.bytes = bytes;
    }

    /// Counts the bytes that were appended since the last call.
    pub(crate) fn take_new(&mut self) -> usize {
        // The caller may have taken bytes out of what was lent to it.
        let new = self.bytes.len().saturating_sub(self.seen);
        if new > 0 {
            let size = if new >= self.read_size { 2 * self.read_size } else { self.read_size / 2 };
            self.read_size = size.clamp(MIN_READ, MAX_READ);
        }
        self.seen = self.bytes.len();
        // The caller may have appended beyond what was reserved.
        self.allocated = self.allocated.max(self.bytes.capacity());
        new
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops bytes from the front.
    pub(super) fn advance(&mut self, len: usize) {
        self.bytes.advance(len);
        self.forget(len);
    }

    /// Bytes were taken, and another frame is at the front.
    fn forget(&mut self, len: usize) {
        self.seen = self.seen.saturating_sub(len);
        self.missing = 0;
    }

    /// Whether a payload of that size may share the memory of the buffer.
    pub(super) fn may_share(&self, len: usize) -> bool {
        len >= MIN_READ && self.allocated <= MAX_SHARE * len
    }

    /// Takes bytes from the front, which share the memory of the buffer.
    pub(super) fn split_to(&mut self, len: usize) -> BytesMut {
        self.forget(len);
        self.bytes.split_to(len)
    }

    /// Notes how many bytes the frame at the front lacks, and gives back memory that the
    /// bytes do not need.
    pub(super) fn settle(&mut self, missing: usize) {
        // A decoder that is used by itself counts no new bytes.
        self.seen = self.bytes.len();
        self.missing = missing;
        let len = self.bytes.len();
        if len == 0 {
            // The next bytes may be long in coming, and must not find much reserved for them.
            self.read_size = MIN_READ;
        }
        if self.allocated > MIN_READ && self.allocated > MAX_SHARE * len && !self.is_large() {
            let mut bytes = BytesMut::new();
            bytes.extend_from_slice(&self.bytes);
            self.allocated = bytes.capacity();
            self.bytes = bytes;
        }
    }
}

/// Shows the number of bytes only.
impl fmt::Debug for InputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputBuffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Default for InputBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&[u8]> for InputBuffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::new();
        buffer.extend_from_slice(bytes);
        buffer
    }
}

impl FromIterator<u8> for InputBuffer {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let bytes = BytesMut::from_iter(bytes);
        Self { allocated: bytes.capacity(), bytes, ..Self::new() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::wire::{Decoder, EncodedMessage, InvVect, Message};

    const NETWORK: Network = Network::EXCC_MAINNET;

    fn inv(vectors: usize) -> Vec<u8> {
        let vectors = vec![InvVect::tx(Hash::ZERO); vectors];
        EncodedMessage::new(&NETWORK, 8, &Message::Inv(vectors.into())).unwrap().to_bytes().to_vec()
    }

    /// Reads as an asynchronous driver does, never more than what was reserved.
    fn read(buffer: &mut InputBuffer, bytes: &[u8]) -> usize {
        let room = buffer.reserve();
        let len = (room.capacity() - room.len()).min(bytes.len());
        assert!(len > 0 || bytes.is_empty(), "a read of nothing is the end of a stream");
        room.extend_from_slice(&bytes[..len]);
        len
    }

    /// Reads and decodes everything. Returns the messages and the most memory that was held.
    fn decode(buffer: &mut InputBuffer, mut bytes: &[u8]) -> (Vec<Message>, usize) {
        let mut decoder = Decoder::new(NETWORK, 8);
        let (mut messages, mut most) = (Vec::new(), 0);
        while !bytes.is_empty() {
            bytes = &bytes[read(buffer, bytes)..];
            buffer.take_new();
            most = most.max(buffer.allocated);
            while let Some(frame) = decoder.decode(buffer).unwrap() {
                messages.push(frame.message);
            }
        }
        (messages, most)
    }

    #[test]
    fn an_empty_buffer_keeps_nothing_of_a_large_message() {
        for vectors in [100, 1_000, 3_000, 50_000] {
            let mut buffer = InputBuffer::new();
            let frame = inv(vectors);
            let (messages, most) = decode(&mut buffer, &frame);
            assert_eq!(messages.len(), 1);
            assert!(most <= frame.len() + MAX_READ, "{most} for {}", frame.len());
            assert!(buffer.allocated <= MIN_READ, "{} kept", buffer.allocated);
        }
    }

    #[test]
    fn memory_grows_with_the_bytes_of_a_frame_and_ends_with_it() {
        let frame = inv(50_000);
        let mut decoder = Decoder::new(NETWORK, 8);
        let mut buffer = InputBuffer::new();
        let (mut received, mut reads) = (0, 0);
        while decoder.decode(&mut buffer).unwrap().is_none() {
            received += read(&mut buffer, &frame[received..]);
            buffer.take_new();
            reads += 1;
            assert!(buffer.allocated <= 2 * received + MAX_READ);
        }
        assert_eq!(received, frame.len());
        assert!(reads < 20, "{reads} reads");
    }

    #[test]
    fn a_small_message_does_not_hold_the_buffer() {
        let (small, large) = (inv(120), inv(50_000));
        let mut buffer = InputBuffer::new();
        let (messages, _) =
            decode(&mut buffer, &[large, small.clone(), inv(1_500), small].concat());
        let pointers: Vec<_> = messages
            .iter()
            .map(|message| match message {
                Message::Inv(vectors) => vectors.as_ptr().addr(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pointers.len(), 4);
        for (place, &pointer) in pointers.iter().enumerate() {
            let alone =
                pointers.iter().all(|&other| other == pointer || other.abs_diff(pointer) > 4_000);
            assert!(alone, "message {place} shares its memory");
        }
    }

    #[test]
    fn single_bytes_are_copied_a_few_times_only() {
        let mut buffer = InputBuffer::new();
        let mut decoder = Decoder::new(NETWORK, 8);
        let frame = inv(50_000);
        let mut allocations = 0;
        for byte in &frame {
            let before = buffer.bytes.as_ptr();
            buffer.extend_from_slice(&[*byte]);
            allocations += usize::from(buffer.bytes.as_ptr() != before);
            if buffer.len() < 100 || buffer.len() % 1_000 == 2 {
                assert_eq!(decoder.decode(&mut buffer).unwrap(), None);
            }
        }
        assert!(decoder.decode(&mut buffer).unwrap().is_some());
        assert!(allocations < 100, "{allocations} allocations");
    }

    #[test]
    fn reads_grow_with_the_traffic_and_are_small_at_rest() {
        let mut buffer = InputBuffer::new();
        let (_, most) = decode(&mut buffer, &inv(10).repeat(10_000));
        assert!(most >= MAX_READ);
        assert_eq!(buffer.read_size, MIN_READ);
        buffer.reserve();
        assert!(buffer.allocated <= MIN_READ);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_stream_that_tells_more_than_it_read_adds_no_more_than_there_was_room() {
        struct Liar;
        impl std::io::Read for Liar {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Ok(usize::MAX)
            }
        }
        let mut buffer = InputBuffer::new();
        let read = buffer.read_from(&mut Liar).unwrap();
        assert_eq!((read, buffer.len()), (MIN_READ, MIN_READ));
    }
}
