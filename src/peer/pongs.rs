//! Pongs that we owe, and their bound.

use alloc::collections::VecDeque;

use super::shrink::{push_back, shrink_if_idle};

/// Maximum number of owed pongs. Beyond it the oldest is dropped, so that a remote that sends pings
/// and does not read takes no memory. Nodes measure the latest ping only (`docs/protocol.md`, 6.3).
const MAX_OWED_PONGS: usize = 64;

/// The nonces of received pings whose pongs are not encoded yet. A dropped pong is never encoded.
#[derive(Default)]
pub(super) struct OwedPongs(VecDeque<u64>);

impl OwedPongs {
    pub(super) fn on_ping_received(&mut self, nonce: u64) {
        if self.0.len() == MAX_OWED_PONGS {
            self.0.pop_front();
        }
        push_back(&mut self.0, nonce);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all nonces, in the order in which the pings were received.
    pub(super) fn take(&mut self) -> impl Iterator<Item = u64> {
        self.0.drain(..)
    }

    /// Drops all pongs and frees their memory, because the peer is closed.
    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    pub(super) fn shrink_if_idle(&mut self) {
        shrink_if_idle(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_many_pongs_are_dropped() {
        let mut owed = OwedPongs::default();
        (0..1_000).for_each(|nonce| owed.on_ping_received(nonce));
        assert_eq!(owed.len(), MAX_OWED_PONGS);
        assert!(owed.take().eq(1_000 - MAX_OWED_PONGS as u64..1_000));
        assert!(owed.is_empty());
    }
}
