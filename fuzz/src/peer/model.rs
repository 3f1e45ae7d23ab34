//! What a peer is compared with.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use excc_peer::wire::{
    Command, DecodeError, Decoder, Frame, HEADER_LEN, InputBuffer, InvType, InvVect, Message,
};
use excc_peer::{Chain, CloseReason, Instant};

use super::script::{ANSWERS, Limit, Setup};

/// The remote's stream as the peer took it, decoded a second time.
pub(super) struct Mirror {
    decoder: Decoder,
    own_version: u32,
    /// What was taken and is not part of a whole message.
    rest: InputBuffer,
    error: Option<DecodeError>,
}

impl Mirror {
    pub(super) fn new(setup: &Setup) -> Self {
        let own_version = setup.config.protocol_version();
        let mut decoder = Decoder::new(*setup.config.network(), own_version);
        decoder.set_trailing_bytes(setup.trailing);
        Self { decoder, own_version, rest: InputBuffer::new(), error: None }
    }

    /// The frames that `taken` completes.
    pub(super) fn receive(&mut self, taken: &[u8]) -> Vec<Frame> {
        self.rest.extend_from_slice(taken);
        let mut frames = Vec::new();
        while self.error.is_none() {
            match self.decoder.decode(&mut self.rest) {
                Ok(None) => break,
                Err(error) => self.error = Some(error),
                Ok(Some(frame)) => {
                    if let Message::Version(version) = &frame.message {
                        let theirs = version.protocol_version.cast_unsigned();
                        self.decoder.set_version(self.own_version.min(theirs));
                    }
                    frames.push(frame);
                }
            }
        }
        frames
    }

    /// Whether so many bytes are all of what comes next.
    pub(super) fn is_served_by(&self, buffer: &InputBuffer) -> bool {
        self.decoder.missing(buffer) == 0
    }

    /// A peer takes whole frames and headers, and is open only as long as they are valid.
    /// `untaken` bytes were left when it was closed.
    pub(super) fn assert_agrees(&self, closed: Option<&CloseReason>, untaken: usize) {
        match (closed, &self.error) {
            (None, error) => assert!(error.is_none() && self.rest.is_empty()),
            (Some(CloseReason::Decode(reason)), error) => assert_eq!(Some(reason), error.as_ref()),
            (Some(CloseReason::Cut(cut)), _) => {
                assert_eq!(self.decoder.incomplete_frame(untaken).as_ref(), Some(cut));
            }
            (Some(CloseReason::RemoteClosed), _) => {
                assert_eq!(self.decoder.incomplete_frame(untaken), None)
            }
            _ => {}
        }
    }
}

/// The peer's own stream, from its first byte.
pub(super) struct Outgoing {
    decoder: Decoder,
    rest: InputBuffer,
    frames: usize,
    /// Messages that were seen and not sent, with the sizes of their frames.
    seen: VecDeque<(Message, usize)>,
    /// Bytes of the first of these that were sent.
    begun: usize,
}

impl Outgoing {
    pub(super) fn new(setup: &Setup) -> Self {
        let network = *setup.config.network();
        let decoder = Decoder::new(network, setup.config.protocol_version());
        Self { decoder, rest: InputBuffer::new(), frames: 0, seen: VecDeque::new(), begun: 0 }
    }

    /// Returns the messages that `bytes` completes. They are valid, and begin with the
    /// handshake.
    pub(super) fn follow(&mut self, bytes: &[u8], version: u32) -> Vec<Message> {
        self.decoder.set_version(version);
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = self.decoder.decode(&mut self.rest).expect("valid frames leave") {
            let command = frame.message.command();
            match self.frames {
                0 => assert_eq!(command, Command::Version),
                1 => assert_eq!(command, Command::VerAck),
                _ => assert!(!matches!(command, Command::Version | Command::VerAck)),
            }
            self.frames += 1;
            self.seen.push_back((frame.message.clone(), frame.len));
            messages.push(frame.message);
        }
        messages
    }

    /// Messages that were seen and not sent.
    pub(super) fn waiting(&self) -> usize {
        self.seen.len()
    }

    /// Returns the next message of which the last byte is among `len` bytes that were sent,
    /// if all were seen before. Call it until there is none.
    pub(super) fn sent(&mut self, len: &mut usize) -> Option<Message> {
        let &(_, of) = self.seen.front()?;
        let rest = of - self.begun;
        if *len < rest {
            self.begun += std::mem::take(len);
            return None;
        }
        *len -= rest;
        self.begun = 0;
        self.seen.pop_front().map(|(message, _)| message)
    }

    /// The same, if bytes are seen when they are sent.
    pub(super) fn sent_as_seen(&mut self) -> Option<Message> {
        self.seen.pop_front().map(|(message, _)| message)
    }
}

