//! Values of settings and steps. The usual setting comes first. Limits are so narrow that scripts
//! meet them.

use std::ops::RangeInclusive;
use std::time::Duration;

use excc_peer::UnixTime;
use excc_peer::wire::{Command, Services, TrailingBytes};

use super::common::{QUEUED, UNIX_TIME, millis, nanos, secs};
use super::frames::LAST_SECOND;

/// The usual minimum of the chain is that of its nodes.
pub(crate) const MIN_REMOTE_VERSIONS: [Option<u32>; 7] =
    [None, Some(0), Some(1), Some(2), Some(5), Some(8), Some(12)];

pub(crate) const REQUIRED_SERVICES: [Services; 5] = [
    Services::empty(),
    Services::from_bits_retain(1),
    Services::from_bits_retain(3),
    Services::from_bits_retain(5),
    Services::from_bits_retain(2),
];

pub(crate) const MAX_BEFORE_VERACK: [u8; 4] = [2, 0, 1, 3];

pub(crate) const UNIX_TIMES: [UnixTime; 4] = [
    UNIX_TIME,
    UnixTime::from_secs(0),
    UnixTime::from_secs(u64::MAX),
    // Ten seconds before the last second that a node of Decred represents.
    UnixTime::from_secs(LAST_SECOND as u64 - 10),
];

/// The usual treatment is that of the chain's nodes.
pub(crate) const TRAILING_BYTES: [Option<TrailingBytes>; 3] =
    [None, Some(TrailingBytes::Ignore), Some(TrailingBytes::Reject)];

/// Commands that have limits of their size.
pub(crate) const SIZED: [Command; 10] = [
    Command::Reject,
    Command::Inv,
    Command::Block,
    Command::Tx,
    Command::Headers,
    Command::CFilter,
    Command::GetHeaders,
    Command::NotFound,
    Command::MixPairReq,
    Command::Addr,
];

pub(crate) const SIZES: [usize; 7] = [0, 20, 37, 73, 200, 300, 4_000];

/// Commands that have budgets.
pub(crate) const COUNTED: [Command; 8] = [
    Command::Ping,
    Command::Pong,
    Command::Inv,
    Command::Tx,
    Command::GetData,
    Command::GetAddr,
    Command::Version,
    Command::VerAck,
];

pub(crate) const BUDGET_TIMES: [Duration; 5] =
    [millis(1), secs(1), secs(8), secs(600), Duration::MAX];

pub(crate) const BUDGET_MESSAGES: [u64; 3] = [1, 2, 4];

pub(crate) const BUDGET_BYTES: [u64; 5] = [1, 32, 64, 160, 1_000];

pub(crate) const HANDSHAKE_TIMEOUTS: [Duration; 5] =
    [secs(30), nanos(1), millis(60), secs(3), Duration::MAX];

pub(crate) const VERACK_TIMEOUTS: [Option<Duration>; 5] =
    [Some(secs(30)), None, Some(millis(10)), Some(secs(2)), Some(Duration::MAX)];

/// An idle timeout, and an interval and a timeout of pings that may be combined with it.
pub(crate) const KEEP_ALIVES: [[Option<Duration>; 3]; 14] = [
    [Some(secs(120)), Some(secs(107)), None],
    [Some(secs(120)), Some(secs(107)), Some(secs(20))],
    [Some(secs(120)), None, None],
    [Some(secs(30)), Some(secs(12)), None],
    [Some(secs(15)), Some(secs(6)), Some(secs(5))],
    [Some(secs(5)), Some(secs(1)), None],
    [None, Some(secs(107)), Some(secs(30))],
    [None, Some(secs(7)), Some(secs(1))],
    [None, None, Some(secs(2))],
    [None, Some(secs(1)), Some(nanos(1))],
    [None, Some(secs(1)), Some(secs(3))],
    [Some(secs(2)), Some(millis(900)), Some(millis(20))],
    [Some(millis(30)), None, None],
    [Some(Duration::MAX), Some(Duration::from_secs(u64::MAX - 1)), None],
];

/// Bytes a second: a byte extends deadlines by much time, or by none.
pub(crate) const RATES: [u32; 5] = [10_240, 1, 40, 1_000, u32::MAX];

pub(crate) const WRITE_TIMEOUTS: [Option<Duration>; 5] =
    [Some(secs(20)), None, Some(millis(30)), Some(secs(1)), Some(Duration::MAX)];

/// Requests that have response timeouts.
pub(crate) const REQUESTS: [Command; 11] = [
    Command::GetData,
    Command::GetInitState,
    Command::GetHeaders,
    Command::GetBlocks,
    Command::MemPool,
    Command::GetAddr,
    Command::GetMinings,
    Command::GetCFilter,
    Command::GetCFTypes,
    Command::GetCFilterV2,
    Command::GetCFsV2,
];

/// Messages that nodes accept a limited number of times.
pub(crate) const LIMITED: [Command; 3] =
    [Command::MemPool, Command::GetInitState, Command::InitState];

pub(crate) const RESPONSE_TIMEOUTS: [Option<Duration>; 5] =
    [None, Some(millis(20)), Some(secs(2)), Some(secs(40)), Some(Duration::MAX)];

pub(crate) const TRICKLES: [RangeInclusive<Duration>; 5] = [
    millis(100)..=millis(500),
    millis(300)..=millis(300),
    Duration::ZERO..=Duration::ZERO,
    secs(1)..=secs(10),
    Duration::MAX..=Duration::MAX,
];

pub(crate) const MAX_WAITING_ANNOUNCEMENTS: [usize; 4] = [50_000, 0, 1, 3];

pub(crate) const KNOWN_CAPACITIES: [usize; 4] = [1_000, 0, 1, 5];

pub(crate) const KNOWN_LIFETIMES: [Duration; 4] =
    [secs(900), Duration::ZERO, secs(3), Duration::MAX];

pub(crate) const INV_BATCHES: [usize; 4] = [1_000, 1, 2, 50_000];

pub(crate) const MAX_QUEUED_BYTES: [usize; 8] = [
    40 * 1024 * 1024,
    63 + QUEUED,
    64 + QUEUED,
    100 + QUEUED,
    135 + QUEUED,
    200 + QUEUED,
    1_000 + QUEUED,
    263_000 + QUEUED,
];

pub(crate) const MAX_WAITING_EVENTS: [usize; 5] = [128, 1, 2, 3, 5];

/// Sizes of whole messages among them: an `inv` of one vector, and two of `ping`.
pub(crate) const MAX_WAITING_EVENT_BYTES: [usize; 7] = [4 * 1024 * 1024, 0, 1, 61, 64, 100, 1_000];

pub(crate) const MAX_REQUESTED: [usize; 4] = [75_000, 0, 1, 4];

/// The usual lifetime is that of the chain's nodes.
pub(crate) const DUPLICATE_REQUEST_LIFETIMES: [Option<Duration>; 4] =
    [None, Some(Duration::ZERO), Some(secs(1)), Some(Duration::MAX)];
