//! How much memory is taken for what is received, and for what is sent on.

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

/// Payloads from this size on are not copied out of the receive buffer.
const SHARED_FROM: usize = 4 * 1024;

/// What it takes to count the references to a buffer.
const COUNTED: u64 = 64;

/// The newest protocol version at which a chain has a message, if there is one.
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

/// Decodes a frame that is in the receive buffer already.
fn decode(
    network: Network,
    version: u32,
    frame: &[u8],
) -> (AllocationInfo, Result<Option<Frame>, DecodeError>) {
    let mut buffer = InputBuffer::from(frame);
    let mut decoder = Decoder::new(network, version);
    let mut decoded = Ok(None);
    let taken = measure(|| decoded = decoder.decode(&mut buffer));
    (taken, decoded)
}

/// Receives a message that is sound.
fn receive(network: Network, message: Message) -> Option<(AllocationInfo, usize, Message)> {
    let (version, frame) = newest_frame(network, message)?;
    let (taken, decoded) = decode(network, version, &frame);
    let received = decoded.expect("valid").expect("whole").message;
    Some((taken, frame.len() - HEADER_LEN, received))
}

/// Most allocations for a message of that name.
fn most(command: Command) -> u64 {
    match command {
        // All that there is of them is the value.
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
        // What is kept of the payload is one run of bytes.
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
        // Several runs, or one that does not end the payload: slices of one copy, whose
        // references are counted.
        Command::GetBlocks | Command::GetHeaders | Command::MiningState | Command::GetCFHeaders => {
            2
        }
        // A box and a text.
        Command::Version => 2,
        // A box and two texts.
        Command::Reject => 3,
        // A vector, and the count of references to a buffer of which nothing is kept.
        Command::AddrV2 => 2,
        // Several runs, and a box or a vector around them.
        Command::InitState
        | Command::CFilterV2
        | Command::CFiltersV2
        | Command::MixCphrTxt
        | Command::MixSlotRes
        | Command::MixFactPoly
        | Command::MixDCNet
        | Command::MixConfirm
        | Command::MixSecrets => 3,
        // A box, and a run that ends the payload.
        Command::MixKeyXchg => 2,
        // A box, a text, a vector, and several runs.
        Command::MixPairReq => 5,
        other => panic!("nothing is stated for {other}"),
    }
}

/// Tries so many values of a strategy.
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
fn no_message_takes_more_allocations_than_stated() {
    for network in NETWORKS {
        for &command in Command::ALL {
            try_all(60, strategies::message(command, network.chain()), |message| {
                let Some((taken, len, _)) = receive(network, message) else { return };
                assert!(taken.count_total <= most(command), "{command}: {taken:?}");
                // A large payload stays where it is.
                if len >= SHARED_FROM && most(command) == 1 {
                    assert!(taken.bytes_total <= COUNTED, "{command}: {taken:?}");
                }
            });
        }
    }
}

/// A block of so many transactions of 300 bytes.
fn block(chain: Chain, transactions: usize) -> Block {
    let parts = BlockParts {
        header: header(chain),
        transactions: vec![paying(chain, 300 - 27); transactions],
        stake_transactions: Vec::new(),
    };
    parts.encode(Protocol::new(chain, chain.newest_version())).expect("small enough")
}

/// Messages that are lists of anything, from the shortest to the longest.
fn lists(chain: Chain) -> Vec<Message> {
    let address = |n| NetAddress::new(n, PeerAddress::new(Services::empty(), remote()));
    let headers = |count| Headers::new(chain, &vec![header(chain); count]).expect("of the chain");
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
fn the_size_of_what_is_kept_as_it_is_makes_no_difference() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (taken, len, received) = receive(network, message).expect("both chains have it");
            let command = received.command();
            assert!(taken.count_total <= 1, "{command} of {len} bytes: {taken:?}");
            let most = if len < SHARED_FROM { len as u64 } else { COUNTED };
            assert!(taken.bytes_total <= most, "{command} of {len} bytes: {taken:?}");
        }
    }
}

#[test]
fn what_was_received_is_sent_on_without_a_copy() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (_, len, received) = receive(network, message).expect("both chains have it");
            let version = newest_with(received.command(), network.chain()).expect("a version");
            let mut encoded = None;
            let taken =
                measure(|| encoded = EncodedMessage::new(&network, version, &received).ok());
            let encoded = encoded.expect("valid");
            assert_eq!(encoded.len(), HEADER_LEN + len);
            assert!(taken.bytes_total <= COUNTED, "{encoded:?}: {taken:?}");
            // To any number of peers.
            let taken = measure(|| assert_eq!(encoded.clone(), encoded));
            assert_eq!(taken.count_total, 0, "{encoded:?}");
        }
    }
}

