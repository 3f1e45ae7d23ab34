//! Frames that share their bytes with the queue, for drivers.

use alloc::vec::Vec;
use core::fmt;

use bytes::Buf;

use crate::wire::EncodedMessage;

/// The first queued frames, from [`Transmit::batch`](crate::Transmit::batch).
///
/// A [`Buf`] that shares its bytes with the peer and does not borrow it, for adapters that unlock
/// the peer while they write. To report sent bytes, advance a new
/// [`Transmit`](crate::Transmit). Advancing past the end stops at the end.
#[derive(Clone, Default)]
#[must_use]
pub struct FrameBatch {
    frames: Vec<EncodedMessage>,
    /// Index of the first frame that remains.
    first: usize,
    /// Bytes of this frame that were advanced past.
    offset: usize,
}

impl FrameBatch {
    /// Creates a batch without the first `offset` bytes.
    pub(super) fn new(frames: Vec<EncodedMessage>, offset: usize) -> Self {
        let mut batch = Self { frames, first: 0, offset: 0 };
        batch.advance(offset);
        batch
    }

    fn remaining_frames(&self) -> impl Iterator<Item = &EncodedMessage> {
        self.frames.iter().skip(self.first)
    }
}

/// Shows the numbers of frames and bytes only.
impl fmt::Debug for FrameBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBatch")
            .field("frames", &self.remaining_frames().count())
            .field("remaining", &self.remaining())
            .finish()
    }
}

impl Buf for FrameBatch {
    fn remaining(&self) -> usize {
        self.remaining_frames().map(EncodedMessage::len).sum::<usize>() - self.offset
    }

    fn chunk(&self) -> &[u8] {
        chunks(self.remaining_frames(), self.offset).next().unwrap_or_default()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        fill(chunks(self.remaining_frames(), self.offset), slices)
    }

    fn advance(&mut self, mut len: usize) {
        while let Some(frame) = self.frames.get(self.first) {
            let remaining = frame.len() - self.offset;
            if len < remaining {
                self.offset += len;
                return;
            }
            len -= remaining;
            self.first += 1;
            self.offset = 0;
        }
    }
}

/// Returns the parts of `frames` after the first `offset` bytes, which are fewer than the first
/// frame has. No part is empty.
pub(super) fn chunks<'a>(
    frames: impl Iterator<Item = &'a EncodedMessage>,
    mut offset: usize,
) -> impl Iterator<Item = &'a [u8]> {
    frames.flat_map(EncodedMessage::parts).filter_map(move |part| {
        let remaining = part.get(offset..).unwrap_or_default();
        offset -= part.len() - remaining.len();
        (!remaining.is_empty()).then_some(remaining)
    })
}

/// Fills `slices` with the first chunks. Returns the number of slices that were filled.
#[cfg(feature = "std")]
pub(super) fn fill<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    slices: &mut [std::io::IoSlice<'a>],
) -> usize {
    slices
        .iter_mut()
        .zip(chunks)
        .map(|(slice, chunk)| *slice = std::io::IoSlice::new(chunk))
        .count()
}
