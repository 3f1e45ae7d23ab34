//! Many peers on one thread, over `mio`. Any other runtime works the same way.
//!
//! ```text
//! cargo run --release --example custom_runtime -- --peers 200
//! ```
//!
//! It connects to itself over loopback, so that both ends of every connection are in one loop.
//! The listening peers announce transactions, and the callers count the announcements.
//!
//! The modules `connection` and `runtime` are meant to be copied.

#[path = "custom_runtime/arguments.rs"]
mod arguments;
#[path = "custom_runtime/connection.rs"]
mod connection;
#[path = "custom_runtime/runtime.rs"]
mod runtime;

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use excc_peer::wire::{InvVect, Message};
use excc_peer::{
    Announced, CloseReason, Config, Direction, Event, Instant, Network, PeerState, Relay,
};
use mio::Token;

use arguments::Arguments;
use runtime::{Application, Result, Runtime};

/// The time limit of the whole program.
const PATIENCE: Duration = Duration::from_secs(30);

/// Maximum number of connections to be accepted: a listener queues 128.
const MOST_WAITING: usize = 100;

const TRANSACTIONS: u32 = 300;

/// Received announcements, and the progress of all peers.
#[derive(Default)]
struct Progress {
    announced: HashSet<InvVect>,
    received: HashSet<(Token, InvVect)>,
    round_trips: Vec<Duration>,
    /// Peers that completed the handshake, and peers that are closed, at either end.
    established: usize,
    closed: usize,
    may_close: bool,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Application for Progress {
    fn on_event(
        &mut self,
        now: Instant,
        token: Token,
        peer: &mut PeerState,
        event: Event,
    ) -> Result {
        match event {
            Event::Established(_) => {
                self.established += 1;
                if peer.direction() == Direction::Outbound {
                    peer.ping(now)?;
                }
            }
            Event::RoundTrip { time, .. } => self.round_trips.push(time),
            Event::Message { message: Message::Inv(vectors), .. } => {
                for vector in vectors.iter().copied() {
                    if !self.announced.contains(&vector) || !self.received.insert((token, vector)) {
                        return Err(format!("{peer}: unexpected {vector}").into());
                    }
                }
            }
            Event::Closed(CloseReason::Local | CloseReason::RemoteClosed) if self.may_close => {
                self.closed += 1;
                let stats = peer.stats();
                self.bytes_sent += stats.bytes_sent;
                self.bytes_received += stats.bytes_received;
            }
            Event::Closed(reason) => return Err(format!("{peer}: {reason}").into()),
            _ => {}
        }
        Ok(())
    }
}

impl Progress {
    fn report(mut self, peers: usize, took: Duration) -> Result {
        let (sent, received) = (self.bytes_sent, self.bytes_received);
        if sent != received {
            return Err(format!("{sent} bytes sent, {received} received").into());
        }
        self.round_trips.sort();
        let [shortest, median, longest] = [0, peers / 2, peers - 1].map(|n| self.round_trips[n]);
        let vectors = self.received.len();
        println!("1 thread, {} peers, {took:.2?}", 2 * peers);
        println!("{sent} bytes sent, {received} received");
        println!(
            "round trips: shortest {shortest:.1?}, median {median:.1?}, longest {longest:.1?}"
        );
        println!(
            "{peers} peers: {peers} handshakes, {vectors} vectors delivered, none lost, none twice"
        );
        Ok(())
    }
}

fn run(peers: usize) -> Result {
    let network = Network::EXCC_SIMNET;
    // Each side has its own configuration. With a shared one, peers would detect a connection to
    // themselves.
    let config = |name| Config::builder(network).user_agent(name, "1.0.0").build();
    let (caller, listener) = (Arc::new(config("caller")?), config("callee")?);
    let mut runtime = Runtime::listen(listener)?;

    let hashes = network.chain().hash_function();
    let transactions = (0..TRANSACTIONS).map(|n| InvVect::tx(hashes.digest(&[&n.to_le_bytes()])));
    let latest = Instant::ZERO + PATIENCE;
    let mut progress = Progress { announced: transactions.collect(), ..Progress::default() };

    for calls in 0..peers {
        runtime.run(&mut progress, latest, |all| calls - all.established / 2 < MOST_WAITING)?;
        runtime.call(caller.clone())?;
    }
    runtime.run(&mut progress, latest, |all| all.established == 2 * peers)?;
    let mut queued = 0;
    runtime.command(|peer, now| {
        if peer.direction() == Direction::Inbound {
            let mut announce = |vector: &&InvVect| {
                peer.announce(now, **vector, Relay::Trickle) == Announced::Batched
            };
            queued += progress.announced.iter().filter(&mut announce).count();
        }
    });
    let vectors = peers * progress.announced.len();
    if queued != vectors {
        return Err(format!("only {queued} of {vectors} vectors queued").into());
    }
    runtime.run(&mut progress, latest, |all| {
        all.received.len() == vectors && all.round_trips.len() == peers
    })?;
    progress.may_close = true;
    runtime.command(|peer, now| {
        if peer.direction() == Direction::Outbound {
            peer.shutdown(now, PATIENCE);
        }
    });
    runtime.run_to_end(&mut progress, latest)?;
    if progress.closed != 2 * peers {
        return Err(format!("only {} peers were closed", progress.closed).into());
    }

    progress.report(peers, runtime.now() - Instant::ZERO)
}

fn main() -> ExitCode {
    match Arguments::parse().map(|arguments| run(arguments.peers)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}; `--help` lists the arguments");
            ExitCode::from(2)
        }
    }
}
