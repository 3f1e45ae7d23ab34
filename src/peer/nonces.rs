//! The nonces by which a process finds that it has called itself.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// How many nonces are remembered unless another number is given.
const DEFAULT_CAPACITY: usize = 256;

/// The nonces sent most recently by all peers of a process, so that an inbound peer
/// recognises a connection that came from the process itself.
///
/// Clones are handles to one ring: give one to the
/// [configuration](crate::ConfigBuilder::sent_nonces) of every peer of the process.
/// Only outbound peers enter their nonces, so that inbound connections, however many,
/// push none out. Lock-free.
#[derive(Clone)]
pub struct SentNonces(Arc<Ring>);

struct Ring {
    // Halves, because not every target has 64-bit atomics. A half-written nonce is not
    // found, which does no harm: it is not on the wire before it is written.
    slots: Vec<[AtomicU32; 2]>,
    next: AtomicUsize,
}

impl SentNonces {
    /// A ring of the last 256.
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// A ring of the last `capacity`, of one at least. The reference nodes keep 50.
    pub fn with_capacity(capacity: usize) -> Self {
        let slots = (0..capacity.max(1)).map(|_| Default::default()).collect();
        Self(Arc::new(Ring { slots, next: AtomicUsize::new(0) }))
    }

    /// Remembers a nonce. 0 stands for an empty slot and is never found.
    pub fn insert(&self, nonce: u64) {
        let ring = &*self.0;
        let slot = ring.next.fetch_add(1, Ordering::Relaxed) % ring.slots.len();
        let [high, low] = &ring.slots[slot];
        high.store((nonce >> 32) as u32, Ordering::Release);
        low.store(nonce as u32, Ordering::Release);
    }

    /// Whether `nonce` is among the last ones.
    pub fn contains(&self, nonce: u64) -> bool {
        nonce != 0
            && self.0.slots.iter().any(|[high, low]| {
                low.load(Ordering::Acquire) == nonce as u32
                    && high.load(Ordering::Acquire) == (nonce >> 32) as u32
            })
    }
}

impl Default for SentNonces {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells the capacity only: a nonce is a secret until it is sent.
impl fmt::Debug for SentNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentNonces(last {})", self.0.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_found_by_every_handle() {
        let nonces = SentNonces::with_capacity(3);
        let handle = nonces.clone();
        for nonce in 1..=4_u64 {
            nonces.insert(nonce << 31);
        }
        assert!(!handle.contains(1 << 31));
        assert!((2..=4_u64).all(|nonce| handle.contains(nonce << 31)));
    }

    #[test]
    fn zero_is_never_found() {
        let nonces = SentNonces::new();
        assert!(!nonces.contains(0));
        nonces.insert(0);
        assert!(!nonces.contains(0));
    }

    #[test]
    fn a_ring_of_none_keeps_one() {
        let nonces = SentNonces::with_capacity(0);
        nonces.insert(7);
        assert!(nonces.contains(7));
    }
}
