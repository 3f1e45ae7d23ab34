//! Strategies for valid messages of every command.

use std::ops::Range;

use bytes::Bytes;
use excc_peer::wire::{
    Block, BlockHeader, BlockParts, CFHeaders, CFTypes, CFilter, CFilterV2, CFiltersV2, Ciphertext,
    Command, DcNetMatrix, DcNetMessage, FeeFilter, FilterType, GetCFHeaders, GetCFilter,
    GetCFilterV2, GetCFsV2, GetInitState, Headers, HostAddress, InitState, InvType, InvVect, List,
    LocatorRequest, MAX_ADDRS, MAX_FILTER_HEADERS, MAX_FILTER_TYPES, MAX_LOCATOR, MAX_MIX_MESSAGES,
    MAX_MIX_PEERS, MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT_CLASS, MAX_MIX_SIGNATURE, MAX_MIX_VALUE,
    MAX_PROOF_HASHES, MAX_STATE_BLOCKS, MAX_STATE_TSPENDS, MAX_STATE_TYPE_LEN, MAX_STATE_TYPES,
    MAX_STATE_VOTES, MAX_USER_AGENT, MAX_VECTORS, Message, MiningState, MixConfirm, MixCphrTxt,
    MixDCNet, MixFactPoly, MixKeyXchg, MixPairReq, MixSecrets, MixSlotRes, MixUtxo, NetAddress,
    NetAddressV2, OutPoint, PeerAddress, Ping, Pong, Protocol, Reject, RejectCode, Services,
    SlotMatrix, Transaction, Tx, TxIn, TxOut, TxSerialization, VarList, Version,
};
use excc_peer::{Chain, Hash};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Messages of a command, in the form of `chain`.
pub(crate) fn message(command: Command, chain: Chain) -> BoxedStrategy<Message> {
    match command {
        Command::Version => version(chain).prop_map_into().boxed(),
        Command::VerAck => Just(Message::VerAck).boxed(),
        Command::GetAddr => Just(Message::GetAddr).boxed(),
        Command::Addr => list(net_address(), MAX_ADDRS).prop_map(Message::Addr).boxed(),
        Command::GetBlocks => locator_request().prop_map(Message::GetBlocks).boxed(),
        Command::GetHeaders => locator_request().prop_map(Message::GetHeaders).boxed(),
        Command::Headers => headers(chain).prop_map(Message::Headers).boxed(),
        Command::Inv => list(vector(), MAX_VECTORS).prop_map(Message::Inv).boxed(),
        Command::GetData => list(vector(), MAX_VECTORS).prop_map(Message::GetData).boxed(),
        Command::NotFound => list(vector(), MAX_VECTORS).prop_map(Message::NotFound).boxed(),
        Command::Block => block(chain).prop_map(Message::Block).boxed(),
        Command::Tx => tx(chain).prop_map(Message::Tx).boxed(),
        Command::Ping => any::<u64>().prop_map(|nonce| Message::Ping(Ping { nonce })).boxed(),
        Command::Pong => any::<u64>().prop_map(|nonce| Message::Pong(Pong { nonce })).boxed(),
        Command::MemPool => Just(Message::MemPool).boxed(),
        Command::SendHeaders => Just(Message::SendHeaders).boxed(),
        Command::FeeFilter => {
            any::<i64>().prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })).boxed()
        }
        Command::Reject => reject().prop_map_into().boxed(),
        Command::GetMinings => Just(Message::GetMinings).boxed(),
        Command::MiningState => mining_state().prop_map(Message::MiningState).boxed(),
        Command::GetInitState => get_init_state().prop_map(Message::GetInitState).boxed(),
        Command::InitState => init_state().prop_map_into().boxed(),
        Command::GetCFilter => get_cfilter().prop_map(Message::GetCFilter).boxed(),
        Command::GetCFHeaders => get_cfheaders().prop_map(Message::GetCFHeaders).boxed(),
        Command::GetCFTypes => Just(Message::GetCFTypes).boxed(),
        Command::CFilter => cfilter().prop_map(Message::CFilter).boxed(),
        Command::CFHeaders => cfheaders().prop_map(Message::CFHeaders).boxed(),
        Command::CFTypes => cftypes().prop_map(Message::CFTypes).boxed(),
        Command::GetCFilterV2 => get_cfilter_v2().prop_map(Message::GetCFilterV2).boxed(),
        Command::CFilterV2 => cfilter_v2().prop_map_into().boxed(),
        Command::GetCFsV2 => get_cfs_v2().prop_map(Message::GetCFsV2).boxed(),
        Command::CFiltersV2 => cfilters_v2().prop_map(Message::CFiltersV2).boxed(),
        Command::AddrV2 => net_addresses_v2().prop_map(Message::AddrV2).boxed(),
        Command::MixPairReq => mix_pair_req().prop_map_into().boxed(),
        Command::MixKeyXchg => mix_key_xchg().prop_map_into().boxed(),
        Command::MixCphrTxt => mix_cphr_txt().prop_map_into().boxed(),
        Command::MixSlotRes => mix_slot_res().prop_map_into().boxed(),
        Command::MixFactPoly => mix_fact_poly().prop_map_into().boxed(),
        Command::MixDCNet => mix_dc_net().prop_map_into().boxed(),
        Command::MixConfirm => mix_confirm().prop_map_into().boxed(),
        Command::MixSecrets => mix_secrets().prop_map_into().boxed(),
        other => panic!("no strategy makes a {other}"),
    }
}

