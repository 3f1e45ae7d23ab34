//! The messages of a mix, in which peers make a transaction together without telling who
//! pays whom: Decred from protocol version 10.
//!
//! All are signed by their sender, and known to the network by their hash: that is what
//! [`MixMessage`] gives. What they mean is not judged here, no signature is verified.

mod ciphertexts;
mod confirm;
mod dc_net;
mod factored_poly;
mod key_exchange;
mod pair_request;
mod record;
mod secrets;
mod slot_reserve;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

pub use ciphertexts::MixCphrTxt;
pub use confirm::MixConfirm;
pub use dc_net::{DcNetMatrix, MixDCNet};
pub use factored_poly::MixFactPoly;
pub use key_exchange::{MixKeyXchg, PQ_KEY_LEN};
pub use pair_request::{
    MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT, MAX_MIX_SCRIPT_CLASS, MAX_MIX_SIGNATURE, MAX_MIX_UTXOS,
    MixPairReq, MixUtxo,
};
pub use record::{CIPHERTEXT_LEN, Ciphertext, DcNetMessage, MIXED_MESSAGE_LEN};
pub use secrets::MixSecrets;
pub use slot_reserve::{MixSlotRes, SlotMatrix};

use super::codec::{Payload, Protocol, Reader, Writer};
use super::error::{EncodeError, ErrorKind, Excess, Invalid};
use super::list::List;
use super::message::{Command, Message};
use crate::hash::Hash;
use crate::network::Chain;

/// Most peers in a mix, and most messages of one kind that a message says were seen.
pub const MAX_MIX_PEERS: usize = 512;

/// Most messages mixed in one mix.
pub const MAX_MIX_MESSAGES: usize = 1_024;

/// Most bytes of a value in a mix's slot reservation: a number in its finite field.
pub const MAX_MIX_VALUE: usize = 32;

/// A message of a mix: signed by its sender, and known by its hash.
///
/// Sealed: Decred's messages are all there are.
///
/// ```
/// use excc_peer::wire::{Message, MixMessage};
/// # fn verify(_: &[u8; 33], _: &[u8; 64], _: excc_peer::Hash) -> bool { true }
/// # fn f(message: Message) -> Result<(), excc_peer::wire::EncodeError> {
/// if let Some(mix) = message.as_mix() {
///     if verify(mix.identity(), mix.signature(), mix.signature_hash()?) {
///         println!("{} {}", mix.command(), mix.message_hash()?);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub trait MixMessage: sealed::MixMessage + Send + Sync {
    /// The name of the message.
    fn command(&self) -> Command;

    /// The public key of the sender, which the signature is of.
    fn identity(&self) -> &[u8; 33];

    /// The signature.
    fn signature(&self) -> &[u8; 64];

    /// The hash that the message is announced and asked for by, with
    /// [`InvType::MIX`](super::InvType::MIX): BLAKE-256 of its payload.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, as when it is encoded.
    fn message_hash(&self) -> Result<Hash, EncodeError> {
        Ok(digest(&[self.signature(), &self.signed_fields()?]))
    }

    /// What is signed: the command followed by `-sig`, as a string with its length, and
    /// then all of the payload but the signature.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, as when it is encoded.
    fn signed_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        Ok([tag(self.command()), self.signed_fields()?].concat())
    }

    /// BLAKE-256 of [`signed_bytes`](Self::signed_bytes), which the signature is made of.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, as when it is encoded.
    fn signature_hash(&self) -> Result<Hash, EncodeError> {
        Ok(digest(&[&tag(self.command()), &self.signed_fields()?]))
    }
}

mod sealed {
    use bytes::Bytes;

    use super::EncodeError;

    pub trait MixMessage {
        /// The payload without the signature, with which it begins.
        fn signed_fields(&self) -> Result<Bytes, EncodeError>;
    }
}

/// What tells apart the signatures of different messages.
fn tag(command: Command) -> Bytes {
    let mut writer = Writer::default();
    writer.string(&format!("{command}-sig"));
    writer.into_bytes()
}

fn digest(parts: &[&[u8]]) -> Hash {
    Chain::Decred.hash_function().digest(parts)
}

/// Makes messages of types that have the name of their command, a `read`, and a
/// `write_signed` for all but the signature.
macro_rules! mix_messages {
    ($($name:ident)*) => {
        $(impl sealed::MixMessage for $name {
            fn signed_fields(&self) -> Result<Bytes, EncodeError> {
                let mut writer = Writer::default();
                match self.write_signed(&mut writer) {
                    Ok(()) => Ok(writer.into_bytes()),
                    Err(kind) => Err(EncodeError::new(self.command(), kind)),
                }
            }
        }

        impl MixMessage for $name {
            fn command(&self) -> Command {
                Command::$name
            }

            fn identity(&self) -> &[u8; 33] {
                &self.identity
            }

            fn signature(&self) -> &[u8; 64] {
                &self.signature
            }
        }

        impl Payload for $name {
            fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
                Self::read(reader)
            }

            fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
                writer.bytes(&self.signature);
                self.write_signed(writer)
            }
        }

        impl From<$name> for Message {
            fn from(message: $name) -> Self {
                Self::$name(Box::new(message))
            }
        })*

        impl Message {
            /// The message as one of a mix, if it is one.
            #[must_use]
            pub fn as_mix(&self) -> Option<&dyn MixMessage> {
                match self {
                    $(Self::$name(message) => Some(&**message),)*
                    _ => None,
                }
            }
        }
    };
}

mix_messages! {
    MixPairReq MixKeyXchg MixCphrTxt MixSlotRes MixFactPoly MixDCNet MixConfirm MixSecrets
}

/// Writes what most messages have after the signature.
fn write_head(identity: &[u8; 33], session_id: &[u8; 32], run: u32, writer: &mut Writer) {
    writer.bytes(identity);
    writer.bytes(session_id);
    writer.bytes(&run.to_le_bytes());
}

/// Reads the hashes of the messages seen, with which all but `mixpairreq` and
/// `mixcphrtxt` end.
fn read_seen(reader: &mut Reader<'_>) -> Result<List<Hash>, ErrorKind> {
    List::read(reader, MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)
}

fn write_seen(seen: &List<Hash>, writer: &mut Writer) -> Result<(), ErrorKind> {
    seen.write(writer, MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)
}

fn too_many_rows(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyRows(excess))
}

fn too_many_columns(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyColumns(excess))
}

fn too_many_values(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::TooManyValues(excess))
}

fn value_too_long(excess: Excess) -> ErrorKind {
    ErrorKind::InvalidMsg(Invalid::ValueTooLong(excess))
}

/// Whether so many values fill a matrix of so many rows and columns.
fn check_filled(values: usize, rows: usize, columns: usize) -> Result<(), ErrorKind> {
    if rows.checked_mul(columns) == Some(values) {
        Ok(())
    } else {
        let [rows, columns] = [rows, columns].map(|it| u32::try_from(it).unwrap_or(u32::MAX));
        Err(ErrorKind::InvalidMsg(Invalid::RaggedMatrix { values, rows, columns }))
    }
}

#[cfg(test)]
mod testing;
