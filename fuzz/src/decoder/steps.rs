//! Steps of scripts.

use std::time::Duration;

use excc_peer::Relay;
use excc_peer::wire::Message;

use super::messages::{command, message, object};
use super::{Arguments, Focus};
use crate::lockstep::common::{millis, nanos, secs};
use crate::lockstep::frames::{
    BAD_FRAMES, BadFrame, LAST_SECOND, PayloadEnd, USER_AGENTS, VersionEncoding,
};
use crate::lockstep::messages::MessageSpec;
use crate::lockstep::script::{Access, Delivery, Step, TRANSMIT_ALL, VersionFields};
use crate::lockstep::setup::OTHER_NONCE;
use crate::lockstep::values::LIMITED;

const ALL: usize = usize::MAX;
const AT_ONCE: Delivery = Delivery::AtOnce;

fn verack() -> MessageSpec {
    MessageSpec::Plain(Message::VerAck)
}

/// The steps of a handshake.
pub(super) fn handshake(fields: VersionFields) -> [Step; 5] {
    [
        Step::ReceiveVersion(fields, AT_ONCE),
        TRANSMIT_ALL,
        Step::AcceptVersion,
        Step::Resume,
        Step::Receive(verack(), AT_ONCE),
    ]
}

/// The step of a number below 96.
pub(super) fn step(number: u8, focus: Focus, arguments: &mut Arguments<'_>) -> Step {
    if focus == Focus::Handshake && number.is_multiple_of(2) {
        return handshake_step(number / 2, arguments);
    }
    match number {
        0..44 => remote_step(number, arguments),
        44..68 => application_step(number, arguments),
        _ => driver_step(number, arguments),
    }
}

/// A step that belongs to the handshake, of a number below 48.
fn handshake_step(number: u8, arguments: &mut Arguments<'_>) -> Step {
    match number {
        0..=8 => Step::ReceiveVersion(version_fields(arguments), AT_ONCE),
        9 | 10 => Step::ReceiveVersion(version_fields(arguments), delivery(arguments)),
        11..=15 => {
            let encoding = encoding(arguments);
            let fields = version_fields(arguments);
            Step::ReceiveEncodedVersion(fields, encoding, delivery(arguments))
        }
        16..=22 => Step::Receive(verack(), delivery(arguments)),
        23 => Step::ReceiveUnchecked(verack()),
        24..=26 => Step::ReceiveBadFrame(bad_frame(arguments), delivery(arguments)),
        27 => Step::AcceptVersion,
        28 => Step::RefuseVersion,
        29 => Step::OtherHandshakeCompletes,
        30..=33 => TRANSMIT_ALL,
        34..=37 => Step::PollEvents(ALL),
        38..=40 => Step::SkipToDeadline(Duration::ZERO),
        41 => Step::Wait(time(arguments)),
        42 | 43 => Step::Receive(message(arguments), AT_ONCE),
        44 | 45 => Step::Send(message(arguments)),
        46 => Step::ReceiveRest,
        _ => Step::Resume,
    }
}