/// The latest timestamp that Decred's nodes accept.
const LAST_SECOND: i64 = 9_223_371_974_719_179_007;

/// Eight random bytes four times, which is faster than 32 random bytes.
fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 8]>().prop_map(|bytes| {
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes.repeat(4));
        Hash::from_bytes(hash)
    })
}

/// Mostly a few items, and sometimes enough for a count of three bytes.
fn several<S>(element: S, limit: usize) -> impl Strategy<Value = Vec<S::Value>>
where
    S: Strategy + Clone,
{
    let few = vec(element.clone(), 0..=limit.min(8));
    let many = vec(element, limit.min(250)..=limit.min(256));
    prop_oneof![15 => few, 1 => many]
}

fn list<S>(element: S, limit: usize) -> impl Strategy<Value = List<S::Value>>
where
    S: Strategy + Clone,
    S::Value: excc_peer::wire::Record,
{
    several(element, limit).prop_map(List::from)
}

fn hashes(limit: usize) -> impl Strategy<Value = List<Hash>> {
    list(hash().boxed(), limit)
}

/// Bytes that are determined by one random byte.
fn array<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    any::<u8>().prop_map(|first| std::array::from_fn(|n| first ^ n as u8))
}

fn bytes(len: impl Strategy<Value = usize>) -> impl Strategy<Value = Bytes> {
    (any::<u8>(), len).prop_map(|(first, len)| (0..len).map(|n| first ^ n as u8).collect())
}

/// Bytes of a length in `range`, or of a length at which its encoding grows or payloads are shared.
fn data(range: Range<usize>) -> impl Strategy<Value = Bytes> {
    let long = select(vec![251, 252, 253, 254, 4_000, 4_096]);
    bytes(prop_oneof![15 => range, 1 => long])
}

/// Printable ASCII.
fn text(limit: usize) -> impl Strategy<Value = String> {
    vec(0x20..=0x7e_u8, 0..=limit).prop_map(|text| text.into_iter().map(char::from).collect())
}

fn services() -> impl Strategy<Value = Services> {
    any::<u64>().prop_map(Services::from_bits_retain)
}

fn peer_address() -> impl Strategy<Value = PeerAddress> {
    let ip = prop_oneof![any::<u128>(), any::<u32>().prop_map(|ip| 0xffff_0000_0000 | ip as u128)];
    (services(), ip, any::<u16>())
        .prop_map(|(services, ip, port)| PeerAddress::from_parts(services, ip.into(), port))
}

