//! Options that the examples share.

use std::process;

use lexopt::Arg;
use lexopt::prelude::*;

/// Handles `--help` and `--version`, which end the process. Returns the error of any other
/// argument.
pub(crate) fn end_or_refuse(argument: Arg<'_>, help: &str) -> lexopt::Error {
    match argument {
        Short('h') | Long("help") => print!("{help}"),
        Short('V') | Long("version") => {
            println!("{} {}", env!("CARGO_BIN_NAME"), env!("CARGO_PKG_VERSION"));
        }
        _ => return argument.unexpected(),
    }
    process::exit(0)
}
