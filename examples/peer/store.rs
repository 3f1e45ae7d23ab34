//! Transactions and blocks of this program, and its answers to requests.
//!
//! The program creates all of them. They are well-formed, but their inputs do not exist, and the
//! blocks have no proof of work.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use excc_peer::wire::{
    Block, BlockHeader, BlockParts, EncodeError, Headers, InitState, InvType, InvVect, List,
    LocatorRequest, MAX_HEADERS, Message, OutPoint, Protocol, Services, Transaction, Tx, TxIn,
    TxOut,
};
use excc_peer::{Hash, Network};

/// Maximum number of hashes in the answer to a `getblocks`, as in the nodes.
const MAX_BLOCK_HASHES: usize = 500;

pub(crate) struct Store {
    protocol: Protocol,
    genesis: Hash,
    offers_chain: bool,
    /// Makes the transactions of each process different.
    salt: [u8; 8],
    txs: BTreeMap<Hash, Tx>,
    /// Blocks on top of the genesis block.
    blocks: Vec<(Hash, Block)>,
}

impl Store {
    pub(crate) fn new(network: Network, services: Services) -> Result<Self, getrandom::Error> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt)?;
        let chain = network.chain();
        Ok(Self {
            protocol: Protocol::new(chain, chain.advertised_version()),
            genesis: network.genesis(),
            offers_chain: services.contains(Services::NODE_NETWORK),
            salt,
            txs: BTreeMap::new(),
            blocks: Vec::new(),
        })
    }

    /// Creates a transaction, or a block on top of the others, and stores it.
    pub(crate) fn make(&mut self, kind: InvType) -> Result<InvVect, EncodeError> {
        let tx = self.make_tx()?;
        if kind == InvType::TX {
            let hash = tx.tx_hash();
            self.txs.insert(hash, tx);
            return Ok(InvVect::tx(hash));
        }
        let block = self.make_block(tx)?;
        let hash = block.block_hash();
        self.blocks.push((hash, block));
        Ok(InvVect::block(hash))
    }

    fn make_tx(&self) -> Result<Tx, EncodeError> {
        let chain = self.protocol.chain;
        let number = (self.txs.len() + self.blocks.len()).to_le_bytes();
        let spent = chain.hash_function().digest(&[&self.salt, &number]);
        let output = TxOut { value: 1, version: 0, pk_script: vec![0x51].into() };
        let transaction = Transaction {
            version: 1,
            inputs: vec![TxIn::new(OutPoint::new(spent, 0, OutPoint::REGULAR_TREE))],
            outputs: vec![output],
            ..Transaction::default()
        };
        transaction.encode(chain)
    }

    fn make_block(&self, tx: Tx) -> Result<Block, EncodeError> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = BlockHeader {
            version: 1,
            prev_block: self.blocks.last().map_or(self.genesis, |(hash, _)| *hash),
            merkle_root: tx.tx_hash(),
            height: self.blocks.len() as u32 + 1,
            timestamp: unix_time.as_secs() as u32,
            ..BlockHeader::zeroed(self.protocol.chain)
        };
        let stake_transactions = Vec::new();
        BlockParts { header, transactions: vec![tx], stake_transactions }.encode(self.protocol)
    }

    /// Returns the transaction or block of a vector.
    pub(crate) fn get(&self, vector: &InvVect) -> Option<Message> {
        match vector.kind() {
            InvType::TX => self.txs.get(&vector.hash()).cloned().map(Message::Tx),
            InvType::BLOCK => {
                let (_, block) = self.blocks.iter().find(|(hash, _)| *hash == vector.hash())?;
                Some(Message::Block(block.clone()))
            }
            _ => None,
        }
    }

    /// Returns the answers that a node expects. Nodes disconnect a peer that does not answer.
    pub(crate) fn answers(&self, request: &Message) -> Vec<Message> {
        match request {
            Message::GetData(vectors) => self.objects(vectors),
            Message::GetInitState(_) => vec![InitState::default().into()],
            Message::GetHeaders(request) if self.offers_chain => vec![self.headers(request)],
            Message::GetBlocks(request) if self.offers_chain => {
                let hashes = self.following(request).iter().map(|(hash, _)| InvVect::block(*hash));
                inv(hashes.take(MAX_BLOCK_HASHES).collect())
            }
            Message::MemPool => inv(self.txs.keys().copied().map(InvVect::tx).collect()),
            _ => Vec::new(),
        }
    }

    fn objects(&self, vectors: &[InvVect]) -> Vec<Message> {
        let mut found: Vec<_> = vectors.iter().filter_map(|vector| self.get(vector)).collect();
        let is_missing = |vector: &&InvVect| {
            // Nodes disconnect a peer that sends other types in a `notfound`.
            matches!(vector.kind(), InvType::TX | InvType::BLOCK | InvType::MIX)
                && self.get(vector).is_none()
        };
        let missing: List<_> = vectors.iter().filter(is_missing).copied().collect();
        if !missing.is_empty() {
            found.push(Message::NotFound(missing));
        }
        found
    }

    fn headers(&self, request: &LocatorRequest) -> Message {
        let following = self.following(request).iter().take(MAX_HEADERS);
        let headers: Vec<_> = following.map(|(_, block)| block.header().to_header()).collect();
        let chain = self.protocol.chain;
        Message::Headers(Headers::new(chain, &headers).unwrap_or_else(|_| Headers::empty(chain)))
    }

    /// Returns the blocks after the first known hash of a locator, up to the stop hash.
    fn following(&self, request: &LocatorRequest) -> &[(Hash, Block)] {
        let height = |hash: &Hash| self.blocks.iter().position(|(other, _)| other == hash);
        let start = request.locator.iter().find_map(height).map_or(0, |index| index + 1);
        let end = height(&request.stop).map_or(self.blocks.len(), |index| index + 1);
        &self.blocks[start..end.max(start)]
    }
}

/// Returns an `inv`, unless it would be empty. Nodes ban the sender of an empty one.
fn inv(vectors: List<InvVect>) -> Vec<Message> {
    if vectors.is_empty() { Vec::new() } else { vec![Message::Inv(vectors)] }
}
