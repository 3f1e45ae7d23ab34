//! Random scripts.

use std::time::Duration;

use excc_peer::Relay;
use excc_peer::wire::{Command, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::messages::{getheaders, headers, object, request, spec};
use crate::lockstep::common::{ANSWERS, millis, secs};
use crate::lockstep::frames::{BAD_FRAMES, BadFrame, PayloadEnd, USER_AGENTS, VersionEncoding};
use crate::lockstep::messages::{ENOUGH, MessageSpec, Object, reject};
use crate::lockstep::script::{Access, Delivery, Step, TRANSMIT_ALL, VersionFields};
use crate::lockstep::setup::OTHER_NONCE;
use crate::lockstep::values::LIMITED;

fn fields() -> impl Strategy<Value = VersionFields> {
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
        |(number, nonce, timestamp, start_height, relay)| VersionFields {
            number,
            nonce,
            timestamp,
            start_height,
            relay,
        },
    )
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        6 => Just(Delivery::AtOnce),
        2 => (1..40_usize).prop_map(Delivery::InPieces),
        1 => (0..40_usize).prop_map(Delivery::InPart),
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

fn poll() -> impl Strategy<Value = Step> {
    prop_oneof![Just(usize::MAX), 0..4_usize].prop_map(Step::PollEvents)
}

fn transmit() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => Just(usize::MAX), 2 => 0..150_usize];
    let frames = || prop_oneof![4 => 0..4_usize, 1 => Just(usize::MAX)];
    let access = prop_oneof![
        2 => any::<bool>().prop_map(Access::Chunks),
        1 => frames().prop_map(Access::ChunksAfterBatch),
        1 => (0..6_usize).prop_map(Access::Vectored),
        2 => frames().prop_map(Access::Batch),
        3 => frames().prop_map(Access::BatchUntilNext),
    ];
    let earlier = prop_oneof![4 => Just(Duration::ZERO), 1 => (0..2_000_u64).prop_map(millis)];
    (len, access, earlier).prop_map(|(len, access, earlier)| Step::Transmit(len, access, earlier))
}

/// Steps that seldom end a peer. Boxed, as are others: the trees of values are large.
fn step() -> BoxedStrategy<Step> {
    let remote = prop_oneof![
        20 => (spec(), delivery()).prop_map(|(spec, delivery)| Step::Receive(spec, delivery)),
        1 => (60..70_u64, delivery()).prop_map(|(count, delivery)| Step::ReceivePings(count, delivery)),
        6 => (0..60_usize, delivery()).prop_map(|(which, delivery)| Step::ReceivePong(which, delivery)),
        8 => (0..60_usize, delivery()).prop_map(|(which, delivery)| Step::ReceiveAnswer(which, delivery)),
        2 => (spec(), 1..60_usize, time(), any::<bool>())
            .prop_map(|(spec, piece, gap, told)| Step::ReceiveSlowly(spec, piece, gap, told)),
        1 => delivery().prop_map(Step::ReceiveAgain),
        3 => Just(Step::ReceiveRest),
        4 => Just(Step::Resume),
    ];
    let locator = || (vec(0..2_u32, 0..2), 0..2_u32);
    let limited = select(&LIMITED[..]);
    let addrs = prop_oneof![4 => 0..4_usize, 1 => 999..1_003_usize];
    let application = prop_oneof![
        12 => spec().prop_map(Step::Send),
        2 => (limited, 1..5_usize, (0..90_u64).prop_map(secs))
            .prop_map(|(command, times, gap)| Step::SendRepeatedly(command, times, gap)),
        3 => (spec(), prop::bool::weighted(0.1))
            .prop_map(|(spec, is_foreign)| Step::SendEncoded(spec, is_foreign)),
        5 => locator().prop_map(|(locator, stop)| Step::PushGetHeaders(locator, stop)),
        4 => locator().prop_map(|(locator, stop)| Step::PushGetBlocks(locator, stop)),
        1 => (addrs, 0..3_usize).prop_map(|(count, tor)| Step::PushAddrs(count, tor)),
        1 => Just(Step::PushReject),
        14 => (object(), relay()).prop_map(|(object, relay)| Step::Announce(object, relay)),
        4 => Just(Step::Ping),
        1 => prop_oneof![4 => 2..5_u64, 1 => 16..20_u64].prop_map(Step::SendPings),
        1 => Just(Step::AcceptVersion),
        1 => object().prop_map(Step::AddKnownInventory),
        1 => object().prop_map(Step::IsKnownInventory),
        1 => (-3..20_i64).prop_map(Step::UpdateLastBlock),
    ];
    let suspended = (time(), spec(), any::<Option<bool>>());
    let clock = prop_oneof![
        1 => suspended.prop_map(|(time, spec, order)| Step::Suspend(time, spec, order)),
        6 => time().prop_map(Step::Wait),
        1 => time().prop_map(Step::SetClockBack),
        2 => Just(Step::HandleTimeout),
        8 => Just(Step::SkipToOwnDeadline),
        1 => prop_oneof![1 => Just(Duration::ZERO), 1 => time()].prop_map(Step::SkipToDeadline),
    ];
    prop_oneof![10 => remote, 10 => application, 6 => clock, 7 => transmit(), 5 => poll()].boxed()
}

