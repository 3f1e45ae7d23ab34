//! The minimum fee rate of announced transactions: `feefilter`.

use super::error::ErrorKind;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;

/// `feefilter`: the minimum fee rate of transactions to be announced to the sender. Both chains
/// from protocol version 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct FeeFilter {
    /// The minimum fee rate: by convention in atoms per kilobyte. The wire accepts all values,
    /// also negative ones.
    pub min_fee: i64,
}

impl Payload for FeeFilter {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self { min_fee: reader.i64()? })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(&self.min_fee.to_le_bytes());
        Ok(())
    }
}
