//! Committed filters of blocks: the messages of version 1, and those of version 2.
//!
//! Both reference nodes disconnect who asks for filters of version 1. The requests of
//! version 2 are answered for the blocks that a node knows, and else not at all.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::{Payload, Protocol, Reader, Writer, varint_len};
use super::debug::{Items, ShortHex, debug_fields};
use super::error::{ErrorKind, at_most};
use super::list::{List, Record, sealed::Sealed};
use super::locator::MAX_LOCATOR;
use crate::hash::Hash;

/// Most bytes of a filter: 256 KiB.
pub const MAX_FILTER_LEN: usize = 256 * 1024;

/// Most filter headers in one `cfheaders`.
pub const MAX_FILTER_HEADERS: usize = 2_000;

/// Most types of filters in a `cftypes`.
pub const MAX_FILTER_TYPES: usize = 256;

/// Most hashes in the proof of a filter of version 2.
pub const MAX_PROOF_HASHES: usize = 32;

/// Most filters in one `cfiltersv2`.
pub const MAX_FILTERS: usize = 100;

/// Which filter of version 1. Unknown numbers are carried as they are.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct FilterType(u8);

impl FilterType {
    /// The regular filter.
    pub const REGULAR: Self = Self(0);
    /// The extended filter.
    pub const EXTENDED: Self = Self(1);

    /// Creates a type from its number on the wire.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number on the wire.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Sealed for FilterType {}
impl Record for FilterType {}

/// `getcfilter`: asks for the filter of one type of a block. From protocol version 6 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct GetCFilter {
    /// The block.
    pub block_hash: Hash,
    /// The type of the filter.
    pub filter_type: FilterType,
}

impl Payload for GetCFilter {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self { block_hash: reader.record()?, filter_type: reader.record()? })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(self.block_hash.as_ref());
        writer.bytes(self.filter_type.as_bytes());
        Ok(())
    }
}

/// `cfilter`: a filter of version 1. From protocol version 6 on.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFilter {
    /// The block that the filter is of.
    pub block_hash: Hash,
    /// The type of the filter.
    pub filter_type: FilterType,
    /// The filter as it is, not taken apart: at most [`MAX_FILTER_LEN`] bytes.
    pub data: Bytes,
}

debug_fields!(CFilter { block_hash, filter_type, data: ShortHex(data) });

impl Payload for CFilter {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            block_hash: reader.record()?,
            filter_type: reader.record()?,
            data: reader.take_var_bytes(MAX_FILTER_LEN, ErrorKind::VarBytesTooLong)?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        at_most(self.data.len(), MAX_FILTER_LEN, ErrorKind::FilterTooLarge)?;
        writer.bytes(self.block_hash.as_ref());
        writer.bytes(self.filter_type.as_bytes());
        writer.var_bytes(&self.data);
        Ok(())
    }
}

/// `getcfheaders`: asks for the filter headers of the blocks after the newest one that
/// both sides know. From protocol version 6 on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct GetCFHeaders {
    /// The block locator, as a [`LocatorRequest`](super::LocatorRequest) has it: at most
    /// [`MAX_LOCATOR`] hashes.
    pub locator: List<Hash>,
    /// The last block whose filter header is wanted.
    pub stop: Hash,
    /// The type of the filters.
    pub filter_type: FilterType,
}

impl Payload for GetCFHeaders {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            locator: List::read(reader, MAX_LOCATOR, ErrorKind::TooManyLocators)?,
            stop: reader.record()?,
            filter_type: reader.record()?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.locator.write(writer, MAX_LOCATOR, ErrorKind::TooManyLocators)?;
        writer.bytes(self.stop.as_ref());
        writer.bytes(self.filter_type.as_bytes());
        Ok(())
    }
}

/// `cfheaders`: filter headers of a run of blocks. From protocol version 6 on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFHeaders {
    /// The last of the blocks.
    pub stop: Hash,
    /// The type of the filters.
    pub filter_type: FilterType,
    /// The filter headers, each a hash: at most [`MAX_FILTER_HEADERS`].
    pub header_hashes: List<Hash>,
}

