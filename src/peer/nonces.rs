//! The nonces by which a process finds that it is connected to itself.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use once_cell::race::OnceBox;

/// Places in the first block. Each further block has twice as many as the one before.
const FIRST_BLOCK: usize = 64;

/// The nonces of all outbound peers of a process that are in their handshake, so that an inbound
/// peer recognises a connection that came from the process itself.
///
/// Clones are handles to one set: give one to the
/// [configuration](crate::ConfigBuilder::sent_nonces) of every peer of the process. Lock-free.
/// It holds as many nonces as are in use at a time, and keeps room for as many.
///
/// A nonce counts only as long as its peer is in its handshake. Reference nodes remember the
/// latest 50, for ever: who repeats a nonce later learns that two addresses are one node.
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

/// A nonce in halves, because not every target has 64-bit atomics. One that is half written
/// is not found. That does no harm: it is not sent before it is written.
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

    fn holds(&self, nonce: u64) -> bool {
        self.low.load(Ordering::Acquire) == nonce as u32
            && self.high.load(Ordering::Acquire) == (nonce >> 32) as u32
    }
}

impl SentNonces {
    /// An empty set.
    pub fn new() -> Self {
        Self(Arc::new(Block::new(FIRST_BLOCK)))
    }

    /// Adds a nonce, until the returned value is dropped. 0 stands for an empty place and is
    /// never found.
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

    /// Whether a peer that sent `nonce` is in its handshake.
    pub fn contains(&self, nonce: u64) -> bool {
        nonce != 0
            && self.blocks().flat_map(|block| block.places.iter()).any(|one| one.holds(nonce))
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

/// Prints no nonce: each is a secret until it is sent.
impl fmt::Debug for SentNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentNonces").finish_non_exhaustive()
    }
}

/// A nonce in a set of [`SentNonces`], which it leaves when this is dropped.
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
    fn nonces_are_found_by_every_handle_until_they_are_dropped() {
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
    fn places_are_used_again() {
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
    fn threads_add_and_drop_at_once() {
        let nonces = SentNonces::new();
        std::thread::scope(|scope| {
            for thread in 1..=4_u64 {
                let nonces = &nonces;
                scope.spawn(move || {
                    for turn in 1..=500 {
                        let own = [thread << 32 | turn, thread << 48 | turn];
                        let sent = own.map(|nonce| nonces.insert(nonce));
                        assert!(own.iter().all(|&nonce| nonces.contains(nonce)));
                        drop(sent);
                    }
                });
            }
        });
        assert!(nonces.blocks().all(|block| block.places.iter().all(|one| one.holds(0))));
    }
}
