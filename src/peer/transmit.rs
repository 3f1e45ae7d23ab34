//! From the queue to the caller's socket.

use bytes::Buf;

use super::PeerState;
use super::event::Event;
use super::outbox::{Left, Outgoing, Purpose};
use super::timers::Timer;

/// The bytes a peer wants written, from [`transmit`](PeerState::transmit).
///
/// A [`Buf`] over all frames queued: [`chunk`](Buf::chunk) is the rest of a frame, or of
/// one part of it; [`chunks_vectored`](Buf::chunks_vectored) spans many. Advancing tells
/// the peer that bytes have left; beyond the end it stops at the end.
#[derive(Debug)]
pub struct Transmit<'a> {
    peer: &'a mut PeerState,
}

impl<'a> Transmit<'a> {
    pub(super) fn new(peer: &'a mut PeerState) -> Self {
        Self { peer }
    }

    /// The first frames, at most so many, in a buffer that does not borrow the peer:
    /// write from that, then ask for a new [`Transmit`] and advance it by as much.
    pub fn share(&self, frames: usize) -> Outgoing {
        self.peer.outbox.share(frames)
    }
}

impl Buf for Transmit<'_> {
    fn remaining(&self) -> usize {
        self.peer.outbox.bytes()
    }

    fn chunk(&self) -> &[u8] {
        self.peer.outbox.chunk()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.peer.outbox.chunks_vectored(slices)
    }

    fn advance(&mut self, len: usize) {
        self.peer.count_left(len);
    }
}

impl PeerState {
    /// `len` more bytes have left.
    fn count_left(&mut self, len: usize) {
        let mut rest = len.min(self.outbox.bytes());
        self.counters.bytes_sent += rest as u64;
        while let (Some(left), more) = self.outbox.advance(rest) {
            rest = more;
            self.on_left(left);
        }
        self.finish_shutdown();
    }

    fn on_left(&mut self, Left { frame, purpose }: Left) {
        let command = frame.command();
        trace!(TRACE, self, %command, bytes = frame.len(), "sent");
        self.counters.sent(command, frame.len(), self.now);
        self.timers.clear(Timer::Write);
        self.set_write_timer();
        match frame.ping_nonce() {
            Some(nonce) => self.on_ping_left(nonce),
            None => self.on_request_left(command),
        }
        if let Purpose::Receipt(id) = purpose {
            self.tell(Event::Sent(id), 0);
        }
    }

    fn on_ping_left(&mut self, nonce: u64) {
        if let Some(time) = self.pinger.left(nonce, self.now) {
            self.timers.clear(Timer::Pong);
            self.tell(Event::RoundTrip { nonce, time }, 0);
        } else if let Some(timeout) = self.config.pong_timeout {
            self.timers.set(Timer::Pong, self.now + timeout);
        }
    }
}
