//! What was asked of the remote and has not been answered.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::keyed::Key;
use crate::time::Instant;
use crate::wire::{Command, InvType, InvVect};

/// Room for vectors that is kept when none is left.
const KEPT: usize = 1_024;

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

/// Whether nodes answer for every vector of that type, be it with `notfound`. They pass
/// over others without a word.
pub(super) fn is_answered(kind: InvType) -> bool {
    matches!(kind, InvType::TX | InvType::BLOCK | InvType::MIX)
}

/// The time of a request begins when its last byte has left, but it is known from when it is
/// queued: where frames are written from a shared buffer, an answer may come before it is
/// told that its request has left.
pub(super) struct Requests {
    key: Key,
    /// Each vector asked for, once.
    vectors: HashTable<Wanted>,
    /// Every `getdata` that has vectors in `vectors`, by age.
    data: BTreeMap<u64, Data>,
    /// How many `getdata`s were queued, which is the number of the next one.
    queued: u64,
    /// How many of them have left. They leave in the order in which they were queued.
    left: u64,
    others: Vec<Other>,
}

struct Wanted {
    vector: InvVect,
    /// The number of the `getdata`.
    data: u64,
}

struct Data {
    vectors: usize,
    /// None until it has left.
    due: Option<Instant>,
}

/// What waits for the answer to any other request.
struct Other {
    request: Command,
    /// How many are queued.
    queued: usize,
    /// How many of these have been answered already.
    early: usize,
    /// When the answer to those that have left is due; none if there is nothing to answer.
    due: Option<Instant>,
}

