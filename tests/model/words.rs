//! Messages that either side sends.

use bytes::Bytes;
use excc_peer::wire::{
    BlockHeader, CFilter, Command, EncodedMessage, FeeFilter, FilterType, Headers, InvType,
    InvVect, LocatorRequest, Message, NetAddressV2, Ping, Pong, Protocol, Reject, RejectCode,
    Services, TrailingBytes,
};
use excc_peer::{Chain, Hash, Network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::{DCR, EXCC, hash, header, paying, raw_frame, remote, tx};

/// An object that a vector can name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Thing {
    /// An object that nobody has.
    Nothing(InvVect),
    Tx(usize),
    /// The block of zeros.
    Block,
    /// The `mixpairreq` of zeros, on Decred.
    Mix,
}

impl Thing {
    /// The message that has it, where there is one.
    pub(crate) fn words(self) -> Option<Words> {
        match self {
            Self::Nothing(_) => None,
            Self::Tx(number) => Some(Words::Tx(number)),
            Self::Block => Some(Words::Zeros(Command::Block, ENOUGH)),
            Self::Mix => Some(Words::Zeros(Command::MixPairReq, ENOUGH)),
        }
    }

    pub(crate) fn vector(self, chain: Chain) -> InvVect {
        match (self, self.words().and_then(|words| words.message(chain))) {
            (Self::Nothing(vector), _) => vector,
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
pub(crate) enum Words {
    Plain(Message),
    /// An `inv`, a `getdata` or a `notfound`.
    Of(Command, Vec<Thing>),
    /// A `tx` that no other number has.
    Tx(usize),
    /// The message of that name whose payload begins with so many zeros.
    Zeros(Command, usize),
    /// A `headers` of so many, after the block of that number, of that height.
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

impl Words {
    /// The message, where the chain has it.
    pub(crate) fn message(&self, chain: Chain) -> Option<Message> {
        match self {
            Self::Plain(message) => Some(message.clone()),
            Self::Of(command, things) => {
                let vectors = things.iter().map(|thing| thing.vector(chain)).collect();
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
                Some(Message::Headers(Headers::new(chain, &headers).expect("of this chain")))
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
            Self::Of(command, _) => *command,
            Self::Tx(_) => Command::Tx,
            Self::Zeros(command, _) => *command,
            Self::Headers(..) => Command::Headers,
            Self::GetHeaders(..) => Command::GetHeaders,
            Self::Block(_) => Command::Block,
        }
    }
}

/// One of every message that either chain has, in the order of their names.
pub(crate) fn one_of_each() -> Vec<Words> {
    let things = vec![Thing::Tx(0), Thing::Block];
    let words = |&command: &Command| match command {
        Command::AddrV2 => Words::Plain(Message::AddrV2(vec![address(0)])),
        Command::Inv | Command::GetData | Command::NotFound => Words::Of(command, things.clone()),
        Command::Tx => Words::Tx(0),
        command => Words::Zeros(command, ENOUGH),
    };
    // No `mixslotres` is made of zeros.
    let commands = Command::ALL.iter().filter(|&&command| command != Command::MixSlotRes);
    commands.map(words).collect()
}

/// An address that no other number has.
pub(crate) fn address(number: u64) -> NetAddressV2 {
    NetAddressV2::new(1_700_000_000 + number, Services::NODE_NETWORK, remote())
}

/// One of few, so that the same ones meet again.
pub(crate) fn thing() -> impl Strategy<Value = Thing> {
    let kinds = vec![InvType::TX, InvType::BLOCK, InvType::MIX, InvType::ERROR];
    prop_oneof![
        4 => (select(kinds), 0..4_u32)
            .prop_map(|(kind, n)| Thing::Nothing(InvVect::new(kind, hash(n)))),
        4 => (0..3_usize).prop_map(Thing::Tx),
        2 => Just(Thing::Block),
        1 => Just(Thing::Mix),
    ]
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    prop_oneof![
        20 => vec(thing(), 0..5),
        1 => (1..60_u32).prop_map(|count| (0..count).map(|n| Thing::Nothing(tx(n))).collect()),
    ]
}

/// A message that either side may send at some time.
pub(crate) fn words() -> BoxedStrategy<Words> {
    let nonce = || 1..4_u64;
    let filter_len = prop_oneof![6 => select(vec![0, 50, 4_100]), 1 => Just(262_144)];
    let filter = filter_len.prop_map(|len: usize| CFilter {
        block_hash: Hash::ZERO,
        filter_type: FilterType::REGULAR,
        data: vec![7; len].into(),
    });
    let locator = select(vec![0, 1, 5, 501]);
    let locator = locator.prop_map(|len: usize| LocatorRequest::new(vec![hash(7); len]));
    let plain = prop_oneof![
        12 => nonce().prop_map(|nonce| Message::Ping(Ping { nonce })),
        6 => nonce().prop_map(|nonce| Message::Pong(Pong { nonce })),
        2 => Just(Message::SendHeaders),
        2 => (-3..4_i64).prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })),
        1 => Just(Message::AddrV2(vec![address(0)])),
        2 => locator.clone().prop_map(Message::GetHeaders),
        2 => locator.prop_map(Message::GetBlocks),
        1 => filter.prop_map(Message::CFilter),
        1 => (0..30_usize).prop_map(|len| reject(len).into()),
    ];
    // Those of the handshake come by other ways.
    let others: Vec<_> = Command::ALL
        .iter()
        .copied()
        .filter(|command| !matches!(command, Command::Version | Command::VerAck))
        .collect();
    prop_oneof![
        30 => plain.prop_map(Words::Plain),
        8 => things().prop_map(|things| Words::Of(Command::Inv, things)),
        10 => things().prop_map(|things| Words::Of(Command::GetData, things)),
        5 => things().prop_map(|things| Words::Of(Command::NotFound, things)),
        8 => thing().prop_map(|thing| thing.words().unwrap_or(Words::Tx(0))),
        8 => request(),
        15 => select(others).prop_map(|command| Words::Zeros(command, ENOUGH)),
        3 => headers(),
        1 => (0..9_u32).prop_map(Words::Block),
        1 => Just(Words::Plain(Message::VerAck)),
    ]
    .boxed()
}

/// `headers` after one of few blocks: most follow no locator.
pub(crate) fn headers() -> impl Strategy<Value = Words> {
    let parent = prop_oneof![4 => 0..3_u32, 1 => select(vec![GENESIS, BEFORE_STOP])];
    let count = prop_oneof![4 => 0..3_usize, 1 => 11..15_usize];
    (parent, count, 0..20_u32)
        .prop_map(|(parent, count, height)| Words::Headers(parent, count, height))
}

/// A `getheaders` that knows one of few blocks, or none.
pub(crate) fn getheaders() -> impl Strategy<Value = Words> {
    (vec(0..3_u32, 0..2), any::<bool>())
        .prop_map(|(locator, has_stop)| Words::GetHeaders(locator, has_stop))
}

/// A request, which may have a response timeout.
pub(crate) fn request() -> impl Strategy<Value = Words> {
    let requests = vec![
        Command::GetInitState,
        Command::GetHeaders,
        Command::GetBlocks,
        Command::MemPool,
        Command::GetAddr,
        Command::GetMinings,
        Command::GetCFilterV2,
    ];
    prop_oneof![
        4 => select(requests).prop_map(|command| Words::Zeros(command, ENOUGH)),
        2 => getheaders(),
        3 => vec(thing(), 1..5).prop_map(|things| Words::Of(Command::GetData, things)),
    ]
}

pub(crate) fn reject(len: usize) -> Reject {
    Reject {
        command: "tx".into(),
        code: RejectCode::new(0x10),
        reason: "?".repeat(len),
        hash: Some(Hash::ZERO),
    }
}
