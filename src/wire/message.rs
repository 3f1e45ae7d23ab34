//! The table of messages.
//!
//! Each row names a message, its command, the protocol versions that have it on either
//! chain, and its largest payload; the type in brackets, if there is one, is its payload's.
//! Everything else about commands is derived from these rows.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::addr::NetAddress;
use super::addr_v2::NetAddressV2;
use super::block::Block;
use super::codec::{Payload, Protocol, Reader, Writer};
use super::debug::Items;
use super::error::{DecodeError, ErrorKind, at_most};
use super::filter::{
    CFHeaders, CFTypes, CFilter, CFilterV2, CFiltersV2, GetCFHeaders, GetCFilter, GetCFilterV2,
    GetCFsV2,
};
use super::frame::{CommandField, MAX_PAYLOAD, TrailingBytes};
use super::header::Headers;
use super::inv::{FeeFilter, InvVect};
use super::list::List;
use super::locator::LocatorRequest;
use super::mix::{
    MixConfirm, MixCphrTxt, MixDCNet, MixFactPoly, MixKeyXchg, MixPairReq, MixSecrets, MixSlotRes,
};
use super::ping::{Ping, Pong};
use super::reject::Reject;
use super::state::{GetInitState, InitState, MiningState};
use super::tx::Tx;
use super::version::Version;
use crate::network::Chain;

/// Where a chain has a message, and how large it may be.
#[derive(Clone, Copy)]
struct Rule {
    first: u32,
    last: u32,
    limit: usize,
    /// A lower limit at versions before the one given.
    early: Option<(u32, usize)>,
    /// Whether no payload at all is allowed outside the versions that have the message.
    gated: bool,
}

/// At most `limit` bytes, at every version.
const fn upto(limit: usize) -> Option<Rule> {
    since(0, limit)
}

const fn since(first: u32, limit: usize) -> Option<Rule> {
    Some(Rule { first, last: u32::MAX, limit, early: None, gated: false })
}

const fn gated_since(first: u32, limit: usize) -> Option<Rule> {
    Some(Rule { first, last: u32::MAX, limit, early: None, gated: true })
}

const fn gated_until(last: u32, limit: usize) -> Option<Rule> {
    Some(Rule { first: 0, last, limit, early: None, gated: true })
}

/// Blocks and transactions: their limit rose at protocol version 4.
const BLOCK_SIZED: Option<Rule> = Some(Rule {
    first: 0,
    last: u32::MAX,
    limit: 1_310_720,
    early: Some((4, 1_000_000)),
    gated: false,
});

/// A message that the chain does not have.
const NONE: Option<Rule> = None;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $(($payload:ty))? = $command:literal, $excc:expr, $dcr:expr;)*) => {
        /// The name of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[$doc])* $name,)*
        }

        impl Command {
            /// Every command of either chain.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The command on the wire, without its padding.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $command,)*
                }
            }

            const fn rule(self, chain: Chain) -> Option<&'static Rule> {
                const EXCHANGECOIN: &[Option<Rule>] = &[$($excc,)*];
                const DECRED: &[Option<Rule>] = &[$($dcr,)*];
                let rules = match chain {
                    Chain::Exchangecoin => EXCHANGECOIN,
                    Chain::Decred => DECRED,
                };
                rules[self as usize].as_ref()
            }

            /// The command whose field on the wire is that number.
            const fn from_key(key: u128) -> Option<Self> {
                #[allow(non_upper_case_globals, reason = "named as the commands are")]
                mod keys {
                    $(pub(super) const $name: u128 =
                        super::CommandField::of(super::Command::$name).key();)*
                }
                match key {
                    $(keys::$name => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        /// A message.
        ///
        /// `Debug` shows the first items of lists and the first bytes of byte strings. Its
        /// output is shorter than 4 KiB for every message.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[$doc])* $name $(($payload))?,)*
        }

        impl fmt::Debug for Message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // `Vec` would print all of its up to 1,000 addresses.
                if let Self::AddrV2(addresses) = self {
                    return f.debug_tuple("AddrV2").field(&Items(addresses)).finish();
                }
                match self {
                    $(messages!(@bind $name payload $($payload)?) => {
                        messages!(@show f $name payload $($payload)?)
                    })*
                }
            }
        }

        impl Message {
            /// The name of the message.
            pub const fn command(&self) -> Command {
                match self {
                    $(Self::$name { .. } => Command::$name,)*
                }
            }

            fn read(
                command: Command,
                reader: &mut Reader<'_>,
                protocol: Protocol,
            ) -> Result<Self, ErrorKind> {
                match command {
                    $(Command::$name => {
                        Ok(Self::$name $((<$payload>::decode(reader, protocol)?))?)
                    })*
                }
            }

            pub(crate) fn write(
                &self,
                writer: &mut Writer,
                protocol: Protocol,
            ) -> Result<(), ErrorKind> {
                self.command().check_version(protocol)?;
                match self {
                    $(messages!(@bind $name payload $($payload)?) => {
                        messages!(@write writer protocol payload $($payload)?)
                    })*
                }
            }
        }
    };
    (@show $f:ident $name:ident $bound:ident) => { $f.write_str(stringify!($name)) };
    (@show $f:ident $name:ident $bound:ident $payload:ty) => {
        $f.debug_tuple(stringify!($name)).field($bound).finish()
    };
    (@bind $name:ident $bound:ident) => { Self::$name };
    (@bind $name:ident $bound:ident $payload:ty) => { Self::$name($bound) };
    (@write $writer:ident $protocol:ident $bound:ident) => { Ok(()) };
    (@write $writer:ident $protocol:ident $bound:ident $payload:ty) => {
        $bound.encode($writer, $protocol)
    };
}

