//! The path of queued frames to the caller's socket.

use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::Buf;

use super::PeerState;
use super::event::Event;
use super::frame_batch::FrameBatch;
use super::outbox::{Purpose, SentFrame};
use super::timers::{Timer, transfer_time};
use crate::time::Instant;
use crate::wire::{EncodedMessage, Message, Pong};

/// The bytes to be sent, from [`transmit`](PeerState::transmit).
///
/// A [`Buf`] over all queued frames. [`chunk`](Buf::chunk) returns the rest of a frame or of one
/// part of it; [`chunks_vectored`](Buf::chunks_vectored) covers several frames. Advancing reports
/// bytes to the peer as sent. Advancing past the end stops at the end.
///
/// Advance past bytes that were written from one `Transmit` in the same or in the next one. Until
/// then, no frame is inserted before them.
#[derive(Debug)]
#[must_use]
pub struct Transmit<'a> {
    peer: &'a mut PeerState,
    /// The time at which the bytes are sent.
    at: Instant,
    /// Number of the first frames that the caller has seen.
    lent: AtomicUsize,
}

impl<'a> Transmit<'a> {
    /// `now` may be earlier than the peer's clock, because the caller reads the time before a
    /// write that may block. It is raised to the time of the previous `Transmit`.
    pub(super) fn new(peer: &'a mut PeerState, now: Instant) -> Self {
        let at = now.max(peer.transmitted_at);
        peer.transmitted_at = at;
        peer.encode_owed_pongs();
        peer.start_write_timeout(at);
        // In case the caller leaks this value, so that `drop` never counts.
        peer.outbox.lend_all();
        Self { peer, at, lent: AtomicUsize::new(0) }
    }

    /// Returns at most `max_frames` of the first frames, in a buffer that does not borrow the
    /// peer. It has at most 128 frames, and the one that reaches 256 KiB is the last.
    ///
    /// Write from the batch, then advance a new [`Transmit`] by the number of written bytes.
    pub fn batch(&self, max_frames: usize) -> FrameBatch {
        self.lend(self.peer.outbox.count_to_lend(max_frames));
        self.peer.outbox.batch(max_frames)
    }

    fn lend(&self, frames: usize) {
        self.lent.fetch_max(frames, Ordering::Relaxed);
    }
}

impl Buf for Transmit<'_> {
    fn remaining(&self) -> usize {
        self.peer.outbox.bytes()
    }

    fn chunk(&self) -> &[u8] {
        self.lend(1);
        self.peer.outbox.chunk()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let (used, frames) = self.peer.outbox.chunks_vectored(slices);
        self.lend(frames);
        used
    }

    fn advance(&mut self, len: usize) {
        let frames = self.peer.on_bytes_sent(len, self.at);
        let lent = self.lent.get_mut();
        *lent = lent.saturating_sub(frames);
    }
}

impl Drop for Transmit<'_> {
    fn drop(&mut self) {
        self.peer.outbox.set_lent(*self.lent.get_mut());
        self.peer.on_transmit_dropped();
    }
}

impl PeerState {
    /// Queues owed pongs, unless earlier ones are still queued: at most 64 are, each way
    /// (`docs/protocol.md`, 6.3).
    fn encode_owed_pongs(&mut self) {
        if self.owed_pongs.is_empty() || self.outbox.has_pongs() {
            return;
        }
        let (network, version) = (&self.config.network, self.decoder.protocol().version);
        // A pong is defined at every version and always encodes.
        let encode =
            |nonce| EncodedMessage::new(network, version, &Message::Pong(Pong { nonce })).ok();
        self.outbox.insert_pongs(self.owed_pongs.take().filter_map(encode));
    }

    /// Starts the write timeout when bytes are first offered (`docs/protocol.md`, 9.4).
    fn start_write_timeout(&mut self, at: Instant) {
        if let Some(timeout) = self.config.write_timeout
            && self.wants_write()
            && !self.timers.is_set(Timer::Write)
        {
            self.timers.set(Timer::Write, at + timeout);
        }
    }

    /// Handles `len` more bytes that were sent at `at`. Returns the number of frames that are sent
    /// completely by this.
    fn on_bytes_sent(&mut self, len: usize, at: Instant) -> usize {
        let len = len.min(self.outbox.bytes());
        if len == 0 {
            return 0;
        }
        self.counters.bytes_sent += len as u64;
        let (mut remaining, mut frames) = (len, 0);
        while let (Some(frame), more) = self.outbox.advance(remaining) {
            remaining = more;
            frames += 1;
            self.on_frame_sent(frame, at);
        }
        if self.wants_write() {
            let by = transfer_time(len, self.config.write_rate);
            self.timers.postpone_from(Timer::Write, by, at, self.config.write_timeout);
        } else {
            self.timers.clear(Timer::Write);
        }
        self.finish_shutdown();
        frames
    }

    fn on_frame_sent(&mut self, SentFrame { frame, purpose, answered_at }: SentFrame, at: Instant) {
        let command = frame.command();
        trace!(TRACE, self, Sent { command, bytes: frame.len() });
        self.counters.sent(command, frame.len(), at);
        match frame.ping_nonce() {
            Some(nonce) => self.on_ping_sent(nonce, at, answered_at),
            None => self.requests.on_request_sent(
                &frame,
                answered_at.is_some(),
                self.decoder.protocol(),
                &mut self.timers,
                &self.config,
            ),
        }
        if let Purpose::Receipt(id) = purpose {
            self.emit(Event::Sent(id), 0);
        }
    }

    fn on_ping_sent(&mut self, nonce: u64, at: Instant, answered_at: Option<Instant>) {
        let (timers, config) = (&mut self.timers, &*self.config);
        let round_trip = self.keepalive.on_ping_sent(nonce, at, answered_at, timers, config);
        if let Some(time) = round_trip {
            self.emit(Event::RoundTrip { nonce, time }, 0);
        }
    }
}
