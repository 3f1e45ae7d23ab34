//! The blocks and votes to mine on: `miningstate`.

use super::error::ErrorKind;
use super::limits::{MAX_STATE_BLOCKS, MAX_STATE_VOTES};
use super::list::List;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::hash::Hash;

/// `miningstate`: the blocks to mine on, and the votes on them.
///
/// `initstate` replaces it from protocol version 8. Decred's nodes ban a peer that sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MiningState {
    /// The version of the message. The reference nodes send 1, and no node interprets it.
    pub version: u32,
    /// The height of the blocks.
    pub height: u32,
    /// The blocks: at most [`MAX_STATE_BLOCKS`].
    pub block_hashes: List<Hash>,
    /// The votes: at most [`MAX_STATE_VOTES`].
    pub vote_hashes: List<Hash>,
}

impl Payload for MiningState {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            version: reader.u32()?,
            height: reader.u32()?,
            block_hashes: List::read(reader, MAX_STATE_BLOCKS, ErrorKind::TooManyBlocks)?,
            vote_hashes: List::read(reader, MAX_STATE_VOTES, ErrorKind::TooManyVotes)?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.bytes(&self.version.to_le_bytes());
        writer.bytes(&self.height.to_le_bytes());
        self.block_hashes.write(writer, MAX_STATE_BLOCKS, ErrorKind::TooManyBlocks)?;
        self.vote_hashes.write(writer, MAX_STATE_VOTES, ErrorKind::TooManyVotes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::Excess;
    use crate::wire::message::Message;
    use crate::wire::testing::{encoded, hashes, round_trip};

    fn state(blocks: usize, votes: usize) -> Message {
        let (block_hashes, vote_hashes) = (hashes(blocks), hashes(votes));
        MiningState { version: 1, height: u32::MAX, block_hashes, vote_hashes }.into()
    }

    #[test]
    fn the_largest_state_round_trips() {
        assert_eq!(round_trip(state(8, 40)).len(), 1_546);
    }

    #[test]
    fn a_state_beyond_a_limit_is_not_encoded() {
        let blocks = ErrorKind::TooManyBlocks(Excess { seen: 9, allowed: 8 });
        let votes = ErrorKind::TooManyVotes(Excess { seen: 41, allowed: 40 });
        assert_eq!(encoded(state(9, 41)), Err(blocks));
        assert_eq!(encoded(state(8, 41)), Err(votes));
    }
}
