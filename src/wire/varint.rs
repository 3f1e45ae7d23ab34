//! Variable-length integers (`docs/protocol.md`, 3.1).

use super::error::ErrorKind;

/// Splits an integer off the front of `bytes`.
pub(super) fn split_varint(bytes: &[u8]) -> Result<(u64, &[u8]), ErrorKind> {
    let ([tag], bytes) = split_array(bytes)?;
    let (value, len, min, rest) = match tag {
        0xfd => {
            let (le, rest) = split_array(bytes)?;
            (u16::from_le_bytes(le).into(), 3, 0xfd, rest)
        }
        0xfe => {
            let (le, rest) = split_array(bytes)?;
            (u32::from_le_bytes(le).into(), 5, 0x1_0000, rest)
        }
        0xff => {
            let (le, rest) = split_array(bytes)?;
            (u64::from_le_bytes(le), 9, 0x1_0000_0000, rest)
        }
        _ => (tag.into(), 1, 0, bytes),
    };
    // `ReadVarInt` of the reference nodes refuses a longer encoding than necessary, before its
    // caller tests a limit.
    if value < min {
        return Err(ErrorKind::NonCanonicalVarInt { value, len });
    }
    Ok((value, rest))
}

fn split_array<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), ErrorKind> {
    match bytes.split_first_chunk() {
        Some((array, rest)) => Ok((*array, rest)),
        None => Err(ErrorKind::Truncated { needed: N, remaining: bytes.len() }),
    }
}

/// Encodes an integer and passes the parts to `put`.
pub(super) fn put_varint(value: u64, mut put: impl FnMut(&[u8])) {
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

/// Returns the encoded length of `value` in bytes.
pub(super) const fn varint_len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn written(value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(value, |part| bytes.extend_from_slice(part));
        bytes
    }

    #[test]
    fn the_encoded_length_depends_on_the_value() {
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
            let bytes = written(value);
            assert_eq!((bytes.len(), varint_len(value)), (len, len));
            assert_eq!(split_varint(&bytes), Ok((value, &[][..])));
        }
    }

    #[test]
    fn a_longer_encoding_than_necessary_is_refused() {
        for (bytes, value) in [
            (&[0xfd, 0xfc, 0][..], 0xfc),
            (&[0xfe, 0xff, 0xff, 0, 0], 0xffff),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 0xffff_ffff),
        ] {
            assert_eq!(
                split_varint(bytes),
                Err(ErrorKind::NonCanonicalVarInt { value, len: bytes.len() })
            );
        }
    }
}
