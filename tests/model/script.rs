//! What happens to a peer: what the remote says, what the application wants, what the
//! clock shows.

use std::time::Duration;

use bytes::Bytes;
use excc_peer::wire::{
    CFilter, Command, EncodedMessage, FeeFilter, FilterType, InvType, InvVect, LocatorRequest,
    Message, NetAddressV2, Ping, Pong, Protocol, Reject, RejectCode, Services, TrailingBytes,
};
use excc_peer::{Chain, Hash, Network, Relay};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::{hash, millis, paying, raw_frame, remote, secs, tx};
use crate::setup::OTHER_NONCE;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The remote sends a `version`.
    Version(Opening, Pace),
    /// The remote sends a message, or another one where the version in force has none such.
    Say(Words, Pace),
    /// The remote sends a message whatever the version in force.
    Blurt(Words),
    /// The remote sends so many messages of the kind that is answered at once.
    Pings(u64, Pace),
    /// The remote answers the latest `ping` of the peer's own that can be known.
    AnswerPing(Pace),
    /// The remote sends a frame with a wrong byte.
    Damaged(Words, Index, u8, Pace),
    /// The remote sends anything.
    Raw(Vec<u8>),
    /// What is still under way comes.
    Arrive,
    /// What was left in the buffer is offered again.
    Resume,
    /// The remote ends its stream.
    Eof,
    /// The connection breaks.
    Lost,
    Send(Words),
    /// The second is whether it is encoded for another network.
    SendEncoded(Words, bool),
    PushHeaders(Vec<u32>, u32),
    PushBlocks(Vec<u32>, u32),
    /// So many addresses, of which the first ones are of Tor services.
    PushAddrs(usize, usize),
    PushReject,
    Announce(Thing, Relay),
    Ping,
    Accept,
    Refuse,
    Close,
    /// All that is queued leaves, in that time.
    Shutdown(Duration),
    AddKnown(Thing),
    IsKnown(Thing),
    UpdateLastBlock(i64),
    /// The application takes so many events.
    Poll(usize),
    /// So many bytes leave.
    Transmit(usize, Way),
    /// The clock shows a later time. Nobody is told.
    Wait(Duration),
    /// The clock is set back.
    GoBack(Duration),
    /// The clock shows the end of time.
    EndOfTime,
    /// The peer is told the time.
    TimeOut,
    /// The clock is set so much beyond the next deadline, and the peer is told.
    Skip(Duration),
    /// As above, if no remote can be late then.
    SkipOwn,
}

/// What a remote says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// Its version; none for the peer's own.
    pub(crate) number: Option<i32>,
    /// Its nonce; none for the peer's own, as far as that can be known.
    pub(crate) nonce: Option<u64>,
    pub(crate) timestamp: i64,
    pub(crate) start_height: i32,
    pub(crate) relay: bool,
}

/// How what the remote sends comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    AtOnce,
    /// In pieces of so many bytes.
    InPieces(usize),
    /// So many bytes come, the rest when more does.
    InPart(usize),
}

/// How what leaves is taken from the peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Out of what it lends.
    Lent,
    /// Out of so many frames that share its bytes.
    Shared(usize),
}

/// What a vector can name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Thing {
    /// What nobody has.
    Nothing(InvVect),
    Tx(usize),
    /// The block of zeros.
    Block,
    /// The `mixpairreq` of zeros, on Decred.
    Mix,
}

