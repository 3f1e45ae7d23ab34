//! Events for `tracing`. Without the feature `tracing`, all items of this file are empty.

use super::PeerState;

/// Records an event of a peer: `trace!(TRACE, self, Sent { command, bytes })`.
#[cfg(feature = "tracing")]
macro_rules! trace {
    ($level:ident, $peer:expr, $($record:tt)+) => {
        if $peer.traces_at(tracing::Level::$level) {
            let record = $crate::peer::trace::Record::$($record)+;
            $peer.trace(record)
        }
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! trace {
    ($level:ident, $peer:expr, $($record:tt)+) => {};
}

/// Recorded events that are not emitted yet.
///
/// A subscriber is foreign code, and may call the handle of the same peer. An adapter that locks
/// the peer must therefore defer events, and emit them after unlocking. Otherwise it deadlocks.
#[derive(Default)]
#[must_use]
pub(crate) struct Traces {
    #[cfg(feature = "tracing")]
    records: alloc::vec::Vec<(tracing_events::Label, Record)>,
}

#[cfg_attr(not(feature = "std"), expect(dead_code, reason = "for the adapters"))]
impl Traces {
    pub(crate) fn emit(self) {
        #[cfg(feature = "tracing")]
        for (label, record) in self.records {
            record.emit(label);
        }
    }
}

#[cfg_attr(not(feature = "std"), expect(dead_code, reason = "for the adapters"))]
impl PeerState {
    /// Defers all further events until they are taken.
    pub(crate) fn defer_traces(&mut self) {
        #[cfg(feature = "tracing")]
        self.traces.get_or_insert_default();
    }

    /// Takes the deferred events.
    pub(crate) fn take_traces(&mut self) -> Traces {
        #[cfg(feature = "tracing")]
        if let Some(traces) = &mut self.traces {
            return core::mem::take(&mut **traces);
        }
        Traces::default()
    }
}

#[cfg(feature = "tracing")]
pub(super) use tracing_events::Record;

#[cfg(feature = "tracing")]
mod tracing_events {
    use alloc::sync::Arc;
    use core::net::SocketAddr;

    use tracing::{Level, event, level_filters::LevelFilter};

    use crate::peer::error::CloseReason;
    use crate::peer::event::Direction;
    use crate::peer::{PeerState, Timer};
    use crate::wire::{Command, Version};

    /// Identifies the peer of an event, as in `127.0.0.1:9666 (outbound)`.
    pub(crate) type Label = (SocketAddr, Direction);

    pub(crate) enum Record {
        Received { command: Command, bytes: usize },
        Sent { command: Command, bytes: usize },
        Due { timer: Timer },
        BackPressure { events: usize },
        VersionReceived { version: Arc<Version> },
        Established { version: u32 },
        Closed { reason: CloseReason, violation: bool, frames: usize },
    }

    impl Record {
        pub(super) fn emit(self, (remote, direction): Label) {
            macro_rules! emit {
                ($level:ident, $($fields:tt)+) => {
                    event!(
                        target: "excc_peer",
                        Level::$level,
                        peer = %format_args!("{remote} ({direction})"),
                        $($fields)+
                    )
                };
            }
            match self {
                Self::Received { command, bytes } => {
                    emit!(TRACE, %command, bytes, "received");
                }
                Self::Sent { command, bytes } => emit!(TRACE, %command, bytes, "sent"),
                Self::Due { timer } => emit!(TRACE, %timer, "due"),
                Self::BackPressure { events } => emit!(TRACE, events, "back-pressure"),
                Self::VersionReceived { version } => emit!(
                    DEBUG,
                    version = version.protocol_version,
                    services = %version.services,
                    // Quoted, so that a user agent cannot imitate other fields of the line.
                    user_agent = ?version.user_agent,
                    height = version.start_height,
                    "version received"
                ),
                Self::Established { version } => emit!(DEBUG, version, "established"),
                Self::Closed { reason, violation, frames } => {
                    emit!(DEBUG, %reason, violation, frames, "closed");
                }
            }
        }
    }

    impl PeerState {
        /// Returns whether a subscriber may accept events of `level`. Calls no subscriber.
        pub(crate) fn traces_at(&self, level: Level) -> bool {
            level <= LevelFilter::current()
        }

        pub(crate) fn trace(&mut self, record: Record) {
            let label = (self.remote_address, self.direction());
            match &mut self.traces {
                Some(traces) => traces.records.push((label, record)),
                None => record.emit(label),
            }
        }
    }
}
