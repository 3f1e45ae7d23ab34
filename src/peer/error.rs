//! Why a peer ended, why it would not send, and why it was not made.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::wire::{Command, DecodeError, EncodeError, ErrorKind, InvVect, Services};

/// Why a peer is closed. The first reason stands; later inputs return it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application called [`close`](crate::PeerState::close) or
    /// [`shutdown`](crate::PeerState::shutdown).
    #[error("closed by us")]
    Local,
    /// The application called [`refuse_version`](crate::PeerState::refuse_version).
    #[error("version refused by us")]
    VersionRefused,
    /// The remote ended its stream between two frames.
    #[error("closed by the remote")]
    RemoteClosed,
    /// The connection broke.
    #[error("connection lost")]
    ConnectionLost,
    /// The remote sent what cannot be decoded, or ended its stream inside a frame.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message of the peer's own could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The remote opened with something else than `version`.
    #[error("{0} where a version was due")]
    NotVersion(Command),
    /// The remote sent something else where its `verack` was due, or more before it than
    /// [`max_before_verack`](crate::ConfigBuilder::max_before_verack) allows.
    #[error("{0} where a verack was due")]
    NotVerAck(Command),
    /// The remote sent a second `version`.
    #[error("second version")]
    DuplicateVersion,
    /// The remote sent a second `verack`.
    #[error("second verack")]
    DuplicateVerAck,
    /// The remote is this very process: it sent a nonce of ours.
    #[error("connected to ourselves")]
    SelfConnection,
    /// The remote speaks no protocol version that we still accept.
    #[error("protocol version {advertised} is too old, {minimum} is the oldest accepted")]
    ProtocolVersionTooOld {
        /// What the remote advertised.
        advertised: i32,
        /// What [`min_remote_version`](crate::ConfigBuilder::min_remote_version) asks for.
        minimum: u32,
    },
    /// The remote does not offer what
    /// [`required_services`](crate::ConfigBuilder::required_services) asks for.
    #[error("services {required} are required and {offered} offered")]
    MissingServices {
        /// What the remote offers.
        offered: Services,
        /// What is required.
        required: Services,
    },
    /// The handshake took longer than
    /// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout).
    #[error("handshake not finished in time")]
    HandshakeTimeout,
    /// The remote's `verack` took longer than
    /// [`verack_timeout`](crate::ConfigBuilder::verack_timeout).
    #[error("no verack in time")]
    VerAckTimeout,
    /// No message came for [`idle_timeout`](crate::ConfigBuilder::idle_timeout).
    #[error("no message in time")]
    IdleTimeout,
    /// A `ping` went unanswered for [`pong_timeout`](crate::ConfigBuilder::pong_timeout).
    #[error("no pong in time")]
    PongTimeout,
    /// A request was not answered within its
    /// [`response_timeout`](crate::ConfigBuilder::response_timeout).
    #[error("no answer to {request}{} in time", OfVector(.vector))]
    Stall {
        /// The request.
        request: Command,
        /// Of a `getdata`, a vector that is overdue.
        vector: Option<InvVect>,
    },
    /// A frame that had begun to leave did not finish in time: the remote does not read.
    #[error("the remote does not read")]
    WriteStall,
    /// More was queued than [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes)
    /// allows, under [`Overflow::Close`](crate::Overflow::Close).
    #[error("{queued} bytes queued, at most {limit} allowed: the remote reads too slowly")]
    OutputOverflow {
        /// Bytes queued, the message that was one too many included, and 128 for each.
        queued: usize,
        /// The most allowed.
        limit: usize,
    },
}

/// The vector in the text of a stall, where there is one.
struct OfVector<'a>(&'a Option<InvVect>);

impl fmt::Display for OfVector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(vector) => write!(f, " of {vector}"),
            None => Ok(()),
        }
    }
}

impl CloseReason {
    /// Whether the remote broke the protocol, which is a reason not to talk to it again.
    ///
    /// Ends of streams, even inside a frame, slowness, silence and our own decisions are
    /// none.
    pub const fn is_violation(&self) -> bool {
        match self {
            Self::Decode(error) => error.is_violation(),
            Self::NotVersion(_)
            | Self::NotVerAck(_)
            | Self::DuplicateVersion
            | Self::DuplicateVerAck => true,
            _ => false,
        }
    }
}