fn net_address() -> impl Strategy<Value = NetAddress> + Clone {
    let entry = (any::<u32>(), peer_address());
    entry.prop_map(|(timestamp, address)| NetAddress::new(timestamp, address)).boxed()
}

fn version(chain: Chain) -> impl Strategy<Value = Version> {
    let timestamp = match chain {
        Chain::Decred => (0..=LAST_SECOND).boxed(),
        _ => any::<i64>().boxed(),
    };
    let node = (any::<i32>(), services(), timestamp, peer_address(), peer_address());
    (node, any::<u64>(), text(MAX_USER_AGENT), any::<i32>(), any::<bool>()).prop_map(
        |(node, nonce, user_agent, start_height, relay)| {
            let (protocol_version, services, timestamp, receiver, sender) = node;
            Version {
                protocol_version,
                services,
                timestamp,
                receiver,
                sender,
                nonce,
                user_agent,
                start_height,
                relay,
            }
        },
    )
}

fn locator_request() -> impl Strategy<Value = LocatorRequest> {
    (any::<u32>(), hashes(MAX_LOCATOR), hash()).prop_map(|(protocol_version, locator, stop)| {
        LocatorRequest { protocol_version, locator, stop }
    })
}

fn vector() -> impl Strategy<Value = InvVect> + Clone {
    let kind = prop_oneof![0..6_u32, any::<u32>()].prop_map(InvType::new);
    (kind, hash()).prop_map(|(kind, hash)| InvVect::new(kind, hash)).boxed()
}

fn reject() -> impl Strategy<Value = Reject> {
    let command = prop_oneof![Just("block".to_owned()), Just("tx".to_owned()), text(20)];
    (command, any::<u8>(), text(300), hash()).prop_map(|(command, code, reason, hash)| {
        let hash = matches!(&command[..], "block" | "tx").then_some(hash);
        Reject { command, code: RejectCode::new(code), reason, hash }
    })
}

/// A block header of `chain`.
pub(crate) fn header(chain: Chain) -> impl Strategy<Value = BlockHeader> {
    let hashes = (hash(), hash(), hash(), hash());
    let votes = (any::<[u8; 6]>(), any::<u16>(), any::<u16>(), any::<u8>(), any::<u8>());
    let numbers = any::<[u32; 8]>();
    (any::<i32>(), hashes, votes, numbers, any::<i64>(), array()).prop_map(
        move |(version, hashes, votes, numbers, sbits, solution)| {
            let (prev_block, merkle_root, stake_root, extra_data) = hashes;
            let (final_state, vote_bits, voters, fresh_stake, revocations) = votes;
            let [pool_size, bits, height, size, timestamp, nonce, stake_version, _] = numbers;
            BlockHeader {
                version,
                prev_block,
                merkle_root,
                stake_root,
                vote_bits,
                final_state,
                voters,
                fresh_stake,
                revocations,
                pool_size,
                bits,
                sbits,
                height,
                size,
                timestamp,
                nonce,
                extra_data: *extra_data.as_bytes(),
                stake_version,
                equihash_solution: (chain == Chain::Exchangecoin).then_some(solution),
            }
        },
    )
}

fn headers(chain: Chain) -> impl Strategy<Value = Headers> {
    prop_oneof![9 => vec(header(chain), 0..4), 1 => vec(header(chain), 14..25)]
        .prop_map(move |headers| Headers::new(chain, &headers).expect("headers of the chain"))
}

fn out_point() -> impl Strategy<Value = OutPoint> {
    (hash(), any::<u32>(), any::<i8>())
        .prop_map(|(hash, index, tree)| OutPoint::new(hash, index, tree))
}

fn tx_in() -> impl Strategy<Value = TxIn> {
    (out_point(), any::<[u32; 3]>(), any::<i64>(), data(0..80)).prop_map(
        |(previous_output, numbers, value_in, signature_script)| {
            let [sequence, block_height, block_index] = numbers;
            TxIn {
                previous_output,
                sequence,
                value_in,
                block_height,
                block_index,
                signature_script,
            }
        },
    )
}

