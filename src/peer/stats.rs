//! Statistics of a peer.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::PeerState;
use super::event::Direction;
use crate::time::Instant;
use crate::wire::{Command, Services};

/// A snapshot of a peer's state and traffic, from [`stats`](crate::PeerState::stats).
///
/// All fields that the remote's `version` sets are `None` before it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The remote's address, as in [`remote_address`](crate::PeerState::remote_address).
    pub remote_address: SocketAddr,
    /// The direction in which the connection was opened.
    pub direction: Direction,
    /// The time of the peer's construction.
    pub connected_at: Instant,
    /// The services that the remote's `version` advertised.
    pub services: Option<Services>,
    /// The user agent of the remote's `version`.
    pub user_agent: Option<String>,
    /// The protocol version of the remote's `version`. A negative number wraps, as in the
    /// reference nodes.
    pub advertised_version: Option<u32>,
    /// The protocol version in use, from the receipt of the remote's `version` on.
    pub negotiated_version: Option<u32>,
    /// The height of the remote's best block, as its `version` advertised it. It can be negative.
    pub start_height: Option<i32>,
    /// The height of the highest block that the remote claims to have, as in
    /// [`last_block`](crate::PeerState::last_block).
    pub last_block: Option<i64>,
    /// The remote's clock minus ours in seconds, at the receipt of its `version`.
    pub time_offset: Option<i64>,
    /// The relay flag of the remote's `version`: whether we may announce transactions.
    pub relay: Option<bool>,
    /// Whether the remote requested block announcements by `headers`, with `sendheaders`.
    pub wants_headers: bool,
    /// The minimum fee rate of the remote's latest `feefilter`, by convention in atoms per kilobyte.
    pub fee_filter: Option<i64>,
    /// The time at which the latest frame was completely sent.
    pub last_send: Option<Instant>,
    /// The time at which the latest message was received.
    pub last_receive: Option<Instant>,
    /// The number of bytes sent, with those of a partly sent frame.
    pub bytes_sent: u64,
    /// The number of bytes received, as far as they were taken from the input.
    pub bytes_received: u64,
    /// The nonce of our latest `ping` that was sent and is not answered.
    pub outstanding_ping: Option<u64>,
    /// The time at which our latest `ping` was sent.
    pub last_ping: Option<Instant>,
    /// The latest round-trip time.
    pub round_trip: Option<Duration>,
    /// The number of queued frames, with a partly sent one and waiting pongs.
    pub queued_frames: usize,
    /// The size of the output queue in bytes, as
    /// [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) limits it: messages of the
    /// application and announcements, and 128 bytes for each.
    pub queued_bytes: usize,
    /// The number of announcements that wait for the next batch.
    pub waiting_announcements: usize,
    /// The number of events that wait for [`poll_event`](crate::PeerState::poll_event).
    pub waiting_events: usize,
    /// The number of vectors that are requested by `getdata` and not answered, as
    /// [`max_requested`](crate::ConfigBuilder::max_requested) limits it.
    pub requested: usize,
    /// The number of inventory vectors that are recorded as known to the remote. Expired ones
    /// count until they are replaced.
    pub known_inventory: usize,
    /// The traffic of each command that was sent or received.
    pub commands: Vec<CommandStats>,
}

/// The traffic of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandStats {
    /// The command.
    pub command: Command,
    /// Received messages.
    pub received: Traffic,
    /// Completely sent messages.
    pub sent: Traffic,
    /// The number of received messages that exceeded the
    /// [budget](crate::ConfigBuilder::budget). Saturates.
    pub over_budget: u32,
}

/// A number of messages, and of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// The number of messages.
    pub messages: u64,
    /// The number of bytes, with headers.
    pub bytes: u64,
}

impl Traffic {
    fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// Counters of traffic.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) last_send: Option<Instant>,
    pub(super) last_receive: Option<Instant>,
    /// Sorted by command. A connection uses few commands, so a list takes less memory than an
    /// array of all commands.
    commands: Vec<CommandStats>,
}

impl Counters {
    pub(super) fn sent(&mut self, command: Command, bytes: usize, now: Instant) {
        self.last_send = Some(now);
        self.entry(command).sent.count(bytes);
    }

    pub(super) fn received(&mut self, command: Command, bytes: usize, now: Instant) {
        self.last_receive = Some(now);
        self.entry(command).received.count(bytes);
    }

    pub(super) fn over_budget(&mut self, command: Command) {
        let count = &mut self.entry(command).over_budget;
        *count = count.saturating_add(1);
    }

    pub(super) fn commands(&self) -> &[CommandStats] {
        &self.commands
    }

    fn entry(&mut self, command: Command) -> &mut CommandStats {
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
