//! From time to behaviour: what each timer does, and when it is set.

use core::time::Duration;

use super::PeerState;
use super::error::CloseReason;
use super::outbox::Purpose;
use super::timers::Timer;
use crate::wire::{Message, Ping};

/// Bytes of a frame that give it one more second to leave.
const WRITE_RATE: usize = 256 * 1024;

impl PeerState {
    pub(super) fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake => self.close_with(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_with(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_with(CloseReason::IdleTimeout),
            Timer::Pong => self.close_with(CloseReason::PongTimeout),
            Timer::Write => self.close_with(CloseReason::WriteStall),
            Timer::Ping => {
                // One that has not left yet will do.
                if self.pinger.queued().is_none() {
                    self.push_ping();
                }
                self.set_ping_timer();
            }
            Timer::Trickle => self.send_trickle(),
        }
    }

    /// Queues a `ping` and returns its nonce.
    pub(super) fn push_ping(&mut self) -> u64 {
        let nonce = self.random.nonce();
        self.push(&Message::Ping(Ping { nonce }), Purpose::Ping { nonce });
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
    }

    pub(super) fn set_ping_timer(&mut self) {
        if let Some(interval) = self.config.ping_interval {
            self.timers.set(Timer::Ping, self.now + interval);
        }
    }

    /// Gives the frame that leaves now its time.
    pub(super) fn set_write_timer(&mut self) {
        if let (Some(timeout), Some(len)) = (self.config.write_timeout, self.outbox.leaving()) {
            let for_size = Duration::from_secs((len / WRITE_RATE) as u64);
            self.timers.set(Timer::Write, self.now + timeout.saturating_add(for_size));
        }
    }
}
