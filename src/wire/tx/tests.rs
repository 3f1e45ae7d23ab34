//! Tests of encoded transactions, their views and their parts.

use alloc::vec;

use bytes::Bytes;

use super::*;
use crate::hash::Hash;
use crate::network::Chain;
use crate::wire::error::{ErrorKind, Excess};
use crate::wire::reader::Reader;

const CHAIN: Chain = Chain::Exchangecoin;

fn transaction() -> Transaction {
    let spent = OutPoint::new(Hash::from_bytes([1; 32]), 2, OutPoint::STAKE_TREE);
    let signed = TxIn { signature_script: vec![3; 300].into(), ..TxIn::new(spent) };
    let output = |value, len| TxOut { value, version: 7, pk_script: vec![9; len].into() };
    Transaction {
        version: 0x0102,
        serialization: TxSerialization::Full,
        inputs: vec![signed, TxIn::new(spent)],
        outputs: vec![output(-1, 0), output(i64::MAX, 252), output(0, 253)],
        lock_time: 10,
        expiry: 11,
    }
}

fn read(raw: &[u8]) -> Result<Tx, ErrorKind> {
    Tx::read(&mut Reader::borrowed(raw), CHAIN)
}

#[test]
fn parts_of_every_serialisation_encode_to_the_same_transaction() {
    for serialization in
        [TxSerialization::Full, TxSerialization::NoWitness, TxSerialization::OnlyWitness]
    {
        let tx = Transaction { serialization, ..transaction() }.encode(CHAIN).unwrap();
        let read = Tx::from_bytes(CHAIN, tx.raw()).unwrap();
        assert_eq!(read, tx);
        assert_eq!(read.view().serialization(), serialization);
        let parts = read.to_transaction();
        assert_eq!(parts, read.view().to_transaction());
        assert_eq!(parts.encoded_len(), tx.raw().len());
        assert_eq!(parts.encode(CHAIN).unwrap(), tx);
    }
}

#[test]
fn a_view_has_the_fields_of_the_parts() {
    let built = transaction();
    let tx = built.encode(CHAIN).unwrap();
    let view = tx.view();
    assert_eq!((view.version(), view.lock_time(), view.expiry()), (0x0102, 10, 11));
    assert_eq!((view.inputs().len(), view.outputs().len()), (2, 3));
    for (seen, input) in view.inputs().zip(&built.inputs) {
        assert_eq!(seen.previous_output(), input.previous_output);
        assert_eq!(seen.sequence(), TxIn::MAX_SEQUENCE);
        assert_eq!(seen.value_in(), TxIn::NULL_VALUE_IN);
        assert_eq!(seen.block_height(), TxIn::NULL_BLOCK_HEIGHT);
        assert_eq!(seen.block_index(), TxIn::NULL_BLOCK_INDEX);
        assert_eq!(seen.signature_script(), input.signature_script);
    }
    for (seen, output) in view.outputs().zip(&built.outputs) {
        assert_eq!((seen.value(), seen.version()), (output.value, output.version));
        assert_eq!(seen.pk_script(), output.pk_script);
    }
}

#[test]
fn scripts_of_the_parts_are_not_copied() {
    let tx = transaction().encode(CHAIN).unwrap();
    let script = &tx.to_transaction().inputs[0].signature_script;
    assert!(tx.raw().as_ptr_range().contains(&script.as_ptr()));
}

#[test]
fn hashes_are_independent_of_the_other_half() {
    let full = transaction().encode(CHAIN).unwrap();
    let half =
        |serialization| Transaction { serialization, ..transaction() }.encode(CHAIN).unwrap();
    let prefix = half(TxSerialization::NoWitness);
    let witness = half(TxSerialization::OnlyWitness);
    let function = CHAIN.hash_function();
    assert_eq!(full.tx_hash(), prefix.tx_hash());
    assert_eq!(full.tx_hash(), function.digest(&[prefix.raw()]));
    assert_eq!(full.witness_hash(), witness.witness_hash());
    assert_eq!(full.witness_hash(), function.digest(&[witness.raw()]));
}

#[test]
fn a_missing_half_is_hashed_as_zeros() {
    // The reference nodes decode the missing half as zeros, and hash these.
    let prefix = Transaction { serialization: TxSerialization::NoWitness, ..transaction() };
    let read = prefix.encode(CHAIN).unwrap().to_transaction();
    let zeros = Transaction { serialization: TxSerialization::OnlyWitness, ..read };
    assert_eq!(
        prefix.encode(CHAIN).unwrap().witness_hash(),
        zeros.encode(CHAIN).unwrap().witness_hash()
    );

    let witness = Transaction { serialization: TxSerialization::OnlyWitness, ..transaction() };
    let read = witness.encode(CHAIN).unwrap().to_transaction();
    assert!(read.outputs.is_empty());
    let zeros = Transaction { serialization: TxSerialization::NoWitness, ..read };
    assert_eq!(witness.encode(CHAIN).unwrap().tx_hash(), zeros.encode(CHAIN).unwrap().tx_hash());
}

#[test]
fn counts_beyond_the_limits_are_refused_first() {
    let claim = |word: [u8; 4], rest: &[u8]| read(&[&word[..], rest].concat());
    let excess = |seen, allowed| Excess { seen, allowed };
    assert_eq!(
        claim([1, 0, 0, 0], b"\xfe\x31\xe8\x0b\x00"),
        Err(ErrorKind::TooManyTxs(excess(780_337, 780_336)))
    );
    assert_eq!(
        claim([1, 0, 1, 0], b"\x00\xfe\x90\xe3\x38\x00"),
        Err(ErrorKind::TooManyTxs(excess(3_728_272, 3_728_271)))
    );
    assert_eq!(
        claim([1, 0, 2, 0], b"\xfe\x31\xe8\x0b\x00"),
        Err(ErrorKind::TooManyTxs(excess(780_337, 780_336)))
    );
    assert_eq!(
        claim([1, 0, 0, 0], &[&[0, 0][..], &[0; 8], &[1]].concat()),
        Err(ErrorKind::MismatchedWitnessCount { prefix: 0, witness: 1 })
    );
    assert_eq!(claim([1, 0, 3, 0], &[]), Err(ErrorKind::UnknownTxType(3)));
    assert_eq!(claim([1, 0, 0, 1], &[]), Err(ErrorKind::UnknownTxType(0x100)));
    assert_eq!(
        claim([1, 0, 0, 0], b"\xfe\x30\xe8\x0b\x00"),
        Err(ErrorKind::Truncated { needed: 780_336 * 41, remaining: 0 })
    );
}

#[test]
fn trailing_bytes_are_not_part_of_a_transaction() {
    let tx = transaction().encode(CHAIN).unwrap();
    let longer = Bytes::from([&tx.raw()[..], &[1, 2, 3]].concat());
    assert_eq!(read(&longer), Ok(tx));
    let refused = Tx::from_bytes(CHAIN, &longer).unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::TrailingBytes(3));
}
