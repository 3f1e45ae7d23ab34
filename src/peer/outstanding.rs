//! The requests that are outstanding, without their timers.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::config::Config;
use super::hasher::InventoryHasher;
use super::request_kinds::{answer_class, answers, is_continued_by, is_served, object_class};
use super::shrink::shrink_if_oversized;
use super::timers::postponed;
use crate::hash::Hash;
use crate::time::Instant;
use crate::wire::{Command, EncodedMessage, Headers, InvVect, LocatorRequest};

/// Capacity for vectors that is kept when none is outstanding.
const KEPT_CAPACITY: usize = 1_024;

/// Maximum number of unanswered `getheaders` whose locators are kept.
const MAX_LOCATORS: usize = 8;

/// Number of messages larger than an unsolicited one that may answer one `mempool`. Nodes announce
/// their pool in batches of 1,000 vectors (`docs/protocol.md`, 11.2).
const MEMPOOL_ANSWERS: u32 = 64;

/// Requests that are queued or sent, and not answered. All times are on the remote's clock.
pub(super) struct Outstanding {
    hasher: InventoryHasher,
    /// Each requested vector, once.
    vectors: HashTable<Requested>,
    /// For each `getdata` that is not sent, the number of `vectors` that it is the first to
    /// request.
    unsent: VecDeque<usize>,
    /// Number of `getdata`s that were sent. They are sent in the order in which they were queued.
    sent: u64,
    /// Number of `vectors` that were requested by a `getdata` that was sent.
    sent_vectors: usize,
    /// The deadline of the next answer to these.
    due: Option<Instant>,
    others: Vec<Other>,
    /// The latest `getheaders` that were sent and not answered.
    locators: VecDeque<LocatorRequest>,
    /// Number of large answers that are permitted, by class of command.
    permitted: Vec<(Command, u32)>,
}

struct Requested {
    vector: InvVect,
    /// The number of its first `getdata`.
    number: u64,
}

/// Requests of one command other than `getdata`.
struct Other {
    request: Command,
    /// Number of requests that were sent and not answered.
    outstanding: u32,
    due: Option<Instant>,
}

impl Outstanding {
    pub(super) fn new(hasher: InventoryHasher) -> Self {
        Self {
            hasher,
            vectors: HashTable::new(),
            unsent: VecDeque::new(),
            sent: 0,
            sent_vectors: 0,
            due: None,
            others: Vec::new(),
            locators: VecDeque::new(),
            permitted: Vec::new(),
        }
    }

    /// Returns the number of requested vectors.
    pub(super) fn vectors(&self) -> usize {
        self.vectors.len()
    }

    pub(super) fn on_queued(&mut self, frame: &EncodedMessage) {
        match frame.command() {
            Command::GetData => self.on_getdata_queued(frame.vectors()),
            request => {
                let count = if request == Command::MemPool { MEMPOOL_ANSWERS } else { 1 };
                answers(request).iter().for_each(|&answer| self.permit(answer, count));
            }
        }
    }

    /// A vector that was requested before belongs to its first `getdata`: a repeated request must
    /// not give the remote more time (`docs/protocol.md`, 7.2).
    fn on_getdata_queued(&mut self, vectors: &[InvVect]) {
        let number = self.sent + self.unsent.len() as u64;
        let mut new = 0;
        let hasher = self.hasher;
        for &vector in vectors.iter().filter(|vector| is_served(vector.kind())) {
            self.permit(object_class(vector.kind()), 1);
            self.permit(Command::NotFound, 1);
            let entry = self.vectors.entry(
                hasher.hash(&vector),
                |requested| requested.vector == vector,
                |requested| hasher.hash(&requested.vector),
            );
            if let Entry::Vacant(entry) = entry {
                entry.insert(Requested { vector, number });
                new += 1;
            }
        }
        self.unsent.push_back(new);
    }

    fn permit(&mut self, answer: Command, count: u32) {
        match self.permitted.iter_mut().find(|(class, _)| *class == answer) {
            Some((_, permitted)) => *permitted = permitted.saturating_add(count),
            None => self.permitted.push((answer, count)),
        }
    }

