//! A peer and the progress of its end.

use alloc::sync::Arc;
use core::time::Duration;
use std::io;

use super::waiters::{Waiters, Woken};
use super::watch::{DriverWatch, takes_input};
use crate::peer::{CloseReason, Event, PeerState};
use crate::time::Instant;
use crate::wire::InputBuffer;

/// Time in which a driver may flush its stream after the remote has ended it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Size of a read whose bytes are discarded, while a driver lingers.
pub(super) const DISCARD_SIZE: usize = 4 * 1024;

pub(super) struct State {
    pub(super) peer: PeerState,
    pub(super) io_error: Option<Arc<io::Error>>,
    pub(super) watch: DriverWatch,
    pub(super) waiters: Waiters,
    driver: DriverPhase,
    /// Time until which the driver may flush the stream, once the remote has ended it.
    flush_until: Option<Instant>,
}

/// The threads or the task of the driver.
enum DriverPhase {
    /// `parts` threads or tasks run. The last one leaves 0 while it drops the stream.
    Running { parts: usize },
    /// No thread or task uses the stream, and it is dropped.
    Ended,
}

/// The effect of a change on the driver.
pub(super) enum DriverSignal {
    /// The peer is open, or its driver has ended.
    Changed { wake_writer: bool, wake_reader: bool },
    /// The peer is closed, and the driver still needs the stream.
    Closed,
    /// The peer is closed, and the driver no longer needs the stream.
    Finished,
}

/// An event, and its effect.
pub(super) struct TakenEvent {
    pub(super) event: Event,
    /// Whether the back-pressure ended when the event was taken.
    pub(super) resumes_input: bool,
}

impl State {
    pub(super) fn new(peer: PeerState) -> Self {
        Self {
            peer,
            io_error: None,
            watch: DriverWatch::AWAKE,
            waiters: Waiters::new(),
            driver: DriverPhase::Running { parts: 0 },
            flush_until: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.peer.close_reason().is_some()
    }

    /// Returns whether the peer is closed and its last try to write is over
    /// (`docs/protocol.md`, 12.2).
    pub(super) fn is_finished(&self) -> bool {
        self.is_closed() && !self.peer.wants_write()
    }

    /// Returns the reason of the end, once the driver has ended as well.
    pub(super) fn end_reason(&self) -> Option<&CloseReason> {
        match self.driver {
            DriverPhase::Running { .. } => None,
            DriverPhase::Ended => self.peer.close_reason(),
        }
    }

    pub(super) fn on_part_started(&mut self) {
        if let DriverPhase::Running { parts } = &mut self.driver {
            *parts += 1;
        }
    }

    pub(super) fn on_part_ended(&mut self) {
        if let DriverPhase::Running { parts } = &mut self.driver {
            *parts -= 1;
        }
    }

    pub(super) fn on_driver_ended(&mut self) {
        self.driver = DriverPhase::Ended;
    }

    /// Returns the number of threads and tasks of the driver that have not ended.
    pub(super) fn running_parts(&self) -> usize {
        match self.driver {
            DriverPhase::Running { parts } => parts,
            DriverPhase::Ended => 0,
        }
    }

    /// Hands received bytes to the peer. The event that closes the peer reports an error.
    pub(super) fn handle_input(&mut self, now: Instant, buffer: &mut InputBuffer) {
        let _ = self.peer.handle_input(now, buffer);
    }

    pub(super) fn lose_connection(&mut self, now: Instant, error: io::Error) {
        if !self.is_closed() {
            self.io_error = Some(Arc::new(error));
        }
        self.peer.handle_connection_lost(now);
    }

    /// Returns the time until which the driver keeps the stream of a closed peer, if that is
    /// still to come (`docs/protocol.md`, 12.4).
    pub(super) fn lingers_until(&self, now: Instant) -> Option<Instant> {
        self.linger_until().filter(|&until| now < until)
    }

    pub(super) fn linger_until(&self) -> Option<Instant> {
        self.peer.linger_until().or(self.flush_until)
    }

    /// Starts the flush timeout once the remote has ended the stream. The peer does not linger
    /// then, because only the driver knows that a stream buffers its output.
    pub(super) fn start_flush_timeout(&mut self, now: Instant) {
        let is_by_eof = self.peer.close_reason() == Some(&CloseReason::RemoteClosed);
        if is_by_eof && self.flush_until.is_none() {
            self.flush_until = Some(now + FLUSH_TIMEOUT);
        }
    }

    /// Discards the events if their receiver was dropped.
    pub(super) fn discard_events(&mut self) {
        if self.waiters.are_events_dropped() {
            while self.peer.poll_event().is_some() {}
        }
    }

    pub(super) fn next_event(&mut self) -> Option<TakenEvent> {
        let was_full = !takes_input(&self.peer);
        let event = self.peer.poll_event()?;
        Some(TakenEvent { event, resumes_input: was_full && takes_input(&self.peer) })
    }

    /// Closes the peer, because its events were dropped. A shutdown in progress is completed.
    pub(super) fn close_unless_shutting_down(&mut self, now: Instant) {
        if !self.is_closed() && !self.peer.is_shutting_down() {
            self.peer.close(now);
        }
    }

    /// Returns the effect of a change on the driver, and records the wake-ups.
    pub(super) fn driver_signal(&mut self, now: Instant) -> DriverSignal {
        let is_driven = matches!(self.driver, DriverPhase::Running { .. });
        if self.is_closed() && is_driven {
            let needs_stream = !self.is_finished() || self.lingers_until(now).is_some();
            return if needs_stream { DriverSignal::Closed } else { DriverSignal::Finished };
        }
        DriverSignal::Changed {
            wake_writer: self.watch.must_wake_writer(&self.peer),
            wake_reader: self.watch.must_wake_reader(&self.peer),
        }
    }

    /// Takes the threads and tasks of the application that a change concerns.
    pub(super) fn take_woken(&mut self) -> Woken {
        if self.end_reason().is_some() {
            self.waiters.take_for_end()
        } else if self.peer.has_events() || self.is_finished() {
            self.waiters.take_for_events()
        } else {
            Woken::NONE
        }
    }
}
