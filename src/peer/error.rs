//! Why a peer ended, why it would not send, and why it was not made.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::network::Chain;
use crate::wire::{Command, CutFrame, DecodeError, EncodeError, ErrorKind, InvVect, Services};

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
    /// The remote ended its stream inside a frame. A node that bans us may do so after the
    /// header of its `version`.
    #[error("stream ended inside a frame: {0}")]
    Cut(CutFrame),
    /// The remote sent a frame that cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The remote announced a payload that is larger than
    /// [`max_payload`](crate::ConfigBuilder::max_payload) allows, which is less than the
    /// protocol does.
    #[error("{command} of {len} bytes, at most {limit} accepted")]
    PayloadTooLarge {
        /// The name of the message.
        command: Command,
        /// Bytes of the payload.
        len: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The remote announced a message that was not asked for and is larger than
    /// [`max_unsolicited`](crate::ConfigBuilder::max_unsolicited) allows.
    #[error("{command} of {len} bytes that was not asked for, at most {limit} accepted")]
    Unsolicited {
        /// The name of the message.
        command: Command,
        /// Bytes of the payload.
        len: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The remote sent more than a [budget](crate::ConfigBuilder::budget) allows.
    #[error("{command} comes too often or too large")]
    OverBudget {
        /// The name of the message.
        command: Command,
    },
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
    /// The remote took less of what is queued than
    /// [`write_timeout`](crate::ConfigBuilder::write_timeout) and
    /// [`write_rate`](crate::ConfigBuilder::write_rate) ask for.
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
    /// Whether the reference nodes of `chain` ban a remote for this.
    ///
    /// They ban for most errors of frames and payloads. They only disconnect for a payload that
    /// is too short, an opening out of order, a second `version` or `verack`, for silence, and
    /// for ends of streams.
    pub const fn is_violation(&self, chain: Chain) -> bool {
        match self {
            Self::Decode(error) => error.is_violation(chain),
            _ => false,
        }
    }

    /// Who is to blame for the end.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Local
            | Self::VersionRefused
            | Self::Encode(_)
            | Self::PayloadTooLarge { .. }
            | Self::SelfConnection => Blame::Ours,
            Self::Decode(_)
            | Self::NotVersion(_)
            | Self::NotVerAck(_)
            | Self::DuplicateVersion
            | Self::DuplicateVerAck
            | Self::Unsolicited { .. }
            | Self::OverBudget { .. } => Blame::Misbehaviour,
            Self::ProtocolVersionTooOld { .. }
            | Self::MissingServices { .. }
            | Self::HandshakeTimeout
            | Self::VerAckTimeout
            | Self::IdleTimeout
            | Self::PongTimeout
            | Self::Stall { .. }
            | Self::WriteStall
            | Self::OutputOverflow { .. } => Blame::Incapacity,
            Self::RemoteClosed | Self::ConnectionLost | Self::Cut(_) => Blame::Network,
        }
    }

    /// Whether what was queued before may still be sent: the remote ended the conversation, by
    /// what it sent or by the end of its stream.
    pub(super) const fn is_by_input(&self) -> bool {
        matches!(self, Self::RemoteClosed | Self::Cut(_) | Self::PayloadTooLarge { .. })
            || matches!(self.blame(), Blame::Misbehaviour)
    }
}

/// Who is to blame for the end of a peer, from [`CloseReason::blame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The application, the configuration or this process.
    Ours,
    /// The remote broke the protocol, or a rule of ours.
    Misbehaviour,
    /// The remote is too old, too slow or silent, or lacks a service.
    Incapacity,
    /// The connection ended, for reasons that are not known.
    Network,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Misbehaviour => "misbehaviour",
            Self::Incapacity => "incapacity",
            Self::Network => "network",
        })
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
    /// `getcfilter`, `getcfheaders` and `getcftypes`, whose filters are gone; a fourth `mempool`
    /// within a minute; on Decred `getminings`, `miningstate`, a second `getinitstate` and a
    /// second `initstate`. It can be
    /// [sent all the same](crate::ConfigBuilder::send_unwelcome).
    #[error("nodes ban or ignore the sender of this {0}")]
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
    /// The cause of the kind, which is part of the text already.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.kind.source()
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
    /// An interval is so short that the peer would do little else.
    #[error("{what} of {value:?}, at least {minimum:?} is possible")]
    TooShort {
        /// The name of the setting.
        what: &'static str,
        /// The interval given.
        value: Duration,
        /// The shortest possible.
        minimum: Duration,
    },
    /// A budget allows nothing, or has no time.
    #[error("a budget for {0} of nothing, or in no time")]
    EmptyBudget(Command),
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
