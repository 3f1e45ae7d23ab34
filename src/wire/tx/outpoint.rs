//! References to transaction outputs.

use core::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::hash::Hash;
use crate::wire::list::{Record, sealed::Sealed};

/// A reference to a transaction output: 37 bytes.
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
#[repr(C)]
pub struct OutPoint {
    hash: Hash,
    index: U32,
    tree: i8,
}

impl OutPoint {
    /// The tree of regular transactions.
    pub const REGULAR_TREE: i8 = 0;
    /// The tree of stake transactions.
    pub const STAKE_TREE: i8 = 1;
    /// An unknown tree.
    pub const UNKNOWN_TREE: i8 = -1;

    /// Refers to output `index` of the transaction with the hash
    /// [`tx_hash`](crate::wire::TxRef::tx_hash) in `tree` of its block. All numbers of trees are
    /// valid on the wire.
    pub const fn new(hash: Hash, index: u32, tree: i8) -> Self {
        Self { hash, index: U32::new(index), tree }
    }

    /// Returns the hash of the transaction.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Returns the index of the output, from 0.
    pub const fn index(&self) -> u32 {
        self.index.get()
    }

    /// Returns the tree of the transaction in its block.
    pub const fn tree(&self) -> i8 {
        self.tree
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.hash, self.index)
    }
}

impl fmt::Debug for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (tree {})", self.tree)
    }
}

impl Sealed for OutPoint {}
impl Record for OutPoint {}
