//! The first message of the handshake: `version`.

use alloc::string::String;

use zerocopy::IntoBytes;

use super::addr::{PeerAddress, Services};
use super::ascii::{check_strict, strict_string};
use super::error::{ErrorKind, at_most};
use super::format::{MAX_TEXT, ShortText, debug_fields};
use super::limits::{MAX_TIMESTAMP, MAX_USER_AGENT};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;
use crate::network::Chain;

/// `version`: the properties of a node, sent first by each side.
///
/// The first four fields are mandatory. A received message may end after any later field. Missing
/// fields have the values of [`Version::default`]. Encoding writes all fields.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Version {
    /// The highest protocol version that the sender offers.
    pub protocol_version: i32,
    /// The services of the sender.
    pub services: Services,
    /// The sender's clock, in Unix seconds.
    pub timestamp: i64,
    /// The receiver's address, as the sender sees it.
    pub receiver: PeerAddress,
    /// The sender's own address. The reference nodes set only its services.
    pub sender: PeerAddress,
    /// A random number, by which a node detects a connection to itself.
    pub nonce: u64,
    /// The sender's software: at most [`MAX_USER_AGENT`] bytes of printable ASCII.
    pub user_agent: String,
    /// The height of the sender's best block. Negative values are valid on the wire.
    pub start_height: i32,
    /// The sender requests announcements of transactions.
    pub relay: bool,
}

debug_fields! {
    Version {
        protocol_version,
        services,
        timestamp,
        receiver,
        sender,
        nonce,
        user_agent: ShortText::new(user_agent, MAX_TEXT),
        start_height,
        relay,
    }
}

impl Default for Version {
    fn default() -> Self {
        Self {
            protocol_version: 0,
            services: Services::empty(),
            timestamp: 0,
            receiver: PeerAddress::UNSPECIFIED,
            sender: PeerAddress::UNSPECIFIED,
            nonce: 0,
            user_agent: String::new(),
            start_height: 0,
            // Nodes without the field relayed all transactions (`docs/protocol.md`, 4.1).
            relay: true,
        }
    }
}

/// Returns an error if the user agent is too long or not printable ASCII.
pub(crate) fn check_user_agent(agent: &[u8]) -> Result<(), ErrorKind> {
    at_most(agent.len(), MAX_USER_AGENT, ErrorKind::UserAgentTooLong)?;
    check_strict(agent)
}

fn check_timestamp(timestamp: i64, protocol: Protocol) -> Result<(), ErrorKind> {
    match protocol.chain {
        Chain::Exchangecoin => Ok(()),
        // dcrd reads the field as unsigned, so it refuses negative times as well. exccd accepts
        // all values (`docs/protocol.md`, 3.3).
        Chain::Decred => {
            at_most(timestamp.cast_unsigned(), MAX_TIMESTAMP, ErrorKind::InvalidTimestamp)
        }
    }
}

impl Payload for Version {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        let mut version = Self {
            protocol_version: reader.i32()?,
            services: Services::from_bits_retain(reader.u64()?),
            timestamp: reader.i64()?,
            ..Self::default()
        };
        check_timestamp(version.timestamp, protocol)?;
        version.receiver = reader.record()?;
        // Fields from here on were added over time. `MsgVersion.BtcDecode` of both nodes reads
        // each only if bytes remain (`docs/protocol.md`, 4.1).
        if reader.remaining() > 0 {
            version.sender = reader.record()?;
        }
        if reader.remaining() > 0 {
            version.nonce = reader.u64()?;
        }
        if reader.remaining() > 0 {
            // `validateUserAgent` of both nodes tests the length before the characters.
            let agent = reader.string_bytes()?;
            at_most(agent.len(), MAX_USER_AGENT, ErrorKind::UserAgentTooLong)?;
            version.user_agent = strict_string(agent)?;
        }
        if reader.remaining() > 0 {
            version.start_height = reader.i32()?;
        }
        if reader.remaining() > 0 {
            // Any value but 0 is true (`docs/protocol.md`, 3.3).
            version.relay = reader.u8()? != 0;
        }
        Ok(version)
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        check_user_agent(self.user_agent.as_bytes())?;
        check_timestamp(self.timestamp, protocol)?;
        writer.bytes(&self.protocol_version.to_le_bytes());
        writer.bytes(&self.services.bits().to_le_bytes());
        writer.bytes(&self.timestamp.to_le_bytes());
        writer.bytes(self.receiver.as_bytes());
        writer.bytes(self.sender.as_bytes());
        writer.bytes(&self.nonce.to_le_bytes());
        writer.string(&self.user_agent);
        writer.bytes(&self.start_height.to_le_bytes());
        writer.bytes(&[self.relay.into()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decred_refuses_timestamps_beyond_its_maximum() {
        let decred = Protocol::new(Chain::Decred, 12);
        let exchangecoin = Protocol::new(Chain::Exchangecoin, 8);
        assert_eq!(check_timestamp(9_223_371_974_719_179_007, decred), Ok(()));
        for beyond in [9_223_371_974_719_179_008, i64::MAX, -1] {
            let refused = check_timestamp(beyond, decred);
            assert!(matches!(refused, Err(ErrorKind::InvalidTimestamp(_))));
            assert_eq!(check_timestamp(beyond, exchangecoin), Ok(()));
        }
    }
}