fn remote_step(number: u8, arguments: &mut Arguments<'_>) -> Step {
    match number {
        0..=10 => Step::Receive(message(arguments), AT_ONCE),
        11 => {
            let pieces = Delivery::InPieces(1 + arguments.next());
            Step::Receive(message(arguments), pieces)
        }
        12 => {
            let part = Delivery::InPart(arguments.next());
            Step::Receive(message(arguments), part)
        }
        13 | 14 => Step::ReceiveUnchecked(message(arguments)),
        15 => Step::ReceivePings(1 + arguments.next() as u64 % 80, delivery(arguments)),
        16..=19 => Step::ReceivePong(arguments.next(), delivery(arguments)),
        20..=25 => Step::ReceiveAnswer(arguments.next(), delivery(arguments)),
        26 => Step::ReceiveAgain(delivery(arguments)),
        27 => {
            let [piece, flags] = [arguments.next(), arguments.next()];
            let gap = time(arguments);
            Step::ReceiveSlowly(message(arguments), 1 + piece, gap, flags % 2 == 1)
        }
        28 => {
            let order = arguments.one_of(&[Some(false), Some(true), None]);
            let time = time(arguments);
            Step::Suspend(time, message(arguments), order)
        }
        29 => {
            let [at, flip] = [arguments.next(), arguments.next()];
            Step::ReceiveDamaged(message(arguments), at, 1 + flip as u8, AT_ONCE)
        }
        30 => Step::ReceiveBytes(bytes(arguments)),
        31 => Step::ReceivePayload(command(arguments), bytes(arguments)),
        32 => Step::ReceiveBadFrame(bad_frame(arguments), delivery(arguments)),
        33 | 34 => Step::ReceiveRest,
        35..=37 => Step::Resume,
        38 | 39 => Step::EndOfStream,
        40 => Step::ConnectionLost,
        41 => Step::ReceiveVersion(version_fields(arguments), delivery(arguments)),
        42 => Step::ReceiveUnchecked(verack()),
        _ => {
            // The remote ends its stream inside a frame.
            let part = Delivery::InPart(1 + arguments.next());
            Step::Receive(message(arguments), part)
        }
    }
}

fn application_step(number: u8, arguments: &mut Arguments<'_>) -> Step {
    let locator =
        |number: usize| if number & 1 == 0 { vec![number as u32 / 4 % 2] } else { vec![] };
    match number {
        44..=49 => Step::Send(message(arguments)),
        50 => {
            let command = arguments.one_of(&LIMITED);
            let times = 1 + arguments.next() % 5;
            Step::SendRepeatedly(command, times, secs(arguments.next() as u64))
        }
        51 => {
            let is_foreign = arguments.next() == 1;
            Step::SendEncoded(message(arguments), is_foreign)
        }
        52 | 53 => {
            let argument = arguments.next();
            let (locator, stop) = (locator(argument), argument as u32 / 2 % 2);
            match number {
                52 => Step::PushGetHeaders(locator, stop),
                _ => Step::PushGetBlocks(locator, stop),
            }
        }
        54 => {
            let count = arguments.one_of(&[1, 0, 2, 3, 999, 1_000, 1_001, 1_002]);
            Step::PushAddrs(count, arguments.next() % 3)
        }
        55 => Step::PushReject,
        56..=58 => Step::Announce(object(arguments), Relay::Trickle),
        59 => Step::Announce(object(arguments), Relay::Immediate),
        60 => Step::Ping,
        61 => Step::SendPings(1 + arguments.next() as u64 % 20),
        62 => Step::AcceptVersion,
        63 => match arguments.next() {
            0 => Step::RefuseVersion,
            1 => Step::OtherHandshakeCompletes,
            2 => Step::EndOfTime,
            3 => Step::Close,
            height => Step::UpdateLastBlock(height as i64 - 6),
        },
        64 | 65 => {
            let ends = [secs(5), Duration::ZERO, nanos(1), Duration::MAX];
            match arguments.next() {
                number @ 0..4 => Step::Shutdown(ends[number]),
                number => Step::Shutdown(time_of(number)),
            }
        }
        66 => Step::AddKnownInventory(object(arguments)),
        _ => Step::IsKnownInventory(object(arguments)),
    }
}

