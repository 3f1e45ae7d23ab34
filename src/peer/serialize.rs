//! Serialisation of events and statistics, for `serde`.
//!
//! Names and forms follow the logs of the reference nodes, where these have the field:
//!
//! - services and nonces: decimal strings;
//! - counts and heights: numbers;
//! - times ([`Instant`]): nanoseconds;
//! - round-trip times: microseconds.

use core::time::Duration;

use serde_core::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::error::CloseReason;
use super::event::{Direction, Event, SendId};
use super::stats::{CommandStats, Stats};
use crate::time::Instant;
use crate::wire::Text;

/// The name in `event`, followed by the fields of the event:
/// `{"event":"message","command":"ping","solicited":false,"fields":{"nonce":"7"}}`.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event", self.name())?;
        match self {
            Self::VersionReceived(version) => map.serialize_entry("fields", &**version)?,
            Self::VerAckReceived => {}
            Self::Established(established) => {
                map.serialize_entry("negotiated", &established.protocol_version)?;
                map.serialize_entry("time_offset", &established.time_offset)?;
            }
            Self::Message { message, solicited } => {
                map.serialize_entry("command", &message.command())?;
                map.serialize_entry("solicited", solicited)?;
                map.serialize_entry("fields", &message.fields())?;
            }
            Self::RoundTrip { nonce, time } => {
                map.serialize_entry("nonce", &Text(nonce))?;
                map.serialize_entry("micros", &micros(*time))?;
            }
            Self::OverBudget { command } => map.serialize_entry("command", command)?,
            Self::Sent(id) | Self::NotSent(id) => map.serialize_entry("id", id)?,
            Self::Closed(reason) => {
                map.serialize_entry("reason", reason)?;
                map.serialize_entry("blame", &Text(reason.blame()))?;
            }
        }
        map.end()
    }
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::VersionReceived(_) => "version",
            Self::VerAckReceived => "verack",
            Self::Established(_) => "established",
            Self::Message { .. } => "message",
            Self::OverBudget { .. } => "over_budget",
            Self::RoundTrip { .. } => "round_trip",
            Self::Sent(_) => "sent",
            Self::NotSent(_) => "not_sent",
            Self::Closed(_) => "closed",
        }
    }
}

/// The text of its `Display`.
impl Serialize for CloseReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SendId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text(self).serialize(serializer)
    }
}

/// Nanoseconds since the epoch of the caller's clock.
impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_nanos().serialize(serializer)
    }
}

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Stats", 27)?;
        map.serialize_field("addr", &Text(self.remote_address))?;
        map.serialize_field("inbound", &(self.direction == Direction::Inbound))?;
        map.serialize_field("connected_at", &self.connected_at)?;
        map.serialize_field("services", &self.services)?;
        map.serialize_field("user_agent", &self.user_agent)?;
        map.serialize_field("version", &self.advertised_version)?;
        map.serialize_field("negotiated", &self.negotiated_version)?;
        map.serialize_field("starting_height", &self.start_height)?;
        map.serialize_field("last_block", &self.last_block)?;
        map.serialize_field("time_offset", &self.time_offset)?;
        map.serialize_field("relay", &self.relay)?;
        map.serialize_field("wants_headers", &self.wants_headers)?;
        map.serialize_field("fee_filter", &self.fee_filter.map(Text))?;
        map.serialize_field("last_send", &self.last_send)?;
        map.serialize_field("last_recv", &self.last_receive)?;
        map.serialize_field("bytes_sent", &self.bytes_sent)?;
        map.serialize_field("bytes_recv", &self.bytes_received)?;
        map.serialize_field("last_ping_nonce", &self.outstanding_ping.map(Text))?;
        map.serialize_field("last_ping", &self.last_ping)?;
        map.serialize_field("last_ping_micros", &self.round_trip.map(micros))?;
        map.serialize_field("queued_frames", &self.queued_frames)?;
        map.serialize_field("queued_bytes", &self.queued_bytes)?;
        map.serialize_field("waiting_announcements", &self.waiting_announcements)?;
        map.serialize_field("waiting_events", &self.waiting_events)?;
        map.serialize_field("requested", &self.requested)?;
        map.serialize_field("known_inventory", &self.known_inventory)?;
        map.serialize_field("commands", &Commands(&self.commands))?;
        map.end()
    }
}

/// A map from the name of each command to its traffic.
struct Commands<'a>(&'a [CommandStats]);

impl Serialize for Commands<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|stats| (stats.command, stats)))
    }
}

impl Serialize for CommandStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("CommandStats", 5)?;
        map.serialize_field("messages_recv", &self.received.messages)?;
        map.serialize_field("bytes_recv", &self.received.bytes)?;
        map.serialize_field("messages_sent", &self.sent.messages)?;
        map.serialize_field("bytes_sent", &self.sent.bytes)?;
        map.serialize_field("over_budget", &self.over_budget)?;
        map.end()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
