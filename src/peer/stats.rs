//! What a peer has done so far.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::PeerState;
use super::event::Direction;
use crate::time::Instant;
use crate::wire::{Command, Services};

/// A snapshot of a peer, from [`stats`](crate::PeerState::stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The remote's address, as in [`remote_address`](crate::PeerState::remote_address).
    pub remote_address: SocketAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// When the peer was constructed.
    pub connected_at: Instant,
    /// What the remote offers; none until its `version`.
    pub services: Option<Services>,
    /// The remote's software; none until its `version`.
    pub user_agent: Option<String>,
    /// The highest protocol version the remote speaks; none until its `version`. A
    /// negative one wraps, as in the reference nodes.
    pub advertised_version: Option<u32>,
    /// The protocol version in force; none until the remote's `version`.
    pub negotiated_version: Option<u32>,
    /// The height of the remote's best block in its `version`, which may be negative;
    /// none until then.
    pub start_height: Option<i32>,
    /// The highest block that the remote claims to have, as in
    /// [`last_block`](crate::PeerState::last_block).
    pub last_block: Option<i64>,
    /// The remote's clock less ours, in seconds; none until its `version`.
    pub time_offset: Option<i64>,
    /// Whether the remote wants transactions announced; none until its `version`.
    pub relay: Option<bool>,
    /// Whether the remote asked for blocks to be announced by `headers`.
    pub wants_headers: bool,
    /// The least fee rate of the remote's latest `feefilter`.
    pub fee_filter: Option<i64>,
    /// When the last byte of a frame was last sent.
    pub last_send: Option<Instant>,
    /// When a message last came.
    pub last_receive: Option<Instant>,
    /// Bytes that left, of unfinished frames too.
    pub bytes_sent: u64,
    /// Bytes of frames taken from the input.
    pub bytes_received: u64,
    /// The nonce of the latest `ping` of ours that was sent and is not answered.
    pub outstanding_ping: Option<u64>,
    /// When our latest `ping` was sent.
    pub last_ping: Option<Instant>,
    /// The latest round-trip time.
    pub round_trip: Option<Duration>,
    /// Frames queued, one that is leaving included.
    pub queued_frames: usize,
    /// Bytes of application messages and announcements in those frames, and 128 for each of
    /// them: what [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) bounds.
    pub queued_bytes: usize,
    /// Announcements that wait for the next trickle.
    pub waiting_announcements: usize,
    /// Events that wait for [`poll_event`](crate::PeerState::poll_event).
    pub waiting_events: usize,
    /// Vectors asked for by `getdata` and not answered: what
    /// [`max_requested`](crate::ConfigBuilder::max_requested) bounds.
    pub requested: usize,
    /// Inventory vectors the remote is known to have.
    pub known_inventory: usize,
    /// Traffic by command, of those commands that there was any of.
    pub commands: Vec<CommandStats>,
}

/// The traffic of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandStats {
    /// The command.
    pub command: Command,
    /// What came.
    pub received: Traffic,
    /// What was sent completely.
    pub sent: Traffic,
    /// Received messages that exceeded the [budget](crate::ConfigBuilder::budget).
    pub over_budget: u32,
}

/// Messages and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// How many messages.
    pub messages: u64,
    /// How many bytes, headers included.
    pub bytes: u64,
}

impl Traffic {
    fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// What is counted as it happens.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) last_send: Option<Instant>,
    pub(super) last_receive: Option<Instant>,
    /// Sorted by command. Few commands occur on one connection, so that this is smaller
    /// than an array of them all.
    commands: Vec<CommandStats>,
}

impl Counters {
    pub(super) fn sent(&mut self, command: Command, bytes: usize, now: Instant) {
        self.last_send = Some(now);
        self.of(command).sent.count(bytes);
    }

    pub(super) fn received(&mut self, command: Command, bytes: usize, now: Instant) {
        self.last_receive = Some(now);
        self.of(command).received.count(bytes);
    }

    pub(super) fn over_budget(&mut self, command: Command) {
        let count = &mut self.of(command).over_budget;
        *count = count.saturating_add(1);
    }

    pub(super) fn commands(&self) -> &[CommandStats] {
        &self.commands
    }

    fn of(&mut self, command: Command) -> &mut CommandStats {
        let place = match self.commands.binary_search_by_key(&command, |stats| stats.command) {
            Ok(place) => place,
            Err(place) => {
                let (received, sent) = Default::default();
                let stats = CommandStats { command, received, sent, over_budget: 0 };
                self.commands.insert(place, stats);
                place
            }
        };
        &mut self.commands[place]
    }
}

impl PeerState {
    pub(super) fn snapshot(&self) -> Stats {
        let remote = self.remote.as_ref();
        let version = remote.map(|remote| &*remote.version);
        Stats {
            remote_address: self.remote_address,
            direction: self.direction(),
            connected_at: self.started_at,
            services: version.map(|version| version.services),
            user_agent: version.map(|version| version.user_agent.clone()),
            advertised_version: version.map(|version| version.protocol_version.cast_unsigned()),
            negotiated_version: version.map(|_| self.protocol_version()),
            start_height: version.map(|version| version.start_height),
            last_block: self.last_block(),
            time_offset: remote.map(|remote| remote.time_offset),
            relay: version.map(|version| version.relay),
            wants_headers: self.wants_headers(),
            fee_filter: self.fee_filter(),
            last_send: self.counters.last_send,
            last_receive: self.counters.last_receive,
            bytes_sent: self.counters.bytes_sent,
            bytes_received: self.counters.bytes_received,
            outstanding_ping: self.keepalive.outstanding_ping(),
            last_ping: self.keepalive.last_ping(),
            round_trip: self.keepalive.round_trip(),
            queued_frames: self.queued_frames(),
            queued_bytes: self.outbox.counted_bytes(),
            waiting_announcements: self.relayer.batched(),
            waiting_events: self.events.len(),
            requested: self.requests.vectors(),
            known_inventory: self.relayer.known_len(),
            commands: self.counters.commands().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_counted_by_command_and_direction() {
        let mut counters = Counters::default();
        counters.sent(Command::Ping, 32, Instant::from_secs(1));
        counters.received(Command::Pong, 32, Instant::from_secs(2));
        counters.sent(Command::Ping, 32, Instant::from_secs(3));
        counters.sent(Command::Inv, 61, Instant::from_secs(4));
        let none = Traffic::default();
        let expected = [
            (Command::Inv, none, Traffic { messages: 1, bytes: 61 }),
            (Command::Ping, none, Traffic { messages: 2, bytes: 64 }),
            (Command::Pong, Traffic { messages: 1, bytes: 32 }, none),
        ]
        .map(|(command, received, sent)| CommandStats {
            command,
            received,
            sent,
            over_budget: 0,
        });
        assert_eq!(counters.commands(), expected);
        assert_eq!(counters.last_send, Some(Instant::from_secs(4)));
        assert_eq!(counters.last_receive, Some(Instant::from_secs(2)));
    }
}
