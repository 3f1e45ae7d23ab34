//! Requests and their answers (`docs/protocol.md`, 7).

use excc_peer::wire::{Command, InvType, InvVect, LocatorRequest, Message};
use excc_peer::{CloseReason, Timer};

use super::{Model, Purpose};

/// Most `getheaders` that were sent and not answered whose locators are remembered.
const MAX_LOCATORS: usize = 8;

/// A request without an answer, or one vector of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The receipt of the request.
    pub(crate) id: u64,
    pub(crate) command: Command,
    pub(crate) subject: Subject,
    /// Whether the request was sent.
    pub(crate) is_sent: bool,
}

/// The object of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Vector(InvVect),
    Headers(LocatorRequest),
    /// Whatever the command says.
    Command,
}

impl Request {
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

impl Model {
    /// Tracks the objects of a queued request. A vector without an answer is one request,
    /// however often it is requested.
    pub(super) fn on_request_queued(&mut self, id: u64, message: &Message) {
        let request = message.command();
        let new = |subject| Request { id, command: request, subject, is_sent: false };
        match message {
            Message::GetData(vectors) => {
                for vector in vectors.iter().filter(|vector| is_tracked(vector)) {
                    if !self.outstanding.iter().any(|request| request.vector() == Some(*vector)) {
                        self.outstanding.push(new(Subject::Vector(*vector)));
                    }
                }
            }
            Message::GetHeaders(locator) => {
                self.outstanding.push(new(Subject::Headers(locator.clone())));
            }
            _ if !answers(request).is_empty() => self.outstanding.push(new(Subject::Command)),
            _ => {}
        }
        self.allow_answers(message);
    }

    /// A request was sent: its time begins, unless that of an earlier one runs.
    pub(super) fn on_request_sent(&mut self, id: u64, request: Command) {
        let mut is_outstanding = false;
        for request in self.outstanding.iter_mut().filter(|request| request.id == id) {
            request.is_sent = true;
            is_outstanding = true;
        }
        let is_awaited =
            |request: &&Request| request.command == Command::GetHeaders && request.is_sent;
        let mut awaited = self.outstanding.iter().filter(is_awaited);
        if awaited.clone().count() > MAX_LOCATORS {
            let first = awaited.next().map(|request| request.id);
            self.outstanding.retain(|request| Some(request.id) != first);
        }
        if is_outstanding && !self.dues.iter().any(|&(other, _)| other == request) {
            self.start_due(request);
        }
    }

    pub(super) fn start_due(&mut self, request: Command) {
        self.dues.retain(|&(other, _)| other != request);
        if let Some(timeout) = self.setup.response_timeout(request) {
            self.dues.push((request, self.remote_clock() + timeout));
        }
        self.set_stall_timer();
    }

    pub(super) fn clear_due(&mut self, request: Command) {
        self.dues.retain(|&(other, _)| other != request);
        self.set_stall_timer();
    }

    /// The earliest due time is that of the timer. It stays judged if it did not change.
    pub(super) fn set_stall_timer(&mut self) {
        match self.dues.iter().map(|&(_, due)| due).min() {
            Some(due) => self.deadlines.move_to(Timer::Stall, due),
            None => self.deadlines.clear(Timer::Stall),
        }
    }

    pub(super) fn on_stall(&mut self, named: Option<&CloseReason>) {
        let clock = self.remote_clock();
        let is_due = |request| self.dues.iter().any(|&(other, at)| other == request && at <= clock);
        let mut reasons: Vec<_> = self
            .outstanding
            .iter()
            .filter(|request| request.is_sent && is_due(request.command))
            .map(|request| CloseReason::Stall {
                request: request.command,
                vector: request.vector(),
            })
            .collect();
        let at = reasons.iter().position(|reason| Some(reason) == named);
        self.close_for(reasons.swap_remove(at.unwrap_or(0)));
    }

    /// How many vectors are requested.
    pub(crate) fn requested(&self) -> usize {
        self.outstanding.iter().filter(|request| request.vector().is_some()).count()
    }

    /// Whether an answer to this may have come. A vector counts from when it was requested.
    /// Everything else must have been sent, or lent by the latest `Transmit`.
    pub(super) fn may_be_answered(&self, request: &Request) -> bool {
        let mut lent = self.frames.iter().take(self.lent);
        let is_it = |purpose| matches!(purpose, Purpose::Receipt(id, _) if id == request.id);
        request.is_sent || request.vector().is_some() || lent.any(|frame| is_it(frame.purpose))
    }

    /// Returns whether a message answers something.
    pub(super) fn on_answer(&mut self, message: &Message) -> bool {
        match message {
            Message::NotFound(vectors) => {
                self.on_vectors(&vectors.iter().copied().collect::<Vec<_>>())
            }
            message => match Self::vector_of(message) {
                Some(vector) => self.on_vectors(&[vector]),
                None => self.on_other_answer(message),
            },
        }
    }

    pub(super) fn on_vectors(&mut self, vectors: &[InvVect]) -> bool {
        let all = std::mem::take(&mut self.outstanding);
        let (answered, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|request| {
            request.vector().is_some_and(|vector| vectors.contains(&vector))
                && self.may_be_answered(request)
        });
        self.outstanding = rest;
        if answered.iter().any(|request| !request.is_sent) {
            self.note("early answer: vector");
        }
        // One of several answers is progress: the others have their time anew.
        if answered.iter().any(|request| request.is_sent) {
            let is_next = |request: &Request| request.vector().is_some() && request.is_sent;
            match self.outstanding.iter().any(is_next) {
                true => self.start_due(Command::GetData),
                false => self.clear_due(Command::GetData),
            }
        }
        !answered.is_empty()
    }

    /// A message of the right kind answers one request: the earliest that was sent, or else the
    /// first that may be under access. No request that it may answer is due any more.
    pub(super) fn on_other_answer(&mut self, message: &Message) -> bool {
        let command = message.command();
        let fits = |request: &&Request| {
            answers(request.command).contains(&command)
                && self.may_be_answered(request)
                && self.answers(message, request)
        };
        let mut fitting = self.outstanding.iter().filter(fits);
        let answered = fitting.clone().find(|request| request.is_sent).or(fitting.next());
        let Some(&Request { id, command: request, is_sent, .. }) = answered else { return false };
        if !is_sent {
            self.note("early answer: command");
        }
        // Headers come in order, so that earlier requests for them have no answer.
        self.outstanding.retain(|other| {
            let is_passed = request == Command::GetHeaders && other.command == request;
            other.id != id && !(is_passed && other.is_sent && other.id < id)
        });
        for &(request, _) in &self.dues.clone() {
            if answers(request).contains(&command) {
                self.clear_due(request);
            }
        }
        true
    }

    pub(super) fn answers(&self, message: &Message, request: &Request) -> bool {
        match (message, &request.subject) {
            (Message::Headers(headers), Subject::Headers(LocatorRequest { locator, stop, .. })) => {
                headers.get(0).is_none_or(|first| {
                    first.prev_block() == self.setup.network.genesis()
                        || locator.iter().any(|hash| *hash == first.prev_block())
                        || first.block_hash() == *stop
                })
            }
            _ => true,
        }
    }
}

/// Whether a vector is answered: nodes ignore other types.
pub(super) fn is_tracked(vector: &InvVect) -> bool {
    [InvType::TX, InvType::BLOCK, InvType::MIX].contains(&vector.kind())
}
