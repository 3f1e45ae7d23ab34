//! Lists of byte strings or texts, which are stored as on the wire.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;

use super::ascii::check_strict;
use super::error::{ErrorKind, Excess, at_most};
use super::format::{MAX_BYTES, ShortHex, ShortText, fmt_list};
use super::reader::{Cursor, Reader};
use super::varint::put_varint;
use super::writer::Writer;

/// An item of a [`VarList`]: `[u8]`, or `str` of printable ASCII.
///
/// This trait is sealed.
pub trait VarItem: sealed::VarItem {}

impl VarItem for [u8] {}
impl VarItem for str {}

mod sealed {
    use core::fmt;

    use crate::wire::error::ErrorKind;

    pub trait VarItem {
        /// Returns an error if the bytes are not an item.
        fn check(bytes: &[u8]) -> Result<(), ErrorKind>;
        /// Converts checked bytes.
        fn from_bytes(bytes: &[u8]) -> &Self;
        /// Returns the encoded item, without its length.
        fn as_bytes(&self) -> &[u8];
        /// Returns the bounded `Debug` output.
        fn shown(&self) -> impl fmt::Debug;
    }
}

impl sealed::VarItem for [u8] {
    fn check(_: &[u8]) -> Result<(), ErrorKind> {
        Ok(())
    }

    fn from_bytes(bytes: &[u8]) -> &Self {
        bytes
    }

    fn as_bytes(&self) -> &[u8] {
        self
    }

    fn shown(&self) -> impl fmt::Debug {
        ShortHex(self)
    }
}

impl sealed::VarItem for str {
    fn check(bytes: &[u8]) -> Result<(), ErrorKind> {
        check_strict(bytes)
    }

    fn from_bytes(bytes: &[u8]) -> &Self {
        // Cannot fail: received bytes were checked, and others are from a `str`.
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn shown(&self) -> impl fmt::Debug {
        ShortText::new(self, MAX_BYTES)
    }
}

/// A list of byte strings or texts, stored as on the wire.
///
/// A received list is a slice of its payload, and a clone is a reference to the same bytes. A new
/// list is made from an iterator. Encoding tests the lengths of its items, and that texts are
/// printable ASCII.
///
/// ```
/// use excc_peer::wire::VarList;
///
/// let list: VarList<str> = ["headblocks", "tspends"].into_iter().collect();
/// assert_eq!(list.len(), 2);
/// assert_eq!(list.iter().last(), Some("tspends"));
/// ```
pub struct VarList<T: ?Sized> {
    /// Each item after its length.
    bytes: Bytes,
    len: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: VarItem + ?Sized> VarList<T> {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self { bytes: Bytes::new(), len: 0, items: PhantomData }
    }

    /// Returns the number of items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no items.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Iterates over the items.
    pub fn iter(&self) -> VarIter<'_, T> {
        VarIter { rest: Cursor::new(&self.bytes), len: self.len, items: PhantomData }
    }

    /// Returns the encoded items, without their count.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Reads `count` items of at most `limit` bytes each.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        count: usize,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<Self, ErrorKind> {
        let mut ahead = reader.fork();
        for _ in 0..count {
            T::check(ahead.var_bytes(limit, too_long)?)?;
        }
        let bytes = reader.take_until(&ahead)?;
        Ok(Self { bytes, len: count, items: PhantomData })
    }

    /// Writes the items, without their count.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        limit: usize,
        too_long: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        for item in self {
            at_most(item.as_bytes().len(), limit, too_long)?;
            T::check(item.as_bytes())?;
        }
        writer.shared(&self.bytes);
        Ok(())
    }
}

impl<T: VarItem + ?Sized, I: AsRef<T>> FromIterator<I> for VarList<T> {
    fn from_iter<It: IntoIterator<Item = I>>(items: It) -> Self {
        let mut bytes = Vec::new();
        let mut len = 0;
        for item in items {
            let item = item.as_ref().as_bytes();
            put_varint(item.len() as u64, |part| bytes.extend_from_slice(part));
            bytes.extend_from_slice(item);
            len += 1;
        }
        Self { bytes: bytes.into(), len, items: PhantomData }
    }
}

