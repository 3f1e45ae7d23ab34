//! Timers of the reference.

use std::time::Duration;

use excc_peer::wire::Message;
use excc_peer::{CloseReason, Instant, Overflow, Timer};

use super::Reference;
use crate::common::QUEUED;
use crate::parts::{Follows, Judged};

/// The size of an `inv` without its vectors, if their count takes three bytes.
const INV_OVERHEAD: usize = 24 + 3 + QUEUED;

/// The bytes of an inventory vector.
const VECTOR_LEN: usize = 36;

impl Reference {
    /// Returns the timers that went off, and those that were spared the first time. Of several
    /// overdue answers, `named` is the one that the peer names.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        named: Option<&CloseReason>,
    ) -> [Vec<Timer>; 2] {
        self.set_time(now);
        let (mut went_off, mut spared) = (Vec::new(), Vec::new());
        while let Some(judged) = self.deadlines.judge(self.now) {
            match judged {
                Judged::WentOff(timer) => {
                    went_off.push(timer);
                    self.go_off(timer, named);
                }
                Judged::Spared(timer, at) => {
                    spared.push(timer);
                    if timer == Timer::Stall {
                        self.dues.iter_mut().for_each(|(_, due)| *due = at.max(*due));
                    }
                }
            }
        }
        self.close_if_all_was_sent();
        [went_off, spared]
    }

    fn go_off(&mut self, timer: Timer, named: Option<&CloseReason>) {
        match timer {
            Timer::Handshake => self.close_for(CloseReason::HandshakeTimeout),
            Timer::VerAck => self.close_for(CloseReason::VerAckTimeout),
            Timer::Idle => self.close_for(CloseReason::IdleTimeout),
            Timer::Pong => self.close_for(CloseReason::PongTimeout),
            Timer::Write => self.close_for(CloseReason::WriteStall),
            Timer::Stall => self.on_stall(named),
            Timer::Trickle => self.announce_waiting(),
            Timer::Ping => {
                self.push_ping();
                self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
            }
            Timer::Shutdown => {
                self.end_try("last try: not used");
                self.close_for(CloseReason::Local);
            }
            other => panic!("a timer that the model does not have: {other}"),
        }
    }

    fn on_stall(&mut self, named: Option<&CloseReason>) {
        let clock = self.remote_clock();
        let is_due = |request| self.dues.iter().any(|&(other, at)| other == request && at <= clock);
        let mut reasons: Vec<_> = self
            .asked
            .iter()
            .filter(|asked| asked.has_left && is_due(asked.request))
            .map(|asked| CloseReason::Stall { request: asked.request, vector: asked.vector() })
            .collect();
        let at = reasons.iter().position(|reason| Some(reason) == named);
        self.close_for(reasons.swap_remove(at.unwrap_or(0)));
    }

    pub(super) fn wall_clock(&self) -> i64 {
        // The last second that Decred's nodes can represent.
        let last = i64::MAX - 62_135_596_800;
        let seconds =
            self.setup.unix_time.as_secs().saturating_add((self.now - self.started).as_secs());
        i64::try_from(seconds).map_or(last, |seconds| seconds.min(last))
    }

    /// Queues the waiting announcements in as few messages as the limits allow.
    pub(super) fn announce_waiting(&mut self) {
        loop {
            let room = self.setup.max_queued_bytes.saturating_sub(self.queued_bytes());
            let most = match self.setup.overflow {
                Overflow::Close => self.setup.inv_batch,
                _ => (room.saturating_sub(INV_OVERHEAD) / VECTOR_LEN).min(self.setup.inv_batch),
            };
            let mut batch = Vec::new();
            while batch.len() < most && !self.waiting.is_empty() {
                let vector = self.waiting.remove(0);
                if !self.known.contains(&vector, self.now) {
                    self.known.insert(vector, self.now);
                    batch.push(vector);
                }
            }
            if !batch.is_empty() {
                let message = Message::Inv(batch.into());
                if self.make_room(self.encode(&message).len()).is_err() {
                    return;
                }
                self.push(&message, Follows::Announcements);
            }
            if self.waiting.is_empty() {
                return;
            }
            if most == 0 {
                return self.deadlines.set(Timer::Trickle, self.now + Duration::from_millis(100));
            }
        }
    }
}
