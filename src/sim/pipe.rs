//! What a connection is like.

use core::time::Duration;

use crate::time::Instant;

/// Bytes that fit into a pipe unless another number is given: about what the buffers of
/// both sockets hold.
const DEFAULT_CAPACITY: usize = 256 * 1024;

/// The pipes of a connection: one each way.
///
/// Most connections are the same both ways: where a `Link` is asked for, a [`Pipe`] will do.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// From the side that opens the connection to the one that accepts it.
    pub to_listener: Pipe,
    /// And back.
    pub to_caller: Pipe,
}

impl Link {
    /// A connection that is not the same both ways.
    pub const fn new(to_listener: Pipe, to_caller: Pipe) -> Self {
        Self { to_listener, to_caller }
    }
}

/// The same both ways.
impl From<Pipe> for Link {
    fn from(pipe: Pipe) -> Self {
        Self { to_listener: pipe.clone(), to_caller: pipe }
    }
}

/// One direction of a connection: a stream of bytes, in order and complete unless
/// [`Faults`] break it.
///
/// A peer writes in chunks of at most 64 KiB. Each arrives by itself, after the time that
/// it takes to leave and to travel.
///
/// ```
/// use std::time::Duration;
/// use excc_peer::sim::{Faults, Pipe};
///
/// // A slow line: 120 to 150 ms, 1 Mbit/s, and reads that see any part of a message.
/// let line = Pipe::new()
///     .latency(Duration::from_millis(120))
///     .jitter(Duration::from_millis(30))
///     .bandwidth(125_000)
///     .faults(Faults::new().split(0.5));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Pipe {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) bandwidth: Option<u64>,
    pub(super) capacity: usize,
    pub(super) faults: Faults,
}

impl Pipe {
    /// A pipe without latency, of unlimited bandwidth, without faults, and with room for
    /// 256 KiB.
    pub const fn new() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            bandwidth: None,
            capacity: DEFAULT_CAPACITY,
            faults: Faults::new(),
        }
    }

    /// How long each byte travels, at least. Zero by default.
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// By how much the latency varies: what comes on top is drawn for each chunk, from zero
    /// to this. None overtakes another. Zero by default.
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many bytes may leave in a second; one at least. No limit by default.
    pub const fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        self.bandwidth = Some(if bytes_per_second == 0 { 1 } else { bytes_per_second });
        self
    }

    /// How many bytes may be under way, from when they are written to when they are read,
    /// before the writer is blocked: what the buffers of both sockets hold. One at least,
    /// 256 KiB by default.
    ///
    /// As with a real connection, no more than this moves in the time of one latency.
    pub const fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// What goes wrong. Nothing by default.
    pub const fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }
}

impl Default for Pipe {
    fn default() -> Self {
        Self::new()
    }
}

/// What goes wrong in a [`Pipe`]. Probabilities are between 0, which is never, and 1, which
/// is always; beyond that they count as the nearer one.
///
/// Splitting and merging lose nothing: every peer has to stand them. After the other faults
/// a connection is broken, or ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[must_use]
pub struct Faults {
    pub(super) split: f64,
    pub(super) merge: f64,
    pub(super) longest_wait: Duration,
    pub(super) flip: f64,
    pub(super) reset_after: Option<u64>,
    pub(super) reset_at: Option<Instant>,
}

impl Faults {
    /// None.
    pub const fn new() -> Self {
        Self {
            split: 0.0,
            merge: 0.0,
            longest_wait: Duration::ZERO,
            flip: 0.0,
            reset_after: None,
            reset_at: None,
        }
    }

    /// The probability that a chunk is cut in two at a random place, and that its rest is
    /// cut again.
    pub const fn split(mut self, probability: f64) -> Self {
        self.split = probability;
        self
    }

    /// The probability that a chunk waits for the next one to be read with it in one piece,
    /// and how long it does at most.
    pub const fn merge(mut self, probability: f64, longest_wait: Duration) -> Self {
        self.merge = probability;
        self.longest_wait = longest_wait;
        self
    }

    /// The probability that one bit of a chunk arrives flipped.
    pub const fn flip(mut self, probability: f64) -> Self {
        self.flip = probability;
        self
    }

    /// Breaks the connection, for both sides, as soon as so many bytes have entered this
    /// pipe. What is under way is lost.
    pub const fn reset_after(mut self, bytes: u64) -> Self {
        self.reset_after = Some(bytes);
        self
    }

    /// Breaks the connection, for both sides, at that time. What is under way is lost.
    pub const fn reset_at(mut self, time: Instant) -> Self {
        self.reset_at = Some(time);
        self
    }
}
