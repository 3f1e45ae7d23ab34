//! Blocks: `block`.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::block_header::{BlockHeader, BlockHeaderRef};
use super::command::Command;
use super::error::{DecodeError, EncodeError, ErrorKind, at_most};
use super::format::{Items, debug_fields, fmt_list};
use super::limits::max_txs_per_tree;
use super::payload::Payload;
use super::protocol::{Protocol, check_chain};
use super::reader::{Cursor, Reader};
use super::tx::{Tx, TxRef};
use super::varint::{put_varint, varint_len};
use super::writer::Writer;
use crate::hash::Hash;
use crate::network::Chain;

/// A block, stored as on the wire.
///
/// A received block has a complete header and valid transactions, whose numbers are within the
/// limits. Other properties are not validated, such as the merkle roots. Header and transactions
/// are views of the bytes. A clone is a reference to the same bytes. A new block is
/// [encoded](BlockParts::encode) from [`BlockParts`].
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

/// The position of the transactions of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tree {
    /// Offset of the first transaction.
    start: usize,
    count: u32,
}

impl Tree {
    /// Skips a tree, and returns its position relative to `block`.
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
        // The count is within its limit, so 32 bits suffice.
        Ok(Self { start, count: count as u32 })
    }
}

impl Block {
    /// Decodes a block from its bytes without a copy.
    ///
    /// # Errors
    ///
    /// - [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) if `raw` is larger than a `block` may
    ///   be.
    /// - [`Truncated`](ErrorKind::Truncated) if the block is incomplete.
    /// - [`TooManyTxs`](ErrorKind::TooManyTxs) if a tree has more transactions than
    ///   [`max_txs_per_tree`].
    /// - [`TrailingBytes`](ErrorKind::TrailingBytes) if bytes follow the block.
    /// - The errors of [`Tx::from_bytes`].
    pub fn from_bytes(protocol: Protocol, raw: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::shared(raw);
        Command::Block
            .check_len(raw.len(), protocol)
            .and_then(|()| Self::decode(&mut reader, protocol))
            .and_then(|block| reader.end().map(|()| block))
            .map_err(|kind| DecodeError::in_message(Command::Block, kind))
    }

    /// Returns the header.
    pub fn header(&self) -> BlockHeaderRef<'_> {
        BlockHeaderRef::new(self.chain, &self.raw).expect("a block begins with a whole header")
    }

    /// Iterates over the regular transactions.
    pub fn transactions(&self) -> Transactions<'_> {
        self.tree(self.regular)
    }

    /// Iterates over the stake transactions.
    pub fn stake_transactions(&self) -> Transactions<'_> {
        self.tree(self.stake)
    }

    /// Returns the encoded block.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns the chain of the block.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Returns the hash of the header, which identifies the block.
    #[must_use]
    pub fn block_hash(&self) -> Hash {
        self.header().block_hash()
    }

    /// Converts the block to its parts. Transactions are not copied.
    pub fn to_parts(&self) -> BlockParts {
        let to_txs = |transactions: Transactions<'_>| {
            transactions.map(|tx| tx.to_tx_with(|raw| self.raw.slice_ref(raw))).collect()
        };
        BlockParts {
            header: self.header().to_header(),
            transactions: to_txs(self.transactions()),
            stake_transactions: to_txs(self.stake_transactions()),
        }
    }

    fn tree(&self, tree: Tree) -> Transactions<'_> {
        let rest = Cursor::new(self.raw.get(tree.start..).unwrap_or_default());
        Transactions { chain: self.chain, rest, remaining: tree.count as usize }
    }
}

/// Shows a summary without the block hash, which is expensive to compute.
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

/// The payload of a `block`.
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
        // The version may be lower than the one of receipt. The reference nodes do not test the
        // counts here, but a receiver refuses the block (`docs/protocol.md`, 4.6).
        for tree in [self.regular, self.stake] {
            at_most(tree.count, max_txs_per_tree(protocol), ErrorKind::TooManyTxs)?;
        }
        writer.shared(&self.raw);
        Ok(())
    }
}

/// Iterates over the transactions of one tree of a [`Block`].
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Transactions<'a> {
    chain: Chain,
    rest: Cursor<'a>,
    remaining: usize,
}

impl<'a> Iterator for Transactions<'a> {
    type Item = TxRef<'a>;

    fn next(&mut self) -> Option<TxRef<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        TxRef::read(&mut self.rest, self.chain).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Transactions<'_> {}

/// Shows the first transactions and the number of the others.
impl fmt::Debug for Transactions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.clone())
    }
}

/// The parts of a block, to be constructed or modified.
#[must_use = "a block in its parts does nothing unless it is encoded"]
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct BlockParts {
    /// The header, which determines the chain of the block.
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
    /// Returns the length of the encoded block in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let tree = |transactions: &[Tx]| {
            let bytes: usize = transactions.iter().map(|tx| tx.raw().len()).sum();
            varint_len(transactions.len() as u64) + bytes
        };
        let header = self.header.chain().header_len();
        header + tree(&self.transactions) + tree(&self.stake_transactions)
    }

    /// Encodes the block for `protocol`.
    ///
    /// # Errors
    ///
    /// - [`OtherChain`](super::Invalid::OtherChain) if the header or a transaction belongs to
    ///   another chain.
    /// - [`PayloadTooLarge`](ErrorKind::PayloadTooLarge) if the block is larger than a `block`
    ///   may be.
    /// - [`TooManyTxs`](ErrorKind::TooManyTxs) if a tree has more transactions than
    ///   [`max_txs_per_tree`].
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
    fn a_built_block_equals_the_received_one() {
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
    fn transactions_of_the_parts_are_not_copied() {
        let block = parts(Chain::Decred).encode(DECRED).unwrap();
        for tx in block.to_parts().transactions {
            assert!(block.raw().as_ptr_range().contains(&tx.raw().as_ptr()));
        }
    }

    #[test]
    fn a_block_belongs_to_one_chain() {
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
    fn the_limit_of_trees_depends_on_the_version() {
        let smallest =
            Transaction { serialization: TxSerialization::OnlyWitness, ..Transaction::default() };
        let smallest = smallest.encode(Chain::Decred).unwrap();
        let block = |count| BlockParts {
            stake_transactions: vec![smallest.clone(); count],
            transactions: Vec::new(),
            header: header(Chain::Decred),
        };
        for (version, max) in [(3, 33_334), (4, 43_691)] {
            let protocol = Protocol { version, ..DECRED };
            let largest = block(max).encode(protocol).unwrap();
            assert_eq!(Block::from_bytes(protocol, largest.raw()), Ok(largest));

            let excess = Excess { seen: max as u64 + 1, allowed: max as u64 };
            let too_many = Err(ErrorKind::TooManyTxs(excess));
            let built = block(max + 1).encode(protocol);
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
    fn trailing_bytes_are_not_part_of_a_block() {
        let block = parts(Chain::Exchangecoin).encode(EXCHANGECOIN).unwrap();
        let longer = Bytes::from([&block.raw()[..], &[0; 9]].concat());
        let read = Block::decode(&mut Reader::shared(&longer), EXCHANGECOIN);
        assert_eq!(read.as_ref(), Ok(&block));
        let refused = Block::from_bytes(EXCHANGECOIN, &longer).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::TrailingBytes(9));
    }
}