messages! {
        /// Opens the handshake.
        Version(Box<Version>) = "version", upto(358), upto(358);
        /// Acknowledges a `version`.
        VerAck = "verack", upto(0), upto(0);
        /// Requests addresses of nodes.
        GetAddr = "getaddr", upto(0), upto(0);
        /// Addresses of nodes.
        Addr(List<NetAddress>) = "addr", upto(30_003), gated_until(11, 30_003);
        /// Requests the hashes of the blocks after a block locator.
        GetBlocks(LocatorRequest) = "getblocks", upto(16_039), upto(16_039);
        /// Requests the headers of the blocks after a block locator.
        GetHeaders(LocatorRequest) = "getheaders", upto(16_039), upto(16_039);
        /// Headers of blocks.
        Headers(Headers) = "headers", upto(562_003), upto(362_003);
        /// Announces transactions, blocks and mixing messages.
        Inv(List<InvVect>) = "inv", upto(1_800_003), upto(1_800_003);
        /// Requests transactions, blocks and mixing messages.
        GetData(List<InvVect>) = "getdata", upto(1_800_003), upto(1_800_003);
        /// Vectors of a `getdata` that the sender does not have.
        NotFound(List<InvVect>) = "notfound", upto(1_800_003), upto(1_800_003);
        /// A block.
        Block(Block) = "block", BLOCK_SIZED, BLOCK_SIZED;
        /// A transaction.
        Tx(Tx) = "tx", BLOCK_SIZED, BLOCK_SIZED;
        /// Requests a `pong`, to see that the connection is alive.
        Ping(Ping) = "ping", upto(8), upto(8);
        /// Answers a `ping`.
        Pong(Pong) = "pong", upto(8), upto(8);
        /// Requests the transactions in the memory pool.
        MemPool = "mempool", upto(0), upto(0);
        /// Requests that blocks be announced by `headers`.
        SendHeaders = "sendheaders", since(3, 0), since(3, 0);
        /// Sets the minimum fee of the transactions that are announced to the sender.
        FeeFilter(FeeFilter) = "feefilter", since(5, 8), since(5, 8);
        /// Says that a message was not accepted.
        Reject(Box<Reject>) = "reject", gated_until(8, MAX_PAYLOAD), NONE;
        /// Requests the blocks and votes to mine on.
        GetMinings = "getminings", upto(0), upto(0);
        /// The blocks and votes to mine on.
        MiningState(MiningState) = "miningstate", upto(1_546), upto(1_546);
        /// Requests the state that a starting node needs.
        GetInitState(GetInitState) = "getinitstate", gated_since(8, 1_057), gated_since(8, 1_057);
        /// The state that a starting node needs.
        InitState(Box<InitState>) = "initstate", gated_since(8, 1_763), gated_since(8, 1_763);
        /// Requests a committed filter of version 1.
        GetCFilter(GetCFilter) = "getcfilter", since(6, 33), since(6, 33);
        /// Requests headers of committed filters of version 1.
        GetCFHeaders(GetCFHeaders) = "getcfheaders", since(6, 16_036), since(6, 16_036);
        /// Requests the types of committed filters of version 1.
        GetCFTypes = "getcftypes", since(6, 0), since(6, 0);
        /// A committed filter of version 1.
        CFilter(CFilter) = "cfilter", since(6, 262_182), since(6, 262_182);
        /// Headers of committed filters of version 1.
        CFHeaders(CFHeaders) = "cfheaders", since(6, 64_036), since(6, 64_036);
        /// The types of committed filters of version 1.
        CFTypes(CFTypes) = "cftypes", since(6, 259), since(6, 259);
        /// Requests a committed filter of version 2.
        GetCFilterV2(GetCFilterV2) = "getcfilterv2", since(7, 32), since(7, 32);
        /// A committed filter of version 2.
        CFilterV2(Box<CFilterV2>) = "cfilterv2", since(7, 263_210), since(7, 263_210);
        /// Requests a run of committed filters of version 2.
        GetCFsV2(GetCFsV2) = "getcfsv2", NONE, since(11, 64);
        /// A run of committed filters of version 2.
        CFiltersV2(CFiltersV2) = "cfiltersv2", NONE, since(11, 26_321_001);
        /// Addresses of nodes, including Tor addresses.
        AddrV2(Vec<NetAddressV2>) = "addrv2", NONE, gated_since(12, 51_003);
        /// Offers to mix.
        MixPairReq(Box<MixPairReq>) = "mixpairreq", NONE, gated_since(10, 8_476_848);
        /// Exchanges the keys of a mix.
        MixKeyXchg(Box<MixKeyXchg>) = "mixkeyxchg", NONE, gated_since(10, 17_815);
        /// Exchanges the ciphertexts of a mix.
        MixCphrTxt(Box<MixCphrTxt>) = "mixcphrtxt", NONE, gated_since(10, 552_584);
        /// Reserves slots of a mix.
        MixSlotRes(Box<MixSlotRes>) = "mixslotres", NONE, gated_since(10, 17_318_030);
        /// The solution of a mix's slot reservation.
        MixFactPoly(Box<MixFactPoly>) = "mixfactpoly", NONE, gated_since(10, 49_291);
        /// The DC-net of a mix.
        MixDCNet(Box<MixDCNet>) = "mixdcnet", NONE, gated_since(10, 20_988_047);
        /// The signed transaction of a mix.
        MixConfirm(Box<MixConfirm>) = "mixconfirm", NONE, gated_since(10, 1_016_520);
        /// The secrets of a failed mix.
        MixSecrets(Box<MixSecrets>) = "mixsecrets", NONE, gated_since(10, 70_831);
}

