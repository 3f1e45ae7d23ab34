//! One end of a connection: a peer and its run loop.

use bytes::Buf;

use super::flow::{Arrival, Flow};
use super::pipe::Pipe;
use super::random::Random;
use super::schedule::Slot;
use crate::peer::PeerState;
use crate::time::Instant;
use crate::wire::InputBuffer;

/// Maximum number of bytes in one write.
const CHUNK_SIZE: usize = 64 * 1024;

pub(super) struct Side {
    pub(super) peer: PeerState,
    /// Bytes in transit to this side.
    pub(super) incoming: Flow,
    /// Bytes that arrived and were not taken by the peer.
    buffer: InputBuffer,
    pub(super) is_reading: bool,
    pub(super) slot: Slot,
}

/// One step of a run loop.
pub(super) enum Step {
    /// The side has nothing to do before this time, unless bytes arrive or a command is given.
    Idle { wakes_at: Option<Instant> },
    /// The peer has taken input or time, or has emitted an event.
    Peer,
    /// The side has taken bytes from its pipe, which has room again.
    Read,
    /// The side has written bytes.
    Wrote,
    /// The side has ended the stream that it writes.
    EndedStream,
}

impl Side {
    pub(super) fn new(peer: PeerState, incoming: Pipe) -> Self {
        Self {
            peer,
            incoming: Flow::new(incoming),
            buffer: InputBuffer::new(),
            is_reading: true,
            slot: Slot::default(),
        }
    }

    /// Does one thing that a run loop has to do now.
    pub(super) fn step(
        &mut self,
        remote: Option<&mut Self>,
        now: Instant,
        random: &mut Random,
    ) -> Step {
        let written = match remote {
            Some(remote) => self.write(&mut remote.incoming, now, random),
            None => self.discard_output(now),
        };
        // Received bytes extend deadlines, so deadlines come last (`docs/protocol.md`, 10.2).
        written.or_else(|| self.read(now)).unwrap_or_else(|| self.handle_timeout(now))
    }

    fn write(&mut self, outgoing: &mut Flow, now: Instant, random: &mut Random) -> Option<Step> {
        let mut out = self.peer.transmit(now);
        let len = out.remaining().min(outgoing.room()).min(CHUNK_SIZE);
        if len > 0 {
            outgoing.send(out.copy_to_bytes(len), now, random);
            return Some(Step::Wrote);
        }
        drop(out);
        if self.peer.close_reason().is_some() && outgoing.is_open() {
            outgoing.end(now, random);
            return Some(Step::EndedStream);
        }
        // A try to write may close a peer even if there is no room (`docs/protocol.md`, 12.2).
        self.peer.has_events().then_some(Step::Peer)
    }

    /// Writes to a remote that was removed.
    fn discard_output(&mut self, now: Instant) -> Option<Step> {
        let mut out = self.peer.transmit(now);
        let len = out.remaining();
        out.advance(len);
        (len > 0).then_some(Step::Peer)
    }

    fn read(&mut self, now: Instant) -> Option<Step> {
        if self.peer.can_resume() {
            self.handle_input(now);
            return Some(Step::Peer);
        }
        if self.peer.close_reason().is_some() {
            // Discarding input lets the remote write on until it reads the end of the stream
            // (`docs/protocol.md`, 12.4).
            self.incoming.receive(now)?;
            self.buffer = InputBuffer::new();
            return Some(Step::Read);
        }
        // Unread bytes fill the pipe, which blocks the remote (`docs/protocol.md`, 10.1).
        if !self.is_reading || !self.peer.wants_read() {
            return None;
        }
        match self.incoming.receive(now)? {
            Arrival::End => self.peer.handle_eof(now),
            Arrival::Bytes(bytes) => {
                self.buffer.extend_from_slice(&bytes);
                self.handle_input(now);
            }
        }
        Some(Step::Read)
    }

    /// Hands received bytes to the peer. The event that closes the peer reports an error.
    fn handle_input(&mut self, now: Instant) {
        _ = self.peer.handle_input(now, &mut self.buffer);
    }

    fn handle_timeout(&mut self, now: Instant) -> Step {
        let deadline = self.peer.poll_timeout();
        if deadline.is_some_and(|at| at <= now) {
            self.peer.handle_timeout(now);
            return Step::Peer;
        }
        // Bytes that have arrived and are not read wait for another event than the time.
        let arrival = self.incoming.next_arrival().filter(|&at| at > now);
        let times = [deadline, arrival, self.incoming.reset_at()];
        Step::Idle { wakes_at: times.into_iter().flatten().min() }
    }
}
