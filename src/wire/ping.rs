//! Keep-alive: `ping` and `pong`.

use super::error::ErrorKind;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;

/// `ping`: requests a `pong` with the same nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct Ping {
    /// A number, preferably random.
    pub nonce: u64,
}

/// `pong`: answers a `ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct Pong {
    /// The nonce of the `ping`.
    pub nonce: u64,
}

macro_rules! nonce_payload {
    ($($message:ty),*) => { $(
        impl Payload for $message {
            fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
                Ok(Self { nonce: reader.u64()? })
            }

            fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
                writer.bytes(&self.nonce.to_le_bytes());
                Ok(())
            }
        }
    )* };
}

nonce_payload!(Ping, Pong);
