//! Reasons and errors: of the end of a peer, of a refused message, of an invalid configuration.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::network::Chain;
use crate::wire::{
    Command, DecodeError, EncodeError, ErrorKind, IncompleteFrame, InvVect, Services,
};

/// The reason why a peer is closed (`docs/protocol.md`, 12.1).
///
/// The first reason stands. [`Event::Closed`](crate::Event::Closed) has it, and later inputs return
/// it as their error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application called [`close`](crate::PeerState::close) or
    /// [`shutdown`](crate::PeerState::shutdown).
    #[error("closed by the application")]
    Local,
    /// The application called [`refuse_version`](crate::PeerState::refuse_version).
    #[error("version refused by the application")]
    VersionRefused,
    /// The remote ended its stream between two frames.
    #[error("closed by the remote")]
    RemoteClosed,
    /// The driver called
    /// [`handle_connection_lost`](crate::PeerState::handle_connection_lost).
    #[error("connection lost")]
    ConnectionLost,
    /// The remote ended its stream inside a frame.
    ///
    /// This is no violation: a node that bans us may end its stream after the header of its
    /// `version`.
    #[error("stream ended inside a frame: {0}")]
    Cut(IncompleteFrame),
    /// The remote sent a frame that cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The remote sent the header of a payload that is longer than
    /// [`max_payload`](crate::ConfigBuilder::max_payload) allows. The protocol allows it.
    #[error("{command} of {len} bytes exceeds the limit of {limit}")]
    PayloadTooLarge {
        /// The command of the message.
        command: Command,
        /// The length of the payload in bytes.
        len: usize,
        /// The maximum length in bytes.
        limit: usize,
    },
    /// The remote sent the header of a message that was not requested and is longer than
    /// [`max_unsolicited`](crate::ConfigBuilder::max_unsolicited) allows.
    #[error("unsolicited {command} of {len} bytes exceeds the limit of {limit}")]
    Unsolicited {
        /// The command of the message.
        command: Command,
        /// The length of the payload in bytes.
        len: usize,
        /// The maximum length in bytes.
        limit: usize,
    },
    /// The remote exceeded a [budget](crate::ConfigBuilder::budget) that
    /// [closes](crate::Budget::close) the peer.
    #[error("{command} exceeds its budget")]
    OverBudget {
        /// The command of the message.
        command: Command,
    },
    /// A message that the peer sends by itself cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The first message of the remote was not `version`.
    #[error("expected version, received {0}")]
    NotVersion(Command),
    /// The remote sent another message instead of its `verack`, after as many early messages as
    /// [`max_before_verack`](crate::ConfigBuilder::max_before_verack) allows.
    #[error("expected verack, received {0}")]
    NotVerAck(Command),
    /// The remote sent a second `version`.
    #[error("duplicate version")]
    DuplicateVersion,
    /// The remote sent a second `verack`.
    #[error("duplicate verack")]
    DuplicateVerAck,
    /// The `version` of the remote has the nonce of one of our own outbound peers.
    #[error("connected to ourselves")]
    SelfConnection,
    /// The remote's protocol version is below
    /// [`min_remote_version`](crate::ConfigBuilder::min_remote_version).
    #[error("protocol version {advertised} is below the minimum of {minimum}")]
    ProtocolVersionTooOld {
        /// The protocol version that the remote advertised.
        advertised: i32,
        /// The minimum protocol version.
        minimum: u32,
    },
    /// The remote does not advertise all
    /// [`required_services`](crate::ConfigBuilder::required_services).
    #[error("services {offered} offered, {required} required")]
    MissingServices {
        /// The services that the remote advertised.
        offered: Services,
        /// The required services.
        required: Services,
    },
    /// The handshake did not complete within the
    /// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout).
    #[error("handshake timeout")]
    HandshakeTimeout,
    /// The remote's `verack` was not received within the
    /// [`verack_timeout`](crate::ConfigBuilder::verack_timeout).
    #[error("verack timeout")]
    VerAckTimeout,
    /// No complete message was received within the
    /// [`idle_timeout`](crate::ConfigBuilder::idle_timeout).
    #[error("idle timeout")]
    IdleTimeout,
    /// A `ping` was not answered within the
    /// [`pong_timeout`](crate::ConfigBuilder::pong_timeout).
    #[error("pong timeout")]
    PongTimeout,
    /// A request was not answered within its
    /// [`response_timeout`](crate::ConfigBuilder::response_timeout).
    #[error("response timeout: no answer to {request}{}", OfVector(.vector))]
    Stall {
        /// The command of the request.
        request: Command,
        /// An overdue vector, if the request is a `getdata`.
        vector: Option<InvVect>,
    },
    /// The remote received queued bytes more slowly than
    /// [`write_timeout`](crate::ConfigBuilder::write_timeout) and
    /// [`write_rate`](crate::ConfigBuilder::write_rate) require.
    #[error("write timeout: the remote reads too slowly")]
    WriteStall,
    /// A message would have exceeded
    /// [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) under
    /// [`Overflow::Close`](crate::Overflow::Close).
    #[error("output queue of {queued} bytes exceeds the limit of {limit}")]
    OutputOverflow {
        /// The size of the queue with the message, in bytes: all frames and 128 bytes for each.
        queued: usize,
        /// The maximum size in bytes.
        limit: usize,
    },
}

