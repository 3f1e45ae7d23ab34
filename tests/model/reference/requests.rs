//! Requests of the reference and their answers.

use excc_peer::Timer;
use excc_peer::wire::{Command, InvType, InvVect, LocatorRequest, Message};

use super::Reference;
use crate::parts::{Asked, Follows, Subject, answers};

/// Most `getheaders` that were sent and not answered whose locators are remembered.
const MAX_LOCATORS: usize = 8;

impl Reference {
    /// Remembers what a queued request asks for. A vector without an answer is one request,
    /// however often it is asked for.
    pub(super) fn ask(&mut self, id: u64, message: &Message) {
        let request = message.command();
        let asked = |subject| Asked { id, request, subject, has_left: false };
        match message {
            Message::GetData(vectors) => {
                for vector in vectors.iter().filter(|vector| is_tracked(vector)) {
                    if !self.asked.iter().any(|asked| asked.vector() == Some(*vector)) {
                        self.asked.push(asked(Subject::Vector(*vector)));
                    }
                }
            }
            Message::GetHeaders(locator) => {
                self.asked.push(asked(Subject::Headers(locator.clone())));
            }
            _ if !answers(request).is_empty() => self.asked.push(asked(Subject::Command)),
            _ => {}
        }
        self.allow_answers(message);
    }

    /// A request was sent: its time begins, unless that of an earlier one runs.
    pub(super) fn on_request_sent(&mut self, id: u64, request: Command) {
        let mut is_outstanding = false;
        for asked in self.asked.iter_mut().filter(|asked| asked.id == id) {
            asked.has_left = true;
            is_outstanding = true;
        }
        let is_awaited = |asked: &&Asked| asked.request == Command::GetHeaders && asked.has_left;
        let mut awaited = self.asked.iter().filter(is_awaited);
        if awaited.clone().count() > MAX_LOCATORS {
            let first = awaited.next().map(|asked| asked.id);
            self.asked.retain(|asked| Some(asked.id) != first);
        }
        if is_outstanding && !self.dues.iter().any(|&(other, _)| other == request) {
            self.start_due(request);
        }
    }

    fn start_due(&mut self, request: Command) {
        self.dues.retain(|&(other, _)| other != request);
        if let Some(timeout) = self.setup.response_timeout(request) {
            self.dues.push((request, self.remote_clock() + timeout));
        }
        self.set_stall_timer();
    }

    fn clear_due(&mut self, request: Command) {
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

    /// How many vectors are asked for.
    pub(crate) fn requested(&self) -> usize {
        self.asked.iter().filter(|asked| asked.vector().is_some()).count()
    }

    /// Whether an answer to this may have come. A vector counts from when it was asked for.
    /// Everything else must have been sent, or lent by the latest `Transmit`.
    fn may_be_answered(&self, asked: &Asked) -> bool {
        let mut lent = self.frames.iter().take(self.lent);
        let is_it = |follows| matches!(follows, Follows::Receipt(id, _) if id == asked.id);
        asked.has_left || asked.vector().is_some() || lent.any(|frame| is_it(frame.follows))
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

    fn on_vectors(&mut self, vectors: &[InvVect]) -> bool {
        let is_answered = |asked: &Asked| {
            asked.vector().is_some_and(|vector| vectors.contains(&vector))
                && self.may_be_answered(asked)
        };
        let (answered, rest): (Vec<_>, Vec<_>) =
            self.asked.clone().into_iter().partition(is_answered);
        self.asked = rest;
        if answered.iter().any(|asked| !asked.has_left) {
            self.note("early answer: vector");
        }
        // One of several answers is progress: the others have their time anew.
        if answered.iter().any(|asked| asked.has_left) {
            let is_next = |asked: &Asked| asked.vector().is_some() && asked.has_left;
            match self.asked.iter().any(is_next) {
                true => self.start_due(Command::GetData),
                false => self.clear_due(Command::GetData),
            }
        }
        !answered.is_empty()
    }

    /// A message of the right kind answers one request: the earliest that was sent, or else the
    /// first that may be under way. No request that it may answer is due any more.
    fn on_other_answer(&mut self, message: &Message) -> bool {
        let command = message.command();
        let fits = |asked: &&Asked| {
            answers(asked.request).contains(&command)
                && self.may_be_answered(asked)
                && self.answers(message, asked)
        };
        let mut fitting = self.asked.iter().filter(fits);
        let answered = fitting.clone().find(|asked| asked.has_left).or(fitting.next());
        let Some(&Asked { id, request, has_left, .. }) = answered else { return false };
        if !has_left {
            self.note("early answer: command");
        }
        // Headers come in order, so that earlier requests for them have no answer.
        self.asked.retain(|asked| {
            let is_passed = request == Command::GetHeaders && asked.request == request;
            asked.id != id && !(is_passed && asked.has_left && asked.id < id)
        });
        for &(request, _) in &self.dues.clone() {
            if answers(request).contains(&command) {
                self.clear_due(request);
            }
        }
        true
    }

    fn answers(&self, message: &Message, asked: &Asked) -> bool {
        match (message, &asked.subject) {
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
