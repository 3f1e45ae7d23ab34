//! Shows the contents of captured frames.
//!
//! ```text
//! echo excc-mainnet 8 e1d7... | cargo run --release --example frames --features serde
//! ```
//!
//! Reads frames in hexadecimal from standard input, any number of them a line, and prints each as
//! a line of JSON, or with `--pretty` as text. `--help` has the details.

#[path = "frames/arguments.rs"]
mod arguments;
#[path = "frames/inspect.rs"]
mod inspect;
#[path = "frames/lines.rs"]
mod lines;
#[path = "common/options.rs"]
mod options;
#[path = "frames/text.rs"]
mod text;

use std::io::{self, BufWriter, ErrorKind};
use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let Arguments { defaults, form } = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}; `--help` lists the arguments");
            return ExitCode::from(2);
        }
    };
    let output = BufWriter::new(io::stdout().lock());
    match lines::run(io::stdin().lock(), output, defaults, form) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
