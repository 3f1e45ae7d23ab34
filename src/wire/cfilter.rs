//! Committed filters of version 1: `getcfilter`, `cfilter`, `getcfheaders`, `cfheaders` and
//! `cftypes`.
//!
//! Both reference nodes disconnect a peer that requests them (`docs/protocol.md`, 4.11).

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::error::{ErrorKind, at_most};
use super::format::{ShortHex, debug_fields};
use super::limits::{MAX_FILTER_HEADERS, MAX_FILTER_LEN, MAX_FILTER_TYPES, MAX_LOCATOR};
use super::list::{List, Record, sealed::Sealed};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// The type of a committed filter of version 1. Unknown numbers are preserved.
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

/// `getcfilter`: requests a filter of a block. From protocol version 6.
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

/// `cfilter`: a filter of a block. From protocol version 6.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFilter {
    /// The block of the filter.
    pub block_hash: Hash,
    /// The type of the filter.
    pub filter_type: FilterType,
    /// The encoded filter: at most [`MAX_FILTER_LEN`] bytes.
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
        // `MsgCFilter.BtcEncode` of the reference nodes returns another error than `BtcDecode`.
        at_most(self.data.len(), MAX_FILTER_LEN, ErrorKind::FilterTooLarge)?;
        writer.bytes(self.block_hash.as_ref());
        writer.bytes(self.filter_type.as_bytes());
        writer.var_bytes(&self.data);
        Ok(())
    }
}

/// `getcfheaders`: requests the filter headers of the blocks after the newest block that both
/// sides have. From protocol version 6.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct GetCFHeaders {
    /// The block locator, as in [`LocatorRequest`](super::LocatorRequest::locator): at most
    /// [`MAX_LOCATOR`] hashes.
    pub locator: List<Hash>,
    /// The hash of the last block requested.
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

/// `cfheaders`: the filter headers of a range of blocks. From protocol version 6.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct CFHeaders {
    /// The hash of the last block.
    pub stop: Hash,
    /// The type of the filters.
    pub filter_type: FilterType,
    /// The filter headers, which are hashes: at most [`MAX_FILTER_HEADERS`].
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

/// `cftypes`: the supported types of committed filters of version 1. From protocol version 6.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::Excess;
    use crate::wire::message::Message;
    use crate::wire::testing::{encoded, hashes, round_trip};

    fn cfilter(len: usize) -> Message {
        let filter_type = FilterType::new(255);
        let data = (0..len).map(|n| n as u8).collect();
        Message::CFilter(CFilter { block_hash: Hash::ZERO, filter_type, data })
    }

    fn getcfheaders(count: usize) -> Message {
        let (locator, filter_type) = (hashes(count), FilterType::EXTENDED);
        Message::GetCFHeaders(GetCFHeaders { locator, stop: Hash::ZERO, filter_type })
    }

    fn cfheaders(count: usize) -> Message {
        let (filter_type, header_hashes) = (FilterType::REGULAR, hashes(count));
        Message::CFHeaders(CFHeaders { stop: Hash::ZERO, filter_type, header_hashes })
    }

    fn cftypes(count: usize) -> Message {
        let filter_types = (0..count).map(|n| FilterType::new(n as u8)).collect();
        Message::CFTypes(CFTypes { filter_types })
    }

    #[test]
    fn messages_at_their_limits_round_trip() {
        assert_eq!(round_trip(cfilter(262_144)).len(), 262_182);
        assert_eq!(round_trip(getcfheaders(500)).len(), 16_036);
        assert_eq!(round_trip(cfheaders(2_000)).len(), 64_036);
        assert_eq!(round_trip(cftypes(256)).len(), 259);
    }

    #[test]
    fn messages_beyond_their_limits_are_not_encoded() {
        let data = Excess { seen: 262_145, allowed: 262_144 };
        assert_eq!(encoded(cfilter(262_145)), Err(ErrorKind::FilterTooLarge(data)));
        let locator = Excess { seen: 501, allowed: 500 };
        assert_eq!(encoded(getcfheaders(501)), Err(ErrorKind::TooManyLocators(locator)));
        let headers = Excess { seen: 2_001, allowed: 2_000 };
        assert_eq!(encoded(cfheaders(2_001)), Err(ErrorKind::TooManyFilterHeaders(headers)));
        let types = Excess { seen: 257, allowed: 256 };
        assert_eq!(encoded(cftypes(257)), Err(ErrorKind::TooManyFilterTypes(types)));
    }
}
