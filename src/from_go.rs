//! For those who come from the `peer` package of exccd or dcrd: what became of each of its
//! items.
//!
//! Nothing here calls back. What a listener was told is an [`Event`]; what a
//! goroutine did by itself happens in one of the inputs of a [`PeerState`];
//! a message is what it is at the negotiated version, or it is not queued at all.
//!
//! # Life of a peer
//!
//! | in Go | here |
//! |---|---|
//! | `NewInboundPeer`, `NewOutboundPeer`, `AssociateConnection` | [`PeerState::inbound`], [`PeerState::outbound`], with the connection there already |
//! | its goroutines | an [adapter](crate::adapter), or a run loop of yours |
//! | `Handshake`, `Run` (dcrd) | the run loop; [`Event::Established`] lies between them |
//! | `Connected` | [`close_reason`](PeerState::close_reason) is none |
//! | `Disconnect` | [`close`](PeerState::close): nothing leaves after it, and each queued message is told as [`NotSent`](Event::NotSent); [`shutdown`](PeerState::shutdown) lets what is queued leave first |
//! | `WaitForDisconnect` | [`Event::Closed`], exactly once and last; with an adapter [`closed`](crate::adapter::Handle::closed) or [`wait_closed`](crate::adapter::Handle::wait_closed) |
//! | `String` | `Display` |
//! | `UseLogger` | the feature `tracing` |
//!
//! # Listeners
//!
//! | in Go | here |
//! |---|---|
//! | `OnVersion` | [`Event::VersionReceived`], to be answered by [`refuse_version`](PeerState::refuse_version), or by [`accept_version`](PeerState::accept_version) where a [review](crate::ConfigBuilder::review_version) is asked for |
//! | `OnVerAck` | [`Event::VerAckReceived`]; the end of the handshake is [`Event::Established`] |
//! | `OnPong` | [`Event::Message`]; the time it took is [`Event::RoundTrip`] |
//! | `OnBlock`, `OnTx`, the eight `OnMix…` | [`Event::Message`]; blocks and transactions keep [their bytes](crate::wire::Block::raw), mixing messages [tell their hash](crate::wire::MixMessage::message_hash) |
//! | every other listener | [`Event::Message`] |
//! | `OnRead`, `OnWrite` | [`Stats`](crate::Stats), by command; the feature `tracing`, frame by frame; [`Event::Sent`] for messages of yours |
//!
//! # Commands
//!
//! | in Go | here |
//! |---|---|
//! | `QueueMessage(msg, done)` | [`send`](PeerState::send): the receipt tells what was sent from what was not |
//! | a message for many peers | [`EncodedMessage`](crate::wire::EncodedMessage) and [`send_encoded`](PeerState::send_encoded) |
//! | `QueueInventory`, `QueueInventoryImmediate` | [`announce`](PeerState::announce), which tells what became of it |
//! | `AddKnownInventory`, `IsKnownInventory` | [`add_known_inventory`](PeerState::add_known_inventory), [`is_known_inventory`](PeerState::is_known_inventory); what the remote announces or sends becomes known by itself |
//! | `PushAddrMsg`, `PushAddrV2Msg` | [`push_addrs`](PeerState::push_addrs) |
//! | `PushGetBlocksMsg`, `PushGetHeadersMsg` | [`push_getblocks`](PeerState::push_getblocks), [`push_getheaders`](PeerState::push_getheaders) |
//! | the `PushRejectMsg` of the package's text | [`push_reject`](PeerState::push_reject) |
//! | `UpdateLastBlockHeight` | [`update_last_block`](PeerState::update_last_block) |
//!
//! # Getters
//!
//! | in Go | here |
//! |---|---|
//! | `StatsSnapshot` | [`stats`](PeerState::stats) |
//! | `ID` | none: name your peers as you like, a simulation of many processes has no global counter |
//! | `Addr`, `NA` | [`remote`](PeerState::remote), and what the remote offers in its [version](PeerState::remote_version) |
//! | `LocalAddr` | the socket knows it |
//! | `Inbound` | [`direction`](PeerState::direction) |
//! | `Services`, `UserAgent`, `StartingHeight` | [`remote_version`](PeerState::remote_version) |
//! | `VersionKnown` | [`remote_version`](PeerState::remote_version) is there |
//! | `VerAckReceived` | [`verack_received`](PeerState::verack_received) |
//! | `ProtocolVersion` | [`protocol_version`](PeerState::protocol_version) |
//! | `LastBlock` | [`last_block`](PeerState::last_block) |
//! | `WantsHeaders` | [`wants_headers`](PeerState::wants_headers) |
//! | `LastPingNonce`, `LastPingTime`, `LastPingMicros` | `outstanding_ping`, `last_ping` and `round_trip` of [`Stats`](crate::Stats) |
//! | `LastSend`, `LastRecv`, `BytesSent`, `BytesReceived`, `TimeConnected`, `TimeOffset` | [`Stats`](crate::Stats), where the handshake counts, too |
//! | `Version` of the snapshot | `advertised_version` and `negotiated_version`, as the former is what Go tells and the latter what it says it tells |
//!
//! # Configuration
//!
//! | in Go | here |
//! |---|---|
//! | `NewestBlock` | [`start_height`](crate::ConfigBuilder::start_height), and [`with_start_height`](crate::Config::with_start_height) once it has risen |
//! | `HostToNetAddress` | the address given to [`PeerState::outbound`] |
//! | `Proxy` | [`address_hiding`](crate::ConfigBuilder::address_hiding) |
//! | `UserAgentName`, `UserAgentVersion`, `UserAgentComments` | [`user_agent`](crate::ConfigBuilder::user_agent), [`user_agent_comment`](crate::ConfigBuilder::user_agent_comment): one that cannot be sent is an error of the configuration |
//! | `Net` | [`Config::builder`](crate::Config::builder); there is no default network |
//! | `Services`, `ProtocolVersion`, `IdleTimeout` | settings of the same names |
//! | `DisableRelayTx` | [`relay`](crate::ConfigBuilder::relay), the other way round |
//! | `Listeners` | [`Event`] |
//! | the constants of the package | settings: [`ConfigBuilder`](crate::ConfigBuilder) has all of them, with their values as defaults |
//! | the two output queues of 5,000 | [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes), [`max_waiting_announcements`](crate::ConfigBuilder::max_waiting_announcements) |
//!
//! # Errors
//!
//! | in Go | here, as [`CloseReason`](crate::CloseReason) |
//! |---|---|
//! | `ErrNotVersionMessage`, `ErrNotVerAckMessage`, `ErrSelfConnection`, `ErrProtocolVerTooOld`, `ErrHandshakeTimeout` | `NotVersion`, `NotVerAck`, `SelfConnection`, `ProtocolVersionTooOld`, `HandshakeTimeout` |
//! | the error of dcrd's `OnVersionCallback` | `VersionRefused` |
//! | a second `version` or `verack` | `DuplicateVersion`, `DuplicateVerAck` |
//! | the errors of the `wire` package | `Decode`, whose [kind](crate::wire::DecodeError::kind) has the same name without `Err` |
//! | the end of the stream, a broken connection | `RemoteClosed`, `ConnectionLost`; inside a frame `Decode`, as `Truncated` |
//! | the idle timeout, a stall, a write that does not end | `IdleTimeout`, `Stall`, `WriteStall` |
//! | too many bytes queued (dcrd) | `OutputOverflow` or, by default, an error of [`send`](PeerState::send) |
//! | too many vectors asked for (dcrd), a message that cannot be encoded | an error of [`send`](PeerState::send), which gives the message back; the peer lives on |
//!
//! # What is different on purpose
//!
//! - Our `verack` leaves before anything that the application queued.
//! - What is known inventory is decided by value. exccd compares pointers, so that its filter
//!   hardly ever matches.
//! - Each deadline is exact, and what the application takes of the remote's time is given back
//!   to it. In Go stalls are looked for every 15 s, and the time is forgotten after as many.
//! - A `getdata` is answered vector by vector on both chains. Requests that nodes may pass over
//!   have no deadline unless [one is set](crate::ConfigBuilder::response_timeout).
//! - Pings come often enough for an idle timeout of any length.
//! - A queue that is full gives the message back; exccd's grows.
//! - A `getheaders` of the helper carries the negotiated version, where Go sends 0.
//! - Repetitions are held back [for a time](crate::ConfigBuilder::duplicate_request_lifetime),
//!   not for ever.

#[expect(unused_imports, reason = "for the links above")]
use crate::{Event, PeerState};
