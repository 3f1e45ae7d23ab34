//! Bytes under way.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::pipe::Pipe;
use super::random::Random;
use crate::time::Instant;

/// What arrives.
pub(super) enum Arrival {
    Bytes(Bytes),
    /// The end of the stream.
    End,
}

struct Chunk {
    at: Instant,
    bytes: Bytes,
    /// Whether it waits until `at` for the next one, to arrive with it.
    waits: bool,
}

/// What a [`Pipe`] holds.
pub(super) struct Flow {
    pipe: Pipe,
    chunks: VecDeque<Chunk>,
    /// Bytes in the chunks.
    len: usize,
    /// Bytes that have ever entered.
    entered: u64,
    /// When the last byte that entered has left the writer.
    clear_at: Instant,
    /// Before this, nothing that enters now may arrive.
    earliest: Instant,
    has_ended: bool,
    /// When the end of the stream arrives, until it has.
    end_at: Option<Instant>,
    is_cut: bool,
}

impl Flow {
    pub(super) const fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            chunks: VecDeque::new(),
            len: 0,
            entered: 0,
            clear_at: Instant::ZERO,
            earliest: Instant::ZERO,
            has_ended: false,
            end_at: None,
            is_cut: false,
        }
    }

    pub(super) const fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    pub(super) fn set_pipe(&mut self, pipe: Pipe) {
        self.pipe = pipe;
    }

    /// How many bytes may enter now.
    pub(super) fn room(&self) -> usize {
        if self.has_ended { 0 } else { self.pipe.capacity.saturating_sub(self.len) }
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the connection breaks now.
    pub(super) fn breaks(&self, now: Instant) -> bool {
        let limit = self.pipe.faults.reset_after.filter(|_| !self.is_cut);
        limit.is_some_and(|limit| self.entered >= limit)
            || self.breaks_at().is_some_and(|at| now >= at)
    }

    /// When the connection breaks at the latest, if it has not yet.
    pub(super) fn breaks_at(&self) -> Option<Instant> {
        self.pipe.faults.reset_at.filter(|_| !self.is_cut)
    }

    /// When the next bytes arrive, or the end.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.chunks.front().map(|chunk| chunk.at).or(self.end_at)
    }

    /// Lets bytes enter, which there must be room for.
    pub(super) fn enter(&mut self, bytes: Bytes, now: Instant, random: &mut Random) {
        self.len += bytes.len();
        self.entered += bytes.len() as u64;
        let mut rest = self.damage(bytes, random);
        while rest.len() > 1 && random.happens(self.pipe.faults.split) {
            let cut = 1 + random.below(rest.len() as u64 - 1) as usize;
            let piece = rest.split_to(cut);
            self.push(piece, now, random);
        }
        self.push(rest, now, random);
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
        self.earliest = at;
        let waits = random.happens(self.pipe.faults.merge);
        match self.chunks.back_mut() {
            // The first one has waited long enough at its time, however many come.
            Some(last) if last.waits && at <= last.at => {
                let mut both = BytesMut::from(core::mem::take(&mut last.bytes));
                both.extend_from_slice(&bytes);
                last.bytes = both.freeze();
                last.waits = waits;
                last.at = if waits { last.at } else { at };
            }
            _ => {
                let wait = self.pipe.faults.longest_wait;
                let at = if waits { at + wait } else { at };
                self.chunks.push_back(Chunk { at, bytes, waits });
            }
        }
    }

    /// When so many more bytes arrive.
    fn arrival(&mut self, len: usize, now: Instant, random: &mut Random) -> Instant {
        let mut left_at = self.clear_at.max(now);
        if let Some(bandwidth) = self.pipe.bandwidth {
            let nanos = len as u128 * 1_000_000_000 / u128::from(bandwidth);
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            left_at += Duration::from_nanos(nanos);
        }
        self.clear_at = left_at;
        let jitter = random.duration(self.pipe.jitter);
        (left_at + self.pipe.latency + jitter).max(self.earliest)
    }

    /// Nothing more enters: once what has arrives, so does the end.
    pub(super) fn end(&mut self, now: Instant, random: &mut Random) {
        if !self.has_ended {
            self.has_ended = true;
            let at = self.arrival(0, now, random);
            let last = self.chunks.back().map_or(at, |chunk| chunk.at);
            self.end_at = Some(at.max(last));
        }
    }

    /// Takes what has arrived next.
    pub(super) fn take(&mut self, now: Instant) -> Option<Arrival> {
        if self.next_arrival()? > now {
            return None;
        }
        Some(match self.chunks.pop_front() {
            Some(chunk) => {
                self.len -= chunk.bytes.len();
                Arrival::Bytes(chunk.bytes)
            }
            None => {
                self.end_at = None;
                Arrival::End
            }
        })
    }

    /// Loses everything and lets nothing enter any more.
    pub(super) fn cut(&mut self) {
        self.chunks = VecDeque::new();
        self.len = 0;
        self.end_at = None;
        self.has_ended = true;
        self.is_cut = true;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::sim::Faults;

    const MILLI: Duration = Duration::from_millis(1);

    /// Everything that arrives, and when.
    fn drain(flow: &mut Flow) -> Vec<(Instant, Vec<u8>)> {
        core::iter::from_fn(|| {
            let at = flow.next_arrival()?;
            match flow.take(at)? {
                Arrival::Bytes(bytes) => Some((at, bytes.to_vec())),
                Arrival::End => Some((at, Vec::new())),
            }
        })
        .collect()
    }

    fn enter(flow: &mut Flow, bytes: &'static [u8], at: u64, random: &mut Random) {
        flow.enter(Bytes::from_static(bytes), Instant::from_millis(at), random);
    }

    #[test]
    fn bytes_take_the_time_of_the_line_and_of_the_way() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().latency(50 * MILLI).bandwidth(1_000));
        enter(&mut flow, &[1; 100], 0, &mut random);
        enter(&mut flow, &[2; 100], 0, &mut random);
        flow.end(Instant::from_millis(10), &mut random);
        let expected = [(150, vec(1)), (250, vec(2)), (250, Vec::new())];
        let expected = expected.map(|(at, bytes)| (Instant::from_millis(at), bytes));
        assert_eq!(drain(&mut flow), expected);
        assert!(flow.take(Instant::MAX).is_none(), "the end comes once");
    }

    fn vec(byte: u8) -> Vec<u8> {
        alloc::vec![byte; 100]
    }

    #[test]
    fn jitter_varies_the_latency_and_keeps_the_order() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().latency(50 * MILLI).jitter(20 * MILLI));
        for _ in 0..100 {
            enter(&mut flow, b"x", 0, &mut random);
        }
        let arrivals: Vec<Instant> = drain(&mut flow).into_iter().map(|(at, _)| at).collect();
        assert!(arrivals.is_sorted());
        assert!(arrivals[0] >= Instant::from_millis(50) && arrivals[0] < arrivals[99]);
        assert!(arrivals[99] <= Instant::from_millis(70));
    }

    #[test]
    fn a_full_pipe_has_room_again_once_it_is_read() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().capacity(10));
        enter(&mut flow, &[0; 7], 0, &mut random);
        assert_eq!(flow.room(), 3);
        flow.take(Instant::ZERO);
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
            enter(&mut flow, text, 0, &mut random);
        }
        let pieces = drain(&mut flow);
        assert!(pieces.len() > 20 && pieces.iter().all(|(_, piece)| !piece.is_empty()));
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
        assert_eq!(bytes, text.repeat(10));
    }

    #[test]
    fn a_chunk_that_waits_for_company_does_not_wait_longer_than_it_may() {
        let mut random = Random::new(1);
        let faults = Faults::new().merge(1.0, 10 * MILLI);
        let mut flow = Flow::new(Pipe::new().faults(faults));
        enter(&mut flow, b"a", 0, &mut random);
        enter(&mut flow, b"b", 9, &mut random);
        enter(&mut flow, b"c", 11, &mut random);
        flow.end(Instant::from_millis(12), &mut random);
        let expected = [(10, "ab"), (21, "c"), (21, "")];
        let expected =
            expected.map(|(at, bytes)| (Instant::from_millis(at), bytes.as_bytes().to_vec()));
        assert_eq!(drain(&mut flow), expected);
    }

    #[test]
    fn company_is_read_when_it_comes() {
        let mut random = Random::new(1);
        let faults = Faults::new().merge(1.0, 10 * MILLI);
        let mut flow = Flow::new(Pipe::new().faults(faults));
        enter(&mut flow, b"a", 0, &mut random);
        flow.set_pipe(Pipe::new());
        enter(&mut flow, b"b", 5, &mut random);
        assert_eq!(drain(&mut flow), [(Instant::from_millis(5), b"ab".to_vec())]);
    }

    #[test]
    fn one_bit_of_a_damaged_chunk_is_flipped() {
        let mut random = Random::new(1);
        let mut flow = Flow::new(Pipe::new().faults(Faults::new().flip(1.0)));
        enter(&mut flow, &[0; 100], 0, &mut random);
        let bytes: Vec<u8> = drain(&mut flow).into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }
}
