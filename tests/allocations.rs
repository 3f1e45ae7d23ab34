//! Allocations of decoding and forwarding messages.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
mod common;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "round_trip/damage.rs"]
mod damage;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "round_trip/strategies.rs"]
mod strategies;

use allocation_counter::{AllocationInfo, measure};
use bytes::{Buf, Bytes, BytesMut};
use excc_peer::wire::{
    Block, BlockParts, Command, DecodeError, Decoder, EncodedMessage, Frame, HEADER_LEN, Headers,
    InputBuffer, Message, NetAddress, PeerAddress, Ping, Pong, Protocol, Services,
};
use excc_peer::{Chain, Network};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use common::{DCR, EXCC, Peer, config, frame, header, paying, raw_frame, remote, tx, unsolicited};
use damage::damage;

const NETWORKS: [Network; 2] = [EXCC, DCR];

/// The payload length from which messages share the input buffer instead of copying.
const SHARED_FROM: usize = 4 * 1024;

/// Bytes of the reference count of a shared buffer.
const COUNTED: u64 = 64;

/// The newest protocol version of a chain that has a message.
fn newest_with(command: Command, chain: Chain) -> Option<u32> {
    (0..=chain.newest_version())
        .rev()
        .find(|&version| command.is_defined(Protocol::new(chain, version)))
}

/// The frame of a message at the newest version that has it.
fn newest_frame(network: Network, message: Message) -> Option<(u32, Bytes)> {
    let version = newest_with(message.command(), network.chain())?;
    Some((version, frame(network, version, message)))
}

/// Decodes a frame from an input buffer that has it already.
fn decode(
    network: Network,
    version: u32,
    frame: &[u8],
) -> (AllocationInfo, Result<Option<Frame>, DecodeError>) {
    let mut buffer = InputBuffer::from(frame);
    let mut decoder = Decoder::new(network, version);
    let mut decoded = Ok(None);
    let allocated = measure(|| decoded = decoder.decode(&mut buffer));
    (allocated, decoded)
}

/// Encodes and decodes a valid message.
fn receive(network: Network, message: Message) -> Option<(AllocationInfo, usize, Message)> {
    let (version, frame) = newest_frame(network, message)?;
    let (allocated, decoded) = decode(network, version, &frame);
    let received = decoded.expect("valid").expect("complete").message;
    Some((allocated, frame.len() - HEADER_LEN, received))
}

/// Maximum number of allocations for a message.
fn max_allocations(command: Command) -> u64 {
    match command {
        // The value has no heap memory.
        Command::VerAck
        | Command::GetAddr
        | Command::Ping
        | Command::Pong
        | Command::MemPool
        | Command::SendHeaders
        | Command::FeeFilter
        | Command::GetMinings
        | Command::GetCFilter
        | Command::GetCFTypes
        | Command::GetCFilterV2
        | Command::GetCFsV2 => 0,
        // One copied or shared range of the payload.
        Command::Addr
        | Command::Headers
        | Command::Inv
        | Command::GetData
        | Command::NotFound
        | Command::Block
        | Command::Tx
        | Command::GetInitState
        | Command::CFilter
        | Command::CFHeaders
        | Command::CFTypes => 1,
        // Several ranges, or one before the end of the payload: slices of one copy with a reference
        // count.
        Command::GetBlocks | Command::GetHeaders | Command::MiningState | Command::GetCFHeaders => {
            2
        }
        // A box and a string.
        Command::Version => 2,
        // A box and two strings.
        Command::Reject => 3,
        // A vector, and a reference count of the buffer.
        Command::AddrV2 => 2,
        // Several ranges, and a box or a vector around them.
        Command::InitState
        | Command::CFilterV2
        | Command::CFiltersV2
        | Command::MixCphrTxt
        | Command::MixSlotRes
        | Command::MixFactPoly
        | Command::MixDCNet
        | Command::MixConfirm
        | Command::MixSecrets => 3,
        // A box, and a range that ends the payload.
        Command::MixKeyXchg => 2,
        // A box, a string, a vector, and several ranges.
        Command::MixPairReq => 5,
        other => panic!("no bound for {other}"),
    }
}

/// Runs `test` with `cases` values of a strategy.
fn try_all<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let tried = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn every_message_stays_below_its_number_of_allocations() {
    for network in NETWORKS {
        for &command in Command::ALL {
            try_all(60, strategies::message(command, network.chain()), |message| {
                let Some((allocated, len, _)) = receive(network, message) else { return };
                assert!(
                    allocated.count_total <= max_allocations(command),
                    "{command}: {allocated:?}"
                );
                // A large payload is shared, not copied.
                if len >= SHARED_FROM && max_allocations(command) == 1 {
                    assert!(allocated.bytes_total <= COUNTED, "{command}: {allocated:?}");
                }
            });
        }
    }
}

