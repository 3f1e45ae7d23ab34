//! Blocks: `block`.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::codec::{
    Cursor, Payload, Protocol, Reader, Writer, check_chain, put_varint, varint_len,
};
use super::debug::{self, Items, debug_fields};
use super::error::{DecodeError, EncodeError, ErrorKind, at_most};
use super::header::{BlockHeader, BlockHeaderRef};
use super::message::Command;
use super::tx::{Tx, TxRef};
use crate::hash::Hash;
use crate::network::Chain;

/// Most transactions in each of a block's two trees: 43,691, and 33,334 below protocol
/// version 4.
#[must_use]
pub const fn max_txs_per_tree(protocol: Protocol) -> usize {
    Command::Block.max_payload(protocol) / 15 / 2 + 1
}

/// A block, backed by the very bytes it has on the wire.
///
/// It was validated when it was received: each of its transactions is one, and there are
/// no more of them than the wire allows. What the block says of itself, such as its merkle
/// roots, was not. The header and the transactions of both trees are lent as views.
/// Cloning counts a reference. A new one is [encoded](BlockParts::encode) from
/// [`BlockParts`].
///
/// ```
/// use excc_peer::wire::Block;
/// # fn f(block: Block) {
/// println!("block {} at height {}", block.block_hash(), block.header().height());
/// for tx in block.transactions() {
///     println!("{} pays {}", tx.tx_hash(), tx.outputs().map(|it| it.value()).sum::<i64>());
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    chain: Chain,
    raw: Bytes,
    regular: Tree,
    stake: Tree,
}

/// Where the transactions of a tree lie.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tree {
    /// Offset of the first.
    start: usize,
    count: u32,
}

impl Tree {
    /// Walks over a tree of a block that begins where `block` is.
    fn scan(
        cursor: &mut Cursor<'_>,
        block: &Cursor<'_>,
        protocol: Protocol,
    ) -> Result<Self, ErrorKind> {
        let count = cursor.count(max_txs_per_tree(protocol), ErrorKind::TooManyTxs)?;
        let start = block.distance(cursor);
        for _ in 0..count {
            TxRef::skip(cursor)?;
        }
        // The limit is one that 32 bits can tell.
        Ok(Self { start, count: count as u32 })
    }
}

impl Block {
    /// The block that `raw` is, without a copy.
    ///
    /// # Errors
    ///
    /// What is wrong with it; bytes left over are
    /// [`TrailingBytes`](ErrorKind::TrailingBytes), and more of them than a `block` may
    /// have are [`PayloadTooLarge`](ErrorKind::PayloadTooLarge).
    pub fn from_bytes(protocol: Protocol, raw: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::shared(raw);
        Command::Block
            .check_len(raw.len(), protocol)
            .and_then(|()| Self::decode(&mut reader, protocol))
            .and_then(|block| reader.end().map(|()| block))
            .map_err(|kind| DecodeError::in_message(Command::Block, kind))
    }

    /// The header.
    pub fn header(&self) -> BlockHeaderRef<'_> {
        BlockHeaderRef::new(self.chain, &self.raw).expect("a block begins with a whole header")
    }

    /// The regular transactions in order.
    pub fn transactions(&self) -> Transactions<'_> {
        self.tree(self.regular)
    }

    /// The stake transactions in order.
    pub fn stake_transactions(&self) -> Transactions<'_> {
        self.tree(self.stake)
    }

    /// The block as it is on the wire.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The chain whose block this is.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// The identity of the block: the hash of its header.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        self.header().block_hash()
    }

    /// The parts of the block, to be kept or changed. Transactions are not copied.
    pub fn to_parts(&self) -> BlockParts {
        let keep = |transactions: Transactions<'_>| {
            transactions.map(|tx| tx.kept(|raw| self.raw.slice_ref(raw))).collect()
        };
        BlockParts {
            header: self.header().to_header(),
            transactions: keep(self.transactions()),
            stake_transactions: keep(self.stake_transactions()),
        }
    }

    fn tree(&self, tree: Tree) -> Transactions<'_> {
        let rest = Cursor::new(self.raw.get(tree.start..).unwrap_or_default());
        Transactions { chain: self.chain, rest, left: tree.count as usize }
    }
}

