//! Encoded transactions: `tx`.

use core::fmt;

use bytes::Bytes;

use super::layout::Layout;
use super::view::TxRef;
use crate::hash::Hash;
use crate::network::Chain;
use crate::wire::command::Command;
use crate::wire::error::{DecodeError, ErrorKind};
use crate::wire::payload::Payload;
use crate::wire::protocol::{Protocol, check_chain};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A transaction, stored as on the wire.
///
/// A received transaction has a valid encoding. Its [`view`](Self::view) reads the fields. A
/// clone is a reference to the same bytes. A new transaction is encoded from a
/// [`Transaction`](crate::wire::Transaction).
///
/// A transaction has a chain, on which its hash function depends.
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
    pub(super) chain: Chain,
    pub(super) raw: Bytes,
    pub(super) layout: Layout,
}

impl Tx {
    /// Decodes a transaction from its bytes without a copy.
    ///
    /// # Errors
    ///
    /// - [`Truncated`](ErrorKind::Truncated) if the transaction is incomplete.
    /// - [`UnknownTxType`](ErrorKind::UnknownTxType) if the serialisation type is not 0, 1 or 2.
    /// - [`TooManyTxs`](ErrorKind::TooManyTxs) if it has too many inputs or outputs.
    /// - [`MismatchedWitnessCount`](ErrorKind::MismatchedWitnessCount) if its halves have
    ///   different numbers of inputs.
    /// - [`VarBytesTooLong`](ErrorKind::VarBytesTooLong) if a script is longer than 32 MiB.
    /// - [`NonCanonicalVarInt`](ErrorKind::NonCanonicalVarInt) if a length has a longer encoding
    ///   than necessary.
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) if bytes follow the transaction.
    pub fn from_bytes(chain: Chain, raw: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::shared(raw);
        Self::read(&mut reader, chain)
            .and_then(|tx| reader.end().map(|()| tx))
            .map_err(|kind| DecodeError::in_message(Command::Tx, kind))
    }

    /// Reads a transaction. Its bytes are retained.
    pub(in crate::wire) fn read(reader: &mut Reader<'_>, chain: Chain) -> Result<Self, ErrorKind> {
        let mut ahead = reader.fork();
        let layout = Layout::scan(&mut ahead)?;
        let raw = reader.take_until(&ahead)?;
        Ok(Self { chain, raw, layout })
    }

    /// Returns a view of the transaction.
    pub fn view(&self) -> TxRef<'_> {
        TxRef { chain: self.chain, raw: &self.raw, layout: self.layout }
    }

    /// Returns the encoded transaction.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns the chain of the transaction.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Returns the hash that identifies the transaction: see [`TxRef::tx_hash`].
    #[must_use]
    pub fn tx_hash(&self) -> Hash {
        self.view().tx_hash()
    }

    /// Returns the hash of the witness: see [`TxRef::witness_hash`].
    #[must_use]
    pub fn witness_hash(&self) -> Hash {
        self.view().witness_hash()
    }

    /// Returns the hash of both hashes: see [`TxRef::full_hash`].
    #[must_use]
    pub fn full_hash(&self) -> Hash {
        self.view().full_hash()
    }
}

impl<'a> TxRef<'a> {
    /// Converts the view to a transaction with bytes from `retain`.
    pub(in crate::wire) fn to_tx_with(self, retain: impl FnOnce(&'a [u8]) -> Bytes) -> Tx {
        Tx { chain: self.chain, raw: retain(self.raw), layout: self.layout }
    }

    /// Copies the transaction.
    #[must_use]
    pub fn to_tx(&self) -> Tx {
        self.to_tx_with(Bytes::copy_from_slice)
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// The payload of a `tx`.
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
