//! The effect of each expired deadline.

use super::PeerState;
use super::error::CloseReason;
use super::keepalive::Keepalive;
use super::timers::{Due, Timer};

impl PeerState {
    pub(super) fn on_timeout(&mut self) {
        while let Some(due) = self.timers.take_due() {
            match due {
                Due::Expired(timer) => self.on_expired(timer),
                Due::Grace(Timer::Stall, until) => self.requests.on_grace(until),
                Due::Grace(..) => {}
            }
        }
        self.finish_shutdown();
    }

    fn on_expired(&mut self, timer: Timer) {
        trace!(TRACE, self, Due { timer });
        match timer {
            Timer::Handshake => self.close_with(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_with(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_with(CloseReason::IdleTimeout),
            Timer::Pong => self.close_with(CloseReason::PongTimeout),
            Timer::Write => self.close_with(CloseReason::WriteStall),
            Timer::Shutdown if self.closed.is_some() => self.end_last_try(),
            Timer::Shutdown => self.close_with(CloseReason::Local),
            Timer::Trickle => self.send_batch(),
            Timer::Ping => {
                // Pings are regular and rare, so that memory of busier times is freed here.
                self.shrink_if_idle();
                self.enqueue_ping();
                Keepalive::schedule_ping(&mut self.timers, &self.config);
            }
            Timer::Stall => {
                if let Some(reason) = self.requests.check_overdue(&mut self.timers) {
                    self.close_with(reason);
                }
            }
        }
    }

    fn shrink_if_idle(&mut self) {
        self.events.shrink_if_idle();
        self.outbox.shrink_if_idle();
        self.owed_pongs.shrink_if_idle();
        self.relayer.shrink_if_idle();
    }
}
