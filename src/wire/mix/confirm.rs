//! The transaction of a mix: `mixconfirm`.

use super::fields::{read_seen, write_head, write_seen};
use super::signed::mix_message;
use crate::hash::Hash;
use crate::network::Chain;
use crate::wire::error::ErrorKind;
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::list::List;
use crate::wire::protocol::check_chain;
use crate::wire::reader::Reader;
use crate::wire::tx::Tx;
use crate::wire::writer::Writer;

/// `mixconfirm`: the transaction of a mix, with the signed inputs of the sender.
///
/// The maximum payload allows a transaction of 1,000,000 bytes, as in Decred's nodes. A `tx` may
/// be larger.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixConfirm {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The transaction.
    pub mix: Tx,
    /// The hashes of the `mixdcnet` messages of the run: at most
    /// [`MAX_MIX_PEERS`](crate::wire::MAX_MIX_PEERS).
    pub seen_dc_nets: List<Hash>,
}

mix_message!(MixConfirm);

debug_fields! {
    MixConfirm {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        mix,
        seen_dc_nets,
    }
}

impl MixConfirm {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        Ok(Self {
            signature: reader.array()?,
            identity: reader.array()?,
            session_id: reader.array()?,
            run: reader.u32()?,
            mix: Tx::read(reader, Chain::Decred)?,
            seen_dc_nets: read_seen(reader)?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        check_chain(self.mix.chain(), Chain::Decred)?;
        write_head(&self.identity, &self.session_id, self.run, writer);
        writer.bytes(self.mix.raw());
        write_seen(&self.seen_dc_nets, writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Command;
    use crate::wire::message::Message;
    use crate::wire::mix::testing::*;

    /// A transaction of version 1 without inputs and outputs.
    const TX: [u8; 15] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn confirm(seen: usize) -> MixConfirm {
        MixConfirm {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            mix: Tx::read(&mut Reader::borrowed(&TX), Chain::Decred).unwrap(),
            seen_dc_nets: hashes(seen),
        }
    }

    #[test]
    fn transactions_round_trip() {
        let payload = round_trip(confirm(0));
        assert_eq!(payload, [&head()[..], &TX, &[0]].concat());
        assert_eq!(decoded(Command::MixConfirm, &payload), Ok(Message::from(confirm(0))));
        round_trip(confirm(512));
        assert_eq!(encoded(confirm(513)), Err(ONE_TOO_MANY_SEEN));
    }
}