/// Displays the vector of a stall, if there is one.
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
    /// Returns whether the reference nodes of `chain` ban a remote for this.
    ///
    /// They ban for most errors of frames and payloads. For these ends they only disconnect:
    ///
    /// - a payload that is too short;
    /// - a message out of order in the handshake, or a second `version` or `verack`;
    /// - a timeout;
    /// - the end of a stream.
    pub const fn is_violation(&self, chain: Chain) -> bool {
        match self {
            Self::Decode(error) => error.is_violation(chain),
            _ => false,
        }
    }

    /// Returns the side that is to blame for the end, for ban scores of the application.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Local
            | Self::VersionRefused
            | Self::Encode(_)
            // Other nodes allow the payload (`docs/protocol.md`, 11.1).
            | Self::PayloadTooLarge { .. }
            | Self::SelfConnection => Blame::Local,
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
            | Self::OutputOverflow { .. } => Blame::Unsuitable,
            Self::RemoteClosed | Self::ConnectionLost | Self::Cut(_) => Blame::Network,
        }
    }

    /// Returns whether the remote caused the end, by a message or by the end of its stream. Frames
    /// that were queued before are then sent in a last try (`docs/protocol.md`, 12.2).
    pub(super) const fn is_by_input(&self) -> bool {
        matches!(self, Self::RemoteClosed | Self::Cut(_) | Self::PayloadTooLarge { .. })
            || matches!(self.blame(), Blame::Misbehaviour)
    }
}

/// The side that is to blame for the end of a peer, from [`CloseReason::blame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// Our own side: the application, a limit of the configuration, or a self-connection.
    Local,
    /// The remote violated the protocol, or sent more than we requested or allow.
    Misbehaviour,
    /// The remote is too old, too slow or silent, or lacks a required service.
    Unsuitable,
    /// The connection ended without a known cause.
    Network,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Misbehaviour => "misbehaviour",
            Self::Unsuitable => "unsuitable",
            Self::Network => "network",
        })
    }
}

/// A message that was not queued, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendError<M> {
    /// The reason.
    pub kind: SendErrorKind,
    /// The message.
    pub message: M,
}

