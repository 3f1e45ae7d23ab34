//! Views of transactions and blocks have the parts that the message is built from.

use bytes::Bytes;
use excc_peer::wire::{
    BlockParts, Message, OutPoint, Protocol, Transaction, Tx, TxIn, TxRef, TxSerialization,
};
use excc_peer::{Chain, Hash};
use proptest::prelude::*;
use proptest::sample::select;

use crate::strategies::{block_parts, transaction};
use crate::walk::walk;

fn chain() -> impl Strategy<Value = Chain> {
    select(vec![Chain::Exchangecoin, Chain::Decred])
}

/// The transaction after its serialization: a part that is not encoded is zero.
fn serialized(transaction: &Transaction) -> Transaction {
    let serialization = transaction.serialization;
    let input = |input: &TxIn| match serialization {
        TxSerialization::Full => input.clone(),
        TxSerialization::NoWitness => TxIn {
            value_in: 0,
            block_height: 0,
            block_index: 0,
            signature_script: Bytes::new(),
            ..input.clone()
        },
        TxSerialization::OnlyWitness => {
            TxIn { previous_output: OutPoint::new(Hash::ZERO, 0, 0), sequence: 0, ..input.clone() }
        }
    };
    let inputs = transaction.inputs.iter().map(input).collect();
    match serialization {
        TxSerialization::OnlyWitness => {
            let version = transaction.version;
            Transaction { version, serialization, inputs, ..Transaction::default() }
        }
        _ => Transaction { inputs, ..transaction.clone() },
    }
}

fn assert_view(view: TxRef<'_>, expected: &Transaction) {
    assert_eq!(view.serialization(), expected.serialization);
    assert_eq!(view.version(), expected.version);
    assert_eq!((view.lock_time(), view.expiry()), (expected.lock_time, expected.expiry));
    assert_eq!(view.inputs().len(), expected.inputs.len());
    for (seen, input) in view.inputs().zip(&expected.inputs) {
        assert_eq!(seen.previous_output(), input.previous_output);
        assert_eq!(seen.sequence(), input.sequence);
        assert_eq!(seen.value_in(), input.value_in);
        assert_eq!(seen.block_height(), input.block_height);
        assert_eq!(seen.block_index(), input.block_index);
        assert_eq!(seen.signature_script(), input.signature_script);
    }
    assert_eq!(view.outputs().len(), expected.outputs.len());
    for (seen, output) in view.outputs().zip(&expected.outputs) {
        assert_eq!((seen.value(), seen.version()), (output.value, output.version));
        assert_eq!(seen.pk_script(), output.pk_script);
    }
}

proptest! {
    #[test]
    fn a_transaction_has_the_parts_it_is_built_from(chain in chain(), built in transaction()) {
        let tx = built.encode(chain).unwrap();
        let expected = serialized(&built);
        assert_view(tx.view(), &expected);
        prop_assert_eq!(tx.to_transaction(), expected);
        walk(&Message::Tx(tx), Protocol::new(chain, chain.newest_version()));
    }

    #[test]
    fn each_hash_covers_its_half(chain in chain(), built in transaction(), other in transaction()) {
        let encode = |transaction: Transaction| transaction.encode(chain).unwrap();
        let of = Transaction { serialization: TxSerialization::Full, ..built };
        let tx = encode(of.clone());

        // Other outputs, with the same signature scripts.
        let Transaction { outputs, lock_time, expiry, .. } = other;
        let prefix = encode(Transaction { outputs, lock_time, expiry, ..of.clone() });
        prop_assert_eq!(prefix.witness_hash(), tx.witness_hash());
        prop_assert_eq!(prefix.tx_hash() == tx.tx_hash(), prefix == tx);
        prop_assert_eq!(prefix.full_hash() == tx.full_hash(), prefix == tx);

        // The same outputs, with other signature scripts.
        let signed = |input: &TxIn| TxIn { signature_script: vec![1; 90].into(), ..input.clone() };
        let inputs = of.inputs.iter().map(signed).collect();
        let witness = encode(Transaction { inputs, ..of });
        prop_assert_eq!(witness.tx_hash(), tx.tx_hash());
        prop_assert_eq!(witness.witness_hash() == tx.witness_hash(), witness == tx);
        prop_assert_eq!(witness.full_hash() == tx.full_hash(), witness == tx);
    }

    #[test]
    fn a_block_has_the_parts_it_is_built_from(
        (chain, parts) in chain().prop_flat_map(|chain| (Just(chain), block_parts(chain))),
    ) {
        let protocol = Protocol::new(chain, chain.newest_version());
        let block = parts.encode(protocol).unwrap();
        prop_assert_eq!(block.header().to_header(), parts.header.clone());
        prop_assert_eq!(block.block_hash(), parts.header.block_hash());
        let BlockParts { transactions, stake_transactions, .. } = &parts;
        for (views, built) in [
            (block.transactions(), transactions),
            (block.stake_transactions(), stake_transactions),
        ] {
            prop_assert_eq!(views.len(), built.len());
            prop_assert!(views.clone().map(|view| view.raw()).eq(built.iter().map(Tx::raw)));
            views.zip(built).for_each(|(view, tx)| assert_view(view, &tx.to_transaction()));
        }
        prop_assert_eq!(block.to_parts(), parts);
        walk(&Message::Block(block), protocol);
    }
}
