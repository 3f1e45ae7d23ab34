//! Bounded `Debug` output.
//!
//! The remote decides how long a list, a byte string or a text is. An `inv` of 50,000
//! vectors would print 4.8 MB, so `Debug` shows the beginning and the length instead.

use core::fmt;

use super::error::Hex;

/// Maximum number of items that are shown of a list: of the largest items, the headers of
/// Exchangecoin's blocks, 4 would need almost 4 KiB in the pretty form.
const MAX_ITEMS: usize = 3;

/// Maximum number of bytes that are shown of a byte string: a public key is shown whole.
pub(super) const MAX_BYTES: usize = 33;

/// Maximum number of bytes that are shown of a text: a user agent is shown whole.
pub(super) const MAX_TEXT: usize = 256;

/// Prints the first items of a list and the number of the others.
pub(super) fn list<T: fmt::Debug>(
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

/// The first items of a slice and the number of the others.
pub(super) struct Items<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Debug> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter())
    }
}

/// The first bytes in hexadecimal, and the number of all bytes if some are left out.
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

/// The beginning of a text, and the number of all its bytes if some are left out.
pub(super) struct ShortText<'a> {
    text: &'a str,
    limit: usize,
}

impl<'a> ShortText<'a> {
    /// Shows at most `limit` bytes of `text`.
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
        // A received text is ASCII. One that is to be sent may be anything.
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        write!(f, "{:?}.. ({} bytes)", &text[..end], text.len())
    }
}

/// Implements `Debug` for structs. A field is shown as it is, or as the expression after
/// its name.
macro_rules! debug_fields {
    ($($type:ident { $($field:ident $(: $shown:expr)?),* $(,)? })*) => {$(
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                // A field that is left out here is an error of compilation.
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
    fn a_text_is_cut_between_characters() {
        let shown = |text, limit| format!("{:?}", ShortText::new(text, limit));
        assert_eq!(shown("a\"b", 3), r#""a\"b""#);
        assert_eq!(shown("abcd", 3), r#""abc".. (4 bytes)"#);
        assert_eq!(shown("äöü", 3), r#""ä".. (6 bytes)"#);
        assert_eq!(shown("ä", 1), r#""".. (2 bytes)"#);
    }
}
