//! Properties that hold for every input, in every order, at every time.

mod announcements;
mod calls;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../common/mod.rs"]
mod common;
mod streams;

use excc_peer::wire::{
    CFilter, FeeFilter, FilterType, InvVect, LocatorRequest, Message, NetAddress, PeerAddress,
    Services,
};
use excc_peer::{ConfigBuilder, Direction, Network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use common::*;

/// A network and one of its protocol versions.
fn protocol() -> impl Strategy<Value = (Network, u32)> {
    prop_oneof![(Just(EXCC), 3_u32..=9), (Just(DCR), 9_u32..=12)]
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Inbound, Direction::Outbound])
}

fn vector() -> impl Strategy<Value = InvVect> {
    (0..40_u32, any::<bool>()).prop_map(|(n, is_tx)| if is_tx { tx(n) } else { block(n) })
}

fn filter(data: Vec<u8>) -> CFilter {
    CFilter { block_hash: hash(1), filter_type: FilterType::REGULAR, data: data.into() }
}

/// Messages that both chains have at some version, or one of them.
fn message() -> impl Strategy<Value = Message> {
    let vectors = || prop_oneof![8 => vec(vector(), 0..20), 1 => vec(vector(), 100..200)];
    let locator = || vec(any::<u32>().prop_map(hash), 0..5).prop_map(LocatorRequest::new);
    let address = |n: u32| {
        let addr = PeerAddress::new(Services::NODE_NETWORK, remote());
        NetAddress::new(n, addr)
    };
    prop_oneof![
        Just(Message::GetAddr),
        Just(Message::MemPool),
        Just(Message::SendHeaders),
        any::<u64>().prop_map(ping),
        any::<u64>().prop_map(pong),
        any::<i64>().prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })),
        vectors().prop_map(|vectors| Message::Inv(vectors.into())),
        vectors().prop_map(|vectors| Message::GetData(vectors.into())),
        vectors().prop_map(|vectors| Message::NotFound(vectors.into())),
        locator().prop_map(Message::GetHeaders),
        locator().prop_map(Message::GetBlocks),
        vec(any::<u32>().prop_map(address), 0..5).prop_map(|list| Message::Addr(list.into())),
        vec(any::<u8>(), 0..5_000).prop_map(|data| Message::CFilter(filter(data))),
    ]
}

/// A configuration with this highest version.
fn speaking((network, protocol_version): (Network, u32)) -> ConfigBuilder {
    config(network).protocol_version(protocol_version)
}
