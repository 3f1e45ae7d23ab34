//! Reading of payloads.
//!
//! Claimed lengths reserve no memory. A length beyond the end of the payload is an error, and
//! retained bytes are slices of the payload. The reference nodes allocate claimed lengths, up to
//! 179 MB for a `tx` of 10 bytes (`docs/protocol.md`, 14).

use alloc::string::String;
use core::ops::{Deref, DerefMut};

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::ascii::strict_string;
use super::error::{ErrorKind, Excess, at_most};
use super::limits::MAX_PAYLOAD;
use super::varint::split_varint;

/// A position in borrowed bytes.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

/// A position in a payload, from which byte strings can be retained.
///
/// Retained byte strings are slices of the payload's buffer if the reader has one
/// ([`Reader::shared`]). A [borrowed](Reader::borrowed) payload is copied from the first of them
/// on, and the others are slices of that copy.
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    payload: &'a [u8],
    source: Source<'a>,
}

/// The buffer of retained byte strings.
enum Source<'a> {
    /// The payload is borrowed, and no byte string was retained yet.
    Borrowed,
    /// The buffer of the payload.
    Shared(&'a Bytes),
    /// A copy of the payload from an offset on.
    Copied(Bytes, usize),
}

impl<'a> Reader<'a> {
    /// Reads a payload of which retained byte strings are copied.
    pub(super) fn borrowed(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(payload), payload, source: Source::Borrowed }
    }

    /// Reads a payload of which retained byte strings are slices.
    pub(super) fn shared(payload: &'a Bytes) -> Self {
        Self { cursor: Cursor::new(payload), payload, source: Source::Shared(payload) }
    }

    /// Returns the whole payload, independent of the position.
    pub(super) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Reads `len` bytes to be retained.
    pub(super) fn take_bytes(&mut self, len: usize) -> Result<Bytes, ErrorKind> {
        let start = self.payload.len() - self.remaining();
        let taken = self.take(len)?;
        if taken.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(match &self.source {
            Source::Shared(payload) => payload.slice_ref(taken),
            Source::Copied(copy, from) => copy.slice(start - from..start - from + len),
            // No later byte can be retained, so only these are copied.
            Source::Borrowed if self.remaining() == 0 => Bytes::copy_from_slice(taken),
            Source::Borrowed => {
                let copy = Bytes::copy_from_slice(&self.payload[start..]);
                let part = copy.slice(..len);
                self.source = Source::Copied(copy, start);
                part
            }
        })
    }

    /// Reads the bytes up to the position of `ahead`, to be retained.
    pub(super) fn take_until(&mut self, ahead: &Cursor<'_>) -> Result<Bytes, ErrorKind> {
        self.take_bytes(self.distance(ahead))
    }

    /// Reads a byte string after its length, to be retained.
    pub(super) fn take_var_bytes(
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
    /// Creates a cursor at the start of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the number of remaining bytes.
    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Returns a copy of the cursor, to look ahead.
    pub(super) fn fork(&self) -> Self {
        self.clone()
    }

    /// Returns the number of bytes from here to the position of `ahead`.
    pub(super) const fn distance(&self, ahead: &Self) -> usize {
        self.rest.len() - ahead.rest.len()
    }

    /// Returns an error if bytes remain.
    pub(super) fn end(&self) -> Result<(), ErrorKind> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(ErrorKind::TrailingBytes(remaining)),
        }
    }

    /// Reads `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ErrorKind> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(ErrorKind::Truncated { needed: len, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Skips `len` bytes.
    pub(super) fn skip(&mut self, len: usize) -> Result<(), ErrorKind> {
        self.take(len).map(drop)
    }

    /// Skips `len` bytes, and a byte string after its length.
    #[inline]
    pub(super) fn skip_with_var_bytes(
        &mut self,
        len: usize,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        // Fast path for byte strings with a length of one byte: one bounds check.
        if let Some(&var_len @ 0..=0xfc) = self.rest.get(len)
            && usize::from(var_len) <= limit
            && let Some(rest) = self.rest.get(len + 1 + usize::from(var_len)..)
        {
            self.rest = rest;
            return Ok(());
        }
        self.skip(len)?;
        self.var_bytes(limit, too_long).map(drop)
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorKind> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(ErrorKind::Truncated { needed: N, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(*array)
    }

    /// Reads a fixed-size record.
    pub(super) fn record<T>(&mut self) -> Result<T, ErrorKind>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned + Copy + 'static,
    {
        self.borrow_record().copied()
    }

    /// Borrows a fixed-size record.
    pub(super) fn borrow_record<T>(&mut self) -> Result<&'a T, ErrorKind>
    where
        T: FromBytes + KnownLayout + Immutable + Unaligned,
    {
        let needed = size_of::<T>();
        let (record, rest) = T::ref_from_prefix(self.rest)
            .map_err(|_| ErrorKind::Truncated { needed, remaining: self.rest.len() })?;
        self.rest = rest;
        Ok(record)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ErrorKind> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ErrorKind> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ErrorKind> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ErrorKind> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ErrorKind> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, ErrorKind> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads a variable-length integer.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, ErrorKind> {
        match self.rest.split_first() {
            Some((&byte @ 0..=0xfc, rest)) => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => {
                let (value, rest) = split_varint(self.rest)?;
                self.rest = rest;
                Ok(value)
            }
        }
    }

    /// Reads a count of following elements. Its limit is tested before an element is read.
    pub(super) fn count(
        &mut self,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<usize, ErrorKind> {
        let count = self.varint()?;
        at_most(count, limit, too_many)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Reads the bytes of a string after its length. The caller validates them.
    pub(super) fn string_bytes(&mut self) -> Result<&'a [u8], ErrorKind> {
        // `ReadVarString` of the reference nodes has this limit. Its callers test lower ones
        // after the bytes are read (`docs/protocol.md`, 3.2).
        self.var_bytes(MAX_PAYLOAD, ErrorKind::VarStringTooLong)
    }

    /// Reads a byte string after its length.
    pub(super) fn var_bytes(
        &mut self,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<&'a [u8], ErrorKind> {
        let len = self.count(limit, too_long)?;
        self.take(len)
    }

    /// Reads a string of printable ASCII after its length.
    pub(super) fn strict_string(&mut self) -> Result<String, ErrorKind> {
        strict_string(self.string_bytes()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_short_payload_has_the_needed_and_remaining_bytes() {
        let mut reader = Reader::borrowed(&[1, 2, 3]);
        assert_eq!(reader.u64(), Err(ErrorKind::Truncated { needed: 8, remaining: 3 }));
        assert_eq!(reader.take(3), Ok(&[1, 2, 3][..]));
        assert_eq!(reader.u8(), Err(ErrorKind::Truncated { needed: 1, remaining: 0 }));
    }

    #[test]
    fn byte_strings_of_a_shared_payload_are_slices_of_it() {
        let payload = Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let mut reader = Reader::shared(&payload);
        reader.take(2).unwrap();
        let bytes = reader.take_bytes(4).unwrap();
        assert_eq!(bytes.as_ptr(), payload[2..].as_ptr());
    }

    #[test]
    fn byte_strings_of_a_borrowed_payload_are_slices_of_one_copy() {
        let payload = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut reader = Reader::borrowed(&payload);
        reader.take(1).unwrap();
        let first = reader.take_bytes(2).unwrap();
        reader.take(1).unwrap();
        let second = reader.take_bytes(3).unwrap();
        assert_eq!((&first[..], &second[..]), (&payload[1..3], &payload[4..7]));
        assert_eq!(second.as_ptr(), first.as_ptr().wrapping_add(3));
    }
}
