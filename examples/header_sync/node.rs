//! A node that has only headers.

use std::collections::HashMap;
use std::net::TcpListener;

use excc_peer::adapter::threads as adapter;
use excc_peer::wire::{BlockHeader, Headers, LocatorRequest, MAX_HEADERS, Message, Services};
use excc_peer::{Config, Event, Hash, Network};
use rand_core::UnwrapErr;

use crate::Error;

pub(crate) struct Node {
    network: Network,
    headers: Vec<BlockHeader>,
    tip: Hash,
    /// The index in `headers` of the successor of each block.
    next: HashMap<Hash, usize>,
}

impl Node {
    pub(crate) fn new(network: Network, headers: Vec<BlockHeader>) -> Self {
        let tip = headers.last().map_or(network.genesis(), BlockHeader::block_hash);
        let blocks = headers.iter().map(|header| header.prev_block).chain([tip]);
        let next = blocks.zip(0..).collect();
        Self { network, headers, tip, next }
    }

    pub(crate) fn tip(&self) -> Hash {
        self.tip
    }

    /// Answers one peer until it disconnects.
    pub(crate) fn serve(&self, listener: &TcpListener) -> Result<(), Error> {
        let config = Config::builder(self.network)
            .user_agent("header-node", "1.0.0")
            .services(Services::NODE_NETWORK)
            .start_height(self.headers.len().try_into()?)
            .build()?;
        let (peer, events) = adapter::accept(config, listener, &mut UnwrapErr(getrandom::SysRng))?;
        for event in events {
            if let Event::Message { message: Message::GetHeaders(request), .. } = event {
                peer.send(Message::Headers(self.following(&request)?))?;
            }
        }
        peer.wait_closed();
        Ok(())
    }

    /// Returns the headers after the first known hash of the locator, or from the first header if no
    /// hash is known.
    fn following(&self, request: &LocatorRequest) -> Result<Headers, Error> {
        let next = |hash| self.next.get(hash).copied();
        let start = request.locator.iter().find_map(next).unwrap_or(0);
        let end = next(&request.stop).unwrap_or(usize::MAX).max(start);
        let headers = &self.headers[start..end.min(self.headers.len()).min(start + MAX_HEADERS)];
        Ok(Headers::new(self.network.chain(), headers)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain;

    #[test]
    fn headers_follow_the_first_known_hash_up_to_the_stop_hash() {
        let network = Network::DCR_SIMNET;
        let headers = chain::make(network, MAX_HEADERS as u32 + 500);
        let hash = |height: u32| headers[height as usize - 1].block_hash();
        let node = Node::new(network, headers.clone());
        let heights = |locator: Vec<Hash>, stop| {
            let request = LocatorRequest { stop, ..LocatorRequest::new(locator) };
            let headers = node.following(&request).unwrap();
            headers.get(0).map(|first| (first.height(), headers.len()))
        };
        let unknown = Hash::from_bytes([1; 32]);
        assert_eq!(heights(vec![unknown, hash(7), hash(3)], Hash::ZERO), Some((8, MAX_HEADERS)));
        assert_eq!(heights(vec![unknown], Hash::ZERO), Some((1, MAX_HEADERS)));
        assert_eq!(heights(vec![hash(2_400)], unknown), Some((2_401, 100)));
        assert_eq!(heights(vec![hash(7)], hash(9)), Some((8, 2)));
        assert_eq!(heights(vec![hash(9)], hash(7)), None);
        assert_eq!(heights(vec![node.tip()], Hash::ZERO), None);
    }
}
