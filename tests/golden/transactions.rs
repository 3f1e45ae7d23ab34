//! Bare transactions: taken apart just far enough to hash their halves.

use excc_peer::{Hash, HashFunction};

/// Bytes of an input in the prefix: outpoint and sequence.
const PREFIX_INPUT: usize = 41;

/// Bytes of an input in the witness, before its script: value, height and index.
const WITNESS_INPUT: usize = 16;

/// Bytes of an output, before its script: value and script version.
const OUTPUT: usize = 10;

/// The hashes of the halves that a serialised transaction has. The vectors tell those of
/// the whole transaction, of which a serialisation may hold one half only.
pub(crate) struct TxHalves {
    /// The hash of the prefix: the id of the transaction.
    pub(crate) id: Option<Hash>,
    /// The hash of the witness.
    pub(crate) witness: Option<Hash>,
}

impl TxHalves {
    /// The halves of `tx`. None unless it is one transaction exactly.
    pub(crate) fn of(tx: &[u8], function: HashFunction) -> Option<Self> {
        let (&[low, high, kind, 0], body) = tx.split_first_chunk()? else { return None };
        let mut rest = body;
        let prefix = if kind == 2 { None } else { Some(take_prefix(&mut rest)?) };
        let witness = if kind == 1 { None } else { Some(take_witness(&mut rest)?) };
        if kind > 2 || !rest.is_empty() {
            return None;
        }
        let hash = |kind, half: &[u8]| function.digest(&[&[low, high, kind, 0], half]);
        Some(Self {
            id: prefix.map(|prefix| hash(1, prefix)),
            witness: witness.map(|witness| hash(2, witness)),
        })
    }
}

fn take_prefix<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = *rest;
    let inputs = take_varint(rest)?;
    take(rest, inputs * PREFIX_INPUT)?;
    for _ in 0..take_varint(rest)? {
        take(rest, OUTPUT)?;
        take_script(rest)?;
    }
    let lock_time_and_expiry = 4 + 4;
    take(rest, lock_time_and_expiry)?;
    Some(&whole[..whole.len() - rest.len()])
}

fn take_witness<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = *rest;
    for _ in 0..take_varint(rest)? {
        take(rest, WITNESS_INPUT)?;
        take_script(rest)?;
    }
    Some(&whole[..whole.len() - rest.len()])
}

fn take_script(rest: &mut &[u8]) -> Option<()> {
    let len = take_varint(rest)?;
    take(rest, len).map(drop)
}

/// A varint of a size that the vectors have.
fn take_varint(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)? {
        [0xfd] => {
            let value = take(rest, 2)?.try_into().ok()?;
            Some(usize::from(u16::from_le_bytes(value)))
        }
        [short @ 0..0xfd] => Some(usize::from(*short)),
        _ => None,
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}
