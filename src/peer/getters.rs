//! What a peer tells of itself.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

use super::PeerState;
use super::config::Config;
use super::error::CloseReason;
use super::event::Direction;
use super::handshake::Phase;
use super::stats::Stats;
use super::timers::Timer;
use crate::time::Instant;
use crate::wire::{Services, Version};

/// # Getters
impl PeerState {
    /// The earliest deadline and what it is for.
    pub fn next_deadline(&self) -> Option<(Timer, Instant)> {
        self.timers.next()
    }

    /// Every deadline that is set, and what it is for.
    pub fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        self.timers.iter()
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The address of the remote, as given at construction. An IPv4-mapped IPv6 address is
    /// returned as IPv4.
    pub const fn remote_address(&self) -> SocketAddr {
        self.remote
    }

    /// Who opened the connection.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The remote's `version`, once it came.
    pub fn remote_version(&self) -> Option<&Arc<Version>> {
        self.remote_version.as_ref()
    }

    /// The protocol version in force: our highest until one is negotiated.
    pub const fn protocol_version(&self) -> u32 {
        self.decoder.protocol().version
    }

    /// Whether the handshake is done and the peer is not closed.
    pub fn is_established(&self) -> bool {
        self.closed.is_none() && self.handshake.phase() == Phase::Established
    }

    /// Whether a [`shutdown`](Self::shutdown) is under way.
    pub fn is_shutting_down(&self) -> bool {
        self.closed.is_none() && self.timers.is_set(Timer::Shutdown)
    }

    /// Whether the remote's `verack` came.
    pub const fn verack_received(&self) -> bool {
        self.handshake.has_verack()
    }

    /// Whether the remote asked for blocks to be announced by `headers`.
    pub const fn wants_headers(&self) -> bool {
        self.wants_headers
    }

    /// The least fee rate of the remote's latest `feefilter`, by convention in atoms per
    /// kilobyte.
    pub const fn fee_filter(&self) -> Option<i64> {
        self.fee_filter
    }

    /// The height of the highest block that the remote claims to have: that of its `version`, or
    /// 0 where that is negative, raised by the headers and blocks that it sends, announcements
    /// by `headers` included, and by [`update_last_block`](Self::update_last_block). An `inv`
    /// names no heights. No claim is verified.
    pub fn last_block(&self) -> Option<i64> {
        self.remote_version.as_ref().map(|_| self.last_block)
    }

    /// Whether [`poll_event`](Self::poll_event) would give an event.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
            || self.closed.as_ref().is_some_and(|end| !end.is_trying() && !end.is_closed_emitted)
    }

    /// Why the peer is closed, once it is.
    pub const fn close_reason(&self) -> Option<&CloseReason> {
        match &self.closed {
            Some(end) => Some(&end.reason),
            None => None,
        }
    }

    /// Until when the remote may take to receive the last bytes: the end of the time of a
    /// [`shutdown`](Self::shutdown) with everything sent, or 1 s after fatal input.
    ///
    /// Sent bytes may still lie in the buffers of the operating system, and some systems drop
    /// them when a socket is closed that has unread input. So end the stream in the
    /// direction of the remote only, read and discard its bytes until it ends its own direction,
    /// and close the socket then or at this time.
    pub fn linger_until(&self) -> Option<Instant> {
        self.closed.as_ref()?.linger_until
    }

    /// A snapshot of what the peer has done so far.
    pub fn stats(&self) -> Stats {
        let version = self.remote_version.as_deref();
        Stats {
            remote_address: self.remote,
            direction: self.direction,
            connected_at: self.started,
            services: version.map(|version| version.services),
            user_agent: version.map(|version| version.user_agent.clone()),
            advertised_version: version.map(|version| version.protocol_version.cast_unsigned()),
            negotiated_version: version.map(|_| self.protocol_version()),
            start_height: version.map(|version| version.start_height),
            last_block: self.last_block(),
            time_offset: version.map(|_| self.time_offset),
            relay: version.map(|version| version.relay),
            wants_headers: self.wants_headers,
            fee_filter: self.fee_filter,
            last_send: self.counters.last_send,
            last_receive: self.counters.last_receive,
            bytes_sent: self.counters.bytes_sent,
            bytes_received: self.counters.bytes_received,
            outstanding_ping: self.pinger.outstanding(),
            last_ping: self.pinger.last(),
            round_trip: self.pinger.round_trip(),
            queued_frames: self.outbox.frames(),
            queued_bytes: self.outbox.limited(),
            waiting_announcements: self.trickle.len(),
            waiting_events: self.events.len(),
            requested: self.requested(),
            known_inventory: self.known.len(),
            commands: self.counters.commands().to_vec(),
        }
    }

    /// What the remote offers; nothing until its `version`.
    pub(super) fn remote_services(&self) -> Services {
        self.remote_version.as_ref().map_or(Services::empty(), |version| version.services)
    }
}

/// As in `127.0.0.1:9666 (outbound)`.
impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.remote, self.direction)
    }
}

impl fmt::Debug for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerState")
            .field("remote", &self.remote)
            .field("direction", &self.direction)
            .field("phase", &self.handshake.phase())
            .field("protocol", &self.decoder.protocol())
            .field("next_deadline", &self.next_deadline())
            .field("closed", &self.close_reason())
            .finish_non_exhaustive()
    }
}
