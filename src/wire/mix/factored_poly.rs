//! The solution of the slot reservation of a mix: `mixfactpoly`.

use super::fields::{read_seen, too_many_values, value_too_long, write_head, write_seen};
use super::signed::mix_message;
use crate::hash::Hash;
use crate::wire::error::ErrorKind;
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::limits::{MAX_MIX_MESSAGES, MAX_MIX_VALUE};
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::var_list::VarList;
use crate::wire::writer::Writer;

/// `mixfactpoly`: the roots of the polynomial of the slot reservation.
///
/// The maximum payload omits the length of each root, as in Decred's nodes. So the largest
/// message that is within all other limits cannot be sent.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixFactPoly {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The run of the session, from 0.
    pub run: u32,
    /// The roots: at most [`MAX_MIX_MESSAGES`], each of at most [`MAX_MIX_VALUE`] bytes.
    pub roots: VarList<[u8]>,
    /// The hashes of the `mixslotres` messages of the run: at most
    /// [`MAX_MIX_PEERS`](crate::wire::MAX_MIX_PEERS).
    pub seen_slot_reserves: List<Hash>,
}

mix_message!(MixFactPoly);

debug_fields! {
    MixFactPoly {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        run,
        roots,
        seen_slot_reserves,
    }
}

impl MixFactPoly {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let signature = reader.array()?;
        let identity = reader.array()?;
        let session_id = reader.array()?;
        let run = reader.u32()?;
        let count = reader.count(MAX_MIX_MESSAGES, too_many_values)?;
        let roots = VarList::read(reader, count, MAX_MIX_VALUE, ErrorKind::VarBytesTooLong)?;
        let seen_slot_reserves = read_seen(reader)?;
        Ok(Self { signature, identity, session_id, run, roots, seen_slot_reserves })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        write_head(&self.identity, &self.session_id, self.run, writer);
        writer.count(self.roots.len(), MAX_MIX_MESSAGES, too_many_values)?;
        self.roots.write(writer, MAX_MIX_VALUE, value_too_long)?;
        write_seen(&self.seen_slot_reserves, writer)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::command::Command;
    use crate::wire::message::Message;
    use crate::wire::mix::signed::sealed::MixMessage as _;
    use crate::wire::mix::testing::*;

    fn poly(roots: usize, len: usize, seen: usize) -> MixFactPoly {
        MixFactPoly {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            run: RUN,
            roots: (0..roots).map(|n| vec![n as u8; len]).collect(),
            seen_slot_reserves: hashes(seen),
        }
    }

    #[test]
    fn roots_round_trip() {
        round_trip(poly(0, 0, 0));
        round_trip(poly(1_024, 32, 480));
        round_trip(poly(1_024, 31, 512));
    }

    #[test]
    fn the_largest_message_exceeds_the_maximum_payload() {
        let largest = poly(1_024, 32, 512);
        let too_large = ErrorKind::PayloadTooLarge(excess(50_315, 49_291));
        assert_eq!(encoded(largest.clone()), Err(too_large));

        let payload = [&SIGNATURE[..], &largest.signed_fields().unwrap()].concat();
        let received = decoded(Command::MixFactPoly, &payload);
        assert_eq!(received, Ok(Message::from(largest)));
    }

    #[test]
    fn roots_beyond_a_limit_are_not_encoded() {
        for (message, error) in [
            (poly(1_025, 0, 0), too_many_values(excess(1_025, 1_024))),
            (poly(1, 33, 0), value_too_long(excess(33, 32))),
            (poly(0, 0, 513), ONE_TOO_MANY_SEEN),
        ] {
            assert_eq!(encoded(message), Err(error));
        }
    }
}