fn tx_out() -> impl Strategy<Value = TxOut> {
    (any::<i64>(), any::<u16>(), data(0..80)).prop_map(|(value, version, pk_script)| TxOut {
        value,
        version,
        pk_script,
    })
}

/// A transaction with prefix and witness, and a random serialization.
pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    let serialization = prop_oneof![
        4 => Just(TxSerialization::Full),
        1 => Just(TxSerialization::NoWitness),
        1 => Just(TxSerialization::OnlyWitness),
    ];
    (any::<u16>(), serialization, vec(tx_in(), 0..4), vec(tx_out(), 0..4), any::<[u32; 2]>())
        .prop_map(|(version, serialization, inputs, outputs, [lock_time, expiry])| Transaction {
            version,
            serialization,
            inputs,
            outputs,
            lock_time,
            expiry,
        })
}

fn tx(chain: Chain) -> impl Strategy<Value = Tx> {
    transaction().prop_map(move |transaction| transaction.encode(chain).expect("small enough"))
}

/// The parts of a block.
pub(crate) fn block_parts(chain: Chain) -> impl Strategy<Value = BlockParts> {
    (header(chain), vec(tx(chain), 0..4), vec(tx(chain), 0..3)).prop_map(
        |(header, transactions, stake_transactions)| BlockParts {
            header,
            transactions,
            stake_transactions,
        },
    )
}

fn block(chain: Chain) -> impl Strategy<Value = Block> {
    let protocol = Protocol::new(chain, chain.newest_version());
    block_parts(chain).prop_map(move |parts| parts.encode(protocol).expect("small enough"))
}

fn mining_state() -> impl Strategy<Value = MiningState> {
    (any::<u32>(), any::<u32>(), hashes(MAX_STATE_BLOCKS), hashes(MAX_STATE_VOTES)).prop_map(
        |(version, height, block_hashes, vote_hashes)| MiningState {
            version,
            height,
            block_hashes,
            vote_hashes,
        },
    )
}

fn get_init_state() -> impl Strategy<Value = GetInitState> {
    let known =
        vec![GetInitState::HEAD_BLOCKS, GetInitState::HEAD_BLOCK_VOTES, GetInitState::TSPENDS];
    let name = prop_oneof![select(known).prop_map(str::to_owned), text(MAX_STATE_TYPE_LEN)];
    vec(name, 0..=MAX_STATE_TYPES)
        .prop_map(|names| GetInitState { types: names.into_iter().collect::<VarList<str>>() })
}

fn init_state() -> impl Strategy<Value = InitState> {
    (hashes(MAX_STATE_BLOCKS), hashes(MAX_STATE_VOTES), hashes(MAX_STATE_TSPENDS)).prop_map(
        |(block_hashes, vote_hashes, tspend_hashes)| InitState {
            block_hashes,
            vote_hashes,
            tspend_hashes,
        },
    )
}

fn filter_type() -> impl Strategy<Value = FilterType> + Clone {
    any::<u8>().prop_map(FilterType::new).boxed()
}

fn get_cfilter() -> impl Strategy<Value = GetCFilter> {
    (hash(), filter_type())
        .prop_map(|(block_hash, filter_type)| GetCFilter { block_hash, filter_type })
}

fn get_cfheaders() -> impl Strategy<Value = GetCFHeaders> {
    (hashes(MAX_LOCATOR), hash(), filter_type())
        .prop_map(|(locator, stop, filter_type)| GetCFHeaders { locator, stop, filter_type })
}

fn cfilter() -> impl Strategy<Value = CFilter> {
    (hash(), filter_type(), data(0..300)).prop_map(|(block_hash, filter_type, data)| CFilter {
        block_hash,
        filter_type,
        data,
    })
}

fn cfheaders() -> impl Strategy<Value = CFHeaders> {
    (hash(), filter_type(), hashes(MAX_FILTER_HEADERS)).prop_map(
        |(stop, filter_type, header_hashes)| CFHeaders { stop, filter_type, header_hashes },
    )
}

