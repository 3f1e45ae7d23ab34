//! The command line.

use excc_peer::Network;
use lexopt::prelude::*;

use crate::inspect::Defaults;
use crate::lines::Form;
use crate::options::end_or_refuse;

const HELP: &str = "\
Shows the contents of captured frames of the Exchangecoin and Decred networks.

Usage: frames [OPTIONS]

Options:
  --network NAME        The network of lines that name none:
                        {excc,dcr}-{mainnet,testnet,simnet,regnet} [default: excc-mainnet]
  --protocol-version N  The protocol version of lines that name none; otherwise the one that the
                        nodes of the line's chain advertise: 8 on Exchangecoin, 12 on Decred
  --pretty              A line of text for each frame or error, and indented JSON under that
                        of a frame
  -h, --help            Print this help
  -V, --version         Print the version

Reads standard input. Each line is a run of frames in hexadecimal, which may follow the
name of a network, a protocol version or both, with white space between:

    excc-mainnet 8 e1d7179970696e670000000000000000...

Writes one JSON object a line for each frame: `line` (counted from 1), `ok`, `command`,
`fields`, the hashes of transactions and blocks, `canonical` (whether the message is
encoded as that frame again) and `consumed` (bytes of the frame). The first error ends a
line and is an object with `line`, `ok`, `error` and `detail`; the next line is read all
the same. Hashes and byte strings are in the order of the wire.

A blank line shows nothing. A number of one or two digits with nothing behind it is taken
for a version whose bytes are missing.

The exit status is 0 at the end of the input, whatever was in it, and once nobody reads
the output; 1 if reading or writing fails; 2 for wrong arguments.
";

pub(crate) struct Arguments {
    pub(crate) defaults: Defaults,
    pub(crate) form: Form,
}

impl Arguments {
    /// Parses the arguments of the process.
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let defaults = Defaults { network: Network::EXCC_MAINNET, version: None };
        let mut arguments = Self { defaults, form: Form::Json };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("network") => arguments.defaults.network = parser.value()?.parse()?,
                Long("protocol-version") => {
                    arguments.defaults.version = Some(parser.value()?.parse()?);
                }
                Long("pretty") => arguments.form = Form::Text,
                _ => return Err(end_or_refuse(argument, HELP)),
            }
        }
        Ok(arguments)
    }
}
