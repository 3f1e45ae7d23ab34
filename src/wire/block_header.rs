//! Block headers.

use alloc::vec::Vec;
use core::fmt;

use zerocopy::little_endian::{I32, I64, U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::format::{ShortHex, debug_fields};
use crate::hash::Hash;
use crate::network::Chain;

/// Length of an Equihash solution in bytes.
pub const SOLUTION_LEN: usize = 100;

/// Defines the fields of a block header once: for the record, for the view and for the owned
/// header.
macro_rules! header_fields {
    ($($(#[$doc:meta])* $field:ident: $native:ty = $wire:ty, $get:expr, $set:expr;)*) => {
        /// The 180 bytes that the headers of both chains begin with.
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        struct Fields { $($field: $wire,)* }

        impl<'a> BlockHeaderRef<'a> {
            $($(#[$doc])*
            pub fn $field(&self) -> $native {
                $get(self.fields.$field)
            })*

            /// Copies the header.
            #[must_use]
            pub fn to_header(&self) -> BlockHeader {
                BlockHeader {
                    $($field: self.$field(),)*
                    equihash_solution: self.equihash_solution().copied(),
                }
            }
        }

        /// An owned block header of either chain.
        #[derive(Clone, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
        pub struct BlockHeader {
            $($(#[$doc])* pub $field: $native,)*
            /// The Equihash solution: `Some` on Exchangecoin, `None` on Decred.
            pub equihash_solution: Option<[u8; SOLUTION_LEN]>,
        }

        impl BlockHeader {
            fn fields(&self) -> Fields {
                Fields { $($field: $set(self.$field),)* }
            }
        }
    };
}

impl BlockHeader {
    /// Creates a header of `chain` with zeros in all fields.
    ///
    /// ```
    /// use excc_peer::Chain;
    /// use excc_peer::wire::BlockHeader;
    ///
    /// let header = BlockHeader { height: 7, ..BlockHeader::zeroed(Chain::Decred) };
    /// assert_eq!((header.height, header.timestamp), (7, 0));
    /// ```
    #[must_use]
    pub fn zeroed(chain: Chain) -> Self {
        let fields = Fields::new_zeroed();
        let raw = [0; size_of::<Fields>() + SOLUTION_LEN];
        BlockHeaderRef { chain, raw: &raw[..chain.header_len()], fields: &fields }.to_header()
    }

    /// Returns the chain of the header, which has a solution on Exchangecoin only.
    pub const fn chain(&self) -> Chain {
        match self.equihash_solution {
            Some(_) => Chain::Exchangecoin,
            None => Chain::Decred,
        }
    }

    /// Returns the hash of the encoded header, which identifies the block.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        let solution = self.equihash_solution.as_ref().map_or(&[][..], |solution| solution);
        self.chain().hash_function().digest(&[self.fields().as_bytes(), solution])
    }

    /// Appends the encoded header.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.fields().as_bytes());
        bytes.extend(self.equihash_solution.iter().flatten());
    }
}

header_fields! {
    /// The version of the block.
    version: i32 = I32, I32::get, I32::new;
    /// The hash of the previous block.
    prev_block: Hash = Hash, core::convert::identity, core::convert::identity;
    /// The merkle root of the regular transactions.
    merkle_root: Hash = Hash, core::convert::identity, core::convert::identity;
    /// The merkle root of the stake transactions.
    stake_root: Hash = Hash, core::convert::identity, core::convert::identity;
    /// The votes of this block on the previous block.
    vote_bits: u16 = U16, U16::get, U16::new;
    /// The state of the pseudo-random ticket selection.
    final_state: [u8; 6] = [u8; 6], core::convert::identity, core::convert::identity;
    /// Number of votes in this block.
    voters: u16 = U16, U16::get, U16::new;
    /// Number of tickets purchased in this block.
    fresh_stake: u8 = u8, core::convert::identity, core::convert::identity;
    /// Number of revocations in this block.
    revocations: u8 = u8, core::convert::identity, core::convert::identity;
    /// Number of live tickets.
    pool_size: u32 = U32, U32::get, U32::new;
    /// The proof-of-work target, in compact form.
    bits: u32 = U32, U32::get, U32::new;
    /// The ticket price, in atoms.
    sbits: i64 = I64, I64::get, I64::new;
    /// The height of the block.
    height: u32 = U32, U32::get, U32::new;
    /// The size of the block, in bytes.
    size: u32 = U32, U32::get, U32::new;
    /// The time of the block, in Unix seconds.
    timestamp: u32 = U32, U32::get, U32::new;
    /// The proof-of-work nonce.
    nonce: u32 = U32, U32::get, U32::new;
    /// Data of the miner.
    extra_data: [u8; 32] = [u8; 32], core::convert::identity, core::convert::identity;
    /// The version of the stake rules in the vote.
    stake_version: u32 = U32, U32::get, U32::new;
}

debug_fields! {
    BlockHeader {
        version,
        prev_block,
        merkle_root,
        stake_root,
        vote_bits,
        final_state: ShortHex(final_state),
        voters,
        fresh_stake,
        revocations,
        pool_size,
        bits,
        sbits,
        height,
        size,
        timestamp,
        nonce,
        extra_data: ShortHex(extra_data),
        stake_version,
        equihash_solution: equihash_solution.as_ref().map(|solution| ShortHex(solution)),
    }
}

/// A view of a block header in a message. No field is validated.
#[derive(Clone, Copy)]
pub struct BlockHeaderRef<'a> {
    chain: Chain,
    raw: &'a [u8],
    fields: &'a Fields,
}

impl<'a> BlockHeaderRef<'a> {
    /// Views the header at the start of `raw`.
    pub(super) fn new(chain: Chain, raw: &'a [u8]) -> Option<Self> {
        let raw = raw.get(..chain.header_len())?;
        let (fields, _) = Fields::ref_from_prefix(raw).ok()?;
        Some(Self { chain, raw, fields })
    }

    /// Returns the encoded header: 280 bytes on Exchangecoin, 180 bytes on Decred.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns the Equihash solution, or `None` on Decred.
    pub fn equihash_solution(&self) -> Option<&'a [u8; SOLUTION_LEN]> {
        self.raw.get(size_of::<Fields>()..)?.try_into().ok()
    }

    /// Returns the hash of the encoded header, which identifies the block.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        // Exchangecoin's solution is part of the hash (`docs/protocol.md`, 4.5).
        self.chain.hash_function().digest(&[self.raw])
    }
}

impl fmt::Debug for BlockHeaderRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_header().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_fields_have_180_bytes() {
        assert_eq!(size_of::<Fields>(), Chain::Decred.header_len());
        assert_eq!(size_of::<Fields>() + SOLUTION_LEN, Chain::Exchangecoin.header_len());
    }
}
