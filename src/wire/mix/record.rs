//! The records of fixed size in the messages of a mix.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::wire::codec::Writer;
use crate::wire::debug::ShortHex;
use crate::wire::error::{ErrorKind, Invalid};
use crate::wire::list::{Record, sealed::Sealed};

/// Bytes of a ciphertext in a `mixcphrtxt`.
pub const CIPHERTEXT_LEN: usize = 1_047;

/// Bytes of a mixed message in a `mixdcnet` or `mixsecrets`.
pub const MIXED_MESSAGE_LEN: usize = 20;

/// Defines records that are so many bytes and nothing else.
macro_rules! byte_records {
    ($($(#[$doc:meta])* $name:ident($len:expr);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
        )]
        #[repr(transparent)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The bytes as they are on the wire.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        /// Shows the first bytes in hexadecimal.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                ShortHex(&self.0).fmt(f)
            }
        }

        impl Sealed for $name {}
        impl Record for $name {}
    )*};
}

byte_records! {
    /// A ciphertext in a `mixcphrtxt`: a shared secret under a peer's public key.
    Ciphertext(CIPHERTEXT_LEN);
    /// A mixed message: in a `mixsecrets` as it is, in a `mixdcnet` under the pads of its
    /// sender.
    DcNetMessage(MIXED_MESSAGE_LEN);
}

impl DcNetMessage {
    /// Whether messages of so many bytes are these.
    pub(super) fn check_size(size: u64) -> Result<(), ErrorKind> {
        if size == MIXED_MESSAGE_LEN as u64 {
            Ok(())
        } else {
            Err(ErrorKind::InvalidMsg(Invalid::MixedMessageSize(size)))
        }
    }

    /// Writes the size that the wire tells before the first message.
    pub(super) fn write_size(writer: &mut Writer) {
        writer.varint(MIXED_MESSAGE_LEN as u64);
    }
}
