//! Which message answers which request.

use crate::hash::Hash;
use crate::network::Chain;
use crate::wire::{Command, Headers, InvType, LocatorRequest};

/// Maximum number of headers that announce blocks. Nodes announce a new block by one header, and
/// take a list of fewer than 12 as an announcement (`docs/protocol.md`, 11.2).
const MAX_ANNOUNCED_HEADERS: usize = 12;

/// Returns the commands that answer a request, or none if `command` is no request. The answer to a
/// `getdata` depends on its vectors (`docs/protocol.md`, 7.1).
pub(super) const fn answers(command: Command) -> &'static [Command] {
    match command {
        Command::GetData => &[Command::Tx, Command::Block, Command::NotFound],
        Command::GetInitState => &[Command::InitState],
        Command::GetHeaders => &[Command::Headers],
        Command::GetBlocks | Command::MemPool => &[Command::Inv],
        Command::GetMinings => &[Command::MiningState],
        Command::GetAddr => &[Command::Addr, Command::AddrV2],
        Command::GetCFilter => &[Command::CFilter],
        Command::GetCFHeaders => &[Command::CFHeaders],
        Command::GetCFTypes => &[Command::CFTypes],
        Command::GetCFilterV2 => &[Command::CFilterV2],
        Command::GetCFsV2 => &[Command::CFiltersV2],
        _ => &[],
    }
}

pub(super) const fn is_request(command: Command) -> bool {
    !answers(command).is_empty()
}

/// Returns whether nodes answer for every vector of a type, if only with `notfound`. They ignore
/// vectors of other types (`docs/protocol.md`, 7.1).
pub(super) const fn is_served(kind: InvType) -> bool {
    matches!(kind, InvType::TX | InvType::BLOCK | InvType::MIX)
}

/// Returns whether headers answer a request for headers.
///
/// A node sends the headers after the first hash of the locator that it knows, or after the
/// genesis block, or the header of the stop hash, or none. An announcement follows a block that
/// need not be in the locator (`docs/protocol.md`, 7.1).
pub(super) fn is_continued_by(request: &LocatorRequest, headers: &Headers, genesis: &Hash) -> bool {
    headers.iter().next().is_none_or(|first| {
        let previous = first.prev_block();
        previous == *genesis
            || request.stop == first.block_hash()
            || request.locator.contains(&previous)
    })
}

/// Returns the command under which large answers are counted. All mixing messages count as one,
/// because a vector does not name the kind of mixing message.
pub(super) const fn answer_class(command: Command) -> Command {
    match command {
        Command::MixKeyXchg
        | Command::MixCphrTxt
        | Command::MixSlotRes
        | Command::MixDCNet
        | Command::MixConfirm
        | Command::MixFactPoly
        | Command::MixSecrets => Command::MixPairReq,
        other => other,
    }
}

/// Returns the [class](answer_class) of the message that carries the object of a vector.
pub(super) const fn object_class(kind: InvType) -> Command {
    match kind {
        InvType::BLOCK => Command::Block,
        InvType::MIX => Command::MixPairReq,
        _ => Command::Tx,
    }
}

/// Returns the default maximum payload length of an unsolicited message, or `None` if the limit of
/// the protocol applies (`docs/protocol.md`, 11.2).
pub(super) const fn default_max_unsolicited(command: Command, chain: Chain) -> Option<usize> {
    match command {
        // Nodes send these in answer to a request only.
        Command::Block
        | Command::NotFound
        | Command::InitState
        | Command::MiningState
        | Command::CFTypes
        | Command::CFHeaders
        | Command::CFilter
        | Command::CFilterV2
        | Command::CFiltersV2 => Some(0),
        // The count, and each header with its count of transactions.
        Command::Headers => Some(1 + MAX_ANNOUNCED_HEADERS * (chain.header_len() + 1)),
        _ => None,
    }
}
