//! Parts of the reference peer, each in its simplest form.

use std::time::Duration;

use excc_peer::wire::{Command, EncodedMessage, InvVect, LocatorRequest, Message, Ping, Version};
use excc_peer::{CloseReason, Established, Event, Instant, Network, Timer};

/// The time between the two steps in which a passed deadline is judged.
const GRACE: Duration = Duration::from_millis(50);

/// An event, with receipts as plain numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelEvent {
    VersionReceived(Version),
    VerAckReceived,
    Established(u32, i64),
    /// A message, and whether it was solicited.
    Message(Message, bool),
    RoundTrip(u64, Duration),
    OverBudget(Command),
    Sent(u64),
    NotSent(u64),
    Closed(CloseReason),
}

impl From<Event> for ModelEvent {
    fn from(event: Event) -> Self {
        let number = |id: excc_peer::SendId| id.to_string().parse().expect("ids are numbers");
        match event {
            Event::VersionReceived(version) => Self::VersionReceived((*version).clone()),
            Event::VerAckReceived => Self::VerAckReceived,
            Event::Established(Established { protocol_version: version, time_offset, .. }) => {
                Self::Established(version, time_offset)
            }
            Event::Message { message, solicited } => Self::Message(message, solicited),
            Event::RoundTrip { nonce, time } => Self::RoundTrip(nonce, time),
            Event::OverBudget { command } => Self::OverBudget(command),
            Event::Sent(id) => Self::Sent(number(id)),
            Event::NotSent(id) => Self::NotSent(number(id)),
            Event::Closed(reason) => Self::Closed(reason),
            other => panic!("an event that the model does not have: {other:?}"),
        }
    }
}

/// Inventory that the remote is known to have, the least recently used first.
pub(crate) struct Known {
    pub(crate) capacity: usize,
    pub(crate) lifetime: Duration,
    pub(crate) vectors: Vec<(InvVect, Instant)>,
}

impl Known {
    pub(crate) fn insert(&mut self, vector: InvVect, now: Instant) {
        self.vectors.retain(|&(other, _)| other != vector);
        self.vectors.push((vector, now + self.lifetime));
        if self.vectors.len() > self.capacity {
            self.vectors.remove(0);
        }
    }

    /// A lookup counts as use.
    pub(crate) fn contains(&mut self, vector: &InvVect, now: Instant) -> bool {
        let is_it = |&(other, expiry): &(InvVect, Instant)| other == *vector && now < expiry;
        let Some(at) = self.vectors.iter().position(is_it) else { return false };
        let used = self.vectors.remove(at);
        self.vectors.push(used);
        true
    }
}

/// The timers in the order in which they go off if they are due at one time.
const TIMERS: [Timer; 9] = [
    Timer::Handshake,
    Timer::VerAck,
    Timer::Idle,
    Timer::Ping,
    Timer::Pong,
    Timer::Stall,
    Timer::Trickle,
    Timer::Write,
    Timer::Shutdown,
];

/// The deadlines on the remote's clock.
const OWED: [Timer; 4] = [Timer::VerAck, Timer::Idle, Timer::Pong, Timer::Stall];

/// The deadlines that go off at once, because they close no peer that could do better.
const AT_ONCE: [Timer; 3] = [Timer::Ping, Timer::Trickle, Timer::Shutdown];

/// A deadline after `progress` bytes at `rate` bytes a second: later by their time, from
/// `clock` if it has passed, and never more than `timeout` from `clock`.
pub(crate) fn put_off(
    at: Instant,
    clock: Instant,
    progress: usize,
    rate: u32,
    timeout: Duration,
) -> Instant {
    let nanos = progress as u128 * 1_000_000_000 / u128::from(rate);
    let time = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
    (at.max(clock) + time).min(clock + timeout)
}

/// When each timer goes off.
#[derive(Default)]
pub(crate) struct Deadlines {
    set: Vec<Deadline>,
    /// How long in all the remote's clock stood still.
    pub(crate) stopped: Duration,
}

#[derive(Clone, Copy)]
struct Deadline {
    timer: Timer,
    /// For what the remote owes, a time of the remote's clock.
    at: Instant,
    /// Whether it was found due once, and moved for that.
    is_judged: bool,
}

