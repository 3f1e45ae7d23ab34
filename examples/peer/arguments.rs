//! The command line.

use excc_peer::wire::Services;
use excc_peer::{Config, ConfigBuilder, Network};
use lexopt::prelude::*;

use crate::options::end_or_refuse;
use crate::runtime::RuntimeName;

const HELP: &str = "\
A peer of the Exchangecoin and Decred networks.

Usage: peer [OPTIONS] [MODE]

Modes:
  demo               A listening and a connecting peer in this process, over loopback (the default)
  connect HOST:PORT  Connects to a node; ends with the connection
  listen HOST:PORT   Accepts connections; commands go to all of them; port 0 for a free one

Options:
  --network NAME             {excc,dcr}-{mainnet,testnet,simnet,regnet} [default: excc-mainnet]
  --runtime NAME             The driver of the peers [default: std]
                             - std: two threads for each peer
                             - tokio: a task for each peer; needs the feature of that name
  --protocol-version N       The highest protocol version to advertise
  --user-agent NAME:VERSION  The software to advertise
  --services N               The services to offer, as a number [default: 0]
                             1 serves headers and blocks that were made here
  --height N                 The height of the best block to advertise [default: 0]
  --no-relay                 Ask for no announcements of transactions
  --seconds N                End after this number of seconds
  --json                     Print each event as one JSON object a line, and everything else
                             on standard error
  -h, --help                 Print this help
  -V, --version              Print the version

`connect` and `listen` take commands from standard input; `help` lists them. They answer what
nodes disconnect for if it is not answered: `getdata` with what the command `make` has made,
or with `notfound`, and `getinitstate` with an empty `initstate`. With `--services 1`,
`getheaders` and `getblocks` are answered from the blocks that were made.

Do not offer service 1 to a node that is behind: it chooses such a peer to synchronise from,
and disconnects after 10 s without new headers. An empty `headers` does not help, and made-up
headers have no proof of work. A synchronised node keeps the connection.
";

pub(crate) enum Mode {
    Demo,
    Connect { address: String },
    Listen { address: String },
}

pub(crate) struct Options {
    pub(crate) network: Network,
    pub(crate) runtime: RuntimeName,
    protocol_version: Option<u32>,
    user_agent: Option<(String, String)>,
    services: u64,
    height: i32,
    no_relay: bool,
    pub(crate) seconds: Option<u64>,
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn services(&self) -> Services {
        Services::from_bits_retain(self.services)
    }

    pub(crate) fn config(&self) -> ConfigBuilder {
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

/// Parses the arguments of the process.
pub(crate) fn parse() -> Result<(Mode, Options), lexopt::Error> {
    let mut options = Options {
        network: Network::EXCC_MAINNET,
        runtime: RuntimeName::Std,
        protocol_version: None,
        user_agent: None,
        services: 0,
        height: 0,
        no_relay: false,
        seconds: None,
        json: false,
    };
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("network") => options.network = parser.value()?.parse()?,
            Long("runtime") => options.runtime = parser.value()?.parse()?,
            Long("protocol-version") => options.protocol_version = Some(parser.value()?.parse()?),
            Long("user-agent") => {
                options.user_agent = Some(parser.value()?.parse_with(parse_user_agent)?);
            }
            Long("services") => options.services = parser.value()?.parse()?,
            Long("height") => options.height = parser.value()?.parse()?,
            Long("no-relay") => options.no_relay = true,
            Long("seconds") => options.seconds = Some(parser.value()?.parse()?),
            Long("json") => options.json = true,
            Value(word) => words.push(word.string()?),
            _ => return Err(end_or_refuse(argument, HELP)),
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mode = match words[..] {
        [] | ["demo"] => Mode::Demo,
        ["connect", address] => Mode::Connect { address: address.to_owned() },
        ["listen", address] => Mode::Listen { address: address.to_owned() },
        _ => return Err("the mode is demo, connect HOST:PORT or listen HOST:PORT".into()),
    };
    Ok((mode, options))
}

fn parse_user_agent(text: &str) -> Result<(String, String), String> {
    let (name, version) = text.rsplit_once(':').ok_or("not of the form NAME:VERSION")?;
    Ok((name.to_owned(), version.to_owned()))
}
