//! Properties of connections.

use core::time::Duration;

use crate::time::Instant;

/// Default capacity of a pipe, about the size of the buffers of both sockets.
const DEFAULT_CAPACITY: usize = 256 * 1024;

/// The pipes of a connection, one in each direction.
///
/// A [`Pipe`] converts to a `Link` with the same properties in both directions.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// From the side that opens the connection to the one that accepts it.
    pub to_listener: Pipe,
    /// From the side that accepts the connection to the one that opens it.
    pub to_caller: Pipe,
}

impl Link {
    /// Returns a connection with different pipes.
    pub const fn new(to_listener: Pipe, to_caller: Pipe) -> Self {
        Self { to_listener, to_caller }
    }
}

/// Uses the same properties in both directions.
impl From<Pipe> for Link {
    fn from(pipe: Pipe) -> Self {
        Self { to_listener: pipe.clone(), to_caller: pipe }
    }
}

/// One direction of a connection: a stream of bytes, in order and complete unless
/// [`Faults`] break it.
///
/// A peer writes chunks of at most 64 KiB. Each chunk arrives by itself, after its transmission
/// at the bandwidth and the latency.
///
/// ```
/// use std::time::Duration;
/// use excc_peer::sim::{Faults, Pipe};
///
/// // A slow line: 120 to 150 ms, 1 Mbit/s, and reads that end anywhere in a message.
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
    /// Returns a pipe without latency and faults, with unlimited bandwidth and a capacity of
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

    /// Sets the minimum latency of each byte. Zero by default.
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the maximum time that is added to the latency. It is drawn for each chunk, and no
    /// chunk overtakes another. Zero by default.
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the number of bytes that are sent in a second, at least 1. Unlimited by default.
    pub const fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        self.bandwidth = Some(if bytes_per_second == 0 { 1 } else { bytes_per_second });
        self
    }

    /// Sets the maximum number of bytes between the writer and the reader, at least 1. A writer
    /// that reaches it is blocked. It stands for the buffers of both sockets. 256 KiB by default.
    ///
    /// As on a real connection, it also limits the bytes that move within one latency.
    pub const fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets the faults. There are none by default.
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

/// Faults of a [`Pipe`].
///
/// Probabilities range from 0, which is never, to 1, which is always. Values beyond that range
/// count as the nearer limit.
///
/// Splitting and merging lose no bytes, so every peer must work with them. The other faults break
/// the connection, or make the receiver close it.
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
    /// Returns no faults.
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

    /// Sets the probability that a chunk is split at a random place. Its second part may be split
    /// again.
    pub const fn split(mut self, probability: f64) -> Self {
        self.split = probability;
        self
    }

    /// Sets the probability that a chunk waits for the next one, so that one read returns both.
    /// `longest_wait` limits the wait.
    pub const fn merge(mut self, probability: f64, longest_wait: Duration) -> Self {
        self.merge = probability;
        self.longest_wait = longest_wait;
        self
    }

    /// Sets the probability that a chunk arrives with one flipped bit.
    pub const fn flip(mut self, probability: f64) -> Self {
        self.flip = probability;
        self
    }

    /// Breaks the connection for both sides as soon as `bytes` bytes were written to this pipe.
    /// Bytes in transit are lost.
    pub const fn reset_after(mut self, bytes: u64) -> Self {
        self.reset_after = Some(bytes);
        self
    }

    /// Breaks the connection for both sides at `time`. Bytes in transit are lost.
    pub const fn reset_at(mut self, time: Instant) -> Self {
        self.reset_at = Some(time);
        self
    }
}
