//! From the queue to the caller's socket.

use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::Buf;

use super::PeerState;
use super::event::Event;
use super::outbox::{FrameBatch, Purpose, SentFrame};
use super::timers::{Timer, worth};
use crate::time::Instant;
use crate::wire::{EncodedMessage, Message, Pong};

/// The bytes a peer wants written, from [`transmit`](PeerState::transmit).
///
/// A [`Buf`] over all queued frames: [`chunk`](Buf::chunk) is the rest of a frame, or of
/// one part of it; [`chunks_vectored`](Buf::chunks_vectored) spans many. Advancing reports
/// to the peer that bytes were sent; beyond the end it stops at the end.
///
/// Bytes that were written from one `Transmit` must be advanced past in it or in the next one.
/// Until then nothing is inserted before them.
#[derive(Debug)]
#[must_use]
pub struct Transmit<'a> {
    peer: &'a mut PeerState,
    /// When the bytes are sent.
    at: Instant,
    /// How many of the first frames the caller has seen.
    lent: AtomicUsize,
}

impl<'a> Transmit<'a> {
    /// Takes the time as it is told, even if another call told a later one: it is the time
    /// before a write that may have taken a while. It does not go behind that of the last
    /// `Transmit`, though.
    pub(super) fn new(peer: &'a mut PeerState, now: Instant) -> Self {
        let at = now.max(peer.offered_at);
        peer.offered_at = at;
        peer.encode_pongs();
        if !peer.timers.is_set(Timer::Write)
            && peer.outbox.is_sendable()
            && let (None, Some(timeout)) = (&peer.closed, peer.config.write_timeout)
        {
            peer.timers.set(Timer::Write, at + timeout);
        }
        // In case this is never dropped.
        peer.outbox.lend_all();
        Self { peer, at, lent: AtomicUsize::new(0) }
    }

    /// The first frames, at most so many and 128, and about 256 KiB, in a buffer that does not
    /// borrow the peer: write from that, then ask for a new [`Transmit`] and advance it by as much.
    pub fn batch(&self, frames: usize) -> FrameBatch {
        self.lend(self.peer.outbox.count_to_lend(frames));
        self.peer.outbox.batch(frames)
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
        self.peer.finish_last_try();
    }
}

impl PeerState {
    fn encode_pongs(&mut self) {
        let (network, version) = (&self.config.network, self.decoder.protocol().version);
        // A pong is defined at every version and always encodes.
        self.outbox.encode_pongs(|nonce| {
            EncodedMessage::new(network, version, &Message::Pong(Pong { nonce })).ok()
        });
    }

    /// `len` more bytes were sent at `at`. Returns how many frames thereby were completely.
    fn on_bytes_sent(&mut self, len: usize, at: Instant) -> usize {
        let len = len.min(self.outbox.bytes());
        if len == 0 {
            return 0;
        }
        self.counters.bytes_sent += len as u64;
        let (mut rest, mut frames) = (len, 0);
        while let (Some(frame), more) = self.outbox.advance(rest) {
            rest = more;
            frames += 1;
            self.on_frame_sent(frame, at);
        }
        if self.outbox.is_sendable() {
            let (by, timeout) = (worth(len, self.config.write_rate), self.config.write_timeout);
            self.timers.put_off(Timer::Write, by, at, timeout);
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
            None => self.on_request_sent(&frame, answered_at.is_some()),
        }
        if let Purpose::Receipt(id) = purpose {
            self.emit(Event::Sent(id), 0);
        }
    }

    fn on_ping_sent(&mut self, nonce: u64, at: Instant, answered_at: Option<Instant>) {
        let is_first = self.pinger.on_sent(nonce, at);
        match answered_at {
            Some(answered_at) => _ = self.on_pong(nonce, answered_at.max(at)),
            None if is_first => self.set_pong_timer(),
            None => {}
        }
    }

    /// Sets the deadline of the next `pong`: from now, because the `ping` may have been sent by a
    /// write that blocked for a while. In the last try of a closed peer none is awaited.
    fn set_pong_timer(&mut self) {
        if let (None, Some(timeout)) = (&self.closed, self.config.pong_timeout) {
            self.timers.set_after(Timer::Pong, self.now, timeout);
        }
    }

    /// A `pong` with that nonce came at `at`. Returns whether it answers a `ping`.
    pub(super) fn on_pong(&mut self, nonce: u64, at: Instant) -> bool {
        let Some(time) = self.pinger.on_pong(nonce, at) else { return false };
        self.timers.clear(Timer::Pong);
        if !self.pinger.is_answered() {
            // Answers come in order, so that the next one may have waited behind this one.
            self.set_pong_timer();
        }
        self.emit(Event::RoundTrip { nonce, time }, 0);
        true
    }
}
