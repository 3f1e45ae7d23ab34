//! From time to behaviour: what each timer does, and when it is set.

use core::num::NonZeroU64;

use super::PeerState;
use super::error::CloseReason;
use super::outbox::Purpose;
use super::queue::settle;
use super::timers::{Timer, worth};
use crate::time::Instant;
use crate::wire::{Command, InvVect, Message, Ping};

impl PeerState {
    pub(super) fn fire(&mut self, timer: Timer) {
        trace!(TRACE, self, Due { timer });
        match timer {
            Timer::Handshake => self.close_with(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_with(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_with(CloseReason::IdleTimeout),
            Timer::Pong => self.close_with(CloseReason::PongTimeout),
            Timer::Write => self.close_with(CloseReason::WriteStall),
            Timer::Shutdown if self.closed.is_some() => self.end_last_try(),
            Timer::Shutdown => self.close_with(CloseReason::Local),
            Timer::Ping => {
                self.settle();
                // One that was not sent yet serves as well.
                if self.pinger.queued().is_none() {
                    self.push_ping();
                }
                self.set_ping_timer();
            }
            Timer::Stall => match self.overdue() {
                Some((request, vector)) => {
                    self.close_with(CloseReason::Stall { request, vector });
                }
                None => self.set_stall_timer(),
            },
            Timer::Trickle => self.send_trickle(),
        }
    }

    /// Gives back memory that queues keep from busier times. Once in a while is enough.
    fn settle(&mut self) {
        settle(&mut self.events);
        self.outbox.settle();
        self.trickle.settle();
    }

    /// Queues a `ping` and returns its nonce.
    pub(super) fn push_ping(&mut self) -> NonZeroU64 {
        let nonce = self.random.nonce();
        self.push(&Message::Ping(Ping { nonce: nonce.get() }), Purpose::Ping);
        self.pinger.set_queued(nonce);
        nonce
    }

    pub(super) fn set_trickle_timer(&mut self) {
        let wait = self.config.trickle.draw(&mut self.random);
        self.timers.set_after(Timer::Trickle, self.now, wait);
    }

    pub(super) fn set_idle_timer(&mut self) {
        if let Some(timeout) = self.config.idle_timeout {
            self.timers.set_after(Timer::Idle, self.now, timeout);
        }
    }

    /// Bytes of the remote's came, which put off the deadlines of what it owes.
    pub(super) fn on_progress(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let by = worth(bytes, self.config.read_rate);
        let timeouts = [
            (Timer::VerAck, self.config.verack_timeout),
            (Timer::Idle, self.config.idle_timeout),
            (Timer::Pong, self.config.pong_timeout),
        ];
        for (timer, timeout) in timeouts {
            self.timers.put_off(timer, by, self.now, timeout);
        }
        if self.timers.is_set(Timer::Stall)
            && let Some(requests) = &mut self.requests
        {
            requests.put_off(by, self.timers.remote_clock(self.now), &self.config);
            self.set_stall_timer();
        }
    }

    /// Sets the time by which the next answer is due.
    pub(super) fn set_stall_timer(&mut self) {
        match self.requests.as_ref().and_then(|requests| requests.due()) {
            Some(due) => self.timers.move_to(Timer::Stall, due),
            None => self.timers.clear(Timer::Stall),
        }
    }

    /// A deadline has passed once, and the remote gets until `again`, on its clock.
    pub(super) fn grant(&mut self, timer: Timer, again: Instant) {
        if let (Timer::Stall, Some(requests)) = (timer, &mut self.requests) {
            requests.grant(again);
        }
    }

    /// A request that should have been answered.
    fn overdue(&self) -> Option<(Command, Option<InvVect>)> {
        self.requests.as_ref()?.overdue(self.timers.remote_clock(self.now))
    }

    pub(super) fn set_ping_timer(&mut self) {
        if let Some(interval) = self.config.ping_interval {
            self.timers.set_after(Timer::Ping, self.now, interval);
        }
    }
}