/// A block with transactions of 300 bytes.
fn block(chain: Chain, transactions: usize) -> Block {
    let parts = BlockParts {
        header: header(chain),
        transactions: vec![paying(chain, 300 - 27); transactions],
        stake_transactions: Vec::new(),
    };
    parts.encode(Protocol::new(chain, chain.newest_version())).expect("small enough")
}

/// Messages with lists of several lengths up to the maximum.
fn lists(chain: Chain) -> Vec<Message> {
    let address = |n| NetAddress::new(n, PeerAddress::new(Services::empty(), remote()));
    let headers =
        |count| Headers::new(chain, &vec![header(chain); count]).expect("headers of the chain");
    let inv = |count| Message::Inv((0..count).map(tx).collect());
    let addr = |count| Message::Addr((0..count).map(address).collect());
    let tx = |script_len| Message::Tx(paying(chain, script_len));
    let block = |transactions| Message::Block(block(chain, transactions));
    vec![
        inv(1),
        inv(1_000),
        inv(50_000),
        addr(1),
        addr(1_000),
        Message::Headers(headers(1)),
        Message::Headers(headers(2_000)),
        tx(25),
        tx(SHARED_FROM),
        tx(1_200_000),
        block(0),
        block(SHARED_FROM / 300),
        block(SHARED_FROM / 300 + 1),
        block(4_000),
    ]
}

#[test]
fn lists_of_any_length_take_one_allocation() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (allocated, len, received) =
                receive(network, message).expect("both chains have it");
            let command = received.command();
            assert!(allocated.count_total <= 1, "{command} of {len} bytes: {allocated:?}");
            let max = if len < SHARED_FROM { len as u64 } else { COUNTED };
            assert!(allocated.bytes_total <= max, "{command} of {len} bytes: {allocated:?}");
        }
    }
}

#[test]
fn a_received_message_is_forwarded_without_a_copy() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (_, len, received) = receive(network, message).expect("both chains have it");
            let version = newest_with(received.command(), network.chain()).expect("a version");
            let mut encoded = None;
            let allocated =
                measure(|| encoded = EncodedMessage::new(&network, version, &received).ok());
            let encoded = encoded.expect("valid");
            assert_eq!(encoded.len(), HEADER_LEN + len);
            assert!(allocated.bytes_total <= COUNTED, "{encoded:?}: {allocated:?}");
            // Clones for further peers take no allocation.
            let allocated = measure(|| assert_eq!(encoded.clone(), encoded));
            assert_eq!(allocated.count_total, 0, "{encoded:?}");
        }
    }
}

#[test]
fn an_incomplete_frame_takes_no_allocation() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (version, frame) = newest_frame(network, message).expect("both chains have it");
            for len in [0, 1, HEADER_LEN - 1, HEADER_LEN, frame.len() / 2, frame.len() - 1] {
                let (allocated, decoded) =
                    decode(network, version, &frame[..len.min(frame.len() - 1)]);
                assert_eq!((allocated.count_total, decoded), (0, Ok(None)));
            }
        }
    }
}

#[test]
fn a_ping_is_answered_without_an_allocation() {
    for network in NETWORKS {
        let mut peer = Peer::established(config(network));
        let version = peer.state.protocol_version();
        for nonce in 0..100 {
            let ping = frame(network, version, Message::Ping(Ping { nonce }));
            let mut pong = BytesMut::with_capacity(ping.len());
            peer.buffer.extend_from_slice(&ping);
            let mut events = [None, None];
            let allocated = measure(|| {
                peer.state.handle_input(peer.now, &mut peer.buffer).expect("valid");
                events = [peer.state.poll_event(), peer.state.poll_event()];
                let mut out = peer.state.transmit(peer.now);
                while out.has_remaining() {
                    let chunk = out.chunk().len();
                    pong.extend_from_slice(out.chunk());
                    out.advance(chunk);
                }
            });
            // The first ping allocates the queue of nonces.
            assert_eq!(allocated.count_total, u64::from(nonce == 0), "{allocated:?}");
            assert_eq!(pong, frame(network, version, Message::Pong(Pong { nonce })));
            assert_eq!(events, [Some(unsolicited(Message::Ping(Ping { nonce }))), None]);
        }
    }
}