/// A message that was not queued, and why. The peer lives on, unless it was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendError<M> {
    /// Why.
    pub kind: SendErrorKind,
    /// The message, given back.
    pub message: M,
}

/// Why a message was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The remote's `version` has not come yet, so that no protocol version is negotiated.
    #[error("no protocol version is negotiated yet")]
    NotReady,
    /// The application called [`shutdown`](crate::PeerState::shutdown).
    #[error("the peer is shutting down")]
    ShuttingDown,
    /// The peer is closed.
    #[error("the peer is closed: {0}")]
    Closed(CloseReason),
    /// `version` and `verack` are the peer's own to send.
    #[error("{0} belongs to the handshake, which the peer conducts by itself")]
    Handshake(Command),
    /// The message would go beyond
    /// [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes).
    #[error("{queued} bytes would be queued, at most {limit} allowed")]
    QueueFull {
        /// Bytes queued, this message included, and 128 for each.
        queued: usize,
        /// The most allowed.
        limit: usize,
    },
    /// With the vectors of this `getdata`, more would be asked for and not answered than
    /// [`max_requested`](crate::ConfigBuilder::max_requested) allows.
    #[error("{requested} vectors would be asked for, at most {limit} allowed")]
    TooManyRequested {
        /// Vectors asked for, those of this message included.
        requested: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The network's nodes ban who sends such a message, hang up on it or never answer it: an
    /// `inv`, `getdata` or `addr` of nothing; a `getdata` with a type that is not served;
    /// `getcfilter`, `getcfheaders` and `getcftypes`, whose filters are gone; on Decred
    /// `getminings` and `miningstate`. It can be
    /// [sent all the same](crate::ConfigBuilder::send_unwelcome).
    #[error("nodes do not put up with this {0}")]
    Unwelcome(Command),
    /// The message cannot be sent at the negotiated version, or not at all.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.kind)
    }
}

impl<M: fmt::Debug> core::error::Error for SendError<M> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// Why a [`Config`](crate::Config) was not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The assembled user agent cannot be sent.
    #[error("user agent {agent:?}: {kind}")]
    UserAgent {
        /// What was assembled.
        agent: String,
        /// What is wrong with it.
        kind: ErrorKind,
    },
    /// The network's messages are not defined for that protocol version.
    #[error("protocol version {version} is not one of 1 to {newest}")]
    ProtocolVersion {
        /// The version asked for.
        version: u32,
        /// The newest that the chain knows.
        newest: u32,
    },
    /// No remote could be old enough and new enough.
    #[error("the oldest version accepted, {minimum}, is above our own, {version}")]
    MinRemoteVersion {
        /// The oldest version accepted.
        minimum: u32,
        /// Our own version.
        version: u32,
    },
    /// Pings that come less often than messages must would never keep a peer alive.
    #[error("a ping every {ping:?} cannot keep peers alive that time out after {idle:?}")]
    PingsTooRare {
        /// The interval asked for.
        ping: Duration,
        /// The idle timeout.
        idle: Duration,
    },
    /// Something would be due without end at one time.
    #[error("{what} of zero")]
    ZeroDuration {
        /// The name of the setting.
        what: &'static str,
    },
    /// Each `ping` would start the time of the last one's answer anew, so that it never ends.
    #[error("a pong that may take {pong:?} is never late where a ping leaves every {ping:?}")]
    PongsNeverLate {
        /// The pong timeout asked for.
        pong: Duration,
        /// The ping interval.
        ping: Duration,
    },
    /// A message that comes slowly would have less time than one that does not come.
    #[error("a slow message must have {idle:?} at least, which silence has, not {slow:?}")]
    SlowMessageTimeout {
        /// The time for a slow message.
        slow: Duration,
        /// The idle timeout.
        idle: Duration,
    },
    /// Only requests have a response timeout.
    #[error("a {0} is not answered")]
    NotARequest(Command),
    /// The trickle interval ends before it begins.
    #[error("a trickle interval from {0:?} to {1:?} is empty")]
    TrickleInterval(Duration, Duration),
    /// A number is out of its range.
    #[error("{what} is {value}, at least {least} and at most {most} are possible")]
    OutOfRange {
        /// The name of the setting.
        what: &'static str,
        /// The number given.
        value: usize,
        /// The least possible.
        least: usize,
        /// The most possible.
        most: usize,
    },
}
