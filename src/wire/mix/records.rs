//! Fixed-size records in mixing messages.

use crate::wire::writer::Writer;
use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::wire::error::{ErrorKind, Invalid};
use crate::wire::format::ShortHex;
use crate::wire::list::{Record, sealed::Sealed};

/// Length of a ciphertext in a `mixcphrtxt`, in bytes.
pub const CIPHERTEXT_LEN: usize = 1_047;

/// Length of a message in a `mixdcnet` or `mixsecrets`, in bytes.
pub const MIXED_MESSAGE_LEN: usize = 20;

/// Defines records that consist of bytes.
macro_rules! byte_records {
    ($($(#[$doc:meta])* $name:ident($len:expr);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
        )]
        #[repr(transparent)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Returns the bytes.
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
    /// A ciphertext in a `mixcphrtxt`: a shared secret, encrypted with the public key of a peer.
    Ciphertext(CIPHERTEXT_LEN);
    /// A mixed message. In a `mixsecrets` it is plain, in a `mixdcnet` it is combined with the
    /// pads of its sender.
    DcNetMessage(MIXED_MESSAGE_LEN);
}

impl DcNetMessage {
    /// Returns an error if `size` is not the length of a message.
    pub(super) fn check_size(size: u64) -> Result<(), ErrorKind> {
        if size == MIXED_MESSAGE_LEN as u64 {
            Ok(())
        } else {
            Err(ErrorKind::InvalidMsg(Invalid::MixedMessageSize(size)))
        }
    }

    /// Writes the length of a message, which is encoded once before all messages.
    pub(super) fn write_size(writer: &mut Writer) {
        writer.varint(MIXED_MESSAGE_LEN as u64);
    }
}
