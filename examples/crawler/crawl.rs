//! The crawl. A crawler of the public network works the same way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use excc_peer::adapter::tasks as adapter;
use excc_peer::wire::{Command, Message, Version};
use excc_peer::{Config, Event};
use rand_core::UnwrapErr;
use tokio::task::JoinSet;

use crate::{Error, NETWORK};

/// Time limit for connecting, for the handshake, and for each answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The result of a visit to a node, or the reason of its failure.
pub(crate) type Visit = Result<Found, String>;

/// All visits, by address.
pub(crate) type Crawl = HashMap<SocketAddr, Visit>;

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) version: Arc<Version>,
    pub(crate) round_trip: Option<Duration>,
    /// Addresses that the node sent.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Visits the node at `first` and every node that is found, up to `connections` at a time.
pub(crate) async fn run(first: SocketAddr, connections: usize) -> Result<Crawl, Error> {
    let config = Config::builder(NETWORK)
        .user_agent("crawler", "1.0.0")
        // A listener advertises at most the caller's version.
        .protocol_version(NETWORK.chain().newest_version())
        // The connections are too short for announcements.
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
        let received = visit.iter().flat_map(|found| &found.addresses);
        waiting.extend(received.copied().filter(|&address| known.insert(address)));
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
                // Both fail only if the peer is closed, which an event reports.
                let _ = peer.ping();
                let _ = peer.send(Message::GetAddr);
            }
            Event::RoundTrip { time, .. } => round_trip = Some(time),
            // Nodes of Decred send `addrv2`.
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
    // A node that knows no other nodes does not answer, but it was reached.
    let version = version.ok_or_else(|| reason.to_string())?;
    Ok(Found { version, round_trip, addresses })
}