impl Deadlines {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        // The end of time never comes.
        if at < Instant::MAX {
            self.set.push(Deadline { timer, at, is_judged: false });
        }
    }

    /// Sets a deadline that may be switched off.
    pub(crate) fn set_after(&mut self, timer: Timer, now: Instant, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.set(timer, now + timeout);
        }
    }

    /// Sets a deadline, unless it is set to that time already.
    pub(crate) fn move_to(&mut self, timer: Timer, at: Instant) {
        if self.at(timer) != Some(at) {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.set.retain(|deadline| deadline.timer != timer);
    }

    pub(crate) fn clear_all(&mut self) {
        self.set.clear();
    }

    /// The time of a deadline: for what the remote owes, on the remote's clock.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.set.iter().find(|deadline| deadline.timer == timer).map(|deadline| deadline.at)
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer).is_some()
    }

    /// The time on the remote's clock.
    pub(crate) fn remote_clock(&self, now: Instant) -> Instant {
        Instant::ZERO + now.since_epoch().saturating_sub(self.stopped)
    }

    /// A deadline on the caller's clock.
    fn shown(&self, deadline: &Deadline) -> Instant {
        match OWED.contains(&deadline.timer) {
            true => deadline.at + self.stopped,
            false => deadline.at,
        }
    }

    fn place(timer: Timer) -> Option<usize> {
        TIMERS.iter().position(|&other| other == timer)
    }

    /// All that are set, on the caller's clock.
    pub(crate) fn all(&self) -> Vec<(Timer, Instant)> {
        let shown = |deadline: &Deadline| (deadline.timer, self.shown(deadline));
        let mut all: Vec<_> = self.set.iter().map(shown).collect();
        // The end of time never comes.
        all.retain(|&(_, at)| at < Instant::MAX);
        all.sort_by_key(|&(timer, _)| Self::place(timer));
        all
    }

    /// The earliest, on the caller's clock.
    pub(crate) fn next(&self) -> Option<(Timer, Instant)> {
        self.all().into_iter().min_by_key(|&(timer, at)| (at, Self::place(timer)))
    }

    /// Judges the earliest deadline that is due: grants it some more time the first time, if it
    /// is not one that goes off at once, and takes it the second time.
    pub(crate) fn judge(&mut self, now: Instant) -> Option<Judged> {
        let (timer, _) = self.next().filter(|&(_, at)| at <= now)?;
        let clock = if OWED.contains(&timer) { self.remote_clock(now) } else { now };
        let deadline = self.set.iter_mut().find(|deadline| deadline.timer == timer)?;
        if deadline.is_judged || AT_ONCE.contains(&timer) {
            self.clear(timer);
            return Some(Judged::WentOff(timer));
        }
        (deadline.at, deadline.is_judged) = (clock + GRACE, true);
        // The end of time never comes.
        self.set.retain(|deadline| deadline.at < Instant::MAX);
        Some(Judged::Spared(timer, clock + GRACE))
    }
}

/// The outcome of judging a deadline that was due.
pub(crate) enum Judged {
    /// It is now at a later time, on its own clock.
    Spared(Timer, Instant),
    WentOff(Timer),
}

/// A frame in the queue.
pub(crate) struct Frame {
    pub(crate) content: Content,
    pub(crate) follows: Follows,
    /// When a `ping` was answered, if that was before the driver said that it was sent.
    pub(crate) answered_at: Option<Instant>,
}

impl Frame {
    pub(crate) const fn new(content: Content, follows: Follows) -> Self {
        Self { content, follows, answered_at: None }
    }
}

/// The bytes of a frame, or a message of which only the peer knows the nonce.
pub(crate) enum Content {
    Bytes(Command, Vec<u8>),
    OwnVersion(Version),
    OwnPing,
}

/// The consequence of sending the last byte of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    Handshake,
    Pong,
    OwnPing,
    Announcements,
    Receipt(u64, Starts),
}

impl Follows {
    pub(crate) fn is_limited(self) -> bool {
        matches!(self, Self::Announcements | Self::Receipt(..))
    }
}

