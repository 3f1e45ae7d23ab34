//! Downloads block headers, and checks that they are a chain.
//!
//! ```text
//! cargo run --release --example header_sync
//! cargo run --release --example header_sync -- --network dcr-mainnet --headers 200000
//! ```
//!
//! The node is a thread of this program, so that nothing leaves the machine.

#[path = "header_sync/arguments.rs"]
mod arguments;
#[path = "header_sync/chain.rs"]
mod chain;
#[path = "header_sync/node.rs"]
mod node;
#[path = "common/options.rs"]
mod options;
#[path = "header_sync/progress.rs"]
mod progress;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use excc_peer::adapter::{Handle, threads as adapter};
use excc_peer::wire::{Command, MAX_HEADERS, Message};
use excc_peer::{CloseReason, Config, Event, Hash, Network};
use rand_core::UnwrapErr;

use arguments::Arguments;
use chain::HashChain;
use node::Node;
use progress::Progress;

/// Any error of either thread.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Time limit for connecting, for each answer, and for the end.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match Arguments::parse().map(|arguments| run(&arguments)) {
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

fn run(&Arguments { network, headers }: &Arguments) -> Result<(), Error> {
    let node = Node::new(network, chain::make(network, headers));
    let tip = node.tip();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let bytes = network.chain().header_len();
    println!("{address} has {headers} headers of {network}, {bytes} bytes each");
    let node = thread::spawn(move || node.serve(&listener));

    let (chain, messages) = download(network, address)?;
    node.join().map_err(|_| "the node panicked")??;
    if chain.tip() != tip {
        return Err(format!("the chain ends in {}, and the node's in {tip}", chain.tip()).into());
    }
    println!("{} headers in {messages} messages, all linked, tip {tip}", chain.height());
    Ok(())
}

/// Downloads the chain of the node at `address`. Also returns the number of messages.
fn download(network: Network, address: SocketAddr) -> Result<(HashChain, usize), Error> {
    let config = Config::builder(network)
        .user_agent("header-sync", "1.0.0")
        // A `getheaders` has no deadline by default, because nodes may ignore it.
        .response_timeout(Command::GetHeaders, Some(PATIENCE))
        .build()?;
    let started = Instant::now();
    let (peer, events) =
        adapter::connect(config, address, PATIENCE, &mut UnwrapErr(getrandom::SysRng))?;

    let mut chain = HashChain::new(network);
    let mut messages = 0;
    let mut progress = Progress::new();
    for event in events {
        match event {
            Event::VersionReceived(version) => {
                // A claim of the node, good enough for a progress bar.
                progress.set_total(version.start_height.try_into().unwrap_or(0));
            }
            Event::Established(_) => request(&peer, &chain)?,
            Event::Message { message: Message::Headers(headers), solicited: true } => {
                messages += 1;
                for header in headers.iter() {
                    chain.push(&header)?;
                }
                progress.draw(chain.height());
                // A node that has more headers fills the message.
                if headers.len() == MAX_HEADERS {
                    request(&peer, &chain)?;
                } else {
                    peer.shutdown(PATIENCE);
                }
            }
            Event::Closed(CloseReason::Local) => progress.clear(),
            Event::Closed(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let per_second = f64::from(chain.height()) / seconds;
    let megabytes = peer.stats().bytes_received as f64 / 1e6;
    println!("{seconds:.3} s, {per_second:.0} headers/s, {:.1} MB/s", megabytes / seconds);
    peer.wait_closed();
    Ok((chain, messages))
}

/// Requests the headers after the chain.
fn request(peer: &Handle, chain: &HashChain) -> Result<(), Error> {
    let locator = chain.locator();
    match peer.with(|peer, now| peer.push_getheaders(now, locator, Hash::ZERO))? {
        Some(_) => Ok(()),
        // The same request would get the same answer.
        None => Err("the tip has not moved".into()),
    }
}
