//! The offer to mix: `mixpairreq`.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::wire::codec::{Reader, Writer, check_strict, strict_string};
use crate::wire::debug::{Items, ShortHex, ShortText, debug_fields};
use crate::wire::error::{ErrorKind, Invalid, at_most};
use crate::wire::tx::{OutPoint, TxOut};

/// Most bytes of the script class in a `mixpairreq`.
pub const MAX_MIX_SCRIPT_CLASS: usize = 32;

/// Most unspent outputs in a `mixpairreq`.
pub const MAX_MIX_UTXOS: usize = 512;

/// Most bytes of the script of an unspent output in a `mixpairreq`.
pub const MAX_MIX_SCRIPT: usize = 16_384;

/// Most bytes of the public key of an unspent output in a `mixpairreq`.
pub const MAX_MIX_PUB_KEY: usize = 33;

/// Most bytes of the signature of an unspent output in a `mixpairreq`.
pub const MAX_MIX_SIGNATURE: usize = 64;

/// Bytes of an unspent output whose script, public key and signature are empty.
const SHORTEST_UTXO: usize = size_of::<OutPoint>() + 3 + 1;

/// `mixpairreq`: offers to mix, and tells what the sender puts in.
///
/// The limit of its payload is three bytes short of the largest message that keeps all
/// the other limits, as it is in Decred's nodes.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixPairReq {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The height of the block with which the offer expires.
    pub expiry: u32,
    /// The amount of each mixed output, in atoms: not negative.
    pub mix_amount: i64,
    /// What scripts the mixed outputs have: at most [`MAX_MIX_SCRIPT_CLASS`] bytes of
    /// printable ASCII.
    pub script_class: String,
    /// The version of the transaction.
    pub tx_version: u16,
    /// The lock time of the transaction.
    pub lock_time: u32,
    /// How many mixed outputs the sender wants.
    pub message_count: u32,
    /// The sum of the amounts that the sender puts in, in atoms: not negative.
    pub input_value: i64,
    /// The unspent outputs that the sender puts in: at most [`MAX_MIX_UTXOS`].
    pub utxos: Vec<MixUtxo>,
    /// The output for what is left over, if the sender wants one.
    pub change: Option<TxOut>,
    /// Flags of this offer.
    pub flags: u8,
    /// Flags in which the offers that are mixed together agree.
    pub pairing_flags: u8,
}

/// An unspent output in a `mixpairreq`, with the proof that its sender may spend it.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixUtxo {
    /// Which output it is.
    pub out_point: OutPoint,
    /// The script whose hash is paid to, where one is: at most [`MAX_MIX_SCRIPT`] bytes.
    pub script: Bytes,
    /// The public key: at most [`MAX_MIX_PUB_KEY`] bytes.
    pub pub_key: Bytes,
    /// The signature of that key: at most [`MAX_MIX_SIGNATURE`] bytes.
    pub signature: Bytes,
    /// The opcode that marks an output of the stake tree, or 0.
    pub opcode: u8,
}

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
    /// The description of the transaction offered: offers with the same one can be mixed
    /// together.
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
        check_amount(mix_amount)?;
        let script_class = reader.var_bytes(MAX_MIX_SCRIPT_CLASS, ErrorKind::VarStringTooLong)?;
        let script_class = strict_string(script_class)?;
        let tx_version = reader.u16()?;
        let lock_time = reader.u32()?;
        let message_count = reader.u32()?;
        let input_value = reader.i64()?;
        check_amount(input_value)?;
        let count = reader.count(MAX_MIX_UTXOS, ErrorKind::TooManyMixPairReqUTXOs)?;
        let mut utxos = Vec::with_capacity(count.min(reader.remaining() / SHORTEST_UTXO));
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

    /// Writes what is signed: all fields but the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        let script_class = self.script_class.as_bytes();
        let too_long = ErrorKind::MixPairReqScriptClassTooLong;
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
    use crate::wire::message::{Command, Message};
    use crate::wire::mix::sealed::MixMessage as _;
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
    fn offers_of_all_sizes_come_back() {
        let short = round_trip(offer());
        assert_eq!(short.len(), 64 + 33 + 4 + 8 + 6 + 2 + 4 + 4 + 8 + 1 + SHORTEST_UTXO + 3);
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
    fn the_largest_offer_is_three_bytes_too_large() {
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
    fn offers_beyond_a_limit_are_not_sent() {
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
    fn offers_are_paired_by_what_they_want_to_make() {
        let expected = b"\x0c\0\0\0\0\0\0\0\x05P2PKH\x0d\0\x0e\0\0\0\x12";
        assert_eq!(offer().pairing(), expected);
        let other = MixPairReq { identity: [0; 33], input_value: 1, flags: 0, ..offer() };
        assert_eq!(other.pairing(), expected);
    }
}
