//! Errors of decoding and encoding.

use core::fmt;

use super::command::{Command, CommandField};
use super::format::Hex;
use crate::network::Chain;

/// An error in received bytes.
///
/// Every error is final: a stream is never resynchronised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    command: Option<Command>,
    kind: ErrorKind,
}

impl DecodeError {
    /// Creates an error of a frame whose command is not known yet.
    pub(crate) const fn in_frame(kind: ErrorKind) -> Self {
        Self { command: None, kind }
    }

    /// Creates an error of a message.
    pub(crate) const fn in_message(command: Command, kind: ErrorKind) -> Self {
        Self { command: Some(command), kind }
    }

    /// Returns the command, or `None` if the header was refused before its command was known.
    pub const fn command(&self) -> Option<Command> {
        self.command
    }

    /// Returns the kind of the error.
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns whether the nodes of `chain` ban a peer that sends such bytes.
    ///
    /// - [`Truncated`](ErrorKind::Truncated) is `false` on both chains: the nodes only
    ///   disconnect.
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) is `true` on Decred only: Exchangecoin's
    ///   nodes ignore these bytes.
    /// - All other errors are `true`.
    #[must_use]
    pub const fn is_violation(&self, chain: Chain) -> bool {
        // `serverPeer.OnRead` of both nodes bans for every error of package `wire`. A truncated
        // payload is an error of package `io` (`docs/protocol.md`, 12.1).
        match self.kind {
            ErrorKind::Truncated { .. } => false,
            ErrorKind::TrailingBytes(_) => matches!(chain, Chain::Decred),
            _ => true,
        }
    }
}

/// An error that prevents a message from being encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    command: Command,
    kind: ErrorKind,
}

impl EncodeError {
    pub(crate) const fn new(command: Command, kind: ErrorKind) -> Self {
        Self { command, kind }
    }

    /// Returns the command of the message.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// Returns the kind of the error.
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            Some(command) => write!(f, "{command}: {}", self.kind),
            None => write!(f, "frame: {}", self.kind),
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be encoded: {}", self.command, self.kind)
    }
}

impl core::error::Error for DecodeError {}
impl core::error::Error for EncodeError {}

/// A value above its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excess {
    /// The value.
    pub seen: u64,
    /// The limit.
    pub allowed: u64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at most {} allowed", self.seen, self.allowed)
    }
}

