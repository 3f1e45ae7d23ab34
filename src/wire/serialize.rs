//! Messages as data, for `serde`.
//!
//! Names and forms are those of the test vectors of the reference nodes, so that the same tools
//! read both. Hashes and byte strings are hexadecimal in the order of the wire. Times and 64-bit
//! numbers are decimal strings.

use core::fmt;

use serde_core::ser::{Serialize, SerializeStruct, Serializer};

use super::addr::{NetAddress, PeerAddress, Services};
use super::addr_v2::{HostAddress, NetAddressV2};
use super::block::Block;
use super::block_header::BlockHeaderRef;
use super::cfilter::{CFHeaders, CFTypes, CFilter, FilterType, GetCFHeaders, GetCFilter};
use super::cfilter_v2::{CFilterV2, CFiltersV2, GetCFilterV2, GetCFsV2};
use super::command::Command;
use super::fee_filter::FeeFilter;
use super::format::Hex;
use super::headers::Headers;
use super::init_state::{GetInitState, InitState};
use super::inv::{InvType, InvVect};
use super::list::{List, Record};
use super::locator::LocatorRequest;
use super::message::Message;
use super::mining_state::MiningState;
use super::mix::{
    Ciphertext, DcNetMatrix, DcNetMessage, MixConfirm, MixCphrTxt, MixDCNet, MixFactPoly,
    MixKeyXchg, MixPairReq, MixSecrets, MixSlotRes, MixUtxo, SlotMatrix,
};
use super::ping::{Ping, Pong};
use super::reject::{Reject, RejectCode};
use super::tx::{OutPoint, Tx, TxInRef, TxOut, TxOutRef, TxRef};
use super::var_list::{VarIter, VarList};
use super::version::Version;
use crate::hash::Hash;

/// Serialises types as maps of these fields.
macro_rules! maps {
    ($($type:ty as $it:ident { $($name:literal: $value:expr,)* })*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $it = self;
                let fields = [$($name),*].len();
                let mut map = serializer.serialize_struct(stringify!($type), fields)?;
                $(map.serialize_field($name, &$value)?;)*
                map.end()
            }
        }
    )*};
}

