//! The buffer of received bytes that are not decoded yet.

use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// Reserved bytes for a read at rest, and the maximum memory of an empty buffer.
const MIN_READ: usize = 4 * 1024;

/// Maximum reserved bytes for a read under load.
const MAX_READ: usize = 64 * 1024;

/// Maximum ratio of the buffer's memory to a payload that shares it. Other payloads are copied,
/// which costs far less than their checksum.
const MAX_SHARE_RATIO: usize = 4;

/// The input of a [`Decoder`](super::Decoder) or a [`PeerState`](crate::PeerState): received
/// bytes up to the end of the last read.
///
/// Each connection has its own buffer. Drivers append received bytes, and the decoder removes
/// frames from the front. Memory grows with received bytes, never with claimed lengths:
///
/// - A read at rest reserves 4 KiB. While reads fill their reservation, it grows to 64 KiB.
/// - A read of the rest of a larger frame reserves at most the number of bytes received before.
///   It never reserves memory beyond the end of that frame.
/// - A retained message uses at most 4 times its own size, or 4 KiB.
/// - An empty buffer uses at most 4 KiB.
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
    /// Minimum size of the allocation of `bytes`.
    allocated: usize,
    /// Length of `bytes` when new bytes were last counted.
    counted: usize,
    /// Bytes to reserve for the next read, unless a large frame needs more.
    read_size: usize,
    /// Number of bytes that the front frame lacked at the length `counted`, or 0 if unknown.
    missing: usize,
}

impl InputBuffer {
    /// Creates an empty buffer without an allocation.
    pub fn new() -> Self {
        Self { bytes: BytesMut::new(), allocated: 0, counted: 0, read_size: MIN_READ, missing: 0 }
    }

    /// Returns the number of bytes in the buffer.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reserves memory for the next read, and returns the bytes for the reader to append to
    /// within their capacity: `stream.read_buf(buffer.reserve())`.
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