/// Messages that are too large to come unasked, or to come at all.
fn large() -> impl Strategy<Value = MessageSpec> {
    prop_oneof![
        3 => select(ANSWERS.to_vec()).prop_map(|command| MessageSpec::Zeros(command, ENOUGH)),
        1 => Just(MessageSpec::Headers(0, 13, 1)),
        2 => spec(),
        2 => select(vec![
            MessageSpec::Inventory(Command::Inv, vec![Object::Block; 10]),
            MessageSpec::Inventory(Command::NotFound, vec![Object::Block; 10]),
            MessageSpec::Tx(300),
            MessageSpec::GetHeaders(vec![1; 9], true),
            MessageSpec::Plain(reject(30).into()),
        ]),
    ]
}

/// Steps that mostly end a peer.
fn end() -> BoxedStrategy<Step> {
    let damaged = (spec(), any::<usize>(), 1..=u8::MAX, delivery());
    // Messages that old versions do not have.
    let young = vec![Command::FeeFilter, Command::GetCFTypes, Command::GetCFilterV2];
    let young = select(young).prop_map(|command| MessageSpec::Zeros(command, ENOUGH));
    prop_oneof![
        2 => (fields(), delivery()).prop_map(|(fields, delivery)| Step::ReceiveVersion(fields, delivery)),
        1 => (bad_frame(), delivery()).prop_map(|(bad, delivery)| Step::ReceiveBadFrame(bad, delivery)),
        1 => (select(Command::ALL), vec(any::<u8>(), 0..40))
            .prop_map(|(command, payload)| Step::ReceivePayload(command, payload)),
        3 => damaged.prop_map(|(spec, at, flip, delivery)| Step::ReceiveDamaged(spec, at, flip, delivery)),
        2 => prop_oneof![spec(), young].prop_map(Step::ReceiveUnchecked),
        7 => large().prop_map(Step::ReceiveUnchecked),
        1 => vec(any::<u8>(), 0..40).prop_map(Step::ReceiveBytes),
        2 => Just(Step::EndOfStream),
        1 => Just(Step::ConnectionLost),
        1 => Just(Step::RefuseVersion),
        1 => Just(Step::Close),
        2 => shutdown(),
        1 => Just(Step::EndOfTime),
        2 => Just(Step::ReceiveUnchecked(MessageSpec::Plain(Message::VerAck))),
        8 => Just(Step::SkipToDeadline(Duration::ZERO)),
    ]
    .boxed()
}

