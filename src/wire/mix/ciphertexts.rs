//! Ciphertexts of shared secrets: `mixcphrtxt`.

use super::fields::write_head;
use super::records::Ciphertext;
use super::signed::mix_message;
use crate::hash::Hash;
use crate::wire::error::{ErrorKind, Invalid};
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::limits::MAX_MIX_PEERS;
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// `mixcphrtxt`: a shared secret for each peer of a mix, encrypted with that peer's public key.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixCphrTxt {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The ciphertexts: at most [`MAX_MIX_PEERS`], and one for each key exchange seen.
    pub ciphertexts: List<Ciphertext>,
    /// The hashes of the `mixkeyxchg` messages of the run.
    pub seen_key_exchanges: List<Hash>,
}

mix_message!(MixCphrTxt);

debug_fields! {
    MixCphrTxt {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        ciphertexts,
        seen_key_exchanges,
    }
}

impl MixCphrTxt {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let signature = reader.array()?;
        let identity = reader.array()?;
        let session_id = reader.array()?;
        let run = reader.u32()?;
        // One count for both lists.
        let count = reader.count(MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)?;
        let ciphertexts = List::read_records(reader, count)?;
        let seen_key_exchanges = List::read_records(reader, count)?;
        Ok(Self { signature, identity, session_id, run, ciphertexts, seen_key_exchanges })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        let (ciphertexts, seen) = (self.ciphertexts.len(), self.seen_key_exchanges.len());
        if ciphertexts != seen {
            return Err(ErrorKind::InvalidMsg(Invalid::UnequalLists { ciphertexts, seen }));
        }
        write_head(&self.identity, &self.session_id, self.run, writer);
        self.ciphertexts.write(writer, MAX_MIX_PEERS, ErrorKind::TooManyPrevMixMsgs)?;
        writer.shared(self.seen_key_exchanges.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Command;
    use crate::wire::mix::records::CIPHERTEXT_LEN;
    use crate::wire::mix::testing::*;

    fn shared(ciphertexts: usize, seen: usize) -> MixCphrTxt {
        MixCphrTxt {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            ciphertexts: (0..ciphertexts).map(|n| [n as u8; CIPHERTEXT_LEN].into()).collect(),
            seen_key_exchanges: hashes(seen),
        }
    }

    #[test]
    fn ciphertexts_round_trip() {
        round_trip(shared(0, 0));
        let max = round_trip(shared(MAX_MIX_PEERS, MAX_MIX_PEERS));
        assert_eq!(max.len(), max_payload(Command::MixCphrTxt));
    }

    #[test]
    fn each_key_exchange_has_a_ciphertext() {
        for (ciphertexts, seen) in [(1, 2), (514, 513)] {
            let unequal = ErrorKind::InvalidMsg(Invalid::UnequalLists { ciphertexts, seen });
            assert_eq!(encoded(shared(ciphertexts, seen)), Err(unequal));
        }
        assert_eq!(encoded(shared(513, 513)), Err(ONE_TOO_MANY_SEEN));
    }
}
