//! Public keys for a mix: `mixkeyxchg`.

use super::fields::{read_seen, write_seen};
use super::signed::mix_message;
use crate::hash::Hash;
use crate::wire::error::ErrorKind;
use crate::wire::format::{ShortHex, debug_fields};
use crate::wire::list::List;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// Length of the post-quantum public key in a `mixkeyxchg`, in bytes.
pub const PQ_KEY_LEN: usize = 1_218;

/// `mixkeyxchg`: the sender's public keys for one run of a mix.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MixKeyXchg {
    /// The signature of the sender.
    pub signature: [u8; 64],
    /// The public key of the sender.
    pub identity: [u8; 33],
    /// The identifier of the session.
    pub session_id: [u8; 32],
    /// The start of the session, in Unix seconds.
    pub epoch: u64,
    /// The run of the session, from 0.
    pub run: u32,
    /// The position of the sender among the peers of the session.
    pub position: u32,
    /// A public key for a Diffie-Hellman exchange over secp256k1.
    pub ecdh: [u8; 33],
    /// A public key for Streamlined NTRU Prime 4591^761, with which peers encrypt their
    /// `mixcphrtxt`.
    pub pqpk: [u8; PQ_KEY_LEN],
    /// The [commitment](super::MixSecrets::commitment) to the secrets of the run.
    pub commitment: Hash,
    /// The hashes of the `mixpairreq` messages of the session: at most
    /// [`MAX_MIX_PEERS`](crate::wire::MAX_MIX_PEERS).
    pub seen_pair_requests: List<Hash>,
}

mix_message!(MixKeyXchg);

debug_fields! {
    MixKeyXchg {
        signature: ShortHex(signature),
        identity: ShortHex(identity),
        session_id: ShortHex(session_id),
        epoch,
        run,
        position,
        ecdh: ShortHex(ecdh),
        pqpk: ShortHex(pqpk),
        commitment,
        seen_pair_requests,
    }
}

impl MixKeyXchg {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        Ok(Self {
            signature: reader.array()?,
            identity: reader.array()?,
            session_id: reader.array()?,
            epoch: reader.u64()?,
            run: reader.u32()?,
            position: reader.u32()?,
            ecdh: reader.array()?,
            pqpk: reader.array()?,
            commitment: reader.record()?,
            seen_pair_requests: read_seen(reader)?,
        })
    }

    /// Writes all fields except the signature.
    pub(super) fn write_signed(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        writer.bytes(&self.identity);
        writer.bytes(&self.session_id);
        writer.bytes(&self.epoch.to_le_bytes());
        writer.bytes(&self.run.to_le_bytes());
        writer.bytes(&self.position.to_le_bytes());
        writer.bytes(&self.ecdh);
        writer.bytes(&self.pqpk);
        writer.bytes(self.commitment.as_ref());
        write_seen(&self.seen_pair_requests, writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Command;
    use crate::wire::mix::testing::*;

    fn keys(seen: usize) -> MixKeyXchg {
        MixKeyXchg {
            signature: SIGNATURE,
            identity: IDENTITY,
            session_id: SESSION_ID,
            epoch: 5,
            run: RUN,
            position: 6,
            ecdh: [7; 33],
            pqpk: [8; PQ_KEY_LEN],
            commitment: Hash::from_bytes([9; 32]),
            seen_pair_requests: hashes(seen),
        }
    }

    #[test]
    fn keys_round_trip() {
        round_trip(keys(0));
        assert_eq!(round_trip(keys(512)).len(), max_payload(Command::MixKeyXchg));
        assert_eq!(encoded(keys(513)), Err(ONE_TOO_MANY_SEEN));
    }
}
