//! New transactions.

use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::IntoBytes;

use super::encoded::Tx;
use super::layout::{
    Layout, OutputHead, PrefixInput, PrefixTail, TxSerialization, VERSION_LEN, WitnessInput,
};
use super::outpoint::OutPoint;
use super::view::{TxInRef, TxOutRef, TxRef};
use crate::network::Chain;
use crate::wire::command::Command;
use crate::wire::error::{EncodeError, ErrorKind, at_most};
use crate::wire::format::{Items, ShortHex, debug_fields};
use crate::wire::limits::{MAX_PAYLOAD, MAX_TX_INPUTS, MAX_TX_OUTPUTS};
use crate::wire::reader::Reader;
use crate::wire::varint::varint_len;
use crate::wire::writer::Writer;

/// The parts of a transaction, to be constructed or modified.
///
/// [`encode`](Self::encode) makes a [`Tx`] of them. Parts that the
/// [`serialization`](Self::serialization) excludes are not encoded.
#[must_use = "a transaction in its parts does nothing unless it is encoded"]
#[derive(Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Transaction {
    /// The version of the transaction.
    pub version: u16,
    /// The halves to encode.
    pub serialization: TxSerialization,
    /// The inputs: at most [`MAX_TX_INPUTS`].
    pub inputs: Vec<TxIn>,
    /// The outputs: at most [`MAX_TX_OUTPUTS`].
    pub outputs: Vec<TxOut>,
    /// The first block height or time at which the transaction is valid.
    pub lock_time: u32,
    /// The block height from which the transaction is invalid, or 0 for none.
    pub expiry: u32,
}

debug_fields! {
    Transaction {
        version,
        serialization,
        inputs: Items(inputs),
        outputs: Items(outputs),
        lock_time,
        expiry,
    }

    TxIn {
        previous_output,
        sequence,
        value_in,
        block_height,
        block_index,
        signature_script: ShortHex(signature_script),
    }

    TxOut {
        value,
        version,
        pk_script: ShortHex(pk_script),
    }
}

