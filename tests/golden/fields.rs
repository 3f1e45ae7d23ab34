//! Messages in the form in which the vectors have their fields.

use excc_peer::Hash;
use excc_peer::wire::{BlockHeaderRef, InvVect, LocatorRequest, Message, PeerAddress};
use serde_json::{Value, json};

/// The fields of `message`; none of one that is carried without being decoded.
pub(crate) fn of(message: &Message) -> Option<Value> {
    Some(match message {
        Message::Version(version) => json!({
            "protocol_version": version.protocol_version,
            "services": version.services.bits().to_string(),
            "timestamp": version.timestamp.to_string(),
            "addr_you": address(&version.receiver, None),
            "addr_me": address(&version.sender, None),
            "nonce": version.nonce.to_string(),
            "user_agent": version.user_agent,
            "last_block": version.start_height,
            "disable_relay_tx": !version.relay,
        }),
        Message::VerAck | Message::GetAddr | Message::MemPool | Message::SendHeaders => json!({}),
        Message::Addr(list) => json!({
            "addr_list": list
                .iter()
                .map(|entry| address(entry.address(), Some(entry.timestamp())))
                .collect::<Vec<_>>(),
        }),
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => json!({
            "inv_list": list.iter().map(vector).collect::<Vec<_>>(),
        }),
        Message::GetBlocks(request) | Message::GetHeaders(request) => locator(request),
        Message::Headers(headers) => json!({
            "headers": headers.iter().map(header).collect::<Vec<_>>(),
        }),
        Message::Ping(ping) => json!({ "nonce": ping.nonce.to_string() }),
        Message::Pong(pong) => json!({ "nonce": pong.nonce.to_string() }),
        Message::FeeFilter(filter) => json!({ "min_fee": filter.min_fee.to_string() }),
        Message::Reject(reject) => json!({
            "cmd": reject.command,
            "code": reject.code.0,
            "reason": reject.reason,
            // The nodes keep a hash of zeros where the wire has none.
            "hash": hash(reject.hash.unwrap_or_default()),
        }),
        Message::Opaque(_) => return None,
        other => panic!("{} has no golden form yet", other.command()),
    })
}

fn hash(hash: Hash) -> String {
    hex::encode(hash)
}

fn address(address: &PeerAddress, timestamp: Option<u32>) -> Value {
    json!({
        "timestamp": timestamp.map(|seconds| seconds.to_string()),
        "services": address.services().bits().to_string(),
        "ip": hex::encode(address.wire_ip().octets()),
        "port": address.port(),
    })
}

fn vector(vector: &InvVect) -> Value {
    json!({ "type": vector.kind.number(), "hash": hash(vector.hash) })
}

fn locator(request: &LocatorRequest) -> Value {
    json!({
        "protocol_version": request.protocol_version,
        "block_locator_hashes": request.locator.iter().copied().map(hash).collect::<Vec<_>>(),
        "hash_stop": hash(request.stop),
    })
}

fn header(header: BlockHeaderRef<'_>) -> Value {
    let mut fields = json!({
        "version": header.version(),
        "prev_block": hash(header.prev_block()),
        "merkle_root": hash(header.merkle_root()),
        "stake_root": hash(header.stake_root()),
        "vote_bits": header.vote_bits(),
        "final_state": hex::encode(header.final_state()),
        "voters": header.voters(),
        "fresh_stake": header.fresh_stake(),
        "revocations": header.revocations(),
        "pool_size": header.pool_size(),
        "bits": header.bits(),
        "sbits": header.sbits().to_string(),
        "height": header.height(),
        "size": header.size(),
        "timestamp": header.timestamp().to_string(),
        "nonce": header.nonce(),
        "extra_data": hex::encode(header.extra_data()),
        "stake_version": header.stake_version(),
    });
    if let Some(solution) = header.equihash_solution() {
        fields["equihash_solution"] = hex::encode(solution).into();
    }
    fields
}
