//! The handshake's opening: `version`.

use alloc::boxed::Box;
use alloc::string::String;

use zerocopy::IntoBytes;

use super::addr::{PeerAddress, Services};
use super::codec::{Payload, Protocol, Reader, Writer, check_strict, strict_string};
use super::debug::{MAX_TEXT, ShortText, debug_fields};
use super::error::{ErrorKind, at_most};
use crate::network::Chain;

/// Most bytes of a user agent.
pub const MAX_USER_AGENT: usize = 256;

/// The last second that Decred's nodes can represent and take in a `version`: beyond it
/// their clock type overflows. Exchangecoin's take every value.
pub(crate) const LAST_SECOND: u64 = i64::MAX as u64 - 62_135_596_800;

/// `version`: what a node says of itself when a connection opens.
///
/// The first four fields are always on the wire; the others may be left out from any
/// one on, and then have the value that [`Version::default`] gives them. Encoding
/// writes all nine.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct Version {
    /// The highest protocol version that the sender wants to speak.
    pub protocol_version: i32,
    /// What the sender offers.
    pub services: Services,
    /// The sender's clock, in Unix seconds.
    pub timestamp: i64,
    /// The receiver as the sender sees it.
    pub receiver: PeerAddress,
    /// The sender's own address; the reference nodes fill in the services only.
    pub sender: PeerAddress,
    /// A random number by which a node finds that it has called itself.
    pub nonce: u64,
    /// The sender's software: at most [`MAX_USER_AGENT`] bytes of printable ASCII.
    pub user_agent: String,
    /// The height of the sender's best block, which may be negative on the wire.
    pub start_height: i32,
    /// Whether the sender wants transactions announced to it.
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
            relay: true,
        }
    }
}

/// Whether `agent` may be sent as a user agent.
pub(crate) fn check_user_agent(agent: &[u8]) -> Result<(), ErrorKind> {
    at_most(agent.len(), MAX_USER_AGENT, ErrorKind::UserAgentTooLong)?;
    check_strict(agent)
}

fn check_timestamp(timestamp: i64, protocol: Protocol) -> Result<(), ErrorKind> {
    match protocol.chain {
        Chain::Exchangecoin => Ok(()),
        // The field is unsigned there, so that negative times lie beyond the last second.
        Chain::Decred => {
            at_most(timestamp.cast_unsigned(), LAST_SECOND, ErrorKind::InvalidTimestamp)
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
        if reader.remaining() > 0 {
            version.sender = reader.record()?;
        }
        if reader.remaining() > 0 {
            version.nonce = reader.u64()?;
        }
        if reader.remaining() > 0 {
            let agent = reader.string_bytes()?;
            at_most(agent.len(), MAX_USER_AGENT, ErrorKind::UserAgentTooLong)?;
            version.user_agent = strict_string(agent)?;
        }
        if reader.remaining() > 0 {
            version.start_height = reader.i32()?;
        }
        if reader.remaining() > 0 {
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

impl From<Version> for super::message::Message {
    fn from(version: Version) -> Self {
        Self::Version(Box::new(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decred_refuses_times_beyond_its_last_second() {
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
