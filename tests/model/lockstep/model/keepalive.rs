//! Pings, pongs and round trips (`docs/protocol.md`, 6).

use std::time::Duration;

use excc_peer::wire::{Command, Message, Ping, Pong};
use excc_peer::{Instant, SendErrorKind, Timer};

use super::{Frame, Model, ModelEvent, Purpose};

/// Most pings without an answer that are remembered, and most pongs that wait.
const MAX_PINGS: usize = 16;

const MAX_PONGS: usize = 64;

impl Model {
    /// Queues a `ping`, unless one waits that will do; its nonce will be seen.
    pub(crate) fn ping(&mut self, now: Instant) -> Result<(), SendErrorKind> {
        self.set_time(now);
        match &self.closed {
            Some(reason) => Err(SendErrorKind::Closed(reason.clone())),
            None if self.shuts_down_by.is_some() => Err(SendErrorKind::ShuttingDown),
            None if !self.is_done => Err(SendErrorKind::NotReady),
            None => {
                self.push_ping();
                Ok(())
            }
        }
    }

    pub(super) fn push_ping(&mut self) {
        if !self.frames.iter().any(|frame| frame.purpose == Purpose::OwnPing) {
            self.nonces.ping = None;
            self.push(&Message::Ping(Ping { nonce: 0 }), Purpose::OwnPing);
        }
    }

    /// A `ping` of the remote's: its answer waits.
    pub(super) fn on_ping(&mut self, nonce: u64) {
        self.pongs.push(nonce);
        if self.pongs.len() > MAX_PONGS {
            self.pongs.remove(0);
            self.note("pong: oldest dropped");
        }
    }

    /// The waiting pongs become frames, unless some are in the queue. They overtake all but what
    /// may be under access.
    pub(super) fn queue_pongs(&mut self) {
        if self.frames.iter().any(|frame| frame.purpose == Purpose::Pong) {
            return;
        }
        let at = self.handshake_frames().max(self.lent).max(usize::from(self.sent > 0));
        if !self.pongs.is_empty() && at < self.frames.len() {
            self.note("pong: overtakes");
        }
        for (place, nonce) in std::mem::take(&mut self.pongs).into_iter().enumerate() {
            let bytes = self.encode(&Message::Pong(Pong { nonce }));
            self.frames.insert(at + place, Frame::new(Command::Pong, bytes, Purpose::Pong));
        }
    }

    /// The nonces of the `ping`s without an answer, sent or not, as far as they are known.
    pub(crate) fn ping_nonces(&self) -> Vec<u64> {
        let sent = self.pings.iter().map(|&(nonce, _)| nonce);
        let queued = self.frames.iter().filter_map(|frame| frame.ping_nonce(&self.nonces));
        sent.chain(queued).collect()
    }

    /// A `ping` of ours was sent, and perhaps its `pong` was received before.
    pub(super) fn on_ping_sent(&mut self, nonce: u64, answered_at: Option<Instant>) {
        self.last_ping = Some(self.sending_at);
        if let Some(answered_at) = answered_at {
            self.pings.clear();
            self.deadlines.clear(Timer::Pong);
            return self.measure(nonce, answered_at - self.sending_at);
        }
        if self.pings.is_empty() {
            self.start_pong_deadline();
        }
        self.pings.push((nonce, self.sending_at));
        if self.pings.len() > MAX_PINGS {
            self.pings.remove(0);
            self.note("ping: oldest forgotten");
        }
    }

    /// A closed peer that may still send what was queued awaits no answer.
    pub(super) fn start_pong_deadline(&mut self) {
        if self.closed.is_some() {
            return;
        }
        self.deadlines.set_after(Timer::Pong, self.remote_clock(), self.setup.pong_timeout);
    }

    pub(super) fn measure(&mut self, nonce: u64, time: Duration) {
        self.round_trip = Some(time);
        self.emit(ModelEvent::RoundTrip(nonce, time), 0);
    }

    /// A `pong` answers its `ping` and all older ones.
    pub(super) fn on_pong(&mut self, nonce: u64) {
        if let Some(at) = self.pings.iter().position(|&(other, _)| other == nonce) {
            let (_, sent_at) = self.pings[at];
            if at > 0 {
                self.note("ping: older ones answered");
            }
            self.pings.drain(..=at);
            self.deadlines.clear(Timer::Pong);
            if !self.pings.is_empty() {
                self.note("ping: later ones go on");
                self.start_pong_deadline();
            }
            return self.measure(nonce, self.now - sent_at);
        }
        let is_it = |frame: &Frame| {
            frame.answered_at.is_none() && frame.ping_nonce(&self.nonces) == Some(nonce)
        };
        if let Some(at) = self.frames.iter().take(self.lent).position(is_it) {
            self.note("early answer: ping");
            self.frames[at].answered_at = Some(self.now);
        }
    }
}
