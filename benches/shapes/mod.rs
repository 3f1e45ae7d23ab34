//! The messages that the benchmarks measure.

#![allow(dead_code, reason = "each benchmark uses a part of this")]

pub(crate) mod bitcoin_crate;
pub(crate) mod work;

use std::fmt;

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use excc_peer::wire::{
    BlockHeader, BlockParts, Command, EncodedMessage, HEADER_LEN, Headers, InputBuffer, InvVect,
    MAX_PAYLOAD, Message, NetAddress, OutPoint, PeerAddress, Ping, Protocol, Services, Transaction,
    Tx, TxIn, TxOut,
};
use excc_peer::{Chain, ConfigBuilder, Hash, Network};

/// A message of some size, on any chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Ping,
    /// A transaction of [`TX_LEN`].
    Tx,
    Addr(u32),
    Inv(u32),
    Headers(u32),
    /// A block of that many transactions of [`BLOCK_TX_LEN`].
    Block(u32),
}

pub(crate) const SHAPES: [Shape; 8] = [
    Shape::Ping,
    Shape::Tx,
    Shape::Inv(30),
    Shape::Addr(1_000),
    Shape::Inv(1_000),
    Shape::Inv(50_000),
    Shape::Headers(2_000),
    Shape::Block(4_000),
];

/// Bytes of a transaction by itself.
pub(crate) const TX_LEN: usize = 250;

/// Bytes of each transaction in a block.
pub(crate) const BLOCK_TX_LEN: usize = 300;

/// Bytes of every output's script: a payment to the hash of a key has as many.
pub(crate) const PK_SCRIPT: [u8; 25] = [0x51; 25];

impl Shape {
    /// Number of items in the message.
    pub(crate) fn items(self) -> u32 {
        match self {
            Self::Ping | Self::Tx => 1,
            Self::Addr(n) | Self::Inv(n) | Self::Headers(n) | Self::Block(n) => n,
        }
    }

    pub(crate) fn items_count(self) -> ItemsCount {
        ItemsCount::new(self.items())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => write!(f, "ping"),
            Self::Tx => write!(f, "tx"),
            Self::Addr(n) => write!(f, "addr {n}"),
            Self::Inv(n) => write!(f, "inv {n}"),
            Self::Headers(n) => write!(f, "headers {n}"),
            Self::Block(n) => write!(f, "block {n}"),
        }
    }
}

/// A shape on a chain.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) network: Network,
    pub(crate) shape: Shape,
}

pub(crate) fn cases() -> impl Iterator<Item = Case> {
    [Network::EXCC_MAINNET, Network::DCR_MAINNET]
        .into_iter()
        .flat_map(|network| SHAPES.into_iter().map(move |shape| Case { network, shape }))
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.network.chain(), self.shape)
    }
}

/// The values that an application makes a message of.
#[derive(Clone)]
pub(crate) enum Parts {
    Ping(u64),
    Tx(Transaction),
    Addr(Vec<NetAddress>),
    Inv(Vec<InvVect>),
    Headers(Vec<BlockHeader>),
    Block(Box<BlockParts>),
}

impl Parts {
    /// Builds the message. It takes the lists out of the parts.
    pub(crate) fn build(&mut self, protocol: Protocol) -> Message {
        let chain = protocol.chain;
        match self {
            Self::Ping(nonce) => Message::Ping(Ping { nonce: *nonce }),
            Self::Tx(tx) => Message::Tx(tx.encode(chain).expect("a valid transaction")),
            Self::Addr(addresses) => Message::Addr(std::mem::take(addresses).into()),
            Self::Inv(vectors) => Message::Inv(std::mem::take(vectors).into()),
            Self::Headers(headers) => {
                Message::Headers(Headers::new(chain, &*headers).expect("headers of the chain"))
            }
            Self::Block(block) => Message::Block(block.encode(protocol).expect("a valid block")),
        }
    }
}

impl Case {
    /// The largest message that is sent to many peers.
    pub(crate) const EXCC_BLOCK: Self =
        Self { network: Network::EXCC_MAINNET, shape: Shape::Block(4_000) };

    pub(crate) fn chain(self) -> Chain {
        self.network.chain()
    }

    /// Messages are measured at the newest version that has `addr`.
    pub(crate) fn protocol(self) -> Protocol {
        let version = match self.chain() {
            Chain::Decred => 11,
            chain => chain.advertised_version(),
        };
        Protocol::new(self.chain(), version)
    }

    pub(crate) fn parts(self) -> Parts {
        self.numbered_parts(0)
    }

