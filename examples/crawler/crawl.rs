//! The crawl: what any crawler of the real network does, too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use excc_peer::adapter::tokio as adapter;
use excc_peer::wire::{Command, Message, Version};
use excc_peer::{Config, Event};
use rand_core::UnwrapErr;
use tokio::task::JoinSet;

use crate::{Error, NETWORK};

/// How long a node may take to accept, for the handshake, and for each answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a visit to a node found, or why it came to nothing.
pub(crate) type Visit = Result<Found, String>;

/// All visits, by where they went.
pub(crate) type Crawl = HashMap<SocketAddr, Visit>;

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) version: Arc<Version>,
    pub(crate) round_trip: Option<Duration>,
    /// Whom the node told of.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Visits the node at `first`, and every other that is told of, some at a time.
pub(crate) async fn run(first: SocketAddr, connections: usize) -> Result<Crawl, Error> {
    let config = Config::builder(NETWORK)
        .user_agent("crawler", "1.0.0")
        // A node that is called says no more than the caller.
        .protocol_version(NETWORK.chain().newest_version())
        // Nothing is announced to who is gone in a moment.
        .relay(false)
        .handshake_timeout(PATIENCE)
        .response_timeout(Command::GetAddr, Some(PATIENCE))
        .pong_timeout(Some(PATIENCE))
        .build()?;
    let config = Arc::new(config);

    let mut crawl = Crawl::new();
    let mut waiting = VecDeque::from([first]);
    let mut known = HashSet::from([first]);
    let mut visits = JoinSet::new();
    loop {
        while visits.len() < connections
            && let Some(address) = waiting.pop_front()
        {
            let config = config.clone();
            visits.spawn(async move { (address, visit(config, address).await) });
        }
        let Some(visited) = visits.join_next().await else { return Ok(crawl) };
        let (address, visit) = visited?;
        let told = visit.iter().flat_map(|found| &found.addresses);
        waiting.extend(told.copied().filter(|&address| known.insert(address)));
        crawl.insert(address, visit);
    }
}

async fn visit(config: Arc<Config>, address: SocketAddr) -> Visit {
    let rng = &mut UnwrapErr(getrandom::SysRng);
    let connected = adapter::connect(config, address, PATIENCE, rng).await;
    let (peer, mut events) = connected.map_err(|error| error.kind().to_string())?;

    let mut version = None;
    let mut round_trip = None;
    let mut addresses = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            Event::Established(_) => {
                version = peer.with(|peer, _| peer.remote_version().cloned());
                // Either fails only if the peer is closed, and then that is an event.
                let _ = peer.ping();
                let _ = peer.send(Message::GetAddr);
            }
            Event::RoundTrip { time, .. } => round_trip = Some(time),
            // Decred's nodes would say `addrv2`.
            Event::Message { message: Message::Addr(list), .. } => {
                addresses.extend(list.iter().map(|entry| entry.address().socket_addr()));
            }
            _ => continue,
        }
        if round_trip.is_some() && !addresses.is_empty() {
            peer.shutdown(PATIENCE);
        }
    }
    let reason = peer.closed().await;
    // A node that is there is found, even if it knows of nobody and so does not answer.
    let version = version.ok_or_else(|| reason.to_string())?;
    Ok(Found { version, round_trip, addresses })
}
