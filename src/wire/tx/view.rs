//! Views of encoded transactions.

use core::fmt;
use core::ops::Range;

use zerocopy::FromBytes;

use super::layout::{
    Layout, OutputHead, PrefixInput, PrefixTail, TxSerialization, VERSION_LEN, WitnessInput, script,
};
use super::outpoint::OutPoint;
use crate::hash::{Hash, Hasher};
use crate::network::Chain;
use crate::wire::error::ErrorKind;
use crate::wire::format::{ShortHex, fmt_list};
use crate::wire::reader::Cursor;
use crate::wire::varint::{put_varint, varint_len};

/// A view of a transaction in a `tx` or `block`.
///
/// If one half is not encoded, its numbers are 0, its scripts are empty, and there are no
/// outputs. Getters and hashes agree with the reference nodes in that.
#[derive(Clone, Copy)]
pub struct TxRef<'a> {
    pub(super) chain: Chain,
    pub(super) raw: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> TxRef<'a> {
    /// Reads the next transaction of a block.
    pub(in crate::wire) fn read(reader: &mut Cursor<'a>, chain: Chain) -> Result<Self, ErrorKind> {
        let mut ahead = reader.fork();
        let layout = Layout::scan(&mut ahead)?;
        let raw = reader.take(reader.distance(&ahead))?;
        Ok(Self { chain, raw, layout })
    }

    /// Skips the next transaction of a block.
    pub(in crate::wire) fn skip(reader: &mut Cursor<'a>) -> Result<(), ErrorKind> {
        Layout::scan(reader).map(drop)
    }

    /// Returns the encoded transaction.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns the encoded halves.
    pub const fn serialization(&self) -> TxSerialization {
        self.layout.serialization
    }

    /// Returns the version of the transaction.
    pub fn version(&self) -> u16 {
        self.raw.first_chunk().map_or(0, |version| u16::from_le_bytes(*version))
    }

    /// Iterates over the inputs.
    pub fn inputs(&self) -> Inputs<'a> {
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        let counted = varint_len(inputs.into());
        let mut prefix = Cursor::new(&[]);
        if serialization.has_prefix() {
            prefix = Cursor::new(self.part(VERSION_LEN + counted..prefix_end));
        }
        let mut witness = Cursor::new(&[]);
        if serialization.has_witness() {
            witness = Cursor::new(self.part(prefix_end + counted..self.raw.len()));
        }
        Inputs { prefix, witness, remaining: inputs as usize }
    }

    /// Iterates over the outputs.
    pub fn outputs(&self) -> Outputs<'a> {
        let Layout { inputs, outputs, prefix_end, .. } = self.layout;
        let inputs_len = varint_len(inputs.into()) + inputs as usize * size_of::<PrefixInput>();
        let start = VERSION_LEN + inputs_len + varint_len(outputs.into());
        Outputs { rest: Cursor::new(self.part(start..prefix_end)), remaining: outputs as usize }
    }

    /// Returns the first block height or time at which the transaction is valid.
    pub fn lock_time(&self) -> u32 {
        self.tail().map_or(0, |tail| tail.lock_time.get())
    }

    /// Returns the block height from which the transaction is invalid, or 0 for none.
    pub fn expiry(&self) -> u32 {
        self.tail().map_or(0, |tail| tail.expiry.get())
    }

    /// Returns the hash of the prefix, which identifies the transaction in inventory vectors and
    /// outpoints.
    #[must_use]
    pub fn tx_hash(&self) -> Hash {
        let mut hasher = self.hasher(TxSerialization::NoWitness);
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        if serialization.has_prefix() {
            hasher.update(self.part(VERSION_LEN..prefix_end));
        } else {
            put_varint(inputs.into(), |part| hasher.update(part));
            (0..inputs).for_each(|_| hasher.update(&[0; size_of::<PrefixInput>()]));
            // No outputs, and the last fields of the prefix.
            hasher.update(&[0; 1 + size_of::<PrefixTail>()]);
        }
        hasher.finalize()
    }

    /// Returns the hash of the witness.
    #[must_use]
    pub fn witness_hash(&self) -> Hash {
        let mut hasher = self.hasher(TxSerialization::OnlyWitness);
        let Layout { serialization, inputs, prefix_end, .. } = self.layout;
        if serialization.has_witness() {
            hasher.update(self.part(prefix_end..self.raw.len()));
        } else {
            put_varint(inputs.into(), |part| hasher.update(part));
            // A witness input with an empty script.
            (0..inputs).for_each(|_| hasher.update(&[0; size_of::<WitnessInput>() + 1]));
        }
        hasher.finalize()
    }

    /// Returns the hash of both hashes, which is the leaf of the transaction in a merkle tree. It
    /// is not the hash of the encoded transaction.
    #[must_use]
    pub fn full_hash(&self) -> Hash {
        let (prefix, witness) = (self.tx_hash(), self.witness_hash());
        self.chain.hash_function().digest(&[prefix.as_ref(), witness.as_ref()])
    }

    /// Starts the hash of a half. Its version word has the type of that half, whatever the type
    /// of the transaction is (`docs/protocol.md`, 4.7).
    fn hasher(&self, half: TxSerialization) -> Hasher {
        let mut hasher = self.chain.hash_function().hasher();
        hasher.update(&half.version_word(self.version()));
        hasher
    }

    fn tail(&self) -> Option<&'a PrefixTail> {
        let prefix = self.raw.get(VERSION_LEN..self.layout.prefix_end)?;
        PrefixTail::ref_from_suffix(prefix).ok().map(|(_, tail)| tail)
    }

    fn part(&self, range: Range<usize>) -> &'a [u8] {
        self.raw.get(range).unwrap_or_default()
    }
}

