//! Block headers: `headers`.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use zerocopy::little_endian::{I32, I64, U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::{Payload, Protocol, Reader, Writer, check_chain};
use super::debug::{self, ShortHex, debug_fields};
use super::error::{ErrorKind, at_most};
use crate::hash::Hash;
use crate::network::Chain;

/// Most headers in one `headers`.
pub const MAX_HEADERS: usize = 2_000;

/// Bytes of an Equihash solution.
pub const SOLUTION_LEN: usize = 100;

/// Defines the fields of a block header once: the record that overlays the wire, the
/// getters of a view, and the owned header.
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

            /// A copy that lives by itself.
            #[must_use]
            pub fn to_header(&self) -> BlockHeader {
                BlockHeader {
                    $($field: self.$field(),)*
                    equihash_solution: self.equihash_solution().copied(),
                }
            }
        }

        /// A block header of either chain, to be built or kept.
        #[derive(Clone, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
        pub struct BlockHeader {
            $($(#[$doc])* pub $field: $native,)*
            /// The Equihash solution: there on Exchangecoin, and not on Decred.
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
    /// A header of `chain` that is all zeros, for its fields to be filled in.
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

    /// The chain that has headers of this form.
    pub const fn chain(&self) -> Chain {
        match self.equihash_solution {
            Some(_) => Chain::Exchangecoin,
            None => Chain::Decred,
        }
    }

    /// The hash of the header as it is on the wire: the identity of the block.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        let solution = self.equihash_solution.as_ref().map_or(&[][..], |solution| solution);
        self.chain().hash_function().digest(&[self.fields().as_bytes(), solution])
    }

    /// Appends the header as it is on the wire.
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
    /// What the votes in this block say of the previous one.
    vote_bits: u16 = U16, U16::get, U16::new;
    /// The state of the pseudo-random choice of tickets.
    final_state: [u8; 6] = [u8; 6], core::convert::identity, core::convert::identity;
    /// Votes in this block.
    voters: u16 = U16, U16::get, U16::new;
    /// Tickets bought in this block.
    fresh_stake: u8 = u8, core::convert::identity, core::convert::identity;
    /// Revocations in this block.
    revocations: u8 = u8, core::convert::identity, core::convert::identity;
    /// Live tickets.
    pool_size: u32 = U32, U32::get, U32::new;
    /// The target of the proof of work, in compact form.
    bits: u32 = U32, U32::get, U32::new;
    /// The price of a ticket, in atoms.
    sbits: i64 = I64, I64::get, I64::new;
    /// The height of the block.
    height: u32 = U32, U32::get, U32::new;
    /// The size of the block in bytes.
    size: u32 = U32, U32::get, U32::new;
    /// When the block was made, in Unix seconds.
    timestamp: u32 = U32, U32::get, U32::new;
    /// The nonce of the proof of work.
    nonce: u32 = U32, U32::get, U32::new;
    /// Bytes for the miner's use.
    extra_data: [u8; 32] = [u8; 32], core::convert::identity, core::convert::identity;
    /// The version of the stake rules voted for.
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

/// A block header where it lies in a message. Nothing of it is validated.
#[derive(Clone, Copy)]
pub struct BlockHeaderRef<'a> {
    chain: Chain,
    raw: &'a [u8],
    fields: &'a Fields,
}

impl<'a> BlockHeaderRef<'a> {
    /// The header that `raw` begins with.
    pub(super) fn new(chain: Chain, raw: &'a [u8]) -> Option<Self> {
        let raw = raw.get(..chain.header_len())?;
        let (fields, _) = Fields::ref_from_prefix(raw).ok()?;
        Some(Self { chain, raw, fields })
    }

    /// The bytes of the header: 280 on Exchangecoin, 180 on Decred.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The Equihash solution; Decred's headers have none.
    pub fn equihash_solution(&self) -> Option<&'a [u8; SOLUTION_LEN]> {
        self.raw.get(size_of::<Fields>()..)?.try_into().ok()
    }

    /// The hash of all the header's bytes: the identity of the block.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        self.chain.hash_function().digest(&[self.raw])
    }
}

impl fmt::Debug for BlockHeaderRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_header().fmt(f)
    }
}

