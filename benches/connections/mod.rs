//! Live heap of a connection over each adapter, stacks left out.
//!
//! The allocator counts what all threads have. The far ends of the connections are sockets that
//! take no heap. Each figure is an average over many connections.

use std::alloc::System;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use excc_peer::adapter::{self, Events, Handle};
use excc_peer::wire::{
    CFilterV2, CFiltersV2, Command, EncodedMessage, InvVect, List, Message, Version,
};
use excc_peer::{Config, Event, Hash, Network};
use rand_core::UnwrapErr;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated now, and how many allocations were made so far.
pub(crate) fn heap() -> (i64, u64) {
    let stats = ALLOCATOR.stats();
    let live = stats.bytes_allocated as i64 - stats.bytes_deallocated as i64;
    (live, (stats.allocations + stats.reallocations) as u64)
}

fn live() -> i64 {
    heap().0
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Driver {
    Std,
    Tokio,
}

/// Live heap of one connection, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// After the handshake.
    pub(crate) idle: i64,
    /// One second after the largest message, which was taken and dropped.
    pub(crate) after_largest: i64,
    /// With small messages that the application keeps.
    pub(crate) kept: i64,
    /// Bytes of these messages.
    pub(crate) kept_payload: i64,
}

/// Measures a driver. The largest message of Exchangecoin that needs no request is an `inv` of
/// 1.8 MB, that of Decred a `cfiltersv2` of 25 MB, which this configuration takes unasked.
pub(crate) fn measure(
    network: Network,
    driver: Driver,
    connections: usize,
    kept: usize,
) -> Figures {
    let config = Config::builder(network)
        .max_unsolicited(Command::CFiltersV2, u32::MAX as usize)
        .known_inventory(0, Duration::ZERO);
    let config = Arc::new(config.build().expect("a valid configuration"));
    let largest = largest(network);
    let small = frame(network, inv(30));

    // Makes the allocations that all connections share.
    runtime();
    drop(Connection::open(driver, &config));
    settle();

    let before = live();
    let mut open = Vec::with_capacity(connections);
    open.extend((0..connections).map(|_| Connection::open(driver, &config)));
    settle();
    let each = |more: i64| more / connections as i64;
    let vec = (connections * size_of::<Connection>()) as i64;
    let idle = each(live() - before - vec);

    for connection in &mut open {
        connection.send(&largest);
        drop(connection.receive());
    }
    thread::sleep(Duration::from_secs(1));
    let after_largest = each(live() - before - vec);

    // A small message comes in the memory of a large one before it, if at all.
    let mut messages = Vec::with_capacity(kept);
    let connection = &mut open[0];
    let before = live();
    while messages.len() < kept {
        if messages.len() % 100 == 0 {
            connection.send(&frame(network, inv(50_000)));
            drop(connection.receive());
        }
        connection.send(&small);
        messages.push(connection.receive());
    }
    settle();
    let kept = live() - before;
    let kept_payload = (messages.len() * small.len()) as i64;
    Figures { idle, after_largest, kept, kept_payload }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    })
}

/// Lets the drivers finish what they are at.
fn settle() {
    thread::sleep(Duration::from_millis(200));
}

fn inv(vectors: usize) -> Message {
    Message::Inv(List::from(vec![InvVect::tx(Hash::ZERO); vectors]))
}

fn largest(network: Network) -> Vec<u8> {
    if network.chain() != excc_peer::Chain::Decred {
        return frame(network, inv(50_000));
    }
    let filter = CFilterV2 {
        block_hash: Hash::ZERO,
        data: vec![0; 262_144].into(),
        proof_index: 0,
        proof_hashes: List::default(),
    };
    frame(network, Message::CFiltersV2(CFiltersV2 { filters: vec![filter; 100] }))
}

fn frame(network: Network, message: Message) -> Vec<u8> {
    let version = network.chain().newest_version();
    EncodedMessage::new(&network, version, &message).expect("can be encoded").to_bytes().to_vec()
}

/// A connection that is driven, and its far end.
struct Connection {
    remote: TcpStream,
    handle: Handle,
    events: Events,
}

impl Connection {
    fn open(driver: Driver, config: &Arc<Config>) -> Self {
        let network = *config.network();
        let (mut remote, near) = sockets().expect("a connection over loopback");
        let version = Version {
            protocol_version: network.chain().newest_version().cast_signed(),
            nonce: 1,
            ..Version::default()
        };
        let opening = [frame(network, version.into()), frame(network, Message::VerAck)];
        remote.write_all(&opening.concat()).expect("an open socket");
        let (handle, events) = start(driver, config.clone(), near).expect("a peer");
        let mut connection = Self { remote, handle, events };
        while !matches!(connection.event(), Event::VerAckReceived) {}
        connection
    }

    fn event(&mut self) -> Event {
        self.events.recv_blocking().expect("an open peer")
    }

    fn send(&mut self, frame: &[u8]) {
        self.remote.write_all(frame).expect("an open socket");
    }

    fn receive(&mut self) -> Message {
        loop {
            match self.event() {
                Event::Message { message, .. } => return message,
                Event::Closed(reason) => panic!("{reason}"),
                _ => {}
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.handle.close();
        // The far end has something to read, so that this closes it as well.
        let _ = self.remote.read(&mut [0; 1024]);
        self.handle.wait_closed();
    }
}

fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let remote = TcpStream::connect(listener.local_addr()?)?;
    let (near, _) = listener.accept()?;
    Ok((remote, near))
}

fn start(driver: Driver, config: Arc<Config>, socket: TcpStream) -> io::Result<(Handle, Events)> {
    let (remote, mut rng) = (socket.peer_addr()?, UnwrapErr(getrandom::SysRng));
    match driver {
        Driver::Std => adapter::threads::inbound(config, socket, remote, &mut rng),
        Driver::Tokio => {
            let _context = runtime().enter();
            socket.set_nonblocking(true)?;
            let socket = tokio::net::TcpStream::from_std(socket)?;
            adapter::tasks::inbound(config, socket, remote, &mut rng)
        }
    }
}