impl Payload for CFHeaders {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        let too_many = ErrorKind::TooManyFilterHeaders;
        Ok(Self {
            stop: reader.record()?,
            filter_type: reader.record()?,
            header_hashes: List::read(reader, MAX_FILTER_HEADERS, too_many)?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(self.stop.as_ref());
        writer.bytes(self.filter_type.as_bytes());
        self.header_hashes.write(writer, MAX_FILTER_HEADERS, ErrorKind::TooManyFilterHeaders)
    }
}

/// `cftypes`: the types of filters of version 1 that the sender has. From protocol
/// version 6 on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct CFTypes {
    /// The types: at most [`MAX_FILTER_TYPES`].
    pub filter_types: List<FilterType>,
}

impl Payload for CFTypes {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        let filter_types = List::read(reader, MAX_FILTER_TYPES, ErrorKind::TooManyFilterTypes)?;
        Ok(Self { filter_types })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.filter_types.write(writer, MAX_FILTER_TYPES, ErrorKind::TooManyFilterTypes)
    }
}

/// `getcfilterv2`: asks for the filter of a block. From protocol version 7 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct GetCFilterV2 {
    /// The block.
    pub block_hash: Hash,
}

impl Payload for GetCFilterV2 {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self { block_hash: reader.record()? })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(self.block_hash.as_ref());
        Ok(())
    }
}

/// `cfilterv2`: a filter of version 2, and the proof that its block commits to it. From
/// protocol version 7 on.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFilterV2 {
    /// The block that the filter is of.
    pub block_hash: Hash,
    /// The filter as it is, not taken apart: at most [`MAX_FILTER_LEN`] bytes.
    pub data: Bytes,
    /// Where the filter is among all that the block's header commits to.
    pub proof_index: u32,
    /// The merkle path from the filter to the root in the block's header: at most
    /// [`MAX_PROOF_HASHES`]. Exchangecoin's node sends none.
    pub proof_hashes: List<Hash>,
}

debug_fields!(CFilterV2 { block_hash, data: ShortHex(data), proof_index, proof_hashes });

impl CFilterV2 {
    /// Bytes of a filter without data and proof: the hash, two counts and the index.
    const MIN_LEN: usize = 32 + 1 + 4 + 1;

    fn check(&self) -> Result<(), ErrorKind> {
        at_most(self.data.len(), MAX_FILTER_LEN, ErrorKind::FilterTooLarge)?;
        at_most(self.proof_hashes.len(), MAX_PROOF_HASHES, ErrorKind::TooManyProofs)
    }

    fn encoded_len(&self) -> usize {
        let (data, proof) = (&self.data, self.proof_hashes.as_bytes());
        let counts = varint_len(data.len() as u64) + varint_len(self.proof_hashes.len() as u64);
        32 + 4 + counts + data.len() + proof.len()
    }

    /// Writes a filter that has been checked.
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self.block_hash.as_ref());
        writer.var_bytes(&self.data);
        writer.bytes(&self.proof_index.to_le_bytes());
        writer.varint(self.proof_hashes.len() as u64);
        writer.bytes(self.proof_hashes.as_bytes());
    }
}

impl Payload for CFilterV2 {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            block_hash: reader.record()?,
            data: reader.take_var_bytes(MAX_FILTER_LEN, ErrorKind::VarBytesTooLong)?,
            proof_index: reader.u32()?,
            proof_hashes: List::read(reader, MAX_PROOF_HASHES, ErrorKind::TooManyProofs)?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.check()?;
        writer.reserve(self.encoded_len());
        self.write(writer);
        Ok(())
    }
}

impl From<CFilterV2> for super::message::Message {
    fn from(filter: CFilterV2) -> Self {
        Self::CFilterV2(Box::new(filter))
    }
}

