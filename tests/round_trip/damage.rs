//! Damage to a payload.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One change of a payload.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// Flips bits of a byte.
    Flip(Index, u8),
    /// Removes the rest.
    Cut(Index),
    /// Replaces `over` bytes, or inserts, at a place within the first bytes.
    Splice {
        at: Index,
        /// The number of bytes at the beginning in which the place is.
        within: usize,
        over: usize,
        bytes: Vec<u8>,
    },
    /// Repeats a part.
    Repeat(Index, Index),
}

/// Variable-length integers, mostly too large. The last two are not in their shortest form.
fn count() -> impl Strategy<Value = Vec<u8>> {
    let claims: [&[u8]; 13] = [
        &[0],
        &[1],
        &[2],
        &[0xfc],
        &[0xfd, 0xfd, 0],
        &[0xfd, 0xff, 0xff],
        &[0xfe, 0, 0, 1, 0],
        &[0xfe, 0x30, 0xe8, 0x0b, 0],
        &[0xfe, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0, 0, 0, 0, 1, 0, 0, 0],
        &[0xff; 9],
        &[0xfd, 1, 0],
        &[0xff, 1, 0, 0, 0, 0, 0, 0, 0],
    ];
    select(claims.map(<[u8]>::to_vec).to_vec())
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let spliced = prop_oneof![2 => count(), 1 => vec(any::<u8>(), 0..40)];
    // Most messages begin with a count.
    let within = select(vec![1, 50, usize::MAX]);
    prop_oneof![
        4 => (any::<Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<Index>().prop_map(Damage::Cut),
        4 => (any::<Index>(), within, 0..10_usize, spliced)
            .prop_map(|(at, within, over, bytes)| Damage::Splice { at, within, over, bytes }),
        1 => any::<[Index; 2]>().prop_map(|[from, to]| Damage::Repeat(from, to)),
    ]
}

impl Damage {
    pub(crate) fn apply(&self, payload: &mut Vec<u8>) {
        match self {
            Self::Flip(at, bits) => {
                if !payload.is_empty() {
                    let at = at.index(payload.len());
                    payload[at] ^= bits;
                }
            }
            Self::Cut(at) => payload.truncate(at.index(payload.len() + 1)),
            Self::Splice { at, within, over, bytes } => {
                let at = at.index((payload.len() + 1).min(*within));
                let end = payload.len().min(at + over);
                payload.splice(at..end, bytes.iter().copied());
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(payload.len() + 1), to.index(payload.len() + 1));
                let part = payload[from.min(to)..from.max(to)].to_vec();
                payload.splice(from..from, part);
            }
        }
    }
}
