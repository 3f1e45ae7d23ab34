//! The primitives every message is made of.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::error::{ErrorKind, Excess, Invalid, at_most};
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

/// Whether something `of` one chain may go where `expected` is.
pub(crate) fn check_chain(of: Chain, expected: Chain) -> Result<(), ErrorKind> {
    if of == expected {
        Ok(())
    } else {
        Err(ErrorKind::InvalidMsg(Invalid::OtherChain { of, expected }))
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

/// A cursor over bytes that it does not keep.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// A cursor over one payload, which it never leaves, and which can be kept in parts.
///
/// Runs of bytes that outlive the cursor are slices of the payload's own buffer where
/// it has one ([`Reader::shared`]). A borrowed payload is copied for the first of them,
/// from there on, and the others are slices of that copy.
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    payload: &'a [u8],
    owner: Owner<'a>,
}

/// What keeps a payload's bytes beyond the cursor's life.
enum Owner<'a> {
    Nothing,
    /// The buffer that the payload is.
    Lent(&'a Bytes),
    /// A copy of the payload from an offset on.
    Copied(Bytes, usize),
}

impl<'a> Reader<'a> {
    pub(crate) fn borrowed(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(payload), payload, owner: Owner::Nothing }
    }

    pub(crate) fn shared(payload: &'a Bytes) -> Self {
        Self { cursor: Cursor::new(payload), payload, owner: Owner::Lent(payload) }
    }

    /// The whole payload, wherever the cursor is.
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// A run of bytes, to be kept.
    pub(crate) fn take_bytes(&mut self, len: usize) -> Result<Bytes, ErrorKind> {
        let start = self.payload.len() - self.remaining();
        let taken = self.take(len)?;
        if taken.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(match &self.owner {
            Owner::Lent(payload) => payload.slice_ref(taken),
            Owner::Copied(copy, from) => copy.slice(start - from..start - from + len),
            // What ends the payload is all that will be kept of it: no more is copied.
            Owner::Nothing if self.remaining() == 0 => Bytes::copy_from_slice(taken),
            Owner::Nothing => {
                let copy = Bytes::copy_from_slice(&self.payload[start..]);
                let part = copy.slice(..len);
                self.owner = Owner::Copied(copy, start);
                part
            }
        })
    }

    /// The run of bytes up to where `ahead` is, to be kept.
    pub(crate) fn take_until(&mut self, ahead: &Cursor<'_>) -> Result<Bytes, ErrorKind> {
        self.take_bytes(self.distance(ahead))
    }

    /// A run of bytes that tells its length, to be kept.
    pub(crate) fn take_var_bytes(
        &mut self,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<Bytes, ErrorKind> {
        let len = self.count(limit, too_long)?;
        self.take_bytes(len)
    }
}

impl<'a> Deref for Reader<'a> {
    type Target = Cursor<'a>;

    fn deref(&self) -> &Cursor<'a> {
        &self.cursor
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.cursor
    }
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// A cursor at the same place, to look ahead with.
    pub(crate) fn fork(&self) -> Self {
        self.clone()
    }

    /// How far it is from here to where `ahead` is.
    pub(crate) const fn distance(&self, ahead: &Self) -> usize {
        self.rest.len() - ahead.rest.len()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), ErrorKind> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(ErrorKind::TrailingBytes(left)),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], ErrorKind> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(ErrorKind::Truncated { needed: len, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), ErrorKind> {
        self.take(len).map(drop)
    }

    /// Skips `len` bytes and a run of bytes after them that tells its length.
    #[inline]
    pub(crate) fn skip_with_run(
        &mut self,
        len: usize,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        // Most runs are short: then one look finds where they end.
        if let Some(&run @ 0..=0xfc) = self.rest.get(len)
            && usize::from(run) <= limit
            && let Some(rest) = self.rest.get(len + 1 + usize::from(run)..)
        {
            self.rest = rest;
            return Ok(());
        }
        self.skip(len)?;
        self.var_bytes(limit, too_long).map(drop)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorKind> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(ErrorKind::Truncated { needed: N, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn record<T>(&mut self) -> Result<T, ErrorKind>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned + Copy + 'static,
    {
        self.borrow_record().copied()
    }

    pub(crate) fn borrow_record<T>(&mut self) -> Result<&'a T, ErrorKind>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let needed = size_of::<T>();
        let (record, rest) = T::ref_from_prefix(self.rest)
            .map_err(|_| ErrorKind::Truncated { needed, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(record)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ErrorKind> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ErrorKind> {
        self.array().map(u16::from_le_bytes)
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
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, ErrorKind> {
        match self.rest.split_first() {
            Some((&byte @ 0..=0xfc, rest)) => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, ErrorKind> {
        let (value, len, least) = match self.u8()? {
            0xfd => (self.u16()?.into(), 3, 0xfd),
            0xfe => (self.u32()?.into(), 5, 0x1_0000),
            0xff => (self.u64()?, 9, 0x1_0000_0000),
            byte => (byte.into(), 1, 0),
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
        self.var_bytes(MAX_PAYLOAD, ErrorKind::VarStringTooLong)
    }

    /// The bytes of a run that tells its length.
    pub(crate) fn var_bytes(
        &mut self,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<&'a [u8], ErrorKind> {
        let len = self.count(limit, too_long)?;
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

/// Hands the one form of a variable-length integer to `put`, in parts.
pub(crate) fn put_varint(value: u64, mut put: impl FnMut(&[u8])) {
    let le = value.to_le_bytes();
    match value {
        0..=0xfc => put(&le[..1]),
        0xfd..=0xffff => {
            put(&[0xfd]);
            put(&le[..2]);
        }
        0x1_0000..=0xffff_ffff => {
            put(&[0xfe]);
            put(&le[..4]);
        }
        _ => {
            put(&[0xff]);
            put(&le);
        }
    }
}

/// Bytes that [`put_varint`] takes for `value`.
pub(crate) const fn varint_len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
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
        let tail = core::mem::take(&mut self.tail);
        self.copied.reserve(tail.len() + bytes.len());
        self.copied.extend_from_slice(&tail);
        self.copied.extend_from_slice(bytes);
    }

    /// Makes room for `len` bytes at once; all that follows is then kept in one piece.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.copied.reserve(len);
    }

    /// Bytes written.
    pub(crate) fn len(&self) -> usize {
        self.inline_len + self.copied.len() + self.tail.len()
    }

    pub(crate) fn shared(&mut self, bytes: &Bytes) {
        if self.is_inline() {
            self.tail = bytes.clone();
        } else {
            self.bytes(bytes);
        }
    }

    fn is_inline(&self) -> bool {
        self.copied.capacity() == 0 && self.tail.is_empty()
    }

    pub(crate) fn varint(&mut self, value: u64) {
        put_varint(value, |part| self.bytes(part));
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

    /// A run of bytes that tells its length.
    pub(crate) fn var_bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// A string that has been validated.
    pub(crate) fn string(&mut self, text: &str) {
        self.var_bytes(text.as_bytes());
    }

    /// All in one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        let (inline, len, body) = self.finish();
        match len {
            0 => body,
            _ => [&inline[..len], &body].concat().into(),
        }
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
    fn runs_of_a_borrowed_payload_share_one_copy() {
        let payload = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut reader = Reader::borrowed(&payload);
        reader.take(1).unwrap();
        let first = reader.take_bytes(2).unwrap();
        reader.take(1).unwrap();
        let second = reader.take_bytes(3).unwrap();
        assert_eq!((&first[..], &second[..]), (&payload[1..3], &payload[4..7]));
        assert_eq!(second.as_ptr(), first.as_ptr().wrapping_add(3));
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
