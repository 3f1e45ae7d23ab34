//! Crawls a network: visits every node that another one knows, and draws which knows which.
//!
//! ```text
//! cargo run --release --features tokio --example crawler
//! cargo run --release --features tokio --example crawler -- --nodes 1000 --svg network.svg
//! ```
//!
//! The network runs in this process, so that nothing leaves the machine and the result can be
//! checked.

#[path = "crawler/crawl.rs"]
mod crawl;
#[path = "crawler/graph.rs"]
mod graph;
#[path = "crawler/nodes.rs"]
mod nodes;
#[path = "crawler/report.rs"]
mod report;
#[path = "crawler/svg.rs"]
mod svg;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use clap::Parser;
use excc_peer::Network;

use graph::Graph;
use nodes::Nodes;

type Error = Box<dyn std::error::Error + Send + Sync>;

const NETWORK: Network = Network::EXCC_SIMNET;

/// Starts a network of nodes on loopback, crawls it from one address, and draws it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Number of nodes. Each listens on a socket of its own.
    #[arg(long, value_name = "N", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    nodes: u16,
    /// Seed of the network.
    #[arg(long, value_name = "N", default_value_t = 3)]
    seed: u64,
    /// Maximum number of visits at a time.
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Path of the drawing; a temporary file by default.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let nodes = Nodes::start(arguments.nodes.into(), arguments.seed).await?;
    let first = nodes.first();

    let started = Instant::now();
    let crawl = crawl::run(first, arguments.connections.into()).await?;
    let graph = Graph::new(&crawl, first);
    report::print(&graph, started.elapsed());

    let path = arguments.svg.unwrap_or_else(|| env::temp_dir().join("excc-peer-crawler.svg"));
    let written = fs::write(&path, svg::draw(&graph)?);
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    println!("drawn in {}\n", path.display());

    nodes.check(&crawl)?;
    let (known, reached) = (crawl.len(), graph.reached().count());
    let missed = known - reached;
    println!("{known} nodes known, {reached} reached, {missed} not, every reachable node found");
    Ok(())
}