fn cftypes() -> impl Strategy<Value = CFTypes> {
    list(filter_type(), MAX_FILTER_TYPES).prop_map(|filter_types| CFTypes { filter_types })
}

fn get_cfilter_v2() -> impl Strategy<Value = GetCFilterV2> {
    hash().prop_map(|block_hash| GetCFilterV2 { block_hash })
}

fn cfilter_v2() -> impl Strategy<Value = CFilterV2> {
    (hash(), data(0..300), any::<u32>(), hashes(MAX_PROOF_HASHES)).prop_map(
        |(block_hash, data, proof_index, proof_hashes)| CFilterV2 {
            block_hash,
            data,
            proof_index,
            proof_hashes,
        },
    )
}

fn get_cfs_v2() -> impl Strategy<Value = GetCFsV2> {
    (hash(), hash()).prop_map(|(start_hash, end_hash)| GetCFsV2 { start_hash, end_hash })
}

fn cfilters_v2() -> impl Strategy<Value = CFiltersV2> {
    vec(cfilter_v2(), 0..5).prop_map(|filters| CFiltersV2 { filters })
}

fn net_addresses_v2() -> impl Strategy<Value = Vec<NetAddressV2>> {
    let host = prop_oneof![
        any::<u32>().prop_map(|ip| HostAddress::Ipv4(ip.into())),
        any::<u128>().prop_map(|ip| HostAddress::Ipv6(ip.into())),
        array().prop_map(HostAddress::TorV3),
    ];
    let address = (0..=LAST_SECOND.cast_unsigned(), services(), host, any::<u16>()).prop_map(
        |(timestamp, services, addr, port)| NetAddressV2 { timestamp, services, addr, port },
    );
    // At least one item.
    several(address.boxed(), MAX_ADDRS).prop_filter("no address", |it| !it.is_empty())
}

/// The first fields of all mix messages but the pair request.
fn mix_head() -> impl Strategy<Value = ([u8; 64], [u8; 33], [u8; 32], u32)> {
    (array(), array(), array(), any::<u32>())
}

/// The byte strings of mix messages.
fn mix_values(limit: usize) -> impl Strategy<Value = VarList<[u8]>> {
    several(bytes(0..=MAX_MIX_VALUE).boxed(), limit).prop_map(|it| it.into_iter().collect())
}

fn mixed_messages(limit: usize) -> impl Strategy<Value = List<DcNetMessage>> {
    list(array().prop_map(DcNetMessage::from).boxed(), limit)
}

fn mix_utxo() -> impl Strategy<Value = MixUtxo> {
    let pub_key = bytes(0..=MAX_MIX_PUB_KEY);
    let signature = bytes(0..=MAX_MIX_SIGNATURE);
    (out_point(), data(0..80), pub_key, signature, any::<u8>()).prop_map(
        |(out_point, script, pub_key, signature, opcode)| MixUtxo {
            out_point,
            script,
            pub_key,
            signature,
            opcode,
        },
    )
}

fn mix_pair_req() -> impl Strategy<Value = MixPairReq> {
    let numbers = (any::<[u32; 3]>(), any::<u16>(), any::<[u8; 2]>());
    let amounts = (0..=i64::MAX, 0..=i64::MAX);
    let outputs = (vec(mix_utxo(), 0..4), prop::option::of(tx_out()));
    (array(), array(), numbers, amounts, text(MAX_MIX_SCRIPT_CLASS), outputs).prop_map(
        |(signature, identity, numbers, (mix_amount, input_value), script_class, outputs)| {
            let ([expiry, lock_time, message_count], tx_version, [flags, pairing_flags]) = numbers;
            let (utxos, change) = outputs;
            MixPairReq {
                signature,
                identity,
                expiry,
                mix_amount,
                script_class,
                tx_version,
                lock_time,
                message_count,
                input_value,
                utxos,
                change,
                flags,
                pairing_flags,
            }
        },
    )
}

