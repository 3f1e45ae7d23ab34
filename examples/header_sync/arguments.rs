//! The command line.

use excc_peer::Network;
use lexopt::prelude::*;

use crate::options::end_or_refuse;

const HELP: &str = "\
Downloads block headers from a node in this process, and checks that they are a chain.

Usage: header_sync [OPTIONS]

Options:
  --network NAME  {excc,dcr}-{mainnet,testnet,simnet,regnet} [default: excc-mainnet]
  --headers N     Number of headers that the node has, up to 10,000,000 [default: 50000]
  -h, --help      Print this help
  -V, --version   Print the version
";

/// Maximum number of headers, which are kept in memory.
const MAX_CHAIN: u32 = 10_000_000;

pub(crate) struct Arguments {
    pub(crate) network: Network,
    pub(crate) headers: u32,
}

impl Arguments {
    /// Parses the arguments of the process.
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self { network: Network::EXCC_MAINNET, headers: 50_000 };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("network") => arguments.network = parser.value()?.parse()?,
                Long("headers") => arguments.headers = parser.value()?.parse()?,
                _ => return Err(end_or_refuse(argument, HELP)),
            }
        }
        if arguments.headers > MAX_CHAIN {
            return Err(format!("at most {MAX_CHAIN} headers").into());
        }
        Ok(arguments)
    }
}
