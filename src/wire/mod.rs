//! The wire protocol: decoding and encoding of messages, independent of peers.
//!
//! - [`Decoder`] decodes [`Message`]s from a stream of bytes. [`EncodedMessage`] is an
//!   encoded message.
//! - [`Command`] names every message of both chains. [`Message`] holds one message.
//! - [`List`] is a list of fixed-size records, [`VarList`] one of byte strings. Both are
//!   read in place.
//! - [`Tx`] and [`Block`] lend views of their fields. They are encoded from a
//!   [`Transaction`] and from [`BlockParts`].
//! - [`MixMessage`] is implemented by Decred's mixing messages.
//! - [`DecodeError`] and [`EncodeError`] have an [`ErrorKind`].

mod addr;
mod addr_v2;
mod block;
mod codec;
mod debug;
mod error;
mod filter;
mod frame;
mod header;
mod input;
mod inv;
mod list;
mod locator;
mod message;
mod mix;
mod ping;
mod reject;
#[cfg(feature = "serde")]
mod serialize;
mod state;
mod tx;
mod var_list;
mod version;

pub use addr::{MAX_ADDRS, NetAddress, PeerAddress, Services};
pub use addr_v2::{HostAddress, NetAddressV2};
pub use block::{Block, BlockParts, Transactions, max_txs_per_tree};
pub use codec::Protocol;
pub use error::{DecodeError, EncodeError, ErrorKind, Excess, Invalid};
pub use filter::{
    CFHeaders, CFTypes, CFilter, CFilterV2, CFiltersV2, FilterType, GetCFHeaders, GetCFilter,
    GetCFilterV2, GetCFsV2, MAX_FILTER_HEADERS, MAX_FILTER_LEN, MAX_FILTER_TYPES, MAX_FILTERS,
    MAX_PROOF_HASHES,
};
pub use frame::{
    CommandField, CutFrame, Decoder, EncodedMessage, Frame, FrameHeader, HEADER_LEN, MAX_PAYLOAD,
    TrailingBytes,
};
pub use header::{BlockHeader, BlockHeaderRef, Headers, MAX_HEADERS, SOLUTION_LEN};
pub use input::InputBuffer;
pub use inv::{FeeFilter, InvType, InvVect, MAX_VECTORS};
pub use list::{List, Record};
pub use locator::{LocatorRequest, MAX_LOCATOR};
pub use message::{Command, Message};
pub use mix::{
    CIPHERTEXT_LEN, Ciphertext, DcNetMatrix, DcNetMessage, MAX_MIX_MESSAGES, MAX_MIX_PEERS,
    MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT, MAX_MIX_SCRIPT_CLASS, MAX_MIX_SIGNATURE, MAX_MIX_UTXOS,
    MAX_MIX_VALUE, MIXED_MESSAGE_LEN, MixConfirm, MixCphrTxt, MixDCNet, MixFactPoly, MixKeyXchg,
    MixMessage, MixPairReq, MixSecrets, MixSlotRes, MixUtxo, PQ_KEY_LEN, SlotMatrix,
};
pub use ping::{Ping, Pong};
pub use reject::{Reject, RejectCode};
#[cfg(feature = "serde")]
pub(crate) use serialize::Text;
pub use state::{
    GetInitState, InitState, MAX_STATE_BLOCKS, MAX_STATE_TSPENDS, MAX_STATE_TYPE_LEN,
    MAX_STATE_TYPES, MAX_STATE_VOTES, MiningState,
};
pub use tx::{
    Inputs, MAX_TX_INPUTS, MAX_TX_OUTPUTS, OutPoint, Outputs, Transaction, Tx, TxIn, TxInRef,
    TxOut, TxOutRef, TxRef, TxSerialization,
};
pub use var_list::{VarItem, VarIter, VarList};
pub(crate) use version::{LAST_SECOND, check_user_agent};
pub use version::{MAX_USER_AGENT, Version};

// Messages are moved to the tasks and threads that handle them.
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
