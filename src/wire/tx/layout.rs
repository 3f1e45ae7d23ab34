//! The layout of an encoded transaction (`docs/protocol.md`, 4.7).

use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::outpoint::OutPoint;
use crate::wire::error::ErrorKind;
use crate::wire::limits::{MAX_PAYLOAD, MAX_TX_INPUTS, MAX_TX_OUTPUTS};
use crate::wire::reader::Cursor;

/// Length in bytes of the version word at the start of a transaction.
pub(super) const VERSION_LEN: usize = 4;

/// The encoded halves of a transaction: the number in the upper half of its version word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "the wire has these three and refuses others")]
pub enum TxSerialization {
    /// 0: prefix and witness.
    #[default]
    Full,
    /// 1: only the prefix, with inputs and outputs.
    NoWitness,
    /// 2: only the witness, with the signature scripts.
    OnlyWitness,
}

impl TxSerialization {
    /// Returns the number on the wire.
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

    pub(super) const fn has_prefix(self) -> bool {
        !matches!(self, Self::OnlyWitness)
    }

    pub(super) const fn has_witness(self) -> bool {
        !matches!(self, Self::NoWitness)
    }

    /// Encodes the version and the serialisation type.
    pub(super) const fn version_word(self, version: u16) -> [u8; VERSION_LEN] {
        let [low, high] = version.to_le_bytes();
        let [kind, _] = self.number().to_le_bytes();
        [low, high, kind, 0]
    }
}

/// An input in the prefix.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PrefixInput {
    pub(super) previous_output: OutPoint,
    pub(super) sequence: U32,
}

/// An input in the witness, before its script.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct WitnessInput {
    pub(super) value_in: I64,
    pub(super) block_height: U32,
    pub(super) block_index: U32,
}

/// An output, before its script.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct OutputHead {
    pub(super) value: I64,
    pub(super) version: U16,
}

/// The last fields of the prefix.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PrefixTail {
    pub(super) lock_time: U32,
    pub(super) expiry: U32,
}

/// The positions of the parts of an encoded transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) serialization: TxSerialization,
    pub(super) inputs: u32,
    pub(super) outputs: u32,
    /// Offset of the end of the prefix, or of the version word without a prefix.
    pub(super) prefix_end: usize,
}

impl Layout {
    /// Validates and skips a transaction.
    pub(super) fn scan(reader: &mut Cursor<'_>) -> Result<Self, ErrorKind> {
        let start = reader.fork();
        let [_, _, low, high] = reader.array()?;
        let serialization = TxSerialization::from_number(u16::from_le_bytes([low, high]))?;

        let (mut inputs, mut outputs) = (0, 0);
        if serialization.has_prefix() {
            inputs = reader.count(MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            reader.skip(inputs.saturating_mul(size_of::<PrefixInput>()))?;
            outputs = reader.count(MAX_TX_OUTPUTS, ErrorKind::TooManyTxs)?;
            for _ in 0..outputs {
                skip_with_script::<OutputHead>(reader)?;
            }
            reader.skip(size_of::<PrefixTail>())?;
        }
        let prefix_end = start.distance(reader);
        if serialization.has_witness() {
            if serialization.has_prefix() {
                // `MsgTx.decodeWitness` of the reference nodes tests this before the limit, which
                // the count of the prefix passed.
                let (prefix, witness) = (inputs as u64, reader.varint()?);
                if witness != prefix {
                    return Err(ErrorKind::MismatchedWitnessCount { prefix, witness });
                }
            } else {
                inputs = reader.count(MAX_TX_INPUTS, ErrorKind::TooManyTxs)?;
            }
            for _ in 0..inputs {
                skip_with_script::<WitnessInput>(reader)?;
            }
        }
        // The counts are within their limits, so 32 bits suffice.
        Ok(Self { serialization, inputs: inputs as u32, outputs: outputs as u32, prefix_end })
    }
}

/// Skips a record `T` and a script.
fn skip_with_script<T>(reader: &mut Cursor<'_>) -> Result<(), ErrorKind> {
    reader.skip_with_var_bytes(size_of::<T>(), MAX_PAYLOAD, ErrorKind::VarBytesTooLong)
}

/// Reads a script. `readScript` of the reference nodes has this limit, which exceeds the maximum
/// payload of a `tx`.
pub(super) fn script<'a>(reader: &mut Cursor<'a>) -> Result<&'a [u8], ErrorKind> {
    reader.var_bytes(MAX_PAYLOAD, ErrorKind::VarBytesTooLong)
}
