//! Fields and limits that several mixing messages share.

use crate::hash::Hash;
use crate::wire::error::{ErrorKind, Excess, Invalid};
use crate::wire::limits::MAX_MIX_PEERS;
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// Writes the fields that follow the signature in most messages.
pub(super) fn write_head(
    identity: &[u8; 33],
    session_id: &[u8; 32],
    run: u32,
    writer: &mut Writer,
) {
    writer.bytes(identity);
    writer.bytes(session_id);
    writer.bytes(&run.to_le_bytes());
}

/// Reads the list of messages seen, at the end of all messages but `mixpairreq` and `mixcphrtxt`.
pub(super) fn read_seen(reader: &mut Reader<'_>) -> Result<List<Hash>, ErrorKind> {
    List::read(reader, MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)
}

pub(super) fn write_seen(seen: &List<Hash>, writer: &mut Writer) -> Result<(), ErrorKind> {
    seen.write(writer, MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)
}

pub(super) fn too_many_rows(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyRows(excess))
}

pub(super) fn too_many_columns(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyColumns(excess))
}

pub(super) fn too_many_values(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyValues(excess))
}

pub(super) fn value_too_long(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::ValueTooLong(excess))
}

/// Returns an error if `values` is not the size of a matrix of `rows` and `columns`.
pub(super) fn check_filled(values: usize, rows: usize, columns: usize) -> Result<(), ErrorKind> {
    if rows.checked_mul(columns) == Some(values) {
        Ok(())
    } else {
        let [rows, columns] = [rows, columns].map(|it| u32::try_from(it).unwrap_or(u32::MAX));
        Err(ErrorKind::InvalidMsg(Invalid::RaggedMatrix { values, rows, columns }))
    }
}
