//! Requests: what was asked of the remote, and which message answers it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::config::Config;
use super::keyed::Key;
use super::queue::give_back;
use super::timers::postponed;
use crate::hash::Hash;
use crate::network::Chain;
use crate::time::Instant;
use crate::wire::{Command, EncodedMessage, Headers, InvType, InvVect, LocatorRequest};

/// Room for vectors that is kept when none is left.
const KEPT: usize = 1_024;

/// Unanswered `getheaders` whose locators are remembered.
const MAX_LOCATORS: usize = 8;

/// Headers that announce blocks. Nodes announce a new block by one header, and take a list of
/// less than 12 for an announcement (protocol, 6.3).
const ANNOUNCED_HEADERS: usize = 12;

/// Messages larger than an unsolicited one that may answer one `mempool`. Nodes announce their
/// pool in batches of 1,000 vectors.
const MEMPOOL_ANSWERS: u32 = 64;

/// The commands that answer a request; none if `request` is no request. What answers a
/// `getdata` depends on its vectors.
pub(super) const fn answers(request: Command) -> &'static [Command] {
    match request {
        Command::GetData => &[Command::Tx, Command::Block, Command::NotFound],
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

/// Whether nodes answer for every vector of that type, be it with `notfound`. They ignore
/// vectors of other types.
pub(super) fn is_answered(kind: InvType) -> bool {
    matches!(kind, InvType::TX | InvType::BLOCK | InvType::MIX)
}

/// Requests from the queue to their answers.
///
/// Deadlines are on the remote's clock. The deadline of a request begins when its last byte was
/// sent.
pub(super) struct Requests {
    key: Key,
    /// Each vector that was asked for and not answered, once.
    vectors: HashTable<Wanted>,
    /// For each `getdata` that was not sent, how many of `vectors` it asks for first.
    unsent: VecDeque<usize>,
    /// How many `getdata`s were sent. They are sent in the order in which they were queued.
    sent: u64,
    /// How many of `vectors` were asked for by a `getdata` that was sent.
    outstanding: usize,
    /// When the next answer to these is due.
    due: Option<Instant>,
    others: Vec<Other>,
    /// The latest `getheaders` that were sent and not answered.
    locators: VecDeque<LocatorRequest>,
    /// How many more large answers were asked for, by command.
    allowed: Vec<(Command, u32)>,
}

struct Wanted {
    vector: InvVect,
    /// The number of the `getdata`.
    number: u64,
}

/// What waits for the answer to any other request.
struct Other {
    request: Command,
    /// How many were sent and not answered.
    outstanding: u32,
    /// When an answer is due, if it is.
    due: Option<Instant>,
}

impl Requests {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            vectors: HashTable::new(),
            unsent: VecDeque::new(),
            sent: 0,
            outstanding: 0,
            due: None,
            others: Vec::new(),
            locators: VecDeque::new(),
            allowed: Vec::new(),
        }
    }

    /// How many vectors are asked for and not answered.
    pub(super) fn vectors(&self) -> usize {
        self.vectors.len()
    }

    /// A request is queued.
    pub(super) fn on_queued(&mut self, frame: &EncodedMessage) {
        match frame.command() {
            Command::GetData => self.on_getdata_queued(frame.vectors()),
            request => {
                let count = if request == Command::MemPool { MEMPOOL_ANSWERS } else { 1 };
                answers(request).iter().for_each(|&answer| self.allow(answer, count));
            }
        }
    }

    /// A vector that was asked for before belongs to the earlier `getdata`, so that asking again
    /// gives the remote no more time.
    fn on_getdata_queued(&mut self, vectors: &[InvVect]) {
        let number = self.sent + self.unsent.len() as u64;
        let mut new = 0;
        let key = self.key;
        for &vector in vectors.iter().filter(|vector| is_answered(vector.kind())) {
            self.allow(answer_to(vector.kind()), 1);
            self.allow(Command::NotFound, 1);
            let entry = self.vectors.entry(
                key.hash(&vector),
                |wanted| wanted.vector == vector,
                |wanted| key.hash(&wanted.vector),
            );
            if let Entry::Vacant(place) = entry {
                place.insert(Wanted { vector, number });
                new += 1;
            }
        }
        self.unsent.push_back(new);
    }

    fn allow(&mut self, answer: Command, count: u32) {
        match self.allowed.iter_mut().find(|(command, _)| *command == answer) {
            Some((_, allowed)) => *allowed = allowed.saturating_add(count),
            None => self.allowed.push((answer, count)),
        }
    }

    /// A message comes that is larger than an unsolicited one. Returns whether it was asked for:
    /// as many such messages are, as requests.
    pub(super) fn take_allowed(&mut self, command: Command) -> bool {
        let class = class(command);
        match self.allowed.iter_mut().find(|(command, _)| *command == class) {
            Some((_, allowed)) if *allowed > 0 => {
                *allowed -= 1;
                true
            }
            _ => false,
        }
    }

    /// The last byte of a request was sent. Its answer is due then, unless that of an earlier
    /// one is due before: the later request gives the remote no more time.
    pub(super) fn on_sent(&mut self, request: Command, due: Option<Instant>, is_answered: bool) {
        if request == Command::GetData {
            let Some(vectors) = self.unsent.pop_front() else { return };
            give_back(&mut self.unsent);
            self.sent += 1;
            self.outstanding += vectors;
            if vectors > 0 {
                self.due = self.due.or(due);
            }
            return;
        }
        if !answers(request).is_empty() && !is_answered {
            let place = match self.others.iter().position(|other| other.request == request) {
                Some(place) => place,
                None => {
                    self.others.push(Other { request, outstanding: 0, due: None });
                    self.others.len() - 1
                }
            };
            let other = &mut self.others[place];
            other.outstanding = other.outstanding.saturating_add(1);
            other.due = other.due.or(due);
        }
    }

    /// The remote sent the object of a vector, or said that it does not have it. The vectors
    /// that remain are due at `due` then. Returns whether the vector was asked for.
    pub(super) fn on_vector(&mut self, vector: &InvVect, due: Option<Instant>) -> bool {
        let found =
            self.vectors.find_entry(self.key.hash(vector), |wanted| wanted.vector == *vector);
        let Ok(found) = found else { return false };
        let (Wanted { number, .. }, _) = found.remove();
        let unsent = number.checked_sub(self.sent).and_then(|place| usize::try_from(place).ok());
        match unsent.and_then(|place| self.unsent.get_mut(place)) {
            Some(vectors) => *vectors -= 1,
            None => {
                self.outstanding -= 1;
                self.due = due.filter(|_| self.outstanding > 0);
            }
        }
        if self.vectors.is_empty() && self.vectors.capacity() > KEPT {
            self.vectors = HashTable::new();
        }
        true
    }

    /// A message came that may answer other requests than `getdata` and `getheaders`. Returns
    /// whether one was sent. It answers one request, but no request of its kind is due any more:
    /// nodes need not answer each, and an `inv` does not tell a `getblocks` from a `mempool`.
    pub(super) fn on_answer(&mut self, answer: Command) -> bool {
        let mut is_answer = false;
        for other in &mut self.others {
            if answers(other.request).contains(&answer) {
                other.due = None;
                if !is_answer {
                    other.outstanding = other.outstanding.saturating_sub(1);
                    is_answer = true;
                }
            }
        }
        self.others.retain(|other| other.outstanding > 0);
        is_answer
    }

    /// A `getheaders` was sent that was not answered.
    pub(super) fn on_headers_awaited(&mut self, request: LocatorRequest) {
        if self.locators.len() == MAX_LOCATORS {
            self.locators.pop_front();
        }
        self.locators.push_back(request);
    }

    /// Headers came. Returns whether they answer a `getheaders` that was sent. It is forgotten
    /// then with all before it, as nodes answer in order.
    pub(super) fn on_headers(&mut self, headers: &Headers, genesis: &Hash) -> bool {
        let place = self.locators.iter().position(|request| continues(headers, request, genesis));
        if let Some(place) = place {
            self.drop_headers(place + 1);
        }
        place.is_some()
    }

    /// Headers came that answer a `getheaders` which is under way, and so after all those that
    /// were sent.
    pub(super) fn on_later_headers(&mut self) {
        self.drop_headers(self.locators.len());
    }

    fn drop_headers(&mut self, count: usize) {
        self.locators.drain(..count);
        let rest = u32::try_from(self.locators.len()).unwrap_or(u32::MAX);
        for other in self.others.iter_mut().filter(|other| other.request == Command::GetHeaders) {
            other.due = None;
            other.outstanding = rest;
        }
        self.others.retain(|other| other.outstanding > 0);
    }

    /// Bytes of the remote's came: all deadlines are put off by what they are worth.
    pub(super) fn put_off(&mut self, by: Duration, now: Instant, config: &Config) {
        let put_off = |due: &mut Option<Instant>, request| {
            if let (Some(at), Some(timeout)) = (&mut *due, config.response_timeout(request)) {
                *at = postponed(*at, by, now, timeout);
            }
        };
        put_off(&mut self.due, Command::GetData);
        self.others.iter_mut().for_each(|other| put_off(&mut other.due, other.request));
    }

    /// Gives deadlines that passed until `again`.
    pub(super) fn grant(&mut self, again: Instant) {
        let others = self.others.iter_mut().map(|other| &mut other.due);
        for due in others.chain([&mut self.due]).flatten() {
            *due = again.max(*due);
        }
    }

    /// When the next answer is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.others.iter().filter_map(|other| other.due).chain(self.due).min()
    }

    /// A request that is due at `now`, and the first vector of it if it is a `getdata`.
    pub(super) fn overdue(&self, now: Instant) -> Option<(Command, Option<InvVect>)> {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if let Some(other) = self.others.iter().find(|other| is_due(other.due)) {
            return Some((other.request, None));
        }
        if !is_due(self.due) {
            return None;
        }
        let sent = self.vectors.iter().filter(|wanted| wanted.number < self.sent);
        let first = sent.min_by_key(|wanted| (wanted.number, wanted.vector));
        Some((Command::GetData, first.map(|wanted| wanted.vector)))
    }
}

