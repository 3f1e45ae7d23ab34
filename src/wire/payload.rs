//! The trait of message payloads.

use alloc::boxed::Box;

use super::error::ErrorKind;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;

/// The payload of a message.
pub(super) trait Payload: Sized {
    /// Decodes the payload. The caller has checked that the protocol version has the message.
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind>;
    /// Encodes the payload. The caller checks its length.
    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind>;
}

impl<T: Payload> Payload for Box<T> {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        T::decode(reader, protocol).map(Self::new)
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        (**self).encode(writer, protocol)
    }
}
