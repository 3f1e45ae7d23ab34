//! A hub with many connections over loopback, on each adapter. No message is lost without a
//! report, memory stays bounded, and all resources are released.
//!
//! Every remote announces transactions, some of which others announce as well. The hub relays new
//! ones to all remotes, requests some of them, and answers requests. All peers send pings. One
//! remote in ten reads slowly, and half of these stop reading at some time. One remote in ten is
//! cut off after a random number of bytes. At the end the hub shuts all connections down, and the
//! records of both ends are compared.
//!
//! The adapter drives both ends of each connection, so the remotes add load and keep records. Their
//! applications are tasks on either adapter. This shows that tasks can receive events of peers that
//! threads drive.
//!
//! By default the test is small. A thousand connections take less than half a minute for each
//! adapter on two idle cores:
//!
//! ```sh
//! EXCC_LOAD_PEERS=1000 cargo test --release --all-features --test load -- --nocapture
//! ```
//!
//! `EXCC_LOAD_SEED` repeats the random choices of a run, but not its timing.

mod adapters;
mod check;
mod node;
mod process;

use std::collections::HashMap;
use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use excc_peer::adapter::Events;
use excc_peer::wire::{Command, EncodedMessage, InvVect, Message, Transaction, TxOut};
use excc_peer::{Announced, Config, ConfigBuilder, Hash, Network, Relay};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use adapters::{Adapter, Std, Tokio};
use node::{Hub, Peer};
use process::Process;

const NETWORK: Network = Network::EXCC_REGNET;

/// The negotiated protocol version, for messages that are encoded once for all peers.
const VERSION: u32 = 8;

/// Maximum time of any wait in a run.
const PATIENCE: Duration = Duration::from_secs(120);

/// The timeout of a shutdown. Slow readers may need longer.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The write timeout for slow readers.
const SLOW_WRITE: Duration = Duration::from_secs(3);

/// The time between two announcements of a remote.
const ROUND: Duration = Duration::from_millis(150);

/// Small buffers of sockets, so that writes are partial and slow readers block them.
const SEND_BUFFER: u32 = 64 * 1024;
const SLOW_RECEIVE_BUFFER: u32 = 32 * 1024;

/// The size of the largest transaction, which slow readers request.
const LARGEST: usize = 24 * 1024;

/// Maximum number of queued bytes. It is less than a slow reader requests, and more than the buffers
/// of a connection hold.
const MAX_QUEUED: usize = 512 * 1024;

/// Maximum number of bytes of waiting events.
const MAX_WAITING: usize = 64 * 1024;

/// Behaviour of a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Honest,
    /// Takes events slowly.
    Slow,
    /// Takes this number of events and then stops.
    Stuck(u32),
    /// Is cut off after it has sent this number of bytes.
    Cut(u64),
}

impl Kind {
    fn is_slow(self) -> bool {
        matches!(self, Self::Slow | Self::Stuck(_))
    }

    fn is_cut(self) -> bool {
        matches!(self, Self::Cut(_))
    }
}

/// Data shared by a whole run.
struct World {
    kinds: Vec<Kind>,
    /// Number of vectors that each remote owns.
    each: usize,
    /// All vectors, by number. Those of one remote are adjacent. The hub has the transaction of the
    /// last one from the beginning.
    vectors: Vec<InvVect>,
    numbers: HashMap<Hash, usize>,
    /// The transactions that exist.
    txs: HashMap<usize, EncodedMessage>,
}

impl World {
    fn new(peers: usize, rng: &mut ChaCha8Rng) -> Self {
        let each = if peers > 250 { 4 } else { 8 };
        let kinds = (0..peers).map(|at| match at % 20 {
            3 => Kind::Slow,
            13 => Kind::Stuck(5 + below(rng, 15)),
            // Some are cut off around the handshake, some inside a transaction.
            7 => Kind::Cut(below(rng, 1_500).into()),
            17 => Kind::Cut(below(rng, 30_000).into()),
            _ => Kind::Honest,
        });
        let kinds = kinds.collect();
        let popular = peers * each;
        let mut txs = HashMap::new();
        let mut vector = |number| {
            if number % 4 != 0 && number != popular {
                let mut hash = [0; 32];
                rng.fill_bytes(&mut hash);
                return InvVect::tx(Hash::from_bytes(hash));
            }
            let script =
                if number == popular { LARGEST } else { below(rng, LARGEST as u32) as usize };
            let outputs = vec![TxOut { value: 1, version: 0, pk_script: vec![0; script].into() }];
            let tx = Transaction { outputs, lock_time: number as u32, ..Transaction::default() };
            let tx = tx.encode(NETWORK.chain()).expect("a valid transaction");
            let vector = InvVect::tx(tx.tx_hash());
            let frame = EncodedMessage::new(&NETWORK, VERSION, &Message::Tx(tx));
            txs.insert(number, frame.expect("a valid transaction"));
            vector
        };
        let vectors: Vec<InvVect> = (0..=popular).map(&mut vector).collect();
        let numbers = (0..).zip(&vectors).map(|(number, vector)| (vector.hash(), number)).collect();
        Self { kinds, each, vectors, numbers, txs }
    }

