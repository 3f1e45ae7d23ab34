//! What can be wrong with bytes, and with a message that should become bytes.

use core::fmt;

use super::frame::CommandField;
use super::message::Command;
use crate::network::Chain;

/// Why received bytes were refused.
///
/// Every decoding error is terminal: a stream is never resynchronised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    command: Option<Command>,
    kind: ErrorKind,
}

impl DecodeError {
    pub(crate) const fn in_frame(kind: ErrorKind) -> Self {
        Self { command: None, kind }
    }

    pub(crate) const fn in_message(command: Command, kind: ErrorKind) -> Self {
        Self { command: Some(command), kind }
    }

    /// The message that the bytes announced, once its command was known.
    pub const fn command(&self) -> Option<Command> {
        self.command
    }

    /// What was wrong.
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether the remote broke the protocol, which the reference nodes answer with a
    /// ban. A payload that ends early is the one error that does not count.
    pub const fn is_violation(&self) -> bool {
        !matches!(self.kind, ErrorKind::Truncated { .. })
    }
}

/// Why a message cannot be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    command: Command,
    kind: ErrorKind,
}

impl EncodeError {
    pub(crate) const fn new(command: Command, kind: ErrorKind) -> Self {
        Self { command, kind }
    }

    /// The message that was to be encoded.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// What was wrong.
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

/// A number that was met where a smaller one is the most that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excess {
    /// The number met.
    pub seen: u64,
    /// The largest number allowed.
    pub allowed: u64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at most {} allowed", self.seen, self.allowed)
    }
}

/// What is wrong with bytes or with a message.
///
/// The variants bear the names of the reference nodes' error kinds, without their
/// `Err`; [`name`](Self::name) gives that name as text. [`Truncated`](Self::Truncated)
/// stands for their two end-of-file errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The payload, or the stream, ends before the message does.
    #[error("{needed} bytes needed where {remaining} remain")]
    Truncated {
        /// Bytes that the next element takes.
        needed: usize,
        /// Bytes that were left.
        remaining: usize,
    },
    /// The frame belongs to another network.
    #[error("magic {seen:#010x} of another network, expected {expected:#010x}")]
    WrongNetwork {
        /// The magic of the frame.
        seen: u32,
        /// The magic of our network.
        expected: u32,
    },
    /// The command is not printable ASCII followed by zero bytes.
    #[error("command {0} is not printable ASCII")]
    MalformedCmd(CommandField),
    /// The chain has no message of that name.
    #[error("unknown command {0}")]
    UnknownCmd(CommandField),
    /// The payload is larger than a payload may be: bytes.
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
    /// The message does not exist at the protocol version in force.
    #[error("not defined at protocol version {version}, but from {first} to {last}")]
    MsgInvalidForPVer {
        /// The version in force.
        version: u32,
        /// The first version that has the message.
        first: u32,
        /// The last version that has the message.
        last: u32,
    },
    /// Bytes are left over after a complete message.
    #[error("{0} bytes after the end of the message")]
    TrailingBytes(usize),
    /// A variable-length integer is not in its shortest form.
    #[error("{value} encoded in {len} bytes, which is not its shortest form")]
    NonCanonicalVarInt {
        /// The value encoded.
        value: u64,
        /// The bytes taken to do so.
        len: usize,
    },
    /// A string is longer than a string may be: bytes.
    #[error("string bytes: {0}")]
    VarStringTooLong(Excess),
    /// A string has a byte outside printable ASCII.
    #[error("byte {byte:#04x} at {at} of a string is not printable ASCII")]
    MalformedStrictString {
        /// The first such byte.
        byte: u8,
        /// Its offset in the string.
        at: usize,
    },
    /// The user agent is too long: bytes.
    #[error("user agent bytes: {0}")]
    UserAgentTooLong(Excess),
    /// A timestamp is beyond what the chain can represent: seconds.
    #[error("timestamp in seconds: {0}")]
    InvalidTimestamp(Excess),
    /// Too many addresses.
    #[error("addresses: {0}")]
    TooManyAddrs(Excess),
    /// Too many inventory vectors.
    #[error("inventory vectors: {0}")]
    TooManyVectors(Excess),
    /// Too many hashes in a block locator.
    #[error("block locator hashes: {0}")]
    TooManyLocators(Excess),
    /// Too many block headers.
    #[error("block headers: {0}")]
    TooManyHeaders(Excess),
    /// A header in a `headers` message is followed by a transaction count other than 0.
    #[error("header {index} is followed by {txs} transactions, none allowed")]
    HeaderContainsTxs {
        /// Which header, counted from 0.
        index: usize,
        /// The transaction count that follows it.
        txs: u64,
    },
    /// A run of bytes is longer than it may be.
    #[error("bytes: {0}")]
    VarBytesTooLong(Excess),
    /// Too many transactions in a block, or inputs or outputs in a transaction.
    #[error("transactions, inputs or outputs: {0}")]
    TooManyTxs(Excess),
    /// A transaction is serialised in a way that does not exist: 0, 1 and 2 do.
    #[error("transaction serialisation type {0}, none above 2 exists")]
    UnknownTxType(u16),
    /// The halves of a transaction have different numbers of inputs.
    #[error("{witness} inputs in the witness where the prefix has {prefix}")]
    MismatchedWitnessCount {
        /// Inputs in the prefix.
        prefix: u64,
        /// Inputs in the witness.
        witness: u64,
    },
    /// A committed filter that is to be sent is too large: bytes.
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
    /// Too many types of initial state.
    #[error("initial state types: {0}")]
    TooManyInitStateTypes(Excess),
    /// The name of a type of initial state that is to be asked for is too long: bytes.
    #[error("initial state type bytes: {0}")]
    InitStateTypeTooLong(Excess),
    /// An `addrv2` without an address.
    #[error("no addresses, at least 1 required")]
    TooFewAddrs,
    /// A type of network address that does not exist: 1, 2 and 3 do.
    #[error("network address type {0}, none but 1 to 3 exists")]
    UnknownNetAddrType(u8),
    /// The script class of a mix that is to be offered is too long: bytes.
    #[error("script class bytes: {0}")]
    MixPairReqScriptClassTooLong(Excess),
    /// Too many unspent outputs in the offer of a mix.
    #[error("unspent outputs: {0}")]
    TooManyMixPairReqUTXOs(Excess),
    /// Too many mixing messages that the sender has seen.
    #[error("messages seen: {0}")]
    TooManyPrevMixMsgs(Excess),
    /// The message contradicts itself, or the connection that it is to be sent on.
    #[error("{0}")]
    InvalidMsg(Invalid),
}

