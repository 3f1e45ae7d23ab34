//! The wire protocol: decoding and encoding of messages, independent of peers.
//!
//! - [`Decoder`] decodes [`Message`]s from a stream of bytes. [`EncodedMessage`] is an encoded
//!   message.
//! - [`Command`] is the name of a message, and [`Message`] its content. A command has a [maximum
//!   payload](Command::max_payload).
//! - [`List`] is a list of fixed-size records, and [`VarList`] one of byte strings. Both read
//!   their items in place.
//! - [`Tx`] and [`Block`] have views of their fields. They are encoded from a [`Transaction`] and
//!   from [`BlockParts`].
//! - [`MixMessage`] is implemented by Decred's mixing messages.
//! - [`DecodeError`] and [`EncodeError`] have an [`ErrorKind`].

mod addr;
mod addr_v2;
mod ascii;
mod block;
mod block_header;
mod cfilter;
mod cfilter_v2;
mod command;
mod decoder;
mod encoded_message;
mod error;
mod fee_filter;
mod format;
mod frame;
mod headers;
mod init_state;
mod input_buffer;
mod inv;
mod limits;
mod list;
mod locator;
mod message;
mod mining_state;
mod mix;
mod payload;
mod ping;
mod protocol;
mod reader;
mod reject;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(test)]
mod testing;
mod trailing_bytes;
mod tx;
mod var_list;
mod varint;
mod version;
mod writer;

pub use addr::{NetAddress, PeerAddress, Services};
pub use addr_v2::{HostAddress, NetAddressV2};
pub use block::{Block, BlockParts, Transactions};
pub use block_header::{BlockHeader, BlockHeaderRef, SOLUTION_LEN};
pub use cfilter::{CFHeaders, CFTypes, CFilter, FilterType, GetCFHeaders, GetCFilter};
pub use cfilter_v2::{CFilterV2, CFiltersV2, GetCFilterV2, GetCFsV2};
pub use command::{Command, CommandField};
pub use decoder::{Decoder, Frame, IncompleteFrame};
pub use encoded_message::EncodedMessage;
pub use error::{DecodeError, EncodeError, ErrorKind, Excess, Invalid};
pub use fee_filter::FeeFilter;
pub use frame::{FrameHeader, HEADER_LEN};
pub use headers::Headers;
pub use init_state::{GetInitState, InitState};
pub use input_buffer::InputBuffer;
pub use inv::{InvType, InvVect};
pub(crate) use limits::MAX_TIMESTAMP;
pub use limits::{
    MAX_ADDRS, MAX_FILTER_HEADERS, MAX_FILTER_LEN, MAX_FILTER_TYPES, MAX_FILTERS, MAX_HEADERS,
    MAX_LOCATOR, MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT,
    MAX_MIX_SCRIPT_CLASS, MAX_MIX_SIGNATURE, MAX_MIX_UTXOS, MAX_MIX_VALUE, MAX_PAYLOAD,
    MAX_PROOF_HASHES, MAX_STATE_BLOCKS, MAX_STATE_TSPENDS, MAX_STATE_TYPE_LEN, MAX_STATE_TYPES,
    MAX_STATE_VOTES, MAX_TX_INPUTS, MAX_TX_OUTPUTS, MAX_USER_AGENT, MAX_VECTORS, max_txs_per_tree,
};
pub use list::{List, Record};
pub use locator::LocatorRequest;
pub use message::Message;
pub use mining_state::MiningState;
pub use mix::{
    CIPHERTEXT_LEN, Ciphertext, DcNetMatrix, DcNetMessage, MIXED_MESSAGE_LEN, MixConfirm,
    MixCphrTxt, MixDCNet, MixFactPoly, MixKeyXchg, MixMessage, MixPairReq, MixSecrets, MixSlotRes,
    MixUtxo, PQ_KEY_LEN, SlotMatrix,
};
pub use ping::{Ping, Pong};
pub use protocol::Protocol;
pub use reject::{Reject, RejectCode};
#[cfg(feature = "serde")]
pub(crate) use serialize::Text;
pub use trailing_bytes::TrailingBytes;
pub use tx::{
    Inputs, OutPoint, Outputs, Transaction, Tx, TxIn, TxInRef, TxOut, TxOutRef, TxRef,
    TxSerialization,
};
pub use var_list::{VarItem, VarIter, VarList};
pub use version::Version;
pub(crate) use version::check_user_agent;