/// Whether headers answer a request. A node answers with the headers that follow the first hash
/// of the locator it knows, or that follow the genesis block, or with the one of the stop hash, or
/// with none. An announcement follows a block that need not be in any locator.
pub(super) fn continues(headers: &Headers, request: &LocatorRequest, genesis: &Hash) -> bool {
    headers.iter().next().is_none_or(|first| {
        let previous = first.prev_block();
        previous == *genesis
            || request.stop == first.block_hash()
            || request.locator.contains(&previous)
    })
}

/// The command by which large answers are counted: one for all messages of a mix, as a vector
/// does not say which of them it names.
const fn class(command: Command) -> Command {
    match command {
        Command::MixKeyXchg
        | Command::MixCphrTxt
        | Command::MixSlotRes
        | Command::MixDCNet
        | Command::MixConfirm
        | Command::MixFactPoly
        | Command::MixSecrets => Command::MixPairReq,
        other => other,
    }
}

/// The class of the message that bears the object of a vector.
const fn answer_to(kind: InvType) -> Command {
    match kind {
        InvType::BLOCK => Command::Block,
        InvType::MIX => Command::MixPairReq,
        _ => Command::Tx,
    }
}

/// The most bytes that a message may have that nobody asked for, unless it is configured
/// otherwise; `None` for no limit of its own.
pub(super) const fn max_unsolicited(command: Command, chain: Chain) -> Option<usize> {
    match command {
        // Sent in answer to a request only.
        Command::Block
        | Command::NotFound
        | Command::InitState
        | Command::MiningState
        | Command::CFTypes
        | Command::CFHeaders
        | Command::CFilter
        | Command::CFilterV2
        | Command::CFiltersV2 => Some(0),
        Command::Headers => Some(1 + ANNOUNCED_HEADERS * (chain.header_len() + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::wire::{List, Message};

    fn requests() -> Requests {
        Requests::new(Key::new(&mut ChaCha8Rng::seed_from_u64(0)))
    }

    fn vector(n: u8) -> InvVect {
        InvVect::tx(Hash::from_bytes([n; 32]))
    }

    const fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn frame(message: Message) -> EncodedMessage {
        EncodedMessage::new(&Network::EXCC_MAINNET, 8, &message).unwrap()
    }

    fn queue(requests: &mut Requests, message: Message) {
        requests.on_queued(&frame(message));
    }

    fn ask(requests: &mut Requests, vectors: &[u8]) {
        let vectors: List<_> = vectors.iter().map(|&n| vector(n)).collect();
        queue(requests, Message::GetData(vectors));
    }

    fn send(requests: &mut Requests, due: u64) {
        requests.on_sent(Command::GetData, Some(at(due)), false);
    }

    #[test]
    fn each_answer_to_a_getdata_starts_the_time_of_the_others_anew() {
        let mut requests = requests();
        ask(&mut requests, &[1, 2]);
        ask(&mut requests, &[2, 3]);
        assert_eq!((requests.vectors(), requests.due()), (3, None));
        send(&mut requests, 30);
        send(&mut requests, 31);
        assert_eq!(requests.due(), Some(at(30)), "a later request gives no more time");
        assert!(requests.on_vector(&vector(1), Some(at(40))));
        assert!(!requests.on_vector(&vector(1), Some(at(99))));
        assert_eq!(requests.due(), Some(at(40)));
        assert_eq!(requests.overdue(at(39)), None);
        assert_eq!(requests.overdue(at(40)), Some((Command::GetData, Some(vector(2)))));
        requests.on_vector(&vector(2), Some(at(50)));
        assert_eq!(requests.overdue(at(50)), Some((Command::GetData, Some(vector(3)))));
        requests.on_vector(&vector(3), Some(at(60)));
        assert_eq!((requests.vectors(), requests.due()), (0, None));
    }

    #[test]
    fn vectors_that_nodes_ignore_are_not_waited_for() {
        let mut requests = requests();
        let kinds = [InvType::ERROR, InvType::FILTERED_BLOCK, InvType::new(9)];
        let vectors = kinds.map(|kind| InvVect::new(kind, Hash::ZERO));
        queue(&mut requests, Message::GetData(vectors.into()));
        send(&mut requests, 30);
        assert_eq!((requests.vectors(), requests.due()), (0, None));
    }

    #[test]
    fn an_answer_may_come_before_its_request_counts_as_sent() {
        let mut requests = requests();
        ask(&mut requests, &[1]);
        assert!(requests.on_vector(&vector(1), Some(at(9))));
        send(&mut requests, 30);
        requests.on_sent(Command::GetInitState, Some(at(30)), true);
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn one_answer_ends_the_time_of_all_requests_of_its_command() {
        let mut requests = requests();
        for secs in [1, 2] {
            requests.on_sent(Command::MemPool, Some(at(secs)), false);
        }
        requests.on_sent(Command::GetHeaders, Some(at(4)), false);
        assert_eq!(requests.due(), Some(at(1)));
        assert!(requests.on_answer(Command::Inv));
        assert_eq!(requests.due(), Some(at(4)));
        assert!(requests.on_answer(Command::Inv), "one for each request");
        assert!(!requests.on_answer(Command::Inv));
        assert!(!requests.on_answer(Command::InitState));
        assert_eq!(requests.overdue(at(4)), Some((Command::GetHeaders, None)));
    }

    #[test]
    fn an_answer_that_nobody_asked_for_answers_no_later_request() {
        let mut requests = requests();
        assert!(!requests.on_answer(Command::Headers));
        requests.on_sent(Command::GetHeaders, Some(at(4)), false);
        assert_eq!(requests.due(), Some(at(4)));
    }

    #[test]
    fn as_many_large_answers_are_allowed_as_were_asked_for() {
        let mut requests = requests();
        assert!(!requests.take_allowed(Command::Tx));
        ask(&mut requests, &[1, 2]);
        ask(&mut requests, &[2]);
        assert_eq!([0; 4].map(|_| requests.take_allowed(Command::Tx)), [true, true, true, false]);
        assert!(requests.take_allowed(Command::NotFound));
        queue(&mut requests, Message::GetCFTypes);
        assert!(requests.take_allowed(Command::CFTypes));
        assert!(!requests.take_allowed(Command::CFTypes));
    }

    #[test]
    fn a_long_list_gives_its_memory_back() {
        let mut requests = requests();
        let many: Vec<InvVect> = (0..1_000_u32)
            .map(|n| {
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&n.to_le_bytes());
                InvVect::block(Hash::from_bytes(hash))
            })
            .collect();
        queue(&mut requests, Message::GetData(many.clone().into()));
        send(&mut requests, 30);
        for vector in &many {
            requests.on_vector(vector, None);
        }
        assert_eq!((requests.vectors.capacity(), requests.unsent.len()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ask(Vec<u8>),
        Send,
        Answer(u8),
    }

    proptest! {
        #[test]
        fn behaves_as_a_plain_list_would(
            steps in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(0_u8..16, 1..6).prop_map(Step::Ask),
                    Just(Step::Send),
                    (0_u8..16).prop_map(Step::Answer),
                ],
                0..100,
            ),
        ) {
            let mut requests = requests();
            let (mut queued, mut sent) = (0, 0);
            let mut due = None;
            let mut model: Vec<(u8, u32)> = Vec::new();
            for (time, step) in (0..).zip(steps) {
                match step {
                    Step::Ask(numbers) => {
                        ask(&mut requests, &numbers);
                        for number in numbers {
                            if model.iter().all(|&(other, _)| other != number) {
                                model.push((number, queued));
                            }
                        }
                        queued += 1;
                    }
                    Step::Send => {
                        if sent < queued {
                            send(&mut requests, time);
                            if model.iter().any(|&(_, request)| request == sent) {
                                due = due.or(Some(at(time)));
                            }
                            sent += 1;
                        }
                    }
                    Step::Answer(number) => {
                        requests.on_vector(&vector(number), Some(at(time)));
                        let asked = model.iter().find(|&&(other, _)| other == number).copied();
                        model.retain(|&(other, _)| other != number);
                        if asked.is_some_and(|(_, request)| request < sent) {
                            let remain = model.iter().any(|&(_, request)| request < sent);
                            due = remain.then(|| at(time));
                        }
                    }
                }
                prop_assert_eq!(requests.vectors(), model.len());
                prop_assert_eq!(requests.due(), due);
                let sent = model.iter().filter(|&&(_, request)| request < sent);
                let first = sent.min_by_key(|&&(number, request)| (request, vector(number)));
                let overdue = due.map(|_| {
                    (Command::GetData, first.map(|&(number, _)| vector(number)))
                });
                prop_assert_eq!(requests.overdue(Instant::MAX), overdue);
            }
        }
    }
}
