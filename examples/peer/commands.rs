//! Commands from standard input.

use excc_peer::Hash;
use excc_peer::wire::InvVect;

pub(crate) const HELP: &str = "\
commands: ping | inv tx|block HASH [HASH...] [now] | getdata tx|block HASH [HASH...] |
getheaders HASH [HASH...] | getaddr | addr N | stats | raw HEX |
shutdown | close | help";

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Ping,
    Inv { vectors: Vec<InvVect>, now: bool },
    GetData(Vec<InvVect>),
    GetHeaders(Vec<Hash>),
    GetAddr,
    Addr(usize),
    Stats,
    Raw(Vec<u8>),
    Shutdown,
    Close,
    Help,
}

/// The command in a line; none in an empty one.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.is_empty() {
        return Ok(None);
    }
    let command = match words.remove(0) {
        "ping" => Command::Ping,
        "inv" => {
            let now = words.last() == Some(&"now");
            if now {
                words.pop();
            }
            return Ok(Some(Command::Inv { vectors: vectors(&words)?, now }));
        }
        "getdata" => return Ok(Some(Command::GetData(vectors(&words)?))),
        "getheaders" => return Ok(Some(Command::GetHeaders(hashes(&words)?))),
        "getaddr" => Command::GetAddr,
        "addr" => {
            let [count] = words[..] else { return Err("addr takes one number".into()) };
            return match count.parse() {
                Ok(count) => Ok(Some(Command::Addr(count))),
                Err(error) => Err(format!("{count}: {error}")),
            };
        }
        "stats" => Command::Stats,
        "raw" => {
            return match hex::decode(words.concat()) {
                Ok(bytes) => Ok(Some(Command::Raw(bytes))),
                Err(error) => Err(error.to_string()),
            };
        }
        "shutdown" => Command::Shutdown,
        "close" => Command::Close,
        "help" => Command::Help,
        other => return Err(format!("no command {other}: try help")),
    };
    match words[..] {
        [] => Ok(Some(command)),
        _ => Err(format!(
            "{} takes nothing after it",
            line.split_whitespace().next().unwrap_or_default()
        )),
    }
}

fn vectors(words: &[&str]) -> Result<Vec<InvVect>, String> {
    let make = match words.first() {
        Some(&"tx") => InvVect::tx,
        Some(&"block") => InvVect::block,
        _ => return Err("tx or block, and then hashes".into()),
    };
    Ok(hashes(&words[1..])?.into_iter().map(make).collect())
}

fn hashes(words: &[&str]) -> Result<Vec<Hash>, String> {
    if words.is_empty() {
        return Err("at least one hash".into());
    }
    words.iter().map(|word| word.parse().map_err(|error| format!("{word}: {error}"))).collect()
}
