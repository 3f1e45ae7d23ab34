//! The secrets of a failed mix: `mixsecrets`.

use super::{
    DcNetMessage, MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_VALUE, MixMessage, read_seen,
    too_many_values, value_too_long, write_head, write_seen,
};
use crate::hash::Hash;
use crate::wire::codec::{Reader, Writer};
use crate::wire::debug::{ShortHex, debug_fields};
use crate::wire::error::{EncodeError, ErrorKind, at_most};
use crate::wire::list::List;
use crate::wire::var_list::VarList;

/// `mixsecrets`: what the sender kept secret in a run that failed, so that it can be told
/// who made it fail.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixSecrets {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The session that the message is of.
    pub session_id: [u8; 32],
    /// The run of the session, counted from 0.
    pub run: u32,
    /// The seed that the sender's keys in the run were made from.
    pub seed: [u8; 32],
    /// The sender's messages in the slot reservation: at most [`MAX_MIX_MESSAGES`], of at
    /// most [`MAX_MIX_VALUE`] bytes each.
    pub slot_reserve_msgs: VarList<[u8]>,
    /// The sender's messages in the DC-net: at most [`MAX_MIX_MESSAGES`].
    pub dc_net_msgs: List<DcNetMessage>,
    /// The hashes of the `mixsecrets`s of other peers: at most [`MAX_MIX_PEERS`].
    pub seen_secrets: List<Hash>,
}

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
    /// The commitment to these secrets, which the sender's `mixkeyxchg` has told before:
    /// the hash of the message without signature and without other peers' secrets.
    ///
    /// # Errors
    ///
    /// What is wrong with the message, as when it is encoded.
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

    /// Writes what is signed: all fields but the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        // Decred's nodes complain of this first.
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

/// Reads a count, the size of a message unless there are none, and the messages.
fn read_dc_net(reader: &mut Reader<'_>) -> Result<List<DcNetMessage>, ErrorKind> {
    let count = reader.varint()?;
    if count == 0 {
        return Ok(List::new());
    }
    let size = reader.varint()?;
    at_most(count, MAX_MIX_MESSAGES, too_many_values)?;
    DcNetMessage::check_size(size)?;
    List::read_records(reader, count as usize)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::message::Command;
    use crate::wire::mix::testing::*;
    use crate::wire::mix::{MIXED_MESSAGE_LEN, digest};

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
    fn secrets_come_back() {
        let fewest = round_trip(secrets(0, 0, 0, 0));
        assert_eq!(fewest[head().len() + 32..], [0, 0, 0]);
        round_trip(secrets(3, 0, 1, 2));
        let most = round_trip(secrets(1_024, 32, 1_024, 512));
        assert_eq!(most.len(), max_payload(Command::MixSecrets));
    }

    #[test]
    fn secrets_beyond_a_limit_are_neither_sent_nor_hashed() {
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
    fn a_commitment_is_to_the_secrets_of_the_sender_alone() {
        let fields = [&head()[64..], &[5; 32], &[1, 2, 0, 0, 1, 20], &[0; 20]].concat();
        let expected = digest(&[&[0; 64], &fields, &[0]]);
        assert_eq!(secrets(1, 2, 1, 3).commitment(), Ok(expected));
        let other = MixSecrets { signature: [9; 64], ..secrets(1, 2, 1, 513) };
        assert_eq!(other.commitment(), Ok(expected));
    }
}
