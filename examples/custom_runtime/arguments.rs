//! The command line.

use std::num::NonZeroU16;
use std::process;

use lexopt::prelude::*;

const HELP: &str = "\
Many peers on one thread.

Usage: custom_runtime [OPTIONS]

Options:
  --peers N   Number of connections. Each has a peer at either end [default: 200]
  -h, --help  Print this help
";

pub(crate) struct Arguments {
    pub(crate) peers: usize,
}

impl Arguments {
    /// Parses the arguments of the process.
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self { peers: 200 };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("peers") => {
                    let peers: NonZeroU16 = parser.value()?.parse()?;
                    arguments.peers = peers.get().into();
                }
                Short('h') | Long("help") => {
                    print!("{HELP}");
                    process::exit(0);
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }
}