macro_rules! from_payload {
    ($($name:ident)*) => {
        $(impl From<$name> for Message {
            fn from(payload: $name) -> Self {
                Self::$name(payload)
            }
        })*
    };
}

// Those whose payloads tell by their type which message they are, and are not boxed.
from_payload! {
    Headers Block Tx Ping Pong FeeFilter MiningState GetInitState GetCFilter GetCFHeaders CFilter
    CFHeaders CFTypes GetCFilterV2 GetCFsV2 CFiltersV2
}

impl Command {
    /// The command in a frame's header, if the chain has it.
    pub(crate) fn from_field(field: &CommandField, chain: Chain) -> Result<Self, ErrorKind> {
        match Self::from_key(field.key()) {
            Some(command) if command.rule(chain).is_some() => Ok(command),
            _ if field.is_well_formed() => Err(ErrorKind::UnknownCmd(*field)),
            _ => Err(ErrorKind::MalformedCmd(*field)),
        }
    }

    /// Maximum payload in bytes: 0 if the chain or the version does not have the message.
    #[must_use]
    pub const fn max_payload(self, protocol: Protocol) -> usize {
        let Some(rule) = self.rule(protocol.chain) else { return 0 };
        let version = protocol.version;
        if rule.gated && (version < rule.first || version > rule.last) {
            return 0;
        }
        match rule.early {
            Some((before, limit)) if version < before => limit,
            _ => rule.limit,
        }
    }

    /// Returns whether the chain has the message at this protocol version.
    #[must_use]
    pub fn is_defined(self, protocol: Protocol) -> bool {
        self.check_version(protocol).is_ok()
    }