impl Requests {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            vectors: HashTable::new(),
            data: BTreeMap::new(),
            queued: 0,
            left: 0,
            others: Vec::new(),
        }
    }

    /// How many vectors are asked for.
    pub(super) fn vectors(&self) -> usize {
        self.vectors.len()
    }

    /// A `getdata` is queued. A vector that was asked for before stays due when it was, so
    /// that asking again gives the remote no more time.
    pub(super) fn ask_for(&mut self, vectors: &[InvVect]) {
        let number = self.queued;
        self.queued += 1;
        let mut new = 0;
        let key = self.key;
        for &vector in vectors.iter().filter(|vector| is_answered(vector.kind)) {
            let entry = self.vectors.entry(
                key.hash(&vector),
                |wanted| wanted.vector == vector,
                |wanted| key.hash(&wanted.vector),
            );
            if let Entry::Vacant(place) = entry {
                place.insert(Wanted { vector, data: number });
                new += 1;
            }
        }
        if new > 0 {
            self.data.insert(number, Data { vectors: new, due: None });
        }
    }

    /// The next `getdata` has left, and its answers are due then.
    pub(super) fn data_left(&mut self, due: Instant) {
        if let Some(data) = self.data.get_mut(&self.left) {
            data.due = Some(due);
        }
        self.left += 1;
    }

    /// The remote sent what `vector` names, or said that it does not have it.
    pub(super) fn answer_vector(&mut self, vector: &InvVect) {
        let found =
            self.vectors.find_entry(self.key.hash(vector), |wanted| wanted.vector == *vector);
        let Ok(found) = found else { return };
        let (Wanted { data: number, .. }, _) = found.remove();
        if let Some(data) = self.data.get_mut(&number) {
            data.vectors -= 1;
            if data.vectors == 0 {
                self.data.remove(&number);
            }
        }
        if self.vectors.is_empty() && self.vectors.capacity() > KEPT {
            self.vectors = HashTable::new();
        }
    }

    /// Another request is queued.
    pub(super) fn ask(&mut self, request: Command) {
        match self.others.iter_mut().find(|other| other.request == request) {
            Some(other) => other.queued += 1,
            None => self.others.push(Other { request, queued: 1, early: 0, due: None }),
        }
    }

    /// Another request has left, and its answer is due then; or when that of an earlier one
    /// is, which must not gain time from this one.
    pub(super) fn left(&mut self, request: Command, due: Instant) {
        if let Some(other) = self.others.iter_mut().find(|other| other.request == request) {
            other.queued = other.queued.saturating_sub(1);
            match other.early.checked_sub(1) {
                Some(early) => other.early = early,
                None => other.due = other.due.or(Some(due)),
            }
        }
        self.forget_answered();
    }

    /// A message came: it answers all requests that have left and that it can be the answer
    /// to. Tells whether there were any such.
    pub(super) fn answer(&mut self, command: Command) -> bool {
        let mut any = false;
        for other in &mut self.others {
            if answers(other.request).contains(&command) {
                any = true;
                if other.due.take().is_none() {
                    other.early = other.queued.min(other.early + 1);
                }
            }
        }
        self.forget_answered();
        any
    }

    fn forget_answered(&mut self) {
        self.others.retain(|other| other.queued > 0 || other.due.is_some());
    }

    /// When the next answer is due.
    pub(super) fn due(&self) -> Option<Instant> {
        // Those that have left come first, in the order in which they are due.
        let data = self.data.values().next().and_then(|data| data.due);
        self.others.iter().filter_map(|other| other.due).chain(data).min()
    }

    /// A request that is due at `now`, and the first vector of it if it is a `getdata`.
    pub(super) fn overdue(&self, now: Instant) -> Option<(Command, Option<InvVect>)> {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if let Some(other) = self.others.iter().find(|other| is_due(other.due)) {
            return Some((other.request, None));
        }
        let (number, _) = self.data.iter().next().filter(|(_, data)| is_due(data.due))?;
        let vector = self.vectors.iter().filter(|wanted| wanted.data == *number);
        Some((Command::GetData, vector.map(|wanted| wanted.vector).min()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::hash::Hash;

    fn requests() -> Requests {
        Requests::new(Key::new(&mut ChaCha8Rng::seed_from_u64(0)))
    }

    fn vector(n: u8) -> InvVect {
        InvVect::tx(Hash::from_bytes([n; 32]))
    }

    const fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn each_vector_has_the_time_of_its_own_request() {
        let mut requests = requests();
        requests.ask_for(&[vector(1), vector(2)]);
        requests.ask_for(&[vector(2), vector(3)]);
        assert_eq!((requests.vectors(), requests.due()), (3, None));
        requests.data_left(at(30));
        requests.data_left(at(31));
        requests.answer_vector(&vector(1));
        assert_eq!(requests.due(), Some(at(30)));
        assert_eq!(requests.overdue(at(29)), None);
        assert_eq!(requests.overdue(at(30)), Some((Command::GetData, Some(vector(2)))));
        requests.answer_vector(&vector(2));
        assert_eq!(requests.overdue(at(31)), Some((Command::GetData, Some(vector(3)))));
        requests.answer_vector(&vector(3));
        assert_eq!((requests.vectors(), requests.due()), (0, None));
    }

    #[test]
    fn what_nobody_answers_is_not_waited_for() {
        let mut requests = requests();
        let kinds = [InvType::ERROR, InvType::FILTERED_BLOCK, InvType::new(9)];
        requests.ask_for(&kinds.map(|kind| InvVect::new(kind, Hash::ZERO)));
        requests.data_left(at(30));
        assert_eq!((requests.vectors(), requests.due()), (0, None));
    }

    #[test]
    fn an_answer_may_overtake_the_count_of_its_request() {
        let mut requests = requests();
        requests.ask_for(&[vector(1)]);
        requests.answer_vector(&vector(1));
        requests.data_left(at(30));
        requests.ask(Command::GetInitState);
        assert!(requests.answer(Command::InitState));
        requests.left(Command::GetInitState, at(30));
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn one_answer_serves_all_that_have_left() {
        let mut requests = requests();
        for secs in [1, 2] {
            requests.ask(Command::MemPool);
            requests.left(Command::MemPool, at(secs));
        }
        requests.ask(Command::GetBlocks);
        requests.left(Command::GetBlocks, at(3));
        requests.ask(Command::GetHeaders);
        requests.left(Command::GetHeaders, at(4));
        assert_eq!(requests.due(), Some(at(1)));
        assert!(requests.answer(Command::Inv));
        assert_eq!(requests.due(), Some(at(4)));
        assert!(!requests.answer(Command::InitState));
        assert_eq!(requests.overdue(at(4)), Some((Command::GetHeaders, None)));
    }

    #[test]
    fn a_request_that_is_answered_early_does_not_answer_the_next() {
        let mut requests = requests();
        requests.ask(Command::GetHeaders);
        requests.ask(Command::GetHeaders);
        requests.answer(Command::Headers);
        requests.left(Command::GetHeaders, at(1));
        assert_eq!(requests.due(), None);
        requests.left(Command::GetHeaders, at(2));
        assert_eq!(requests.due(), Some(at(2)));
    }

    #[test]
    fn as_many_answers_may_come_early_as_there_are_requests() {
        let mut requests = requests();
        requests.ask(Command::GetHeaders);
        requests.ask(Command::GetHeaders);
        (0..5).for_each(|_| assert!(requests.answer(Command::Headers)));
        requests.left(Command::GetHeaders, at(1));
        requests.left(Command::GetHeaders, at(2));
        assert_eq!(requests.due(), None);
        requests.ask(Command::GetHeaders);
        requests.left(Command::GetHeaders, at(3));
        assert_eq!(requests.due(), Some(at(3)));
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
        requests.ask_for(&many);
        many.iter().for_each(|vector| requests.answer_vector(vector));
        assert_eq!((requests.vectors.capacity(), requests.data.len()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ask(Vec<u8>),
        Leave,
        Answer(u8),
    }

    proptest! {
        #[test]
        fn behaves_as_a_plain_list_would(
            steps in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(0_u8..16, 0..6).prop_map(Step::Ask),
                    Just(Step::Leave),
                    (0_u8..16).prop_map(Step::Answer),
                ],
                0..100,
            ),
        ) {
            let mut requests = requests();
            let (mut queued, mut left) = (0, 0);
            let mut model: Vec<(u8, u32, Option<Instant>)> = Vec::new();
            for (time, step) in (0..).zip(steps) {
                match step {
                    Step::Ask(numbers) => {
                        let vectors: Vec<_> = numbers.iter().map(|&n| vector(n)).collect();
                        requests.ask_for(&vectors);
                        for number in numbers {
                            if model.iter().all(|&(other, ..)| other != number) {
                                model.push((number, queued, None));
                            }
                        }
                        queued += 1;
                    }
                    Step::Leave => {
                        if left < queued {
                            requests.data_left(at(time));
                            for (_, request, due) in &mut model {
                                if *request == left {
                                    *due = Some(at(time));
                                }
                            }
                            left += 1;
                        }
                    }
                    Step::Answer(number) => {
                        requests.answer_vector(&vector(number));
                        model.retain(|&(other, ..)| other != number);
                    }
                }
                prop_assert_eq!(requests.vectors(), model.len());
                let due = model.iter().filter_map(|&(.., due)| due).min();
                prop_assert_eq!(requests.due(), due);
                let overdue = due.map(|due| {
                    let of_it = model.iter().filter(|&&(.., other)| other == Some(due));
                    (Command::GetData, of_it.map(|&(number, ..)| vector(number)).min())
                });
                prop_assert_eq!(requests.overdue(Instant::MAX), overdue);
            }
        }
    }
}
