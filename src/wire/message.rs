//! The messages: the payload type of each command.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::addr::NetAddress;
use super::addr_v2::NetAddressV2;
use super::block::Block;
use super::cfilter::{CFHeaders, CFTypes, CFilter, GetCFHeaders, GetCFilter};
use super::cfilter_v2::{CFilterV2, CFiltersV2, GetCFilterV2, GetCFsV2};
use super::command::Command;
use super::error::{DecodeError, ErrorKind};
use super::fee_filter::FeeFilter;
use super::format::Items;
use super::headers::Headers;
use super::init_state::{GetInitState, InitState};
use super::inv::InvVect;
use super::list::List;
use super::locator::LocatorRequest;
use super::mining_state::MiningState;
use super::mix::{
    MixConfirm, MixCphrTxt, MixDCNet, MixFactPoly, MixKeyXchg, MixMessage, MixPairReq, MixSecrets,
    MixSlotRes,
};
use super::payload::Payload;
use super::ping::{Ping, Pong};
use super::protocol::Protocol;
use super::reader::Reader;
use super::reject::Reject;
use super::trailing_bytes::TrailingBytes;
use super::tx::Tx;
use super::version::Version;
use super::writer::Writer;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $(($payload:ty))?;)*) => {
        /// A message.
        ///
        /// `Debug` shows the first items of lists and the first bytes of byte strings. Its output
        /// is shorter than 4 KiB.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[$doc])* $name $(($payload))?,)*
        }

        impl fmt::Debug for Message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // `Vec` would print all addresses, up to 1,000.
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
            /// Returns the command of the message.
            pub const fn command(&self) -> Command {
                match self {
                    $(Self::$name { .. } => Command::$name,)*
                }
            }

            /// Decodes the payload of a command that the protocol version has.
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

            /// Encodes the payload.
            pub(super) fn write(
                &self,
                writer: &mut Writer,
                protocol: Protocol,
            ) -> Result<(), ErrorKind> {
                // The references' `BtcEncode` functions test the version before any field.
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
    Version(Box<Version>);
    /// Acknowledges a `version`.
    VerAck;
    /// Requests addresses of nodes.
    GetAddr;
    /// Addresses of nodes.
    Addr(List<NetAddress>);
    /// Requests the hashes of the blocks after a block locator.
    GetBlocks(LocatorRequest);
    /// Requests the headers of the blocks after a block locator.
    GetHeaders(LocatorRequest);
    /// Headers of blocks.
    Headers(Headers);
    /// Announces transactions, blocks and mixing messages.
    Inv(List<InvVect>);
    /// Requests transactions, blocks and mixing messages.
    GetData(List<InvVect>);
    /// Vectors of a `getdata` that the sender does not have.
    NotFound(List<InvVect>);
    /// A block.
    Block(Block);
    /// A transaction.
    Tx(Tx);
    /// Requests a `pong`.
    Ping(Ping);
    /// Answers a `ping`.
    Pong(Pong);
    /// Requests the transactions in the memory pool.
    MemPool;
    /// Requests that new blocks are announced by `headers`.
    SendHeaders;
    /// Sets the minimum fee rate of transactions to be announced to the sender.
    FeeFilter(FeeFilter);
    /// Reports a rejected message.
    Reject(Box<Reject>);
    /// Requests the blocks and votes to mine on.
    GetMinings;
    /// The blocks and votes to mine on.
    MiningState(MiningState);
    /// Requests the initial state: blocks and votes to mine on, and treasury spends.
    GetInitState(GetInitState);
    /// The initial state.
    InitState(Box<InitState>);
    /// Requests a committed filter of version 1.
    GetCFilter(GetCFilter);
    /// Requests headers of committed filters of version 1.
    GetCFHeaders(GetCFHeaders);
    /// Requests the supported types of committed filters of version 1.
    GetCFTypes;
    /// A committed filter of version 1.
    CFilter(CFilter);
    /// Headers of committed filters of version 1.
    CFHeaders(CFHeaders);
    /// The supported types of committed filters of version 1.
    CFTypes(CFTypes);
    /// Requests a committed filter of version 2.
    GetCFilterV2(GetCFilterV2);
    /// A committed filter of version 2.
    CFilterV2(Box<CFilterV2>);
    /// Requests the committed filters of version 2 of a range of blocks.
    GetCFsV2(GetCFsV2);
    /// The committed filters of version 2 of a range of blocks.
    CFiltersV2(CFiltersV2);
    /// Addresses of nodes, including Tor addresses.
    AddrV2(Vec<NetAddressV2>);
    /// Offers to mix.
    MixPairReq(Box<MixPairReq>);
    /// Public keys for a mix.
    MixKeyXchg(Box<MixKeyXchg>);
    /// Ciphertexts of the shared secrets of a mix.
    MixCphrTxt(Box<MixCphrTxt>);
    /// The slot reservation of a mix.
    MixSlotRes(Box<MixSlotRes>);
    /// The solution of the slot reservation of a mix.
    MixFactPoly(Box<MixFactPoly>);
    /// The DC-net of a mix.
    MixDCNet(Box<MixDCNet>);
    /// The signed transaction of a mix.
    MixConfirm(Box<MixConfirm>);
    /// The secrets of a failed mix.
    MixSecrets(Box<MixSecrets>);
}

