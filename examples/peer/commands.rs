//! Commands from standard input.

use std::fmt::Display;
use std::str::FromStr;

use excc_peer::Hash;
use excc_peer::wire::{GetInitState, InvType, InvVect, Reject, RejectCode};

pub(crate) const HELP: &str = "\
ping                             measure the round trip
make tx|block N [now]            create N, serve and announce them
inv tx|block HASH [HASH...] [now]
                                 announce objects that `make` has created
getdata tx|block HASH [HASH...]  request transactions or blocks
getheaders HASH [HASH...]        request the headers after a block locator
getblocks HASH [HASH...]         request the hashes of the blocks after a block locator
getcfilterv2 HASH                request the committed filter of a block
getinitstate [TYPE...]           request the state for a starting node, all types by default
mempool                          request the mempool; nodes ban a peer that sends four at once
getaddr                          request addresses
addr N                           send N invented addresses
feefilter ATOMS                  request only transactions with this fee per kilobyte
reject COMMAND CODE REASON       report that a message was not accepted
reject tx|block HASH CODE REASON report it for a transaction or a block
raw HEX                          write bytes to the socket, bypassing the peer
stats                            print the statistics
shutdown                         send all queued messages, then disconnect
close                            disconnect at once
help                             print this list
Nodes disconnect a peer that sends them blocks without proof of work.";

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Ping,
    Make { kind: InvType, count: usize, now: bool },
    Inv { vectors: Vec<InvVect>, now: bool },
    GetData(Vec<InvVect>),
    GetHeaders(Vec<Hash>),
    GetBlocks(Vec<Hash>),
    GetCFilterV2(Hash),
    GetInitState(GetInitState),
    MemPool,
    GetAddr,
    Addr(usize),
    FeeFilter(i64),
    Reject(Reject),
    Raw(Vec<u8>),
    Stats,
    Shutdown,
    Close,
    Help,
}

/// Parses a line. Returns `None` if it is empty.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some((&name, words)) = words.split_first() else { return Ok(None) };
    let (arguments, now) = match words {
        [arguments @ .., "now"] => (arguments, true),
        arguments => (arguments, false),
    };
    Ok(Some(match (name, words) {
        ("ping", []) => Command::Ping,
        ("make", [kind, count, ..]) if arguments.len() == 2 => {
            Command::Make { kind: inv_type(kind)?, count: parsed(count)?, now }
        }
        ("inv", [_, _, ..]) => Command::Inv { vectors: vectors(arguments)?, now },
        ("getdata", words @ [_, _, ..]) => Command::GetData(vectors(words)?),
        ("getheaders", words @ [_, ..]) => Command::GetHeaders(hashes(words)?),
        ("getblocks", words @ [_, ..]) => Command::GetBlocks(hashes(words)?),
        ("getcfilterv2", [hash]) => Command::GetCFilterV2(parsed(hash)?),
        ("getinitstate", types) => Command::GetInitState(init_state(types)),
        ("mempool", []) => Command::MemPool,
        ("getaddr", []) => Command::GetAddr,
        ("addr", [count]) => Command::Addr(parsed(count)?),
        ("feefilter", [atoms]) => Command::FeeFilter(parsed(atoms)?),
        ("reject", [command @ ("tx" | "block"), hash, code, reason @ ..]) => {
            Command::Reject(reject(command, code, reason, Some(parsed(hash)?))?)
        }
        ("reject", [command, code, reason @ ..]) => {
            Command::Reject(reject(command, code, reason, None)?)
        }
        ("raw", words) => Command::Raw(hex::decode(words.concat()).map_err(|e| e.to_string())?),
        ("stats", []) => Command::Stats,
        ("shutdown", []) => Command::Shutdown,
        ("close", []) => Command::Close,
        ("help", []) => Command::Help,
        _ => return Err(format!("{line}: unknown command, try help")),
    }))
}

fn parsed<T: FromStr<Err: Display>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("{word}: {error}"))
}

fn hashes(words: &[&str]) -> Result<Vec<Hash>, String> {
    words.iter().map(|word| parsed(word)).collect()
}

fn inv_type(word: &str) -> Result<InvType, String> {
    match word {
        "tx" => Ok(InvType::TX),
        "block" => Ok(InvType::BLOCK),
        _ => Err(format!("{word}: neither tx nor block")),
    }
}

fn vectors(words: &[&str]) -> Result<Vec<InvVect>, String> {
    let kind = inv_type(words.first().copied().unwrap_or_default())?;
    let hashes = hashes(&words[1..])?;
    if hashes.is_empty() {
        return Err("a hash is missing".into());
    }
    Ok(hashes.into_iter().map(|hash| InvVect::new(kind, hash)).collect())
}

fn init_state(types: &[&str]) -> GetInitState {
    const ALL: [&str; 3] =
        [GetInitState::HEAD_BLOCKS, GetInitState::HEAD_BLOCK_VOTES, GetInitState::TSPENDS];
    let types = if types.is_empty() { &ALL } else { types };
    GetInitState { types: types.iter().collect() }
}

fn reject(
    command: &str,
    code: &str,
    reason: &[&str],
    hash: Option<Hash>,
) -> Result<Reject, String> {
    let code = RejectCode::new(parsed(code)?);
    Ok(Reject { command: command.into(), code, reason: reason.join(" "), hash })
}
