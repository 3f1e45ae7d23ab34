//! The command line.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::options::end_or_refuse;

const HELP: &str = "\
Starts a network of nodes on loopback, crawls it from one address, and draws it.

Usage: crawler [OPTIONS]

Options:
  --nodes N        Number of nodes. Each listens on a socket of its own [default: 300]
  --seed N         Seed of the network [default: 3]
  --connections N  Maximum number of visits at a time [default: 32]
  --svg PATH       Path of the drawing; a temporary file by default
  -h, --help       Print this help
  -V, --version    Print the version
";

pub(crate) struct Arguments {
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    pub(crate) connections: usize,
    pub(crate) svg: Option<PathBuf>,
}

impl Arguments {
    /// Parses the arguments of the process.
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self { nodes: 300, seed: 3, connections: 32, svg: None };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("nodes") => arguments.nodes = parse_count(&parser.value()?)?,
                Long("seed") => arguments.seed = parser.value()?.parse()?,
                Long("connections") => arguments.connections = parse_count(&parser.value()?)?,
                Long("svg") => arguments.svg = Some(parser.value()?.into()),
                _ => return Err(end_or_refuse(argument, HELP)),
            }
        }
        Ok(arguments)
    }
}

fn parse_count(value: &OsString) -> Result<usize, lexopt::Error> {
    value.parse().map(|count: NonZeroU16| count.get().into())
}