    /// Takes the permission for one large message. Returns whether there was one.
    pub(super) fn take_permission(&mut self, command: Command) -> bool {
        let wanted = answer_class(command);
        match self.permitted.iter_mut().find(|(class, _)| *class == wanted) {
            Some((_, permitted)) if *permitted > 0 => {
                *permitted -= 1;
                true
            }
            _ => false,
        }
    }

    /// Handles a request whose last byte was sent. `due` is its deadline, unless that of an
    /// earlier one is set: a later request must not give the remote more time.
    pub(super) fn on_sent(&mut self, request: Command, due: Option<Instant>, is_answered: bool) {
        if request == Command::GetData {
            let Some(vectors) = self.unsent.pop_front() else { return };
            shrink_if_oversized(&mut self.unsent);
            self.sent += 1;
            self.sent_vectors += vectors;
            if vectors > 0 {
                self.due = self.due.or(due);
            }
            return;
        }
        if is_answered {
            return;
        }
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

    /// Handles the object of a vector, or a `notfound` for it. Returns whether it was requested.
    /// `due` is the deadline of the remaining vectors: each answer is progress
    /// (`docs/protocol.md`, 7.2).
    pub(super) fn on_object(&mut self, vector: &InvVect, due: Option<Instant>) -> bool {
        let hash = self.hasher.hash(vector);
        let found = self.vectors.find_entry(hash, |requested| requested.vector == *vector);
        let Ok(found) = found else { return false };
        let (Requested { number, .. }, _) = found.remove();
        let unsent = number.checked_sub(self.sent).and_then(|place| usize::try_from(place).ok());
        match unsent.and_then(|place| self.unsent.get_mut(place)) {
            Some(vectors) => *vectors -= 1,
            None => {
                self.sent_vectors -= 1;
                self.due = due.filter(|_| self.sent_vectors > 0);
            }
        }
        if self.vectors.is_empty() && self.vectors.capacity() > KEPT_CAPACITY {
            self.vectors = HashTable::new();
        }
        true
    }

    /// Handles a message that may answer requests other than `getdata` and `getheaders`. Returns
    /// whether it answers one that was sent.
    ///
    /// It counts as one answer, but clears the deadlines of all requests that it may answer. Nodes
    /// need not answer each, and an `inv` does not show whether it answers `getblocks` or
    /// `mempool` (`docs/protocol.md`, 7.1).
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

    /// Handles a `getheaders` that was sent and not answered.
    pub(super) fn on_getheaders_sent(&mut self, request: LocatorRequest) {
        if self.locators.len() == MAX_LOCATORS {
            self.locators.pop_front();
        }
        self.locators.push_back(request);
    }

    /// Handles headers. Returns whether they answer a `getheaders` that was sent. They then answer
    /// all earlier ones as well, because nodes answer in order.
    pub(super) fn on_headers(&mut self, headers: &Headers, genesis: &Hash) -> bool {
        let mut locators = self.locators.iter();
        let place = locators.position(|request| is_continued_by(request, headers, genesis));
        if let Some(place) = place {
            self.drop_locators(place + 1);
        }
        place.is_some()
    }

    /// Handles headers that answer a `getheaders` which is lent. They then answer all that were
    /// sent before it.
    pub(super) fn on_headers_of_lent_request(&mut self) {
        self.drop_locators(self.locators.len());
    }

    fn drop_locators(&mut self, count: usize) {
        self.locators.drain(..count);
        let remaining = u32::try_from(self.locators.len()).unwrap_or(u32::MAX);
        for other in self.others.iter_mut().filter(|other| other.request == Command::GetHeaders) {
            other.due = None;
            other.outstanding = remaining;
        }
        self.others.retain(|other| other.outstanding > 0);
    }

    /// Postpones all deadlines.
    pub(super) fn postpone(&mut self, by: Duration, now: Instant, config: &Config) {
        let postpone = |due: &mut Option<Instant>, request| {
            if let (Some(at), Some(timeout)) = (&mut *due, config.response_timeout(request)) {
                *at = postponed(*at, by, now, timeout);
            }
        };
        postpone(&mut self.due, Command::GetData);
        self.others.iter_mut().for_each(|other| postpone(&mut other.due, other.request));
    }

    /// Moves earlier deadlines to `until`.
    pub(super) fn extend_to(&mut self, until: Instant) {
        let others = self.others.iter_mut().map(|other| &mut other.due);
        for due in others.chain([&mut self.due]).flatten() {
            *due = until.max(*due);
        }
    }

    /// Returns the earliest deadline.
    pub(super) fn due(&self) -> Option<Instant> {
        self.others.iter().filter_map(|other| other.due).chain(self.due).min()
    }

    /// Returns a request that is overdue, and its first vector if it is a `getdata`.
    pub(super) fn overdue(&self, now: Instant) -> Option<(Command, Option<InvVect>)> {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if let Some(other) = self.others.iter().find(|other| is_due(other.due)) {
            return Some((other.request, None));
        }
        if !is_due(self.due) {
            return None;
        }
        let sent = self.vectors.iter().filter(|requested| requested.number < self.sent);
        let first = sent.min_by_key(|requested| (requested.number, requested.vector));
        Some((Command::GetData, first.map(|requested| requested.vector)))
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
    use crate::wire::{InvType, List, Message};

    fn outstanding() -> Outstanding {
        Outstanding::new(InventoryHasher::new(&mut ChaCha8Rng::seed_from_u64(0)))
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

    fn queue(outstanding: &mut Outstanding, message: Message) {
        outstanding.on_queued(&frame(message));
    }

    fn request(outstanding: &mut Outstanding, vectors: &[u8]) {
        let vectors: List<_> = vectors.iter().map(|&n| vector(n)).collect();
        queue(outstanding, Message::GetData(vectors));
    }

    fn send(outstanding: &mut Outstanding, due: u64) {
        outstanding.on_sent(Command::GetData, Some(at(due)), false);
    }

    #[test]
    fn an_answer_to_a_getdata_restarts_the_deadline_of_the_rest() {
        let mut outstanding = outstanding();
        request(&mut outstanding, &[1, 2]);
        request(&mut outstanding, &[2, 3]);
        assert_eq!((outstanding.vectors(), outstanding.due()), (3, None));
        send(&mut outstanding, 30);
        send(&mut outstanding, 31);
        assert_eq!(outstanding.due(), Some(at(30)), "a later request does not move it");
        assert!(outstanding.on_object(&vector(1), Some(at(40))));
        assert!(!outstanding.on_object(&vector(1), Some(at(99))));
        assert_eq!(outstanding.due(), Some(at(40)));
        assert_eq!(outstanding.overdue(at(39)), None);
        assert_eq!(outstanding.overdue(at(40)), Some((Command::GetData, Some(vector(2)))));
        outstanding.on_object(&vector(2), Some(at(50)));
        assert_eq!(outstanding.overdue(at(50)), Some((Command::GetData, Some(vector(3)))));
        outstanding.on_object(&vector(3), Some(at(60)));
        assert_eq!((outstanding.vectors(), outstanding.due()), (0, None));
    }

    #[test]
    fn vectors_that_nodes_do_not_serve_have_no_deadline() {
        let mut outstanding = outstanding();
        let kinds = [InvType::ERROR, InvType::FILTERED_BLOCK, InvType::new(9)];
        let vectors = kinds.map(|kind| InvVect::new(kind, Hash::ZERO));
        queue(&mut outstanding, Message::GetData(vectors.into()));
        send(&mut outstanding, 30);
        assert_eq!((outstanding.vectors(), outstanding.due()), (0, None));
    }

    #[test]
    fn an_answer_may_be_received_before_its_request_counts_as_sent() {
        let mut outstanding = outstanding();
        request(&mut outstanding, &[1]);
        assert!(outstanding.on_object(&vector(1), Some(at(9))));
        send(&mut outstanding, 30);
        outstanding.on_sent(Command::GetInitState, Some(at(30)), true);
        assert_eq!(outstanding.due(), None);
    }

    #[test]
    fn an_answer_clears_the_deadline_of_all_requests_of_its_command() {
        let mut outstanding = outstanding();
        for secs in [1, 2] {
            outstanding.on_sent(Command::MemPool, Some(at(secs)), false);
        }
        outstanding.on_sent(Command::GetHeaders, Some(at(4)), false);
        assert_eq!(outstanding.due(), Some(at(1)));
        assert!(outstanding.on_answer(Command::Inv));
        assert_eq!(outstanding.due(), Some(at(4)));
        assert!(outstanding.on_answer(Command::Inv), "one answer for each request");
        assert!(!outstanding.on_answer(Command::Inv));
        assert!(!outstanding.on_answer(Command::InitState));
        assert_eq!(outstanding.overdue(at(4)), Some((Command::GetHeaders, None)));
    }

    #[test]
    fn an_unsolicited_message_answers_no_later_request() {
        let mut outstanding = outstanding();
        assert!(!outstanding.on_answer(Command::Headers));
        outstanding.on_sent(Command::GetHeaders, Some(at(4)), false);
        assert_eq!(outstanding.due(), Some(at(4)));
    }

    #[test]
    fn each_request_permits_one_large_answer() {
        let mut outstanding = outstanding();
        assert!(!outstanding.take_permission(Command::Tx));
        request(&mut outstanding, &[1, 2]);
        request(&mut outstanding, &[2]);
        assert_eq!(
            [0; 4].map(|_| outstanding.take_permission(Command::Tx)),
            [true, true, true, false]
        );
        assert!(outstanding.take_permission(Command::NotFound));
        queue(&mut outstanding, Message::GetCFTypes);
        assert!(outstanding.take_permission(Command::CFTypes));
        assert!(!outstanding.take_permission(Command::CFTypes));
    }

    #[test]
    fn an_answered_long_list_takes_no_memory() {
        let mut outstanding = outstanding();
        let many: Vec<InvVect> = (0..1_000_u32)
            .map(|n| {
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&n.to_le_bytes());
                InvVect::block(Hash::from_bytes(hash))
            })
            .collect();
        queue(&mut outstanding, Message::GetData(many.clone().into()));
        send(&mut outstanding, 30);
        for vector in &many {
            outstanding.on_object(vector, None);
        }
        assert_eq!((outstanding.vectors.capacity(), outstanding.unsent.len()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Request(Vec<u8>),
        Send,
        Answer(u8),
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(
            steps in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(0_u8..16, 1..6).prop_map(Step::Request),
                    Just(Step::Send),
                    (0_u8..16).prop_map(Step::Answer),
                ],
                0..100,
            ),
        ) {
            let mut outstanding = outstanding();
            let (mut queued, mut sent) = (0, 0);
            let mut due = None;
            let mut model: Vec<(u8, u32)> = Vec::new();
            for (time, step) in (0..).zip(steps) {
                match step {
                    Step::Request(numbers) => {
                        request(&mut outstanding, &numbers);
                        for number in numbers {
                            if model.iter().all(|&(other, _)| other != number) {
                                model.push((number, queued));
                            }
                        }
                        queued += 1;
                    }
                    Step::Send => {
                        if sent < queued {
                            send(&mut outstanding, time);
                            if model.iter().any(|&(_, request)| request == sent) {
                                due = due.or(Some(at(time)));
                            }
                            sent += 1;
                        }
                    }
                    Step::Answer(number) => {
                        outstanding.on_object(&vector(number), Some(at(time)));
                        let requested = model.iter().find(|&&(other, _)| other == number).copied();
                        model.retain(|&(other, _)| other != number);
                        if requested.is_some_and(|(_, request)| request < sent) {
                            let any_remains = model.iter().any(|&(_, request)| request < sent);
                            due = any_remains.then(|| at(time));
                        }
                    }
                }
                prop_assert_eq!(outstanding.vectors(), model.len());
                prop_assert_eq!(outstanding.due(), due);
                let sent = model.iter().filter(|&&(_, request)| request < sent);
                let first = sent.min_by_key(|&&(number, request)| (request, vector(number)));
                let overdue = due.map(|_| {
                    (Command::GetData, first.map(|&(number, _)| vector(number)))
                });
                prop_assert_eq!(outstanding.overdue(Instant::MAX), overdue);
            }
        }
    }
}
