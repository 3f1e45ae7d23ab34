//! `Debug` output is bounded for every message and value.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
mod common;
#[allow(dead_code, reason = "shared with the golden tests, which use all of it")]
#[path = "golden/large.rs"]
mod large;
#[allow(dead_code, reason = "shared with the golden tests, which use all of it")]
#[path = "golden/vectors.rs"]
mod vectors;

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use excc_peer::wire::{
    BlockHeader, BlockParts, CFTypes, Command, FilterType, GetInitState, HEADER_LEN, Headers,
    InitState, InputBuffer, InvVect, List, MAX_ADDRS, MAX_FILTER_TYPES, MAX_HEADERS,
    MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT, MAX_MIX_SCRIPT_CLASS,
    MAX_MIX_SIGNATURE, MAX_MIX_UTXOS, MAX_MIX_VALUE, MAX_STATE_BLOCKS, MAX_STATE_TSPENDS,
    MAX_STATE_VOTES, MAX_USER_AGENT, MAX_VECTORS, Message, MiningState, MixConfirm, MixFactPoly,
    MixPairReq, MixUtxo, NetAddress, OutPoint, PeerAddress, Protocol, Reject, RejectCode, Services,
    TrailingBytes, Transaction, Tx, TxIn, TxOut, Version,
};
use excc_peer::{Chain, Hash};

use common::{EXCC, Peer, config};
use vectors::{Expected, Line};

/// Maximum length of the output for any message.
const MAX_OUTPUT: usize = 4 * 1024;

const CHAINS: [Chain; 2] = [Chain::Exchangecoin, Chain::Decred];

#[track_caller]
fn assert_bounded(value: &impl Debug) {
    for output in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(output.len() < MAX_OUTPUT, "{} bytes: {output}", output.len());
    }
}

/// The payload of a line whose frame the node accepted.
fn accepted_payload(line: &Line) -> Option<Bytes> {
    if line.expected() != Expected::Accepted {
        return None;
    }
    let payload = match line.kind() {
        "" => line.bytes().split_off(HEADER_LEN),
        "large" => large::payload(line).expect("the payload is described"),
        _ => return None,
    };
    Some(payload.into())
}

#[test]
fn messages_of_the_golden_vectors_are_bounded() {
    let mut commands = BTreeSet::new();
    for line in ["exccd.jsonl", "dcrd.jsonl"].into_iter().flat_map(vectors::load) {
        let (Some(payload), Some(command)) = (accepted_payload(&line), line.command()) else {
            continue;
        };
        let protocol = Protocol::new(line.network().chain(), line.version());
        let message = Message::decode(command, &payload, protocol, TrailingBytes::Ignore);
        assert_bounded(&message.expect("the node accepted it"));
        commands.insert(command);
    }
    assert!(commands.iter().eq(Command::ALL), "only {commands:?} are tested");
}

/// Messages with the maximum of every field, where the vectors have less.
fn largest() -> Vec<Message> {
    let hashes = |len: usize| List::from(vec![Hash::from_bytes([0xff; 32]); len]);
    let address = PeerAddress::from_parts(Services::all(), u128::MAX.into(), u16::MAX);
    let script = Bytes::from(vec![0xff; MAX_MIX_SCRIPT]);
    let change = TxOut { value: i64::MIN, version: u16::MAX, pk_script: script.clone() };
    let utxo = MixUtxo {
        out_point: OutPoint::new(Hash::from_bytes([0xff; 32]), u32::MAX, i8::MIN),
        script,
        pub_key: vec![0xff; MAX_MIX_PUB_KEY].into(),
        signature: vec![0xff; MAX_MIX_SIGNATURE].into(),
        opcode: u8::MAX,
    };
    let (signature, identity, session_id) = ([0xff; 64], [0xff; 33], [0xff; 32]);
    let filter_types = vec![FilterType::new(u8::MAX); MAX_FILTER_TYPES].into();
    let mut messages = vec![
        Version {
            protocol_version: i32::MIN,
            services: Services::all(),
            timestamp: i64::MIN,
            receiver: address,
            sender: address,
            nonce: u64::MAX,
            // Each of these characters is escaped.
            user_agent: "\\".repeat(MAX_USER_AGENT),
            start_height: i32::MIN,
            relay: false,
        }
        .into(),
        Message::Addr(vec![NetAddress::new(u32::MAX, address); MAX_ADDRS].into()),
        Reject {
            command: "\"".repeat(1_000_000),
            code: RejectCode::NON_STANDARD,
            reason: "\"".repeat(1_000_000),
            hash: Some(Hash::ZERO),
        }
        .into(),
        Message::MiningState(MiningState {
            version: u32::MAX,
            height: u32::MAX,
            block_hashes: hashes(MAX_STATE_BLOCKS),
            vote_hashes: hashes(MAX_STATE_VOTES),
        }),
        InitState {
            block_hashes: hashes(MAX_STATE_BLOCKS),
            vote_hashes: hashes(MAX_STATE_VOTES),
            tspend_hashes: hashes(MAX_STATE_TSPENDS),
        }
        .into(),
        CFTypes { filter_types }.into(),
        MixPairReq {
            signature,
            identity,
            expiry: u32::MAX,
            mix_amount: i64::MAX,
            script_class: "\\".repeat(MAX_MIX_SCRIPT_CLASS),
            tx_version: u16::MAX,
            lock_time: u32::MAX,
            message_count: u32::MAX,
            input_value: i64::MAX,
            utxos: vec![utxo; MAX_MIX_UTXOS],
            change: Some(change),
            flags: u8::MAX,
            pairing_flags: u8::MAX,
        }
        .into(),
        MixFactPoly {
            signature,
            identity,
            session_id,
            run: u32::MAX,
            roots: vec![[0xff; MAX_MIX_VALUE]; MAX_MIX_MESSAGES].into_iter().collect(),
            seen_slot_reserves: hashes(MAX_MIX_PEERS),
        }
        .into(),
        MixConfirm {
            signature,
            identity,
            session_id,
            run: u32::MAX,
            mix: tx(Chain::Decred),
            seen_dc_nets: hashes(MAX_MIX_PEERS),
        }
        .into(),
    ];
    for chain in CHAINS {
        messages.push(Message::Tx(tx(chain)));
        let headers = vec![header(chain); MAX_HEADERS];
        messages.push(Headers::new(chain, &headers).expect("headers of the chain").into());
        let protocol = Protocol::new(chain, chain.newest_version());
        messages.push(Message::Block(parts(chain).encode(protocol).expect("small enough")));
    }
    messages
}

