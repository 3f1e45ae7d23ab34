//! Transactions where they lie.

use core::fmt;
use core::ops::Range;

use bytes::Bytes;
use zerocopy::FromBytes;

use super::build::{Transaction, TxIn, TxOut};
use super::{
    Layout, Locks, Origin, OutPoint, Payment, Spend, Tx, TxSerialization, VERSION_LEN, script,
};
use crate::hash::{Hash, Hasher};
use crate::network::Chain;
use crate::wire::codec::{Cursor, put_varint, varint_len};
use crate::wire::debug::{self, ShortHex};
use crate::wire::error::ErrorKind;

/// A transaction where it lies in a `tx` or a `block`.
///
/// Of the half that is not serialised, if one is not, the reference nodes take every
/// number for 0, every script for empty, and outputs for none; so do the getters and the
/// hashes.
#[derive(Clone, Copy)]
pub struct TxRef<'a> {
    pub(super) chain: Chain,
    pub(super) raw: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> TxRef<'a> {
    /// The next transaction of a block.
    pub(in crate::wire) fn read(reader: &mut Cursor<'a>, chain: Chain) -> Result<Self, ErrorKind> {
        let mut ahead = reader.fork();
        let layout = Layout::scan(&mut ahead)?;
        let raw = reader.take(reader.distance(&ahead))?;
        Ok(Self { chain, raw, layout })
    }

    /// Walks over the next transaction of a block.
    pub(in crate::wire) fn skip(reader: &mut Cursor<'a>) -> Result<(), ErrorKind> {
        Layout::scan(reader).map(drop)
    }

    /// A transaction of the same bytes, kept by `keep`.
    pub(in crate::wire) fn kept(&self, keep: impl FnOnce(&'a [u8]) -> Bytes) -> Tx {
        Tx { chain: self.chain, raw: keep(self.raw), layout: self.layout }
    }

    /// The transaction as it is on the wire.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Which halves of the transaction are here.
    pub const fn serialization(&self) -> TxSerialization {
        self.layout.serialization
    }

    /// The version of the transaction.
    pub fn version(&self) -> u16 {
        self.raw.first_chunk().map_or(0, |version| u16::from_le_bytes(*version))
    }

    /// The inputs in order.
    pub fn inputs(&self) -> Inputs<'a> {
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        let counted = varint_len(inputs.into());
        let mut spends = Cursor::new(&[]);
        if serialization.has_prefix() {
            spends = Cursor::new(self.part(VERSION_LEN + counted..prefix_end));
        }
        let mut origins = Cursor::new(&[]);
        if serialization.has_witness() {
            origins = Cursor::new(self.part(prefix_end + counted..self.raw.len()));
        }
        Inputs { spends, origins, left: inputs as usize }
    }

    /// The outputs in order.
    pub fn outputs(&self) -> Outputs<'a> {
        let Layout { inputs, outputs, prefix_end, .. } = self.layout;
        let inputs_len = varint_len(inputs.into()) + inputs as usize * size_of::<Spend>();
        let start = VERSION_LEN + inputs_len + varint_len(outputs.into());
        Outputs { rest: Cursor::new(self.part(start..prefix_end)), left: outputs as usize }
    }

    /// The first block height, or the first time, that the transaction is valid at.
    pub fn lock_time(&self) -> u32 {
        self.locks().map_or(0, |locks| locks.lock_time.get())
    }

    /// The block height from which on the transaction is no longer valid; 0 for none.
    pub fn expiry(&self) -> u32 {
        self.locks().map_or(0, |locks| locks.expiry.get())
    }

    /// The hash of the prefix: the identity of the transaction, in inventory vectors and
    /// in outpoints.
    #[must_use]
    pub fn tx_hash(&self) -> Hash {
        let mut hasher = self.hasher(TxSerialization::NoWitness);
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        if serialization.has_prefix() {
            hasher.update(self.part(VERSION_LEN..prefix_end));
        } else {
            put_varint(inputs.into(), |part| hasher.update(part));
            (0..inputs).for_each(|_| hasher.update(&[0; size_of::<Spend>()]));
            // The count of no outputs, and the locks.
            hasher.update(&[0; 1 + size_of::<Locks>()]);
        }
        hasher.finalize()
    }

    /// The hash of the witness.
    #[must_use]
    pub fn witness_hash(&self) -> Hash {
        let mut hasher = self.hasher(TxSerialization::OnlyWitness);
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        if serialization.has_witness() {
            hasher.update(self.part(prefix_end..self.raw.len()));
        } else {
            put_varint(inputs.into(), |part| hasher.update(part));
            // An origin and the length of an empty script.
            (0..inputs).for_each(|_| hasher.update(&[0; size_of::<Origin>() + 1]));
        }
        hasher.finalize()
    }

    /// The hash of both hashes: the leaf of the transaction in its block's merkle tree.
    /// It is not the hash of the full serialisation.
    #[must_use]
    pub fn full_hash(&self) -> Hash {
        let (prefix, witness) = (self.tx_hash(), self.witness_hash());
        self.chain.hash_function().digest(&[prefix.as_ref(), witness.as_ref()])
    }

    /// A copy that lives by itself.
    #[must_use]
    pub fn to_tx(&self) -> Tx {
        self.kept(Bytes::copy_from_slice)
    }

    /// The parts of the transaction, to be kept or changed, copied.
    pub fn to_transaction(&self) -> Transaction {
        self.taken_apart(Bytes::copy_from_slice)
    }

    pub(super) fn taken_apart(&self, keep: impl Fn(&'a [u8]) -> Bytes) -> Transaction {
        let input = |input: TxInRef<'a>| TxIn {
            previous_output: input.previous_output(),
            sequence: input.sequence(),
            value_in: input.value_in(),
            block_height: input.block_height(),
            block_index: input.block_index(),
            signature_script: keep(input.signature_script()),
        };
        let output = |output: TxOutRef<'a>| TxOut {
            value: output.value(),
            version: output.version(),
            pk_script: keep(output.pk_script()),
        };
        Transaction {
            version: self.version(),
            serialization: self.serialization(),
            inputs: self.inputs().map(input).collect(),
            outputs: self.outputs().map(output).collect(),
            lock_time: self.lock_time(),
            expiry: self.expiry(),
        }
    }

    fn hasher(&self, half: TxSerialization) -> Hasher {
        let mut hasher = self.chain.hash_function().hasher();
        hasher.update(&half.version_word(self.version()));
        hasher
    }

    fn locks(&self) -> Option<&'a Locks> {
        let prefix = self.raw.get(VERSION_LEN..self.layout.prefix_end)?;
        Locks::ref_from_suffix(prefix).ok().map(|(_, locks)| locks)
    }

    fn part(&self, range: Range<usize>) -> &'a [u8] {
        self.raw.get(range).unwrap_or_default()
    }
}

