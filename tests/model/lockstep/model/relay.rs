//! Known inventory and announcements (`docs/protocol.md`, 8).

use std::time::Duration;

use excc_peer::wire::{InvType, InvVect, Message};
use excc_peer::{Announced, Chain, Instant, Overflow, Relay, SendErrorKind, Timer};

use super::{Model, Purpose};
use crate::lockstep::common::QUEUED;

/// The size of an `inv` without its vectors, if their count takes three bytes.
const INV_OVERHEAD: usize = 24 + 3 + QUEUED;

/// The bytes of an inventory vector.
const VECTOR_LEN: usize = 36;

/// The result of an announcement, with the receipt as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Sent(u64),
    Other(Announced),
}

/// Inventory that the remote is known to have, the least recently used first.
pub(crate) struct Known {
    pub(crate) capacity: usize,
    pub(crate) lifetime: Duration,
    pub(crate) vectors: Vec<(InvVect, Instant)>,
}

impl Known {
    pub(crate) fn insert(&mut self, vector: InvVect, now: Instant) {
        self.vectors.retain(|&(other, _)| other != vector);
        self.vectors.push((vector, now + self.lifetime));
        if self.vectors.len() > self.capacity {
            self.vectors.remove(0);
        }
    }

    /// A lookup counts as use.
    pub(crate) fn contains(&mut self, vector: &InvVect, now: Instant) -> bool {
        let is_it = |&(other, expiry): &(InvVect, Instant)| other == *vector && now < expiry;
        let Some(at) = self.vectors.iter().position(is_it) else { return false };
        let used = self.vectors.remove(at);
        self.vectors.push(used);
        true
    }
}

impl Model {
    /// Announces something. When it leaves is `drawn` by the peer, unless it is set already.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        vector: InvVect,
        relay: Relay,
        drawn: Option<Instant>,
    ) -> Answer {
        self.set_time(now);
        if !self.is_established() || self.shuts_down_by.is_some() {
            return Answer::Other(Announced::NotReady);
        }
        let protocol = self.protocol();
        let relays = self.remote_version.as_ref().is_some_and(|version| version.relay);
        let is_wanted = match vector.kind() {
            InvType::TX => relays,
            InvType::MIX => relays && protocol.chain == Chain::Decred && protocol.version >= 10,
            _ => true,
        };
        if !is_wanted {
            return Answer::Other(Announced::Unwanted);
        }
        if self.known.contains(&vector, self.now) {
            return Answer::Other(Announced::Known);
        }
        if relay == Relay::Immediate {
            return match self.send(now, &Message::Inv([vector].into())) {
                Ok(id) => {
                    self.known.insert(vector, self.now);
                    Answer::Sent(id)
                }
                Err(SendErrorKind::Closed(_)) => Answer::Other(Announced::NotReady),
                Err(_) => Answer::Other(Announced::Full),
            };
        }
        if self.waiting.contains(&vector) {
            self.note("announced: again");
            return Answer::Other(Announced::Batched);
        }
        if self.waiting.len() >= self.setup.max_waiting_announcements {
            return Answer::Other(Announced::Full);
        }
        self.waiting.push(vector);
        if !self.deadlines.is_set(Timer::Trickle) {
            self.draw_trickle(drawn);
        }
        Answer::Other(Announced::Batched)
    }

    pub(super) fn draw_trickle(&mut self, drawn: Option<Instant>) {
        let (shortest, longest) = (self.setup.trickle.start(), self.setup.trickle.end());
        let range = self.now + *shortest..=self.now + *longest;
        // The end of time is never seen to be set.
        let drawn = drawn.unwrap_or(Instant::MAX);
        assert!(range.contains(&drawn), "{drawn:?} is not in {range:?}");
        self.deadlines.set(Timer::Trickle, drawn);
    }

    pub(crate) fn add_known_inventory(&mut self, now: Instant, vector: InvVect) {
        self.set_time(now);
        self.known.insert(vector, self.now);
    }

    pub(crate) fn is_known_inventory(&mut self, now: Instant, vector: &InvVect) -> bool {
        self.set_time(now);
        self.known.contains(vector, self.now)
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
                self.push(&message, Purpose::Announcements);
            }
            if self.waiting.is_empty() {
                return;
            }
            if most == 0 {
                return self.deadlines.set(Timer::Trickle, self.now + Duration::from_millis(100));
            }
        }
    }

    pub(crate) fn waiting_announcements(&self) -> usize {
        self.waiting.len()
    }
}
