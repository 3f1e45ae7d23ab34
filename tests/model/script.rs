//! Events in the life of a peer: messages of the remote's, commands of the application's, and time.

use std::time::Duration;

use excc_peer::Relay;
use excc_peer::wire::{Command, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::{ANSWERS, millis, secs};
use crate::setup::OTHER_NONCE;
use crate::words::{ENOUGH, Thing, Words, getheaders, headers, reject, request, thing, words};

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
    /// The remote answers one of the peer's `ping`s: sent or not, known or not.
    AnswerPing(usize, Pace),
    /// The remote answers one of the requests: sent or not.
    Answer(usize, Pace),
    /// The remote sends again what it sent last.
    Repeat(Pace),
    /// The remote sends a frame in pieces of so many bytes, each so much later than the one
    /// before, with a call of `handle_timeout` before each, or without.
    Dribble(Words, usize, Duration, bool),
    /// The process is suspended for that time. A message waits in the socket then: it is received
    /// before `handle_timeout`, or after it, or never.
    Suspend(Duration, Words, Option<bool>),
    /// The remote sends a frame with a wrong byte.
    Damaged(Words, Index, u8, Pace),
    /// The remote sends anything.
    Raw(Vec<u8>),
    /// Bytes that are still under way arrive.
    Arrive,
    /// The rest of the buffer is offered again.
    Resume,
    /// The remote ends its stream.
    Eof,
    /// The connection breaks.
    Lost,
    Send(Words),
    /// So many times, with so much time in between.
    SendOften(Command, usize, Duration),
    /// The second is whether it is encoded for another network.
    SendEncoded(Words, bool),
    PushHeaders(Vec<u32>, u32),
    PushBlocks(Vec<u32>, u32),
    /// So many addresses, of which the first ones are of Tor services.
    PushAddrs(usize, usize),
    PushReject,
    Announce(Thing, Relay),
    Ping,
    /// The application sends so many `ping`s of its own.
    SendPings(u64),
    Accept,
    Refuse,
    Close,
    /// All that is queued leaves, in that time.
    Shutdown(Duration),
    AddKnown(Thing),
    IsKnown(Thing),
    UpdateLastBlock(i64),
    /// The other outbound peer of the process is done with its handshake.
    OtherIsDone,
    /// The application takes so many events.
    Poll(usize),
    /// So many bytes are sent, at a time that was read so much earlier.
    Transmit(usize, Way, Duration),
    /// Time passes without a call.
    Wait(Duration),
    /// The clock is set back.
    GoBack(Duration),
    /// The clock shows the end of time.
    EndOfTime,
    /// A call of `handle_timeout`.
    TimeOut,
    /// A call of `handle_timeout` so much after the next deadline.
    Skip(Duration),
    /// As above, if no remote can be late then.
    SkipOwn,
}

/// The fields of a remote's `version`.
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

/// How bytes to be sent are taken from the peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Chunk by chunk. The flag says whether one more is looked at, as before a write that fails.
    Chunks(bool),
    /// The same, after a look at so many frames that are not written.
    ChunksAfterLook(usize),
    /// Out of so many slices.
    Vectored(usize),
    /// Out of so many shared frames.
    Shared(usize),
    /// As above, but the bytes are advanced past in the next `Transmit`.
    SharedUntilNext(usize),
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
        3 => select(vec![Some(OTHER_NONCE), Some(OTHER_NONCE), Some(0)]),
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
    let frames = || prop_oneof![4 => 0..4_usize, 1 => Just(usize::MAX)];
    let way = prop_oneof![
        2 => any::<bool>().prop_map(Way::Chunks),
        1 => frames().prop_map(Way::ChunksAfterLook),
        1 => (0..6_usize).prop_map(Way::Vectored),
        2 => frames().prop_map(Way::Shared),
        3 => frames().prop_map(Way::SharedUntilNext),
    ];
    let earlier = prop_oneof![4 => Just(Duration::ZERO), 1 => (0..2_000_u64).prop_map(millis)];
    (len, way, earlier).prop_map(|(len, way, earlier)| Step::Transmit(len, way, earlier))
}

/// All bytes are sent.
pub(crate) const TRANSMIT_ALL: Step =
    Step::Transmit(usize::MAX, Way::Chunks(false), Duration::ZERO);

fn poll() -> impl Strategy<Value = Step> {
    prop_oneof![Just(usize::MAX), 0..4_usize].prop_map(Step::Poll)
}