fn mix_key_xchg() -> impl Strategy<Value = MixKeyXchg> {
    let keys = (array(), array(), hash());
    (mix_head(), any::<u64>(), any::<u32>(), keys, hashes(MAX_MIX_PEERS)).prop_map(
        |(head, epoch, position, (ecdh, pqpk, commitment), seen_pair_requests)| {
            let (signature, identity, session_id, run) = head;
            MixKeyXchg {
                signature,
                identity,
                session_id,
                epoch,
                run,
                position,
                ecdh,
                pqpk,
                commitment,
                seen_pair_requests,
            }
        },
    )
}

fn mix_cphr_txt() -> impl Strategy<Value = MixCphrTxt> {
    let ciphertext = array().prop_map(Ciphertext::from);
    (mix_head(), vec((ciphertext, hash()), 0..6)).prop_map(|(head, seen)| {
        let (signature, identity, session_id, run) = head;
        let (ciphertexts, hashes): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        MixCphrTxt {
            signature,
            identity,
            session_id,
            run,
            ciphertexts: ciphertexts.into(),
            seen_key_exchanges: hashes.into(),
        }
    })
}

fn mix_slot_res() -> impl Strategy<Value = MixSlotRes> {
    let matrix = (1..5_usize, 1..5_usize).prop_flat_map(|(rows, columns)| {
        let values = vec(bytes(0..=MAX_MIX_VALUE), rows * columns);
        values.prop_map(move |it| {
            SlotMatrix::new(rows, columns, it.into_iter().collect()).expect("it is filled")
        })
    });
    (mix_head(), matrix, hashes(MAX_MIX_PEERS)).prop_map(|(head, dc_mix, seen_ciphertexts)| {
        let (signature, identity, session_id, run) = head;
        MixSlotRes { signature, identity, session_id, run, dc_mix, seen_ciphertexts }
    })
}

fn mix_fact_poly() -> impl Strategy<Value = MixFactPoly> {
    (mix_head(), mix_values(MAX_MIX_MESSAGES), hashes(MAX_MIX_PEERS)).prop_map(
        |(head, roots, seen_slot_reserves)| {
            let (signature, identity, session_id, run) = head;
            MixFactPoly { signature, identity, session_id, run, roots, seen_slot_reserves }
        },
    )
}

fn mix_dc_net() -> impl Strategy<Value = MixDCNet> {
    let matrix = (0..5_usize, 0..5_usize).prop_flat_map(|(rows, columns)| {
        let messages = vec(array().prop_map(DcNetMessage::from), rows * columns);
        messages.prop_map(move |it| DcNetMatrix::new(rows, columns, it).expect("it is filled"))
    });
    (mix_head(), matrix, hashes(MAX_MIX_PEERS)).prop_map(|(head, dc_net, seen_slot_reserves)| {
        let (signature, identity, session_id, run) = head;
        MixDCNet { signature, identity, session_id, run, dc_net, seen_slot_reserves }
    })
}

fn mix_confirm() -> impl Strategy<Value = MixConfirm> {
    (mix_head(), tx(Chain::Decred), hashes(MAX_MIX_PEERS)).prop_map(|(head, mix, seen_dc_nets)| {
        let (signature, identity, session_id, run) = head;
        MixConfirm { signature, identity, session_id, run, mix, seen_dc_nets }
    })
}

fn mix_secrets() -> impl Strategy<Value = MixSecrets> {
    let (slots, messages) = (mix_values(MAX_MIX_MESSAGES), mixed_messages(MAX_MIX_MESSAGES));
    (mix_head(), array(), slots, messages, hashes(MAX_MIX_PEERS)).prop_map(
        |(head, seed, slot_reserve_msgs, dc_net_msgs, seen_secrets)| {
            let (signature, identity, session_id, run) = head;
            MixSecrets {
                signature,
                identity,
                session_id,
                run,
                seed,
                slot_reserve_msgs,
                dc_net_msgs,
                seen_secrets,
            }
        },
    )
}
