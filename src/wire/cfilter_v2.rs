//! Committed filters of version 2: `getcfilterv2`, `cfilterv2`, `getcfsv2` and `cfiltersv2`.
//!
//! The reference nodes ignore a request for an unknown block (`docs/protocol.md`, 4.11).

use alloc::vec::Vec;

use bytes::Bytes;

use super::error::{ErrorKind, at_most};
use super::format::{Items, ShortHex, debug_fields};
use super::limits::{MAX_FILTER_LEN, MAX_FILTERS, MAX_PROOF_HASHES};
use super::list::List;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::varint::varint_len;
use super::writer::Writer;
use crate::hash::Hash;

/// `getcfilterv2`: requests the filter of a block. From protocol version 7.
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

/// `cfilterv2`: the filter of a block, and the proof that the block commits to it. From protocol
/// version 7.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFilterV2 {
    /// The block of the filter.
    pub block_hash: Hash,
    /// The encoded filter: at most [`MAX_FILTER_LEN`] bytes.
    pub data: Bytes,
    /// The index of the filter among the commitments of the block header.
    pub proof_index: u32,
    /// The merkle path from the filter to the commitment root in the block header: at most
    /// [`MAX_PROOF_HASHES`]. Exchangecoin's node sends none.
    pub proof_hashes: List<Hash>,
}

debug_fields!(CFilterV2 { block_hash, data: ShortHex(data), proof_index, proof_hashes });

impl CFilterV2 {
    /// Length in bytes of a filter without data and proof: the hash, two counts and the index.
    const MIN_LEN: usize = 32 + 1 + 4 + 1;

    /// Checks the limits in the order of `MsgCFilterV2.BtcEncode` of the reference nodes.
    fn check(&self) -> Result<(), ErrorKind> {
        at_most(self.data.len(), MAX_FILTER_LEN, ErrorKind::FilterTooLarge)?;
        at_most(self.proof_hashes.len(), MAX_PROOF_HASHES, ErrorKind::TooManyProofs)
    }

    fn encoded_len(&self) -> usize {
        let (data, proof) = (&self.data, self.proof_hashes.as_bytes());
        let counts = varint_len(data.len() as u64) + varint_len(self.proof_hashes.len() as u64);
        32 + 4 + counts + data.len() + proof.len()
    }

    /// Encodes a checked filter.
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

/// `getcfsv2`: requests the filters of a range of at most [`MAX_FILTERS`] blocks of one branch.
/// Decred from protocol version 11.
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

/// `cfiltersv2`: the filters of a range of blocks. Decred from protocol version 11.
///
/// Received filters are slices of one payload of up to 26 MB. Each of them retains the whole
/// payload.
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
        // All filters are checked before memory is reserved for them.
        self.filters.iter().try_for_each(CFilterV2::check)?;
        writer.reserve(self.filters.iter().map(CFilterV2::encoded_len).sum());
        self.filters.iter().for_each(|filter| filter.write(writer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::Excess;
    use crate::wire::message::Message;
    use crate::wire::testing::{DECRED, encoded, hashes, round_trip};

    fn filter(len: usize, proof: usize) -> CFilterV2 {
        CFilterV2 {
            block_hash: Hash::from_bytes([1; 32]),
            data: (0..len).map(|n| n as u8).collect(),
            proof_index: u32::MAX,
            proof_hashes: hashes(proof),
        }
    }

    fn cfiltersv2(filters: impl Into<Vec<CFilterV2>>) -> Message {
        Message::CFiltersV2(CFiltersV2 { filters: filters.into() })
    }

    #[test]
    fn messages_at_their_limits_round_trip() {
        assert_eq!(round_trip(filter(262_144, 32)).len(), 263_210);
        assert_eq!(round_trip(cfiltersv2(alloc::vec![filter(300, 2); 100])).len(), 1 + 100 * 404);
    }

    #[test]
    fn messages_beyond_their_limits_are_not_encoded() {
        let data = Excess { seen: 262_145, allowed: 262_144 };
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

    /// Decoding returns another error than encoding.
    #[test]
    fn too_large_a_filter_is_refused_by_its_length() {
        let mut payload = [0; 37];
        payload[32..].copy_from_slice(&[0xfe, 1, 0, 4, 0]);
        let read = CFilterV2::decode(&mut Reader::borrowed(&payload), DECRED);
        let too_long = Excess { seen: 262_145, allowed: 262_144 };
        assert_eq!(read, Err(ErrorKind::VarBytesTooLong(too_long)));
    }

    #[test]
    fn the_encoded_length_is_that_of_the_encoding() {
        assert_eq!(filter(0, 0).encoded_len(), CFilterV2::MIN_LEN);
        for (len, proof) in [(0, 0), (252, 1), (253, 32), (65_535, 0), (65_536, 3)] {
            let filter = filter(len, proof);
            assert_eq!(round_trip(filter.clone()).len(), filter.encoded_len());
        }
    }

    #[test]
    fn received_filters_are_slices_of_the_payload() {
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
    fn a_claimed_count_reserves_no_memory() {
        let read = CFiltersV2::decode(&mut Reader::borrowed(&[100, 0, 0]), DECRED);
        assert_eq!(read, Err(ErrorKind::Truncated { needed: 32, remaining: 2 }));
    }
}