/// Steps that seldom end a peer. Boxed, as are others: the trees of values are large.
fn step() -> BoxedStrategy<Step> {
    let remote = prop_oneof![
        20 => (words(), pace()).prop_map(|(words, pace)| Step::Say(words, pace)),
        1 => (60..70_u64, pace()).prop_map(|(count, pace)| Step::Pings(count, pace)),
        6 => (0..60_usize, pace()).prop_map(|(which, pace)| Step::AnswerPing(which, pace)),
        8 => (0..60_usize, pace()).prop_map(|(which, pace)| Step::Answer(which, pace)),
        2 => (words(), 1..60_usize, time(), any::<bool>())
            .prop_map(|(words, piece, gap, told)| Step::Dribble(words, piece, gap, told)),
        1 => pace().prop_map(Step::Repeat),
        3 => Just(Step::Arrive),
        4 => Just(Step::Resume),
    ];
    let locator = || (vec(0..2_u32, 0..2), 0..2_u32);
    let limited = select(vec![Command::MemPool, Command::GetInitState, Command::InitState]);
    let addrs = prop_oneof![4 => 0..4_usize, 1 => 999..1_003_usize];
    let application = prop_oneof![
        12 => words().prop_map(Step::Send),
        2 => (limited, 1..5_usize, (0..90_u64).prop_map(secs))
            .prop_map(|(command, times, gap)| Step::SendOften(command, times, gap)),
        3 => (words(), prop::bool::weighted(0.1))
            .prop_map(|(words, is_foreign)| Step::SendEncoded(words, is_foreign)),
        5 => locator().prop_map(|(locator, stop)| Step::PushHeaders(locator, stop)),
        4 => locator().prop_map(|(locator, stop)| Step::PushBlocks(locator, stop)),
        1 => (addrs, 0..3_usize).prop_map(|(count, tor)| Step::PushAddrs(count, tor)),
        1 => Just(Step::PushReject),
        14 => (thing(), relay()).prop_map(|(thing, relay)| Step::Announce(thing, relay)),
        4 => Just(Step::Ping),
        1 => prop_oneof![4 => 2..5_u64, 1 => 16..20_u64].prop_map(Step::SendPings),
        1 => Just(Step::Accept),
        1 => thing().prop_map(Step::AddKnown),
        1 => thing().prop_map(Step::IsKnown),
        1 => (-3..20_i64).prop_map(Step::UpdateLastBlock),
    ];
    let suspended = (time(), words(), any::<Option<bool>>());
    let clock = prop_oneof![
        1 => suspended.prop_map(|(time, words, order)| Step::Suspend(time, words, order)),
        6 => time().prop_map(Step::Wait),
        1 => time().prop_map(Step::GoBack),
        2 => Just(Step::TimeOut),
        8 => Just(Step::SkipOwn),
        1 => prop_oneof![1 => Just(Duration::ZERO), 1 => time()].prop_map(Step::Skip),
    ];
    prop_oneof![10 => remote, 10 => application, 6 => clock, 7 => transmit(), 5 => poll()].boxed()
}

/// Messages that are too large to come unasked, or to come at all.
fn large() -> impl Strategy<Value = Words> {
    prop_oneof![
        3 => select(ANSWERS.to_vec()).prop_map(|command| Words::Zeros(command, ENOUGH)),
        1 => Just(Words::Headers(0, 13, 1)),
        2 => words(),
        2 => select(vec![
            Words::Of(Command::Inv, vec![Thing::Block; 10]),
            Words::Of(Command::NotFound, vec![Thing::Block; 10]),
            Words::Tx(300),
            Words::GetHeaders(vec![1; 9], true),
            Words::Plain(reject(30).into()),
        ]),
    ]
}