/// Shows a summary without the block's hash, which is expensive.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        f.debug_struct("Block")
            .field("height", &header.height())
            .field("prev_block", &header.prev_block())
            .field("timestamp", &header.timestamp())
            .field("transactions", &self.regular.count)
            .field("stake_transactions", &self.stake.count)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// `block`: a block.
impl Payload for Block {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        let chain = protocol.chain;
        let mut ahead = reader.fork();
        ahead.skip(chain.header_len())?;
        let regular = Tree::scan(&mut ahead, reader, protocol)?;
        let stake = Tree::scan(&mut ahead, reader, protocol)?;
        let raw = reader.take_until(&ahead)?;
        Ok(Self { chain, raw, regular, stake })
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        check_chain(self.chain, protocol.chain)?;
        for tree in [self.regular, self.stake] {
            at_most(tree.count, max_txs_per_tree(protocol), ErrorKind::TooManyTxs)?;
        }
        writer.shared(&self.raw);
        Ok(())
    }
}

/// The transactions of one tree of a [`Block`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Transactions<'a> {
    chain: Chain,
    rest: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Transactions<'a> {
    type Item = TxRef<'a>;

    fn next(&mut self) -> Option<TxRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        TxRef::read(&mut self.rest, self.chain).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Transactions<'_> {}

/// Shows the first transactions and the number of the others.
impl fmt::Debug for Transactions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::list(f, self.clone())
    }
}

/// A block in its parts, to be built or changed.
#[must_use = "a block in its parts does nothing unless it is encoded"]
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct BlockParts {
    /// The header, of the chain whose block this is.
    pub header: BlockHeader,
    /// The regular transactions: at most [`max_txs_per_tree`].
    pub transactions: Vec<Tx>,
    /// The stake transactions: at most [`max_txs_per_tree`].
    pub stake_transactions: Vec<Tx>,
}

debug_fields! {
    BlockParts {
        header,
        transactions: Items(transactions),
        stake_transactions: Items(stake_transactions),
    }
}

