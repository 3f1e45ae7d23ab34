//! The offer to mix: `mixpairreq`.

use super::signed::mix_message;
use crate::wire::ascii::{check_strict, strict_string};
use crate::wire::limits::{
    MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT, MAX_MIX_SCRIPT_CLASS, MAX_MIX_SIGNATURE, MAX_MIX_UTXOS,
};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::wire::error::{ErrorKind, Invalid, at_most};
use crate::wire::format::{Items, ShortHex, ShortText, debug_fields};
use crate::wire::tx::{OutPoint, TxOut};

/// Length in bytes of an unspent output with empty script, public key and signature.
const MIN_UTXO_LEN: usize = size_of::<OutPoint>() + 3 + 1;

/// `mixpairreq`: offers to mix, and lists the sender's inputs.
///
/// The maximum payload is that of Decred's nodes. The largest message within all other limits
/// exceeds it by three bytes.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixPairReq {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The block height at which the offer expires.
    pub expiry: u32,
    /// The amount of each mixed output, in atoms. Not negative.
    pub mix_amount: i64,
    /// The class of the scripts of the mixed outputs: at most [`MAX_MIX_SCRIPT_CLASS`] bytes of
    /// printable ASCII.
    pub script_class: String,
    /// The version of the transaction.
    pub tx_version: u16,
    /// The lock time of the transaction.
    pub lock_time: u32,
    /// Number of mixed outputs of the sender.
    pub message_count: u32,
    /// The sum of the sender's inputs, in atoms. Not negative.
    pub input_value: i64,
    /// The sender's inputs: at most [`MAX_MIX_UTXOS`] unspent outputs.
    pub utxos: Vec<MixUtxo>,
    /// The change output of the sender, if any.
    pub change: Option<TxOut>,
    /// Flags of the offer.
    pub flags: u8,
    /// Flags that are equal in all offers of a mix.
    pub pairing_flags: u8,
}

/// An unspent output in a `mixpairreq`, with a proof of ownership.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixUtxo {
    /// The reference to the output.
    pub out_point: OutPoint,
    /// The redeem script of a pay-to-script-hash output, or nothing: at most [`MAX_MIX_SCRIPT`]
    /// bytes.
    pub script: Bytes,
    /// The public key: at most [`MAX_MIX_PUB_KEY`] bytes.
    pub pub_key: Bytes,
    /// The signature of that key: at most [`MAX_MIX_SIGNATURE`] bytes.
    pub signature: Bytes,
    /// The opcode of an output in the stake tree, or 0.
    pub opcode: u8,
}

mix_message!(MixPairReq);

debug_fields! {
    MixPairReq {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        expiry,
        mix_amount,
        script_class: ShortText::new(script_class, MAX_MIX_SCRIPT_CLASS),
        tx_version,
        lock_time,
        message_count,
        input_value,
        utxos: Items(utxos),
        change,
        flags,
        pairing_flags,
    }

    MixUtxo {
        out_point,
        script: ShortHex(script),
        pub_key: ShortHex(pub_key),
        signature: ShortHex(signature),
        opcode,
    }
}

impl MixPairReq {
    /// Returns the description of the offered transaction. Offers with equal descriptions can be
    /// mixed together.
    #[must_use]
    pub fn pairing(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(&self.mix_amount.to_le_bytes());
        writer.string(&self.script_class);
        writer.bytes(&self.tx_version.to_le_bytes());
        writer.bytes(&self.lock_time.to_le_bytes());
        writer.bytes(&[self.pairing_flags]);
        writer.into_bytes().into()
    }
}

fn check_amount(amount: i64) -> Result<(), ErrorKind> {
    if amount < 0 {
        return Err(ErrorKind::InvalidMsg(Invalid::NegativeAmount(amount)));
    }
    Ok(())
}