/// Maximum number of bytes for a payload of `len` bytes, whatever its counts.
///
/// A short payload may be copied once. Decoded items take less than four times their length on the
/// wire.
fn max_bytes(len: usize) -> u64 {
    5 * len as u64 + 256
}

/// Decodes a payload in a valid frame, within the bound.
fn decode_within_bound(
    network: Network,
    version: u32,
    command: Command,
    payload: &[u8],
) -> Result<Option<Frame>, DecodeError> {
    let frame = raw_frame(network, command.as_str().as_bytes(), payload);
    let (allocated, decoded) = decode(network, version, &frame);
    let max = max_bytes(payload.len());
    assert!(allocated.bytes_total <= max, "{command} of {} bytes: {allocated:?}", payload.len());
    // After an error only the reference count remains.
    if decoded.is_err() {
        assert!(allocated.bytes_current <= COUNTED as i64, "{command}: {allocated:?}");
    }
    decoded
}

/// Payloads that end after a count or a length with the maximum value.
fn claims(chain: Chain) -> Vec<(Command, Vec<u8>)> {
    let inputs = [0xfe, 0x30, 0xe8, 0x0b, 0];
    let outputs = [0xfe, 0x8f, 0xe3, 0x38, 0];
    let payload_len = [0xfe, 0, 0, 0, 2];
    let block_txs = [0xfd, 0xab, 0xaa];
    let vectors = [0xfd, 0x50, 0xc3];
    let thousand = [0xfd, 0xe8, 0x03];
    let two_thousand = [0xfd, 0xd0, 0x07];
    let locator = [0xfd, 0xf4, 0x01];
    let types = [0xfd, 0x00, 0x01];
    let filter_len = [0xfe, 0, 0, 4, 0];
    let mix_script_len = [0xfd, 0, 0x40];
    let mix_rows = [0xfd, 0, 0x04];
    let peers = [0xfd, 0, 0x02];
    let (header, hash) = (vec![0; chain.header_len()], [0; 32]);
    // The fields before the lists of mix messages.
    let (mix_head, pair_req) = ([0; 133], [0; 128]);
    let claims: &[(Command, &[&[u8]])] = &[
        // Exchangecoin's node allocates 175, 71 and 32 MiB for these three.
        (Command::Tx, &[&[1, 0, 0, 0, 0], &outputs]),
        (Command::Tx, &[&[1, 0, 0, 0], &inputs]),
        (Command::Tx, &[&[1, 0, 0, 0, 0, 1], &[0; 10], &payload_len]),
        (Command::Tx, &[&[1, 0, 2, 0], &inputs]),
        (Command::Tx, &[&[1, 0, 2, 0, 1], &[0; 16], &payload_len]),
        (Command::Block, &[&header, &block_txs]),
        (Command::Block, &[&header, &[0], &block_txs]),
        (Command::Block, &[&header, &[1], &[1, 0, 0, 0, 0], &outputs]),
        (Command::Block, &[&header, &[1], &[1, 0, 0, 0], &inputs]),
        (Command::Inv, &[&vectors]),
        (Command::GetData, &[&vectors]),
        (Command::NotFound, &[&vectors]),
        (Command::Addr, &[&thousand]),
        (Command::Headers, &[&two_thousand]),
        (Command::GetBlocks, &[&[0; 4], &locator]),
        (Command::GetHeaders, &[&[0; 4], &locator]),
        (Command::Version, &[&[0; 80], &payload_len]),
        (Command::Reject, &[&payload_len]),
        (Command::Reject, &[&[2], b"tx", &[1], &payload_len]),
        (Command::MiningState, &[&[0; 8], &[8]]),
        (Command::MiningState, &[&[0; 8], &[0, 40]]),
        (Command::GetInitState, &[&[32, 32]]),
        (Command::InitState, &[&[8]]),
        (Command::InitState, &[&[0, 0, 7]]),
        (Command::GetCFHeaders, &[&locator]),
        (Command::CFHeaders, &[&hash, &[0], &two_thousand]),
        (Command::CFTypes, &[&types]),
        (Command::CFilter, &[&hash, &[0], &filter_len]),
        (Command::CFilterV2, &[&hash, &filter_len]),
        (Command::CFilterV2, &[&hash, &[0], &[0; 4], &[32]]),
        (Command::CFiltersV2, &[&[100]]),
        (Command::CFiltersV2, &[&[100], &hash, &filter_len]),
        (Command::AddrV2, &[&thousand]),
        (Command::MixPairReq, &[&pair_req, &peers]),
        (Command::MixPairReq, &[&pair_req, &[1], &[0; 37], &mix_script_len]),
        (Command::MixPairReq, &[&pair_req, &[0, 1], &[0; 10], &payload_len]),
        (Command::MixKeyXchg, &[&[0; 1_428], &peers]),
        (Command::MixCphrTxt, &[&mix_head, &peers]),
        (Command::MixSlotRes, &[&mix_head, &mix_rows, &peers]),
        (Command::MixFactPoly, &[&mix_head, &mix_rows]),
        (Command::MixDCNet, &[&mix_head, &mix_rows, &mix_rows, &[20]]),
        (Command::MixConfirm, &[&mix_head, &[1, 0, 0, 0, 0], &outputs]),
        (Command::MixSecrets, &[&mix_head, &[0; 32], &mix_rows]),
        (Command::MixSecrets, &[&mix_head, &[0; 32], &[0], &mix_rows, &[20]]),
    ];
    claims.iter().map(|(command, parts)| (*command, parts.concat())).collect()
}

