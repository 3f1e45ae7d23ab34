//! From time to behaviour: what each timer does, and when it is set.

use core::num::NonZeroU64;
use core::time::Duration;

use super::PeerState;
use super::error::CloseReason;
use super::outbox::Purpose;
use super::queue::settle;
use super::timers::Timer;
use crate::wire::{Command, InvVect, Message, Ping};

impl PeerState {
    pub(super) fn fire(&mut self, timer: Timer) {
        trace!(TRACE, self, %timer, "due");
        match timer {
            Timer::Handshake => self.close_with(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_with(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_with(CloseReason::IdleTimeout),
            Timer::Pong => self.close_with(CloseReason::PongTimeout),
            Timer::Write => self.close_with(CloseReason::WriteStall),
            Timer::Shutdown => self.close_with(CloseReason::Local),
            Timer::Ping => {
                self.settle();
                // One that has not left yet will do.
                if self.pinger.queued().is_none() {
                    self.push_ping();
                }
                self.set_ping_timer();
            }
            Timer::Stall => match self.overdue() {
                Some((request, vector)) => {
                    self.close_with(CloseReason::Stall { request, vector });
                }
                // The application held the remote back meanwhile.
                None => self.set_stall_timer(),
            },
            Timer::Trickle => self.send_trickle(),
        }
    }

    /// Gives back what memory quiet queues keep from busier times. Now and then is enough.
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
        self.timers.set(Timer::Trickle, self.now + wait);
    }

    pub(super) fn set_idle_timer(&mut self) {
        if let Some(timeout) = self.config.idle_timeout {
            self.timers.set(Timer::Idle, self.now + timeout);
        }
        self.input.message_at = self.heard();
    }

    /// Bytes of a message that is not complete came.
    pub(super) fn extend_idle_timer(&mut self) {
        if let (Some(idle), Some(slow)) =
            (self.config.idle_timeout, self.config.slow_message_timeout)
        {
            let latest = self.when_heard(self.input.message_at + slow);
            self.timers.extend(Timer::Idle, latest.min(self.now + idle));
        }
    }

    /// Sets the time by which the next answer is due.
    pub(super) fn set_stall_timer(&mut self) {
        match self.requests.as_ref().and_then(|requests| requests.due()) {
            Some(due) => self.timers.set(Timer::Stall, self.when_heard(due)),
            None => self.timers.clear(Timer::Stall),
        }
    }

    /// A request that should have been answered.
    fn overdue(&self) -> Option<(Command, Option<InvVect>)> {
        self.requests.as_ref()?.overdue(self.heard())
    }

    pub(super) fn set_ping_timer(&mut self) {
        if let Some(interval) = self.config.ping_interval {
            self.timers.set(Timer::Ping, self.now + interval);
        }
    }

    /// Gives the frame that leaves now its time.
    pub(super) fn set_write_timer(&mut self) {
        if let (Some(timeout), Some(len)) = (self.config.write_timeout, self.outbox.leaving()) {
            let for_size = Duration::from_secs(len as u64 / u64::from(self.config.write_rate));
            self.timers.set(Timer::Write, self.now + timeout.saturating_add(for_size));
        }
    }
}
