//! The page for users of the Go packages names each of their exported items.

const PAGE: &str = include_str!("../src/from_go.rs");

/// Types, functions and constants of exccd's and dcrd's package `peer`.
const PACKAGE: &str = "
    AddrFunc Config Error ErrorKind HashFunc HostToNetAddrFunc MaxProtocolVersion
    MessageListeners NewInboundPeer NewOutboundPeer OnVersionCallback Peer StatsSnap
    UseLogger ErrHandshakeTimeout ErrNotVerAckMessage ErrNotVersionMessage
    ErrProtocolVerTooOld ErrSelfConnection
";

/// Methods of `Peer`.
const METHODS: &str = "
    AddKnownInventory Addr AssociateConnection BytesReceived BytesSent Connected Disconnect
    Handshake ID Inbound IsKnownInventory LastBlock LastPingMicros LastPingNonce
    LastPingTime LastRecv LastSend LocalAddr NA ProtocolVersion PushAddrMsg PushAddrV2Msg
    PushGetBlocksMsg PushGetHeadersMsg QueueInventory QueueInventoryImmediate QueueMessage
    Run Services StartingHeight StatsSnapshot String TimeConnected TimeOffset
    UpdateLastBlockHeight UserAgent VerAckReceived VersionKnown WaitForDisconnect
    WantsHeaders
";

/// Fields of `MessageListeners`.
const LISTENERS: &str = "
    OnAddr OnAddrV2 OnBlock OnCFHeaders OnCFTypes OnCFilter OnCFilterV2 OnCFiltersV2
    OnFeeFilter OnGetAddr OnGetBlocks OnGetCFHeaders OnGetCFTypes OnGetCFilter
    OnGetCFilterV2 OnGetCFiltersV2 OnGetData OnGetHeaders OnGetInitState OnGetMiningState
    OnHeaders OnInitState OnInv OnMemPool OnMiningState OnMixCiphertexts OnMixConfirm
    OnMixDCNet OnMixFactoredPoly OnMixKeyExchange OnMixPairReq OnMixSecrets OnMixSlotReserve
    OnNotFound OnPing OnPong OnRead OnReject OnSendHeaders OnTx OnVerAck OnVersion OnWrite
";

/// Fields of `Config`.
const CONFIG: &str = "
    DisableRelayTx HostToNetAddress IdleTimeout Listeners Net NewestBlock ProtocolVersion
    Proxy Services UserAgentComments UserAgentName UserAgentVersion
";

/// Fields of `StatsSnap`.
const STATS: &str = "
    Addr BytesRecv BytesSent ConnTime ID Inbound LastBlock LastPingMicros LastPingNonce
    LastPingTime LastRecv LastSend Services StartingHeight TimeOffset UserAgent Version
";

#[test]
fn every_exported_item_is_on_the_page() {
    let items =
        [PACKAGE, METHODS, LISTENERS, CONFIG, STATS].into_iter().flat_map(str::split_whitespace);
    // The page may have the arguments of a method.
    let is_named =
        |item: &str| ["`", "("].iter().any(|end| PAGE.contains(&format!("`{item}{end}")));
    let missing: Vec<_> = items.filter(|item| !is_named(item)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}
