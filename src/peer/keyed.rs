//! Hashes of inventory vectors that the remote cannot foresee.

use rand_core::CryptoRng;
use siphasher::sip::SipHasher13;
use zerocopy::IntoBytes;

use crate::wire::InvVect;

/// The key of a hash function. The remote chooses which vectors are looked up, and could
/// make all of them collide if it knew this.
#[derive(Clone, Copy)]
pub(super) struct Key(u64, u64);

impl Key {
    pub(super) fn new<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(rng.next_u64(), rng.next_u64())
    }

    pub(super) fn hash(self, vector: &InvVect) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(vector.as_bytes())
    }
}
