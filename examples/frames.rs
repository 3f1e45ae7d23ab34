//! Shows the contents of captured frames.
//!
//! ```text
//! echo excc-mainnet 8 e1d7... | cargo run --release --example frames --features serde
//! ```
//!
//! Reads frames in hexadecimal from standard input, any number of them a line, and prints each as
//! a line of JSON, or with `--pretty` as text. `--help` has the details.

#[path = "frames/inspect.rs"]
mod inspect;
#[path = "frames/lines.rs"]
mod lines;
#[path = "frames/text.rs"]
mod text;

use std::io::{self, BufWriter, ErrorKind};
use std::process::ExitCode;

use clap::Parser;
use excc_peer::Network;

use inspect::Defaults;
use lines::Form;

/// Shows the contents of captured frames of the Exchangecoin and Decred networks.
///
/// Reads standard input. Each line is a run of frames in hexadecimal, which may follow the
/// name of a network, a protocol version or both, with white space between:
///
///     excc-mainnet 8 e1d7179970696e670000000000000000...
///
/// Writes one JSON object a line for each frame: `line` (counted from 1), `ok`, `command`,
/// `fields`, the hashes of transactions and blocks, `canonical` (whether the message is
/// encoded as that frame again) and `consumed` (bytes of the frame). The first error ends a
/// line and is an object with `line`, `ok`, `error` and `detail`; the next line is read all
/// the same. Hashes and byte strings are in the order of the wire.
///
/// A blank line shows nothing. A number of one or two digits with nothing behind it is taken
/// for a version whose bytes are missing.
///
/// The exit status is 0 at the end of the input, whatever was in it, and once nobody reads
/// the output; 1 if reading or writing fails; 2 for wrong arguments.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The network of lines that name none: {excc,dcr}-{mainnet,testnet,simnet,regnet}.
    #[arg(long, value_name = "NAME", default_value_t = Network::EXCC_MAINNET)]
    network: Network,
    /// The protocol version of lines that name none; otherwise the one that the nodes of
    /// the line's chain advertise: 8 on Exchangecoin, 12 on Decred.
    #[arg(long, value_name = "N")]
    protocol_version: Option<u32>,
    /// A line of text for each frame or error, and indented JSON under that of a frame.
    #[arg(long)]
    pretty: bool,
}

fn main() -> ExitCode {
    let Arguments { network, protocol_version: version, pretty } = Arguments::parse();
    let form = if pretty { Form::Text } else { Form::Json };
    let output = BufWriter::new(io::stdout().lock());
    match lines::run(io::stdin().lock(), output, Defaults { network, version }, form) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