/// What is wrong with a message that is [`InvalidMsg`](ErrorKind::InvalidMsg).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// What is to be sent to a peer, or put into a message, is of the other chain.
    #[error("of {of}, not of {expected}")]
    OtherChain {
        /// The chain that it is of.
        of: Chain,
        /// The chain that it should be of.
        expected: Chain,
    },
    /// A `reject` has a hash exactly if it is of a `block` or `tx`.
    #[error("a reject has a hash exactly if it is of a block or tx")]
    RejectHash,
    /// An amount below zero.
    #[error("amount {0} is negative")]
    NegativeAmount(i64),
    /// A mark of a change output that is neither 0 nor 1.
    #[error("{0} where 0 or 1 says whether there is a change output")]
    ChangeFlag(u8),
    /// Lists that belong together differ in length.
    #[error("{ciphertexts} ciphertexts for {seen} key exchanges seen")]
    UnequalLists {
        /// Ciphertexts.
        ciphertexts: usize,
        /// Key exchanges seen.
        seen: usize,
    },
    /// A matrix of values without rows or columns where there must be some.
    #[error("{rows} rows of {columns} values, at least 1 of each required")]
    EmptyMatrix {
        /// Rows.
        rows: u64,
        /// Values in each.
        columns: u64,
    },
    /// Values that do not fill a matrix.
    #[error("{values} values where {rows} rows of {columns} are needed")]
    RaggedMatrix {
        /// Values there are.
        values: usize,
        /// Rows; saturating.
        rows: u32,
        /// Values that each row should have; saturating.
        columns: u32,
    },
    /// Too many rows of values.
    #[error("rows: {0}")]
    TooManyRows(Excess),
    /// Too many values in a row.
    #[error("columns: {0}")]
    TooManyColumns(Excess),
    /// Too many values.
    #[error("values: {0}")]
    TooManyValues(Excess),
    /// A value that is to be sent is too long: bytes.
    #[error("value bytes: {0}")]
    ValueTooLong(Excess),
    /// A size of mixed messages other than 20 bytes.
    #[error("mixed messages of {0} bytes, only 20 are allowed")]
    MixedMessageSize(u64),
}

impl ErrorKind {
    /// The name that the reference nodes give this kind, without their `Err`.
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

/// `Ok` while `seen` is no more than `allowed`, else the error that `kind` makes.
pub(crate) fn at_most(
    seen: impl TryInto<u64>,
    allowed: impl TryInto<u64>,
    kind: fn(Excess) -> ErrorKind,
) -> Result<(), ErrorKind> {
    let seen = seen.try_into().unwrap_or(u64::MAX);
    let allowed = allowed.try_into().unwrap_or(u64::MAX);
    if seen <= allowed { Ok(()) } else { Err(kind(Excess { seen, allowed })) }
}

/// Bytes as hexadecimal in their order.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