/// Implements conversions from payload types that belong to one message.
macro_rules! from_payload {
    ($($name:ident)*; boxed $($boxed:ident)*) => {
        $(impl From<$name> for Message {
            fn from(payload: $name) -> Self {
                Self::$name(payload)
            }
        })*

        $(impl From<$boxed> for Message {
            fn from(payload: $boxed) -> Self {
                Self::$boxed(Box::new(payload))
            }
        })*
    };
}

from_payload! {
    Headers Block Tx Ping Pong FeeFilter MiningState GetInitState GetCFilter GetCFHeaders CFilter
    CFHeaders CFTypes GetCFilterV2 GetCFsV2 CFiltersV2;
    boxed Version Reject InitState CFilterV2 MixPairReq MixKeyXchg MixCphrTxt MixSlotRes
    MixFactPoly MixDCNet MixConfirm MixSecrets
}

impl Message {
    /// Returns the message as a mixing message, or `None` for another message.
    #[must_use]
    pub fn as_mix(&self) -> Option<&dyn MixMessage> {
        match self {
            Self::MixPairReq(message) => Some(&**message),
            Self::MixKeyXchg(message) => Some(&**message),
            Self::MixCphrTxt(message) => Some(&**message),
            Self::MixSlotRes(message) => Some(&**message),
            Self::MixFactPoly(message) => Some(&**message),
            Self::MixDCNet(message) => Some(&**message),
            Self::MixConfirm(message) => Some(&**message),
            Self::MixSecrets(message) => Some(&**message),
            _ => None,
        }
    }

    /// Returns the height in the last header of a `headers`, or in the header of a `block`.
    ///
    /// The height is a field of the header. It is not validated.
    pub(crate) fn tip_height(&self) -> Option<u32> {
        match self {
            Self::Headers(headers) => headers.iter().next_back().map(|header| header.height()),
            Self::Block(block) => Some(block.header().height()),
            _ => None,
        }
    }

    /// Decodes the payload of a message. The [`Decoder`](super::Decoder) checks the frame around
    /// it.
    ///
    /// # Errors
    ///
    /// - [`UnknownCmd`](ErrorKind::UnknownCmd) if the chain does not have the message.
    /// - [`MsgInvalidForPVer`](ErrorKind::MsgInvalidForPVer) if the protocol version does not
    ///   have it.
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) if bytes follow the message and `trailing`
    ///   is [`TrailingBytes::Reject`].
    /// - The errors of the message's fields.
    pub fn decode(
        command: Command,
        payload: &Bytes,
        protocol: Protocol,
        trailing: TrailingBytes,
    ) -> Result<Self, DecodeError> {
        Self::decode_from(command, Reader::shared(payload), protocol, trailing)
    }

    /// Decodes the payload of a reader.
    pub(super) fn decode_from(
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
mod tests {
    use super::*;
    use crate::network::Chain;
    use crate::wire::block::BlockParts;
    use crate::wire::block_header::BlockHeader;

    #[test]
    fn the_tip_height_is_that_of_the_last_header_or_of_the_block() {
        let header = |height| BlockHeader { height, ..BlockHeader::zeroed(Chain::Decred) };
        let [first, last] = [header(7), header(8)];
        let headers = Message::from(Headers::new(Chain::Decred, [&first, &last]).unwrap());
        assert_eq!(headers.tip_height(), Some(8));

        let (transactions, stake_transactions) = (Vec::new(), Vec::new());
        let parts = BlockParts { header: first, transactions, stake_transactions };
        let block = Message::from(parts.encode(Protocol::new(Chain::Decred, 12)).unwrap());
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
