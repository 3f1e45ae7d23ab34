//! Counterparts of each exported item of the `peer` packages of exccd and dcrd.
//!
//! - There are no callbacks. A call of a listener is an [`Event`].
//! - There are no goroutines. The inputs of a [`PeerState`] do their work.
//! - A message is encoded at the negotiated version when it is queued. If that fails, it is
//!   returned.
//!
//! # Types
//!
//! | in Go | here |
//! |---|---|
//! | `Peer` | [`PeerState`]; with an adapter [`Handle`](crate::adapter::Handle) and [`Events`](crate::adapter::Events) |
//! | `Config` | [`Config`](crate::Config), made by a [`ConfigBuilder`](crate::ConfigBuilder) |
//! | `MessageListeners` | [`Event`] |
//! | `StatsSnap` | [`Stats`](crate::Stats) |
//! | `HashFunc` | none: the type of the callback `NewestBlock`, see [below](#configuration) |
//! | `AddrFunc` | none: no item of the Go packages uses it |
//! | `HostToNetAddrFunc` | none: the type of the callback `HostToNetAddress`, see [below](#configuration) |
//! | `OnVersionCallback` (dcrd) | [`Event::VersionReceived`], which is answered by [`accept_version`](PeerState::accept_version) or [`refuse_version`](PeerState::refuse_version) |
//! | `Error`, `ErrorKind` (dcrd) | [`CloseReason`](crate::CloseReason) |
//!
//! # Life of a peer
//!
//! | in Go | here |
//! |---|---|
//! | `NewInboundPeer`, `NewOutboundPeer`, `AssociateConnection` | [`PeerState::inbound`], [`PeerState::outbound`], for a connection that exists or is being opened |
//! | its goroutines | an [adapter](crate::adapter) or your own run loop |
//! | `Handshake`, `Run` (dcrd) | the run loop; [`Event::Established`] separates the two |
//! | `Connected` | [`close_reason`](PeerState::close_reason) is `None` |
//! | `Disconnect` | [`close`](PeerState::close): nothing is sent after it, and each queued message is reported as [`NotSent`](Event::NotSent); [`shutdown`](PeerState::shutdown) sends queued messages first |
//! | `WaitForDisconnect` | [`Event::Closed`], exactly once and last; with an adapter [`closed`](crate::adapter::Handle::closed) or [`wait_closed`](crate::adapter::Handle::wait_closed) |
//! | `String` | `Display` |
//! | `UseLogger` | the feature `tracing` |
//!
//! # Listeners
//!
//! | in Go | here |
//! |---|---|
//! | `OnVersion` | [`Event::VersionReceived`], before the minimum version is checked; [`refuse_version`](PeerState::refuse_version) vetoes it, and a [review](crate::ConfigBuilder::review_version) makes the handshake wait |
//! | `OnVerAck` | [`Event::VerAckReceived`]; the end of the handshake is [`Event::Established`] |
//! | `OnPing` | [`Event::Message`]; the peer sends the `pong` itself |
//! | `OnPong` | [`Event::Message`], then [`Event::RoundTrip`] if it answers a `ping` |
//! | `OnSendHeaders` | [`Event::Message`]; [`wants_headers`](PeerState::wants_headers) |
//! | `OnFeeFilter` | [`Event::Message`]; [`fee_filter`](PeerState::fee_filter) |
//! | `OnInv`, `OnHeaders`, `OnNotFound` | [`Event::Message`]; [`solicited`](Event::Message::solicited) marks answers |
//! | `OnTx`, `OnBlock` | [`Event::Message`]; both keep [their bytes](crate::wire::Block::raw) |
//! | `OnMixPairReq`, `OnMixKeyExchange`, `OnMixCiphertexts`, `OnMixSlotReserve`, `OnMixDCNet`, `OnMixConfirm`, `OnMixFactoredPoly`, `OnMixSecrets` (dcrd) | [`Event::Message`]; each [returns its hash](crate::wire::MixMessage::message_hash) |
//! | `OnGetAddr`, `OnAddr`, `OnAddrV2` (dcrd), `OnMemPool`, `OnGetData`, `OnGetBlocks`, `OnGetHeaders`, `OnReject` (exccd) | [`Event::Message`] |
//! | `OnGetMiningState`, `OnMiningState`, `OnGetInitState`, `OnInitState` | [`Event::Message`] |
//! | `OnGetCFilter`, `OnGetCFHeaders`, `OnGetCFTypes`, `OnCFilter`, `OnCFHeaders`, `OnCFTypes` | [`Event::Message`] |
//! | `OnGetCFilterV2`, `OnCFilterV2`, `OnGetCFiltersV2` (dcrd), `OnCFiltersV2` (dcrd) | [`Event::Message`] |
//! | `OnRead`, `OnWrite` | [`Stats`](crate::Stats), by command; the feature `tracing`, by frame; [`Event::Sent`], for your own messages |
//!
//! # Commands
//!
//! | in Go | here |
//! |---|---|
//! | `QueueMessage(msg, done)` | [`send`](PeerState::send); the receipt says whether the message was sent |
//! | a message for many peers | [`EncodedMessage`](crate::wire::EncodedMessage) and [`send_encoded`](PeerState::send_encoded) |
//! | `QueueInventory`, `QueueInventoryImmediate` | [`announce`](PeerState::announce), which returns the outcome |
//! | `AddKnownInventory`, `IsKnownInventory` | [`add_known_inventory`](PeerState::add_known_inventory), [`is_known_inventory`](PeerState::is_known_inventory); the peer adds inventory that the remote announces or sends |
//! | `PushAddrMsg`, `PushAddrV2Msg` (dcrd) | [`push_addrs`](PeerState::push_addrs) |
//! | `PushGetBlocksMsg` (exccd), `PushGetHeadersMsg` | [`push_getblocks`](PeerState::push_getblocks), [`push_getheaders`](PeerState::push_getheaders) |
//! | the `reject` that the package documentation mentions | [`push_reject`](PeerState::push_reject) |
//! | `UpdateLastBlockHeight` | [`update_last_block`](PeerState::update_last_block) |
//!
//! # Getters and statistics
//!
//! | in Go | here |
//! |---|---|
//! | `StatsSnapshot` | [`stats`](PeerState::stats) |
//! | `ID` | none: a global counter would connect all peers, so number them yourself |
//! | `Addr`, `NA` (exccd) | [`remote_address`](PeerState::remote_address), and the services in its [version](PeerState::remote_version) |
//! | `LocalAddr` | none: query the socket |
//! | `Inbound` | [`direction`](PeerState::direction) |
//! | `Services`, `UserAgent`, `StartingHeight` | [`remote_version`](PeerState::remote_version) |
//! | `VersionKnown` (exccd) | [`remote_version`](PeerState::remote_version) is `Some` |
//! | `VerAckReceived` (exccd) | [`verack_received`](PeerState::verack_received) |
//! | `ProtocolVersion` | [`protocol_version`](PeerState::protocol_version) |
//! | `LastBlock` | [`last_block`](PeerState::last_block), which received headers and blocks raise as well |
//! | `WantsHeaders` | [`wants_headers`](PeerState::wants_headers) |
//! | `LastPingNonce`, `LastPingTime`, `LastPingMicros` | [`outstanding_ping`](crate::Stats::outstanding_ping), [`last_ping`](crate::Stats::last_ping), [`round_trip`](crate::Stats::round_trip) |
//! | `LastSend`, `LastRecv` | [`last_send`](crate::Stats::last_send), [`last_receive`](crate::Stats::last_receive); both include the handshake |
//! | `BytesSent`, `BytesReceived`, and `BytesRecv` of the snapshot | [`bytes_sent`](crate::Stats::bytes_sent), [`bytes_received`](crate::Stats::bytes_received) |
//! | `TimeConnected`, and `ConnTime` of the snapshot | [`connected_at`](crate::Stats::connected_at) |
//! | `TimeOffset` | [`time_offset`](crate::Stats::time_offset) |
//! | `Version` of the snapshot | [`advertised_version`](crate::Stats::advertised_version); the version in force is [`negotiated_version`](crate::Stats::negotiated_version) |
//!
//! # Configuration
//!
//! | in Go | here |
//! |---|---|
//! | `NewestBlock` | [`start_height`](crate::ConfigBuilder::start_height), and [`with_start_height`](crate::Config::with_start_height) for a new height |
//! | `HostToNetAddress` | the address given to [`PeerState::outbound`] |
//! | `Proxy` | [`address_hiding`](crate::ConfigBuilder::address_hiding) |
//! | `UserAgentName`, `UserAgentVersion`, `UserAgentComments` | [`user_agent`](crate::ConfigBuilder::user_agent), [`user_agent_comment`](crate::ConfigBuilder::user_agent_comment); [`build`](crate::ConfigBuilder::build) returns an error if it cannot be sent |
//! | `Net` | [`Config::builder`](crate::Config::builder); there is no default network |
//! | `Services`, `ProtocolVersion`, `IdleTimeout` | settings of the same names |
//! | `MaxProtocolVersion` | [`advertised_version`](crate::Chain::advertised_version), the default of `protocol_version`; [`newest_version`](crate::Chain::newest_version) is the newest that can be set |
//! | `DisableRelayTx` | [`relay`](crate::ConfigBuilder::relay), with the opposite meaning |
//! | `Listeners` | [`Event`] |
//! | unexported constants | settings: [`ConfigBuilder`](crate::ConfigBuilder) has all of them, and their values are the defaults |
//! | the two output queues of 5,000 | [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes), [`max_waiting_announcements`](crate::ConfigBuilder::max_waiting_announcements) |
//!
//! # Errors
//!
//! | in Go | here, as [`CloseReason`](crate::CloseReason) |
//! |---|---|
//! | `ErrNotVersionMessage`, `ErrNotVerAckMessage`, `ErrSelfConnection`, `ErrProtocolVerTooOld`, `ErrHandshakeTimeout` (dcrd) | `NotVersion`, `NotVerAck`, `SelfConnection`, `ProtocolVersionTooOld`, `HandshakeTimeout` |
//! | the error of an `OnVersionCallback` | `VersionRefused` |
//! | a second `version` or `verack` | `DuplicateVersion`, `DuplicateVerAck` |
//! | errors of the `wire` package | `Decode`, whose [kind](crate::wire::DecodeError::kind) has the same name without `Err` |
//! | the end of the stream, a broken connection | `RemoteClosed`, `ConnectionLost`; inside a frame `Cut` |
//! | the idle timeout, a stall, a write that is too slow | `IdleTimeout`, `Stall`, `WriteStall` |
//! | too many bytes queued (dcrd) | `OutputOverflow` or, by default, an error of [`send`](PeerState::send) |
//! | too many vectors requested (dcrd), a message that cannot be encoded | an error of [`send`](PeerState::send), which returns the message; the peer stays open |
//! | a ban by the node | [`is_violation`](crate::CloseReason::is_violation) for errors of the remote; [`Budget`](crate::Budget)s for a [score](crate::ConfigBuilder::budget) |
//!
//! # Intended differences
//!
//! - Our `verack` is sent before anything that the application queued.
//! - Known inventory is compared by value. exccd compares pointers, so its filter hardly ever
//!   matches.
//! - Deadlines are exact. They take [progress](crate::ConfigBuilder::read_rate) and back-pressure
//!   into account. The Go packages check for stalls every 15 s and do not count bytes.
//! - A `pong` overtakes queued messages. A `ping` is answered even while the queue is full.
//! - The answers to a `getdata` are tracked vector by vector on both chains. Requests that nodes may
//!   ignore have no deadline unless [one is set](crate::ConfigBuilder::response_timeout).
//! - Unsolicited answers are [limited in size](crate::ConfigBuilder::max_unsolicited).
//! - The ping interval fits an idle timeout of any length.
//! - A full queue returns the message. The queue of exccd grows.
//! - [`push_getheaders`](PeerState::push_getheaders) sends the negotiated version. The Go packages
//!   send 0.
//! - Repeated requests are suppressed
//!   [for a limited time](crate::ConfigBuilder::duplicate_request_lifetime). The Go packages
//!   suppress them forever.

#[expect(unused_imports, reason = "for the links of this page")]
use crate::{Event, PeerState};