// Messages are sent to the tasks and threads that process them.
const _: () = {
    const fn assert_send_sync<T: Send + Sync + ?Sized>() {}

    assert_send_sync::<NetAddress>();
    assert_send_sync::<PeerAddress>();
    assert_send_sync::<Services>();
    assert_send_sync::<HostAddress>();
    assert_send_sync::<NetAddressV2>();
    assert_send_sync::<Block>();
    assert_send_sync::<BlockParts>();
    assert_send_sync::<Transactions<'_>>();
    assert_send_sync::<Protocol>();
    assert_send_sync::<DecodeError>();
    assert_send_sync::<EncodeError>();
    assert_send_sync::<ErrorKind>();
    assert_send_sync::<Excess>();
    assert_send_sync::<Invalid>();
    assert_send_sync::<CFHeaders>();
    assert_send_sync::<CFTypes>();
    assert_send_sync::<CFilter>();
    assert_send_sync::<CFilterV2>();
    assert_send_sync::<CFiltersV2>();
    assert_send_sync::<FilterType>();
    assert_send_sync::<GetCFHeaders>();
    assert_send_sync::<GetCFilter>();
    assert_send_sync::<GetCFilterV2>();
    assert_send_sync::<GetCFsV2>();
    assert_send_sync::<CommandField>();
    assert_send_sync::<Decoder>();
    assert_send_sync::<EncodedMessage>();
    assert_send_sync::<Frame>();
    assert_send_sync::<FrameHeader>();
    assert_send_sync::<TrailingBytes>();
    assert_send_sync::<BlockHeader>();
    assert_send_sync::<BlockHeaderRef<'_>>();
    assert_send_sync::<Headers>();
    assert_send_sync::<FeeFilter>();
    assert_send_sync::<InvType>();
    assert_send_sync::<InvVect>();
    assert_send_sync::<List<crate::Hash>>();
    assert_send_sync::<LocatorRequest>();
    assert_send_sync::<Command>();
    assert_send_sync::<Message>();
    assert_send_sync::<Ciphertext>();
    assert_send_sync::<DcNetMatrix>();
    assert_send_sync::<DcNetMessage>();
    assert_send_sync::<MixConfirm>();
    assert_send_sync::<MixCphrTxt>();
    assert_send_sync::<MixDCNet>();
    assert_send_sync::<MixFactPoly>();
    assert_send_sync::<MixKeyXchg>();
    assert_send_sync::<MixPairReq>();
    assert_send_sync::<MixSecrets>();
    assert_send_sync::<MixSlotRes>();
    assert_send_sync::<MixUtxo>();
    assert_send_sync::<SlotMatrix>();
    assert_send_sync::<Ping>();
    assert_send_sync::<Pong>();
    assert_send_sync::<Reject>();
    assert_send_sync::<RejectCode>();
    assert_send_sync::<GetInitState>();
    assert_send_sync::<InitState>();
    assert_send_sync::<MiningState>();
    assert_send_sync::<Inputs<'_>>();
    assert_send_sync::<OutPoint>();
    assert_send_sync::<Outputs<'_>>();
    assert_send_sync::<Transaction>();
    assert_send_sync::<Tx>();
    assert_send_sync::<TxIn>();
    assert_send_sync::<TxInRef<'_>>();
    assert_send_sync::<TxOut>();
    assert_send_sync::<TxOutRef<'_>>();
    assert_send_sync::<TxRef<'_>>();
    assert_send_sync::<TxSerialization>();
    assert_send_sync::<VarIter<'_, [u8]>>();
    assert_send_sync::<VarList<str>>();
    assert_send_sync::<Version>();
    assert_send_sync::<dyn MixMessage>();
};
