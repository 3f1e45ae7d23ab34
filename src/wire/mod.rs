//! The wire: bytes to values and back. Knows nothing of peers.
//!
//! - [`Decoder`] takes [`Message`]s from a stream of bytes; [`EncodedMessage`] is a
//!   message as bytes.
//! - [`Command`] names every message of both chains, [`Message`] holds one.
//! - [`List`] is a run of records that is read where it lies.
//! - [`DecodeError`] and [`EncodeError`] say what was wrong, [`ErrorKind`] in detail.

mod addr;
mod codec;
mod error;
mod frame;
mod header;
mod inv;
mod list;
mod locator;
mod message;
mod ping;
mod reject;
mod version;

pub use addr::{MAX_ADDRS, NetAddress, PeerAddress, Services};
pub use codec::Protocol;
pub use error::{DecodeError, EncodeError, ErrorKind, Excess};
pub use frame::{
    CommandField, Decoder, EncodedMessage, Frame, FrameHeader, HEADER_LEN, MAX_PAYLOAD,
    TrailingBytes,
};
pub use header::{BlockHeader, BlockHeaderRef, Headers, MAX_HEADERS, SOLUTION_LEN};
pub use inv::{FeeFilter, InvType, InvVect, MAX_VECTORS};
pub use list::{List, Record};
pub use locator::{LocatorRequest, MAX_LOCATOR};
pub use message::{Command, Message, Opaque};
pub use ping::{Ping, Pong};
pub use reject::{Reject, RejectCode};
pub(crate) use version::{LAST_SECOND, check_user_agent};
pub use version::{MAX_USER_AGENT, Version};