/// The kind of an error in received bytes, or in a message to be encoded.
///
/// Variants have the names of the reference nodes' error kinds without `Err`.
/// [`name`](Self::name) returns them as text. [`Truncated`](Self::Truncated) replaces the two
/// end-of-file errors of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The payload ends before the message does.
    #[error("{needed} bytes needed, {remaining} remaining")]
    Truncated {
        /// Length of the next field in bytes.
        needed: usize,
        /// Number of remaining bytes.
        remaining: usize,
    },
    /// The frame belongs to another network.
    #[error("magic {seen:#010x} of another network, expected {expected:#010x}")]
    WrongNetwork {
        /// The magic of the frame.
        seen: u32,
        /// The magic of the local network.
        expected: u32,
    },
    /// The command is not printable ASCII followed by zero bytes.
    #[error("command {0} is not printable ASCII")]
    MalformedCmd(CommandField),
    /// The chain does not have the command.
    #[error("unknown command {0}")]
    UnknownCmd(CommandField),
    /// The payload is too large. Lengths are in bytes.
    #[error("payload bytes: {0}")]
    PayloadTooLarge(Excess),
    /// The payload does not match its checksum.
    #[error("checksum {} claimed, {} computed", Hex(.claimed), Hex(.computed))]
    PayloadChecksum {
        /// The checksum in the header.
        claimed: [u8; 4],
        /// The checksum of the payload.
        computed: [u8; 4],
    },
    /// The protocol version in force does not have the message.
    #[error("not defined at protocol version {version}, only from {first} to {last}")]
    MsgInvalidForPVer {
        /// The version in force.
        version: u32,
        /// The first version with the message.
        first: u32,
        /// The last version with the message.
        last: u32,
    },
    /// Bytes follow the complete message.
    #[error("{0} bytes after the end of the message")]
    TrailingBytes(usize),
    /// A variable-length integer has a longer encoding than necessary.
    #[error("{value} in {len} bytes is not the shortest encoding")]
    NonCanonicalVarInt {
        /// The integer.
        value: u64,
        /// Length of its encoding in bytes.
        len: usize,
    },
    /// A string is too long. Lengths are in bytes.
    #[error("string bytes: {0}")]
    VarStringTooLong(Excess),
    /// A string has a byte outside printable ASCII, `0x20..=0x7e`.
    #[error("byte {byte:#04x} at {at} of a string is not printable ASCII")]
    MalformedStrictString {
        /// The first such byte.
        byte: u8,
        /// Its offset in the string.
        at: usize,
    },
    /// The user agent is too long. Lengths are in bytes.
    #[error("user agent bytes: {0}")]
    UserAgentTooLong(Excess),
    /// A timestamp is later than Decred's nodes can represent. Times are in seconds.
    #[error("timestamp in seconds: {0}")]
    InvalidTimestamp(Excess),
    /// Too many addresses in an `addr` or `addrv2`.
    #[error("addresses: {0}")]
    TooManyAddrs(Excess),
    /// Too many inventory vectors.
    #[error("inventory vectors: {0}")]
    TooManyVectors(Excess),
    /// Too many hashes in a block locator.
    #[error("block locator hashes: {0}")]
    TooManyLocators(Excess),
    /// Too many headers in a `headers`.
    #[error("block headers: {0}")]
    TooManyHeaders(Excess),
    /// A header in a `headers` has a transaction count other than 0.
    #[error("header {index} is followed by {txs} transactions, none allowed")]
    HeaderContainsTxs {
        /// Index of the header.
        index: usize,
        /// The transaction count.
        txs: u64,
    },
    /// A byte string is too long. Lengths are in bytes.
    #[error("bytes: {0}")]
    VarBytesTooLong(Excess),
    /// Too many transactions in a block, or inputs or outputs in a transaction.
    #[error("transactions, inputs or outputs: {0}")]
    TooManyTxs(Excess),
    /// The serialisation type of a transaction is not 0, 1 or 2.
    #[error("unknown transaction serialisation type {0}")]
    UnknownTxType(u16),
    /// The prefix and the witness of a transaction have different numbers of inputs.
    #[error("{witness} inputs in the witness, {prefix} in the prefix")]
    MismatchedWitnessCount {
        /// Number of inputs in the prefix.
        prefix: u64,
        /// Number of inputs in the witness.
        witness: u64,
    },
    /// A committed filter to be sent is too large. Lengths are in bytes.
    #[error("filter bytes: {0}")]
    FilterTooLarge(Excess),
    /// Too many hashes in the proof of a committed filter.
    #[error("proof hashes: {0}")]
    TooManyProofs(Excess),
    /// Too many types of committed filters.
    #[error("filter types: {0}")]
    TooManyFilterTypes(Excess),
    /// Too many headers of committed filters.
    #[error("filter headers: {0}")]
    TooManyFilterHeaders(Excess),
    /// Too many committed filters.
    #[error("filters: {0}")]
    TooManyCFilters(Excess),
    /// Too many blocks in a mining or initial state.
    #[error("block hashes: {0}")]
    TooManyBlocks(Excess),
    /// Too many votes in a mining or initial state.
    #[error("vote hashes: {0}")]
    TooManyVotes(Excess),
    /// Too many treasury spends in an initial state.
    #[error("treasury spend hashes: {0}")]
    TooManyTSpends(Excess),
    /// Too many types in a `getinitstate`.
    #[error("initial state types: {0}")]
    TooManyInitStateTypes(Excess),
    /// A type in a `getinitstate` to be sent is too long. Lengths are in bytes.
    #[error("initial state type bytes: {0}")]
    InitStateTypeTooLong(Excess),
    /// An `addrv2` has no address.
    #[error("no addresses, at least 1 required")]
    TooFewAddrs,
    /// The type of a network address is not 1, 2 or 3.
    #[error("unknown network address type {0}")]
    UnknownNetAddrType(u8),
    /// The script class of a `mixpairreq` to be sent is too long. Lengths are in bytes.
    #[error("script class bytes: {0}")]
    MixPairReqScriptClassTooLong(Excess),
    /// Too many unspent outputs in a `mixpairreq`.
    #[error("unspent outputs: {0}")]
    TooManyMixPairReqUTXOs(Excess),
    /// Too many hashes in the list of messages seen, or too many ciphertexts.
    #[error("messages seen: {0}")]
    TooManyPrevMixMsgs(Excess),
    /// The message is invalid for another reason.
    #[error("{0}")]
    InvalidMsg(Invalid),
}

/// The reason of an [`InvalidMsg`](ErrorKind::InvalidMsg).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A message to be sent, or a part of one, belongs to another chain.
    #[error("belongs to {of}, expected {expected}")]
    OtherChain {
        /// The chain of the message or part.
        of: Chain,
        /// The chain of the connection or of the whole.
        expected: Chain,
    },
    /// A `reject` of a `block` or `tx` has no hash, or one of another message has a hash.
    #[error("a reject has a hash if and only if it is for a block or tx")]
    RejectHash,
    /// An amount is negative.
    #[error("amount {0} is negative")]
    NegativeAmount(i64),
    /// The flag for a change output is neither 0 nor 1.
    #[error("change flag {0}, expected 0 or 1")]
    ChangeFlag(u8),
    /// A `mixcphrtxt` has different numbers of ciphertexts and of key exchanges seen.
    #[error("{ciphertexts} ciphertexts for {seen} key exchanges seen")]
    UnequalLists {
        /// Number of ciphertexts.
        ciphertexts: usize,
        /// Number of key exchanges seen.
        seen: usize,
    },
    /// A matrix has no rows or no columns.
    #[error("{rows} rows of {columns} values, at least 1 of each required")]
    EmptyMatrix {
        /// Number of rows.
        rows: u64,
        /// Number of columns.
        columns: u64,
    },
    /// The number of values is not the number of rows times the number of columns.
    #[error("{values} values do not fill {rows} rows of {columns}")]
    RaggedMatrix {
        /// Number of values.
        values: usize,
        /// Number of rows, saturating.
        rows: u32,
        /// Number of columns, saturating.
        columns: u32,
    },
    /// Too many rows in a matrix.
    #[error("rows: {0}")]
    TooManyRows(Excess),
    /// Too many columns in a matrix.
    #[error("columns: {0}")]
    TooManyColumns(Excess),
    /// Too many values in a list.
    #[error("values: {0}")]
    TooManyValues(Excess),
    /// A value to be sent is too long. Lengths are in bytes.
    #[error("value bytes: {0}")]
    ValueTooLong(Excess),
    /// The size of mixed messages is not 20 bytes.
    #[error("mixed messages of {0} bytes, expected 20")]
    MixedMessageSize(u64),
}