fn driver_step(number: u8, arguments: &mut Arguments<'_>) -> Step {
    // Without an argument, as many as there are.
    let many = |number: usize| number.checked_sub(1).unwrap_or(ALL);
    match number {
        68..=71 => Step::PollEvents(ALL),
        72 => Step::PollEvents(1 + arguments.next() % 4),
        73..=75 => TRANSMIT_ALL,
        // No frame is lent. A write that ended is reported, at the time at which it began.
        76 => Step::Transmit(0, Access::Batch(0), earlier(arguments)),
        // The whole queue is read and nothing written.
        77 => Step::Transmit(0, Access::Batch(ALL), Duration::ZERO),
        // A write that the next step of this kind reports.
        83 => Step::Transmit(ALL, Access::BatchUntilNext(ALL), Duration::ZERO),
        78..=82 => {
            let [frames, len] = [many(arguments.next()), many(arguments.next())];
            let access = match number {
                78 => Access::Chunks(frames == 0),
                79 => Access::ChunksAfterBatch(frames),
                80 => Access::Vectored(frames.min(6)),
                81 => Access::Batch(frames),
                _ => Access::BatchUntilNext(frames),
            };
            Step::Transmit(len, access, earlier(arguments))
        }
        84 => Step::Transmit(1 + arguments.next(), Access::Chunks(false), Duration::ZERO),
        85..=87 => Step::Wait(time(arguments)),
        88 => Step::SetClockBack(time(arguments)),
        89 | 90 => Step::HandleTimeout,
        91..=93 => Step::SkipToDeadline(match arguments.next() {
            0 => Duration::ZERO,
            number => time_of(number),
        }),
        _ => Step::SkipToOwnDeadline,
    }
}

/// How much earlier the clock was read; without an argument, no time.
fn earlier(arguments: &mut Arguments<'_>) -> Duration {
    if arguments.has_more() { time(arguments) } else { Duration::ZERO }
}

/// The fields of a `version`; without arguments, the usual ones.
pub(super) fn version_fields(arguments: &mut Arguments<'_>) -> VersionFields {
    let number = match arguments.next() {
        0 => None,
        number @ 1..=14 => Some(number as i32),
        number => Some([0, -1, i32::MIN, i32::MAX][number % 4]),
    };
    let flags = arguments.next();
    VersionFields {
        number,
        nonce: [Some(0x5eed), Some(OTHER_NONCE), None, Some(0)][flags % 4],
        relay: flags & 4 == 0,
        timestamp: match arguments.next() {
            1 => 0,
            2 => i64::MAX,
            3 => i64::MIN,
            4 => -1,
            5 => LAST_SECOND,
            6 => LAST_SECOND + 1,
            seconds => 1_700_000_000 + seconds as i64,
        },
        start_height: arguments.next() as i32 - 2,
    }
}

fn encoding(arguments: &mut Arguments<'_>) -> VersionEncoding {
    let user_agent = arguments.one_of(&USER_AGENTS);
    let end = match arguments.next() {
        0 => PayloadEnd::Whole,
        number @ 1..=6 => PayloadEnd::AfterField(number - 1),
        number @ 7..=15 => PayloadEnd::Trailing(number - 6),
        number => PayloadEnd::Cut(number - 16),
    };
    VersionEncoding { user_agent, end }
}

fn bad_frame(arguments: &mut Arguments<'_>) -> BadFrame {
    arguments.one_of(&BAD_FRAMES)
}

fn delivery(arguments: &mut Arguments<'_>) -> Delivery {
    match arguments.next() {
        0 => Delivery::AtOnce,
        number @ 1..=63 => Delivery::InPieces(number),
        number => Delivery::InPart(number - 64),
    }
}

/// A byte for each argument, or for each two.
fn bytes(arguments: &mut Arguments<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while arguments.has_more() {
        bytes.push((arguments.next() as u8) << 4 | (arguments.next() as u8) & 15);
    }
    bytes
}

/// From nanoseconds to hours.
fn time(arguments: &mut Arguments<'_>) -> Duration {
    time_of(arguments.next())
}

fn time_of(number: usize) -> Duration {
    let count = number as u64 % 16;
    match number / 16 {
        0 => secs(1) * (1 + count as u32),
        1 => nanos(count),
        2 => millis(count),
        3 => millis(10 * count),
        4 => millis(100 * count),
        5 => secs(10 * count),
        6 => secs(100 * count),
        _ => secs(3_600 * count),
    }
}
