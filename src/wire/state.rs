//! What mining builds on, and what a starting node needs: `miningstate`, `getinitstate`
//! and `initstate`.

use alloc::boxed::Box;

use super::codec::{Payload, Protocol, Reader, Writer};
use super::error::ErrorKind;
use super::list::List;
use super::var_list::VarList;
use crate::hash::Hash;

/// Most blocks in a `miningstate` or `initstate`.
pub const MAX_STATE_BLOCKS: usize = 8;

/// Most votes in a `miningstate` or `initstate`.
pub const MAX_STATE_VOTES: usize = 40;

/// Most treasury spends in an `initstate`.
pub const MAX_STATE_TSPENDS: usize = 7;

/// Most types of state in a `getinitstate`.
pub const MAX_STATE_TYPES: usize = 32;

/// Most bytes of the name of a type of state.
pub const MAX_STATE_TYPE_LEN: usize = 32;

/// `miningstate`: the blocks that can be mined on, and the votes on them. From protocol
/// version 8 on `initstate` takes its place, and Decred's node bans who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct MiningState {
    /// The version of the message: the reference nodes send 1, and nobody interprets it.
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

/// `getinitstate`: asks for some types of the state that a starting node needs. Both
/// chains from protocol version 8 on. The reference nodes answer one such request of a
/// connection; Decred's bans who sends another.
///
/// ```
/// use excc_peer::wire::GetInitState;
///
/// let types = [GetInitState::HEAD_BLOCKS, GetInitState::HEAD_BLOCK_VOTES];
/// let request = GetInitState { types: types.into_iter().collect() };
/// assert_eq!(request.types.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has this field and no more")]
pub struct GetInitState {
    /// The names of the types: at most [`MAX_STATE_TYPES`], each of at most
    /// [`MAX_STATE_TYPE_LEN`] bytes of printable ASCII. The reference nodes pass over
    /// names that they do not know.
    pub types: VarList<str>,
}

impl GetInitState {
    /// The blocks that can be mined on.
    pub const HEAD_BLOCKS: &'static str = "headblocks";
    /// The votes on those blocks.
    pub const HEAD_BLOCK_VOTES: &'static str = "headblockvotes";
    /// The treasury spends that wait for a block.
    pub const TSPENDS: &'static str = "tspends";
}

impl Payload for GetInitState {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        let count = reader.count(MAX_STATE_TYPES, ErrorKind::TooManyInitStateTypes)?;
        let types = VarList::read(reader, count, MAX_STATE_TYPE_LEN, ErrorKind::VarStringTooLong)?;
        Ok(Self { types })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        writer.count(self.types.len(), MAX_STATE_TYPES, ErrorKind::TooManyInitStateTypes)?;
        self.types.write(writer, MAX_STATE_TYPE_LEN, ErrorKind::InitStateTypeTooLong)
    }
}

/// `initstate`: the state that a `getinitstate` asked for. Both chains from protocol
/// version 8 on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct InitState {
    /// The blocks that can be mined on: at most [`MAX_STATE_BLOCKS`].
    pub block_hashes: List<Hash>,
    /// The votes on those blocks: at most [`MAX_STATE_VOTES`].
    pub vote_hashes: List<Hash>,
    /// The treasury spends that wait for a block: at most [`MAX_STATE_TSPENDS`].
    pub tspend_hashes: List<Hash>,
}

impl Payload for InitState {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        Ok(Self {
            block_hashes: List::read(reader, MAX_STATE_BLOCKS, ErrorKind::TooManyBlocks)?,
            vote_hashes: List::read(reader, MAX_STATE_VOTES, ErrorKind::TooManyVotes)?,
            tspend_hashes: List::read(reader, MAX_STATE_TSPENDS, ErrorKind::TooManyTSpends)?,
        })
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.block_hashes.write(writer, MAX_STATE_BLOCKS, ErrorKind::TooManyBlocks)?;
        self.vote_hashes.write(writer, MAX_STATE_VOTES, ErrorKind::TooManyVotes)?;
        self.tspend_hashes.write(writer, MAX_STATE_TSPENDS, ErrorKind::TooManyTSpends)
    }
}