impl Transaction {
    /// Returns the length of the encoded transaction in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let inputs = varint_len(self.inputs.len() as u64);
        let mut len = VERSION_LEN;
        if self.serialization.has_prefix() {
            len += inputs + self.inputs.len() * size_of::<PrefixInput>();
            len += varint_len(self.outputs.len() as u64);
            len += self.outputs.iter().map(TxOut::encoded_len).sum::<usize>();
            len += size_of::<PrefixTail>();
        }
        if self.serialization.has_witness() {
            len += inputs;
            len += self.inputs.iter().map(TxIn::witness_len).sum::<usize>();
        }
        len
    }

    /// Encodes the transaction for `chain`. The maximum length of a `tx` is tested when it is
    /// sent.
    ///
    /// # Errors
    ///
    /// - [`TooManyTxs`](ErrorKind::TooManyTxs) if there are more than [`MAX_TX_INPUTS`] inputs or
    ///   [`MAX_TX_OUTPUTS`] outputs.
    /// - [`VarBytesTooLong`](ErrorKind::VarBytesTooLong) if a script is longer than
    ///   [`MAX_PAYLOAD`] bytes.
    pub fn encode(&self, chain: Chain) -> Result<Tx, EncodeError> {
        self.encode_as(chain).map_err(|kind| EncodeError::new(Command::Tx, kind))
    }

    fn encode_as(&self, chain: Chain) -> Result<Tx, ErrorKind> {
        // The reference nodes test no limit here. A receiver would refuse the transaction, so
        // these are the limits of decoding (`docs/protocol.md`, 4.7).
        let serialization = self.serialization;
        let mut writer = Writer::default();
        writer.reserve(self.encoded_len());
        writer.bytes(&serialization.version_word(self.version));
        if serialization.has_prefix() {
            writer.count(self.inputs.len(), MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            for input in &self.inputs {
                writer.bytes(input.prefix_input().as_bytes());
            }
            writer.count(self.outputs.len(), MAX_TX_OUTPUTS, ErrorKind::TooManyTxs)?;
            for output in &self.outputs {
                output.write(&mut writer)?;
            }
            let locks = PrefixTail { lock_time: self.lock_time.into(), expiry: self.expiry.into() };
            writer.bytes(locks.as_bytes());
        }
        let prefix_end = writer.len();
        if serialization.has_witness() {
            writer.count(self.inputs.len(), MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            for input in &self.inputs {
                writer.bytes(input.witness_input().as_bytes());
                write_script(&mut writer, &input.signature_script)?;
            }
        }
        let outputs = if serialization.has_prefix() { self.outputs.len() } else { 0 };
        let layout = Layout {
            serialization,
            inputs: self.inputs.len() as u32,
            outputs: outputs as u32,
            prefix_end,
        };
        Ok(Tx { chain, raw: writer.into_bytes(), layout })
    }
}

impl Tx {
    /// Converts the transaction to its parts. Scripts are not copied.
    pub fn to_transaction(&self) -> Transaction {
        self.view().to_transaction_with(|script| self.raw.slice_ref(script))
    }
}

impl<'a> TxRef<'a> {
    /// Copies the parts of the transaction.
    pub fn to_transaction(&self) -> Transaction {
        self.to_transaction_with(Bytes::copy_from_slice)
    }

    /// Converts the view to parts with scripts from `retain`.
    fn to_transaction_with(self, retain: impl Fn(&'a [u8]) -> Bytes) -> Transaction {
        let input = |input: TxInRef<'a>| TxIn {
            previous_output: input.previous_output(),
            sequence: input.sequence(),
            value_in: input.value_in(),
            block_height: input.block_height(),
            block_index: input.block_index(),
            signature_script: retain(input.signature_script()),
        };
        let output = |output: TxOutRef<'a>| TxOut {
            value: output.value(),
            version: output.version(),
            pk_script: retain(output.pk_script()),
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
}

fn write_script(writer: &mut Writer, script: &[u8]) -> Result<(), ErrorKind> {
    at_most(script.len(), MAX_PAYLOAD, ErrorKind::VarBytesTooLong)?;
    writer.var_bytes(script);
    Ok(())
}

fn var_bytes_len(bytes: &[u8]) -> usize {
    varint_len(bytes.len() as u64) + bytes.len()
}

/// An input of a [`Transaction`].
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct TxIn {
    /// The spent output.
    pub previous_output: OutPoint,
    /// The sequence number.
    pub sequence: u32,
    /// The value of the spent output, in atoms.
    pub value_in: i64,
    /// The height of the block of the spent output.
    pub block_height: u32,
    /// The index in that block of the spent transaction.
    pub block_index: u32,
    /// The script that authorises the spending: at most [`MAX_PAYLOAD`] bytes.
    pub signature_script: Bytes,
}

impl TxIn {
    /// The sequence number without a meaning.
    pub const MAX_SEQUENCE: u32 = u32::MAX;
    /// The value of an unknown output.
    pub const NULL_VALUE_IN: i64 = -1;
    /// The height of an unknown block.
    pub const NULL_BLOCK_HEIGHT: u32 = 0;
    /// The index in an unknown block.
    pub const NULL_BLOCK_INDEX: u32 = u32::MAX;

    /// Creates an unsigned input that spends `previous_output`, with unknown value and block.
    pub const fn new(previous_output: OutPoint) -> Self {
        Self {
            previous_output,
            sequence: Self::MAX_SEQUENCE,
            value_in: Self::NULL_VALUE_IN,
            block_height: Self::NULL_BLOCK_HEIGHT,
            block_index: Self::NULL_BLOCK_INDEX,
            signature_script: Bytes::new(),
        }
    }

    fn prefix_input(&self) -> PrefixInput {
        PrefixInput { previous_output: self.previous_output, sequence: self.sequence.into() }
    }

    fn witness_input(&self) -> WitnessInput {
        WitnessInput {
            value_in: self.value_in.into(),
            block_height: self.block_height.into(),
            block_index: self.block_index.into(),
        }
    }

    fn witness_len(&self) -> usize {
        size_of::<WitnessInput>() + var_bytes_len(&self.signature_script)
    }
}

/// An output of a [`Transaction`].
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct TxOut {
    /// The value in atoms. All values are valid on the wire.
    pub value: i64,
    /// The version of the script.
    pub version: u16,
    /// The script with the conditions of spending: at most [`MAX_PAYLOAD`] bytes.
    pub pk_script: Bytes,
}

impl TxOut {
    pub(in crate::wire) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let OutputHead { value, version } = reader.record()?;
        let pk_script = reader.take_var_bytes(MAX_PAYLOAD, ErrorKind::VarBytesTooLong)?;
        Ok(Self { value: value.get(), version: version.get(), pk_script })
    }

    pub(in crate::wire) fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        let payment = OutputHead { value: self.value.into(), version: self.version.into() };
        writer.bytes(payment.as_bytes());
        write_script(writer, &self.pk_script)
    }

    fn encoded_len(&self) -> usize {
        size_of::<OutputHead>() + var_bytes_len(&self.pk_script)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::hash::Hash;
    use crate::wire::error::Excess;

    #[test]
    fn a_transaction_beyond_a_limit_is_not_encoded() {
        let refused = |transaction: Transaction| {
            transaction.encode(Chain::Decred).map(drop).map_err(|error| error.kind().clone())
        };
        let input = TxIn::new(OutPoint::new(Hash::ZERO, 0, OutPoint::REGULAR_TREE));
        let output = TxOut { value: 0, version: 0, pk_script: Bytes::new() };

        let inputs = vec![input.clone(); MAX_TX_INPUTS + 1];
        let excess = Excess { seen: 780_337, allowed: 780_336 };
        for serialization in
            [TxSerialization::Full, TxSerialization::NoWitness, TxSerialization::OnlyWitness]
        {
            let inputs = inputs.clone();
            assert_eq!(
                refused(Transaction { inputs, serialization, ..Transaction::default() }),
                Err(ErrorKind::TooManyTxs(excess))
            );
        }

        let outputs = vec![output.clone(); MAX_TX_OUTPUTS + 1];
        let excess = Excess { seen: 3_728_272, allowed: 3_728_271 };
        assert_eq!(
            refused(Transaction { outputs, ..Transaction::default() }),
            Err(ErrorKind::TooManyTxs(excess))
        );

        let script = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
        let excess = Excess { seen: 33_554_433, allowed: 33_554_432 };
        let inputs = vec![TxIn { signature_script: script.clone(), ..input }];
        assert_eq!(
            refused(Transaction { inputs, ..Transaction::default() }),
            Err(ErrorKind::VarBytesTooLong(excess))
        );
        let outputs = vec![TxOut { pk_script: script, ..output }];
        assert_eq!(
            refused(Transaction { outputs, ..Transaction::default() }),
            Err(ErrorKind::VarBytesTooLong(excess))
        );
    }
}