    /// Parts whose items differ from those at any other `first` that is far enough away.
    fn numbered_parts(self, first: u32) -> Parts {
        let chain = self.chain();
        let numbers = first..first + self.shape.items();
        match self.shape {
            Shape::Ping => Parts::Ping(first.into()),
            Shape::Tx => Parts::Tx(transaction(first, TX_LEN)),
            Shape::Addr(_) => Parts::Addr(numbers.map(address).collect()),
            Shape::Inv(_) => Parts::Inv(numbers.map(|n| InvVect::tx(hash(n))).collect()),
            Shape::Headers(_) => Parts::Headers(numbers.map(|n| header(chain, n)).collect()),
            Shape::Block(_) => {
                let tx = |n| transaction(n, BLOCK_TX_LEN).encode(chain);
                let transactions: Result<Vec<Tx>, _> = numbers.map(tx).collect();
                Parts::Block(Box::new(BlockParts {
                    header: header(chain, first),
                    transactions: transactions.expect("valid transactions"),
                    stake_transactions: Vec::new(),
                }))
            }
        }
    }

    pub(crate) fn message(self) -> Message {
        self.parts().build(self.protocol())
    }

    pub(crate) fn encode(self, message: &Message) -> EncodedMessage {
        EncodedMessage::new(&self.network, self.protocol().version, message).expect("valid")
    }

    fn frame(self, first: u32) -> Bytes {
        let message = self.numbered_parts(first).build(self.protocol());
        self.encode(&message).to_bytes()
    }

    /// Bytes of the payload.
    pub(crate) fn payload_len(self) -> usize {
        self.frame(0).len() - HEADER_LEN
    }

    /// Makes input buffers with one whole frame each.
    ///
    /// Two frames alternate, because announced inventory is new to a peer as a rule.
    pub(crate) fn received(self) -> impl FnMut() -> InputBuffer {
        let mut frames = self.alternate();
        move || InputBuffer::from(&frames()[..])
    }

    /// Makes the bytes of such frames, each in memory of its own.
    pub(crate) fn frames(self) -> impl FnMut() -> Bytes {
        let mut frames = self.alternate();
        move || Bytes::copy_from_slice(&frames())
    }

    fn alternate(self) -> impl FnMut() -> Bytes {
        let mut frames = [self.frame(0), self.frame(1_000_000)];
        move || {
            frames.rotate_left(1);
            frames[0].clone()
        }
    }

    /// Makes the payloads of such frames.
    pub(crate) fn received_payload(self) -> impl FnMut() -> Bytes {
        let mut frames = self.frames();
        move || frames().slice(HEADER_LEN..)
    }

    /// The payload, which the throughput of all groups counts.
    pub(crate) fn bytes_count(self) -> BytesCount {
        BytesCount::new(self.payload_len())
    }
}

/// Accepts messages that are refused by default unless they were requested.
pub(crate) fn accept_unsolicited(config: ConfigBuilder) -> ConfigBuilder {
    config
        .max_unsolicited(Command::Block, MAX_PAYLOAD)
        .max_unsolicited(Command::Headers, MAX_PAYLOAD)
}

pub(crate) fn number_bytes(number: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn hash(number: u32) -> Hash {
    Hash::from_bytes(number_bytes(number))
}

fn address(number: u32) -> NetAddress {
    let ip = std::net::Ipv4Addr::from(number).to_ipv6_mapped();
    NetAddress::new(number, PeerAddress::from_parts(Services::NODE_NETWORK, ip, 9666))
}

fn header(chain: Chain, height: u32) -> BlockHeader {
    BlockHeader {
        prev_block: hash(height),
        merkle_root: hash(height),
        stake_root: hash(height),
        vote_bits: 1,
        voters: 5,
        pool_size: 40_000,
        bits: 0x1d00_ffff,
        sbits: 1,
        height,
        size: 1_000,
        timestamp: height,
        nonce: height,
        ..BlockHeader::zeroed(chain)
    }
}

/// A transaction of `len` bytes: two outputs, and one input with a script of the remaining length.
fn transaction(number: u32, len: usize) -> Transaction {
    let output = TxOut { value: 1, version: 0, pk_script: PK_SCRIPT.to_vec().into() };
    let mut transaction = Transaction {
        version: 1,
        inputs: vec![TxIn::new(OutPoint::new(hash(number), 0, OutPoint::REGULAR_TREE))],
        outputs: vec![output; 2],
        ..Transaction::default()
    };
    let script = vec![0x30; len - transaction.encoded_len()];
    transaction.inputs[0].signature_script = script.into();
    assert_eq!(transaction.encoded_len(), len);
    transaction
}
