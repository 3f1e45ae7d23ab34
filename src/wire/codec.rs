//! The primitives every message is made of.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::error::{ErrorKind, Excess, at_most};
use super::frame::{HEADER_LEN, MAX_PAYLOAD};
use crate::network::Chain;

/// What decides how a payload is read and written: the chain, and the protocol
/// version in force on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Protocol {
    /// The chain.
    pub chain: Chain,
    /// The protocol version: the local maximum until one is negotiated.
    pub version: u32,
}

impl Protocol {
    /// The messages of `chain` as they are at `version`.
    pub const fn new(chain: Chain, version: u32) -> Self {
        Self { chain, version }
    }
}

/// A type that is the payload of a message.
pub(crate) trait Payload: Sized {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind>;
    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind>;
}

impl<T: Payload> Payload for alloc::boxed::Box<T> {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        T::decode(reader, protocol).map(Self::new)
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        (**self).encode(writer, protocol)
    }
}

/// A cursor over one payload, which it never leaves.
///
/// Runs of bytes that outlive the cursor are slices of the payload's own buffer where
/// it has one ([`Reader::shared`]), and copies where it is borrowed.
pub(crate) struct Reader<'a> {
    payload: &'a [u8],
    position: usize,
    owner: Option<&'a Bytes>,
}

impl<'a> Reader<'a> {
    pub(crate) fn borrowed(payload: &'a [u8]) -> Self {
        Self { payload, position: 0, owner: None }
    }

    pub(crate) fn shared(payload: &'a Bytes) -> Self {
        Self { payload, position: 0, owner: Some(payload) }
    }

    /// The whole payload, wherever the cursor is.
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn rest(&self) -> &'a [u8] {
        self.payload.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest().len()
    }

    /// A cursor at the same place, to look ahead with.
    pub(crate) fn fork(&self) -> Self {
        Self { payload: self.payload, position: self.position, owner: self.owner }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], ErrorKind> {
        let rest = self.rest();
        let (taken, _) = rest
            .split_at_checked(len)
            .ok_or(ErrorKind::Truncated { needed: len, remaining: rest.len() })?;
        self.position += len;
        Ok(taken)
    }

    pub(crate) fn take_bytes(&mut self, len: usize) -> Result<Bytes, ErrorKind> {
        let taken = self.take(len)?;
        Ok(match self.owner {
            Some(owner) => owner.slice_ref(taken),
            None => Bytes::copy_from_slice(taken),
        })
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorKind> {
        let remaining = self.remaining();
        let taken =
            self.rest().first_chunk().ok_or(ErrorKind::Truncated { needed: N, remaining })?;
        self.position += N;
        Ok(*taken)
    }

    pub(crate) fn record<T>(&mut self) -> Result<T, ErrorKind>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let rest = self.rest();
        let needed = size_of::<T>();
        let (record, _) = T::read_from_prefix(rest)
            .map_err(|_| ErrorKind::Truncated { needed, remaining: rest.len() })?;
        self.position += needed;
        Ok(record)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ErrorKind> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ErrorKind> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ErrorKind> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ErrorKind> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, ErrorKind> {
        self.array().map(i64::from_le_bytes)
    }

    /// A variable-length integer; any form but the shortest is an error.
    pub(crate) fn varint(&mut self) -> Result<u64, ErrorKind> {
        let (value, len, least) = match self.u8()? {
            0xfd => (u64::from(u16::from_le_bytes(self.array()?)), 3, 0xfd),
            0xfe => (u64::from(self.u32()?), 5, 0x1_0000),
            0xff => (self.u64()?, 9, 0x1_0000_0000),
            byte => return Ok(u64::from(byte)),
        };
        if value < least {
            return Err(ErrorKind::NonCanonicalVarInt { value, len });
        }
        Ok(value)
    }

    /// A count of things that follow, tested against its limit before anything else
    /// happens for it.
    pub(crate) fn count(
        &mut self,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<usize, ErrorKind> {
        let count = self.varint()?;
        at_most(count, limit, too_many)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The bytes of a string, not yet looked at.
    pub(crate) fn string_bytes(&mut self) -> Result<&'a [u8], ErrorKind> {
        let len = self.count(MAX_PAYLOAD, ErrorKind::VarStringTooLong)?;
        self.take(len)
    }

    pub(crate) fn strict_string(&mut self) -> Result<String, ErrorKind> {
        strict_string(self.string_bytes()?)
    }
}

/// The text in `bytes`, if each is printable ASCII: `0x20..=0x7e`.
pub(crate) fn strict_string(bytes: &[u8]) -> Result<String, ErrorKind> {
    check_strict(bytes)?;
    Ok(bytes.iter().copied().map(char::from).collect())
}

/// Whether each of `bytes` is printable ASCII.
pub(crate) fn check_strict(bytes: &[u8]) -> Result<(), ErrorKind> {
    match bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e)) {
        Some(at) => Err(ErrorKind::MalformedStrictString { byte: bytes[at], at }),
        None => Ok(()),
    }
}