    pub(crate) fn check_version(self, protocol: Protocol) -> Result<(), ErrorKind> {
        let version = protocol.version;
        match self.rule(protocol.chain) {
            None => Err(ErrorKind::UnknownCmd(self.into())),
            Some(&Rule { first, last, .. }) if version < first || version > last => {
                let last = last.min(protocol.chain.newest_version());
                Err(ErrorKind::MsgInvalidForPVer { version, first, last })
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns an error if a payload of `len` bytes is too large.
    pub(crate) fn check_len(self, len: usize, protocol: Protocol) -> Result<(), ErrorKind> {
        at_most(len, self.max_payload(protocol), ErrorKind::PayloadTooLarge)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Message {
    /// Returns the height in the last header of a `headers`, or in the header of a `block`.
    ///
    /// The height is a field of the header, so nothing is hashed. It is not validated.
    pub(crate) fn tip_height(&self) -> Option<u32> {
        match self {
            Self::Headers(headers) => headers.iter().next_back().map(|header| header.height()),
            Self::Block(block) => Some(block.header().height()),
            _ => None,
        }
    }

    /// Decodes the payload of a message.
    ///
    /// The [`Decoder`](super::Decoder) checks the frame, such as its checksum.
    ///
    /// # Errors
    ///
    /// - [`UnknownCmd`](ErrorKind::UnknownCmd) if the chain does not have the message.
    /// - [`MsgInvalidForPVer`](ErrorKind::MsgInvalidForPVer) if the protocol version does
    ///   not have it.
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) if bytes follow the message and
    ///   `trailing` is [`TrailingBytes::Reject`].
    /// - The errors of the message's fields.
    pub fn decode(
        command: Command,
        payload: &Bytes,
        protocol: Protocol,
        trailing: TrailingBytes,
    ) -> Result<Self, DecodeError> {
        Self::decode_from(command, Reader::shared(payload), protocol, trailing)
    }

    pub(crate) fn decode_from(
        command: Command,
        mut reader: Reader<'_>,
        protocol: Protocol,
        trailing: TrailingBytes,
    ) -> Result<Self, DecodeError> {
        let mut decode = || {
            command.check_version(protocol)?;
            let message = Self::read(command, &mut reader, protocol)?;
            if trailing == TrailingBytes::Reject {
                reader.end()?;
            }
            Ok(message)
        };
        decode().map_err(|kind| DecodeError::in_message(command, kind))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::block::BlockParts;
    use super::super::frame::{EncodedMessage, HEADER_LEN};
    use super::super::header::BlockHeader;
    use super::*;
    use crate::network::Network;

    const DECRED: Protocol = Protocol::new(Chain::Decred, 12);

    /// The payload of a message of Decred's.
    pub(in crate::wire) fn encoded(message: impl Into<Message>) -> Result<Bytes, ErrorKind> {
        EncodedMessage::new(&Network::DCR_MAINNET, DECRED.version, &message.into())
            .map(|encoded| encoded.to_bytes().slice(HEADER_LEN..))
            .map_err(|error| error.kind().clone())
    }

    pub(in crate::wire) fn decoded(command: Command, payload: &[u8]) -> Result<Message, ErrorKind> {
        let payload = Bytes::copy_from_slice(payload);
        Message::decode(command, &payload, DECRED, TrailingBytes::Reject)
            .map_err(|error| error.kind().clone())
    }

    /// Encodes a message of Decred's, takes it back from its payload, and returns that.
    pub(in crate::wire) fn round_trip(message: impl Into<Message>) -> Bytes {
        let message = message.into();
        let payload = encoded(message.clone()).unwrap();
        assert_eq!(decoded(message.command(), &payload), Ok(message));
        payload
    }

    #[test]
    fn the_chains_have_as_many_commands_as_their_nodes() {
        let count = |chain: Chain| {
            Command::ALL.iter().filter(|command| command.rule(chain).is_some()).count()
        };
        assert_eq!(count(Chain::Exchangecoin), 30);
        assert_eq!(count(Chain::Decred), 40);
    }

    #[test]
    fn every_command_is_found_by_its_name() {
        for command in Command::ALL {
            assert!(command.as_str().len() <= 12);
            assert_eq!(Command::from_key(CommandField::of(*command).key()), Some(*command));
        }
        assert_eq!(Command::from_key(0), None);
    }

    #[test]
    fn headers_and_blocks_tell_their_heights() {
        let header = |height| BlockHeader { height, ..BlockHeader::zeroed(Chain::Decred) };
        let [first, last] = [header(7), header(8)];
        let headers = Message::from(Headers::new(Chain::Decred, [&first, &last]).unwrap());
        assert_eq!(headers.tip_height(), Some(8));

        let (transactions, stake_transactions) = (Vec::new(), Vec::new());
        let parts = BlockParts { header: first, transactions, stake_transactions };
        let block = Message::from(parts.encode(DECRED).unwrap());
        assert_eq!(block.tip_height(), Some(7));

        for message in [Message::from(Headers::empty(Chain::Decred)), Message::VerAck] {
            assert_eq!(message.tip_height(), None);
        }
    }

    #[test]
    fn a_message_is_small_enough_to_be_moved() {
        assert!(size_of::<Message>() <= 80, "{}", size_of::<Message>());
    }
}