/// The nonces of our pings, and when they were answered.
#[derive(Default)]
pub(super) struct Pings {
    /// Those that were sent and not answered, and when.
    unanswered: VecDeque<(u64, Instant)>,
    /// Those that were answered before the peer was told that they were sent, and when.
    early: Vec<(u64, Instant)>,
    /// Bytes of the first frame that were sent.
    begun: Vec<u8>,
    /// The frames that the latest transmit lent: the nonces of those that are pings.
    lent: VecDeque<Option<u64>>,
    /// The round trips that were not emitted yet.
    round_trips: VecDeque<(u64, Duration)>,
    /// How many were answered.
    pub(super) answered: usize,
    pub(super) last: Option<Instant>,
    pub(super) round_trip: Option<Duration>,
}

impl Pings {
    /// Unanswered pings that are remembered.
    const MAX_UNANSWERED: usize = 16;

    /// Lent frames that are searched for a `ping`.
    const MAX_LENT: usize = 128;

    /// A transmit lent the first frames, of which `bytes` are not sent.
    pub(super) fn lend(&mut self, bytes: &[u8]) {
        let all = [&self.begun, bytes].concat();
        let mut rest = &all[..];
        self.lent.clear();
        while let Some((frame, more)) = rest.split_at_checked(frame_len(rest)) {
            self.lent.push_back(nonce_of_ping(frame));
            rest = more;
        }
    }

    /// Bytes were sent at `at`.
    pub(super) fn on_sent(&mut self, bytes: &[u8], at: Instant) {
        self.begun.extend_from_slice(bytes);
        while self.begun.len() >= frame_len(&self.begun) {
            let rest = self.begun.split_off(frame_len(&self.begun));
            let frame = std::mem::replace(&mut self.begun, rest);
            self.lent.pop_front();
            if let Some(nonce) = nonce_of_ping(&frame) {
                self.on_ping_sent(nonce, at);
            }
        }
    }

    fn on_ping_sent(&mut self, nonce: u64, at: Instant) {
        self.last = Some(at);
        if self.unanswered.len() == Self::MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back((nonce, at));
        let early = self.early.iter().position(|&(answered, _)| answered == nonce);
        if let Some(early) = early {
            let (_, answered_at) = self.early.remove(early);
            self.on_answer(nonce, answered_at.max(at));
        }
    }

    /// A `pong` was taken at `now`.
    pub(super) fn on_pong(&mut self, nonce: u64, now: Instant) {
        if self.on_answer(nonce, now) {
            return;
        }
        let is_it = |&&lent: &&Option<u64>| lent == Some(nonce);
        let lent = self.lent.iter().take(Self::MAX_LENT).filter(is_it).count();
        let early = self.early.iter().filter(|(answered, _)| *answered == nonce).count();
        if lent > early {
            self.early.push((nonce, now));
        }
    }

    fn on_answer(&mut self, nonce: u64, at: Instant) -> bool {
        let Some(place) = self.unanswered.iter().position(|&(sent, _)| sent == nonce) else {
            return false;
        };
        let (_, sent_at) = self.unanswered[place];
        self.unanswered.drain(..=place);
        self.answered += 1;
        self.round_trips.push_back((nonce, at - sent_at));
        self.round_trip = Some(at - sent_at);
        true
    }

    /// The latest one that is not answered.
    pub(super) fn outstanding(&self) -> Option<u64> {
        self.unanswered.back().map(|&(nonce, _)| nonce)
    }

    pub(super) fn take_round_trip(&mut self) -> Option<(u64, Duration)> {
        self.round_trips.pop_front()
    }
}

/// The length of the frame at the front; that of a header where that is not complete.
fn frame_len(bytes: &[u8]) -> usize {
    let payload = bytes.get(16..HEADER_LEN).and_then(|rest| rest.first_chunk().copied());
    HEADER_LEN + payload.map_or(0, u32::from_le_bytes) as usize
}

/// The nonce of a frame that is a `ping`.
pub(super) fn nonce_of_ping(frame: &[u8]) -> Option<u64> {
    let (header, nonce) = frame.split_last_chunk()?;
    let is_ping = header[4..].starts_with(b"ping\0\0\0\0\0\0\0\0\x08\0\0\0");
    is_ping.then(|| u64::from_le_bytes(*nonce))
}

/// What the remote must be known to have. Errs on the side of ignorance: it counts each
/// use of a vector as if it pushed all others back.
pub(super) struct Known {
    capacity: u64,
    lifetime: Duration,
    uses: u64,
    vectors: HashMap<InvVect, (u64, Instant)>,
}

impl Known {
    pub(super) fn new((capacity, lifetime): (usize, Duration)) -> Self {
        Self { capacity: capacity as u64, lifetime, uses: 0, vectors: HashMap::new() }
    }

