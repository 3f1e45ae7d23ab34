//! Requests by block locator: `getblocks` and `getheaders`.

use super::codec::{Payload, Protocol, Reader, Writer};
use super::error::ErrorKind;
use super::list::List;
use crate::hash::Hash;

/// Most hashes in a block locator.
pub const MAX_LOCATOR: usize = 500;

/// `getblocks` or `getheaders`: asks for what follows the newest block that both
/// sides know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct LocatorRequest {
    /// A protocol version that nobody interprets. The reference nodes send 0 in
    /// `getheaders` and their newest version in `getblocks`.
    pub protocol_version: u32,
    /// The block locator: hashes of the sender's chain, newest first, ever wider apart,
    /// ending at the first block. At most [`MAX_LOCATOR`].
    pub locator: List<Hash>,
    /// The last hash wanted; [`Hash::ZERO`] for as many as fit.
    pub stop: Hash,
}

impl LocatorRequest {
    /// Asks for as many as fit after the newest known hash of `locator`.
    pub fn new(locator: impl Into<List<Hash>>) -> Self {
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