    fn peers(&self) -> usize {
        self.kinds.len()
    }

    /// Returns the number of the transaction that the hub has from the beginning.
    fn popular(&self) -> usize {
        self.vectors.len() - 1
    }

    fn number(&self, vector: &InvVect) -> usize {
        *self.numbers.get(&vector.hash()).expect("an announced vector")
    }

    /// Returns the numbers that a remote announces: its own, and then one of its neighbour.
    fn announced_by(&self, at: usize) -> impl Iterator<Item = usize> + Clone {
        let neighbour = (at + 1) % self.peers();
        (at * self.each..(at + 1) * self.each).chain([neighbour * self.each])
    }

    fn has(&self, at: usize, number: usize) -> bool {
        self.announced_by(at).any(|own| own == number)
    }
}

fn below(rng: &mut impl Rng, end: u32) -> u32 {
    rng.next_u32() % end.max(1)
}

fn builder() -> ConfigBuilder {
    Config::builder(NETWORK)
        .max_queued_bytes(MAX_QUEUED)
        .max_waiting_events(128, MAX_WAITING)
        .ping_interval(None)
}

/// Configurations of the hub and of the remotes, by kind.
struct Configs {
    hub: Arc<Config>,
    hub_slow: Arc<Config>,
    remote: Arc<Config>,
    remote_slow: Arc<Config>,
}

impl Configs {
    fn new() -> Self {
        // On a busy machine any thread may be slow, so only slow readers have a short timeout.
        let patient = || builder().write_timeout(Some(PATIENCE));
        let unhurried = |builder: ConfigBuilder| builder.response_timeout(Command::GetData, None);
        let hub_slow = builder().write_timeout(Some(SLOW_WRITE));
        let build = |builder: ConfigBuilder| Arc::new(builder.build().expect("valid"));
        Self {
            hub: build(patient()),
            hub_slow: build(unhurried(hub_slow)),
            remote: build(patient()),
            remote_slow: build(unhurried(patient())),
        }
    }
}

/// Returns the two ends of a new connection: the hub's and the remote's.
async fn sockets(listener: &TcpListener, kind: Kind) -> (TcpStream, TcpStream) {
    let socket = TcpSocket::new_v4().expect("a socket");
    if kind.is_slow() {
        socket.set_recv_buffer_size(SLOW_RECEIVE_BUFFER).expect("a small buffer");
    }
    let address = listener.local_addr().expect("bound");
    let far = socket.connect(address).await.expect("a connection");
    let (near, from) = listener.accept().await.expect("a connection");
    assert_eq!(from, far.local_addr().expect("connected"), "a foreign connection");
    let [near, far] = [near, far].map(|stream| {
        stream.set_nodelay(true).expect("an open socket");
        let stream = stream.into_std().expect("an open socket");
        stream.set_nonblocking(false).expect("an open socket");
        stream
    });
    (near, far)
}

/// Connects all remotes with the hub.
async fn connect<A: Adapter>(world: &World, rng: &mut ChaCha8Rng) -> [Vec<(Peer, Events)>; 2] {
    let configs = Configs::new();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(SEND_BUFFER).expect("a small buffer");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port");
    let listener = socket.listen(16).expect("listening");
    let (mut hub, mut remotes) = (Vec::new(), Vec::new());
    for &kind in &world.kinds {
        let (near, far) = sockets(&listener, kind).await;
        let slow = kind.is_slow();
        let config = if slow { &configs.hub_slow } else { &configs.hub };
        hub.push(A::inbound(config.clone(), near, rng));
        let config = if slow { &configs.remote_slow } else { &configs.remote };
        let cut = if let Kind::Cut(after) = kind { Some(after) } else { None };
        remotes.push(A::outbound(config.clone(), far, cut, rng));
    }
    [hub, remotes].map(|peers| {
        let result: Result<Vec<_>, _> = peers.into_iter().collect();
        let peers = result.expect("enough descriptors and threads");
        peers.into_iter().map(|(handle, events)| (Peer::new(handle), events)).collect()
    })
}