impl Thing {
    /// The message that has it, where there is one.
    fn words(self) -> Option<Words> {
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
const ENOUGH: usize = 4_000;

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
fn thing() -> impl Strategy<Value = Thing> {
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

/// What either side may say at some time.
fn words() -> impl Strategy<Value = Words> {
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
        1 => Just(Words::Plain(Message::VerAck)),
    ]
}

/// What must be answered in time perhaps.
fn request() -> impl Strategy<Value = Words> {
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
        2 => select(requests).prop_map(|command| Words::Zeros(command, ENOUGH)),
        1 => vec(thing(), 1..5).prop_map(|things| Words::Of(Command::GetData, things)),
    ]
}

pub(crate) fn reject(len: usize) -> Reject {
    Reject {
        command: "tx".into(),
        code: RejectCode(0x10),
        reason: "?".repeat(len),
        hash: Some(Hash::ZERO),
    }
}

fn opening() -> impl Strategy<Value = Opening> {
    let number = prop_oneof![
        20 => Just(None),
        10 => (9..=14_i32).prop_map(Some),
        4 => (3..=9_i32).prop_map(Some),
        1 => select(vec![i32::MIN, -1, 0, 1, 2, i32::MAX]).prop_map(Some),
    ];
    let nonce = prop_oneof![
        40 => Just(Some(0x5eed)),
        1 => Just(None),
        1 => select(vec![Some(OTHER_NONCE), Some(0)]),
    ];
    let timestamp = prop_oneof![
        5 => 1_699_999_000..1_700_001_000_i64,
        1 => select(vec![0, i64::MAX, i64::MIN]),
    ];
    (number, nonce, timestamp, -2..5_i32, prop::bool::weighted(0.8)).prop_map(
        |(number, nonce, timestamp, start_height, relay)| Opening {
            number,
            nonce,
            timestamp,
            start_height,
            relay,
        },
    )
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        6 => Just(Pace::AtOnce),
        2 => (1..40_usize).prop_map(Pace::InPieces),
        1 => (0..40_usize).prop_map(Pace::InPart),
    ]
}

fn relay() -> impl Strategy<Value = Relay> {
    select(vec![Relay::Trickle, Relay::Trickle, Relay::Immediate])
}

/// From nanoseconds to hours.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => (0..3_u64).prop_map(Duration::from_nanos),
        12 => (0..2_000_u64).prop_map(millis),
        3 => (0..20_u64).prop_map(secs),
        1 => (0..1_000_u64).prop_map(secs),
    ]
}

fn transmit() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => Just(usize::MAX), 2 => 0..150_usize];
    let way = prop_oneof![Just(Way::Lent), (0..4_usize).prop_map(Way::Shared)];
    (len, way).prop_map(|(len, way)| Step::Transmit(len, way))
}

fn poll() -> impl Strategy<Value = Step> {
    prop_oneof![Just(usize::MAX), 0..4_usize].prop_map(Step::Poll)
}

/// Steps that seldom end a peer.
fn step() -> impl Strategy<Value = Step> {
    let remote = prop_oneof![
        20 => (words(), pace()).prop_map(|(words, pace)| Step::Say(words, pace)),
        1 => (60..70_u64, pace()).prop_map(|(count, pace)| Step::Pings(count, pace)),
        8 => pace().prop_map(Step::AnswerPing),
        3 => Just(Step::Arrive),
        4 => Just(Step::Resume),
    ];
    let locator = || (vec(0..2_u32, 0..2), 0..2_u32);
    let addrs = prop_oneof![4 => 0..4_usize, 1 => 999..1_003_usize];
    let application = prop_oneof![
        12 => words().prop_map(Step::Send),
        3 => (words(), prop::bool::weighted(0.1))
            .prop_map(|(words, is_foreign)| Step::SendEncoded(words, is_foreign)),
        5 => locator().prop_map(|(locator, stop)| Step::PushHeaders(locator, stop)),
        4 => locator().prop_map(|(locator, stop)| Step::PushBlocks(locator, stop)),
        1 => (addrs, 0..3_usize).prop_map(|(count, tor)| Step::PushAddrs(count, tor)),
        1 => Just(Step::PushReject),
        14 => (thing(), relay()).prop_map(|(thing, relay)| Step::Announce(thing, relay)),
        4 => Just(Step::Ping),
        1 => Just(Step::Accept),
        1 => thing().prop_map(Step::AddKnown),
        1 => thing().prop_map(Step::IsKnown),
        1 => (-3..20_i64).prop_map(Step::UpdateLastBlock),
    ];
    let clock = prop_oneof![
        6 => time().prop_map(Step::Wait),
        1 => time().prop_map(Step::GoBack),
        2 => Just(Step::TimeOut),
        8 => Just(Step::SkipOwn),
        1 => prop_oneof![1 => Just(Duration::ZERO), 1 => time()].prop_map(Step::Skip),
    ];
    prop_oneof![10 => remote, 10 => application, 6 => clock, 7 => transmit(), 5 => poll()]
}