impl ErrorKind {
    /// Returns the name of the reference nodes' error kind, without `Err`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "Truncated",
            Self::WrongNetwork { .. } => "WrongNetwork",
            Self::MalformedCmd(_) => "MalformedCmd",
            Self::UnknownCmd(_) => "UnknownCmd",
            Self::PayloadTooLarge(_) => "PayloadTooLarge",
            Self::PayloadChecksum { .. } => "PayloadChecksum",
            Self::MsgInvalidForPVer { .. } => "MsgInvalidForPVer",
            Self::TrailingBytes(_) => "TrailingBytes",
            Self::NonCanonicalVarInt { .. } => "NonCanonicalVarInt",
            Self::VarStringTooLong(_) => "VarStringTooLong",
            Self::MalformedStrictString { .. } => "MalformedStrictString",
            Self::UserAgentTooLong(_) => "UserAgentTooLong",
            Self::InvalidTimestamp(_) => "InvalidTimestamp",
            Self::TooManyAddrs(_) => "TooManyAddrs",
            Self::TooManyVectors(_) => "TooManyVectors",
            Self::TooManyLocators(_) => "TooManyLocators",
            Self::TooManyHeaders(_) => "TooManyHeaders",
            Self::HeaderContainsTxs { .. } => "HeaderContainsTxs",
            Self::VarBytesTooLong(_) => "VarBytesTooLong",
            Self::TooManyTxs(_) => "TooManyTxs",
            Self::UnknownTxType(_) => "UnknownTxType",
            Self::MismatchedWitnessCount { .. } => "MismatchedWitnessCount",
            Self::FilterTooLarge(_) => "FilterTooLarge",
            Self::TooManyProofs(_) => "TooManyProofs",
            Self::TooManyFilterTypes(_) => "TooManyFilterTypes",
            Self::TooManyFilterHeaders(_) => "TooManyFilterHeaders",
            Self::TooManyCFilters(_) => "TooManyCFilters",
            Self::TooManyBlocks(_) => "TooManyBlocks",
            Self::TooManyVotes(_) => "TooManyVotes",
            Self::TooManyTSpends(_) => "TooManyTSpends",
            Self::TooManyInitStateTypes(_) => "TooManyInitStateTypes",
            Self::InitStateTypeTooLong(_) => "InitStateTypeTooLong",
            Self::TooFewAddrs => "TooFewAddrs",
            Self::UnknownNetAddrType(_) => "UnknownNetAddrType",
            Self::MixPairReqScriptClassTooLong(_) => "MixPairReqScriptClassTooLong",
            Self::TooManyMixPairReqUTXOs(_) => "TooManyMixPairReqUTXOs",
            Self::TooManyPrevMixMsgs(_) => "TooManyPrevMixMsgs",
            Self::InvalidMsg(_) => "InvalidMsg",
        }
    }
}

/// Returns the error of `kind` if `seen` is more than `allowed`.
pub(crate) fn at_most(
    seen: impl TryInto<u64>,
    allowed: impl TryInto<u64>,
    kind: fn(Excess) -> ErrorKind,
) -> Result<(), ErrorKind> {
    let seen = seen.try_into().unwrap_or(u64::MAX);
    let allowed = allowed.try_into().unwrap_or(u64::MAX);
    if seen <= allowed { Ok(()) } else { Err(kind(Excess { seen, allowed })) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_violation_if_the_nodes_ban_for_it() {
        for (kind, exchangecoin, decred) in [
            (ErrorKind::Truncated { needed: 2, remaining: 1 }, false, false),
            (ErrorKind::TrailingBytes(1), false, true),
            (ErrorKind::TooFewAddrs, true, true),
            (ErrorKind::UnknownCmd(Command::Reject.into()), true, true),
        ] {
            for error in [
                DecodeError::in_frame(kind.clone()),
                DecodeError::in_message(Command::Ping, kind.clone()),
            ] {
                assert_eq!(error.is_violation(Chain::Exchangecoin), exchangecoin, "{error}");
                assert_eq!(error.is_violation(Chain::Decred), decred, "{error}");
            }
        }
    }
}