/// Shows a summary without the hashes, which are expensive to compute.
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

/// Iterates over the inputs of a [`TxRef`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Inputs<'a> {
    prefix: Cursor<'a>,
    witness: Cursor<'a>,
    remaining: usize,
}

impl<'a> Iterator for Inputs<'a> {
    type Item = TxInRef<'a>;

    fn next(&mut self) -> Option<TxInRef<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let prefix = self.prefix.borrow_record().ok();
        let witness = self.witness.borrow_record().ok();
        let signature_script = script(&mut self.witness).unwrap_or_default();
        Some(TxInRef { prefix, witness, signature_script })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Inputs<'_> {}

/// Shows the first inputs and the number of the others.
impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.clone())
    }
}

/// A view of an input of a transaction.
#[derive(Clone, Copy)]
pub struct TxInRef<'a> {
    prefix: Option<&'a PrefixInput>,
    witness: Option<&'a WitnessInput>,
    signature_script: &'a [u8],
}

impl<'a> TxInRef<'a> {
    /// Returns the spent output.
    pub fn previous_output(&self) -> OutPoint {
        self.prefix.map_or(OutPoint::new(Hash::ZERO, 0, 0), |prefix| prefix.previous_output)
    }

    /// Returns the sequence number.
    pub fn sequence(&self) -> u32 {
        self.prefix.map_or(0, |prefix| prefix.sequence.get())
    }

    /// Returns the value of the spent output in atoms, or
    /// [`NULL_VALUE_IN`](crate::wire::TxIn::NULL_VALUE_IN) if unknown.
    pub fn value_in(&self) -> i64 {
        self.witness.map_or(0, |witness| witness.value_in.get())
    }

    /// Returns the height of the block of the spent output, or
    /// [`NULL_BLOCK_HEIGHT`](crate::wire::TxIn::NULL_BLOCK_HEIGHT) if unknown.
    pub fn block_height(&self) -> u32 {
        self.witness.map_or(0, |witness| witness.block_height.get())
    }

    /// Returns the index in that block of the spent transaction, or
    /// [`NULL_BLOCK_INDEX`](crate::wire::TxIn::NULL_BLOCK_INDEX) if unknown.
    pub fn block_index(&self) -> u32 {
        self.witness.map_or(0, |witness| witness.block_index.get())
    }

    /// Returns the script that authorises the spending.
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

/// Iterates over the outputs of a [`TxRef`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Outputs<'a> {
    rest: Cursor<'a>,
    remaining: usize,
}

impl<'a> Iterator for Outputs<'a> {
    type Item = TxOutRef<'a>;

    fn next(&mut self) -> Option<TxOutRef<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let payment = self.rest.borrow_record().ok()?;
        let pk_script = script(&mut self.rest).ok()?;
        Some(TxOutRef { payment, pk_script })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Outputs<'_> {}

/// Shows the first outputs and the number of the others.
impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.clone())
    }
}

/// A view of an output of a transaction.
#[derive(Clone, Copy)]
pub struct TxOutRef<'a> {
    payment: &'a OutputHead,
    pk_script: &'a [u8],
}

impl<'a> TxOutRef<'a> {
    /// Returns the value in atoms. All values are valid on the wire.
    pub const fn value(&self) -> i64 {
        self.payment.value.get()
    }

    /// Returns the version of the script.
    pub const fn version(&self) -> u16 {
        self.payment.version.get()
    }

    /// Returns the script with the conditions of spending.
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
