//! Frames that a driver writes without the lock on the peer.

use std::io::IoSlice;

use bytes::Buf;

use super::state::State;
use crate::peer::FrameBatch;
use crate::time::Instant;

/// Maximum number of frames in one write.
const MAX_FRAMES: usize = 32;

/// Maximum number of slices in one write: the header and the payload of each frame.
pub(super) const MAX_SLICES: usize = 2 * MAX_FRAMES;

/// Output of a peer: frames to be written, and written bytes to be flushed.
pub(super) struct Output {
    frames: FrameBatch,
    is_flushed: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { frames: FrameBatch::default(), is_flushed: true }
    }

    pub(super) fn has_frames(&self) -> bool {
        self.frames.has_remaining()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Returns whether a write or a flush is left to do.
    pub(super) fn is_pending(&self) -> bool {
        self.has_frames() || !self.is_flushed
    }

    /// Fills `slices` with frames, and returns those to be written.
    pub(super) fn slices<'a, 'b>(&'a self, slices: &'b mut [IoSlice<'a>]) -> &'b [IoSlice<'a>] {
        let used = self.frames.chunks_vectored(slices);
        &slices[..used]
    }

    /// Takes the frames to be written next from the peer.
    ///
    /// A closed peer gives its frames once: taking them again would end its last try to write
    /// (`docs/protocol.md`, 12.2).
    pub(super) fn refill(&mut self, state: &mut State, now: Instant) {
        if !state.is_closed() || !self.has_frames() {
            self.frames = state.peer.transmit(now).batch(MAX_FRAMES);
        }
    }

    /// Reports `len` written bytes to the peer, or a flush if `len` is 0. `at` is the time before
    /// the call: bytes count as sent then, so that round trips include the time of the write
    /// (`docs/protocol.md`, 6.2).
    pub(super) fn on_written(&mut self, state: &mut State, at: Instant, len: usize) {
        self.is_flushed = len == 0;
        // A flush must not count as a try to write.
        if len > 0 {
            state.peer.transmit(at).advance(len);
            self.frames = FrameBatch::default();
        }
    }
}
