//! Lists of fixed-size records, which are stored as on the wire.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use bytes::Bytes;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::error::{ErrorKind, Excess};
use super::format::Items;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// A type with the layout of its wire encoding: an inventory vector, an address, a hash.
///
/// This trait is sealed.
pub trait Record:
    sealed::Sealed + FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Send + 'static
{
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Hash {}
impl Record for Hash {}

/// A list of records, stored as on the wire.
///
/// A received list is a slice of its payload, and a clone is a reference to the same bytes. The
/// list dereferences to a slice of its records. A new list is made from a `Vec`, which is not
/// copied, or from an iterator.
///
/// ```
/// use excc_peer::Hash;
/// use excc_peer::wire::{InvVect, List};
///
/// let list: List<InvVect> = (0..3).map(|n| InvVect::tx(Hash::from_bytes([n; 32]))).collect();
/// assert_eq!(list.len(), 3);
/// assert_eq!(list[2].hash(), Hash::from_bytes([2; 32]));
/// ```
pub struct List<T> {
    bytes: Bytes,
    records: PhantomData<fn() -> T>,
}

impl<T: Record> List<T> {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self { bytes: Bytes::new(), records: PhantomData }
    }

    /// Returns the records.
    pub fn as_slice(&self) -> &[T] {
        // Cannot fail: the bytes are whole records of alignment 1.
        <[T]>::ref_from_bytes(&self.bytes).unwrap_or_default()
    }

    /// Returns the encoded records, without their count.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Reads a count and the records.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<Self, ErrorKind> {
        let count = reader.count(limit, too_many)?;
        Self::read_records(reader, count)
    }

    /// Reads `count` records.
    pub(super) fn read_records(reader: &mut Reader<'_>, count: usize) -> Result<Self, ErrorKind> {
        let bytes = reader.take_bytes(count.saturating_mul(size_of::<T>()))?;
        Ok(Self { bytes, records: PhantomData })
    }

    /// Writes the count and the records.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        writer.count(self.len(), limit, too_many)?;
        writer.shared(&self.bytes);
        Ok(())
    }
}

impl<T: Record> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

/// Uses the memory of the vector.
impl<T: Record> From<Vec<T>> for List<T> {
    fn from(records: Vec<T>) -> Self {
        struct Owner<T>(Vec<T>);

        impl<T: Record> AsRef<[u8]> for Owner<T> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        Self { bytes: Bytes::from_owner(Owner(records)), records: PhantomData }
    }
}

impl<T: Record> From<&[T]> for List<T> {
    fn from(records: &[T]) -> Self {
        Self { bytes: Bytes::copy_from_slice(records.as_bytes()), records: PhantomData }
    }
}

impl<T: Record, const N: usize> From<[T; N]> for List<T> {
    fn from(records: [T; N]) -> Self {
        Self::from(&records[..])
    }
}

impl<T: Record> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(records: I) -> Self {
        let records = records.into_iter();
        let mut bytes = Vec::with_capacity(records.size_hint().0.saturating_mul(size_of::<T>()));
        for record in records {
            bytes.extend_from_slice(record.as_bytes());
        }
        Self { bytes: bytes.into(), records: PhantomData }
    }
}

impl<'a, T: Record> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), records: PhantomData }
    }
}

impl<T: Record> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Compares the encoded records.
impl<T> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for List<T> {}

/// Shows the first records and the number of the others.
impl<T: Record + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Items(self.as_slice()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(count: u8) -> Vec<Hash> {
        (0..count).map(|n| Hash::from_bytes([n; 32])).collect()
    }

    #[test]
    fn lists_from_all_sources_are_equal() {
        let made: List<Hash> = hashes(5).into();
        assert_eq!(made, hashes(5).into_iter().collect());
        assert_eq!(made, List::from(&hashes(5)[..]));
        assert_eq!(made.as_slice(), hashes(5));
        assert_eq!(List::<Hash>::from(Vec::new()), List::new());
    }

    #[test]
    fn a_vector_is_not_copied() {
        let records = hashes(4);
        let place = records.as_ptr();
        let list = List::from(records);
        assert_eq!(list.as_ptr(), place);
    }

    #[test]
    fn a_claimed_count_reserves_no_memory() {
        let payload = [0xfd, 0xf4, 0x01, 9, 9];
        let read =
            List::<Hash>::read(&mut Reader::borrowed(&payload), 500, ErrorKind::TooManyLocators);
        assert_eq!(read, Err(ErrorKind::Truncated { needed: 16_000, remaining: 2 }));
    }
}