impl From<InitState> for super::message::Message {
    fn from(state: InitState) -> Self {
        Self::InitState(Box::new(state))
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Excess;
    use super::super::message::{
        Message,
        tests::{encoded, round_trip},
    };
    use super::*;

    fn hashes(count: usize) -> List<Hash> {
        (0..count).map(|n| Hash::from_bytes([n as u8; 32])).collect()
    }

    fn mining_state(blocks: usize, votes: usize) -> Message {
        Message::MiningState(MiningState {
            version: 1,
            height: u32::MAX,
            block_hashes: hashes(blocks),
            vote_hashes: hashes(votes),
        })
    }

    fn init_state(blocks: usize, votes: usize, tspends: usize) -> Message {
        let (block_hashes, vote_hashes) = (hashes(blocks), hashes(votes));
        InitState { block_hashes, vote_hashes, tspend_hashes: hashes(tspends) }.into()
    }

    fn request<'a>(types: impl IntoIterator<Item = &'a str>) -> Message {
        Message::GetInitState(GetInitState { types: types.into_iter().collect() })
    }

    #[test]
    fn states_come_back_at_their_limits() {
        assert_eq!(round_trip(mining_state(8, 40)).len(), 1_546);
        assert_eq!(round_trip(init_state(8, 40, 7)).len(), 1_763);
        let name = "~".repeat(32);
        assert_eq!(round_trip(request([&name[..]; 32])).len(), 1_057);
        assert_eq!(round_trip(request(["", GetInitState::TSPENDS, "unknown"])).len(), 18);
    }

    #[test]
    fn states_beyond_their_limits_are_not_encoded() {
        let blocks = ErrorKind::TooManyBlocks(Excess { seen: 9, allowed: 8 });
        let votes = ErrorKind::TooManyVotes(Excess { seen: 41, allowed: 40 });
        let tspends = ErrorKind::TooManyTSpends(Excess { seen: 8, allowed: 7 });
        assert_eq!(encoded(mining_state(9, 41)), Err(blocks.clone()));
        assert_eq!(encoded(mining_state(8, 41)), Err(votes.clone()));
        assert_eq!(encoded(init_state(9, 41, 8)), Err(blocks));
        assert_eq!(encoded(init_state(8, 41, 8)), Err(votes));
        assert_eq!(encoded(init_state(8, 40, 8)), Err(tspends));
    }

    #[test]
    fn types_of_state_are_judged_in_order() {
        let long = "x".repeat(33);
        let too_many = ErrorKind::TooManyInitStateTypes(Excess { seen: 33, allowed: 32 });
        let too_long = ErrorKind::InitStateTypeTooLong(Excess { seen: 33, allowed: 32 });
        let malformed = ErrorKind::MalformedStrictString { byte: 0xc3, at: 1 };
        assert_eq!(encoded(request([&long[..]; 33])), Err(too_many));
        assert_eq!(encoded(request(["ok", &long, "nö"])), Err(too_long));
        assert_eq!(encoded(request(["ok", "nö", &long])), Err(malformed));
    }

    /// The error of a type that is too long is not the one that encoding has for it.
    #[test]
    fn a_type_that_is_too_long_is_refused_when_read() {
        let mut payload = alloc::vec![b'x'; 35];
        payload[..2].copy_from_slice(&[1, 33]);
        let protocol = Protocol::new(crate::network::Chain::Decred, 12);
        let read = GetInitState::decode(&mut Reader::borrowed(&payload), protocol);
        let too_long = Excess { seen: 33, allowed: 32 };
        assert_eq!(read, Err(ErrorKind::VarStringTooLong(too_long)));
    }
}
