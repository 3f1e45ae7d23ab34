//! Inventory: `inv`, `getdata` and `notfound`.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::error::ErrorKind;
use super::limits::MAX_VECTORS;
use super::list::{List, Record, sealed::Sealed};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// The type of the object of an inventory vector. Unknown numbers are preserved.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct InvType(U32);

impl InvType {
    /// No object: the reference nodes never send it.
    pub const ERROR: Self = Self::new(0);
    /// A transaction. The hash is that of its prefix.
    pub const TX: Self = Self::new(1);
    /// A block. The hash is that of its header.
    pub const BLOCK: Self = Self::new(2);
    /// A filtered block: obsolete, no node serves it.
    pub const FILTERED_BLOCK: Self = Self::new(3);
    /// A mixing message: Decred from protocol version 10.
    pub const MIX: Self = Self::new(4);

    /// Creates a type from its number on the wire.
    pub const fn new(number: u32) -> Self {
        Self(U32::new(number))
    }

    /// Returns the number on the wire.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for InvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ERROR => f.write_str("error"),
            Self::TX => f.write_str("tx"),
            Self::BLOCK => f.write_str("block"),
            Self::FILTERED_BLOCK => f.write_str("filtered block"),
            Self::MIX => f.write_str("mix"),
            Self(number) => write!(f, "type {number}"),
        }
    }
}

impl fmt::Debug for InvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An inventory vector: the type and the hash of an object that is announced or requested.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct InvVect {
    kind: InvType,
    hash: Hash,
}

impl InvVect {
    /// Creates a vector of any type.
    pub const fn new(kind: InvType, hash: Hash) -> Self {
        Self { kind, hash }
    }

    /// Creates the vector of a transaction.
    pub const fn tx(hash: Hash) -> Self {
        Self::new(InvType::TX, hash)
    }

    /// Creates the vector of a block.
    pub const fn block(hash: Hash) -> Self {
        Self::new(InvType::BLOCK, hash)
    }

    /// Creates the vector of a mixing message.
    pub const fn mix(hash: Hash) -> Self {
        Self::new(InvType::MIX, hash)
    }

    /// Returns the type of the object.
    pub const fn kind(&self) -> InvType {
        self.kind
    }

    /// Returns the hash of the object.
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

impl fmt::Display for InvVect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.hash)
    }
}

impl Sealed for InvVect {}
impl Record for InvVect {}

/// The vectors in an `inv`, `getdata` or `notfound`.
impl Payload for List<InvVect> {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        // An empty list is valid here. The nodes ban a peer that sends an empty `inv` or
        // `getdata` (`docs/protocol.md`, 4.4).
        Self::read(reader, MAX_VECTORS, ErrorKind::TooManyVectors)
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.write(writer, MAX_VECTORS, ErrorKind::TooManyVectors)
    }
}