    /// So many vectors were looked up or inserted.
    pub(super) fn count_uses(&mut self, vectors: usize) {
        self.uses += vectors as u64;
    }

    pub(super) fn insert(&mut self, vector: InvVect, now: Instant) {
        self.uses += 1;
        self.vectors.insert(vector, (self.uses, now));
    }

    pub(super) fn contains(&self, vector: &InvVect, now: Instant) -> bool {
        self.vectors
            .get(vector)
            .is_some_and(|&(used, at)| self.uses - used < self.capacity && now < at + self.lifetime)
    }
}

/// What a message is announced and asked for by.
pub(super) fn vector_of(message: &Message) -> Option<InvVect> {
    match message {
        Message::Tx(tx) => Some(InvVect::tx(tx.tx_hash())),
        Message::Block(block) => Some(InvVect::block(block.block_hash())),
        message => {
            let hash = message.as_mix()?.message_hash().expect("it was decoded");
            Some(InvVect::mix(hash))
        }
    }
}

/// What was asked for by `getdata` and not answered.
#[derive(Default)]
pub(super) struct Asked {
    /// The vectors, with the number of the `getdata`.
    vectors: Vec<(InvVect, usize)>,
    queued: usize,
    sent: usize,
}

impl Asked {
    pub(super) fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Some of the vectors.
    pub(super) fn get(&self, place: usize) -> Option<InvVect> {
        self.vectors.get(place).map(|&(vector, _)| vector)
    }

    fn contains(&self, vector: &InvVect) -> bool {
        self.vectors.iter().any(|(asked, _)| asked == vector)
    }

    /// Whether the vector was asked for by a `getdata` that was sent.
    pub(super) fn is_outstanding(&self, vector: &InvVect) -> bool {
        let sent = self.vectors.iter().filter(|&&(_, number)| number < self.sent);
        sent.into_iter().any(|(asked, _)| asked == vector)
    }

    /// Whether any vector was asked for by a `getdata` that was sent.
    pub(super) fn any_is_outstanding(&self) -> bool {
        self.vectors.iter().any(|&(_, number)| number < self.sent)
    }

    pub(super) fn on_queued(&mut self, vectors: &[InvVect]) {
        for vector in vectors.iter().filter(|vector| is_answered(vector)) {
            if !self.contains(vector) {
                self.vectors.push((*vector, self.queued));
            }
        }
        self.queued += 1;
    }

    pub(super) fn on_sent(&mut self) {
        self.sent += 1;
    }

    /// Returns whether any vector was asked for.
    pub(super) fn on_answer(&mut self, vectors: &[InvVect]) -> bool {
        let before = self.vectors.len();
        self.vectors.retain(|(vector, _)| !vectors.contains(vector));
        self.vectors.len() < before
    }
}

fn is_answered(vector: &InvVect) -> bool {
    matches!(vector.kind(), InvType::TX | InvType::BLOCK | InvType::MIX)
}

/// The commands that answer a request other than `getdata`.
const fn answers(request: Command) -> &'static [Command] {
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

/// Requests other than `getdata`, by the first command that answers them.
#[derive(Default)]
pub(super) struct Requests {
    kinds: HashMap<Command, Kind>,
}

/// How many requests that one command answers were queued and sent, and how many answers came.
#[derive(Default, Clone, Copy)]
pub(super) struct Kind {
    queued: usize,
    sent: usize,
    answered: usize,
}

impl Requests {
    pub(super) fn on_queued(&mut self, request: Command) {
        if let Some(&answer) = answers(request).first() {
            self.kinds.entry(answer).or_default().queued += 1;
        }
    }

    pub(super) fn on_sent(&mut self, request: Command) {
        if let Some(&answer) = answers(request).first() {
            self.kinds.entry(answer).or_default().sent += 1;
        }
    }

    /// What was asked for of that command.
    pub(super) fn of(&self, command: Command) -> Kind {
        self.kinds.get(&class_of_answer(command)).copied().unwrap_or_default()
    }

    /// The event of a message says whether it was asked for, `of` as much when it came.
    pub(super) fn on_message(&mut self, command: Command, of: Kind, solicited: bool) {
        let answered = &mut self.kinds.entry(class_of_answer(command)).or_default().answered;
        if solicited {
            *answered += 1;
            assert!(*answered <= of.queued, "{command} answers no request");
        } else if command != Command::Headers {
            assert!(*answered >= of.sent, "{command} was asked for");
        }
    }

    /// Whether any was queued and may not be answered.
    pub(super) fn any_is_outstanding(&self) -> bool {
        self.kinds.values().any(|kind| kind.queued > kind.answered)
    }
}

