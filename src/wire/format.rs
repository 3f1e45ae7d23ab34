//! Formatting: hexadecimal, and bounded `Debug` output.
//!
//! The remote chooses the lengths of lists, byte strings and texts. An `inv` of 50,000 vectors
//! would print 4.8 MB, so `Debug` shows the beginning and the length.

use core::fmt;

/// Maximum number of shown items of a list. In the pretty form, 4 headers of Exchangecoin would
/// need almost 4 KiB.
const MAX_ITEMS: usize = 3;

/// Maximum number of shown bytes of a byte string: the length of a public key.
pub(super) const MAX_BYTES: usize = 33;

/// Maximum number of shown bytes of a text: the length of a user agent.
pub(super) const MAX_TEXT: usize = 256;

/// Shows bytes in hexadecimal, in the order of the wire.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Writes the first items of a list and the number of the others.
pub(super) fn fmt_list<T: fmt::Debug>(
    f: &mut fmt::Formatter<'_>,
    items: impl ExactSizeIterator<Item = T>,
) -> fmt::Result {
    let more = items.len().saturating_sub(MAX_ITEMS);
    let mut list = f.debug_list();
    list.entries(items.take(MAX_ITEMS));
    if more > 0 {
        list.entry(&format_args!(".. {more} more"));
    }
    list.finish()
}

/// Shows the first items of a slice and the number of the others.
pub(super) struct Items<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Debug> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.0.iter())
    }
}

/// Shows the first bytes in hexadecimal, and the total number if some are omitted.
pub(super) struct ShortHex<'a>(pub(super) &'a [u8]);

impl fmt::Debug for ShortHex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(MAX_BYTES) {
            Some((shown, rest)) if !rest.is_empty() => {
                write!(f, "{}.. ({} bytes)", Hex(shown), self.0.len())
            }
            _ => write!(f, "{}", Hex(self.0)),
        }
    }
}

/// Shows the beginning of a text, and its total length in bytes if some is omitted.
pub(super) struct ShortText<'a> {
    text: &'a str,
    limit: usize,
}

impl<'a> ShortText<'a> {
    /// Limits the shown text to `limit` bytes.
    pub(super) const fn new(text: &'a str, limit: usize) -> Self {
        Self { text, limit }
    }
}

impl fmt::Debug for ShortText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, limit } = *self;
        if text.len() <= limit {
            return write!(f, "{text:?}");
        }
        // Received text is ASCII. Text to be sent may not be, until it is encoded.
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        write!(f, "{:?}.. ({} bytes)", &text[..end], text.len())
    }
}

/// Implements `Debug` for structs. A field may have an expression that is shown in its place.
macro_rules! debug_fields {
    ($($type:ident { $($field:ident $(: $shown:expr)?),* $(,)? })*) => {$(
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                // The pattern is exhaustive, so that a new field cannot be forgotten.
                let Self { $($field),* } = self;
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), debug_fields!(@ $field $(, $shown)?)))*
                    .finish()
            }
        }
    )*};
    (@ $field:ident) => { $field };
    (@ $field:ident, $shown:expr) => { &$shown };
}

pub(super) use debug_fields;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_list_shows_its_first_items_and_the_number_of_the_others() {
        assert_eq!(format!("{:?}", Items(&[0; 0])), "[]");
        assert_eq!(format!("{:?}", Items(&[1, 2, 3])), "[1, 2, 3]");
        assert_eq!(format!("{:?}", Items(&[1, 2, 3, 4])), "[1, 2, 3, .. 1 more]");
        let pretty = "[\n    1,\n    1,\n    1,\n    .. 47 more,\n]";
        assert_eq!(format!("{:#?}", Items(&[1; 50])), pretty);
    }

    #[test]
    fn a_byte_string_shows_its_first_bytes_and_its_length() {
        assert_eq!(format!("{:?}", ShortHex(&[])), "");
        assert_eq!(format!("{:?}", ShortHex(&[0xab, 1])), "ab01");
        assert_eq!(format!("{:?}", ShortHex(&[7; 33])), "07".repeat(33));
        assert_eq!(format!("{:?}", ShortHex(&[7; 34])), "07".repeat(33) + ".. (34 bytes)");
    }

    #[test]
    fn a_text_is_truncated_between_characters() {
        let shown = |text, limit| format!("{:?}", ShortText::new(text, limit));
        assert_eq!(shown("a\"b", 3), r#""a\"b""#);
        assert_eq!(shown("abcd", 3), r#""abc".. (4 bytes)"#);
        assert_eq!(shown("äöü", 3), r#""ä".. (6 bytes)"#);
        assert_eq!(shown("ä", 1), r#""".. (2 bytes)"#);
    }
}