/// The headers of a `headers`: at most [`MAX_HEADERS`], lent as views of the message.
///
/// The chains' headers differ in size, so that the list knows its chain.
///
/// ```
/// use excc_peer::wire::Headers;
/// # fn f(headers: Headers) {
/// for header in headers.iter() {
///     println!("{} {}", header.height(), header.block_hash());
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    chain: Chain,
    entries: Bytes,
}

impl Headers {
    /// No headers: "nothing new".
    pub const fn empty(chain: Chain) -> Self {
        Self { chain, entries: Bytes::new() }
    }

    /// A list of new headers.
    ///
    /// # Errors
    ///
    /// [`OtherChain`](super::Invalid::OtherChain) if a header has an Equihash solution where the
    /// chain has none, or the other way round.
    pub fn new<'a>(
        chain: Chain,
        headers: impl IntoIterator<Item = &'a BlockHeader>,
    ) -> Result<Self, ErrorKind> {
        let mut entries = Vec::new();
        for header in headers {
            check_chain(header.chain(), chain)?;
            header.write(&mut entries);
            entries.push(NO_TRANSACTIONS);
        }
        Ok(Self { chain, entries: entries.into() })
    }

    /// The chain whose headers these are.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len() / entry_len(self.chain)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The header at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<BlockHeaderRef<'_>> {
        let start = index.checked_mul(entry_len(self.chain))?;
        BlockHeaderRef::new(self.chain, self.entries.get(start..)?)
    }

    /// The headers in order.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = BlockHeaderRef<'_>> + DoubleEndedIterator + Clone {
        let chain = self.chain;
        self.entries.chunks_exact(entry_len(chain)).map(move |entry| {
            BlockHeaderRef::new(chain, entry).expect("every entry begins with a whole header")
        })
    }
}

/// Shows the first headers and the number of the others.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::list(f, self.iter())
    }
}

/// The count of transactions that follows each header: there never are any.
const NO_TRANSACTIONS: u8 = 0;

const fn entry_len(chain: Chain) -> usize {
    chain.header_len() + 1
}

impl Payload for Headers {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        let chain = protocol.chain;
        let count = reader.count(MAX_HEADERS, ErrorKind::TooManyHeaders)?;
        let mut ahead = reader.fork();
        for index in 0..count {
            ahead.take(chain.header_len())?;
            match ahead.varint()? {
                0 => {}
                txs => return Err(ErrorKind::HeaderContainsTxs { index, txs }),
            }
        }
        let entries = reader.take_bytes(count * entry_len(chain))?;
        Ok(Self { chain, entries })
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        at_most(self.len(), MAX_HEADERS, ErrorKind::TooManyHeaders)?;
        check_chain(self.chain, protocol.chain)?;
        writer.varint(self.len() as u64);
        writer.shared(&self.entries);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_fields_take_180_bytes() {
        assert_eq!(size_of::<Fields>(), Chain::Decred.header_len());
        assert_eq!(size_of::<Fields>() + SOLUTION_LEN, Chain::Exchangecoin.header_len());
    }

    #[test]
    fn a_header_of_the_other_chain_is_refused_when_built() {
        let raw = [3; 280];
        let excc = BlockHeaderRef::new(Chain::Exchangecoin, &raw).unwrap().to_header();
        let dcr = BlockHeaderRef::new(Chain::Decred, &raw).unwrap().to_header();
        assert!(Headers::new(Chain::Exchangecoin, [&excc]).is_ok());
        assert!(Headers::new(Chain::Decred, [&dcr]).is_ok());
        assert!(matches!(Headers::new(Chain::Exchangecoin, [&dcr]), Err(ErrorKind::InvalidMsg(_))));
        assert!(matches!(Headers::new(Chain::Decred, [&excc]), Err(ErrorKind::InvalidMsg(_))));
    }

    #[test]
    fn built_headers_are_the_bytes_they_were_read_from() {
        let raw: [u8; 280] = core::array::from_fn(|i| i as u8);
        for chain in [Chain::Exchangecoin, Chain::Decred] {
            let view = BlockHeaderRef::new(chain, &raw).unwrap();
            let headers = Headers::new(chain, [&view.to_header(), &view.to_header()]).unwrap();
            assert_eq!(headers.len(), 2);
            assert!(headers.iter().all(|header| header.raw() == view.raw()));
            assert_eq!(headers.get(1).unwrap().block_hash(), view.block_hash());
            assert_eq!(view.to_header().block_hash(), view.block_hash());
            assert!(headers.get(2).is_none());
        }
    }
}