/// Waits until `missing` returns `None`.
async fn until_none(what: &str, mut missing: impl FnMut() -> Option<String>) {
    let end = Instant::now() + PATIENCE;
    while let Some(missing) = missing() {
        assert!(Instant::now() < end, "{what}: {missing}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn scenario<A: Adapter>(world: Arc<World>, mut rng: ChaCha8Rng) -> check::Totals {
    let before = Process::now();
    let [hub, remotes] = connect::<A>(&world, &mut rng).await;
    let (peers, hub_events): (Vec<_>, Vec<_>) = hub.into_iter().unzip();
    let (remotes, remote_events): (Vec<_>, Vec<_>) = remotes.into_iter().unzip();
    let hub = Arc::new(Hub::new(world.clone(), peers));
    let remotes: Arc<[Peer]> = remotes.into();
    let (end, has_ended) = watch::channel(false);

    let mut tasks = Vec::new();
    let (news, all_news) = mpsc::unbounded_channel();
    tasks.push(tokio::spawn(node::relay(hub.clone(), all_news)));
    for (at, events) in hub_events.into_iter().enumerate() {
        tasks.push(tokio::spawn(node::serve(hub.clone(), at, events, news.clone())));
    }
    drop(news);
    for (at, events) in remote_events.into_iter().enumerate() {
        let rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
        let (world, remotes, has_ended) = (world.clone(), remotes.clone(), has_ended.clone());
        tasks.push(tokio::spawn(node::live(world, remotes, at, events, rng, has_ended)));
    }
    let has_begun = |peer: &Peer| peer.book().is_established || peer.is_closed();
    until_none("handshakes", || {
        hub.peers
            .iter()
            .chain(&*remotes)
            .find(|peer| !has_begun(peer))
            .map(|one| format!("{one:?}"))
    })
    .await;

    let threads = Process::now().threads;

    let mut announcing: Vec<_> = (0..world.peers()).map(|at| world.announced_by(at)).collect();
    for _ in 0..=world.each {
        for (remote, numbers) in remotes.iter().zip(&mut announcing) {
            let number = numbers.next().expect("one for each round");
            let announced = remote.handle.announce(world.vectors[number], Relay::Trickle);
            let fits = match announced {
                Announced::Batched | Announced::Known => true,
                _ => remote.is_closed(),
            };
            assert!(fits, "announcement {announced} by {remote:?}");
        }
        sleep(ROUND).await;
    }
    until_none("announcements", || check::missing_news(&world, &hub, &remotes)).await;
    // Some have not sent enough bytes to be cut off.
    for (remote, kind) in remotes.iter().zip(&world.kinds) {
        if kind.is_cut() {
            remote.handle.close();
        }
    }
    until_none("deliveries", || check::missing_deliveries(&world, &hub, &remotes)).await;

    hub.peers.iter().for_each(|peer| peer.handle.shutdown(SHUTDOWN));
    end.send_replace(true);
    for peer in hub.peers.iter().chain(&*remotes) {
        tokio::time::timeout(PATIENCE, peer.handle.closed()).await.expect("an end in time");
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    // Handles must keep no thread and no descriptor.
    assert_eq!(process::remaining(before.threads, || Process::now().threads), 0, "threads remain");
    let descriptors = process::remaining(before.descriptors, || Process::now().descriptors);
    assert_eq!(descriptors, 0, "descriptors remain");
    let mut totals = check::check(&world, &hub, &remotes);
    totals.threads = threads;
    totals
}

fn run<A: Adapter>() {
    let variable = |name: &str| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let peers = variable("EXCC_LOAD_PEERS").unwrap_or(60) as usize;
    let seed = variable("EXCC_LOAD_SEED").unwrap_or_else(|| getrandom::u64().expect("entropy"));
    println!("{}: {peers} connections, seed {seed}", A::NAME);
    // Each end of a connection needs one.
    process::check_descriptors(peers * 2 + 100);

    let before = Process::now();
    let began = Instant::now();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = Arc::new(World::new(peers, &mut rng));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let totals = runtime.block_on(scenario::<A>(world.clone(), rng));
    let took = began.elapsed();
    let tasks = process::remaining(0, || runtime.metrics().num_alive_tasks());
    drop(runtime);
    let threads = process::remaining(before.threads, || Process::now().threads);
    let descriptors = process::remaining(before.descriptors, || Process::now().descriptors);
    let remaining = [tasks, threads, descriptors];

    let peak = process::peak_memory().saturating_sub(before.memory);
    check::print(A::NAME, &world, &totals, took, peak, remaining);
    assert_eq!(remaining, [0; 3], "resources remain");
    check::check_memory(&world, peak);
}

#[test]
fn threads_sustain_the_load() {
    process::alone("threads_sustain_the_load", run::<Std>);
}

#[test]
fn tasks_sustain_the_load() {
    process::alone("tasks_sustain_the_load", run::<Tokio>);
}