#[test]
fn a_count_without_its_items_takes_no_memory() {
    for network in NETWORKS {
        for (command, payload) in claims(network.chain()) {
            let Some(version) = newest_with(command, network.chain()) else { continue };
            let frame = raw_frame(network, command.as_str().as_bytes(), &payload);
            let (allocated, decoded) = decode(network, version, &frame);
            let error = decoded.expect_err("it ends early");
            assert_eq!(error.kind().name(), "Truncated", "{error}");
            assert!(allocated.bytes_total <= COUNTED, "{command}: {allocated:?}");
        }
    }
}

#[test]
fn lists_of_the_smallest_items_stay_within_the_bound() {
    // The first item has a byte of data, so that the payload is copied.
    let address = [&[0; 16][..], &[1], &[0; 6]].concat();
    let filter = [&[0; 32][..], &[1, 7], &[0; 5]].concat();
    let utxo = [&[0; 37][..], &[1, 7], &[0; 3]].concat();
    let pair_req = [0; 128];
    for (command, head, first, smallest, max_count, tail) in [
        (Command::AddrV2, &[][..], &address[..], &address[..], 1_000, &[][..]),
        (Command::CFiltersV2, &[], &filter, &[0; 38], 100, &[]),
        (Command::MixPairReq, &pair_req, &utxo, &[0; 41], 512, &[0; 3]),
    ] {
        // One item, as many as fit a copied payload, and the maximum.
        for count in [1, 90, max_count] {
            let rest = smallest.repeat(usize::from(count) - 1);
            let payload = [head, &varint(count), first, &rest, tail].concat();
            let decoded = decode_within_bound(DCR, 12, command, &payload);
            assert!(decoded.is_ok(), "{decoded:?}");
        }
    }

    // Many transactions without any memory for each.
    let transactions = [&[0; 180][..], &varint(256), &[0, 0, 2, 0, 0].repeat(256), &[0]].concat();
    let (allocated, decoded) = decode(DCR, 12, &raw_frame(DCR, b"block", &transactions));
    assert!(decoded.is_ok(), "{decoded:?}");
    assert_eq!((allocated.count_total, allocated.bytes_total), (1, transactions.len() as u64));
}

/// A count on the wire.
fn varint(count: u16) -> Vec<u8> {
    match count {
        0..=0xfc => vec![count as u8],
        _ => [&[0xfd][..], &count.to_le_bytes()].concat(),
    }
}

#[test]
fn a_payload_takes_at_most_a_multiple_of_its_length() {
    for network in NETWORKS {
        for &command in Command::ALL {
            let Some(version) = newest_with(command, network.chain()) else { continue };
            let byte = any::<[u8; 2]>().prop_map(|[choice, byte]| match choice {
                0..100 => 0,
                100..140 => 0xfd,
                _ => byte,
            });
            try_all(60, vec(byte, 0..300), |payload| {
                // Both results are allowed.
                _ = decode_within_bound(network, version, command, &payload);
            });

            let messages = strategies::message(command, network.chain());
            try_all(60, (messages, vec(damage(), 1..4)), |(message, damage)| {
                let Some((version, frame)) = newest_frame(network, message) else { return };
                let mut payload = frame[HEADER_LEN..].to_vec();
                damage.iter().for_each(|damage| damage.apply(&mut payload));
                // Both results are allowed.
                _ = decode_within_bound(network, version, command, &payload);
            });
        }
    }
}
