//! Messages that applications would otherwise all have to put together in the same way.

use alloc::vec::Vec;

use super::PeerState;
use super::error::{SendError, SendErrorKind};
use super::event::SendId;
use super::random::Random;
use crate::hash::Hash;
use crate::time::Instant;
use crate::wire::{
    Command, List, LocatorRequest, MAX_ADDRS, Message, NetAddress, NetAddressV2, PeerAddress,
    Reject,
};

/// What became of the addresses given to [`push_addrs`](PeerState::push_addrs).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct PushedAddrs {
    /// The queued message; none if there was nothing to send.
    pub id: Option<SendId>,
    /// The addresses in it.
    pub addresses: Vec<NetAddressV2>,
}

/// # Helpers
///
/// Commands that put a message together. What they queue is sent like any other message.
impl PeerState {
    /// Tells the remote of nodes: by `addrv2` on Decred from protocol version 12 on, by `addr`
    /// else, which has no room for a Tor service, so that these are left out.
    ///
    /// Of more than [`MAX_ADDRS`] addresses, as many are drawn at random; fewer are sent in
    /// the order given. If there are none, nothing is queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push_addrs(
        &mut self,
        now: Instant,
        addresses: &[NetAddressV2],
    ) -> Result<PushedAddrs, SendErrorKind> {
        self.set_now(now);
        let is_v2 = Command::AddrV2.is_defined(self.decoder.protocol());
        self.check_sendable(if is_v2 { Command::AddrV2 } else { Command::Addr })?;

        let can_be_sent = |address: &&NetAddressV2| is_v2 || address.socket_addr().is_some();
        let mut chosen: Vec<_> = addresses.iter().filter(can_be_sent).copied().collect();
        for address in &mut chosen {
            // Decred's nodes ban the sender of an IPv4 address that is written as one of IPv6.
            address.addr = address.addr.to_canonical();
        }
        draw(&mut chosen, MAX_ADDRS, &mut self.random);
        if chosen.is_empty() {
            return Ok(PushedAddrs { id: None, addresses: chosen });
        }
        let message = if is_v2 {
            Message::AddrV2(chosen.clone())
        } else {
            Message::Addr(chosen.iter().filter_map(to_v1).collect())
        };
        let id = self.send(now, message).map_err(|error| error.kind)?;
        Ok(PushedAddrs { id: Some(id), addresses: chosen })
    }

    /// Asks for the headers of the blocks after a block locator, up to `stop`:
    /// [`Hash::ZERO`] for as many as fit.
    ///
    /// Returns nothing if the request repeats the last one of this helper, in the first hash
    /// of its locator and in `stop`, within
    /// [`duplicate_request_lifetime`](crate::ConfigBuilder::duplicate_request_lifetime):
    /// then it is not queued. One with an empty locator never counts as repeated.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). The request then is not remembered as the last one.
    pub fn push_getheaders(
        &mut self,
        now: Instant,
        locator: impl Into<List<Hash>>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        self.push_request(now, Message::GetHeaders, locator.into(), stop)
    }

    /// Asks for the hashes of the blocks after a block locator: like
    /// [`push_getheaders`](Self::push_getheaders), with a memory of its own for repetitions.
    ///
    /// # Errors
    ///
    /// As [`push_getheaders`](Self::push_getheaders).
    pub fn push_getblocks(
        &mut self,
        now: Instant,
        locator: impl Into<List<Hash>>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        self.push_request(now, Message::GetBlocks, locator.into(), stop)
    }

    /// Says that a message was not accepted: on Exchangecoin up to protocol version 8. Its
    /// nodes never send this and pass over what they get.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send): among others that the version in force has no `reject`.
    pub fn push_reject(
        &mut self,
        now: Instant,
        reject: Reject,
    ) -> Result<SendId, SendError<Message>> {
        self.send(now, reject)
    }

    fn push_request(
        &mut self,
        now: Instant,
        message: fn(LocatorRequest) -> Message,
        locator: List<Hash>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        self.set_now(now);
        let first = locator.first().copied();
        let protocol_version = self.protocol_version();
        let message = message(LocatorRequest { protocol_version, locator, stop });
        let command = message.command();
        if let (Some(first), Some(last)) = (first, *self.last_request(command))
            && (last.first, last.stop) == (first, stop)
            && self.now < last.expires
            && self.check_live().is_ok()
        {
            return Ok(None);
        }
        let id = self.send(now, message)?;
        let expires = self.now + self.config.duplicate_request_lifetime;
        *self.last_request(command) = first.map(|first| LastRequest { first, stop, expires });
        Ok(Some(id))
    }

    fn last_request(&mut self, command: Command) -> &mut Option<LastRequest> {
        let last = self.last_requests.get_or_insert_default();
        match command {
            Command::GetBlocks => &mut last.blocks,
            _ => &mut last.headers,
        }
    }
}

/// What the helpers asked for last.
#[derive(Default)]
pub(super) struct LastRequests {
    blocks: Option<LastRequest>,
    headers: Option<LastRequest>,
}

#[derive(Clone, Copy)]
struct LastRequest {
    /// The first hash of the locator.
    first: Hash,
    stop: Hash,
    /// Until when it is held back if it is repeated.
    expires: Instant,
}

/// Keeps `count` of more items than that, drawn at random.
fn draw<T>(items: &mut Vec<T>, count: usize, random: &mut Random) {
    if items.len() <= count {
        return;
    }
    for at in 0..count {
        let other = at + random.below((items.len() - at) as u64) as usize;
        items.swap(at, other);
    }
    items.truncate(count);
}

/// The address as `addr` carries it, which has 32 bits for the time.
fn to_v1(address: &NetAddressV2) -> Option<NetAddress> {
    let timestamp = u32::try_from(address.timestamp).unwrap_or(u32::MAX);
    let at = PeerAddress::new(address.services, address.socket_addr()?);
    Some(NetAddress::new(timestamp, at))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_item_is_drawn_about_equally_often() {
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
    fn few_items_stay_in_their_order() {
        let mut random = Random::new(&mut ChaCha8Rng::seed_from_u64(3));
        let mut items: Vec<u8> = (0..100).collect();
        draw(&mut items, 100, &mut random);
        assert_eq!(items, (0..100).collect::<Vec<u8>>());
    }
}