fn class_of_answer(command: Command) -> Command {
    if command == Command::AddrV2 { Command::Addr } else { command }
}

/// How large messages may be, and how much of them may come.
pub(super) struct Limits {
    chain: Chain,
    max_payloads: Vec<(Command, usize)>,
    max_unsolicited: Vec<(Command, usize)>,
    /// How many more large answers may come.
    allowed: HashMap<Command, u32>,
    budget: Option<Limit>,
    /// When the messages and bytes of the budget are available in full.
    full_at: [Instant; 2],
    /// Messages that exceeded it.
    pub(super) over: u64,
}

impl Limits {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            chain: setup.config.network().chain(),
            max_payloads: setup.max_payloads.clone(),
            max_unsolicited: setup.max_unsolicited.clone(),
            allowed: HashMap::new(),
            budget: setup.budget,
            full_at: [Instant::ZERO; 2],
            over: 0,
        }
    }

    /// The application asks for something.
    pub(super) fn on_queued(&mut self, message: &Message) {
        if let Message::GetData(vectors) = message {
            for vector in vectors.iter().filter(|vector| is_answered(vector)) {
                let answer = match vector.kind() {
                    InvType::BLOCK => Command::Block,
                    InvType::MIX => Command::MixPairReq,
                    _ => Command::Tx,
                };
                self.allow(answer, 1);
                self.allow(Command::NotFound, 1);
            }
        }
        let command = message.command();
        let count = if command == Command::MemPool { 64 } else { 1 };
        answers(command).iter().for_each(|&answer| self.allow(answer, count));
    }

    fn allow(&mut self, answer: Command, count: u32) {
        *self.allowed.entry(answer).or_default() += count;
    }

    /// A frame was taken: it was small enough, or asked for. Returns whether it exceeds the
    /// budget.
    pub(super) fn on_frame(&mut self, frame: &Frame, now: Instant) -> bool {
        let (command, len) = (frame.message.command(), frame.len - HEADER_LEN);
        assert!(self.max_payload(command).is_none_or(|limit| len <= limit));
        if self.max_unsolicited(command).is_some_and(|limit| len > limit) {
            let allowed = self.allowed.get_mut(&class(&frame.message));
            let allowed = allowed.filter(|allowed| **allowed > 0);
            *allowed.expect("nobody asked for it") -= 1;
        }
        let is_over = !self.is_within_budget(command, frame.len as u64, now);
        self.over += u64::from(is_over);
        is_over
    }

    /// The peer was closed for the size of a message.
    pub(super) fn assert_explains(&self, reason: &CloseReason) {
        match reason {
            CloseReason::PayloadTooLarge { command, len, limit } => {
                assert_eq!((self.max_payload(*command), len > limit), (Some(*limit), true));
            }
            CloseReason::Unsolicited { command, len, limit } => {
                assert_eq!((self.max_unsolicited(*command), len > limit), (Some(*limit), true));
                assert_eq!(self.allowed.get(command).copied().unwrap_or_default(), 0);
            }
            CloseReason::OverBudget { command } => {
                assert!(self.budget.is_some_and(|it| it.closes && it.command == *command));
                assert!(self.over > 0);
            }
            _ => {}
        }
    }

    fn max_payload(&self, command: Command) -> Option<usize> {
        last(&self.max_payloads, command)
    }

    fn max_unsolicited(&self, command: Command) -> Option<usize> {
        last(&self.max_unsolicited, command).or_else(|| match command {
            // Nodes announce a block by its header, and less than 12 at once.
            Command::Headers => Some(1 + 12 * (self.chain.header_len() + 1)),
            command => ANSWERS.contains(&command).then_some(0),
        })
    }

    fn is_within_budget(&mut self, command: Command, len: u64, now: Instant) -> bool {
        let Some(budget) = self.budget.filter(|budget| budget.command == command) else {
            return true;
        };
        let rates = [(Some(budget.messages), 1), (budget.bytes, len)];
        let mut next = self.full_at;
        for ((rate, count), at) in rates.into_iter().zip(&mut next) {
            if let Some((burst, time)) = rate {
                let time = time.as_nanos().min(u64::MAX.into());
                let cost = time * u128::from(count) / u128::from(burst);
                if (*at - now).as_nanos() + cost > time {
                    return false;
                }
                *at = (*at).max(now) + Duration::from_nanos(cost as u64);
            }
        }
        self.full_at = next;
        true
    }
}

/// The command that large answers are counted by.
fn class(message: &Message) -> Command {
    if message.as_mix().is_some() { Command::MixPairReq } else { message.command() }
}

fn last(settings: &[(Command, usize)], command: Command) -> Option<usize> {
    settings.iter().rev().find(|(other, _)| *other == command).map(|&(_, bytes)| bytes)
}
