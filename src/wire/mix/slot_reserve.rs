//! The slot reservation of a mix: `mixslotres`.

use super::fields::{
    check_filled, read_seen, too_many_columns, too_many_rows, value_too_long, write_head,
    write_seen,
};
use super::signed::mix_message;
use crate::hash::Hash;
use crate::wire::error::{ErrorKind, Invalid};
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::limits::{MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_VALUE};
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::var_list::{VarIter, VarList};
use crate::wire::writer::Writer;

/// `mixslotres`: the sender's part of the slot reservation. From the sums of all parts, peers
/// compute the slots.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixSlotRes {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The values: a row for each message of the sender.
    pub dc_mix: SlotMatrix,
    /// The hashes of the `mixcphrtxt` messages of the run: at most [`MAX_MIX_PEERS`].
    pub seen_ciphertexts: List<Hash>,
}

/// The values of a `mixslotres`: big-endian numbers of a finite field, in rows of equal length.
///
/// Encoding tests the limits: at most [`MAX_MIX_MESSAGES`] rows of at most [`MAX_MIX_PEERS`]
/// values, each of at most [`MAX_MIX_VALUE`] bytes. A matrix has at least one row and one column.
/// Values are stored as on the wire, so that access to a row skips the rows before it.
///
/// ```
/// use excc_peer::wire::SlotMatrix;
///
/// let values = [[1], [2], [3], [4], [5], [6]].into_iter().collect();
/// let matrix = SlotMatrix::new(2, 3, values)?;
/// let last = matrix.rows().last().unwrap();
/// assert!(last.eq([[4], [5], [6]]));
/// # Ok::<(), excc_peer::wire::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMatrix {
    rows: usize,
    columns: usize,
    values: VarList<[u8]>,
}

impl SlotMatrix {
    /// Creates a matrix of values, row by row.
    ///
    /// # Errors
    ///
    /// - [`EmptyMatrix`](Invalid::EmptyMatrix) if there are no rows or no columns.
    /// - [`RaggedMatrix`](Invalid::RaggedMatrix) if the number of values is not `rows` times
    ///   `columns`.
    pub fn new(rows: usize, columns: usize, values: VarList<[u8]>) -> Result<Self, ErrorKind> {
        check_some(rows, columns)?;
        check_filled(values.len(), rows, columns)?;
        Ok(Self { rows, columns, values })
    }

    /// Returns the number of values in each row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Returns all values, row by row.
    pub const fn values(&self) -> &VarList<[u8]> {
        &self.values
    }

    /// Iterates over the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = VarIter<'_, [u8]>> {
        let mut values = self.values.iter();
        (0..self.rows).map(move |_| values.take_items(self.columns))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let rows = reader.count(MAX_MIX_MESSAGES, too_many_rows)?;
        // `MsgMixSlotReserve.BtcDecode` of dcrd tests the rows before it reads the columns, so a
        // message may end here.
        let columns = match rows {
            0 => 0,
            _ => reader.count(MAX_MIX_PEERS, too_many_columns)?,
        };
        check_some(rows, columns)?;
        let too_long = ErrorKind::VarBytesTooLong;
        let values = VarList::read(reader, rows * columns, MAX_MIX_VALUE, too_long)?;
        Ok(Self { rows, columns, values })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        writer.count(self.rows, MAX_MIX_MESSAGES, too_many_rows)?;
        writer.count(self.columns, MAX_MIX_PEERS, too_many_columns)?;
        self.values.write(writer, MAX_MIX_VALUE, value_too_long)
    }
}

fn check_some(rows: usize, columns: usize) -> Result<(), ErrorKind> {
    if rows == 0 || columns == 0 {
        let (rows, columns) = (rows as u64, columns as u64);
        return Err(ErrorKind::InvalidMsg(Invalid::EmptyMatrix { rows, columns }));
    }
    Ok(())
}

mix_message!(MixSlotRes);

debug_fields! {
    MixSlotRes {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        dc_mix,
        seen_ciphertexts,
    }
}

impl MixSlotRes {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        Ok(Self {
            signature: reader.array()?,
            identity: reader.array()?,
            session_id: reader.array()?,
            run: reader.u32()?,
            dc_mix: SlotMatrix::read(reader)?,
            seen_ciphertexts: read_seen(reader)?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        write_head(&self.identity, &self.session_id, self.run, writer);
        self.dc_mix.write(writer)?;
        write_seen(&self.seen_ciphertexts, writer)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::wire::command::Command;
    use crate::wire::mix::testing::*;

    fn values(count: usize, len: usize) -> VarList<[u8]> {
        (0..count).map(|n| vec![n as u8; len]).collect()
    }

    fn slots(rows: usize, columns: usize, len: usize, seen: usize) -> MixSlotRes {
        MixSlotRes {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            dc_mix: SlotMatrix::new(rows, columns, values(rows * columns, len)).unwrap(),
            seen_ciphertexts: hashes(seen),
        }
    }

    #[test]
    fn values_round_trip() {
        round_trip(slots(1, 1, 0, 0));
        round_trip(slots(MAX_MIX_MESSAGES, 1, 1, MAX_MIX_PEERS));
        round_trip(slots(1, MAX_MIX_PEERS, MAX_MIX_VALUE, 0));
    }

    #[test]
    fn values_beyond_a_limit_are_not_encoded() {
        for (message, error) in [
            (slots(1_025, 1, 0, 0), too_many_rows(excess(1_025, 1_024))),
            (slots(1, 513, 0, 0), too_many_columns(excess(513, 512))),
            (slots(1, 1, 33, 0), value_too_long(excess(33, 32))),
            (slots(1, 1, 0, 513), ONE_TOO_MANY_SEEN),
        ] {
            assert_eq!(encoded(message), Err(error));
        }
    }

    #[test]
    fn a_matrix_has_a_value_in_each_row_and_column() {
        let matrix = SlotMatrix::new(2, 3, values(6, 1)).unwrap();
        let rows: Vec<Vec<_>> =
            matrix.rows().map(|row| row.map(|value| value[0]).collect()).collect();
        assert_eq!(rows, [[0, 1, 2], [3, 4, 5]]);
        assert_eq!((matrix.rows().len(), matrix.columns(), matrix.values().len()), (2, 3, 6));

        for (rows, columns) in [(2, 2), (1, 7), (u32::MAX, 2)] {
            let ragged = Invalid::RaggedMatrix { values: 6, rows, columns };
            let made = SlotMatrix::new(rows as usize, columns as usize, values(6, 1));
            assert_eq!(made, Err(ErrorKind::InvalidMsg(ragged)));
        }
        for (rows, columns) in [(0, 0), (0, 3), (3, 0)] {
            let made = SlotMatrix::new(rows as usize, columns as usize, VarList::new());
            let (rows, columns) = (rows as u64, columns as u64);
            let empty = Invalid::EmptyMatrix { rows, columns };
            assert_eq!(made, Err(ErrorKind::InvalidMsg(empty)));
        }
    }

    #[test]
    fn without_rows_the_columns_are_not_read() {
        let empty =
            |rows, columns| Err(ErrorKind::InvalidMsg(Invalid::EmptyMatrix { rows, columns }));
        let payload = [&head()[..], &[0]].concat();
        assert_eq!(decoded(Command::MixSlotRes, &payload), empty(0, 0));
        let payload = [&head()[..], &[1, 0]].concat();
        assert_eq!(decoded(Command::MixSlotRes, &payload), empty(1, 0));
    }
}