/// The span that starts when a message of the application was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts {
    Nothing,
    /// The round trip of a `ping` with that nonce.
    RoundTrip(u64),
    /// The time for the answer to a request, which has the receipt's number.
    Answer(Command),
}

/// A request without an answer, or one vector of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The receipt of the request.
    pub(crate) id: u64,
    pub(crate) request: Command,
    pub(crate) subject: Subject,
    /// Whether the request was sent.
    pub(crate) has_left: bool,
}

/// The object of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Vector(InvVect),
    Headers(LocatorRequest),
    /// Whatever the command says.
    Command,
}

impl Asked {
    /// The vector of a `getdata`.
    pub(crate) fn vector(&self) -> Option<InvVect> {
        match self.subject {
            Subject::Vector(vector) => Some(vector),
            _ => None,
        }
    }
}

/// The commands that answer a request other than `getdata`.
pub(crate) const fn answers(request: Command) -> &'static [Command] {
    match request {
        Command::GetInitState => &[Command::InitState],
        Command::GetHeaders => &[Command::Headers],
        Command::GetBlocks | Command::MemPool => &[Command::Inv],
        Command::GetMinings => &[Command::MiningState],
        Command::GetAddr => &[Command::Addr, Command::AddrV2],
        Command::GetCFilter => &[Command::CFilter],
        Command::GetCFHeaders => &[Command::CFHeaders],
        Command::GetCFTypes => &[Command::CFTypes],
        Command::GetCFilterV2 => &[Command::CFilterV2],
        Command::GetCFsV2 => &[Command::CFiltersV2],
        _ => &[],
    }
}

/// Whether the reference nodes of a chain ban a remote for that decoding error, by its name.
pub(crate) fn is_banned_for(error: &str, is_decred: bool) -> bool {
    match error {
        "Truncated" => false,
        "TrailingBytes" => is_decred,
        _ => true,
    }
}

impl Frame {
    pub(crate) fn command(&self) -> Command {
        match &self.content {
            Content::Bytes(command, _) => *command,
            Content::OwnVersion(_) => Command::Version,
            Content::OwnPing => Command::Ping,
        }
    }

    /// The frame, with the nonces that the peer was seen to have drawn.
    pub(crate) fn bytes(&self, network: &Network, nonces: &Nonces) -> Vec<u8> {
        let message = match &self.content {
            Content::Bytes(_, bytes) => return bytes.clone(),
            Content::OwnVersion(version) => {
                Version { nonce: nonces.version.unwrap_or(0), ..version.clone() }.into()
            }
            Content::OwnPing => Message::Ping(Ping { nonce: nonces.ping.unwrap_or(0) }),
        };
        let frame = EncodedMessage::new(network, network.chain().newest_version(), &message);
        frame.expect("the peer's own can be encoded").to_bytes().to_vec()
    }

    pub(crate) fn len(&self, network: &Network) -> usize {
        match &self.content {
            Content::Bytes(_, bytes) => bytes.len(),
            _ => self.bytes(network, &Nonces::default()).len(),
        }
    }

    /// Where the nonce is that only the peer knows.
    pub(crate) fn nonce_at(&self) -> Option<usize> {
        match self.content {
            Content::Bytes(..) => None,
            // After the number, the services, the time and two addresses.
            Content::OwnVersion(_) => Some(24 + 4 + 8 + 8 + 26 + 26),
            Content::OwnPing => Some(24),
        }
    }

    /// The nonce of a `ping`, as far as it was seen.
    pub(crate) fn ping_nonce(&self, nonces: &Nonces) -> Option<u64> {
        match self.follows {
            Follows::OwnPing => nonces.ping,
            Follows::Receipt(_, Starts::RoundTrip(nonce)) => Some(nonce),
            _ => None,
        }
    }
}

/// The nonces that the peer was seen to have drawn.
#[derive(Default)]
pub(crate) struct Nonces {
    pub(crate) version: Option<u64>,
    /// The nonce of the peer's own `ping` in the queue.
    pub(crate) ping: Option<u64>,
}