maps! {
    Version as version {
        "protocol_version": version.protocol_version,
        "services": version.services,
        "timestamp": Text(version.timestamp),
        "addr_you": version.receiver,
        "addr_me": version.sender,
        "nonce": Text(version.nonce),
        "user_agent": version.user_agent,
        "last_block": version.start_height,
        "disable_relay_tx": !version.relay,
    }
    PeerAddress as address {
        // Only addresses in `addr` have a timestamp.
        "timestamp": None::<u32>,
        "services": address.services(),
        "ip": Hex(&address.wire_ip().octets()),
        "port": address.port(),
    }
    NetAddress as entry {
        "timestamp": Text(entry.timestamp()),
        "services": entry.address().services(),
        "ip": Hex(&entry.address().wire_ip().octets()),
        "port": entry.address().port(),
    }
    InvVect as vector {
        "type": vector.kind(),
        "hash": vector.hash(),
    }
    LocatorRequest as request {
        "protocol_version": request.protocol_version,
        "block_locator_hashes": request.locator,
        "hash_stop": request.stop,
    }
    Ping as ping {
        "nonce": Text(ping.nonce),
    }
    Pong as pong {
        "nonce": Text(pong.nonce),
    }
    FeeFilter as filter {
        "min_fee": Text(filter.min_fee),
    }
    Reject as reject {
        "cmd": reject.command,
        "code": reject.code,
        "reason": reject.reason,
        // The nodes have a zero hash if the message has none.
        "hash": reject.hash.unwrap_or_default(),
    }
    OutPoint as outpoint {
        "hash": outpoint.hash(),
        "index": outpoint.index(),
        "tree": outpoint.tree(),
    }
    TxRef<'_> as tx {
        "ser_type": tx.serialization().number(),
        "version": tx.version(),
        "tx_in": Seq(tx.inputs()),
        "tx_out": Seq(tx.outputs()),
        "lock_time": tx.lock_time(),
        "expiry": tx.expiry(),
    }
    TxInRef<'_> as input {
        "previous_out_point": input.previous_output(),
        "sequence": input.sequence(),
        "value_in": Text(input.value_in()),
        "block_height": input.block_height(),
        "block_index": input.block_index(),
        "signature_script": Hex(input.signature_script()),
    }
    TxOutRef<'_> as output {
        "value": Text(output.value()),
        "version": output.version(),
        "pk_script": Hex(output.pk_script()),
    }
    TxOut as output {
        "value": Text(output.value),
        "version": output.version,
        "pk_script": Hex(&output.pk_script),
    }
    Block as block {
        "header": block.header(),
        "transactions": Seq(block.transactions()),
        "stransactions": Seq(block.stake_transactions()),
    }
    MiningState as state {
        "version": state.version,
        "height": state.height,
        "block_hashes": state.block_hashes,
        "vote_hashes": state.vote_hashes,
    }
    GetInitState as request {
        "types": request.types,
    }
    InitState as state {
        "block_hashes": state.block_hashes,
        "vote_hashes": state.vote_hashes,
        "tspend_hashes": state.tspend_hashes,
    }
    GetCFilter as request {
        "block_hash": request.block_hash,
        "filter_type": request.filter_type,
    }
    CFilter as filter {
        "block_hash": filter.block_hash,
        "filter_type": filter.filter_type,
        "data": Hex(&filter.data),
    }
    GetCFHeaders as request {
        "block_locator_hashes": request.locator,
        "hash_stop": request.stop,
        "filter_type": request.filter_type,
    }
    CFHeaders as headers {
        "stop_hash": headers.stop,
        "filter_type": headers.filter_type,
        "header_hashes": headers.header_hashes,
    }
    CFTypes as types {
        "supported_filters": types.filter_types,
    }
    GetCFilterV2 as request {
        "block_hash": request.block_hash,
    }
    CFilterV2 as filter {
        "block_hash": filter.block_hash,
        "data": Hex(&filter.data),
        "proof_index": filter.proof_index,
        "proof_hashes": filter.proof_hashes,
    }
    GetCFsV2 as request {
        "start_hash": request.start_hash,
        "end_hash": request.end_hash,
    }
    CFiltersV2 as message {
        "cfilters": message.filters[..],
    }
    NetAddressV2 as entry {
        "timestamp": Text(entry.timestamp),
        "services": entry.services,
        "type": entry.addr.type_number(),
        "encoded_addr": entry.addr,
        "port": entry.port,
    }
    MixPairReq as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "expiry": mix.expiry,
        "mix_amount": Text(mix.mix_amount),
        "script_class": mix.script_class.as_str(),
        "tx_version": mix.tx_version,
        "lock_time": mix.lock_time,
        "message_count": mix.message_count,
        "input_value": Text(mix.input_value),
        "utxos": mix.utxos.as_slice(),
        "change": mix.change,
        "flags": mix.flags,
        "pairing_flags": mix.pairing_flags,
    }
    MixUtxo as utxo {
        "out_point": utxo.out_point,
        "script": Hex(&utxo.script),
        "pub_key": Hex(&utxo.pub_key),
        "signature": Hex(&utxo.signature),
        "opcode": utxo.opcode,
    }
    MixKeyXchg as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "epoch": Text(mix.epoch),
        "run": mix.run,
        "pos": mix.position,
        "ecdh": Hex(&mix.ecdh),
        "pqpk": Hex(&mix.pqpk),
        "commitment": mix.commitment,
        "seen_prs": mix.seen_pair_requests,
    }
    MixCphrTxt as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "ciphertexts": mix.ciphertexts,
        "seen_key_exchanges": mix.seen_key_exchanges,
    }
    MixSlotRes as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "dc_mix": mix.dc_mix,
        "seen_ciphertexts": mix.seen_ciphertexts,
    }
    MixFactPoly as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "roots": mix.roots,
        "seen_slot_reserves": mix.seen_slot_reserves,
    }
    MixDCNet as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "dc_net": mix.dc_net,
        "seen_slot_reserves": mix.seen_slot_reserves,
    }
    MixConfirm as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "mix": mix.mix,
        "seen_dc_nets": mix.seen_dc_nets,
    }
    MixSecrets as mix {
        "signature": Hex(&mix.signature),
        "identity": Hex(&mix.identity),
        "session_id": Hex(&mix.session_id),
        "run": mix.run,
        "seed": Hex(&mix.seed),
        "slot_reserve_msgs": mix.slot_reserve_msgs,
        "dc_net_msgs": mix.dc_net_msgs,
        "seen_secrets": mix.seen_secrets,
    }
}

impl Serialize for BlockHeaderRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let solution = self.equihash_solution();
        let fields = 18 + usize::from(solution.is_some());
        let mut map = serializer.serialize_struct("BlockHeader", fields)?;
        map.serialize_field("version", &self.version())?;
        map.serialize_field("prev_block", &self.prev_block())?;
        map.serialize_field("merkle_root", &self.merkle_root())?;
        map.serialize_field("stake_root", &self.stake_root())?;
        map.serialize_field("vote_bits", &self.vote_bits())?;
        map.serialize_field("final_state", &Hex(&self.final_state()))?;
        map.serialize_field("voters", &self.voters())?;
        map.serialize_field("fresh_stake", &self.fresh_stake())?;
        map.serialize_field("revocations", &self.revocations())?;
        map.serialize_field("pool_size", &self.pool_size())?;
        map.serialize_field("bits", &self.bits())?;
        map.serialize_field("sbits", &Text(self.sbits()))?;
        map.serialize_field("height", &self.height())?;
        map.serialize_field("size", &self.size())?;
        map.serialize_field("timestamp", &Text(self.timestamp()))?;
        map.serialize_field("nonce", &self.nonce())?;
        map.serialize_field("extra_data", &Hex(&self.extra_data()))?;
        map.serialize_field("stake_version", &self.stake_version())?;
        match solution {
            Some(solution) => map.serialize_field("equihash_solution", &Hex(solution))?,
            None => map.skip_field("equihash_solution")?,
        }
        map.end()
    }
}