/// A `version` in one of the forms that it may have, or in another one.
fn encoding() -> impl Strategy<Value = VersionEncoding> {
    let user_agent = select(&USER_AGENTS[..]);
    let end = prop_oneof![
        2 => Just(PayloadEnd::Whole),
        3 => (0..6_usize).prop_map(PayloadEnd::AfterField),
        1 => any::<usize>().prop_map(PayloadEnd::Cut),
        1 => (1..20_usize).prop_map(PayloadEnd::Trailing),
    ];
    (user_agent, end).prop_map(|(user_agent, end)| VersionEncoding { user_agent, end })
}

fn bad_frame() -> impl Strategy<Value = BadFrame> {
    select(&BAD_FRAMES[..])
}

/// A script that mostly begins with a handshake, without which little happens, with other
/// objects in between at times.
pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    let few = || {
        prop_oneof![
            20 => Just(Vec::new()),
            3 => vec(step(), 0..3),
            1 => vec(end(), 1),
            1 => farewell(),
        ]
    };
    let early = (spec(), delivery()).prop_map(|(spec, delivery)| Step::Receive(spec, delivery));
    let early = prop_oneof![3 => few(), 1 => vec(early, 0..4)];
    let verack = prop::option::weighted(0.9, delivery());
    let other = prop_oneof![9 => Just(vec![]), 1 => Just(vec![Step::OtherHandshakeCompletes])];
    let first = (other, few()).prop_map(|(other, few)| [other, few].concat());
    let version = prop_oneof![
        20 => (fields(), delivery())
            .prop_map(|(fields, delivery)| Step::ReceiveVersion(fields, delivery)),
        1 => (fields(), encoding(), delivery()).prop_map(|(fields, encoding, delivery)| {
            Step::ReceiveEncodedVersion(fields, encoding, delivery)
        }),
    ];
    let open = (first, version, early, verack, few()).prop_map(
        |(first, version, second, verack, third)| {
            let verack =
                verack.map(|delivery| Step::Receive(MessageSpec::Plain(Message::VerAck), delivery));
            let take = vec![TRANSMIT_ALL, Step::AcceptVersion, Step::Resume];
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

/// Some messages, a shutdown that sends them, and steps until its end.
fn farewell() -> BoxedStrategy<Vec<Step>> {
    let last = prop_oneof![
        3 => spec().prop_map(Step::Send),
        6 => object().prop_map(|object| Step::Announce(object, Relay::Trickle)),
        1 => Just(Step::Ping),
    ];
    let after = prop_oneof![20 => step(), 2 => end(), 1 => shutdown()];
    // The remote does not read.
    let tried = Step::Transmit(0, Access::Chunks(true), Duration::ZERO);
    let stalls = [vec![tried], vec![Step::SkipToDeadline(Duration::ZERO); 6]].concat();
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
    let waiting = prop_oneof![4 => spec().prop_map(Step::Send), 1 => Just(Step::Ping)];
    let cut = (spec(), 1..40_usize).prop_map(|(spec, len)| {
        vec![Step::Receive(spec, Delivery::InPart(len)), Step::EndOfStream]
    });
    let second = Step::ReceiveUnchecked(MessageSpec::Plain(Message::VerAck));
    let fatal = prop_oneof![
        2 => Just(vec![Step::EndOfStream]),
        2 => cut,
        1 => Just(vec![second.clone(), second]),
        4 => vec(large().prop_map(Step::ReceiveUnchecked), 1..4),
    ];
    let after = prop_oneof![
        8 => transmit(),
        4 => poll(),
        2 => Just(Step::SkipToDeadline(Duration::ZERO)),
        1 => Just(Step::ConnectionLost),
        1 => Just(Step::RefuseVersion),
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
    let say = |spec: BoxedStrategy<MessageSpec>| {
        (spec, delivery()).prop_map(|(spec, delivery)| Step::Receive(spec, delivery)).boxed()
    };
    let answer = || {
        (0..60_usize, delivery()).prop_map(|(which, delivery)| Step::ReceiveAnswer(which, delivery))
    };
    let pong =
        (0..60_usize, delivery()).prop_map(|(which, delivery)| Step::ReceivePong(which, delivery));
    let wait = || time().prop_map(Step::Wait);
    let synchronise = prop_oneof![
        6 => getheaders().prop_map(Step::Send),
        4 => transmit(),
        4 => say(headers().boxed()),
        2 => answer(),
        2 => Just(Step::PollEvents(usize::MAX)),
        1 => wait(),
        1 => Just(Step::HandleTimeout),
    ];
    let measure = prop_oneof![
        4 => (1..4_u64).prop_map(Step::SendPings),
        2 => Just(Step::Ping),
        4 => transmit(),
        5 => pong,
        1 => (1..70_u64, delivery()).prop_map(|(count, delivery)| Step::ReceivePings(count, delivery)),
        2 => Just(Step::PollEvents(usize::MAX)),
        2 => wait(),
        2 => Just(Step::HandleTimeout),
    ];
    let fetch = prop_oneof![
        4 => vec(object(), 1..5).prop_map(|objects| Step::Send(MessageSpec::Inventory(Command::GetData, objects))),
        3 => transmit(),
        5 => answer(),
        1 => delivery().prop_map(Step::ReceiveAgain),
        2 => Just(Step::PollEvents(usize::MAX)),
        1 => wait(),
        2 => Just(Step::SkipToDeadline(Duration::ZERO)),
    ];
    // Pongs between frames that are sent in part.
    let interleave = prop_oneof![
        3 => spec().prop_map(Step::Send),
        4 => (1..60_usize, 0..3_usize)
            .prop_map(|(len, frames)| Step::Transmit(len, Access::Batch(frames), Duration::ZERO)),
        2 => Just(Step::Transmit(0, Access::Batch(0), Duration::ZERO)),
        3 => (1..3_u64).prop_map(|count| Step::ReceivePings(count, Delivery::AtOnce)),
    ];
    // Answers that are larger than unsolicited messages may be.
    let permit = prop_oneof![
        3 => select(vec![
            MessageSpec::Inventory(Command::GetData, vec![Object::Block; 2]),
            MessageSpec::Zeros(Command::GetCFilterV2, ENOUGH),
        ]).prop_map(Step::Send),
        2 => Just(TRANSMIT_ALL),
        4 => select(vec![Command::Block, Command::CFilterV2]).prop_map(|command| {
            Step::Receive(MessageSpec::Zeros(command, ENOUGH), Delivery::AtOnce)
        }),
        1 => Just(Step::ReceiveAgain(Delivery::AtOnce)),
        1 => Just(Step::PollEvents(usize::MAX)),
    ];
    prop_oneof![
        6 => Just(Vec::new()),
        1 => vec(interleave, 0..20),
        1 => vec(permit, 0..20),
        1 => vec(synchronise, 0..40),
        1 => vec(measure, 0..40),
        1 => vec(fetch, 0..40),
    ]
    .boxed()
}

/// Mostly nothing, else requests that are sent, some of them twice, and time without an answer.
fn unanswered() -> impl Strategy<Value = Vec<Step>> {
    let request = vec(prop_oneof![spec(), request()].prop_map(Step::Send), 1..4);
    let ways = vec(prop_oneof![transmit(), poll()], 1..4);
    let again = prop::option::weighted(0.3, time().prop_map(Step::Wait));
    let requested = (request, ways, again, 1..6_usize).prop_map(|(request, ways, again, skips)| {
        let take = vec![Step::PollEvents(usize::MAX), TRANSMIT_ALL];
        let again = again.map(|wait| [vec![wait], request.clone(), take.clone()].concat());
        let skips = vec![Step::SkipToDeadline(Duration::ZERO); skips];
        [request, ways, take, again.unwrap_or_default(), skips].concat()
    });
    prop_oneof![2 => Just(Vec::new()), 1 => requested]
}