/// Shows a summary without the transaction's hashes, which are expensive.
impl fmt::Debug for TxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("version", &self.version())
            .field("serialization", &self.serialization())
            .field("inputs", &self.layout.inputs)
            .field("outputs", &self.layout.outputs)
            .field("lock_time", &self.lock_time())
            .field("expiry", &self.expiry())
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// The inputs of a [`TxRef`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Inputs<'a> {
    spends: Cursor<'a>,
    origins: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Inputs<'a> {
    type Item = TxInRef<'a>;

    fn next(&mut self) -> Option<TxInRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let spend = self.spends.borrow_record().ok();
        let origin = self.origins.borrow_record().ok();
        let signature_script = script(&mut self.origins).unwrap_or_default();
        Some(TxInRef { spend, origin, signature_script })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Inputs<'_> {}

/// Shows the first inputs and the number of the others.
impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::list(f, self.clone())
    }
}

/// An input where it lies in a transaction.
#[derive(Clone, Copy)]
pub struct TxInRef<'a> {
    spend: Option<&'a Spend>,
    origin: Option<&'a Origin>,
    signature_script: &'a [u8],
}

impl<'a> TxInRef<'a> {
    /// The output that is spent.
    pub fn previous_output(&self) -> OutPoint {
        self.spend.map_or(OutPoint::new(Hash::ZERO, 0, 0), |spend| spend.previous_output)
    }

    /// The sequence number.
    pub fn sequence(&self) -> u32 {
        self.spend.map_or(0, |spend| spend.sequence.get())
    }

    /// The value of the output that is spent, in atoms; [`TxIn::NULL_VALUE_IN`] for none.
    pub fn value_in(&self) -> i64 {
        self.origin.map_or(0, |origin| origin.value_in.get())
    }

    /// The height of the block that the output is in; [`TxIn::NULL_BLOCK_HEIGHT`] for none.
    pub fn block_height(&self) -> u32 {
        self.origin.map_or(0, |origin| origin.block_height.get())
    }

    /// Where in that block the output's transaction is; [`TxIn::NULL_BLOCK_INDEX`] for none.
    pub fn block_index(&self) -> u32 {
        self.origin.map_or(0, |origin| origin.block_index.get())
    }

    /// The script that allows the output to be spent.
    pub const fn signature_script(&self) -> &'a [u8] {
        self.signature_script
    }
}

impl fmt::Debug for TxInRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxIn")
            .field("previous_output", &self.previous_output())
            .field("sequence", &self.sequence())
            .field("value_in", &self.value_in())
            .field("block_height", &self.block_height())
            .field("block_index", &self.block_index())
            .field("signature_script", &ShortHex(self.signature_script))
            .finish()
    }
}

/// The outputs of a [`TxRef`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Outputs<'a> {
    rest: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Outputs<'a> {
    type Item = TxOutRef<'a>;

    fn next(&mut self) -> Option<TxOutRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let payment = self.rest.borrow_record().ok()?;
        let pk_script = script(&mut self.rest).ok()?;
        Some(TxOutRef { payment, pk_script })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Outputs<'_> {}

/// Shows the first outputs and the number of the others.
impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::list(f, self.clone())
    }
}

/// An output where it lies in a transaction.
#[derive(Clone, Copy)]
pub struct TxOutRef<'a> {
    payment: &'a Payment,
    pk_script: &'a [u8],
}

impl<'a> TxOutRef<'a> {
    /// The value paid, in atoms. The wire takes any.
    pub const fn value(&self) -> i64 {
        self.payment.value.get()
    }

    /// The version of the script.
    pub const fn version(&self) -> u16 {
        self.payment.version.get()
    }

    /// The script that says who may spend it.
    pub const fn pk_script(&self) -> &'a [u8] {
        self.pk_script
    }
}

impl fmt::Debug for TxOutRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxOut")
            .field("value", &self.value())
            .field("version", &self.version())
            .field("pk_script", &ShortHex(self.pk_script))
            .finish()
    }
}
