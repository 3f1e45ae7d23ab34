//! Fields of messages as JSON, with the names of the Go nodes. 64-bit numbers are strings, hashes
//! are in display order, and byte strings are hexadecimal.

use excc_peer::Hash;
use excc_peer::wire::{
    BlockHeaderRef, CFilterV2, HostAddress, InvVect, Message, NetAddress, NetAddressV2,
    PeerAddress, Version,
};
use serde_json::{Value, json};

pub(crate) fn fields(message: &Message) -> Value {
    match message {
        Message::Version(version) => version_fields(version),
        Message::Ping(ping) => json!({"nonce": ping.nonce.to_string()}),
        Message::Pong(pong) => json!({"nonce": pong.nonce.to_string()}),
        Message::Addr(list) => json!({"addr_list": all(list, address)}),
        Message::AddrV2(list) => json!({"addr_list": all(list, address_v2)}),
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => {
            json!({"inv_list": all(list, vector)})
        }
        Message::GetBlocks(request) | Message::GetHeaders(request) => json!({
            "protocol_version": request.protocol_version,
            "block_locator_hashes": hashes(&request.locator),
            "hash_stop": request.stop.to_string(),
        }),
        Message::Headers(headers) => json!({"headers": all(headers.iter(), header)}),
        Message::FeeFilter(filter) => json!({"min_fee": filter.min_fee.to_string()}),
        Message::Reject(reject) => json!({
            "cmd": reject.command,
            "code": reject.code.number(),
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
        Message::MiningState(state) => json!({
            "version": state.version,
            "height": state.height,
            "block_hashes": hashes(&state.block_hashes),
            "vote_hashes": hashes(&state.vote_hashes),
        }),
        Message::GetInitState(request) => json!({"types": all(&request.types, str::to_owned)}),
        Message::InitState(state) => json!({
            "block_hashes": hashes(&state.block_hashes),
            "vote_hashes": hashes(&state.vote_hashes),
            "tspend_hashes": hashes(&state.tspend_hashes),
        }),
        Message::GetCFilterV2(request) => json!({"block_hash": request.block_hash.to_string()}),
        Message::CFilterV2(filter) => filter_v2(filter),
        Message::CFiltersV2(filters) => json!({"cfilters": all(&filters.filters, filter_v2)}),
        Message::GetCFsV2(request) => json!({
            "start_hash": request.start_hash.to_string(),
            "end_hash": request.end_hash.to_string(),
        }),
        Message::VerAck
        | Message::GetAddr
        | Message::MemPool
        | Message::SendHeaders
        | Message::GetMinings
        | Message::GetCFTypes => json!({}),
        // This program requests none of these. The example `frames` shows every field.
        _ => Value::Null,
    }
}

fn all<T, V: Into<Value>>(items: impl IntoIterator<Item = T>, show: impl Fn(T) -> V) -> Value {
    items.into_iter().map(show).map(Into::into).collect::<Vec<Value>>().into()
}

fn hashes(hashes: &[Hash]) -> Value {
    all(hashes, Hash::to_string)
}

pub(crate) fn version_fields(version: &Version) -> Value {
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

fn address_v2(address: &NetAddressV2) -> Value {
    let host = match &address.addr {
        HostAddress::TorV3(key) => hex::encode(key),
        host => host.ip().map_or_else(String::new, |ip| ip.to_string()),
    };
    json!({
        "timestamp": address.timestamp.to_string(),
        "services": address.services.bits().to_string(),
        "type": address.addr.type_number(),
        "addr": host,
        "port": address.port,
    })
}

fn vector(vector: &InvVect) -> Value {
    json!({"type": vector.kind().number(), "hash": vector.hash().to_string()})
}

fn header(header: BlockHeaderRef<'_>) -> Value {
    json!({
        "block_hash": header.block_hash().to_string(),
        "prev_block": header.prev_block().to_string(),
        "height": header.height(),
        "timestamp": header.timestamp(),
    })
}

fn filter_v2(filter: &CFilterV2) -> Value {
    json!({
        "block_hash": filter.block_hash.to_string(),
        "data": hex::encode(&filter.data),
        "proof_index": filter.proof_index,
        "proof_hashes": hashes(&filter.proof_hashes),
    })
}
