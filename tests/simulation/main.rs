//! A network of a thousand nodes relays a transaction to every node. Idle peers cost nothing, and
//! a shutdown over a slow line loses no message.

mod progress;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::sync::Arc;
use std::time::Duration;

use excc_peer::sim::{Faults, PeerId, Pipe, Simulation};
use excc_peer::wire::{Command, InvType, InvVect, Message, Transaction, Tx, TxOut};
use excc_peer::{Chain, CloseReason, Config, Event, Hash, Instant, Network, Relay, UnixTime};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const NODES: usize = 1_000;

/// Number of connections that each node opens.
const CALLS: usize = 4;

/// A node with its peers and its transaction.
struct Node {
    config: Arc<Config>,
    peers: Vec<PeerId>,
    requested: Option<Hash>,
    tx: Option<Tx>,
    received_at: Option<Instant>,
}

struct Net {
    sim: Simulation,
    nodes: Vec<Node>,
    /// The node of each peer.
    owners: HashMap<PeerId, usize>,
    /// A hash over all events.
    trace: DefaultHasher,
    events: usize,
}

impl Net {
    /// Returns nodes that connect in a ring and to random others, so that all can reach each other.
    fn new(seed: u64) -> Self {
        let config = || Config::builder(Network::EXCC_SIMNET).build().expect("valid").into();
        let node = |_| Node {
            config: config(),
            peers: Vec::new(),
            requested: None,
            tx: None,
            received_at: None,
        };
        let mut net = Self {
            sim: Simulation::new(seed, UnixTime::from_secs(1_700_000_000)),
            nodes: (0..NODES).map(node).collect(),
            owners: HashMap::new(),
            trace: DefaultHasher::new(),
            events: 0,
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for caller in 0..NODES {
            net.call(caller, (caller + 1) % NODES, &mut random);
            for _ in 1..CALLS {
                let listener = random.next_u32() as usize % NODES;
                if listener != caller {
                    net.call(caller, listener, &mut random);
                }
            }
        }
        net
    }

    fn call(&mut self, caller: usize, listener: usize, random: &mut ChaCha8Rng) {
        let pipe = Pipe::new()
            .latency(Duration::from_millis(u64::from(random.next_u32() % 200)))
            .jitter(Duration::from_millis(20))
            .bandwidth(1_000_000)
            .faults(Faults::new().split(0.1).merge(0.1, Duration::from_millis(40)));
        let configs = [caller, listener].map(|node| self.nodes[node].config.clone());
        let [caller_config, listener_config] = configs;
        let (from, to) = self.sim.connect(caller_config, listener_config, pipe);
        for (node, peer) in [(caller, from), (listener, to)] {
            self.nodes[node].peers.push(peer);
            self.owners.insert(peer, node);
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.sim.now() + time;
        while let Some((peer, event)) = self.sim.next_event(until) {
            self.events += 1;
            (self.sim.now().as_nanos(), peer, format!("{event:?}")).hash(&mut self.trace);
            match event {
                Event::Message { message, .. } => self.on_message(peer, message),
                Event::Closed(reason) => panic!("{peer} at {:?}: {reason}", self.sim.now()),
                _ => {}
            }
        }
    }

    fn on_message(&mut self, peer: PeerId, message: Message) {
        let now = self.sim.now();
        let owner = self.owners[&peer];
        let node = &mut self.nodes[owner];
        match message {
            Message::Inv(vectors) => {
                for vector in &vectors {
                    if vector.kind() == InvType::TX && node.requested != Some(vector.hash()) {
                        node.requested = Some(vector.hash());
                        let request = Message::GetData([*vector].into());
                        self.sim[peer].send(now, request).expect("established");
                    }
                }
            }
            Message::GetData(vectors) => {
                let tx = node.tx.clone().expect("it was announced");
                assert_eq!(vectors.as_slice(), [InvVect::tx(tx.tx_hash())]);
                self.sim[peer].send(now, Message::Tx(tx)).expect("established");
            }
            Message::Tx(tx) => {
                assert_eq!(node.requested, Some(tx.tx_hash()));
                self.obtain(owner, tx);
            }
            _ => {}
        }
    }

    /// Gives a transaction to a node, which announces it to all its peers.
    fn obtain(&mut self, node: usize, tx: Tx) {
        let now = self.sim.now();
        let vector = InvVect::tx(tx.tx_hash());
        let node = &mut self.nodes[node];
        node.requested = Some(tx.tx_hash());
        node.tx = Some(tx);
        assert_eq!(node.received_at.replace(now), None, "received twice");
        for &peer in &node.peers {
            _ = self.sim[peer].announce(now, vector, Relay::Trickle);
        }
    }
}

fn tx() -> Tx {
    let outputs = vec![TxOut { value: 1, version: 0, pk_script: vec![0x51; 300].into() }];
    let transaction = Transaction { outputs, ..Transaction::default() };
    transaction.encode(Chain::Exchangecoin).expect("a valid transaction")
}

/// Gives a transaction to one node. Returns the time of its arrival at each node, and a hash over
/// all events.
fn spread(seed: u64) -> (Vec<Instant>, u64) {
    let mut net = Net::new(seed);
    net.run(Duration::from_secs(5));
    assert!(net.sim.peers().all(|(_, peer)| peer.is_established()));
    net.obtain(0, tx());
    net.run(Duration::from_secs(10));
    // A connection carries the handshake, at most one announcement in each direction, and the
    // messages that deliver the transaction.
    assert!(net.events < 2 * NODES * CALLS * 10, "{} events", net.events);
    let times = net.nodes.iter().map(|node| node.received_at.expect("every node receives it"));
    (times.collect(), net.trace.finish())
}

#[test]
fn a_transaction_reaches_every_node() {
    let (times, trace) = spread(1);
    assert_eq!(times[0], Instant::from_secs(5));
    let last = times.iter().max().expect("there are nodes");
    assert!((Instant::from_secs(6)..Instant::from_secs(12)).contains(last), "{last:?}");

    let (same_times, same_trace) = spread(1);
    assert!(times == same_times && trace == same_trace, "the same seed gave another run");
    let (other_times, other_trace) = spread(2);
    assert!(times != other_times && trace != other_trace, "another seed gave the same run");
}

/// One connection is active, and the others are idle.
#[test]
fn a_day_of_an_idle_network_passes_quickly() {
    let quiet = || {
        let builder = Config::builder(Network::DCR_SIMNET);
        builder.idle_timeout(None).ping_interval(None).build().expect("valid")
    };
    let mut sim = Simulation::new(1, UnixTime::from_secs(1_700_000_000));
    let pipe = Pipe::new().latency(Duration::from_millis(50));
    for _ in 0..2_000 {
        sim.connect(quiet(), quiet(), pipe.clone());
    }
    sim.run(Duration::from_secs(60));
    for second in 0..86_400 {
        if second % 20 == 0 {
            let (first, _) = sim.peers().next().expect("there are peers");
            let now = sim.now();
            sim[first].send(now, Message::GetAddr).expect("established");
        }
        sim.run(Duration::from_secs(1));
    }
    assert!(sim.peers().all(|(_, peer)| peer.is_established()));
}

/// The last messages of a peer arrive before the end of its stream. The line is slow, its capacity
/// is small, and the remote still sends.
#[test]
fn messages_queued_before_a_shutdown_arrive() {
    const MESSAGES: usize = 200;

    let config = || {
        let builder = Config::builder(Network::EXCC_SIMNET);
        builder.max_unsolicited(Command::NotFound, 1_000).build().expect("valid")
    };
    let line = Pipe::new()
        .latency(Duration::from_millis(150))
        .bandwidth(10_000)
        .capacity(1_000)
        .faults(Faults::new().split(0.5).merge(0.5, Duration::from_millis(40)));
    let mut sim = Simulation::new(1, UnixTime::from_secs(1_700_000_000));
    let (caller, listener) = sim.connect(config(), config(), line);
    sim.run(Duration::from_secs(5));

    let start = sim.now();
    let vector = |n: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(n as u64).to_le_bytes());
        InvVect::tx(Hash::from_bytes(hash))
    };
    for n in 0..MESSAGES {
        sim[caller].send(start, Message::NotFound([vector(n)].into())).expect("established");
        _ = sim[caller].announce(start, vector(n), Relay::Trickle);
        sim[listener].send(start, Message::GetAddr).expect("established");
    }
    sim[caller].shutdown(start, Duration::from_secs(60));
    let events = sim.run(Duration::from_secs(120));

