//! Helpers of the unit tests of messages.

use bytes::Bytes;

use super::command::Command;
use super::encoded_message::EncodedMessage;
use super::error::ErrorKind;
use super::frame::HEADER_LEN;
use super::list::List;
use super::message::Message;
use super::protocol::Protocol;
use super::trailing_bytes::TrailingBytes;
use crate::hash::Hash;
use crate::network::{Chain, Network};

pub(super) const DECRED: Protocol = Protocol::new(Chain::Decred, 12);

/// Returns `count` hashes.
pub(super) fn hashes(count: usize) -> List<Hash> {
    (0..count).map(|n| Hash::from_bytes([n as u8; 32])).collect()
}

/// Encodes a message for Decred and returns its payload.
pub(super) fn encoded(message: impl Into<Message>) -> Result<Bytes, ErrorKind> {
    EncodedMessage::new(&Network::DCR_MAINNET, DECRED.version, &message.into())
        .map(|encoded| encoded.to_bytes().slice(HEADER_LEN..))
        .map_err(|error| error.kind().clone())
}

/// Decodes the payload of a message of Decred.
pub(super) fn decoded(command: Command, payload: &[u8]) -> Result<Message, ErrorKind> {
    let payload = Bytes::copy_from_slice(payload);
    Message::decode(command, &payload, DECRED, TrailingBytes::Reject)
        .map_err(|error| error.kind().clone())
}

/// Asserts that a message of Decred decodes to itself, and returns its payload.
pub(super) fn round_trip(message: impl Into<Message>) -> Bytes {
    let message = message.into();
    let payload = encoded(message.clone()).unwrap();
    assert_eq!(decoded(message.command(), &payload), Ok(message));
    payload
}
