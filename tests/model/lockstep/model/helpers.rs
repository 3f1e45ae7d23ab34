//! Commands that build a message for the application (`docs/protocol.md`, 13).

use excc_peer::wire::{
    Command, HostAddress, List, LocatorRequest, Message, NetAddress, NetAddressV2, PeerAddress,
};
use excc_peer::{Hash, Instant, SendErrorKind};

use super::Model;

impl Model {
    /// Requests headers or blocks, unless the last request was the same.
    pub(crate) fn push_request(
        &mut self,
        now: Instant,
        message: fn(LocatorRequest) -> Message,
        locator: &[Hash],
        stop: Hash,
    ) -> Result<Option<u64>, SendErrorKind> {
        self.set_time(now);
        let protocol_version = self.protocol().version;
        let locator = List::from(locator);
        let first = locator.first().copied();
        let message = message(LocatorRequest { protocol_version, locator, stop });
        let last = usize::from(message.command() == Command::GetBlocks);
        if let (None, None, Some(first), Some((last_first, last_stop, end))) =
            (&self.closed, self.shuts_down_by, first, self.last_pushed[last])
            && (first, stop) == (last_first, last_stop)
            && self.now < end
        {
            return Ok(None);
        }
        let id = self.send(now, &message)?;
        let end = self.now + self.setup.duplicate_request_lifetime;
        self.last_pushed[last] = first.map(|first| (first, stop, end));
        Ok(Some(id))
    }

    /// Sends those addresses, or the ones of them that were `drawn`. Returns which.
    pub(crate) fn push_addrs(
        &mut self,
        now: Instant,
        addresses: &[NetAddressV2],
        drawn: &[NetAddressV2],
    ) -> Result<(Option<u64>, Vec<NetAddressV2>), SendErrorKind> {
        self.set_time(now);
        let is_v2 = Command::AddrV2.is_defined(self.protocol());
        self.check_sendable(if is_v2 { Command::AddrV2 } else { Command::Addr })?;
        let mut chosen = addresses.to_vec();
        for address in &mut chosen {
            if let Some(std::net::IpAddr::V4(ip)) = address.addr.ip() {
                address.addr = HostAddress::Ipv4(ip);
            }
        }
        chosen.retain(|address| is_v2 || address.socket_addr().is_some());
        if chosen.len() > 1_000 {
            assert_eq!(drawn.len(), 1_000);
            for address in drawn {
                let at = chosen.iter().position(|other| other == address);
                chosen.remove(at.expect("none is drawn twice or made up"));
            }
            chosen = drawn.to_vec();
        }
        if chosen.is_empty() {
            return Ok((None, chosen));
        }
        let v1 = |address: &NetAddressV2| {
            let at = PeerAddress::new(address.services, address.socket_addr()?);
            Some(NetAddress::new(address.timestamp.try_into().unwrap_or(u32::MAX), at))
        };
        let message = match is_v2 {
            true => Message::AddrV2(chosen.clone()),
            false => Message::Addr(chosen.iter().filter_map(v1).collect()),
        };
        Ok((Some(self.send(now, &message)?), chosen))
    }

    pub(crate) fn update_last_block(&mut self, now: Instant, height: i64) {
        self.set_time(now);
        self.raise_last_block(height);
    }
}
