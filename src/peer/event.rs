//! What a peer tells the application.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::error::CloseReason;
use crate::wire::{Command, Message, Version};

/// Something that happened, from [`poll_event`](crate::PeerState::poll_event).
///
/// In order: [`VersionReceived`](Self::VersionReceived), then
/// [`Established`](Self::Established), then messages as they come; whatever happens,
/// [`Closed`](Self::Closed) exactly once and last. The remote's `verack` comes before
/// `Established` on Decred and at any time after it on Exchangecoin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The remote's `version` came. Nothing has been sent in answer: what answers it waits
    /// for the next [`transmit`](crate::PeerState::transmit), so that
    /// [`refuse_version`](crate::PeerState::refuse_version) before that ends the peer in
    /// silence. Where events and bytes are taken by different threads, ask for a
    /// [review](crate::ConfigBuilder::review_version).
    VersionReceived(Arc<Version>),
    /// The remote's `verack` came.
    VerAckReceived,
    /// The handshake is done: messages may be sent and will come.
    Established(Established),
    /// Any other message came. A `ping` is answered by the peer.
    Message {
        /// The message.
        message: Message,
        /// Whether the message answers an outstanding request.
        ///
        /// For `tx`, `block` and mixing messages: a `getdata` asked for the hash, and no such
        /// message came since. For `notfound`: the same for one of its vectors at least. For
        /// `headers`: they follow a block of the locator of an outstanding `getheaders`, or
        /// the genesis block, or are the one of its stop hash, or there are none. Everything
        /// else is told by command and number only: one answer for each request. So an `inv` that
        /// announces looks like the answer to a `getblocks` or `mempool`, and an `addr` that
        /// comes by itself like that to a `getaddr`; of the many `inv` that answer one
        /// `mempool`, only the first is marked. An announcement of a block by `headers` looks
        /// like an answer if its parent is in the locator of an outstanding `getheaders`, which
        /// is the case at the tip only.
        solicited: bool,
    },
    /// A `pong` answered a `ping` of ours. Comes after the `pong`'s own
    /// [`Message`](Self::Message).
    RoundTrip {
        /// The nonce of the `ping`.
        nonce: u64,
        /// The time from the [`transmit`](crate::PeerState::transmit) that sent the last byte of
        /// the `ping`.
        time: Duration,
    },
    /// A message exceeded the [budget](crate::ConfigBuilder::budget) of its command. The
    /// message comes next.
    OverBudget {
        /// The command.
        command: Command,
    },
    /// The last byte of a queued message left.
    Sent(SendId),
    /// A queued message was still here, in whole or in part, when the peer closed.
    NotSent(SendId),
    /// The peer is closed. Nothing comes after this.
    Closed(CloseReason),
}

/// What a handshake negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// The protocol version in force from now on: the lower of both maxima.
    pub version: u32,
    /// The remote's clock less ours, in seconds; saturating.
    pub time_offset: i64,
}

/// Names a queued message until its [`Sent`](Event::Sent) or
/// [`NotSent`](Event::NotSent) comes. Unique within one peer, and ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub(super) u64);

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third side")]
pub enum Direction {
    /// The remote did.
    Inbound,
    /// We did.
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

/// How an inventory vector is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Relay {
    /// Together with others, after a random delay.
    #[default]
    Trickle,
    /// By itself and at once: for new blocks and votes.
    Immediate,
}

/// The result of [`PeerState::announce`](super::PeerState::announce).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use]
pub enum Announced {
    /// The vector is in the batch that the next trickle sends.
    Batched,
    /// An `inv` with the vector is queued.
    Queued(SendId),
    /// The remote already knows the vector. No message was queued.
    Known,
    /// The remote disabled transaction relay, or its protocol version does not define the type of
    /// the vector. No message was queued.
    Unwanted,
    /// The queue or the batch is full. No message was queued.
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
