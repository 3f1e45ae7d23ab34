//! Crawls a network: visits every node that another one knows, and draws which knows which.
//!
//! ```text
//! cargo run --release --features tokio --example crawler
//! cargo run --release --features tokio --example crawler -- --nodes 1000 --svg network.svg
//! ```
//!
//! The network runs in this process, so that nothing leaves the machine and the result can be
//! checked.

#[path = "crawler/arguments.rs"]
mod arguments;
#[path = "crawler/crawl.rs"]
mod crawl;
#[path = "crawler/graph.rs"]
mod graph;
#[path = "crawler/nodes.rs"]
mod nodes;
#[path = "common/options.rs"]
mod options;
#[path = "crawler/report.rs"]
mod report;
#[path = "crawler/svg.rs"]
mod svg;

use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use excc_peer::Network;

use arguments::Arguments;
use graph::Graph;
use nodes::Nodes;

type Error = Box<dyn std::error::Error + Send + Sync>;

const NETWORK: Network = Network::EXCC_SIMNET;

fn main() -> ExitCode {
    match Arguments::parse().map(run) {
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

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), Error> {
    let nodes = Nodes::start(arguments.nodes, arguments.seed).await?;
    let first = nodes.first();

    let started = Instant::now();
    let crawl = crawl::run(first, arguments.connections).await?;
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
