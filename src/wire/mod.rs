//! The wire: bytes to values and back. Knows nothing of peers.
//!
//! - [`Decoder`] takes [`Message`]s from a stream of bytes; [`EncodedMessage`] is a
//!   message as bytes.
//! - [`Command`] names every message of both chains, [`Message`] holds one.
//! - [`List`] is a run of records that is read where it lies, [`VarList`] one of byte strings.
//! - [`Tx`] and [`Block`] lend views of what is in them, and are built from a
//!   [`Transaction`] and from [`BlockParts`].
//! - [`MixMessage`] is what Decred's messages of a mix have in common.
//! - [`DecodeError`] and [`EncodeError`] say what was wrong, [`ErrorKind`] in detail.

mod addr;
mod addr_v2;
mod block;
mod codec;
mod debug;
mod error;
mod filter;
mod frame;
mod header;
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
    CommandField, Decoder, EncodedMessage, Frame, FrameHeader, HEADER_LEN, MAX_PAYLOAD,
    TrailingBytes,
};
pub use header::{BlockHeader, BlockHeaderRef, Headers, MAX_HEADERS, SOLUTION_LEN};
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
