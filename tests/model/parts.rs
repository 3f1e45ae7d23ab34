//! Parts of the reference peer, each as plain as it can be.

use std::time::Duration;

use excc_peer::wire::{Command, EncodedMessage, InvVect, Message, Ping, Version};
use excc_peer::{CloseReason, Established, Event, Instant, Network, Timer};

/// An event, with receipts as plain numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    VersionReceived(Version),
    VerAckReceived,
    Established(u32, i64),
    Message(Message),
    RoundTrip(u64, Duration),
    Sent(u64),
    NotSent(u64),
    Closed(CloseReason),
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        let number = |id: excc_peer::SendId| id.to_string().parse().expect("ids are numbers");
        match event {
            Event::VersionReceived(version) => Self::VersionReceived((*version).clone()),
            Event::VerAckReceived => Self::VerAckReceived,
            Event::Established(Established { version, time_offset, .. }) => {
                Self::Established(version, time_offset)
            }
            Event::Message(message) => Self::Message(message),
            Event::RoundTrip { nonce, time } => Self::RoundTrip(nonce, time),
            Event::Sent(id) => Self::Sent(number(id)),
            Event::NotSent(id) => Self::NotSent(number(id)),
            Event::Closed(reason) => Self::Closed(reason),
            other => panic!("no such event is known: {other:?}"),
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

    /// To look for what is known is to use it.
    pub(crate) fn contains(&mut self, vector: &InvVect, now: Instant) -> bool {
        let is_it = |&(other, expiry): &(InvVect, Instant)| other == *vector && now < expiry;
        let Some(at) = self.vectors.iter().position(is_it) else { return false };
        let used = self.vectors.remove(at);
        self.vectors.push(used);
        true
    }
}

/// The timers in the order in which they go off where they are due at one time.
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

/// What the remote must do in time, and is given more for while it is not heard. What it
/// must answer is, too, but each answer by itself.
const OWED: [Timer; 3] = [Timer::VerAck, Timer::Idle, Timer::Pong];

/// What must happen when.
#[derive(Default)]
pub(crate) struct Deadlines {
    set: Vec<(Timer, Deadline)>,
    /// For how long in all the remote was not heard.
    pub(crate) deaf: Duration,
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    /// For how long the remote had not been heard when this was set.
    deaf: Duration,
}

impl Deadlines {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        // The end of time never comes.
        if at < Instant::MAX {
            self.set.push((timer, Deadline { at, deaf: self.deaf }));
        }
    }

    /// Sets a deadline that may be switched off.
    pub(crate) fn set_after(&mut self, timer: Timer, now: Instant, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.set(timer, now + timeout);
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.set.retain(|&(other, _)| other != timer);
    }

    pub(crate) fn clear_all(&mut self) {
        self.set.clear();
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.set.iter().any(|&(other, _)| other == timer)
    }

    fn next_set(&self) -> Option<(Timer, Deadline)> {
        let place = |timer| TIMERS.iter().position(|&other| other == timer);
        self.set.iter().copied().min_by_key(|&(timer, deadline)| (deadline.at, place(timer)))
    }

    /// Moves a deadline that is set, unless it is later with all that was added to it.
    pub(crate) fn extend(&mut self, timer: Timer, at: Instant) {
        let of_it = self.set.iter().find(|&&(other, _)| other == timer);
        if of_it.is_some_and(|(_, one)| one.at + (self.deaf - one.deaf) < at) {
            self.set(timer, at);
        }
    }

    /// All that are set.
    pub(crate) fn all(&self) -> Vec<(Timer, Instant)> {
        let at = |timer| self.set.iter().find(|&&(other, _)| other == timer);
        TIMERS.into_iter().filter_map(at).map(|&(timer, deadline)| (timer, deadline.at)).collect()
    }

    pub(crate) fn next(&self) -> Option<(Timer, Instant)> {
        self.next_set().map(|(timer, deadline)| (timer, deadline.at))
    }

    /// Takes the earliest deadline that is due. One that the remote could not keep for not
    /// being heard is moved instead, and only then.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        loop {
            let (timer, deadline) = self.next_set().filter(|(_, deadline)| deadline.at <= now)?;
            let more = self.deaf - deadline.deaf;
            if !OWED.contains(&timer) || more.is_zero() {
                self.clear(timer);
                return Some(timer);
            }
            self.set(timer, deadline.at + more);
        }
    }
}

/// A frame that waits to leave.
pub(crate) struct Frame {
    pub(crate) content: Content,
    pub(crate) follows: Follows,
}

/// The bytes of a frame, or a message of which only the peer knows the nonce.
pub(crate) enum Content {
    Bytes(Command, Vec<u8>),
    OwnVersion(Version),
    OwnPing,
}

/// What follows once a frame has left wholly.
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

/// What a message of the application's starts when it has left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starts {
    Nothing,
    RoundTrip(u64),
    /// The time of what must come, which bears the receipt's number.
    Answers(Duration),
}

/// What must come in answer to a request that is queued or has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    /// The receipt of the request.
    pub(crate) id: u64,
    pub(crate) request: Command,
    /// Of a `getdata`.
    pub(crate) vector: Option<InvVect>,
    /// By which time, of that in which the remote is heard; none until the request has left.
    pub(crate) due: Option<Instant>,
    /// Whether it came before it was told that the request has left.
    pub(crate) came_early: bool,
}

/// The commands that answer a request.
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

    /// Where in the frame the nonce stands that only the peer knows.
    pub(crate) fn nonce_at(&self) -> Option<usize> {
        match self.content {
            Content::Bytes(..) => None,
            // After the number, the services, the time and two addresses.
            Content::OwnVersion(_) => Some(24 + 4 + 8 + 8 + 26 + 26),
            Content::OwnPing => Some(24),
        }
    }
}

/// What the peer was seen to have drawn.
#[derive(Default)]
pub(crate) struct Nonces {
    pub(crate) version: Option<u64>,
    /// That of the `ping` of its own that has not left.
    pub(crate) ping: Option<u64>,
}