/// `getcfsv2`: asks for the filters of a run of blocks of one branch, of which there may
/// be at most [`MAX_FILTERS`]. Decred from protocol version 11 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct GetCFsV2 {
    /// The first block.
    pub start_hash: Hash,
    /// The last block.
    pub end_hash: Hash,
}

impl Payload for GetCFsV2 {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self { start_hash: reader.record()?, end_hash: reader.record()? })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(self.start_hash.as_ref());
        writer.bytes(self.end_hash.as_ref());
        Ok(())
    }
}

/// `cfiltersv2`: the filters of a run of blocks. Decred from protocol version 11 on.
///
/// The filters received are slices of one payload of up to 26 MB, which stays in memory
/// as long as any of them does.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct CFiltersV2 {
    /// The filters: at most [`MAX_FILTERS`].
    pub filters: Vec<CFilterV2>,
}

debug_fields!(CFiltersV2 { filters: Items(filters) });

impl Payload for CFiltersV2 {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        let count = reader.count(MAX_FILTERS, ErrorKind::TooManyCFilters)?;
        let fit = reader.remaining() / CFilterV2::MIN_LEN;
        let mut filters = Vec::with_capacity(count.min(fit));
        for _ in 0..count {
            filters.push(CFilterV2::decode(reader, protocol)?);
        }
        Ok(Self { filters })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.count(self.filters.len(), MAX_FILTERS, ErrorKind::TooManyCFilters)?;
        // Every filter is checked before memory is reserved for all.
        self.filters.iter().try_for_each(CFilterV2::check)?;
        writer.reserve(self.filters.iter().map(CFilterV2::encoded_len).sum());
        self.filters.iter().for_each(|filter| filter.write(writer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Excess;
    use super::super::message::{
        Message,
        tests::{encoded, round_trip},
    };
    use super::*;
    use crate::network::Chain;

    const DECRED: Protocol = Protocol::new(Chain::Decred, 12);

    fn hash(n: usize) -> Hash {
        Hash::from_bytes([n as u8; 32])
    }

    fn hashes(count: usize) -> List<Hash> {
        (0..count).map(hash).collect()
    }

    fn filter_data(len: usize) -> Bytes {
        (0..len).map(|n| n as u8).collect()
    }

    fn cfilter(len: usize) -> Message {
        let (block_hash, filter_type) = (hash(1), FilterType::new(255));
        Message::CFilter(CFilter { block_hash, filter_type, data: filter_data(len) })
    }

    fn getcfheaders(count: usize) -> Message {
        let filter_type = FilterType::EXTENDED;
        Message::GetCFHeaders(GetCFHeaders { locator: hashes(count), stop: hash(1), filter_type })
    }

    fn cfheaders(count: usize) -> Message {
        let (stop, filter_type) = (hash(1), FilterType::REGULAR);
        Message::CFHeaders(CFHeaders { stop, filter_type, header_hashes: hashes(count) })
    }

    fn cftypes(count: usize) -> Message {
        let filter_types = (0..count).map(|n| FilterType::new(n as u8)).collect();
        Message::CFTypes(CFTypes { filter_types })
    }

    fn filter(len: usize, proof: usize) -> CFilterV2 {
        CFilterV2 {
            block_hash: hash(1),
            data: filter_data(len),
            proof_index: u32::MAX,
            proof_hashes: hashes(proof),
        }
    }

    fn cfiltersv2(filters: impl Into<Vec<CFilterV2>>) -> Message {
        Message::CFiltersV2(CFiltersV2 { filters: filters.into() })
    }

    #[test]
    fn filter_messages_come_back_at_their_limits() {
        assert_eq!(round_trip(cfilter(262_144)).len(), 262_182);
        assert_eq!(round_trip(getcfheaders(500)).len(), 16_036);
        assert_eq!(round_trip(cfheaders(2_000)).len(), 64_036);
        assert_eq!(round_trip(cftypes(256)).len(), 259);
        assert_eq!(round_trip(filter(262_144, 32)).len(), 263_210);
        assert_eq!(round_trip(cfiltersv2(alloc::vec![filter(300, 2); 100])).len(), 1 + 100 * 404);
    }

    #[test]
    fn filter_messages_beyond_their_limits_are_not_encoded() {
        let data = Excess { seen: 262_145, allowed: 262_144 };
        assert_eq!(encoded(cfilter(262_145)), Err(ErrorKind::FilterTooLarge(data)));
        let locator = Excess { seen: 501, allowed: 500 };
        assert_eq!(encoded(getcfheaders(501)), Err(ErrorKind::TooManyLocators(locator)));
        let headers = Excess { seen: 2_001, allowed: 2_000 };
        assert_eq!(encoded(cfheaders(2_001)), Err(ErrorKind::TooManyFilterHeaders(headers)));
        let types = Excess { seen: 257, allowed: 256 };
        assert_eq!(encoded(cftypes(257)), Err(ErrorKind::TooManyFilterTypes(types)));
        let proof = Excess { seen: 33, allowed: 32 };
        assert_eq!(encoded(filter(262_145, 33)), Err(ErrorKind::FilterTooLarge(data)));
        assert_eq!(encoded(filter(262_144, 33)), Err(ErrorKind::TooManyProofs(proof)));
        let filters = Excess { seen: 101, allowed: 100 };
        let too_many = cfiltersv2(alloc::vec![filter(0, 33); 101]);
        assert_eq!(encoded(too_many), Err(ErrorKind::TooManyCFilters(filters)));
        let one_of_two = cfiltersv2([filter(0, 0), filter(262_145, 33)]);
        assert_eq!(encoded(one_of_two), Err(ErrorKind::FilterTooLarge(data)));
        let other_of_two = cfiltersv2([filter(0, 33), filter(262_145, 0)]);
        assert_eq!(encoded(other_of_two), Err(ErrorKind::TooManyProofs(proof)));
    }

    /// The error of data that are too long is not the one that encoding has for them.
    #[test]
    fn data_that_are_too_long_are_refused_by_their_length() {
        let mut payload = [0; 37];
        payload[32..].copy_from_slice(&[0xfe, 1, 0, 4, 0]);
        let read = CFilterV2::decode(&mut Reader::borrowed(&payload), DECRED);
        let too_long = Excess { seen: 262_145, allowed: 262_144 };
        assert_eq!(read, Err(ErrorKind::VarBytesTooLong(too_long)));
    }

    #[test]
    fn a_filter_has_the_length_that_is_reserved_for_it() {
        assert_eq!(filter(0, 0).encoded_len(), CFilterV2::MIN_LEN);
        for (len, proof) in [(0, 0), (252, 1), (253, 32), (65_535, 0), (65_536, 3)] {
            let filter = filter(len, proof);
            assert_eq!(round_trip(filter.clone()).len(), filter.encoded_len());
        }
    }

    #[test]
    fn filters_are_slices_of_their_payload() {
        let mut writer = Writer::default();
        let sent = CFiltersV2 { filters: alloc::vec![filter(100, 2), filter(50, 1)] };
        sent.encode(&mut writer, DECRED).unwrap();
        let (inline, len, body) = writer.finish();
        let payload = Bytes::from([&inline[..len], &body].concat());

        let read = CFiltersV2::decode(&mut Reader::shared(&payload), DECRED).unwrap();
        assert_eq!(read, sent);
        let within = payload.as_ptr_range();
        for filter in &read.filters {
            assert!(within.contains(&filter.data.as_ptr()));
            assert!(within.contains(&filter.proof_hashes.as_bytes().as_ptr()));
        }
    }

    #[test]
    fn claimed_filters_take_no_memory() {
        let read = CFiltersV2::decode(&mut Reader::borrowed(&[100, 0, 0]), DECRED);
        assert_eq!(read, Err(ErrorKind::Truncated { needed: 32, remaining: 2 }));
    }
}