impl MixPairReq {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let signature = reader.array()?;
        let identity = reader.array()?;
        let expiry = reader.u32()?;
        let mix_amount = reader.i64()?;
        // `MsgMixPairReq.BtcDecode` of dcrd tests each amount before it reads the next field.
        check_amount(mix_amount)?;
        let script_class = reader.var_bytes(MAX_MIX_SCRIPT_CLASS, ErrorKind::VarStringTooLong)?;
        let script_class = strict_string(script_class)?;
        let tx_version = reader.u16()?;
        let lock_time = reader.u32()?;
        let message_count = reader.u32()?;
        let input_value = reader.i64()?;
        check_amount(input_value)?;
        let count = reader.count(MAX_MIX_UTXOS, ErrorKind::TooManyMixPairReqUTXOs)?;
        let mut utxos = Vec::with_capacity(count.min(reader.remaining() / MIN_UTXO_LEN));
        for _ in 0..count {
            utxos.push(MixUtxo::read(reader)?);
        }
        let change = match reader.u8()? {
            0 => None,
            1 => Some(TxOut::read(reader)?),
            flag => return Err(ErrorKind::InvalidMsg(Invalid::ChangeFlag(flag))),
        };
        Ok(Self {
            signature,
            identity,
            expiry,
            mix_amount,
            script_class,
            tx_version,
            lock_time,
            message_count,
            input_value,
            utxos,
            change,
            flags: reader.u8()?,
            pairing_flags: reader.u8()?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        let script_class = self.script_class.as_bytes();
        let too_long = ErrorKind::MixPairReqScriptClassTooLong;
        // dcrd encodes negative amounts, but receivers refuse them (`docs/protocol.md`, 14).
        check_amount(self.mix_amount)?;
        at_most(script_class.len(), MAX_MIX_SCRIPT_CLASS, too_long)?;
        check_strict(script_class)?;
        check_amount(self.input_value)?;
        writer.bytes(&self.identity);
        writer.bytes(&self.expiry.to_le_bytes());
        writer.bytes(&self.mix_amount.to_le_bytes());
        writer.string(&self.script_class);
        writer.bytes(&self.tx_version.to_le_bytes());
        writer.bytes(&self.lock_time.to_le_bytes());
        writer.bytes(&self.message_count.to_le_bytes());
        writer.bytes(&self.input_value.to_le_bytes());
        writer.count(self.utxos.len(), MAX_MIX_UTXOS, ErrorKind::TooManyMixPairReqUTXOs)?;
        self.utxos.iter().try_for_each(|utxo| utxo.write(writer))?;
        writer.bytes(&[self.change.is_some().into()]);
        if let Some(change) = &self.change {
            change.write(writer)?;
        }
        writer.bytes(&[self.flags, self.pairing_flags]);
        Ok(())
    }
}

impl MixUtxo {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let too_long = ErrorKind::VarBytesTooLong;
        Ok(Self {
            out_point: reader.record()?,
            script: reader.take_var_bytes(MAX_MIX_SCRIPT, too_long)?,
            pub_key: reader.take_var_bytes(MAX_MIX_PUB_KEY, too_long)?,
            signature: reader.take_var_bytes(MAX_MIX_SIGNATURE, too_long)?,
            opcode: reader.u8()?,
        })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        writer.bytes(self.out_point.as_bytes());
        for (bytes, limit) in [
            (&self.script, MAX_MIX_SCRIPT),
            (&self.pub_key, MAX_MIX_PUB_KEY),
            (&self.signature, MAX_MIX_SIGNATURE),
        ] {
            at_most(bytes.len(), limit, ErrorKind::VarBytesTooLong)?;
            writer.var_bytes(bytes);
        }
        writer.bytes(&[self.opcode]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::hash::Hash;
    use crate::wire::command::Command;
    use crate::wire::message::Message;
    use crate::wire::mix::signed::sealed::MixMessage as _;
    use crate::wire::mix::testing::*;

    fn utxo(script: usize, pub_key: usize, signature: usize) -> MixUtxo {
        MixUtxo {
            out_point: OutPoint::new(Hash::from_bytes([5; 32]), 6, -1),
            script: vec![7; script].into(),
            pub_key: vec![8; pub_key].into(),
            signature: vec![9; signature].into(),
            opcode: 10,
        }
    }

    fn offer() -> MixPairReq {
        MixPairReq {
            signature: SIGNATURE,
            identity: IDENTITY,
            expiry: 11,
            mix_amount: 0x0c,
            script_class: "P2PKH".into(),
            tx_version: 0x0d,
            lock_time: 0x0e,
            message_count: 15,
            input_value: 16,
            utxos: vec![utxo(0, 0, 0)],
            change: None,
            flags: 17,
            pairing_flags: 18,
        }
    }

    #[test]
    fn offers_of_all_sizes_round_trip() {
        let short = round_trip(offer());
        assert_eq!(short.len(), 64 + 33 + 4 + 8 + 6 + 2 + 4 + 4 + 8 + 1 + MIN_UTXO_LEN + 3);
        round_trip(MixPairReq { mix_amount: i64::MAX, input_value: 0, ..offer() });
        let change = TxOut { value: -1, version: 2, pk_script: vec![3; 300].into() };
        round_trip(MixPairReq {
            script_class: "~".repeat(MAX_MIX_SCRIPT_CLASS),
            utxos: vec![utxo(MAX_MIX_SCRIPT, MAX_MIX_PUB_KEY, MAX_MIX_SIGNATURE); 3],
            change: Some(change),
            ..offer()
        });
        round_trip(MixPairReq { utxos: vec![utxo(0, 1, 2); MAX_MIX_UTXOS], ..offer() });
    }

    #[test]
    fn the_largest_offer_exceeds_the_maximum_payload_by_three_bytes() {
        let largest = MixPairReq {
            script_class: " ".repeat(MAX_MIX_SCRIPT_CLASS),
            utxos: vec![utxo(MAX_MIX_SCRIPT, MAX_MIX_PUB_KEY, MAX_MIX_SIGNATURE); MAX_MIX_UTXOS],
            change: Some(TxOut { value: 1, version: 0, pk_script: vec![0; 16_384].into() }),
            ..offer()
        };
        let len = max_payload(Command::MixPairReq) as u64;
        let too_large = ErrorKind::PayloadTooLarge(excess(len + 3, len));
        assert_eq!(encoded(largest.clone()), Err(too_large));

        let payload = [&SIGNATURE[..], &largest.signed_fields().unwrap()].concat();
        let largest = Message::from(largest);
        assert!(decoded(Command::MixPairReq, &payload).is_ok_and(|message| message == largest));
    }

    #[test]
    fn offers_beyond_a_limit_are_not_encoded() {
        let negative = |amount| ErrorKind::InvalidMsg(Invalid::NegativeAmount(amount));
        let long = |seen, allowed| ErrorKind::VarBytesTooLong(excess(seen, allowed));
        for (offer, error) in [
            (MixPairReq { mix_amount: -1, ..offer() }, negative(-1)),
            (MixPairReq { input_value: i64::MIN, ..offer() }, negative(i64::MIN)),
            (
                MixPairReq { script_class: "\n".repeat(33), ..offer() },
                ErrorKind::MixPairReqScriptClassTooLong(excess(33, 32)),
            ),
            (
                MixPairReq { script_class: "P2\x7f".into(), ..offer() },
                ErrorKind::MalformedStrictString { byte: 0x7f, at: 2 },
            ),
            (
                MixPairReq { utxos: vec![utxo(0, 0, 0); 513], ..offer() },
                ErrorKind::TooManyMixPairReqUTXOs(excess(513, 512)),
            ),
            (MixPairReq { utxos: vec![utxo(16_385, 0, 0)], ..offer() }, long(16_385, 16_384)),
            (MixPairReq { utxos: vec![utxo(0, 34, 0)], ..offer() }, long(34, 33)),
            (MixPairReq { utxos: vec![utxo(0, 0, 65)], ..offer() }, long(65, 64)),
        ] {
            assert_eq!(offer.signed_fields().unwrap_err().kind(), &error);
            assert_eq!(encoded(offer), Err(error));
        }
    }

    #[test]
    fn offers_are_paired_by_the_offered_transaction() {
        let expected = b"\x0c\0\0\0\0\0\0\0\x05P2PKH\x0d\0\x0e\0\0\0\x12";
        assert_eq!(offer().pairing(), expected);
        let other = MixPairReq { identity: [0; 33], input_value: 1, flags: 0, ..offer() };
        assert_eq!(other.pairing(), expected);
    }
}
