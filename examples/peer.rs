//! A peer on the command line.
//!
//! ```text
//! cargo run --release --example peer                          # two peers in one process
//! cargo run --release --example peer -- listen 127.0.0.1:9666
//! cargo run --release --example peer -- connect 127.0.0.1:9666
//! cargo run --release --features tokio --example peer -- --runtime tokio
//! ```
//!
//! `connect` and `listen` take commands from standard input, one a line; `help` lists them.

#[path = "peer/commands.rs"]
mod commands;
#[path = "peer/demo.rs"]
mod demo;
#[path = "peer/fields.rs"]
mod fields;
#[path = "peer/json.rs"]
mod json;
#[path = "peer/modes.rs"]
mod modes;
#[path = "peer/report.rs"]
mod report;
#[path = "peer/runtime.rs"]
mod runtime;
#[path = "peer/session.rs"]
mod session;
#[path = "peer/store.rs"]
mod store;

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use excc_peer::wire::Services;
use excc_peer::{Config, ConfigBuilder, Network};

use runtime::{Runtime, RuntimeName};

/// A peer of the Exchangecoin and Decred networks.
///
/// `connect` and `listen` take commands from standard input; `help` lists them. They answer what
/// nodes disconnect for if it is not answered: `getdata` with what the command `make` has made,
/// or with `notfound`, and `getinitstate` with an empty `initstate`. With `--services 1`,
/// `getheaders` and `getblocks` are answered from the blocks that were made.
///
/// Do not offer service 1 to a node that is behind: it chooses such a peer to synchronise from,
/// and disconnects after 10 s without new headers. An empty `headers` does not help, and made-up
/// headers have no proof of work. A synchronised node keeps the connection.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Mode {
    /// A listening and a connecting peer in this process, over loopback (the default).
    Demo,
    /// Connects to a node; ends with the connection.
    Connect {
        /// Where the node listens, as HOST:PORT.
        address: String,
    },
    /// Accepts connections; commands go to all of them.
    Listen {
        /// Where to listen, as HOST:PORT; port 0 for a free one.
        address: String,
    },
}

#[derive(Args)]
struct Options {
    /// {excc,dcr}-{mainnet,testnet,simnet,regnet}
    #[arg(long, global = true, default_value = "excc-mainnet")]
    network: Network,
    /// The driver of the peers; tokio needs the feature of that name.
    #[arg(long, global = true, value_name = "NAME", default_value_t = RuntimeName::Std)]
    runtime: RuntimeName,
    /// The highest protocol version to advertise.
    #[arg(long, global = true, value_name = "N")]
    protocol_version: Option<u32>,
    /// The software to advertise.
    #[arg(long, global = true, value_name = "NAME:VERSION", value_parser = parse_user_agent)]
    user_agent: Option<(String, String)>,
    /// The services to offer, as a number. 1 serves headers and blocks that were made here.
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    services: u64,
    /// The height of the best block to advertise.
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    height: i32,
    /// Ask for no announcements of transactions.
    #[arg(long, global = true)]
    no_relay: bool,
    /// End after so many seconds.
    #[arg(long, global = true, value_name = "N")]
    seconds: Option<u64>,
    /// Print each event as one JSON object a line, and everything else on standard error.
    #[arg(long, global = true)]
    json: bool,
}

fn parse_user_agent(text: &str) -> Result<(String, String), String> {
    let (name, version) = text.rsplit_once(':').ok_or("not of the form NAME:VERSION")?;
    Ok((name.to_owned(), version.to_owned()))
}

impl Options {
    fn services(&self) -> Services {
        Services::from_bits_retain(self.services)
    }

    fn config(&self) -> ConfigBuilder {
        let mut builder = Config::builder(self.network)
            .services(self.services())
            .start_height(self.height)
            .relay(!self.no_relay);
        if let Some(version) = self.protocol_version {
            builder = builder.protocol_version(version);
        }
        if let Some((name, version)) = &self.user_agent {
            builder = builder.user_agent(name, version);
        }
        builder
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(Arguments { mode, options }: Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new(options.runtime)?;
    match mode.unwrap_or(Mode::Demo) {
        Mode::Demo => demo::run(&options, &runtime),
        Mode::Connect { address } => modes::connect(&options, &runtime, &address),
        Mode::Listen { address } => modes::listen(&options, &runtime, &address),
    }
}
