//! Bytes in transit.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::pipe::Pipe;
use super::random::Random;
use crate::time::Instant;

/// Next bytes of a stream, or its end.
pub(super) enum Arrival {
    Bytes(Bytes),
    End,
}

struct Chunk {
    at: Instant,
    bytes: Bytes,
    /// Whether it waits until `at` for the next chunk, to arrive together with it.
    waits: bool,
}

/// The bytes in transit in a [`Pipe`].
pub(super) struct Flow {
    pipe: Pipe,
    chunks: VecDeque<Chunk>,
    /// Number of bytes in the chunks.
    len: usize,
    /// Number of bytes that were ever sent.
    sent: u64,
    /// Time at which the line has sent all bytes that were written.
    line_free_at: Instant,
    /// Time before which later bytes must not arrive, because they would overtake others.
    earliest_arrival: Instant,
    stream: Stream,
}

enum Stream {
    Open,
    /// The writer has ended the stream, and the end arrives at this time.
    Ending(Instant),
    /// The end has arrived.
    Ended,
    /// The connection broke.
    Reset,
}

impl Flow {
    pub(super) const fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            chunks: VecDeque::new(),
            len: 0,
            sent: 0,
            line_free_at: Instant::ZERO,
            earliest_arrival: Instant::ZERO,
            stream: Stream::Open,
        }
    }

    pub(super) const fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    pub(super) fn set_pipe(&mut self, pipe: Pipe) {
        self.pipe = pipe;
    }

    /// Returns the number of bytes that can be sent now.
    pub(super) fn room(&self) -> usize {
        if self.is_open() { self.pipe.capacity.saturating_sub(self.len) } else { 0 }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stream, Stream::Open)
    }

    const fn is_reset(&self) -> bool {
        matches!(self.stream, Stream::Reset)
    }

    /// Returns whether the connection breaks now.
    pub(super) fn is_reset_due(&self, now: Instant) -> bool {
        if self.is_reset() {
            return false;
        }
        let faults = &self.pipe.faults;
        faults.reset_after.is_some_and(|limit| self.sent >= limit)
            || faults.reset_at.is_some_and(|at| now >= at)
    }

    /// Returns the time at which the connection breaks, unless it is broken.
    pub(super) fn reset_at(&self) -> Option<Instant> {
        self.pipe.faults.reset_at.filter(|_| !self.is_reset())
    }

    /// Returns the time at which the next bytes or the end arrive.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        match (self.chunks.front(), &self.stream) {
            (Some(chunk), _) => Some(chunk.at),
            (None, Stream::Ending(at)) => Some(*at),
            (None, Stream::Open | Stream::Ended | Stream::Reset) => None,
        }
    }

    /// Sends bytes. The caller has checked that there is [`room`](Self::room).
    pub(super) fn send(&mut self, bytes: Bytes, now: Instant, random: &mut Random) {
        self.len += bytes.len();
        self.sent += bytes.len() as u64;
        let mut remaining = self.damage(bytes, random);
        while remaining.len() > 1 && random.happens(self.pipe.faults.split) {
            let cut = 1 + random.below(remaining.len() as u64 - 1) as usize;
            let piece = remaining.split_to(cut);
            self.push(piece, now, random);
        }
        self.push(remaining, now, random);
    }

    fn damage(&self, bytes: Bytes, random: &mut Random) -> Bytes {
        if bytes.is_empty() || !random.happens(self.pipe.faults.flip) {
            return bytes;
        }
        let bit = random.below(bytes.len() as u64 * 8);
        let mut bytes = BytesMut::from(bytes);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        bytes.freeze()
    }

    fn push(&mut self, bytes: Bytes, now: Instant, random: &mut Random) {
        let at = self.arrival(bytes.len(), now, random);
        self.earliest_arrival = at;
        let waits = random.happens(self.pipe.faults.merge);
        match self.chunks.back_mut() {
            // A merged chunk waits no longer than its first part may.
            Some(last) if last.waits && at <= last.at => {
                let mut merged = BytesMut::from(core::mem::take(&mut last.bytes));
                merged.extend_from_slice(&bytes);
                last.bytes = merged.freeze();
                last.waits = waits;
                last.at = if waits { last.at } else { at };
            }
            _ => {
                let wait = if waits { self.pipe.faults.longest_wait } else { Duration::ZERO };
                self.chunks.push_back(Chunk { at: at + wait, bytes, waits });
            }
        }
    }

    /// Returns the time at which `len` more bytes arrive.
    fn arrival(&mut self, len: usize, now: Instant, random: &mut Random) -> Instant {
        let mut sent_at = self.line_free_at.max(now);
        if let Some(bandwidth) = self.pipe.bandwidth {
            let nanos = len as u128 * 1_000_000_000 / u128::from(bandwidth);
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            sent_at += Duration::from_nanos(nanos);
        }
        self.line_free_at = sent_at;
        let jitter = random.duration(self.pipe.jitter);
        (sent_at + self.pipe.latency + jitter).max(self.earliest_arrival)
    }

    /// Ends the stream behind the bytes that were sent.
    pub(super) fn end(&mut self, now: Instant, random: &mut Random) {
        if !self.is_open() {
            return;
        }
        let at = self.arrival(0, now, random);
        let last = self.chunks.back().map_or(at, |chunk| chunk.at);
        self.stream = Stream::Ending(at.max(last));
    }

    /// Takes the next bytes or the end, if they have arrived.
    pub(super) fn receive(&mut self, now: Instant) -> Option<Arrival> {
        if self.next_arrival()? > now {
            return None;
        }
        let Some(chunk) = self.chunks.pop_front() else {
            self.stream = Stream::Ended;
            return Some(Arrival::End);
        };
        self.len -= chunk.bytes.len();
        Some(Arrival::Bytes(chunk.bytes))
    }

    /// Breaks the connection. Bytes in transit are lost.
    pub(super) fn reset(&mut self) {
        self.chunks = VecDeque::new();
        self.len = 0;
        self.stream = Stream::Reset;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::sim::Faults;

    const MILLI: Duration = Duration::from_millis(1);

    /// Returns all arrivals with their times.
    fn drain(flow: &mut Flow) -> Vec<(Instant, Vec<u8>)> {
        core::iter::from_fn(|| {
            let at = flow.next_arrival()?;
            match flow.receive(at)? {
                Arrival::Bytes(bytes) => Some((at, bytes.to_vec())),
                Arrival::End => Some((at, Vec::new())),
            }
        })
        .collect()
    }

    fn send(flow: &mut Flow, bytes: &'static [u8], at: u64, random: &mut Random) {
        flow.send(Bytes::from_static(bytes), Instant::from_millis(at), random);
    }

    #[test]
    fn bytes_arrive_after_transmission_and_latency() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().latency(50 * MILLI).bandwidth(1_000));
        send(&mut flow, &[1; 100], 0, &mut random);
        send(&mut flow, &[2; 100], 0, &mut random);
        flow.end(Instant::from_millis(10), &mut random);
        let expected = [(150, vec(1)), (250, vec(2)), (250, Vec::new())];
        let expected = expected.map(|(at, bytes)| (Instant::from_millis(at), bytes));
        assert_eq!(drain(&mut flow), expected);
        assert!(flow.receive(Instant::MAX).is_none(), "the end comes once");
    }

    fn vec(byte: u8) -> Vec<u8> {
        alloc::vec![byte; 100]
    }

    #[test]
    fn jitter_varies_the_latency_and_keeps_the_order() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().latency(50 * MILLI).jitter(20 * MILLI));
        for _ in 0..100 {
            send(&mut flow, b"x", 0, &mut random);
        }
        let arrivals: Vec<Instant> = drain(&mut flow).into_iter().map(|(at, _)| at).collect();
        assert!(arrivals.is_sorted());
        assert!(arrivals[0] >= Instant::from_millis(50) && arrivals[0] < arrivals[99]);
        assert!(arrivals[99] <= Instant::from_millis(70));
    }

    #[test]
    fn a_full_pipe_has_room_again_after_a_read() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().capacity(10));
        send(&mut flow, &[0; 7], 0, &mut random);
        assert_eq!(flow.room(), 3);
        flow.receive(Instant::ZERO);
        assert_eq!(flow.room(), 10);
        flow.end(Instant::ZERO, &mut random);
        assert_eq!(flow.room(), 0);
    }

    #[test]
    fn splitting_loses_nothing() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().faults(Faults::new().split(0.9)));
        let text = b"a quite long run of bytes";
        for _ in 0..10 {
            send(&mut flow, text, 0, &mut random);
        }
        let pieces = drain(&mut flow);
        assert!(pieces.len() > 20 && pieces.iter().all(|(_, piece)| !piece.is_empty()));
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
        assert_eq!(bytes, text.repeat(10));
    }

    #[test]
    fn a_chunk_waits_for_the_next_one_no_longer_than_allowed() {
        let mut random = Random::new(1);
        let faults = Faults::new().merge(1.0, 10 * MILLI);
        let mut flow = Flow::new(Pipe::new().faults(faults));
        send(&mut flow, b"a", 0, &mut random);
        send(&mut flow, b"b", 9, &mut random);
        send(&mut flow, b"c", 11, &mut random);
        flow.end(Instant::from_millis(12), &mut random);
        let expected = [(10, "ab"), (21, "c"), (21, "")];
        let expected =
            expected.map(|(at, bytes)| (Instant::from_millis(at), bytes.as_bytes().to_vec()));
        assert_eq!(drain(&mut flow), expected);
    }

    #[test]
    fn a_waiting_chunk_arrives_with_the_next_one() {
        let mut random = Random::new(1);
        let faults = Faults::new().merge(1.0, 10 * MILLI);
        let mut flow = Flow::new(Pipe::new().faults(faults));
        send(&mut flow, b"a", 0, &mut random);
        flow.set_pipe(Pipe::new());
        send(&mut flow, b"b", 5, &mut random);
        assert_eq!(drain(&mut flow), [(Instant::from_millis(5), b"ab".to_vec())]);
    }

    #[test]
    fn one_bit_of_a_damaged_chunk_is_flipped() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().faults(Faults::new().flip(1.0)));
        send(&mut flow, &[0; 100], 0, &mut random);
        let bytes: Vec<u8> = drain(&mut flow).into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }
}