#[test]
fn a_frame_takes_nothing_until_it_is_whole() {
    for network in NETWORKS {
        for message in lists(network.chain()) {
            let (version, frame) = newest_frame(network, message).expect("both chains have it");
            for len in [0, 1, HEADER_LEN - 1, HEADER_LEN, frame.len() / 2, frame.len() - 1] {
                let (taken, decoded) = decode(network, version, &frame[..len.min(frame.len() - 1)]);
                assert_eq!((taken.count_total, decoded), (0, Ok(None)));
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
            let taken = measure(|| {
                peer.state.handle_input(peer.now, &mut peer.buffer).expect("valid");
                events = [peer.state.poll_event(), peer.state.poll_event()];
                let mut out = peer.state.transmit(peer.now);
                while out.has_remaining() {
                    let chunk = out.chunk().len();
                    pong.extend_from_slice(out.chunk());
                    out.advance(chunk);
                }
            });
            // The first one makes room in a queue of nonces, which stays.
            assert_eq!(taken.count_total, u64::from(nonce == 0), "{taken:?}");
            assert_eq!(pong, frame(network, version, Message::Pong(Pong { nonce })));
            assert_eq!(events, [Some(unsolicited(Message::Ping(Ping { nonce }))), None]);
        }
    }
}

/// Most bytes that a payload of `len` bytes may take, whatever it claims.
///
/// A short one may be copied once; what is taken apart is less than four times as large in
/// memory as on the wire.
fn most_bytes(len: usize) -> u64 {
    5 * len as u64 + 256
}

/// Decodes any payload in a sound frame.
fn takes_little(
    network: Network,
    version: u32,
    command: Command,
    payload: &[u8],
) -> Result<Option<Frame>, DecodeError> {
    let frame = raw_frame(network, command.as_str().as_bytes(), payload);
    let (taken, decoded) = decode(network, version, &frame);
    let most = most_bytes(payload.len());
    assert!(taken.bytes_total <= most, "{command} of {} bytes: {taken:?}", payload.len());
    // Nothing of it is left where it was refused, but that the buffer is counted.
    if decoded.is_err() {
        assert!(taken.bytes_current <= COUNTED as i64, "{command}: {taken:?}");
    }
    decoded
}

/// Payloads that end after a count or a length, which claims the most that is allowed.
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
    // What comes before the lists of a mix's messages.
    let (mix_head, pair_req) = ([0; 133], [0; 128]);
    let claims: &[(Command, &[&[u8]])] = &[
        // For these three Exchangecoin's node allocates 175, 71 and 32 MiB.
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
fn nothing_is_taken_for_what_is_only_claimed() {
    for network in NETWORKS {
        for (command, payload) in claims(network.chain()) {
            let Some(version) = newest_with(command, network.chain()) else { continue };
            let frame = raw_frame(network, command.as_str().as_bytes(), &payload);
            let (taken, decoded) = decode(network, version, &frame);
            let error = decoded.expect_err("it ends early");
            assert_eq!(error.kind().name(), "Truncated", "{error}");
            assert!(taken.bytes_total <= COUNTED, "{command}: {taken:?}");
        }
    }
}

#[test]
fn what_is_smallest_on_the_wire_takes_its_share_in_memory() {
    // In each the first has a byte of data, which is why the rest is copied with it.
    let address = [&[0; 16][..], &[1], &[0; 6]].concat();
    let filter = [&[0; 32][..], &[1, 7], &[0; 5]].concat();
    let utxo = [&[0; 37][..], &[1, 7], &[0; 3]].concat();
    let pair_req = [0; 128];
    for (command, head, first, smallest, most, tail) in [
        (Command::AddrV2, &[][..], &address[..], &address[..], 1_000, &[][..]),
        (Command::CFiltersV2, &[], &filter, &[0; 38], 100, &[]),
        (Command::MixPairReq, &pair_req, &utxo, &[0; 41], 512, &[0; 3]),
    ] {
        // As many as a payload that is copied has room for, and as many as there may be.
        for count in [1, 90, most] {
            let rest = smallest.repeat(usize::from(count) - 1);
            let payload = [head, &varint(count), first, &rest, tail].concat();
            let decoded = takes_little(DCR, 12, command, &payload);
            assert!(decoded.is_ok(), "{decoded:?}");
        }
    }

    // Many, and nothing for any of them.
    let transactions = [&[0; 180][..], &varint(256), &[0, 0, 2, 0, 0].repeat(256), &[0]].concat();
    let (taken, decoded) = decode(DCR, 12, &raw_frame(DCR, b"block", &transactions));
    assert!(decoded.is_ok(), "{decoded:?}");
    assert_eq!((taken.count_total, taken.bytes_total), (1, transactions.len() as u64));
}

/// A count on the wire.
fn varint(count: u16) -> Vec<u8> {
    match count {
        0..=0xfc => vec![count as u8],
        _ => [&[0xfd][..], &count.to_le_bytes()].concat(),
    }
}

#[test]
fn no_payload_takes_more_than_a_multiple_of_its_size() {
    for network in NETWORKS {
        for &command in Command::ALL {
            let Some(version) = newest_with(command, network.chain()) else { continue };
            let byte = any::<[u8; 2]>().prop_map(|[choice, byte]| match choice {
                0..100 => 0,
                100..140 => 0xfd,
                _ => byte,
            });
            try_all(60, vec(byte, 0..300), |payload| {
                // Whether it decodes does not matter here.
                _ = takes_little(network, version, command, &payload);
            });

            let messages = strategies::message(command, network.chain());
            try_all(60, (messages, vec(damage(), 1..4)), |(message, damage)| {
                let Some((version, frame)) = newest_frame(network, message) else { return };
                let mut payload = frame[HEADER_LEN..].to_vec();
                damage.iter().for_each(|damage| damage.apply(&mut payload));
                // Whether it decodes does not matter here.
                _ = takes_little(network, version, command, &payload);
            });
        }
    }
}