    /// Reads once from a stream and returns the number of bytes read. 0 is the end of the stream.
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
        // Safe code must initialise memory before a read, so one read is limited.
        let room = (bytes.capacity() - len).min(MAX_READ);
        bytes.resize(len + room, 0);
        let result = stream.read(&mut bytes[len..]);
        let read = result.as_ref().map_or(0, |&read| read.min(room));
        bytes.truncate(len + read);
        result.map(|_| read)
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let len = self.bytes.len();
        if self.bytes.capacity() - len < bytes.len() && !self.bytes.try_reclaim(bytes.len()) {
            // Doubles the buffer, so that many small pieces are copied a few times only.
            let again = if self.is_large() { len.min(self.missing()) } else { len };
            self.reallocate(bytes.len().max(again));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that the front frame lacks, or 0 if unknown.
    fn missing(&self) -> usize {
        self.missing.saturating_sub(self.bytes.len() - self.counted)
    }

    /// Returns whether the front frame is incomplete and larger than one read.
    fn is_large(&self) -> bool {
        self.missing() > 0 && self.bytes.len() + self.missing() > MAX_READ
    }

    /// Grows the allocation by `additional` bytes, in place if the allocator can. For a large
    /// frame, fresh pages at every size would cost more than the checksum. `BytesMut::reserve`
    /// may reserve more than `additional` bytes.
    fn grow(&mut self, additional: usize) {
        let mut bytes = Vec::from(core::mem::take(&mut self.bytes));
        bytes.reserve_exact(additional);
        self.bytes = BytesMut::from(Bytes::from(bytes));
        self.allocated = self.bytes.capacity();
    }

    /// Moves the bytes to a new allocation with `additional` spare bytes.
    fn reallocate(&mut self, additional: usize) {
        let mut bytes = BytesMut::with_capacity(self.bytes.len() + additional);
        bytes.extend_from_slice(&self.bytes);
        self.allocated = bytes.capacity();
        self.bytes = bytes;
    }

    /// Returns the number of bytes appended since the last call, and adapts the size of reads to
    /// it.
    pub(crate) fn take_new(&mut self) -> usize {
        // The driver may have removed bytes from the `BytesMut` of `reserve`.
        let new = self.bytes.len().saturating_sub(self.counted);
        if new > 0 {
            let size = if new >= self.read_size { 2 * self.read_size } else { self.read_size / 2 };
            self.read_size = size.clamp(MIN_READ, MAX_READ);
        }
        self.counted = self.bytes.len();
        // The driver may have appended more than was reserved.
        self.allocated = self.allocated.max(self.bytes.capacity());
        new
    }

    /// Returns the bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes bytes from the front.
    pub(super) fn advance(&mut self, len: usize) {
        self.bytes.advance(len);
        self.on_removed(len);
    }

    /// Updates the counts after `len` bytes were removed from the front.
    fn on_removed(&mut self, len: usize) {
        self.counted = self.counted.saturating_sub(len);
        self.missing = 0;
    }

    /// Returns whether a payload of `len` bytes may share the memory of the buffer.
    pub(super) fn can_share(&self, len: usize) -> bool {
        len >= MIN_READ && self.allocated <= MAX_SHARE_RATIO * len
    }

    /// Removes bytes from the front, which share the memory of the buffer.
    pub(super) fn split_to(&mut self, len: usize) -> BytesMut {
        self.on_removed(len);
        self.bytes.split_to(len)
    }

    /// Stores how many bytes the front frame lacks, and frees memory that the buffer does not
    /// need.
    pub(super) fn set_missing(&mut self, missing: usize) {
        // A decoder without a peer never calls `take_new`.
        self.counted = self.bytes.len();
        self.missing = missing;
        if self.bytes.is_empty() {
            // An idle connection needs no large read.
            self.read_size = MIN_READ;
        }
        self.shrink_if_oversized();
    }

    fn shrink_if_oversized(&mut self) {
        let max = MIN_READ.max(MAX_SHARE_RATIO * self.bytes.len());
        if self.allocated > max && !self.is_large() {
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

    /// Reads as an asynchronous driver does, within the reserved memory.
    fn read(buffer: &mut InputBuffer, bytes: &[u8]) -> usize {
        let room = buffer.reserve();
        let len = (room.capacity() - room.len()).min(bytes.len());
        assert!(len > 0 || bytes.is_empty(), "an empty read is the end of a stream");
        room.extend_from_slice(&bytes[..len]);
        len
    }

    /// Reads and decodes all bytes. Returns the messages and the maximum memory of the buffer.
    fn decode(buffer: &mut InputBuffer, mut bytes: &[u8]) -> (Vec<Message>, usize) {
        let mut decoder = Decoder::new(NETWORK, 8);
        let (mut messages, mut max) = (Vec::new(), 0);
        while !bytes.is_empty() {
            bytes = &bytes[read(buffer, bytes)..];
            buffer.take_new();
            max = max.max(buffer.allocated);
            while let Some(frame) = decoder.decode(buffer).unwrap() {
                messages.push(frame.message);
            }
        }
        (messages, max)
    }

    #[test]
    fn an_empty_buffer_frees_the_memory_of_a_large_message() {
        for vectors in [100, 1_000, 3_000, 50_000] {
            let mut buffer = InputBuffer::new();
            let frame = inv(vectors);
            let (messages, max) = decode(&mut buffer, &frame);
            assert_eq!(messages.len(), 1);
            assert!(max <= frame.len() + MAX_READ, "{max} for {}", frame.len());
            assert!(buffer.allocated <= MIN_READ, "{} bytes of memory", buffer.allocated);
        }
    }

    #[test]
    fn memory_grows_with_the_received_bytes_of_a_frame_up_to_its_end() {
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
    fn a_small_message_does_not_retain_the_buffer() {
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
        let (_, max) = decode(&mut buffer, &inv(10).repeat(10_000));
        assert!(max >= MAX_READ);
        assert_eq!(buffer.read_size, MIN_READ);
        buffer.reserve();
        assert!(buffer.allocated <= MIN_READ);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_stream_that_reports_more_than_the_capacity_adds_only_the_capacity() {
        struct Overreporting;
        impl std::io::Read for Overreporting {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Ok(usize::MAX)
            }
        }
        let mut buffer = InputBuffer::new();
        let read = buffer.read_from(&mut Overreporting).unwrap();
        assert_eq!((read, buffer.len()), (MIN_READ, MIN_READ));
    }
}
