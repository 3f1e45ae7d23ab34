//! Inventory: `inv`, `getdata`, `notfound`, and the `feefilter` that thins it out.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::{Payload, Protocol, Reader, Writer};
use super::error::ErrorKind;
use super::list::{List, Record, sealed::Sealed};
use crate::hash::Hash;

/// Most vectors in one `inv`, `getdata` or `notfound`.
pub const MAX_VECTORS: usize = 50_000;

/// What an inventory vector names. Unknown numbers are carried as they are.
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
    /// Nothing; never sent by the reference nodes.
    pub const ERROR: Self = Self::new(0);
    /// A transaction, by the hash of its prefix.
    pub const TX: Self = Self::new(1);
    /// A block, by the hash of its header.
    pub const BLOCK: Self = Self::new(2);
    /// A filtered block: historic, never served.
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

/// An inventory vector: the type and the hash of something a peer has or wants.
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
    /// A vector of any type.
    pub const fn new(kind: InvType, hash: Hash) -> Self {
        Self { kind, hash }
    }

    /// A transaction.
    pub const fn tx(hash: Hash) -> Self {
        Self::new(InvType::TX, hash)
    }

    /// A block.
    pub const fn block(hash: Hash) -> Self {
        Self::new(InvType::BLOCK, hash)
    }

    /// A mixing message.
    pub const fn mix(hash: Hash) -> Self {
        Self::new(InvType::MIX, hash)
    }

    /// The type of the object.
    pub const fn kind(&self) -> InvType {
        self.kind
    }

    /// The hash of the object.
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

/// The vectors of an `inv`, a `getdata` or a `notfound`: at most [`MAX_VECTORS`].
impl Payload for List<InvVect> {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Self::read(reader, MAX_VECTORS, ErrorKind::TooManyVectors)
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.write(writer, MAX_VECTORS, ErrorKind::TooManyVectors)
    }
}

/// `feefilter`: asks not to be told of transactions that pay less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct FeeFilter {
    /// The least fee rate of interest: by convention in atoms per kilobyte. The wire
    /// sets no bounds, not even at zero.
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
