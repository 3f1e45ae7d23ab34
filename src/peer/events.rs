//! Events that the application has not taken yet.

use alloc::collections::VecDeque;

use super::PeerState;
use super::config::Config;
use super::event::Event;
use super::shrink::{push_back, shrink_if_idle, shrink_if_oversized};
use crate::time::Instant;

/// A queue of events. Once it is full, the peer stops reading: back-pressure.
#[derive(Default)]
pub(super) struct EventQueue {
    /// Each event, with the number of bytes in the frame of its message.
    events: VecDeque<(Event, usize)>,
    /// Sum of these bytes.
    bytes: usize,
}

impl EventQueue {
    pub(super) fn push(&mut self, event: Event, bytes: usize) {
        self.bytes += bytes;
        push_back(&mut self.events, (event, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let (event, bytes) = self.events.pop_front()?;
        self.bytes -= bytes;
        shrink_if_oversized(&mut self.events);
        Some(event)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns whether a limit is reached. An empty queue takes one message of any size, so that
    /// a small limit cannot block a peer forever (`docs/protocol.md`, 11.4).
    pub(super) fn is_full(&self, config: &Config) -> bool {
        self.events.len() >= config.max_waiting_events
            || (self.bytes >= config.max_waiting_event_bytes && self.bytes > 0)
    }

    pub(super) fn shrink_if_idle(&mut self) {
        shrink_if_idle(&mut self.events);
    }
}

/// # Back-pressure
impl PeerState {
    /// Advances the clock for an input or a command.
    pub(super) fn advance_to(&mut self, now: Instant) {
        // Events are taken without the time. The remote's clock may have been stopped for some of
        // the time up to now, so that none of it counts.
        self.timers.advance_to(now);
        self.on_back_pressure();
    }

    /// Emits an event about a frame of `bytes` bytes.
    pub(super) fn emit(&mut self, event: Event, bytes: usize) {
        self.events.push(event, bytes);
        self.on_back_pressure();
    }

    /// Returns whether the application keeps the peer from reading.
    pub(super) fn is_backpressured(&self) -> bool {
        self.handshake.is_under_review() || self.events.is_full(&self.config)
    }

    /// Stops the remote's clock during back-pressure.
    pub(super) fn on_back_pressure(&mut self) {
        if self.is_backpressured() && self.timers.stop_remote_clock() {
            trace!(TRACE, self, BackPressure { events: self.events.len() });
        }
    }
}