impl BlockParts {
    /// Bytes of the block once encoded.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let tree = |transactions: &[Tx]| {
            let bytes: usize = transactions.iter().map(|tx| tx.raw().len()).sum();
            varint_len(transactions.len() as u64) + bytes
        };
        let header = self.header.chain().header_len();
        header + tree(&self.transactions) + tree(&self.stake_transactions)
    }

    /// The block as bytes, as `protocol` allows it.
    ///
    /// # Errors
    ///
    /// [`OtherChain`](super::Invalid::OtherChain) if the header or a transaction is of
    /// another chain, [`TooManyTxs`](ErrorKind::TooManyTxs) for too many of these, and
    /// [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) for more bytes than a `block` may
    /// have.
    pub fn encode(&self, protocol: Protocol) -> Result<Block, EncodeError> {
        self.encode_as(protocol).map_err(|kind| EncodeError::new(Command::Block, kind))
    }

    fn encode_as(&self, protocol: Protocol) -> Result<Block, ErrorKind> {
        let Protocol { chain, .. } = protocol;
        check_chain(self.header.chain(), chain)?;
        let len = self.encoded_len();
        Command::Block.check_len(len, protocol)?;

        let mut bytes = Vec::with_capacity(len);
        self.header.write(&mut bytes);
        let mut tree = |transactions: &[Tx]| {
            let count = transactions.len();
            at_most(count, max_txs_per_tree(protocol), ErrorKind::TooManyTxs)?;
            put_varint(count as u64, |part| bytes.extend_from_slice(part));
            let start = bytes.len();
            for tx in transactions {
                check_chain(tx.chain(), chain)?;
                bytes.extend_from_slice(tx.raw());
            }
            Ok(Tree { start, count: count as u32 })
        };
        let regular = tree(&self.transactions)?;
        let stake = tree(&self.stake_transactions)?;
        Ok(Block { chain, raw: bytes.into(), regular, stake })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::error::{Excess, Invalid};
    use crate::wire::tx::{OutPoint, Transaction, TxIn, TxOut, TxSerialization};

    const DECRED: Protocol = Protocol::new(Chain::Decred, 12);
    const EXCHANGECOIN: Protocol = Protocol::new(Chain::Exchangecoin, 8);

    fn header(chain: Chain) -> BlockHeader {
        let raw: [u8; 280] = core::array::from_fn(|i| i as u8);
        BlockHeaderRef::new(chain, &raw).unwrap().to_header()
    }

    fn tx(chain: Chain, seed: u8) -> Tx {
        let input = TxIn::new(OutPoint::new(Hash::from_bytes([seed; 32]), 0, 0));
        let output = TxOut { value: 1, version: 0, pk_script: vec![seed; seed.into()].into() };
        let transaction = Transaction {
            inputs: vec![input; 2],
            outputs: vec![output; 3],
            ..Transaction::default()
        };
        transaction.encode(chain).unwrap()
    }

    fn parts(chain: Chain) -> BlockParts {
        BlockParts {
            header: header(chain),
            transactions: (0..5).map(|seed| tx(chain, seed)).collect(),
            stake_transactions: vec![tx(chain, 200)],
        }
    }

    #[test]
    fn a_built_block_is_the_block_that_is_read() {
        for protocol in [DECRED, EXCHANGECOIN] {
            let parts = parts(protocol.chain);
            let block = parts.encode(protocol).unwrap();
            assert_eq!(block.raw().len(), parts.encoded_len());
            let read = Block::from_bytes(protocol, block.raw()).unwrap();
            assert_eq!(read, block);
            assert_eq!(read.block_hash(), parts.header.block_hash());
            assert_eq!((read.transactions().len(), read.stake_transactions().len()), (5, 1));
            let views = read.transactions().map(|tx| tx.tx_hash());
            assert!(views.eq(parts.transactions.iter().map(Tx::tx_hash)));
            assert_eq!(read.to_parts(), parts);
            assert!(read.transactions().map(|tx| tx.to_tx()).eq(parts.transactions));
        }
    }

    #[test]
    fn transactions_taken_apart_from_a_received_block_are_not_copied() {
        let block = parts(Chain::Decred).encode(DECRED).unwrap();
        for tx in block.to_parts().transactions {
            assert!(block.raw().as_ptr_range().contains(&tx.raw().as_ptr()));
        }
    }

    #[test]
    fn a_block_is_of_one_chain() {
        let refused = |parts: BlockParts| parts.encode(DECRED).unwrap_err().kind().clone();
        let other = ErrorKind::InvalidMsg(Invalid::OtherChain {
            of: Chain::Exchangecoin,
            expected: Chain::Decred,
        });
        let decred = parts(Chain::Decred);
        let transactions = vec![tx(Chain::Exchangecoin, 1)];
        assert_eq!(refused(parts(Chain::Exchangecoin)), other);
        assert_eq!(refused(BlockParts { transactions, ..decred }), other);
    }

    #[test]
    fn trees_are_limited_by_version() {
        let smallest =
            Transaction { serialization: TxSerialization::OnlyWitness, ..Transaction::default() };
        let smallest = smallest.encode(Chain::Decred).unwrap();
        let block = |count| BlockParts {
            stake_transactions: vec![smallest.clone(); count],
            transactions: Vec::new(),
            header: header(Chain::Decred),
        };
        for (version, most) in [(3, 33_334), (4, 43_691)] {
            let protocol = Protocol { version, ..DECRED };
            let largest = block(most).encode(protocol).unwrap();
            assert_eq!(Block::from_bytes(protocol, largest.raw()), Ok(largest));

            let excess = Excess { seen: most as u64 + 1, allowed: most as u64 };
            let too_many = Err(ErrorKind::TooManyTxs(excess));
            let built = block(most + 1).encode(protocol);
            assert_eq!(built.map_err(|error| error.kind().clone()), too_many);
        }

        let newest = block(33_335).encode(DECRED).unwrap();
        let old = Protocol { version: 3, ..DECRED };
        let excess = Excess { seen: 33_335, allowed: 33_334 };
        let too_many = Err(ErrorKind::TooManyTxs(excess));
        assert_eq!(newest.encode(&mut Writer::default(), old), too_many);
        let read = Block::from_bytes(old, newest.raw()).map(drop);
        assert_eq!(read.map_err(|error| error.kind().clone()), too_many.map(drop));
    }

    #[test]
    fn what_follows_a_block_is_not_part_of_it() {
        let block = parts(Chain::Exchangecoin).encode(EXCHANGECOIN).unwrap();
        let more = Bytes::from([&block.raw()[..], &[0; 9]].concat());
        let read = Block::decode(&mut Reader::shared(&more), EXCHANGECOIN);
        assert_eq!(read.as_ref(), Ok(&block));
        let refused = Block::from_bytes(EXCHANGECOIN, &more).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::TrailingBytes(9));
    }
}
