//! The same shapes in Bitcoin's wire form, for the `bitcoin` crate.
//!
//! The messages have equal numbers of items, as both crates hand them to an
//! application: `bitcoin` makes values of its own types, this crate lends views of the
//! received bytes. Lists of addresses and vectors have the same bytes in both forms, and
//! transactions are made as long as ours; but a header has 80 bytes in Bitcoin, 180 in
//! Decred and 280 in Exchangecoin, so that bytes and items per second must both be looked
//! at. The checksum is a double SHA-256 there, of which the second is of 32 bytes only.
//! Both crates hash with the processor's SHA instructions where it has them: each finds
//! out when it runs (`bitcoin` with its feature `std`, which is on here).

use std::net::{Ipv4Addr, SocketAddr};

use bitcoin::absolute::LockTime;
use bitcoin::block::{self, Header};
use bitcoin::consensus::{Decodable, deserialize, serialize};
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::p2p::address::Address;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::p2p::{Magic, ServiceFlags};
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, VarInt, Witness, transaction,
};
use bytes::{Bytes, BytesMut};
use divan::counter::BytesCount;
use excc_peer::wire::HEADER_LEN;

use super::{BLOCK_TX_LEN, PK_SCRIPT, Shape, TX_LEN, number_bytes};

pub(crate) fn message(shape: Shape) -> NetworkMessage {
    let numbers = 0..shape.items();
    match shape {
        Shape::Ping => NetworkMessage::Ping(0),
        Shape::Tx => NetworkMessage::Tx(transaction(0, TX_LEN)),
        Shape::Addr(_) => NetworkMessage::Addr(numbers.map(|n| (n, address(n))).collect()),
        Shape::Inv(_) => {
            NetworkMessage::Inv(numbers.map(|n| Inventory::Transaction(txid(n))).collect())
        }
        Shape::Headers(_) => NetworkMessage::Headers(numbers.map(header).collect()),
        Shape::Block(_) => {
            let txdata = numbers.map(|n| transaction(n, BLOCK_TX_LEN)).collect();
            NetworkMessage::Block(Block { header: header(0), txdata })
        }
    }
}

fn frame(shape: Shape) -> Bytes {
    encode(&mut message(shape)).into()
}

pub(crate) fn bytes_count(shape: Shape) -> BytesCount {
    BytesCount::new(frame(shape).len() - HEADER_LEN)
}

/// Makes buffers with one whole frame each.
pub(crate) fn received(shape: Shape) -> impl FnMut() -> BytesMut {
    let frame = frame(shape);
    move || BytesMut::from(&frame[..])
}

/// Computes its checksum.
pub(crate) fn checksum(buffer: &mut BytesMut) -> sha256d::Hash {
    sha256d::Hash::hash(&buffer[HEADER_LEN..])
}

/// Decodes a frame to a message.
pub(crate) fn decode(buffer: &mut BytesMut) -> RawNetworkMessage {
    deserialize(buffer).expect("a valid frame")
}

/// Decodes a payload to a message, without the checksum.
pub(crate) fn parse(shape: Shape) -> impl FnMut(&mut BytesMut) -> NetworkMessage {
    move |buffer| {
        let mut payload = &buffer[HEADER_LEN..];
        let message = match shape {
            Shape::Ping => deserialize(payload).map(NetworkMessage::Ping),
            Shape::Tx => deserialize(payload).map(NetworkMessage::Tx),
            Shape::Addr(_) => deserialize(payload).map(NetworkMessage::Addr),
            Shape::Inv(_) => deserialize(payload).map(NetworkMessage::Inv),
            Shape::Block(_) => deserialize(payload).map(NetworkMessage::Block),
            // As the crate does it, where it is private.
            Shape::Headers(_) => VarInt::consensus_decode(&mut payload).and_then(|count| {
                let mut headers = Vec::with_capacity(count.0 as usize);
                for _ in 0..count.0 {
                    headers.push(Header::consensus_decode(&mut payload)?);
                    assert_eq!(u8::consensus_decode(&mut payload)?, 0);
                }
                Ok(NetworkMessage::Headers(headers))
            }),
        };
        message.expect("a valid payload")
    }
}

/// Encodes a message, which it takes, to a frame.
pub(crate) fn encode(message: &mut NetworkMessage) -> Vec<u8> {
    let message = std::mem::replace(message, NetworkMessage::Verack);
    serialize(&RawNetworkMessage::new(Magic::BITCOIN, message))
}

fn txid(number: u32) -> Txid {
    Txid::from_byte_array(number_bytes(number))
}

fn address(number: u32) -> Address {
    let socket = SocketAddr::from((Ipv4Addr::from(number), 9666));
    Address::new(&socket, ServiceFlags::NETWORK)
}

fn header(height: u32) -> Header {
    Header {
        version: block::Version::ONE,
        prev_blockhash: BlockHash::from_byte_array(number_bytes(height)),
        merkle_root: TxMerkleNode::from_byte_array(number_bytes(height)),
        time: height,
        bits: CompactTarget::from_consensus(0x1d00_ffff),
        nonce: height,
    }
}

/// As ours: two outputs, and one input with a script of the remaining length.
fn transaction(number: u32, len: usize) -> Transaction {
    let output = TxOut { value: Amount::ONE_SAT, script_pubkey: PK_SCRIPT.to_vec().into() };
    let input = TxIn {
        previous_output: OutPoint::new(txid(number), 0),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let mut transaction = Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output; 2],
    };
    let script = vec![0x30; len - transaction.total_size()];
    transaction.input[0].script_sig = script.into();
    assert_eq!(transaction.total_size(), len);
    transaction
}
