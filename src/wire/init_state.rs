//! The initial state of a starting node: `getinitstate` and `initstate`.

use super::error::ErrorKind;
use super::limits::{
    MAX_STATE_BLOCKS, MAX_STATE_TSPENDS, MAX_STATE_TYPE_LEN, MAX_STATE_TYPES, MAX_STATE_VOTES,
};
use super::list::List;
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::var_list::VarList;
use super::writer::Writer;
use crate::hash::Hash;

/// `getinitstate`: requests types of the initial state. Both chains from protocol version 8.
///
/// The reference nodes answer one request per connection. Decred's nodes ban a peer that sends
/// another.
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
    /// The types: at most [`MAX_STATE_TYPES`], each of at most [`MAX_STATE_TYPE_LEN`] bytes of
    /// printable ASCII. The reference nodes ignore unknown types.
    pub types: VarList<str>,
}

impl GetInitState {
    /// The blocks to mine on.
    pub const HEAD_BLOCKS: &'static str = "headblocks";
    /// The votes on these blocks.
    pub const HEAD_BLOCK_VOTES: &'static str = "headblockvotes";
    /// The treasury spends in the memory pool.
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
        // `MsgGetInitState.BtcEncode` of the reference nodes returns another error than
        // `BtcDecode` (`docs/protocol.md`, 4.10).
        self.types.write(writer, MAX_STATE_TYPE_LEN, ErrorKind::InitStateTypeTooLong)
    }
}

/// `initstate`: answers a `getinitstate`. Both chains from protocol version 8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct InitState {
    /// The blocks to mine on: at most [`MAX_STATE_BLOCKS`].
    pub block_hashes: List<Hash>,
    /// The votes on these blocks: at most [`MAX_STATE_VOTES`].
    pub vote_hashes: List<Hash>,
    /// The treasury spends in the memory pool: at most [`MAX_STATE_TSPENDS`].
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::Excess;
    use crate::wire::message::Message;
    use crate::wire::testing::{DECRED, encoded, hashes, round_trip};

    fn state(blocks: usize, votes: usize, tspends: usize) -> Message {
        let (block_hashes, vote_hashes) = (hashes(blocks), hashes(votes));
        InitState { block_hashes, vote_hashes, tspend_hashes: hashes(tspends) }.into()
    }

    fn request<'a>(types: impl IntoIterator<Item = &'a str>) -> Message {
        Message::GetInitState(GetInitState { types: types.into_iter().collect() })
    }

    #[test]
    fn messages_at_their_limits_round_trip() {
        assert_eq!(round_trip(state(8, 40, 7)).len(), 1_763);
        let name = "~".repeat(32);
        assert_eq!(round_trip(request([&name[..]; 32])).len(), 1_057);
        assert_eq!(round_trip(request(["", GetInitState::TSPENDS, "unknown"])).len(), 18);
    }

    #[test]
    fn a_state_beyond_a_limit_is_not_encoded() {
        let blocks = ErrorKind::TooManyBlocks(Excess { seen: 9, allowed: 8 });
        let votes = ErrorKind::TooManyVotes(Excess { seen: 41, allowed: 40 });
        let tspends = ErrorKind::TooManyTSpends(Excess { seen: 8, allowed: 7 });
        assert_eq!(encoded(state(9, 41, 8)), Err(blocks));
        assert_eq!(encoded(state(8, 41, 8)), Err(votes));
        assert_eq!(encoded(state(8, 40, 8)), Err(tspends));
    }

    #[test]
    fn types_are_checked_in_order() {
        let long = "x".repeat(33);
        let too_many = ErrorKind::TooManyInitStateTypes(Excess { seen: 33, allowed: 32 });
        let too_long = ErrorKind::InitStateTypeTooLong(Excess { seen: 33, allowed: 32 });
        let malformed = ErrorKind::MalformedStrictString { byte: 0xc3, at: 1 };
        assert_eq!(encoded(request([&long[..]; 33])), Err(too_many));
        assert_eq!(encoded(request(["ok", &long, "nö"])), Err(too_long));
        assert_eq!(encoded(request(["ok", "nö", &long])), Err(malformed));
    }

    /// Decoding returns another error than encoding.
    #[test]
    fn too_long_a_type_is_refused_on_receipt() {
        let mut payload = alloc::vec![b'x'; 35];
        payload[..2].copy_from_slice(&[1, 33]);
        let read = GetInitState::decode(&mut Reader::borrowed(&payload), DECRED);
        let too_long = Excess { seen: 33, allowed: 32 };
        assert_eq!(read, Err(ErrorKind::VarStringTooLong(too_long)));
    }
}
