//! The DC-net of a mix: `mixdcnet`.

use super::fields::{
    check_filled, read_seen, too_many_columns, too_many_rows, write_head, write_seen,
};
use super::records::DcNetMessage;
use super::signed::mix_message;
use crate::hash::Hash;
use crate::wire::error::{ErrorKind, at_most};
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::limits::MAX_MIX_MESSAGES;
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// `mixdcnet`: the sender's part of the DC-net. The sum of all parts is the list of mixed
/// messages.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixDCNet {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The messages: a row for each message of the sender, with one column for each slot.
    pub dc_net: DcNetMatrix,
    /// The hashes of the `mixslotres` messages of the run: at most
    /// [`MAX_MIX_PEERS`](crate::wire::MAX_MIX_PEERS).
    pub seen_slot_reserves: List<Hash>,
}

/// The messages of a `mixdcnet`, in rows of equal length.
///
/// Encoding tests the limits: at most [`MAX_MIX_MESSAGES`] rows of at most [`MAX_MIX_MESSAGES`]
/// messages. A matrix may have no rows, and rows may be empty.
///
/// ```
/// use excc_peer::wire::{DcNetMatrix, DcNetMessage};
///
/// let message = DcNetMessage::from([7; 20]);
/// let matrix = DcNetMatrix::new(2, 3, [message; 6])?;
/// assert!(matrix.rows().eq([[message; 3]; 2]));
/// # Ok::<(), excc_peer::wire::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DcNetMatrix {
    rows: usize,
    /// 0 without rows, because the wire then omits the number.
    columns: usize,
    messages: List<DcNetMessage>,
}

impl DcNetMatrix {
    /// Creates a matrix of messages, row by row. Without rows it has no columns either.
    ///
    /// # Errors
    ///
    /// Returns [`RaggedMatrix`](crate::wire::Invalid::RaggedMatrix) if the number of messages is
    /// not `rows` times `columns`.
    pub fn new(
        rows: usize,
        columns: usize,
        messages: impl Into<List<DcNetMessage>>,
    ) -> Result<Self, ErrorKind> {
        let messages = messages.into();
        check_filled(messages.len(), rows, columns)?;
        let columns = if rows == 0 { 0 } else { columns };
        Ok(Self { rows, columns, messages })
    }

    /// Returns the number of messages in each row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Returns all messages, row by row.
    pub const fn messages(&self) -> &List<DcNetMessage> {
        &self.messages
    }

    /// Iterates over the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[DcNetMessage]> {
        let mut rest = self.messages.as_slice();
        (0..self.rows).map(move |_| {
            let (row, remaining) = rest.split_at_checked(self.columns).unwrap_or_default();
            rest = remaining;
            row
        })
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let rows = reader.varint()?;
        if rows == 0 {
            return Ok(Self::default());
        }
        let columns = reader.varint()?;
        // `readMixVects` of dcrd's wire package reads all three numbers before it tests one.
        let size = reader.varint()?;
        at_most(rows, MAX_MIX_MESSAGES, too_many_rows)?;
        at_most(columns, MAX_MIX_MESSAGES, too_many_columns)?;
        DcNetMessage::check_size(size)?;
        let (rows, columns) = (rows as usize, columns as usize);
        let messages = List::read_records(reader, rows * columns)?;
        Ok(Self { rows, columns, messages })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        // dcrd refuses to encode a matrix without rows, but decodes it. It is encoded here, so that
        // every received message can be hashed (`docs/protocol.md`, 14).
        writer.count(self.rows, MAX_MIX_MESSAGES, too_many_rows)?;
        if self.rows > 0 {
            writer.count(self.columns, MAX_MIX_MESSAGES, too_many_columns)?;
            DcNetMessage::write_size(writer);
            writer.shared(self.messages.as_bytes());
        }
        Ok(())
    }
}

mix_message!(MixDCNet);

debug_fields! {
    MixDCNet {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        dc_net,
        seen_slot_reserves,
    }
}

impl MixDCNet {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        Ok(Self {
            signature: reader.array()?,
            identity: reader.array()?,
            session_id: reader.array()?,
            run: reader.u32()?,
            dc_net: DcNetMatrix::read(reader)?,
            seen_slot_reserves: read_seen(reader)?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        write_head(&self.identity, &self.session_id, self.run, writer);
        self.dc_net.write(writer)?;
        write_seen(&self.seen_slot_reserves, writer)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::command::Command;
    use crate::wire::error::Invalid;
    use crate::wire::mix::testing::*;

    fn message(n: usize) -> DcNetMessage {
        [n as u8; 20].into()
    }

    fn net(rows: usize, columns: usize, seen: usize) -> MixDCNet {
        let messages: List<_> = (0..rows * columns).map(message).collect();
        MixDCNet {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            dc_net: DcNetMatrix::new(rows, columns, messages).unwrap(),
            seen_slot_reserves: hashes(seen),
        }
    }

    #[test]
    fn messages_round_trip() {
        round_trip(net(2, 3, 1));
        round_trip(net(1, MAX_MIX_MESSAGES, 0));
        round_trip(net(MAX_MIX_MESSAGES, 1, 512));
    }

    #[test]
    fn without_rows_neither_columns_nor_size_are_encoded() {
        let payload = round_trip(net(0, 0, 1));
        assert_eq!(payload[head().len()..], [&[0, 1], &[0; 32][..]].concat());
        assert_eq!(net(0, 5, 1), net(0, 0, 1));
        let refused = decoded(Command::MixDCNet, &[&head()[..], &[0, 0, 20, 0]].concat());
        assert_eq!(refused, Err(ErrorKind::TrailingBytes(2)));
    }

    #[test]
    fn rows_may_be_empty() {
        let payload = round_trip(net(3, 0, 0));
        assert_eq!(payload[head().len()..], [3, 0, 20, 0]);
        assert!(net(3, 0, 0).dc_net.rows().eq([[]; 3]));
        assert_eq!(net(0, 3, 0).dc_net.rows().len(), 0);
    }

    #[test]
    fn messages_beyond_a_limit_are_not_encoded() {
        for (message, error) in [
            (net(1_025, 0, 0), too_many_rows(excess(1_025, 1_024))),
            (net(1, 1_025, 0), too_many_columns(excess(1_025, 1_024))),
            (net(1, 1, 513), ONE_TOO_MANY_SEEN),
        ] {
            assert_eq!(encoded(message), Err(error));
        }
    }

    #[test]
    fn a_matrix_has_a_message_in_each_row_and_column() {
        let messages = vec![message(1), message(2), message(3), message(4)];
        let matrix = DcNetMatrix::new(2, 2, messages.clone()).unwrap();
        assert!(matrix.rows().eq([[message(1), message(2)], [message(3), message(4)]]));
        assert_eq!((matrix.columns(), matrix.messages().len()), (2, 4));
        for (rows, columns) in [(0, 0), (4, 0), (3, 1), (u32::MAX, 2)] {
            let ragged = Invalid::RaggedMatrix { values: 4, rows, columns };
            let made = DcNetMatrix::new(rows as usize, columns as usize, messages.clone());
            assert_eq!(made, Err(ErrorKind::InvalidMsg(ragged)));
        }
    }
}