/// Serialises types as these values.
macro_rules! values {
    ($($type:ty as $it:ident => $value:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $it = self;
                $value.serialize(serializer)
            }
        }
    )*};
}

values! {
    Tx as tx => tx.view();
    Hash as hash => Hex(hash.as_bytes());
    Command as command => command.as_str();
    Services as services => Text(services.bits());
    InvType as kind => kind.number();
    RejectCode as code => code.number();
    FilterType as kind => kind.number();
    Ciphertext as ciphertext => Hex(ciphertext.as_bytes());
    DcNetMessage as message => Hex(message.as_bytes());
}

impl<T: Record + Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl Serialize for VarList<str> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl Serialize for VarList<[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.iter().serialize(serializer)
    }
}

impl Serialize for VarIter<'_, [u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.clone().map(Hex))
    }
}

impl Serialize for HostAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.put(|octets| Hex(octets).serialize(serializer))
    }
}

/// Serialises each row as a list.
impl Serialize for SlotMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

/// Serialises each row as a list.
impl Serialize for DcNetMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Serialises the command and the fields: `{"command":"ping","fields":{"nonce":"7"}}`.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Message", 2)?;
        map.serialize_field("command", &self.command())?;
        map.serialize_field("fields", &self.fields())?;
        map.end()
    }
}

impl Message {
    /// Returns the fields, without the command.
    pub(crate) fn fields(&self) -> impl Serialize {
        Fields(self)
    }
}

/// The fields of a message.
struct Fields<'a>(&'a Message);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Message::VerAck
            | Message::GetAddr
            | Message::MemPool
            | Message::SendHeaders
            | Message::GetMinings
            | Message::GetCFTypes => serializer.serialize_struct("Fields", 0)?.end(),
            Message::Addr(list) => Named("addr_list", list).serialize(serializer),
            Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => {
                Named("inv_list", list).serialize(serializer)
            }
            Message::Headers(headers) => Named("headers", headers).serialize(serializer),
            Message::Version(it) => it.serialize(serializer),
            Message::GetBlocks(it) | Message::GetHeaders(it) => it.serialize(serializer),
            Message::Block(it) => it.serialize(serializer),
            Message::Tx(it) => it.serialize(serializer),
            Message::Ping(it) => it.serialize(serializer),
            Message::Pong(it) => it.serialize(serializer),
            Message::FeeFilter(it) => it.serialize(serializer),
            Message::Reject(it) => it.serialize(serializer),
            Message::MiningState(it) => it.serialize(serializer),
            Message::GetInitState(it) => it.serialize(serializer),
            Message::InitState(it) => it.serialize(serializer),
            Message::GetCFilter(it) => it.serialize(serializer),
            Message::CFilter(it) => it.serialize(serializer),
            Message::GetCFHeaders(it) => it.serialize(serializer),
            Message::CFHeaders(it) => it.serialize(serializer),
            Message::CFTypes(it) => it.serialize(serializer),
            Message::GetCFilterV2(it) => it.serialize(serializer),
            Message::CFilterV2(it) => it.serialize(serializer),
            Message::GetCFsV2(it) => it.serialize(serializer),
            Message::CFiltersV2(it) => it.serialize(serializer),
            Message::AddrV2(list) => Named("addr_list", &list.as_slice()).serialize(serializer),
            Message::MixPairReq(it) => it.serialize(serializer),
            Message::MixKeyXchg(it) => it.serialize(serializer),
            Message::MixCphrTxt(it) => it.serialize(serializer),
            Message::MixSlotRes(it) => it.serialize(serializer),
            Message::MixFactPoly(it) => it.serialize(serializer),
            Message::MixDCNet(it) => it.serialize(serializer),
            Message::MixConfirm(it) => it.serialize(serializer),
            Message::MixSecrets(it) => it.serialize(serializer),
        }
    }
}

/// The field of a message that consists of one list.
struct Named<'a, T>(&'static str, &'a T);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Fields", 1)?;
        map.serialize_field(self.0, self.1)?;
        map.end()
    }
}

/// The items of an iterator.
struct Seq<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Seq<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// A number as decimal text.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
