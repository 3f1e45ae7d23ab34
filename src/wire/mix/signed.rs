//! Signatures and hashes of mixing messages.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::hash::Hash;
use crate::network::Chain;
use crate::wire::command::Command;
use crate::wire::error::EncodeError;
use crate::wire::writer::Writer;

/// A mixing message, which is signed by its sender and identified by its hash.
///
/// This trait is sealed.
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
    /// Returns the command of the message.
    fn command(&self) -> Command;

    /// Returns the public key of the sender, which verifies the signature.
    fn identity(&self) -> &[u8; 33];

    /// Returns the signature.
    fn signature(&self) -> &[u8; 64];

    /// Returns the hash by which the message is announced and requested with
    /// [`InvType::MIX`](crate::wire::InvType::MIX): BLAKE-256 of the payload.
    ///
    /// # Errors
    ///
    /// Returns the errors of encoding the message, except
    /// [`PayloadTooLarge`](crate::wire::ErrorKind::PayloadTooLarge).
    fn message_hash(&self) -> Result<Hash, EncodeError> {
        Ok(digest(&[self.signature(), &self.signed_fields()?]))
    }

    /// Returns the signed data: the command and `-sig` as a string after its length, and the
    /// payload without the signature.
    ///
    /// # Errors
    ///
    /// Returns the errors of encoding the message, except
    /// [`PayloadTooLarge`](crate::wire::ErrorKind::PayloadTooLarge).
    fn signed_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        Ok([tag(self.command()), self.signed_fields()?].concat())
    }

    /// Returns BLAKE-256 of the [`signed_bytes`](Self::signed_bytes), which the signature signs.
    ///
    /// # Errors
    ///
    /// Returns the errors of encoding the message, except
    /// [`PayloadTooLarge`](crate::wire::ErrorKind::PayloadTooLarge).
    fn signature_hash(&self) -> Result<Hash, EncodeError> {
        Ok(digest(&[&tag(self.command()), &self.signed_fields()?]))
    }
}

pub(super) mod sealed {
    use bytes::Bytes;

    use crate::wire::error::EncodeError;

    pub trait MixMessage {
        /// Returns the payload without the signature, which is its first field.
        fn signed_fields(&self) -> Result<Bytes, EncodeError>;
    }
}

/// Returns the prefix of signed data, which is different for each message.
fn tag(command: Command) -> Bytes {
    let mut writer = Writer::default();
    writer.string(&format!("{command}-sig"));
    writer.into_bytes()
}

pub(super) fn digest(parts: &[&[u8]]) -> Hash {
    Chain::Decred.hash_function().digest(parts)
}

/// Implements a mixing message for a type with the name of its command. The type has a function
/// `read`, and a method `write_signed` that writes all fields except the signature.
macro_rules! mix_message {
    ($name:ident) => {
        impl crate::wire::mix::signed::sealed::MixMessage for $name {
            fn signed_fields(&self) -> Result<bytes::Bytes, crate::wire::error::EncodeError> {
                let mut writer = crate::wire::writer::Writer::default();
                match self.write_signed(&mut writer) {
                    Ok(()) => Ok(writer.into_bytes()),
                    Err(kind) => {
                        let command = crate::wire::command::Command::$name;
                        Err(crate::wire::error::EncodeError::new(command, kind))
                    }
                }
            }
        }

        impl crate::wire::mix::signed::MixMessage for $name {
            fn command(&self) -> crate::wire::command::Command {
                crate::wire::command::Command::$name
            }

            fn identity(&self) -> &[u8; 33] {
                &self.identity
            }

            fn signature(&self) -> &[u8; 64] {
                &self.signature
            }
        }

        impl crate::wire::payload::Payload for $name {
            fn decode(
                reader: &mut crate::wire::reader::Reader<'_>,
                _: crate::wire::protocol::Protocol,
            ) -> Result<Self, crate::wire::error::ErrorKind> {
                Self::read(reader)
            }

            fn encode(
                &self,
                writer: &mut crate::wire::writer::Writer,
                _: crate::wire::protocol::Protocol,
            ) -> Result<(), crate::wire::error::ErrorKind> {
                writer.bytes(&self.signature);
                self.write_signed(writer)
            }
        }
    };
}

pub(super) use mix_message;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::Message;
    use crate::wire::mix::factored_poly::MixFactPoly;
    use crate::wire::mix::testing::*;

    #[test]
    fn the_hash_includes_the_signature_and_signed_data_the_command() {
        let poly = Message::from(MixFactPoly {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            roots: [[5]].into_iter().collect(),
            seen_slot_reserves: hashes(1),
        });
        let mix = poly.as_mix().unwrap();
        let fields = [&head()[64..], &[1, 1, 5, 1], &[0; 32]].concat();
        assert_eq!(mix.command(), Command::MixFactPoly);
        assert_eq!((mix.signature(), mix.identity()), (&SIGNATURE, &IDENTITY));
        assert_eq!(mix.message_hash(), Ok(digest(&[&SIGNATURE, &fields])));
        let signed = [b"\x0fmixfactpoly-sig", &fields[..]].concat();
        assert_eq!(mix.signature_hash(), Ok(digest(&[&signed])));
        assert_eq!(mix.signed_bytes(), Ok(signed));
        assert!(Message::VerAck.as_mix().is_none());
    }
}
