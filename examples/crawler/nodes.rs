//! The crawled network: nodes on loopback, each of which knows some others.

use std::collections::BTreeSet;
use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use excc_peer::adapter::{Events, Handle, tasks as adapter};
use excc_peer::wire::{Message, NetAddressV2, Services};
use excc_peer::{Config, ConfigError, Event};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_core::{SeedableRng, UnwrapErr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::crawl::{Crawl, Found};
use crate::{Error, NETWORK};

/// Time at which the nodes were last seen, in their `addr` messages.
const SEEN: u64 = 1_700_000_000;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// Completes the handshake and answers `getaddr`.
    Answering,
    /// Refuses connections.
    Refusing,
    /// Accepts connections and sends no bytes.
    Silent,
    /// Accepts connections and closes them.
    Disconnecting,
    /// Has a protocol version that is too old.
    Outdated,
}

/// The properties that a crawl must find.
struct Node {
    behaviour: Behaviour,
    config: Arc<Config>,
    height: i32,
    knows: BTreeSet<usize>,
}

/// Running nodes. Dropping this ends them.
pub(crate) struct Nodes {
    nodes: Vec<(SocketAddr, Node)>,
    _tasks: JoinSet<()>,
}

impl Nodes {
    /// Starts the nodes that `seed` determines, on free ports.
    pub(crate) async fn start(count: usize, seed: u64) -> Result<Self, Error> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut nodes = Vec::new();
        let mut sockets = Vec::new();
        for index in 0..count {
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            nodes.push((socket.local_addr()?, Node::draw(index, count, rng)?));
            sockets.push(socket);
        }
        // An earlier node knows each node, so that all can be found.
        for index in 1..count {
            let earlier = rng.random_range(index / 4..index);
            let answers = |&earlier: &usize| nodes[earlier].1.behaviour == Behaviour::Answering;
            let known_to = (0..=earlier).rev().find(answers).unwrap_or(0);
            nodes[known_to].1.knows.insert(index);
        }
        let entry = |&index: &usize| {
            let (address, _) = nodes[index];
            NetAddressV2::new(SEEN, Services::NODE_NETWORK, address)
        };
        let mut tasks = JoinSet::new();
        for ((_, node), socket) in nodes.iter().zip(sockets) {
            match node.behaviour {
                Behaviour::Refusing => tasks.spawn(reserve(socket)),
                Behaviour::Silent => tasks.spawn(reserve(socket.listen(BACKLOG)?)),
                Behaviour::Disconnecting => tasks.spawn(disconnect(socket.listen(BACKLOG)?)),
                Behaviour::Answering | Behaviour::Outdated => {
                    let addresses = node.knows.iter().map(entry).collect();
                    tasks.spawn(serve(socket.listen(BACKLOG)?, node.config.clone(), addresses))
                }
            };
        }
        Ok(Self { nodes, _tasks: tasks })
    }

    /// Returns the address at which a crawl begins.
    pub(crate) fn first(&self) -> SocketAddr {
        self.nodes[0].0
    }

    /// Checks that a crawl found exactly the nodes that can be found.
    pub(crate) fn check(&self, crawl: &Crawl) -> Result<(), String> {
        let mut known = BTreeSet::from([0]);
        let mut waiting = vec![0];
        while let Some(index) = waiting.pop() {
            let (_, node) = &self.nodes[index];
            if node.behaviour == Behaviour::Answering {
                waiting.extend(node.knows.iter().copied().filter(|&other| known.insert(other)));
            }
        }
        if crawl.len() != known.len() {
            return Err(format!("{} nodes known instead of {}", crawl.len(), known.len()));
        }
        for index in known {
            let (address, node) = &self.nodes[index];
            let visit = crawl.get(address).ok_or_else(|| format!("{address} was not found"))?;
            let is_expected = match visit {
                Ok(found) => node.behaviour == Behaviour::Answering && self.matches(node, found),
                Err(_) => node.behaviour != Behaviour::Answering,
            };
            if !is_expected {
                let behaviour = node.behaviour;
                return Err(format!("{address} is {behaviour:?}, but the crawl has {visit:?}"));
            }
        }
        Ok(())
    }

    fn matches(&self, node: &Node, found: &Found) -> bool {
        let knows: BTreeSet<_> = node.knows.iter().map(|&index| self.nodes[index].0).collect();
        found.version.user_agent == node.config.user_agent()
            && found.version.protocol_version.cast_unsigned() == node.config.protocol_version()
            && found.version.start_height == node.height
            && found.addresses.iter().copied().collect::<BTreeSet<_>>() == knows
    }
}

impl Node {
    fn draw(index: usize, count: usize, rng: &mut ChaCha8Rng) -> Result<Self, ConfigError> {
        let behaviour = match rng.random_range(0..100) {
            // The first node of a crawl must answer.
            _ if index == 0 => Behaviour::Answering,
            0..2 => Behaviour::Refusing,
            2 => Behaviour::Silent,
            3 => Behaviour::Disconnecting,
            4 => Behaviour::Outdated,
            _ => Behaviour::Answering,
        };
        let newest = NETWORK.chain().newest_version();
        let oldest = NETWORK.chain().min_remote_version();
        let protocol_version = match (behaviour, rng.random_range(0..10)) {
            (Behaviour::Outdated, _) => oldest - 1,
            (_, 0) => newest,
            (_, 1) => newest - 2,
            _ => newest - 1,
        };
        let software = ["2.7.6", "2.7.6", "2.7.6", "2.7.5", "2.7.5", "2.7.4", "2.6.0"];
        let heights = [120_000, 120_000, 120_000, 120_000, 119_999, 119_998, 96_431];

        // Some neighbours, and one of the oldest nodes.
        let mut knows = BTreeSet::from([(count as f64 * rng.random::<f64>().powi(4)) as usize]);
        for _ in 0..rng.random_range(1..=4) {
            knows.insert((index + 8 * count + rng.random_range(0..=16) - 8) % count);
        }
        knows.remove(&index);
        let height = heights.choose(rng).copied().unwrap_or_default();
        let config = Config::builder(NETWORK)
            .user_agent("exccd", *software.choose(rng).unwrap_or(&"2.7.6"))
            .services(Services::NODE_NETWORK)
            .protocol_version(protocol_version)
            .start_height(height)
            .build()?;
        Ok(Self { behaviour, config: Arc::new(config), height, knows })
    }
}

async fn serve(listener: TcpListener, config: Arc<Config>, addresses: Arc<[NetAddressV2]>) {
    let mut rng = UnwrapErr(getrandom::SysRng);
    while let Ok((peer, events)) = adapter::accept(config.clone(), &listener, &mut rng).await {
        tokio::spawn(answer(peer, events, addresses.clone()));
    }
}

async fn answer(peer: Handle, mut events: Events, addresses: Arc<[NetAddressV2]>) {
    while let Some(event) = events.recv().await {
        if let Event::Message { message: Message::GetAddr, .. } = event {
            // Fails only if the peer is closed, which an event reports.
            let _ = peer.with(|peer, now| peer.push_addrs(now, &addresses));
        }
    }
}

/// Keeps a port in use.
async fn reserve<S>(_socket: S) {
    future::pending().await
}

async fn disconnect(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.shutdown().await;
        // Unread input would reset the connection on some systems.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
}
