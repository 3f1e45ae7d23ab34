//! Transactions: `tx`.

mod build;
mod view;

use core::fmt;

use bytes::Bytes;
use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::codec::{Cursor, Payload, Protocol, Reader, Writer, check_chain};
use super::error::{DecodeError, ErrorKind};
use super::frame::MAX_PAYLOAD;
use super::list::{Record, sealed::Sealed};
use super::message::Command;
use crate::hash::Hash;
use crate::network::Chain;

pub use build::{Transaction, TxIn, TxOut};
pub use view::{Inputs, Outputs, TxInRef, TxOutRef, TxRef};

/// Most inputs of a transaction. A payload has no room for that many.
pub const MAX_TX_INPUTS: usize = 780_336;

/// Most outputs of a transaction. A payload has no room for that many.
pub const MAX_TX_OUTPUTS: usize = 3_728_271;

/// Bytes of the version word that a transaction begins with.
const VERSION_LEN: usize = 4;

/// Which halves of a transaction are serialised: the number in the upper half of its
/// version word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "the wire has these three and refuses others")]
pub enum TxSerialization {
    /// 0: prefix and witness.
    #[default]
    Full,
    /// 1: the prefix alone: what is spent and what is paid.
    NoWitness,
    /// 2: the witness alone: the scripts that allow it.
    OnlyWitness,
}

impl TxSerialization {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Full => 0,
            Self::NoWitness => 1,
            Self::OnlyWitness => 2,
        }
    }

    const fn from_number(number: u16) -> Result<Self, ErrorKind> {
        match number {
            0 => Ok(Self::Full),
            1 => Ok(Self::NoWitness),
            2 => Ok(Self::OnlyWitness),
            _ => Err(ErrorKind::UnknownTxType(number)),
        }
    }

    const fn has_prefix(self) -> bool {
        !matches!(self, Self::OnlyWitness)
    }

    const fn has_witness(self) -> bool {
        !matches!(self, Self::NoWitness)
    }

    const fn version_word(self, version: u16) -> [u8; VERSION_LEN] {
        let [low, high] = version.to_le_bytes();
        let [kind, _] = self.number().to_le_bytes();
        [low, high, kind, 0]
    }
}

/// Names an output of a transaction: 37 bytes.
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
    /// A tree that is not known.
    pub const UNKNOWN_TREE: i8 = -1;

    /// Output `index` of the transaction of that [`tx_hash`](TxRef::tx_hash), which is in
    /// `tree` of its block. The wire takes any number for a tree.
    pub const fn new(hash: Hash, index: u32, tree: i8) -> Self {
        Self { hash, index: U32::new(index), tree }
    }

    /// The hash of the transaction.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Which of its outputs, counted from 0.
    pub const fn index(&self) -> u32 {
        self.index.get()
    }

    /// The tree of its block that the transaction is in.
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

/// An input in the prefix.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Spend {
    previous_output: OutPoint,
    sequence: U32,
}

/// An input in the witness, before its script.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Origin {
    value_in: I64,
    block_height: U32,
    block_index: U32,
}

/// An output, before its script.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Payment {
    value: I64,
    version: U16,
}

/// Lock time and expiry, which end the prefix.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Locks {
    lock_time: U32,
    expiry: U32,
}

/// Where the parts of a serialised transaction lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    serialization: TxSerialization,
    inputs: u32,
    outputs: u32,
    /// Offset of the end of the prefix, or of the version word where there is none.
    prefix_end: usize,
}

impl Layout {
    /// Walks over one transaction.
    fn scan(reader: &mut Cursor<'_>) -> Result<Self, ErrorKind> {
        let start = reader.fork();
        let [_, _, low, high] = reader.array()?;
        let serialization = TxSerialization::from_number(u16::from_le_bytes([low, high]))?;

        let (mut inputs, mut outputs) = (0, 0);
        if serialization.has_prefix() {
            inputs = reader.count(MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            reader.skip(inputs.saturating_mul(size_of::<Spend>()))?;
            outputs = reader.count(MAX_TX_OUTPUTS, ErrorKind::TooManyTxs)?;
            for _ in 0..outputs {
                skip_with_script::<Payment>(reader)?;
            }
            reader.skip(size_of::<Locks>())?;
        }
        let prefix_end = start.distance(reader);
        if serialization.has_witness() {
            if serialization.has_prefix() {
                let (prefix, witness) = (inputs as u64, reader.varint()?);
                if witness != prefix {
                    return Err(ErrorKind::MismatchedWitnessCount { prefix, witness });
                }
            } else {
                inputs = reader.count(MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            }
            for _ in 0..inputs {
                skip_with_script::<Origin>(reader)?;
            }
        }
        // Both are within their limits, which 32 bits can tell.
        Ok(Self { serialization, inputs: inputs as u32, outputs: outputs as u32, prefix_end })
    }
}

fn skip_with_script<T>(reader: &mut Cursor<'_>) -> Result<(), ErrorKind> {
    reader.skip_with_run(size_of::<T>(), MAX_PAYLOAD, ErrorKind::VarBytesTooLong)
}

fn script<'a>(reader: &mut Cursor<'a>) -> Result<&'a [u8], ErrorKind> {
    reader.var_bytes(MAX_PAYLOAD, ErrorKind::VarBytesTooLong)
}

