//! Requests with a block locator: `getblocks` and `getheaders`.

use super::error::ErrorKind;
use super::limits::MAX_LOCATOR;
use super::list::List;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// `getblocks` or `getheaders`: requests the blocks or headers after the newest block that both
/// sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct LocatorRequest {
    /// A protocol version that no node interprets. The reference nodes send their latest version
    /// in `getblocks`, and 0 in `getheaders`.
    pub protocol_version: u32,
    /// The block locator: hashes of the sender's chain, newest first, at growing distances, with
    /// the genesis block last. At most [`MAX_LOCATOR`].
    pub locator: List<Hash>,
    /// The hash of the last block requested, or [`Hash::ZERO`] for the maximum number of blocks.
    pub stop: Hash,
}

impl LocatorRequest {
    /// Requests the maximum number of blocks or headers after the newest known hash of `locator`.
    pub fn new(locator: impl Into<List<Hash>>) -> Self {
        // 0 as in `NewMsgGetHeaders` of the reference nodes (`docs/protocol.md`, 4.5).
        Self { protocol_version: 0, locator: locator.into(), stop: Hash::ZERO }
    }
}

impl Payload for LocatorRequest {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            protocol_version: reader.u32()?,
            locator: List::read(reader, MAX_LOCATOR, ErrorKind::TooManyLocators)?,
            stop: reader.record()?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(&self.protocol_version.to_le_bytes());
        self.locator.write(writer, MAX_LOCATOR, ErrorKind::TooManyLocators)?;
        writer.bytes(self.stop.as_ref());
        Ok(())
    }
}