/// Payload bytes that fit beside a frame's header, without an allocation.
const INLINE: usize = 8;

/// A payload under construction.
///
/// The first bytes are kept inline, and a list that ends the payload is kept as the
/// shared buffer it is, so that pings and relayed lists are encoded without copying.
#[derive(Default)]
pub(crate) struct Writer {
    inline: [u8; INLINE],
    inline_len: usize,
    copied: Vec<u8>,
    tail: Bytes,
}

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.is_inline()
            && let Some(room) = self.inline[self.inline_len..].get_mut(..bytes.len())
        {
            room.copy_from_slice(bytes);
            self.inline_len += bytes.len();
            return;
        }
        self.copied.extend_from_slice(&core::mem::take(&mut self.tail));
        self.copied.extend_from_slice(bytes);
    }

    pub(crate) fn shared(&mut self, bytes: &Bytes) {
        if self.is_inline() {
            self.tail = bytes.clone();
        } else {
            self.bytes(bytes);
        }
    }

    fn is_inline(&self) -> bool {
        self.copied.is_empty() && self.tail.is_empty()
    }

    pub(crate) fn varint(&mut self, value: u64) {
        let le = value.to_le_bytes();
        match value {
            0..=0xfc => self.bytes(&le[..1]),
            0xfd..=0xffff => {
                self.bytes(&[0xfd]);
                self.bytes(&le[..2]);
            }
            0x1_0000..=0xffff_ffff => {
                self.bytes(&[0xfe]);
                self.bytes(&le[..4]);
            }
            _ => {
                self.bytes(&[0xff]);
                self.bytes(&le);
            }
        }
    }

    pub(crate) fn count(
        &mut self,
        count: usize,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        at_most(count, limit, too_many)?;
        self.varint(count as u64);
        Ok(())
    }

    /// A string that has been validated.
    pub(crate) fn string(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    /// The payload: what goes beside the header, how much of that is used, and the rest.
    pub(crate) fn finish(self) -> ([u8; INLINE], usize, Bytes) {
        let body = if self.copied.is_empty() { self.tail } else { self.copied.into() };
        (self.inline, self.inline_len, body)
    }
}

/// Bytes of a frame's header and of the payload that fits beside it.
pub(crate) const HEAD_LEN: usize = HEADER_LEN + INLINE;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        let (inline, len, body) = writer.finish();
        [&inline[..len], &body].concat()
    }

    #[test]
    fn varints_take_the_sizes_of_their_ranges() {
        for (value, len) in [
            (0, 1),
            (0xfc, 1),
            (0xfd, 3),
            (0xffff, 3),
            (0x1_0000, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (u64::MAX, 9),
        ] {
            let bytes = written(|writer| writer.varint(value));
            assert_eq!(bytes.len(), len);
            let mut reader = Reader::borrowed(&bytes);
            assert_eq!(reader.varint(), Ok(value));
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn varints_have_one_form_each() {
        for (bytes, value) in [
            (&[0xfd, 0xfc, 0][..], 0xfc),
            (&[0xfe, 0xff, 0xff, 0, 0], 0xffff),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 0xffff_ffff),
        ] {
            assert_eq!(
                Reader::borrowed(bytes).varint(),
                Err(ErrorKind::NonCanonicalVarInt { value, len: bytes.len() })
            );
        }
    }

    #[test]
    fn a_short_payload_tells_what_was_missing() {
        let mut reader = Reader::borrowed(&[1, 2, 3]);
        assert_eq!(reader.u64(), Err(ErrorKind::Truncated { needed: 8, remaining: 3 }));
        assert_eq!(reader.take(3), Ok(&[1, 2, 3][..]));
        assert_eq!(reader.u8(), Err(ErrorKind::Truncated { needed: 1, remaining: 0 }));
    }

    #[test]
    fn shared_runs_point_into_the_payload() {
        let payload = Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let mut reader = Reader::shared(&payload);
        reader.take(2).unwrap();
        let run = reader.take_bytes(4).unwrap();
        assert_eq!(run.as_ptr(), payload[2..].as_ptr());
    }

    #[test]
    fn pieces_are_written_in_order_wherever_they_are_kept() {
        let list = Bytes::from_static(&[7; 20]);
        let mut expected = alloc::vec![1, 2];
        expected.extend_from_slice(&list);
        let ends_with_list = |writer: &mut Writer| {
            writer.bytes(&[1, 2]);
            writer.shared(&list);
        };
        assert_eq!(written(ends_with_list), expected);

        expected.extend_from_slice(&[3; 9]);
        expected.extend_from_slice(&list);
        assert_eq!(
            written(|writer| {
                ends_with_list(writer);
                writer.bytes(&[3; 9]);
                writer.shared(&list);
            }),
            expected
        );
    }
}
