//! Chains of headers: generated ones, and the hashes of downloaded ones.

use excc_peer::wire::{BlockHeader, BlockHeaderRef};
use excc_peer::{Hash, Network};

/// Returns `count` headers on top of the genesis block. They are linked, but have no proof of work.
pub(crate) fn make(network: Network, count: u32) -> Vec<BlockHeader> {
    let hash_function = network.chain().hash_function();
    let mut prev_block = network.genesis();
    let next = |height: u32| {
        let header = BlockHeader {
            version: 1,
            prev_block,
            merkle_root: hash_function.digest(&[&height.to_le_bytes()]),
            height,
            timestamp: 1_500_000_000 + 150 * height,
            ..BlockHeader::zeroed(network.chain())
        };
        prev_block = header.block_hash();
        header
    };
    (1..=count).map(next).collect()
}

/// Hashes of the blocks of a chain by height, from the genesis block on.
pub(crate) struct HashChain(Vec<Hash>);

impl HashChain {
    pub(crate) fn new(network: Network) -> Self {
        Self(vec![network.genesis()])
    }

    pub(crate) fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }

    pub(crate) fn tip(&self) -> Hash {
        self.0[self.0.len() - 1]
    }

    /// Adds a header, if it is the next one. A node would also check the proof of work, because a
    /// chain without it costs nothing.
    pub(crate) fn push(&mut self, header: &BlockHeaderRef<'_>) -> Result<(), String> {
        let (height, tip) = (self.height() + 1, self.tip());
        if header.prev_block() != tip {
            let link = header.prev_block();
            return Err(format!("a header links to {link} but the tip is {tip}"));
        }
        if header.height() != height {
            return Err(format!("a header of height {} instead of {height}", header.height()));
        }
        self.0.push(header.block_hash());
        Ok(())
    }

    /// Returns a block locator: the last ten hashes, then hashes at growing distances, and the first.
    pub(crate) fn locator(&self) -> Vec<Hash> {
        let mut locator = Vec::new();
        let (mut height, mut step) = (self.0.len() - 1, 1);
        while height > 0 {
            locator.push(self.0[height]);
            if locator.len() >= 10 {
                step *= 2;
            }
            height = height.saturating_sub(step);
        }
        locator.push(self.0[0]);
        locator
    }
}

#[cfg(test)]
mod tests {
    use excc_peer::wire::Headers;

    use super::*;

    const NETWORK: Network = Network::EXCC_MAINNET;

    fn push_all(headers: &[BlockHeader]) -> Result<HashChain, String> {
        let mut chain = HashChain::new(NETWORK);
        let headers = Headers::new(NETWORK.chain(), headers).unwrap();
        headers.iter().try_for_each(|header| chain.push(&header)).map(|()| chain)
    }

    #[test]
    fn locators_are_dense_at_the_tip_and_end_at_the_first_block() {
        let heights = |count| {
            let chain = push_all(&make(NETWORK, count)).unwrap();
            let height = |hash| chain.0.iter().position(|known| *known == hash).unwrap();
            chain.locator().into_iter().map(height).collect::<Vec<_>>()
        };
        assert_eq!(heights(0), [0]);
        assert_eq!(heights(3), [3, 2, 1, 0]);
        assert_eq!(heights(40), [40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 29, 25, 17, 1, 0]);
    }

    #[test]
    fn headers_that_do_not_form_a_chain_are_refused() {
        let good = make(NETWORK, 5);
        assert_eq!(push_all(&good).map(|chain| chain.tip()), Ok(good[4].block_hash()));

        let mut missing = good.clone();
        missing.remove(2);
        assert!(push_all(&missing).is_err_and(|error| error.contains("the tip is")));

        let mut misplaced = good;
        misplaced[4].height = 7;
        assert!(
            push_all(&misplaced).is_err_and(|error| error.contains("of height 7 instead of 5"))
        );
    }
}
