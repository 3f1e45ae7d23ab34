//! Events that a peer emits, and the results of its commands.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::error::CloseReason;
use crate::wire::{Command, Message, Version};

/// An event, from [`poll_event`](crate::PeerState::poll_event).
///
/// The order of events is fixed:
///
/// 1. [`VersionReceived`](Self::VersionReceived);
/// 2. [`Established`](Self::Established), on Decred after
///    [`VerAckReceived`](Self::VerAckReceived);
/// 3. messages, in the order of their arrival, and on Exchangecoin `VerAckReceived` at any time;
/// 4. [`Closed`](Self::Closed), exactly once and last, whatever happens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The remote's `version` was received.
    ///
    /// Our answer is queued, but not sent before the next
    /// [`transmit`](crate::PeerState::transmit). Until then,
    /// [`refuse_version`](crate::PeerState::refuse_version) closes the peer without an answer. If
    /// different threads take events and bytes, configure a
    /// [review](crate::ConfigBuilder::review_version) instead.
    VersionReceived(Arc<Version>),
    /// The remote's `verack` was received.
    VerAckReceived,
    /// The handshake is complete: messages are sent and received from now on.
    Established(Established),
    /// Another message was received. The peer answers a `ping` by itself.
    Message {
        /// The message.
        message: Message,
        /// Whether the message answers an outstanding request (`docs/protocol.md`, 7.1).
        ///
        /// - `tx`, `block` and mixing messages: a `getdata` requested the hash, and no such message
        ///   was received since.
        /// - `notfound`: the same is true of at least one of its vectors.
        /// - `headers`: a `getheaders` is outstanding, and one of four conditions is true. The list
        ///   is empty; its first header follows a block of the locator; it follows the genesis
        ///   block; or it is the header of the stop hash.
        /// - Every other message: a request of a command that it answers is outstanding. One
        ///   message answers one request.
        ///
        /// Only `getdata` is exact. Commands and counts do not distinguish these cases:
        ///
        /// - An `inv` that announces counts as the answer to an outstanding `getblocks` or
        ///   `mempool`.
        /// - Only the first of the many `inv` that answer one `mempool` is solicited.
        /// - An `addr` that the remote sends by itself counts as the answer to an outstanding
        ///   `getaddr`.
        /// - `headers` that announce a block count as an answer if the block's parent is in the
        ///   locator of an outstanding `getheaders`. This happens at the tip only.
        solicited: bool,
    },
    /// A `pong` answered one of our pings. The [`Message`](Self::Message) of the `pong` precedes
    /// this event.
    RoundTrip {
        /// The nonce of the `ping`.
        nonce: u64,
        /// The time since the [`transmit`](crate::PeerState::transmit) that sent the last byte of
        /// the `ping`.
        time: Duration,
    },
    /// A message exceeded the [budget](crate::ConfigBuilder::budget) of its command. The message
    /// follows this event.
    OverBudget {
        /// The command of the message.
        command: Command,
    },
    /// The last byte of a queued message was sent.
    Sent(SendId),
    /// The peer closed before the last byte of a queued message was sent.
    NotSent(SendId),
    /// The peer is closed. No event follows.
    Closed(CloseReason),
}

/// The result of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// The negotiated protocol version: the lower of both sides' highest versions.
    pub protocol_version: u32,
    /// The remote's clock minus ours in seconds, at the receipt of its `version`. Saturates.
    pub time_offset: i64,
}

/// Identifies a queued message until its [`Sent`](Event::Sent) or [`NotSent`](Event::NotSent).
///
/// Identifiers are unique within a peer and ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub(super) u64);

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The direction in which the connection was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two directions")]
pub enum Direction {
    /// The remote connected to us.
    Inbound,
    /// We connected to the remote.
    Outbound,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// The way in which [`announce`](crate::PeerState::announce) announces an inventory vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Relay {
    /// In a batch, after a random [delay](crate::ConfigBuilder::trickle_interval).
    #[default]
    Trickle,
    /// In an `inv` of its own, without delay. For new blocks and votes.
    Immediate,
}

/// The result of [`announce`](crate::PeerState::announce).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use]
pub enum Announced {
    /// The vector is in the next batch.
    Batched,
    /// An `inv` with the vector is queued.
    Queued(SendId),
    /// The remote already knows the vector. No message was queued.
    Known,
    /// The remote disabled transaction relay, or its protocol version does not define the type of
    /// the vector. No message was queued.
    Unwanted,
    /// The [output queue](crate::ConfigBuilder::max_queued_bytes) or the
    /// [batch](crate::ConfigBuilder::max_waiting_announcements) is full. No message was queued.
    Full,
    /// The handshake is incomplete, or the peer is closed or shutting down. No message was queued.
    NotReady,
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batched => f.write_str("batched"),
            Self::Queued(id) => write!(f, "queued as message {id}"),
            Self::Known => f.write_str("known"),
            Self::Unwanted => f.write_str("unwanted"),
            Self::Full => f.write_str("queue full"),
            Self::NotReady => f.write_str("not ready"),
        }
    }
}
