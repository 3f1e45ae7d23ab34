//! Events, messages and statistics as JSON. Field names are those of the Go nodes;
//! 64-bit numbers are strings, hashes are in the displayed order.

use excc_peer::wire::{InvVect, Message, NetAddress, PeerAddress, Version};
use excc_peer::{Chain, Event, Stats};
use serde_json::{Value, json};

pub(crate) fn event(event: &Event, chain: Chain) -> Value {
    match event {
        Event::VersionReceived(version) => {
            json!({"event": "version", "fields": version_fields(version)})
        }
        Event::VerAckReceived => json!({"event": "verack"}),
        Event::Established(terms) => json!({
            "event": "established",
            "version": terms.version,
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
        }),
        other => json!({"event": "other", "text": format!("{other:?}")}),
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn fields(message: &Message) -> Value {
    match message {
        Message::Ping(ping) => json!({"nonce": ping.nonce.to_string()}),
        Message::Pong(pong) => json!({"nonce": pong.nonce.to_string()}),
        Message::Addr(list) => json!({"addr_list": list.iter().map(address).collect::<Vec<_>>()}),
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => {
            json!({"inv_list": list.iter().map(vector).collect::<Vec<_>>()})
        }
        Message::GetBlocks(request) | Message::GetHeaders(request) => json!({
            "protocol_version": request.protocol_version,
            "block_locator_hashes": request.locator.iter().map(|h| h.to_string()).collect::<Vec<_>>(),
            "hash_stop": request.stop.to_string(),
        }),
        Message::Headers(headers) => {
            let header = |header: excc_peer::wire::BlockHeaderRef<'_>| {
                json!({
                    "block_hash": header.block_hash().to_string(),
                    "prev_block": header.prev_block().to_string(),
                    "height": header.height(),
                    "timestamp": header.timestamp(),
                })
            };
            json!({"headers": headers.iter().map(header).collect::<Vec<_>>()})
        }
        Message::FeeFilter(filter) => json!({"min_fee": filter.min_fee.to_string()}),
        Message::Reject(reject) => json!({
            "cmd": reject.command,
            "code": reject.code.0,
            "reason": reject.reason,
            "hash": reject.hash.map(|hash| hash.to_string()),
        }),
        Message::Tx(tx) => json!({
            "tx_hash": tx.tx_hash().to_string(),
            "len": tx.raw().len(),
        }),
        Message::Block(block) => json!({
            "block_hash": block.block_hash().to_string(),
            "height": block.header().height(),
            "transactions": block.transactions().len(),
            "stransactions": block.stake_transactions().len(),
            "len": block.raw().len(),
        }),
        Message::GetAddr
        | Message::MemPool
        | Message::SendHeaders
        | Message::GetMinings
        | Message::GetCFTypes => json!({}),
        // What no command of this program asks for; the example `frames` shows every field.
        _ => Value::Null,
    }
}

fn version_fields(version: &Version) -> Value {
    json!({
        "protocol_version": version.protocol_version,
        "services": version.services.bits().to_string(),
        "timestamp": version.timestamp.to_string(),
        "addr_you": peer_address(&version.receiver),
        "addr_me": peer_address(&version.sender),
        "nonce": version.nonce.to_string(),
        "user_agent": version.user_agent,
        "last_block": version.start_height,
        "disable_relay_tx": !version.relay,
    })
}

fn peer_address(address: &PeerAddress) -> Value {
    json!({
        "services": address.services().bits().to_string(),
        "ip": address.ip().to_string(),
        "port": address.port(),
    })
}

fn address(address: &NetAddress) -> Value {
    let mut value = peer_address(address.address());
    value["timestamp"] = address.timestamp().to_string().into();
    value
}

fn vector(vector: &InvVect) -> Value {
    json!({"type": vector.kind.number(), "hash": vector.hash.to_string()})
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
        "addr": stats.remote.to_string(),
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