/// A transaction, backed by the very bytes it has on the wire.
///
/// It was validated when it was received; its [`view`](Self::view) lends what is in it.
/// Cloning counts a reference. A new one is [encoded](Transaction::encode) from a
/// [`Transaction`].
///
/// Which hash function it is hashed with depends on the chain, which it therefore knows.
///
/// ```
/// use excc_peer::Chain;
/// use excc_peer::wire::{OutPoint, Transaction, Tx, TxIn, TxOut};
/// # use excc_peer::Hash;
/// # let spent = OutPoint::new(Hash::ZERO, 0, OutPoint::REGULAR_TREE);
///
/// let tx = Transaction {
///     inputs: vec![TxIn::new(spent)],
///     outputs: vec![TxOut { value: 5_000, version: 0, pk_script: vec![0x51].into() }],
///     ..Transaction::default()
/// }
/// .encode(Chain::Exchangecoin)?;
///
/// let read = Tx::from_bytes(Chain::Exchangecoin, tx.raw())?;
/// assert_eq!(read, tx);
/// for output in read.view().outputs() {
///     println!("{} to {:x?}", output.value(), output.pk_script());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Tx {
    chain: Chain,
    raw: Bytes,
    layout: Layout,
}

impl Tx {
    /// The transaction that `raw` is, without a copy.
    ///
    /// # Errors
    ///
    /// What is wrong with it; bytes left over are [`TrailingBytes`](ErrorKind::TrailingBytes).
    pub fn from_bytes(chain: Chain, raw: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::shared(raw);
        Self::read(&mut reader, chain)
            .and_then(|tx| reader.end().map(|()| tx))
            .map_err(|kind| DecodeError::in_message(Command::Tx, kind))
    }

    /// Reads a transaction, and keeps its bytes.
    pub(super) fn read(reader: &mut Reader<'_>, chain: Chain) -> Result<Self, ErrorKind> {
        let mut ahead = reader.fork();
        let layout = Layout::scan(&mut ahead)?;
        let raw = reader.take_until(&ahead)?;
        Ok(Self { chain, raw, layout })
    }

