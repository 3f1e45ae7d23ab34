//! Writing of payloads.

use alloc::vec::Vec;

use bytes::Bytes;

use super::error::{ErrorKind, Excess, at_most};
use super::varint::put_varint;

/// Number of payload bytes that are stored beside the frame header, without an allocation.
pub(super) const INLINE_LEN: usize = 8;

/// A payload under construction.
///
/// The first bytes are stored inline. A list at the end of the payload is stored as a reference
/// to its buffer. So pings and relayed lists are encoded without a copy or an allocation.
#[derive(Default)]
pub(super) struct Writer {
    inline: [u8; INLINE_LEN],
    inline_len: usize,
    /// Bytes after the inline ones. Reserved memory ends the inline bytes as well.
    copied: Vec<u8>,
    /// The shared buffer that ends the payload, if `copied` is empty.
    tail: Bytes,
}

impl Writer {
    /// Appends bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
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

    /// Reserves memory for `len` bytes. All bytes that follow are stored in one allocation.
    pub(super) fn reserve(&mut self, len: usize) {
        self.copied.reserve(len);
    }

    /// Returns the number of bytes written.
    pub(super) fn len(&self) -> usize {
        self.inline_len + self.copied.len() + self.tail.len()
    }

    /// Appends bytes, without a copy if they end the payload.
    pub(super) fn shared(&mut self, bytes: &Bytes) {
        if self.is_inline() {
            self.tail = bytes.clone();
        } else {
            self.bytes(bytes);
        }
    }

    /// Returns whether all bytes written are inline.
    fn is_inline(&self) -> bool {
        self.copied.capacity() == 0 && self.tail.is_empty()
    }

    /// Appends a variable-length integer.
    pub(super) fn varint(&mut self, value: u64) {
        put_varint(value, |part| self.bytes(part));
    }

    /// Appends a count of following elements.
    pub(super) fn count(
        &mut self,
        count: usize,
        limit: usize,
        too_many: fn(Excess) -> ErrorKind,
    ) -> Result<(), ErrorKind> {
        at_most(count, limit, too_many)?;
        self.varint(count as u64);
        Ok(())
    }

    /// Appends a byte string and its length.
    pub(super) fn var_bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// Appends a string and its length. The caller has validated the string.
    pub(super) fn string(&mut self, text: &str) {
        self.var_bytes(text.as_bytes());
    }

    /// Returns the payload in one piece.
    pub(super) fn into_bytes(self) -> Bytes {
        let (inline, len, body) = self.finish();
        match len {
            0 => body,
            _ => [&inline[..len], &body].concat().into(),
        }
    }

    /// Returns the inline bytes, how many of them are used, and the rest of the payload.
    pub(super) fn finish(self) -> ([u8; INLINE_LEN], usize, Bytes) {
        let body = if self.copied.is_empty() { self.tail } else { self.copied.into() };
        (self.inline, self.inline_len, body)
    }
}

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
    fn pieces_are_written_in_order_wherever_they_are_stored() {
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
