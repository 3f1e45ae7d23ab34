//! Events and statistics as JSON.

use excc_peer::{Chain, Event, Stats};
use serde_json::{Value, json};

use crate::fields::{fields, version_fields};

pub(crate) fn event(event: &Event, chain: Chain) -> Value {
    match event {
        Event::VersionReceived(version) => {
            json!({"event": "version", "fields": version_fields(version)})
        }
        Event::VerAckReceived => json!({"event": "verack"}),
        Event::Established(terms) => json!({
            "event": "established",
            "version": terms.protocol_version,
            "time_offset": terms.time_offset,
        }),
        Event::Message { message, solicited } => json!({
            "event": "message",
            "solicited": solicited,
            "command": message.command().as_str(),
            "fields": fields(message),
        }),
        Event::RoundTrip { nonce, time } => json!({
            "event": "round_trip",
            "nonce": nonce.to_string(),
            "micros": micros(*time),
        }),
        Event::Sent(id) => json!({"event": "sent", "id": id.to_string()}),
        Event::NotSent(id) => json!({"event": "not_sent", "id": id.to_string()}),
        Event::Closed(reason) => json!({
            "event": "closed",
            "reason": reason.to_string(),
            "violation": reason.is_violation(chain),
            "blame": reason.blame().to_string(),
        }),
        other => json!({"event": "other", "text": format!("{other:?}")}),
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn stats(stats: &Stats) -> Value {
    let commands: serde_json::Map<String, Value> = stats
        .commands
        .iter()
        .map(|stats| {
            let counts = json!({
                "messages_received": stats.received.messages,
                "bytes_received": stats.received.bytes,
                "messages_sent": stats.sent.messages,
                "bytes_sent": stats.sent.bytes,
            });
            (stats.command.to_string(), counts)
        })
        .collect();
    json!({
        "addr": stats.remote_address.to_string(),
        "inbound": stats.direction == excc_peer::Direction::Inbound,
        "services": stats.services.map(|services| services.bits().to_string()),
        "user_agent": stats.user_agent,
        "version": stats.advertised_version,
        "negotiated": stats.negotiated_version,
        "starting_height": stats.start_height,
        "last_block": stats.last_block,
        "time_offset": stats.time_offset,
        "relay": stats.relay,
        "wants_headers": stats.wants_headers,
        "bytes_sent": stats.bytes_sent,
        "bytes_recv": stats.bytes_received,
        "last_ping_nonce": stats.outstanding_ping.map(|nonce| nonce.to_string()),
        "last_ping_micros": stats.round_trip.map(micros),
        "queued_frames": stats.queued_frames,
        "queued_bytes": stats.queued_bytes,
        "waiting_announcements": stats.waiting_announcements,
        "requested": stats.requested,
        "known_inventory": stats.known_inventory,
        "commands": commands,
    })
}
