//! Two peers in one process, over a loopback socket.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{InvVect, Message};
use excc_peer::{Announced, CloseReason, Config, Direction, Event, Hash, HashFunction, Relay};

use crate::Options;
use crate::report::{self, Report};
use crate::runtime::Runtime;

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of transactions to announce.
const TRANSACTIONS: u32 = 300;

struct Player {
    name: &'static str,
    peer: Handle,
    events: Events,
    report: Report,
}

impl Player {
    /// Reports events up to a wanted one and returns it.
    fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event, Box<dyn Error>> {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.ok_or_else(|| format!("{}: no event in time", self.name))?;
            // Receipts would only clutter the output.
            if !matches!(event, Event::Sent(_)) {
                self.report.line(self.name, &report::describe(&event));
            }
            match event {
                event if wanted(&event) => return Ok(event),
                Event::Closed(reason) => return Err(reason.into()),
                _ => {}
            }
        }
    }

    fn announce(&self, vectors: impl Iterator<Item = InvVect>) {
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for vector in vectors {
            let outcome = self.peer.announce(vector, Relay::Trickle);
            *outcomes.entry(outcome.to_string()).or_default() += 1;
        }
        let outcomes: Vec<_> = outcomes.iter().map(|(name, n)| format!("{n} {name}")).collect();
        self.report.line(self.name, &format!("announces transactions: {}", outcomes.join(", ")));
    }
}

pub(crate) fn run(options: &Options, runtime: &Runtime) -> Result<(), Box<dyn Error>> {
    let report = Report::new(options.network.chain(), false);
    let named = |name: &'static str| options.config().user_agent(name, "1.0.0").build();
    let hash = options.network.chain().hash_function();

    println!("-- Alice listens, Bob connects: the handshake on {}", options.network);
    let alice_config = Config::clone(&named("alice")?).with_start_height(120_000);
    let [mut alice, mut bob] =
        pair(runtime, ["alice", "bob"], [alice_config, named("bob")?], report)?;
    let established = |event: &Event| matches!(event, Event::Established(_));
    bob.until(established)?;
    alice.until(established)?;

    println!("-- Bob pings Alice");
    bob.peer.ping()?;
    bob.until(|event| matches!(event, Event::RoundTrip { .. }))?;
    alice.until(|event| matches!(event, Event::Message { message: Message::Ping(_), .. }))?;

    println!(
        "-- Bob announces {TRANSACTIONS} transactions twice; they are sent once, in one message"
    );
    let transactions = || (0..TRANSACTIONS).map(|n| InvVect::tx(made_up_hash(hash, n)));
    bob.announce(transactions().chain(transactions()));
    let mut received = 0;
    while received < TRANSACTIONS as usize {
        let inv = alice
            .until(|event| matches!(event, Event::Message { message: Message::Inv(_), .. }))?;
        if let Event::Message { message: Message::Inv(vectors), .. } = inv {
            received += vectors.len();
        }
    }

    println!("-- Each side now knows that the other has them");
    bob.announce(transactions());
    alice.announce(transactions());

    println!("-- Alice announces a block, which is sent at once");
    let block = InvVect::block(made_up_hash(hash, TRANSACTIONS));
    let outcome = alice.peer.announce(block, Relay::Immediate);
    if !matches!(outcome, Announced::Queued(_)) {
        return Err(format!("the block was not announced: {outcome}").into());
    }
    bob.until(|event| matches!(event, Event::Message { message: Message::Inv(_), .. }))?;

    println!("-- Traffic");
    for player in [&alice, &bob] {
        report.line(player.name, &report::summary(&player.peer.stats()));
    }

    println!("-- Bob announces another block and disconnects once it is sent");
    let block = InvVect::block(made_up_hash(hash, TRANSACTIONS + 1));
    let _ = bob.peer.announce(block, Relay::Immediate);
    bob.peer.shutdown(PATIENCE);
    let closed = |event: &Event| matches!(event, Event::Closed(_));
    bob.until(closed)?;
    alice.until(closed)?;

    println!("-- Carol calls her own address and notices");
    let carol = named("carol")?;
    let [mut listening, mut connecting] =
        pair(runtime, ["carol", "carol"], [carol.clone(), carol], report)?;
    let end = listening.until(closed)?;
    connecting.until(closed)?;
    if end != Event::Closed(CloseReason::SelfConnection) {
        return Err("Carol did not detect it".into());
    }
    Ok(())
}

/// Returns two peers over a loopback socket: the listening one and the connecting one.
fn pair(
    runtime: &Runtime,
    [listening, connecting]: [&'static str; 2],
    [inbound, outbound]: [Config; 2],
    report: Report,
) -> Result<[Player; 2], Box<dyn Error>> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    let player = |name, config: Config, socket, direction| {
        let (peer, events) = runtime.start(Arc::new(config), socket, direction)?;
        Ok::<_, Box<dyn Error>>(Player { name, peer, events, report })
    };
    Ok([
        player(listening, inbound, far, Direction::Inbound)?,
        player(connecting, outbound, near, Direction::Outbound)?,
    ])
}

fn made_up_hash(function: HashFunction, n: u32) -> Hash {
    function.digest(&[&n.to_le_bytes()])
}
