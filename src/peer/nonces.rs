//! Nonces that detect self-connections (`docs/protocol.md`, 5.4).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use once_cell::race::OnceBox;

/// Number of places in the first block. Each further block has twice as many as the previous one.
const FIRST_BLOCK: usize = 64;

/// The nonces of all outbound peers of a process that are in their handshake.
///
/// An inbound peer that receives one of them in a `version` is connected to its own process, and
/// closes with [`CloseReason::SelfConnection`](crate::CloseReason::SelfConnection).
///
/// Clones are handles to one set. Set it in the
/// [configuration](crate::ConfigBuilder::sent_nonces) of every peer of the process. The set is
/// lock-free. It grows with the number of simultaneous handshakes, and keeps that memory.
///
/// A nonce is removed when its handshake ends or its peer closes. Reference nodes keep the latest
/// 50 nonces without expiry (`sentNonces`). A remote can repeat an old nonce to such a node, and find
/// out whether two addresses belong to it.
#[derive(Clone)]
pub struct SentNonces(Arc<Block>);

struct Block {
    places: Box<[Place]>,
    next: OnceBox<Block>,
}

impl Block {
    fn new(len: usize) -> Self {
        Self { places: (0..len).map(|_| Place::default()).collect(), next: OnceBox::new() }
    }
}

/// A nonce in two halves, because not every target has 64-bit atomics.
///
/// A nonce of which one half is written is not found. This is harmless, because a nonce is written
/// completely before it is sent.
#[derive(Default)]
struct Place {
    is_taken: AtomicBool,
    high: AtomicU32,
    low: AtomicU32,
}

impl Place {
    fn take(&self) -> bool {
        let taken = &self.is_taken;
        taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn set(&self, nonce: u64) {
        self.high.store((nonce >> 32) as u32, Ordering::Release);
        self.low.store(nonce as u32, Ordering::Release);
    }

    fn contains(&self, nonce: u64) -> bool {
        self.low.load(Ordering::Acquire) == nonce as u32
            && self.high.load(Ordering::Acquire) == (nonce >> 32) as u32
    }
}

impl SentNonces {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self(Arc::new(Block::new(FIRST_BLOCK)))
    }

    /// Adds a nonce. Dropping the returned value removes it.
    ///
    /// 0 marks an empty place and is never found.
    pub fn insert(&self, nonce: u64) -> SentNonce {
        let mut block = &*self.0;
        let mut blocks = 0;
        loop {
            if let Some((place, free)) = (0..).zip(&block.places).find(|(_, place)| place.take()) {
                free.set(nonce);
                return SentNonce { nonces: self.clone(), block: blocks, place };
            }
            let len = 2 * block.places.len();
            block = block.next.get_or_init(|| Box::new(Block::new(len)));
            blocks += 1;
        }
    }

    /// Returns whether the set contains `nonce`: an outbound peer sent it and is in its handshake.
    pub fn contains(&self, nonce: u64) -> bool {
        nonce != 0
            && self
                .blocks()
                .flat_map(|block| block.places.iter())
                .any(|place| place.contains(nonce))
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        core::iter::successors(Some(&*self.0), |block| block.next.get())
    }
}

impl Default for SentNonces {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints no nonce, because a nonce is secret until it is sent.
impl fmt::Debug for SentNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentNonces").finish_non_exhaustive()
    }
}

/// A nonce in a set of [`SentNonces`]. Dropping it removes the nonce.
#[derive(Debug)]
#[must_use]
pub struct SentNonce {
    nonces: SentNonces,
    block: u32,
    place: u32,
}

impl Drop for SentNonce {
    fn drop(&mut self) {
        let block = self.nonces.blocks().nth(self.block as usize);
        if let Some(place) = block.and_then(|block| block.places.get(self.place as usize)) {
            place.set(0);
            place.is_taken.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_handle_finds_a_nonce_until_it_is_dropped() {
        let nonces = SentNonces::new();
        let handle = nonces.clone();
        let all: Vec<u64> = (1..=1_000_u64).map(|nonce| nonce << 31 | nonce).collect();
        let mut sent: Vec<SentNonce> = all.iter().map(|&nonce| nonces.insert(nonce)).collect();
        assert!(all.iter().all(|&nonce| handle.contains(nonce)));
        drop(sent.drain(..500));
        let found = all.iter().map(|&nonce| handle.contains(nonce));
        assert!(found.eq((0..1_000).map(|place| place >= 500)));
    }

    #[test]
    fn places_are_reused() {
        let nonces = SentNonces::new();
        for nonce in 1..10_000 {
            let sent = nonces.insert(nonce);
            assert!(nonces.contains(nonce));
            drop(sent);
            assert!(!nonces.contains(nonce));
        }
        assert_eq!(nonces.blocks().count(), 1);
    }

    #[test]
    fn zero_is_never_found() {
        let nonces = SentNonces::new();
        assert!(!nonces.contains(0));
        let _sent = nonces.insert(0);
        assert!(!nonces.contains(0));
    }

    #[test]
    fn threads_insert_and_drop_concurrently() {
        let nonces = SentNonces::new();
        std::thread::scope(|scope| {
            for thread in 1..=4_u64 {
                let nonces = &nonces;
                scope.spawn(move || {
                    for round in 1..=500 {
                        let own = [thread << 32 | round, thread << 48 | round];
                        let sent = own.map(|nonce| nonces.insert(nonce));
                        assert!(own.iter().all(|&nonce| nonces.contains(nonce)));
                        drop(sent);
                    }
                });
            }
        });
        assert!(nonces.blocks().all(|block| block.places.iter().all(|place| place.contains(0))));
    }
}