/// Steps that mostly end a peer.
fn end() -> BoxedStrategy<Step> {
    let damaged = (words(), any::<Index>(), 1..=u8::MAX, pace());
    // Messages that old versions do not have.
    let young = vec![Command::FeeFilter, Command::GetCFTypes, Command::GetCFilterV2];
    let young = select(young).prop_map(|command| Words::Zeros(command, ENOUGH));
    prop_oneof![
        2 => (opening(), pace()).prop_map(|(opening, pace)| Step::Version(opening, pace)),
        3 => damaged.prop_map(|(words, at, flip, pace)| Step::Damaged(words, at, flip, pace)),
        2 => prop_oneof![words(), young].prop_map(Step::Blurt),
        4 => large().prop_map(Step::Blurt),
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
    .boxed()
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
    let other = prop_oneof![9 => Just(vec![]), 1 => Just(vec![Step::OtherIsDone])];
    let first = (other, few()).prop_map(|(other, few)| [other, few].concat());
    let open = (first, (opening(), pace()), early, verack, few()).prop_map(
        |(first, (opening, version_pace), second, verack, third)| {
            let version = Step::Version(opening, version_pace);
            let verack = verack.map(|pace| Step::Say(Words::Plain(Message::VerAck), pace));
            let take = vec![TRANSMIT_ALL, Step::Accept, Step::Resume];
            let verack = verack.into_iter().collect();
            [first, vec![version], take, second, verack, third].concat()
        },
    );
    let life = (vec(prop_oneof![100 => step(), 1 => end()], 0..60), theme())
        .prop_map(|(life, theme)| [life, theme].concat());
    let opening = prop_oneof![20 => open, 1 => Just(Vec::new())];
    let farewell = prop_oneof![2 => Just(Vec::new()), 1 => farewell()];
    let end = (vec(end(), 0..3), vec(step(), 0..4)).prop_map(|(end, more)| [end, more].concat());
    let end = prop_oneof![2 => end, 1 => last_try()];
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
fn farewell() -> BoxedStrategy<Vec<Step>> {
    let last = prop_oneof![
        3 => words().prop_map(Step::Send),
        6 => thing().prop_map(|thing| Step::Announce(thing, Relay::Trickle)),
        1 => Just(Step::Ping),
    ];
    let after = prop_oneof![20 => step(), 2 => end(), 1 => shutdown()];
    // The remote does not read.
    let tried = Step::Transmit(0, Way::Chunks(true), Duration::ZERO);
    let stalls = [vec![tried], vec![Step::Skip(Duration::ZERO); 6]].concat();
    let after = prop_oneof![5 => vec(after, 0..12), 1 => Just(stalls)];
    (vec(last, 0..6), shutdown(), after)
        .prop_map(|(mut steps, shutdown, after)| {
            steps.push(shutdown);
            [steps, after].concat()
        })
        .boxed()
}

/// Messages that wait to be sent when the remote ends the conversation, and what the driver and
/// the application do then.
fn last_try() -> BoxedStrategy<Vec<Step>> {
    let waiting = prop_oneof![4 => words().prop_map(Step::Send), 1 => Just(Step::Ping)];
    let cut = (words(), 1..40_usize)
        .prop_map(|(words, len)| vec![Step::Say(words, Pace::InPart(len)), Step::Eof]);
    let second = Step::Blurt(Words::Plain(Message::VerAck));
    let fatal = prop_oneof![
        2 => Just(vec![Step::Eof]),
        2 => cut,
        1 => Just(vec![second.clone(), second]),
        4 => vec(large().prop_map(Step::Blurt), 1..4),
    ];
    let after = prop_oneof![
        8 => transmit(),
        4 => poll(),
        2 => Just(Step::Skip(Duration::ZERO)),
        1 => Just(Step::Lost),
        1 => Just(Step::Refuse),
        1 => Just(Step::Close),
        1 => shutdown(),
        2 => step(),
    ];
    (vec(waiting, 0..4), fatal, vec(after, 0..6))
        .prop_map(|(waiting, fatal, after)| [waiting, fatal, after].concat())
        .boxed()
}

/// Mostly nothing, else many steps of one kind, between which little else happens.
fn theme() -> BoxedStrategy<Vec<Step>> {
    let say = |words: BoxedStrategy<Words>| {
        (words, pace()).prop_map(|(words, pace)| Step::Say(words, pace)).boxed()
    };
    let answer = || (0..60_usize, pace()).prop_map(|(which, pace)| Step::Answer(which, pace));
    let pong = (0..60_usize, pace()).prop_map(|(which, pace)| Step::AnswerPing(which, pace));
    let wait = || time().prop_map(Step::Wait);
    let synchronise = prop_oneof![
        6 => getheaders().prop_map(Step::Send),
        4 => transmit(),
        4 => say(headers().boxed()),
        2 => answer(),
        2 => Just(Step::Poll(usize::MAX)),
        1 => wait(),
        1 => Just(Step::TimeOut),
    ];
    let measure = prop_oneof![
        4 => (1..4_u64).prop_map(Step::SendPings),
        2 => Just(Step::Ping),
        4 => transmit(),
        5 => pong,
        1 => (1..70_u64, pace()).prop_map(|(count, pace)| Step::Pings(count, pace)),
        2 => Just(Step::Poll(usize::MAX)),
        2 => wait(),
        2 => Just(Step::TimeOut),
    ];
    let fetch = prop_oneof![
        4 => vec(thing(), 1..5).prop_map(|things| Step::Send(Words::Of(Command::GetData, things))),
        3 => transmit(),
        5 => answer(),
        1 => pace().prop_map(Step::Repeat),
        2 => Just(Step::Poll(usize::MAX)),
        1 => wait(),
        2 => Just(Step::Skip(Duration::ZERO)),
    ];
    prop_oneof![
        4 => Just(Vec::new()),
        1 => vec(synchronise, 0..40),
        1 => vec(measure, 0..40),
        1 => vec(fetch, 0..40),
    ]
    .boxed()
}

/// Mostly nothing, else requests that leave and time in which nothing comes in answer.
fn unanswered() -> impl Strategy<Value = Vec<Step>> {
    let asking = vec(prop_oneof![words(), request()].prop_map(Step::Send), 1..4);
    let ways = vec(prop_oneof![transmit(), poll()], 1..4);
    let asked = (asking, ways, 1..6_usize).prop_map(|(asking, ways, skips)| {
        let leave = vec![Step::Poll(usize::MAX), TRANSMIT_ALL];
        [asking, ways, leave, vec![Step::Skip(Duration::ZERO); skips]].concat()
    });
    prop_oneof![2 => Just(Vec::new()), 1 => asked]
}
