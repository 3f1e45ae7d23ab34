//! Hashes of inventory vectors that the remote cannot foresee.

use rand_core::CryptoRng;
use siphasher::sip::SipHasher13;
use zerocopy::IntoBytes;

use crate::wire::InvVect;

/// A keyed hash function of inventory vectors.
///
/// The remote chooses the vectors that are looked up. With a public hash function it could choose
/// vectors that collide, and every lookup would be a linear search.
#[derive(Clone, Copy)]
pub(super) struct InventoryHasher(u64, u64);

impl InventoryHasher {
    pub(super) fn new<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(rng.next_u64(), rng.next_u64())
    }

    pub(super) fn hash(self, vector: &InvVect) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(vector.as_bytes())
    }
}