/// Iterates over the items of a [`VarList`].
#[must_use = "iterators do nothing unless they are consumed"]
pub struct VarIter<'a, T: ?Sized> {
    rest: Cursor<'a>,
    len: usize,
    items: PhantomData<fn() -> &'a T>,
}

impl<'a, T: VarItem + ?Sized> VarIter<'a, T> {
    /// Takes up to `len` items and returns an iterator over them.
    pub(super) fn take_items(&mut self, len: usize) -> Self {
        let len = len.min(self.len);
        let taken = Self { len, ..self.clone() };
        self.by_ref().take(len).for_each(drop);
        taken
    }
}

impl<'a, T: VarItem + ?Sized + 'a> Iterator for VarIter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.len = self.len.checked_sub(1)?;
        let item = self.rest.var_bytes(usize::MAX, ErrorKind::VarBytesTooLong).ok()?;
        Some(T::from_bytes(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<'a, T: VarItem + ?Sized + 'a> ExactSizeIterator for VarIter<'a, T> {}

impl<T: ?Sized> Clone for VarIter<'_, T> {
    fn clone(&self) -> Self {
        Self { rest: self.rest.fork(), len: self.len, items: PhantomData }
    }
}

/// Shows the first items and the number of the others.
impl<T: VarItem + ?Sized> fmt::Debug for VarIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.clone().map(T::shown))
    }
}

impl<'a, T: VarItem + ?Sized> IntoIterator for &'a VarList<T> {
    type Item = &'a T;
    type IntoIter = VarIter<'a, T>;

    fn into_iter(self) -> VarIter<'a, T> {
        self.iter()
    }
}

impl<T: ?Sized> Clone for VarList<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), len: self.len, items: PhantomData }
    }
}

impl<T: VarItem + ?Sized> Default for VarList<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Compares the encoded items.
impl<T: ?Sized> PartialEq for VarList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T: ?Sized> Eq for VarList<T> {}

/// Shows the first items and the number of the others.
impl<T: VarItem + ?Sized> fmt::Debug for VarList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 4;

    fn read(payload: &[u8], count: usize) -> Result<VarList<str>, ErrorKind> {
        let mut reader = Reader::borrowed(payload);
        VarList::read(&mut reader, count, LIMIT, ErrorKind::VarStringTooLong)
    }

    #[test]
    fn a_built_list_equals_the_received_one() {
        let built: VarList<str> = ["a", "", "bcd"].into_iter().collect();
        assert_eq!(&built.as_bytes()[..], b"\x01a\x00\x03bcd");
        assert_eq!(read(built.as_bytes(), 3), Ok(built.clone()));
        assert!(built.iter().eq(["a", "", "bcd"]));
        assert_eq!(built.iter().len(), 3);
        assert_eq!(VarList::<[u8]>::from_iter([[0; 0]; 0]), VarList::new());
    }

    #[test]
    fn taken_items_are_skipped() {
        let list: VarList<str> = ["a", "", "bcd"].into_iter().collect();
        let mut rest = list.iter();
        assert!(rest.take_items(2).eq(["a", ""]));
        assert!(rest.take_items(2).eq(["bcd"]));
        assert_eq!((rest.take_items(2).len(), rest.len()), (0, 0));
    }

    #[test]
    fn items_are_checked_on_receipt_and_when_encoded() {
        let long = Excess { seen: 5, allowed: 4 };
        assert_eq!(read(b"\x05abcde", 1), Err(ErrorKind::VarStringTooLong(long)));
        let strict = ErrorKind::MalformedStrictString { byte: b'\n', at: 1 };
        assert_eq!(read(b"\x02a\n", 1), Err(strict.clone()));
        assert_eq!(read(b"\x02a", 1), Err(ErrorKind::Truncated { needed: 2, remaining: 1 }));

        let write = |text| {
            let list: VarList<str> = [text].into_iter().collect();
            list.write(&mut Writer::default(), LIMIT, ErrorKind::InitStateTypeTooLong)
        };
        assert_eq!(write("abcde"), Err(ErrorKind::InitStateTypeTooLong(long)));
        assert_eq!(write("a\n"), Err(strict));
        assert_eq!(write("abcd"), Ok(()));
    }
}