/// The reason why a message was not queued.
///
/// The peer stays open, except for [`Closed`](Self::Closed).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The handshake is not complete. Messages are accepted from
    /// [`Event::VersionReceived`](crate::Event::VersionReceived) on, and
    /// [`ping`](crate::PeerState::ping) from [`Event::Established`](crate::Event::Established) on.
    #[error("the handshake is not complete")]
    NotReady,
    /// The application called [`shutdown`](crate::PeerState::shutdown).
    #[error("the peer is shutting down")]
    ShuttingDown,
    /// The peer is closed.
    #[error("the peer is closed: {0}")]
    Closed(CloseReason),
    /// The message is `version` or `verack`, which only the peer itself sends.
    #[error("{0} is sent by the peer itself")]
    Handshake(Command),
    /// The message would exceed
    /// [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) under
    /// [`Overflow::Refuse`](crate::Overflow::Refuse).
    #[error("output queue of {queued} bytes would exceed the limit of {limit}")]
    QueueFull {
        /// The size of the queue with the message, in bytes: all frames and 128 bytes for each.
        queued: usize,
        /// The maximum size in bytes.
        limit: usize,
    },
    /// The vectors of the `getdata` would exceed
    /// [`max_requested`](crate::ConfigBuilder::max_requested).
    #[error("{requested} outstanding vectors would exceed the limit of {limit}")]
    TooManyRequested {
        /// The number of outstanding vectors, with those of the message.
        requested: usize,
        /// The maximum number.
        limit: usize,
    },
    /// Nodes of the network ban or disconnect the sender of the message, or ignore the message
    /// (`docs/protocol.md`, 7.5):
    ///
    /// - an empty `inv`, `getdata` or `addr`;
    /// - a `getdata` with a type of vector that is not served;
    /// - `getcfilter`, `getcfheaders` and `getcftypes`, whose filters no longer exist;
    /// - a fourth `mempool` within a minute;
    /// - on Decred `getminings`, `miningstate`, a second `getinitstate` and a second `initstate`.
    ///
    /// [`send_unwelcome`](crate::ConfigBuilder::send_unwelcome) allows them.
    #[error("nodes ban or ignore the sender of this {0}")]
    Unwelcome(Command),
    /// The message cannot be encoded, or not at the negotiated protocol version.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.kind)
    }
}

impl<M: fmt::Debug> core::error::Error for SendError<M> {
    /// Returns the source of the kind. The text of this error includes that of the kind.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.kind.source()
    }
}

/// The reason why [`ConfigBuilder::build`](crate::ConfigBuilder::build) refused a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The user agent is longer than 256 bytes, or has a character other than printable ASCII.
    #[error("invalid user agent {agent:?}: {kind}")]
    UserAgent {
        /// The assembled user agent.
        agent: String,
        /// The error.
        kind: ErrorKind,
    },
    /// The chain does not define the
    /// [protocol version](crate::ConfigBuilder::protocol_version).
    #[error("protocol version {version} is out of range: 1 to {newest}")]
    ProtocolVersion {
        /// The configured version.
        version: u32,
        /// The newest version of the chain.
        newest: u32,
    },
    /// The [minimum version](crate::ConfigBuilder::min_remote_version) of a remote is above our own.
    #[error("minimum remote version {min} exceeds our own version {version}")]
    MinRemoteVersion {
        /// The minimum version of a remote.
        min: u32,
        /// Our own version.
        version: u32,
    },
    /// The [ping interval](crate::ConfigBuilder::ping_interval) is not below the
    /// [idle timeout](crate::ConfigBuilder::idle_timeout), so that an idle remote would be closed
    /// before the first `ping`.
    #[error("ping interval of {ping:?} is not below the idle timeout of {idle:?}")]
    PingsTooRare {
        /// The ping interval.
        ping: Duration,
        /// The idle timeout.
        idle: Duration,
    },
    /// A timeout is zero.
    #[error("{setting} is zero")]
    ZeroDuration {
        /// The name of the setting.
        setting: &'static str,
    },
    /// An interval is below its minimum.
    #[error("{setting} of {value:?} is below the minimum of {min:?}")]
    TooShort {
        /// The name of the setting.
        setting: &'static str,
        /// The configured interval.
        value: Duration,
        /// The minimum interval.
        min: Duration,
    },
    /// A [budget](crate::ConfigBuilder::budget) has a burst or a time of zero.
    #[error("budget of {0} has a burst or a time of zero")]
    EmptyBudget(Command),
    /// A [response timeout](crate::ConfigBuilder::response_timeout) is set for a message that has no
    /// answer.
    #[error("response timeout of {0}, which is not a request")]
    NotARequest(Command),
    /// The [trickle interval](crate::ConfigBuilder::trickle_interval) ends before it begins.
    #[error("trickle interval from {0:?} to {1:?} is empty")]
    TrickleInterval(Duration, Duration),
    /// A number is out of its range.
    #[error("{setting} of {value} is out of range: {min} to {max}")]
    OutOfRange {
        /// The name of the setting.
        setting: &'static str,
        /// The configured number.
        value: usize,
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
    },
}