/// A transaction with many inputs and outputs.
fn transaction() -> Transaction {
    let spent = OutPoint::new(Hash::from_bytes([0xff; 32]), u32::MAX, i8::MIN);
    let script = Bytes::from(vec![0xff; 100]);
    let input = TxIn { signature_script: script.clone(), ..TxIn::new(spent) };
    let output = TxOut { value: i64::MIN, version: u16::MAX, pk_script: script };
    Transaction {
        version: u16::MAX,
        inputs: vec![input; 2_000],
        outputs: vec![output; 2_000],
        lock_time: u32::MAX,
        expiry: u32::MAX,
        ..Transaction::default()
    }
}

fn tx(chain: Chain) -> Tx {
    transaction().encode(chain).expect("a valid transaction")
}

/// A header whose numbers have the most digits.
fn header(chain: Chain) -> BlockHeader {
    BlockHeader {
        version: i32::MIN,
        vote_bits: u16::MAX,
        voters: u16::MAX,
        fresh_stake: u8::MAX,
        revocations: u8::MAX,
        pool_size: u32::MAX,
        bits: u32::MAX,
        sbits: i64::MIN,
        height: u32::MAX,
        size: u32::MAX,
        timestamp: u32::MAX,
        nonce: u32::MAX,
        stake_version: u32::MAX,
        ..BlockHeader::zeroed(chain)
    }
}

/// A block with many transactions.
fn parts(chain: Chain) -> BlockParts {
    let small = Transaction::default().encode(chain).expect("a valid transaction");
    BlockParts {
        header: header(chain),
        transactions: vec![small.clone(); 1_000],
        stake_transactions: vec![small; 1_000],
    }
}

#[test]
fn the_largest_messages_are_bounded() {
    largest().iter().for_each(|message| assert_bounded(message));
}

#[test]
fn messages_that_cannot_be_sent_are_bounded() {
    let text = "\u{1}".repeat(1_000_000);
    assert_bounded(&Message::from(Version { user_agent: text.clone(), ..Version::default() }));
    let (command, code, reason) = (text.clone(), RejectCode::new(0), text.clone());
    assert_bounded(&Message::from(Reject { command, code, reason, hash: None }));
    let types = vec![text; 10].into_iter().collect();
    assert_bounded(&Message::from(GetInitState { types }));
}

#[test]
fn parts_and_views_are_bounded() {
    assert_bounded(&transaction());
    for chain in CHAINS {
        let tx = tx(chain);
        assert_bounded(&tx.view());
        assert_bounded(&tx.view().inputs());
        assert_bounded(&tx.view().outputs());

        let parts = parts(chain);
        assert_bounded(&parts);
        assert_bounded(&parts.header);
        let protocol = Protocol::new(chain, chain.newest_version());
        let block = parts.encode(protocol).expect("small enough");
        assert_bounded(&block.header());
        assert_bounded(&block.transactions());
    }
}

#[test]
fn peers_and_their_values_are_bounded() {
    let mut peer = Peer::established(config(EXCC));
    for _ in 0..10_000 {
        peer.state.send(peer.now, Message::GetAddr).expect("below the limit");
    }
    let inv = Message::Inv(vec![InvVect::tx(Hash::ZERO); MAX_VECTORS].into());
    peer.receive(inv.clone()).expect("valid");
    assert_bounded(&peer.state);
    assert_bounded(&peer.state.stats());
    assert_bounded(&peer.state.transmit(peer.now));
    let batch = peer.state.transmit(peer.now).batch(usize::MAX);
    assert_bounded(&batch);
    assert_eq!(format!("{batch:?}"), "FrameBatch { frames: 128, remaining: 3072 }");
    peer.events().iter().for_each(|event| assert_bounded(event));
    peer.state.close(peer.now);
    assert_bounded(&peer.state.send(peer.now, inv).expect_err("closed"));

    let buffer = InputBuffer::from(&[0; 1_000_000][..]);
    assert_bounded(&buffer);
    assert_eq!(format!("{buffer:?}"), "InputBuffer { len: 1000000, .. }");
}

#[test]
fn omitted_items_are_counted() {
    let inv = Message::Inv(vec![InvVect::tx(Hash::ZERO); MAX_VECTORS].into());
    assert!(format!("{inv:?}").ends_with(", .. 49997 more])"), "{inv:?}");
    let tx = format!("{:?}", tx(Chain::Decred));
    let counts = "inputs: 2000, outputs: 2000, lock_time: 4294967295, expiry: 4294967295";
    assert!(tx.contains(counts), "{tx}");
}