    /// What is in the transaction.
    pub fn view(&self) -> TxRef<'_> {
        TxRef { chain: self.chain, raw: &self.raw, layout: self.layout }
    }

    /// The transaction as it is on the wire.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The chain whose transaction this is.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// The identity of the transaction: see [`TxRef::tx_hash`].
    #[must_use]
    pub fn tx_hash(&self) -> Hash {
        self.view().tx_hash()
    }

    /// See [`TxRef::witness_hash`].
    #[must_use]
    pub fn witness_hash(&self) -> Hash {
        self.view().witness_hash()
    }

    /// See [`TxRef::full_hash`].
    #[must_use]
    pub fn full_hash(&self) -> Hash {
        self.view().full_hash()
    }

    /// The parts of the transaction, to be changed. Scripts are not copied.
    pub fn to_transaction(&self) -> Transaction {
        self.view().taken_apart(|script| self.raw.slice_ref(script))
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// `tx`: a transaction.
impl Payload for Tx {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        Self::read(reader, protocol.chain)
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        check_chain(self.chain, protocol.chain)?;
        writer.shared(&self.raw);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::error::Excess;

    const CHAIN: Chain = Chain::Exchangecoin;

    fn transaction() -> Transaction {
        let spent = OutPoint::new(Hash::from_bytes([1; 32]), 2, OutPoint::STAKE_TREE);
        let signed = TxIn { signature_script: vec![3; 300].into(), ..TxIn::new(spent) };
        let output = |value, len| TxOut { value, version: 7, pk_script: vec![9; len].into() };
        Transaction {
            version: 0x0102,
            serialization: TxSerialization::Full,
            inputs: vec![signed, TxIn::new(spent)],
            outputs: vec![output(-1, 0), output(i64::MAX, 252), output(0, 253)],
            lock_time: 10,
            expiry: 11,
        }
    }

    fn read(raw: &[u8]) -> Result<Tx, ErrorKind> {
        Tx::read(&mut Reader::borrowed(raw), CHAIN)
    }

    #[test]
    fn every_serialisation_survives_being_taken_apart() {
        for serialization in
            [TxSerialization::Full, TxSerialization::NoWitness, TxSerialization::OnlyWitness]
        {
            let tx = Transaction { serialization, ..transaction() }.encode(CHAIN).unwrap();
            let read = Tx::from_bytes(CHAIN, tx.raw()).unwrap();
            assert_eq!(read, tx);
            assert_eq!(read.view().serialization(), serialization);
            let parts = read.to_transaction();
            assert_eq!(parts, read.view().to_transaction());
            assert_eq!(parts.encoded_len(), tx.raw().len());
            assert_eq!(parts.encode(CHAIN).unwrap(), tx);
        }
    }

    #[test]
    fn views_tell_what_was_built() {
        let built = transaction();
        let tx = built.encode(CHAIN).unwrap();
        let view = tx.view();
        assert_eq!((view.version(), view.lock_time(), view.expiry()), (0x0102, 10, 11));
        assert_eq!((view.inputs().len(), view.outputs().len()), (2, 3));
        for (seen, input) in view.inputs().zip(&built.inputs) {
            assert_eq!(seen.previous_output(), input.previous_output);
            assert_eq!(seen.sequence(), TxIn::MAX_SEQUENCE);
            assert_eq!(seen.value_in(), TxIn::NULL_VALUE_IN);
            assert_eq!(seen.block_height(), TxIn::NULL_BLOCK_HEIGHT);
            assert_eq!(seen.block_index(), TxIn::NULL_BLOCK_INDEX);
            assert_eq!(seen.signature_script(), input.signature_script);
        }
        for (seen, output) in view.outputs().zip(&built.outputs) {
            assert_eq!((seen.value(), seen.version()), (output.value, output.version));
            assert_eq!(seen.pk_script(), output.pk_script);
        }
    }

    #[test]
    fn scripts_taken_apart_from_a_received_transaction_are_not_copied() {
        let tx = transaction().encode(CHAIN).unwrap();
        let script = &tx.to_transaction().inputs[0].signature_script;
        assert!(tx.raw().as_ptr_range().contains(&script.as_ptr()));
    }

    #[test]
    fn hashes_do_not_depend_on_what_else_is_serialised() {
        let full = transaction().encode(CHAIN).unwrap();
        let half =
            |serialization| Transaction { serialization, ..transaction() }.encode(CHAIN).unwrap();
        let prefix = half(TxSerialization::NoWitness);
        let witness = half(TxSerialization::OnlyWitness);
        let function = CHAIN.hash_function();
        assert_eq!(full.tx_hash(), prefix.tx_hash());
        assert_eq!(full.tx_hash(), function.digest(&[prefix.raw()]));
        assert_eq!(full.witness_hash(), witness.witness_hash());
        assert_eq!(full.witness_hash(), function.digest(&[witness.raw()]));
    }

    #[test]
    fn the_half_that_is_missing_is_hashed_as_the_nodes_hash_it() {
        // What the nodes read of one half has zeros in the other, which they then hash.
        let prefix = Transaction { serialization: TxSerialization::NoWitness, ..transaction() };
        let read = prefix.encode(CHAIN).unwrap().to_transaction();
        let zeros = Transaction { serialization: TxSerialization::OnlyWitness, ..read };
        assert_eq!(
            prefix.encode(CHAIN).unwrap().witness_hash(),
            zeros.encode(CHAIN).unwrap().witness_hash()
        );

        let witness = Transaction { serialization: TxSerialization::OnlyWitness, ..transaction() };
        let read = witness.encode(CHAIN).unwrap().to_transaction();
        assert!(read.outputs.is_empty());
        let zeros = Transaction { serialization: TxSerialization::NoWitness, ..read };
        assert_eq!(
            witness.encode(CHAIN).unwrap().tx_hash(),
            zeros.encode(CHAIN).unwrap().tx_hash()
        );
    }

    #[test]
    fn claims_beyond_the_limits_are_refused_before_anything_is_taken() {
        let claim = |word: [u8; 4], rest: &[u8]| read(&[&word[..], rest].concat());
        let excess = |seen, allowed| Excess { seen, allowed };
        assert_eq!(
            claim([1, 0, 0, 0], b"\xfe\x31\xe8\x0b\x00"),
            Err(ErrorKind::TooManyTxs(excess(780_337, 780_336)))
        );
        assert_eq!(
            claim([1, 0, 1, 0], b"\x00\xfe\x90\xe3\x38\x00"),
            Err(ErrorKind::TooManyTxs(excess(3_728_272, 3_728_271)))
        );
        assert_eq!(
            claim([1, 0, 2, 0], b"\xfe\x31\xe8\x0b\x00"),
            Err(ErrorKind::TooManyTxs(excess(780_337, 780_336)))
        );
        assert_eq!(
            claim([1, 0, 0, 0], &[&[0, 0][..], &[0; 8], &[1]].concat()),
            Err(ErrorKind::MismatchedWitnessCount { prefix: 0, witness: 1 })
        );
        assert_eq!(claim([1, 0, 3, 0], &[]), Err(ErrorKind::UnknownTxType(3)));
        assert_eq!(claim([1, 0, 0, 1], &[]), Err(ErrorKind::UnknownTxType(0x100)));
        assert_eq!(
            claim([1, 0, 0, 0], b"\xfe\x30\xe8\x0b\x00"),
            Err(ErrorKind::Truncated { needed: 780_336 * 41, remaining: 0 })
        );
    }

    #[test]
    fn what_follows_a_transaction_is_not_part_of_it() {
        let tx = transaction().encode(CHAIN).unwrap();
        let more = Bytes::from([&tx.raw()[..], &[1, 2, 3]].concat());
        assert_eq!(read(&more), Ok(tx));
        let refused = Tx::from_bytes(CHAIN, &more).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::TrailingBytes(3));
    }
}
