//! Identifiers of peers.

use core::fmt;

/// Identifies a peer of a [`Simulation`](super::Simulation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(super) usize);

impl PeerId {
    /// Returns a number that is unique in the simulation. The first connection has 0 for its
    /// caller and 1 for its listener, the next one 2 and 3, and so on. Numbers are never reused.
    pub const fn index(self) -> usize {
        self.0
    }

    /// Returns the peer at the other end of the connection.
    pub const fn remote(self) -> Self {
        Self(self.0 ^ 1)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