    let end = |of: PeerId| {
        let ends = events.iter().filter_map(|(at, peer, event)| match event {
            Event::Closed(reason) if *peer == of => Some((*at, reason.clone())),
            _ => None,
        });
        ends.last().expect("a closed peer")
    };
    let ((sent_at, caller_end), (arrived_at, listener_end)) = (end(caller), end(listener));
    assert_eq!(caller_end, CloseReason::Local);
    assert_eq!(listener_end, CloseReason::RemoteClosed);
    assert!(sent_at > start + Duration::from_secs(1), "the line is slow");
    assert!(arrived_at >= sent_at + Duration::from_millis(150));
    assert_eq!(sim[caller].linger_until(), Some(start + Duration::from_secs(60)));

    let sent = events.iter().filter(|(_, _, event)| matches!(event, Event::Sent(_)));
    assert_eq!(sent.filter(|(_, peer, _)| *peer == caller).count(), MESSAGES);
    let mut received: Vec<InvVect> = Vec::new();
    let mut announced: Vec<InvVect> = Vec::new();
    for (_, _, event) in events.iter().filter(|(_, peer, _)| *peer == listener) {
        match event {
            Event::Message { message: Message::NotFound(vectors), .. } => {
                received.extend(vectors.iter())
            }
            Event::Message { message: Message::Inv(vectors), .. } => {
                announced.extend(vectors.iter())
            }
            _ => {}
        }
    }
    let expected: Vec<InvVect> = (0..MESSAGES).map(vector).collect();
    assert_eq!((&received, &announced), (&expected, &expected));
    assert_eq!(sim[caller].stats().bytes_sent, sim[listener].stats().bytes_received);
}
