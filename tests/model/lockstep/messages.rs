//! Messages that either side sends.

use bytes::Bytes;
use excc_peer::wire::{
    BlockHeader, Command, EncodedMessage, Headers, InvVect, LocatorRequest, Message, NetAddressV2,
    Protocol, Reject, RejectCode, Services, TrailingBytes,
};
use excc_peer::{Chain, Hash, Network};

use super::common::{DCR, EXCC, hash, header, paying, raw_frame, remote};

/// An object that a vector can name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Object {
    /// An object that nobody has.
    Missing(InvVect),
    Tx(usize),
    /// The block of zeros.
    Block,
    /// The `mixpairreq` of zeros, on Decred.
    Mix,
}

impl Object {
    /// The message that has it, where there is one.
    pub(crate) fn spec(self) -> Option<MessageSpec> {
        match self {
            Self::Missing(_) => None,
            Self::Tx(number) => Some(MessageSpec::Tx(number)),
            Self::Block => Some(MessageSpec::Zeros(Command::Block, ENOUGH)),
            Self::Mix => Some(MessageSpec::Zeros(Command::MixPairReq, ENOUGH)),
        }
    }

    pub(crate) fn vector(self, chain: Chain) -> InvVect {
        match (self, self.spec().and_then(|spec| spec.message(chain))) {
            (Self::Missing(vector), _) => vector,
            (_, Some(Message::Tx(tx))) => InvVect::tx(tx.tx_hash()),
            (_, Some(Message::Block(block))) => InvVect::block(block.block_hash()),
            (_, message) => {
                let mix = message.as_ref().and_then(Message::as_mix);
                mix.map_or(InvVect::mix(Hash::ZERO), |mix| {
                    InvVect::mix(mix.message_hash().expect("a valid message"))
                })
            }
        }
    }
}

/// More zeros than any message needs.
pub(crate) const ENOUGH: usize = 4_000;

/// A message that depends on the chain perhaps.
#[derive(Debug, Clone)]
pub(crate) enum MessageSpec {
    Plain(Message),
    /// An `inv`, a `getdata` or a `notfound`.
    Inventory(Command, Vec<Object>),
    /// A `tx` that no other number has.
    Tx(usize),
    /// The message of that name whose payload begins with a number of zeros.
    Zeros(Command, usize),
    /// A `headers` after the block of a number: how many, and the height of the first.
    Headers(u32, usize, u32),
    /// A `getheaders` with those hashes in its locator, and perhaps with a stop.
    GetHeaders(Vec<u32>, bool),
    /// A `block` of that height.
    Block(u32),
}

/// The numbers of the genesis block, and of the parent of the block that is a stop.
pub(crate) const GENESIS: u32 = 100;

pub(crate) const BEFORE_STOP: u32 = 101;

/// A block header after the block of that number.
fn header_after(chain: Chain, number: u32, height: u32) -> BlockHeader {
    let genesis = if chain == Chain::Decred { DCR.genesis() } else { EXCC.genesis() };
    let prev_block = if number == GENESIS { genesis } else { hash(number) };
    BlockHeader { prev_block, height, ..header(chain) }
}

/// The hash that requests have for a stop.
pub(crate) fn stop_hash(chain: Chain) -> Hash {
    header_after(chain, BEFORE_STOP, 1).block_hash()
}

impl MessageSpec {
    /// The message, where the chain has it.
    pub(crate) fn message(&self, chain: Chain) -> Option<Message> {
        match self {
            Self::Plain(message) => Some(message.clone()),
            Self::Inventory(command, objects) => {
                let vectors = objects.iter().map(|object| object.vector(chain)).collect();
                Some(match command {
                    Command::GetData => Message::GetData(vectors),
                    Command::NotFound => Message::NotFound(vectors),
                    _ => Message::Inv(vectors),
                })
            }
            Self::Tx(number) => Some(Message::Tx(paying(chain, *number))),
            Self::Headers(parent, count, height) => {
                let heights = (*height..).take(*count);
                let headers: Vec<_> =
                    heights.map(|height| header_after(chain, *parent, height)).collect();
                Some(Message::Headers(
                    Headers::new(chain, &headers).expect("headers of this chain"),
                ))
            }
            Self::GetHeaders(locator, has_stop) => {
                let locator: Vec<Hash> = locator.iter().map(|&number| hash(number)).collect();
                let stop = if *has_stop { stop_hash(chain) } else { Hash::ZERO };
                Some(Message::GetHeaders(LocatorRequest { stop, ..LocatorRequest::new(locator) }))
            }
            Self::Block(height) => {
                // The header of the block of zeros, but for its height.
                let mut payload = vec![0; ENOUGH];
                payload[128..132].copy_from_slice(&height.to_le_bytes());
                let protocol = Protocol::new(chain, chain.newest_version());
                let payload = Bytes::from(payload);
                Message::decode(Command::Block, &payload, protocol, TrailingBytes::Ignore).ok()
            }
            Self::Zeros(command, len) => {
                let payload = Bytes::from(vec![0; *len]);
                // As it is at the newest version that has it.
                (0..=chain.newest_version()).rev().find_map(|version| {
                    let protocol = Protocol::new(chain, version);
                    Message::decode(*command, &payload, protocol, TrailingBytes::Ignore).ok()
                })
            }
        }
    }

    /// The frame at that version; at one that has the message where that one does not,
    /// and of no message at all where the chain does not have it.
    pub(crate) fn frame(&self, network: Network, version: u32) -> Vec<u8> {
        let newest = network.chain().newest_version();
        let message = self.message(network.chain());
        let frame = message.as_ref().and_then(|message| {
            let versions = std::iter::once(version).chain((0..=newest).rev());
            versions.into_iter().find_map(|v| EncodedMessage::new(&network, v, message).ok())
        });
        frame.map_or_else(
            || raw_frame(network, self.command().as_str().as_bytes(), &[0; 9]),
            |frame| frame.to_bytes().to_vec(),
        )
    }

    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Plain(message) => message.command(),
            Self::Inventory(command, _) => *command,
            Self::Tx(_) => Command::Tx,
            Self::Zeros(command, _) => *command,
            Self::Headers(..) => Command::Headers,
            Self::GetHeaders(..) => Command::GetHeaders,
            Self::Block(_) => Command::Block,
        }
    }
}

/// One of every message that either chain has, in the order of their names.
pub(crate) fn one_of_each() -> Vec<MessageSpec> {
    let objects = vec![Object::Tx(0), Object::Block];
    let spec = |&command: &Command| match command {
        Command::AddrV2 => MessageSpec::Plain(Message::AddrV2(vec![address(0)])),
        Command::Inv | Command::GetData | Command::NotFound => {
            MessageSpec::Inventory(command, objects.clone())
        }
        Command::Tx => MessageSpec::Tx(0),
        command => MessageSpec::Zeros(command, ENOUGH),
    };
    // No `mixslotres` is made of zeros.
    let commands = Command::ALL.iter().filter(|&&command| command != Command::MixSlotRes);
    commands.map(spec).collect()
}

/// An address that no other number has.
pub(crate) fn address(number: u64) -> NetAddressV2 {
    NetAddressV2::new(1_700_000_000 + number, Services::NODE_NETWORK, remote())
}

pub(crate) fn reject(len: usize) -> Reject {
    Reject {
        command: "tx".into(),
        code: RejectCode::new(0x10),
        reason: "?".repeat(len),
        hash: Some(Hash::ZERO),
    }
}
