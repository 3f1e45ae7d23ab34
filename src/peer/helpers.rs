//! Helpers that put messages together: addresses, and requests with block locators.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::event::SendId;
use super::random::Random;
use crate::hash::Hash;
use crate::time::Instant;
use crate::wire::{Command, MAX_ADDRS, Message, NetAddress, NetAddressV2, PeerAddress};

/// The result of [`push_addrs`](crate::PeerState::push_addrs).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct PushedAddrs {
    /// The queued message, or `None` if there was no address to send.
    pub id: Option<SendId>,
    /// The addresses in the message.
    pub addresses: Vec<NetAddressV2>,
}

/// Chooses the addresses to send: at most [`MAX_ADDRS`], drawn at random from more. An `addr`
/// cannot carry all kinds of addresses (`docs/protocol.md`, 13.1).
pub(super) fn choose_addresses(
    addresses: &[NetAddressV2],
    is_v2: bool,
    random: &mut Random,
) -> Vec<NetAddressV2> {
    let can_be_sent = |address: &&NetAddressV2| is_v2 || address.socket_addr().is_some();
    let mut chosen: Vec<_> = addresses.iter().filter(can_be_sent).copied().collect();
    for address in &mut chosen {
        // Decred's nodes ban the sender of an IPv4 address that is written as IPv6.
        address.addr = address.addr.to_canonical();
    }
    draw(&mut chosen, MAX_ADDRS, random);
    chosen
}

/// Returns the message that carries `addresses`.
pub(super) fn addresses_message(addresses: &[NetAddressV2], is_v2: bool) -> Message {
    if is_v2 {
        Message::AddrV2(addresses.to_vec())
    } else {
        Message::Addr(addresses.iter().filter_map(to_v1).collect())
    }
}

/// Keeps `count` of the items, drawn at random, if there are more.
fn draw<T>(items: &mut Vec<T>, count: usize, random: &mut Random) {
    if items.len() <= count {
        return;
    }
    for place in 0..count {
        let other = place + random.below((items.len() - place) as u64) as usize;
        items.swap(place, other);
    }
    items.truncate(count);
}

/// Returns an address as `addr` carries it, with 32 bits for the time.
fn to_v1(address: &NetAddressV2) -> Option<NetAddress> {
    let timestamp = u32::try_from(address.timestamp).unwrap_or(u32::MAX);
    let peer = PeerAddress::new(address.services, address.socket_addr()?);
    Some(NetAddress::new(timestamp, peer))
}

/// The latest `getblocks` and the latest `getheaders` of the helpers. A request that repeats the
/// latest one of its command is filtered for a while (`docs/protocol.md`, 13.2).
#[derive(Default)]
pub(super) struct DuplicateFilter(Option<Box<LatestRequests>>);

#[derive(Default)]
struct LatestRequests {
    blocks: Option<LatestRequest>,
    headers: Option<LatestRequest>,
}

#[derive(Clone, Copy)]
struct LatestRequest {
    /// The first hash of the locator.
    first: Hash,
    stop: Hash,
    expires: Instant,
}

impl DuplicateFilter {
    /// Returns whether a request repeats the latest one of its command. `first` is the first hash
    /// of its locator. A request with an empty locator repeats none.
    pub(super) fn is_duplicate(
        &self,
        command: Command,
        first: Option<Hash>,
        stop: Hash,
        now: Instant,
    ) -> bool {
        let Some(latest) = &self.0 else { return false };
        let latest = match command {
            Command::GetBlocks => latest.blocks,
            _ => latest.headers,
        };
        latest.is_some_and(|latest| {
            first == Some(latest.first) && stop == latest.stop && now < latest.expires
        })
    }

    /// Records a request that was queued.
    pub(super) fn on_queued(
        &mut self,
        command: Command,
        first: Option<Hash>,
        stop: Hash,
        expires: Instant,
    ) {
        let latest = self.0.get_or_insert_default();
        let latest = match command {
            Command::GetBlocks => &mut latest.blocks,
            _ => &mut latest.headers,
        };
        *latest = first.map(|first| LatestRequest { first, stop, expires });
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_item_is_drawn_about_as_often_as_others() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(3));
        let mut drawn = [0; 5];
        for _ in 0..1_000 {
            let mut items: Vec<usize> = (0..5).collect();
            draw(&mut items, 2, &mut random);
            assert_eq!(items.len(), 2);
            assert_ne!(items[0], items[1]);
            items.iter().for_each(|&item| drawn[item] += 1);
        }
        assert!(drawn.iter().all(|times| (340..460).contains(times)), "{drawn:?}");
    }

    #[test]
    fn few_items_keep_their_order() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(3));
        let mut items: Vec<u8> = (0..100).collect();
        draw(&mut items, 100, &mut random);
        assert_eq!(items, (0..100).collect::<Vec<u8>>());
    }
}