/// Steps that mostly end a peer.
fn end() -> impl Strategy<Value = Step> {
    let damaged = (words(), any::<Index>(), 1..=u8::MAX, pace());
    // What old versions do not have.
    let young = vec![Command::FeeFilter, Command::GetCFTypes, Command::GetCFilterV2];
    let young = select(young).prop_map(|command| Words::Zeros(command, ENOUGH));
    prop_oneof![
        2 => (opening(), pace()).prop_map(|(opening, pace)| Step::Version(opening, pace)),
        3 => damaged.prop_map(|(words, at, flip, pace)| Step::Damaged(words, at, flip, pace)),
        2 => prop_oneof![words(), young].prop_map(Step::Blurt),
        1 => vec(any::<u8>(), 0..40).prop_map(Step::Raw),
        2 => Just(Step::Eof),
        1 => Just(Step::Lost),
        1 => Just(Step::Refuse),
        1 => Just(Step::Close),
        2 => shutdown(),
        1 => Just(Step::EndOfTime),
        2 => Just(Step::Blurt(Words::Plain(Message::VerAck))),
        8 => Just(Step::Skip(Duration::ZERO)),
    ]
}

/// A script that mostly begins with a handshake, without which little happens, with other
/// things in between at times.
pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    let few = || {
        prop_oneof![
            20 => Just(Vec::new()),
            3 => vec(step(), 0..3),
            1 => vec(end(), 1),
            1 => farewell(),
        ]
    };
    let early = (words(), pace()).prop_map(|(words, pace)| Step::Say(words, pace));
    let early = prop_oneof![3 => few(), 1 => vec(early, 0..4)];
    let verack = prop::option::weighted(0.9, pace());
    let open = (few(), (opening(), pace()), early, verack, few()).prop_map(
        |(first, (opening, version_pace), second, verack, third)| {
            let version = Step::Version(opening, version_pace);
            let verack = verack.map(|pace| Step::Say(Words::Plain(Message::VerAck), pace));
            let take = vec![Step::Transmit(usize::MAX, Way::Lent), Step::Accept, Step::Resume];
            let verack = verack.into_iter().collect();
            [first, vec![version], take, second, verack, third].concat()
        },
    );
    let life = vec(prop_oneof![100 => step(), 1 => end()], 0..60);
    let opening = prop_oneof![20 => open, 1 => Just(Vec::new())];
    let farewell = prop_oneof![2 => Just(Vec::new()), 1 => farewell()];
    let end = (vec(end(), 0..3), vec(step(), 0..4)).prop_map(|(end, more)| [end, more].concat());
    (opening, life, unanswered(), farewell, end).prop_map(
        |(opening, life, unanswered, farewell, end)| {
            [opening, life, unanswered, farewell, end].concat()
        },
    )
}

fn shutdown() -> impl Strategy<Value = Step> {
    let ends = vec![Duration::ZERO, Duration::from_nanos(1), secs(5), Duration::MAX];
    prop_oneof![select(ends), time()].prop_map(Step::Shutdown)
}

/// Some things that are to leave, the wish that they do, and what comes of it.
fn farewell() -> impl Strategy<Value = Vec<Step>> {
    let last = prop_oneof![
        3 => words().prop_map(Step::Send),
        6 => thing().prop_map(|thing| Step::Announce(thing, Relay::Trickle)),
        1 => Just(Step::Ping),
    ];
    let after = prop_oneof![20 => step(), 2 => end(), 1 => shutdown()];
    (vec(last, 0..6), shutdown(), vec(after, 0..12)).prop_map(|(mut steps, shutdown, after)| {
        steps.push(shutdown);
        [steps, after].concat()
    })
}

/// Mostly nothing, else requests that leave and time in which nothing comes in answer.
fn unanswered() -> impl Strategy<Value = Vec<Step>> {
    let asking = vec(prop_oneof![words(), request()].prop_map(Step::Send), 1..4);
    let ways = vec(prop_oneof![transmit(), poll()], 1..4);
    let asked = (asking, ways, 1..6_usize).prop_map(|(asking, ways, skips)| {
        let leave = vec![Step::Poll(usize::MAX), Step::Transmit(usize::MAX, Way::Lent)];
        [asking, ways, leave, vec![Step::Skip(Duration::ZERO); skips]].concat()
    });
    prop_oneof![2 => Just(Vec::new()), 1 => asked]
}
