//! Random messages.

use excc_peer::Hash;
use excc_peer::wire::{
    CFilter, Command, FeeFilter, FilterType, InvType, InvVect, LocatorRequest, Message, Ping, Pong,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::lockstep::common::{hash, tx};
use crate::lockstep::messages::{
    BEFORE_STOP, ENOUGH, GENESIS, MessageSpec, Object, address, reject,
};

/// One of few, so that the same ones meet again.
pub(crate) fn object() -> impl Strategy<Value = Object> {
    let kinds = vec![InvType::TX, InvType::BLOCK, InvType::MIX, InvType::ERROR];
    prop_oneof![
        4 => (select(kinds), 0..4_u32)
            .prop_map(|(kind, n)| Object::Missing(InvVect::new(kind, hash(n)))),
        4 => (0..3_usize).prop_map(Object::Tx),
        2 => Just(Object::Block),
        1 => Just(Object::Mix),
    ]
}

fn objects() -> impl Strategy<Value = Vec<Object>> {
    prop_oneof![
        20 => vec(object(), 0..5),
        1 => (1..60_u32).prop_map(|count| (0..count).map(|n| Object::Missing(tx(n))).collect()),
    ]
}

/// A message that either side may send at some time.
pub(crate) fn spec() -> BoxedStrategy<MessageSpec> {
    let nonce = || 1..4_u64;
    let filter_len = prop_oneof![6 => select(vec![0, 50, 4_100]), 1 => Just(262_144)];
    let filter = filter_len.prop_map(|len: usize| CFilter {
        block_hash: Hash::ZERO,
        filter_type: FilterType::REGULAR,
        data: vec![7; len].into(),
    });
    let locator = select(vec![0, 1, 5, 501]);
    let locator = locator.prop_map(|len: usize| LocatorRequest::new(vec![hash(7); len]));
    let plain = prop_oneof![
        12 => nonce().prop_map(|nonce| Message::Ping(Ping { nonce })),
        6 => nonce().prop_map(|nonce| Message::Pong(Pong { nonce })),
        2 => Just(Message::SendHeaders),
        2 => (-3..4_i64).prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })),
        1 => Just(Message::AddrV2(vec![address(0)])),
        2 => locator.clone().prop_map(Message::GetHeaders),
        2 => locator.prop_map(Message::GetBlocks),
        1 => filter.prop_map(Message::CFilter),
        1 => (0..30_usize).prop_map(|len| reject(len).into()),
    ];
    // Those of the handshake come by other ways.
    let others: Vec<_> = Command::ALL
        .iter()
        .copied()
        .filter(|command| !matches!(command, Command::Version | Command::VerAck))
        .collect();
    prop_oneof![
        30 => plain.prop_map(MessageSpec::Plain),
        8 => objects().prop_map(|objects| MessageSpec::Inventory(Command::Inv, objects)),
        10 => objects().prop_map(|objects| MessageSpec::Inventory(Command::GetData, objects)),
        5 => objects().prop_map(|objects| MessageSpec::Inventory(Command::NotFound, objects)),
        8 => object().prop_map(|object| object.spec().unwrap_or(MessageSpec::Tx(0))),
        8 => request(),
        15 => select(others).prop_map(|command| MessageSpec::Zeros(command, ENOUGH)),
        3 => headers(),
        1 => (0..9_u32).prop_map(MessageSpec::Block),
        1 => Just(MessageSpec::Plain(Message::VerAck)),
    ]
    .boxed()
}

/// `headers` after one of few blocks: most follow no locator.
pub(crate) fn headers() -> impl Strategy<Value = MessageSpec> {
    let parent = prop_oneof![4 => 0..3_u32, 1 => select(vec![GENESIS, BEFORE_STOP])];
    let count = prop_oneof![4 => 0..3_usize, 1 => 11..15_usize];
    (parent, count, 0..20_u32)
        .prop_map(|(parent, count, height)| MessageSpec::Headers(parent, count, height))
}

/// A `getheaders` that knows one of few blocks, or none.
pub(crate) fn getheaders() -> impl Strategy<Value = MessageSpec> {
    (vec(0..3_u32, 0..2), any::<bool>())
        .prop_map(|(locator, has_stop)| MessageSpec::GetHeaders(locator, has_stop))
}

/// A request, which may have a response timeout.
pub(crate) fn request() -> impl Strategy<Value = MessageSpec> {
    let requests = vec![
        Command::GetInitState,
        Command::GetHeaders,
        Command::GetBlocks,
        Command::MemPool,
        Command::GetAddr,
        Command::GetMinings,
        Command::GetCFilterV2,
    ];
    prop_oneof![
        4 => select(requests).prop_map(|command| MessageSpec::Zeros(command, ENOUGH)),
        2 => getheaders(),
        3 => vec(object(), 1..5).prop_map(|objects| MessageSpec::Inventory(Command::GetData, objects)),
    ]
}
