//! Requests: which messages were requested, and by when the remote must answer.

use alloc::boxed::Box;
use core::time::Duration;

use super::config::Config;
use super::error::CloseReason;
use super::hasher::InventoryHasher;
use super::outbox::Outbox;
use super::outstanding::Outstanding;
use super::request_kinds::{answers, is_continued_by, is_request};
use super::timers::{Timer, Timers};
use crate::hash::Hash;
use crate::time::Instant;
use crate::wire::{Command, EncodedMessage, Headers, InvVect, Message, Protocol};

/// Requests from the queue to their answers. Takes no memory before the first request.
#[derive(Default)]
pub(super) struct Requests(Option<Box<Outstanding>>);

impl Requests {
    /// Returns the number of vectors that are requested and not answered.
    pub(super) fn vectors(&self) -> usize {
        self.0.as_ref().map_or(0, |outstanding| outstanding.vectors())
    }

    /// Handles a frame that is queued.
    pub(super) fn on_request_queued(&mut self, frame: &EncodedMessage, hasher: InventoryHasher) {
        if is_request(frame.command()) {
            let outstanding = self.0.get_or_insert_with(|| Outstanding::new(hasher).into());
            outstanding.on_queued(frame);
        }
    }

    /// Handles a frame whose last byte was sent: the time of its answer starts. The deadline is on
    /// the remote's clock (`docs/protocol.md`, 7.2).
    pub(super) fn on_request_sent(
        &mut self,
        frame: &EncodedMessage,
        is_answered: bool,
        protocol: Protocol,
        timers: &mut Timers,
        config: &Config,
    ) {
        let command = frame.command();
        let Some(outstanding) = self.0.as_mut().filter(|_| is_request(command)) else { return };
        let due = deadline(command, timers, config);
        outstanding.on_sent(command, due, is_answered);
        if let (false, Some(request)) = (is_answered, frame.locator_request(protocol)) {
            outstanding.on_getheaders_sent(request);
        }
        update_timer(outstanding, timers);
    }

    /// Handles the objects of `vectors`, or a `notfound` that lists them. Returns whether one of
    /// them was requested.
    pub(super) fn on_objects_received(
        &mut self,
        vectors: &[InvVect],
        timers: &mut Timers,
        config: &Config,
    ) -> bool {
        let Some(outstanding) = &mut self.0 else { return false };
        if outstanding.vectors() == 0 {
            return false;
        }
        let due = deadline(Command::GetData, timers, config);
        let mut is_answer = false;
        for vector in vectors {
            is_answer |= outstanding.on_object(vector, due);
        }
        if is_answer {
            update_timer(outstanding, timers);
        }
        is_answer
    }

    /// Handles a message that may answer a request other than `getdata`. Returns whether it does.
    ///
    /// The answer may be received before the driver reports its request as sent, so that lent
    /// frames count as well (`docs/protocol.md`, 7.4).
    pub(super) fn on_message_received(
        &mut self,
        message: &Message,
        genesis: &Hash,
        protocol: Protocol,
        outbox: &mut Outbox,
        timers: &mut Timers,
    ) -> bool {
        let Some(outstanding) = &mut self.0 else { return false };
        let is_answer = match message {
            Message::Headers(headers) => {
                on_headers(outstanding, headers, genesis, protocol, outbox, timers.now())
            }
            message => on_answer(outstanding, message.command(), outbox, timers.now()),
        };
        if is_answer {
            update_timer(outstanding, timers);
        }
        is_answer
    }

    /// Takes the permission for one message that is larger than an unsolicited message may be.
    /// Returns whether there was one.
    pub(super) fn take_permission(&mut self, command: Command) -> bool {
        self.0.as_mut().is_some_and(|outstanding| outstanding.take_permission(command))
    }

    /// Postpones the deadlines, because received bytes are progress: an answer may stand behind
    /// large messages (`docs/protocol.md`, 10.2).
    pub(super) fn on_progress(&mut self, by: Duration, timers: &mut Timers, config: &Config) {
        if !timers.is_set(Timer::Stall) {
            return;
        }
        let Some(outstanding) = &mut self.0 else { return };
        outstanding.postpone(by, timers.remote_clock(), config);
        update_timer(outstanding, timers);
    }

    /// Gives every request that is due the grace of its timer (`docs/protocol.md`, 10.3).
    pub(super) fn on_grace(&mut self, until: Instant) {
        if let Some(outstanding) = &mut self.0 {
            outstanding.extend_to(until);
        }
    }

    /// Returns the end of a peer whose request is overdue. Otherwise sets the timer again.
    pub(super) fn check_overdue(&self, timers: &mut Timers) -> Option<CloseReason> {
        let outstanding = self.0.as_ref()?;
        match outstanding.overdue(timers.remote_clock()) {
            Some((request, vector)) => Some(CloseReason::Stall { request, vector }),
            None => {
                update_timer(outstanding, timers);
                None
            }
        }
    }

    /// Drops all requests.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

/// Returns the deadline of an answer that is expected from now on.
fn deadline(request: Command, timers: &Timers, config: &Config) -> Option<Instant> {
    config.response_timeout(request).map(|timeout| timers.remote_clock() + timeout)
}

/// Sets the timer to the earliest deadline.
fn update_timer(outstanding: &Outstanding, timers: &mut Timers) {
    match outstanding.due() {
        Some(due) => timers.update(Timer::Stall, due),
        None => timers.clear(Timer::Stall),
    }
}

fn on_answer(
    outstanding: &mut Outstanding,
    answer: Command,
    outbox: &mut Outbox,
    now: Instant,
) -> bool {
    outstanding.on_answer(answer)
        || outbox.mark_answered(now, |frame| match frame.command() {
            Command::GetData => false,
            request => answers(request).contains(&answer),
        })
}

fn on_headers(
    outstanding: &mut Outstanding,
    headers: &Headers,
    genesis: &Hash,
    protocol: Protocol,
    outbox: &mut Outbox,
    now: Instant,
) -> bool {
    if outstanding.on_headers(headers, genesis) {
        return true;
    }
    let is_lent = outbox.mark_answered(now, |frame| {
        let request = frame.locator_request(protocol);
        request.is_some_and(|request| is_continued_by(&request, headers, genesis))
    });
    if is_lent {
        outstanding.on_headers_of_lent_request();
    }
    is_lent
}
