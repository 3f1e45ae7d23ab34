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

#[path = "peer/arguments.rs"]
mod arguments;
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
#[path = "common/options.rs"]
mod options;
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

use arguments::{Mode, Options};
use runtime::Runtime;

fn main() -> ExitCode {
    match arguments::parse().map(|(mode, options)| run(&mode, &options)) {
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

fn run(mode: &Mode, options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new(options.runtime)?;
    match mode {
        Mode::Demo => demo::run(options, &runtime),
        Mode::Connect { address } => modes::connect(options, &runtime, address),
        Mode::Listen { address } => modes::listen(options, &runtime, address),
    }
}
