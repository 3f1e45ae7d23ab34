//! Events, messages and statistics as text.

use std::net::SocketAddr;
use std::time::Instant;

use excc_peer::wire::{InvType, InvVect, Message, Version};
use excc_peer::{Chain, Event, Stats};
use serde_json::Value;

use crate::fields::fields;
use crate::json;

/// Prints events, as text or as JSON.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    chain: Chain,
    json: bool,
    started: Instant,
}

impl Report {
    pub(crate) fn new(chain: Chain, json: bool) -> Self {
        Self { chain, json, started: Instant::now() }
    }

    pub(crate) fn event(&self, peer: SocketAddr, event: &Event) {
        if self.json {
            self.print_json(peer, json::event(event, self.chain));
        } else {
            self.line(&peer.to_string(), &describe(event));
            if let Event::Message { message, .. } = event {
                details(message).iter().for_each(|line| println!("{:10}{line}", ""));
            }
        }
    }

    pub(crate) fn stats(&self, peer: SocketAddr, stats: &Stats) {
        if self.json {
            let mut value = serde_json::json!({"event": "stats"});
            value["stats"] = json::stats(stats);
            self.print_json(peer, value);
        } else {
            self.line(&peer.to_string(), &summary(stats));
        }
    }

    fn print_json(&self, peer: SocketAddr, mut value: serde_json::Value) {
        value["peer"] = peer.to_string().into();
        value["ms"] = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).into();
        println!("{value}");
    }

    /// Prints a line of text, with the time since the start and the name of the peer.
    pub(crate) fn line(&self, name: &str, text: &str) {
        println!("{:8.3}  {name:<21} {text}", self.started.elapsed().as_secs_f64());
    }
}

pub(crate) fn describe(event: &Event) -> String {
    match event {
        Event::VersionReceived(version) => format!("<- version: {}", describe_version(version)),
        Event::VerAckReceived => "<- verack".into(),
        Event::Established(terms) => format!(
            "established at protocol version {}, clocks {} s apart",
            terms.protocol_version, terms.time_offset
        ),
        Event::Message { message, solicited } => {
            let requested = if *solicited { ", as requested" } else { "" };
            format!("<- {}{requested}", describe_message(message))
        }
        Event::RoundTrip { time, .. } => format!("round trip in {time:.0?}"),
        Event::Sent(id) => format!("message {id} sent"),
        Event::NotSent(id) => format!("message {id} not sent"),
        Event::Closed(reason) => format!("closed: {reason}"),
        other => format!("{other:?}"),
    }
}

fn describe_version(version: &Version) -> String {
    format!(
        "{} speaks {}, offers {}, is at height {}{}",
        version.user_agent,
        version.protocol_version,
        version.services,
        version.start_height,
        if version.relay { "" } else { ", wants no transactions" },
    )
}

fn describe_message(message: &Message) -> String {
    let command = message.command();
    match message {
        Message::Ping(ping) => format!("ping {:016x}", ping.nonce),
        Message::Pong(pong) => format!("pong {:016x}", pong.nonce),
        Message::Addr(list) => match list.first() {
            Some(first) => format!("addr: {} from {:?}", list.len(), first.address()),
            None => "addr: none".into(),
        },
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => {
            format!("{command}: {}", describe_vectors(list))
        }
        Message::GetBlocks(request) | Message::GetHeaders(request) => {
            format!("{command}: {} locator hashes", request.locator.len())
        }
        Message::GetInitState(request) => {
            format!("getinitstate: {}", request.types.iter().collect::<Vec<_>>().join(", "))
        }
        Message::Headers(headers) => match headers.iter().last() {
            Some(last) => format!("headers: {} up to {}", headers.len(), last.block_hash()),
            None => "headers: none".into(),
        },
        Message::FeeFilter(filter) => format!("feefilter: {}", filter.min_fee),
        Message::Reject(reject) => {
            let hash = reject.hash.map_or_else(String::new, |hash| format!(" {hash}"));
            let (command, code) = (&reject.command, reject.code.number());
            format!("reject of {command}{hash}: {:?} ({code:#04x})", reject.reason)
        }
        Message::InitState(state) => format!(
            "initstate: {} blocks, {} votes, {} treasury spends",
            state.block_hashes.len(),
            state.vote_hashes.len(),
            state.tspend_hashes.len()
        ),
        Message::CFilterV2(filter) => {
            format!("cfilterv2 of {}, {} bytes", filter.block_hash, filter.data.len())
        }
        Message::Tx(tx) => format!("tx: {}, {} bytes", tx.tx_hash(), tx.raw().len()),
        Message::Block(block) => format!(
            "block: {}, {} + {} transactions, {} bytes",
            block.block_hash(),
            block.transactions().len(),
            block.stake_transactions().len(),
            block.raw().len()
        ),
        _ => command.to_string(),
    }
}

fn describe_vectors(vectors: &[InvVect]) -> String {
    match vectors {
        [] => "none".into(),
        [vector] => vector.to_string(),
        _ => {
            let of = |kind| vectors.iter().filter(|vector| vector.kind() == kind).count();
            let (txs, blocks) = (of(InvType::TX), of(InvType::BLOCK));
            format!("{} vectors, {txs} of transactions, {blocks} of blocks", vectors.len())
        }
    }
}

/// The items of lists and byte strings, a line each, that the description leaves out.
fn details(message: &Message) -> Vec<String> {
    let is_described = match message {
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => list.len() == 1,
        Message::GetInitState(_) => true,
        _ => false,
    };
    let fields = if is_described { Value::Null } else { fields(message) };
    let Value::Object(fields) = fields else { return Vec::new() };
    let mut lines = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(items) => {
                lines.extend(items.iter().map(|item| format!("{name}: {}", plain(item))));
            }
            value if matches!(message, Message::CFilterV2(_)) => {
                lines.push(format!("{name}: {}", plain(&value)));
            }
            _ => {}
        }
    }
    lines
}

/// Formats a JSON value without quotes and brackets.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

pub(crate) fn summary(stats: &Stats) -> String {
    let mut text = format!(
        "{} bytes sent, {} bytes received, {} inventory vectors known",
        stats.bytes_sent, stats.bytes_received, stats.known_inventory
    );
    if let Some(round_trip) = stats.round_trip {
        text += &format!(", round trip {round_trip:.0?}");
    }
    for traffic in &stats.commands {
        text += &format!(
            "\n{:32}{:<12} {:>5} out {:>7} B {:>5} in {:>7} B",
            "",
            traffic.command,
            traffic.sent.messages,
            traffic.sent.bytes,
            traffic.received.messages,
            traffic.received.bytes,
        );
    }
    text
}
