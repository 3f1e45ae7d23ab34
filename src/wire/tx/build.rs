//! New transactions.

use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::IntoBytes;

use super::{
    Layout, Locks, MAX_TX_INPUTS, MAX_TX_OUTPUTS, Origin, OutPoint, Payment, Spend, Tx,
    TxSerialization, VERSION_LEN,
};
use crate::network::Chain;
use crate::wire::codec::{Reader, Writer, varint_len};
use crate::wire::debug::{Items, ShortHex, debug_fields};
use crate::wire::error::{EncodeError, ErrorKind, at_most};
use crate::wire::frame::MAX_PAYLOAD;
use crate::wire::message::Command;

/// A transaction in its parts, to be built or changed.
///
/// [`encode`](Self::encode) makes the [`Tx`] of it. What its
/// [`serialization`](Self::serialization) leaves out is not encoded.
#[must_use = "a transaction in its parts does nothing unless it is encoded"]
#[derive(Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Transaction {
    /// The version of the transaction.
    pub version: u16,
    /// Which halves are encoded.
    pub serialization: TxSerialization,
    /// At most [`MAX_TX_INPUTS`].
    pub inputs: Vec<TxIn>,
    /// At most [`MAX_TX_OUTPUTS`].
    pub outputs: Vec<TxOut>,
    /// The first block height, or the first time, that the transaction is valid at.
    pub lock_time: u32,
    /// The block height from which on the transaction is no longer valid; 0 for none.
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
    /// Bytes of the transaction once encoded.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let inputs = varint_len(self.inputs.len() as u64);
        let mut len = VERSION_LEN;
        if self.serialization.has_prefix() {
            len += inputs + self.inputs.len() * size_of::<Spend>();
            len += varint_len(self.outputs.len() as u64);
            len += self.outputs.iter().map(TxOut::encoded_len).sum::<usize>();
            len += size_of::<Locks>();
        }
        if self.serialization.has_witness() {
            len += inputs;
            len += self.inputs.iter().map(TxIn::witness_len).sum::<usize>();
        }
        len
    }

    /// The transaction as bytes of `chain`.
    ///
    /// # Errors
    ///
    /// Those that decoding would give: [`TooManyTxs`](ErrorKind::TooManyTxs) for too many
    /// inputs or outputs, [`VarBytesTooLong`](ErrorKind::VarBytesTooLong) for a script of
    /// more than [`MAX_PAYLOAD`] bytes. How large a `tx` may be is tested when it is sent.
    pub fn encode(&self, chain: Chain) -> Result<Tx, EncodeError> {
        self.encode_as(chain).map_err(|kind| EncodeError::new(Command::Tx, kind))
    }

    fn encode_as(&self, chain: Chain) -> Result<Tx, ErrorKind> {
        let serialization = self.serialization;
        let mut writer = Writer::default();
        writer.reserve(self.encoded_len());
        writer.bytes(&serialization.version_word(self.version));
        if serialization.has_prefix() {
            writer.count(self.inputs.len(), MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            for input in &self.inputs {
                writer.bytes(input.spend().as_bytes());
            }
            writer.count(self.outputs.len(), MAX_TX_OUTPUTS, ErrorKind::TooManyTxs)?;
            for output in &self.outputs {
                output.write(&mut writer)?;
            }
            let locks = Locks { lock_time: self.lock_time.into(), expiry: self.expiry.into() };
            writer.bytes(locks.as_bytes());
        }
        let prefix_end = writer.len();
        if serialization.has_witness() {
            writer.count(self.inputs.len(), MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            for input in &self.inputs {
                writer.bytes(input.origin().as_bytes());
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
    /// The output that is spent.
    pub previous_output: OutPoint,
    /// The sequence number.
    pub sequence: u32,
    /// The value of the output that is spent, in atoms.
    pub value_in: i64,
    /// The height of the block that the output is in.
    pub block_height: u32,
    /// Where in that block the output's transaction is.
    pub block_index: u32,
    /// The script that allows the output to be spent: at most [`MAX_PAYLOAD`] bytes.
    pub signature_script: Bytes,
}

impl TxIn {
    /// The sequence number that asks for nothing.
    pub const MAX_SEQUENCE: u32 = u32::MAX;
    /// The value of an output that is not told.
    pub const NULL_VALUE_IN: i64 = -1;
    /// The height of a block that is not told.
    pub const NULL_BLOCK_HEIGHT: u32 = 0;
    /// The place in a block that is not told.
    pub const NULL_BLOCK_INDEX: u32 = u32::MAX;

    /// An input that spends `previous_output`, not signed, and which tells nothing of it.
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

    fn spend(&self) -> Spend {
        Spend { previous_output: self.previous_output, sequence: self.sequence.into() }
    }

    fn origin(&self) -> Origin {
        Origin {
            value_in: self.value_in.into(),
            block_height: self.block_height.into(),
            block_index: self.block_index.into(),
        }
    }

    fn witness_len(&self) -> usize {
        size_of::<Origin>() + var_bytes_len(&self.signature_script)
    }
}

/// An output of a [`Transaction`].
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct TxOut {
    /// The value paid, in atoms. The wire takes any.
    pub value: i64,
    /// The version of the script.
    pub version: u16,
    /// The script that says who may spend it: at most [`MAX_PAYLOAD`] bytes.
    pub pk_script: Bytes,
}

impl TxOut {
    pub(in crate::wire) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let Payment { value, version } = reader.record()?;
        let pk_script = reader.take_var_bytes(MAX_PAYLOAD, ErrorKind::VarBytesTooLong)?;
        Ok(Self { value: value.get(), version: version.get(), pk_script })
    }

    pub(in crate::wire) fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        let payment = Payment { value: self.value.into(), version: self.version.into() };
        writer.bytes(payment.as_bytes());
        write_script(writer, &self.pk_script)
    }

    fn encoded_len(&self) -> usize {
        size_of::<Payment>() + var_bytes_len(&self.pk_script)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::hash::Hash;
    use crate::wire::error::Excess;

    #[test]
    fn nothing_is_built_that_could_not_be_read() {
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
