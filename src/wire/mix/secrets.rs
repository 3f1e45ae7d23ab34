//! The secrets of a failed mix: `mixsecrets`.

use super::fields::{read_seen, too_many_values, value_too_long, write_head, write_seen};
use super::records::DcNetMessage;
use super::signed::{MixMessage, mix_message};
use crate::hash::Hash;
use crate::wire::error::{EncodeError, ErrorKind, at_most};
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::limits::{MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_VALUE};
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::var_list::VarList;
use crate::wire::writer::Writer;

/// `mixsecrets`: reveals the sender's secrets of a failed run, so that the peers can identify who
/// disrupted it.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixSecrets {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The seed of the sender's keys in the run.
    pub seed: [u8; 32],
    /// The sender's messages in the slot reservation: at most [`MAX_MIX_MESSAGES`], each of at
    /// most [`MAX_MIX_VALUE`] bytes.
    pub slot_reserve_msgs: VarList<[u8]>,
    /// The sender's messages in the DC-net: at most [`MAX_MIX_MESSAGES`].
    pub dc_net_msgs: List<DcNetMessage>,
    /// The hashes of the `mixsecrets` messages of other peers: at most [`MAX_MIX_PEERS`].
    pub seen_secrets: List<Hash>,
}

mix_message!(MixSecrets);

debug_fields! {
    MixSecrets {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        seed: ShortHex(seed),
        slot_reserve_msgs,
        dc_net_msgs,
        seen_secrets,
    }
}

impl MixSecrets {
    /// Returns the commitment to these secrets, which the sender's `mixkeyxchg` contains. It is
    /// the hash of the message with a zero signature and no messages seen.
    ///
    /// # Errors
    ///
    /// Returns the errors of encoding the message, except
    /// [`PayloadTooLarge`](crate::wire::ErrorKind::PayloadTooLarge).
    pub fn commitment(&self) -> Result<Hash, EncodeError> {
        let unsigned = Self { signature: [0; 64], seen_secrets: List::new(), ..self.clone() };
        unsigned.message_hash()
    }
}

impl MixSecrets {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let signature = reader.array()?;
        let identity = reader.array()?;
        let session_id = reader.array()?;
        let run = reader.u32()?;
        let seed = reader.array()?;
        let count = reader.count(MAX_MIX_MESSAGES, too_many_values)?;
        let too_long = ErrorKind::VarBytesTooLong;
        Ok(Self {
            signature,
            identity,
            session_id,
            run,
            seed,
            slot_reserve_msgs: VarList::read(reader, count, MAX_MIX_VALUE, too_long)?,
            dc_net_msgs: read_dc_net(reader)?,
            seen_secrets: read_seen(reader)?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        // `MsgMixSecrets.BtcEncode` of dcrd tests this first. It does not test the slot
        // reservation, whose limits receivers enforce (`docs/protocol.md`, 14).
        at_most(self.seen_secrets.len(), MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)?;
        write_head(&self.identity, &self.session_id, self.run, writer);
        writer.bytes(&self.seed);
        writer.count(self.slot_reserve_msgs.len(), MAX_MIX_MESSAGES, too_many_values)?;
        self.slot_reserve_msgs.write(writer, MAX_MIX_VALUE, value_too_long)?;
        writer.count(self.dc_net_msgs.len(), MAX_MIX_MESSAGES, too_many_values)?;
        if !self.dc_net_msgs.is_empty() {
            DcNetMessage::write_size(writer);
            writer.shared(self.dc_net_msgs.as_bytes());
        }
        write_seen(&self.seen_secrets, writer)
    }
}

/// Reads a count, and the size and the messages unless the count is 0.
fn read_dc_net(reader: &mut Reader<'_>) -> Result<List<DcNetMessage>, ErrorKind> {
    let count = reader.varint()?;
    if count == 0 {
        return Ok(List::new());
    }
    // `readMixVect` of dcrd's wire package reads both numbers before it tests one.
    let size = reader.varint()?;
    at_most(count, MAX_MIX_MESSAGES, too_many_values)?;
    DcNetMessage::check_size(size)?;
    List::read_records(reader, count as usize)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::command::Command;
    use crate::wire::mix::records::MIXED_MESSAGE_LEN;
    use crate::wire::mix::signed::digest;
    use crate::wire::mix::testing::*;

    fn secrets(slots: usize, len: usize, messages: usize, seen: usize) -> MixSecrets {
        MixSecrets {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            seed: [5; 32],
            slot_reserve_msgs: (0..slots).map(|n| vec![n as u8; len]).collect(),
            dc_net_msgs: (0..messages).map(|n| [n as u8; MIXED_MESSAGE_LEN].into()).collect(),
            seen_secrets: hashes(seen),
        }
    }

    #[test]
    fn secrets_round_trip() {
        let min = round_trip(secrets(0, 0, 0, 0));
        assert_eq!(min[head().len() + 32..], [0, 0, 0]);
        round_trip(secrets(3, 0, 1, 2));
        let max = round_trip(secrets(1_024, 32, 1_024, 512));
        assert_eq!(max.len(), max_payload(Command::MixSecrets));
    }

    #[test]
    fn secrets_beyond_a_limit_are_neither_encoded_nor_hashed() {
        for (message, error) in [
            (secrets(1_025, 0, 0, 0), too_many_values(excess(1_025, 1_024))),
            (secrets(1, 33, 0, 0), value_too_long(excess(33, 32))),
            (secrets(0, 0, 1_025, 0), too_many_values(excess(1_025, 1_024))),
            (secrets(1_025, 33, 1_025, 513), ONE_TOO_MANY_SEEN),
        ] {
            assert_eq!(message.message_hash().unwrap_err().kind(), &error);
            assert_eq!(encoded(message), Err(error));
        }
    }

    #[test]
    fn a_commitment_excludes_the_signature_and_the_messages_seen() {
        let fields = [&head()[64..], &[5; 32], &[1, 2, 0, 0, 1, 20], &[0; 20]].concat();
        let expected = digest(&[&[0; 64], &fields, &[0]]);
        assert_eq!(secrets(1, 2, 1, 3).commitment(), Ok(expected));
        let other = MixSecrets { signature: [9; 64], ..secrets(1, 2, 1, 513) };
        assert_eq!(other.commitment(), Ok(expected));
    }
}
