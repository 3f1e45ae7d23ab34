//! Limits of the wire protocol. The table has the protocol versions and the maximum payload
//! length of each message. The constants are counts and lengths inside messages.
//!
//! All numbers are those of the reference nodes, which ban a peer that exceeds one. Encoding
//! therefore enforces the same limits as decoding.

use super::command::Command;
use super::error::{ErrorKind, at_most};
use super::protocol::Protocol;
use crate::network::Chain;

/// Maximum payload of any message in bytes: 32 MiB.
pub const MAX_PAYLOAD: usize = 32 * 1024 * 1024;

/// Maximum number of addresses in an `addr` or `addrv2`.
pub const MAX_ADDRS: usize = 1_000;

/// Maximum number of vectors in an `inv`, `getdata` or `notfound`.
pub const MAX_VECTORS: usize = 50_000;

/// Maximum number of hashes in a block locator.
pub const MAX_LOCATOR: usize = 500;

/// Maximum number of headers in a `headers`.
pub const MAX_HEADERS: usize = 2_000;

/// Maximum length of a user agent in bytes.
pub const MAX_USER_AGENT: usize = 256;

/// Maximum timestamp of a `version` or `addrv2` on Decred, in Unix seconds.
///
/// Go counts seconds from year 1 in a signed 64-bit integer. Later times overflow it, so
/// Decred's nodes refuse them (`docs/protocol.md`, 3.3).
pub(crate) const MAX_TIMESTAMP: u64 = i64::MAX as u64 - 62_135_596_800;

/// Maximum number of inputs of a transaction.
///
/// This is `maxTxInPerMessage` of the reference nodes. The maximum payload has no room for that
/// number, but the limit determines the error of a larger count.
pub const MAX_TX_INPUTS: usize = 780_336;

/// Maximum number of outputs of a transaction.
///
/// This is `maxTxOutPerMessage` of the reference nodes. The maximum payload has no room for that
/// number, but the limit determines the error of a larger count.
pub const MAX_TX_OUTPUTS: usize = 3_728_271;

/// Returns the maximum number of transactions in each of the two trees of a block. It is 33,334
/// before protocol version 4, and 43,691 since.
#[must_use]
pub const fn max_txs_per_tree(protocol: Protocol) -> usize {
    // `MaxTxPerTxTree` of the reference nodes. The smallest transaction has 15 bytes.
    Command::Block.max_payload(protocol) / 15 / 2 + 1
}

/// Maximum length of a committed filter in bytes: 256 KiB.
pub const MAX_FILTER_LEN: usize = 256 * 1024;

/// Maximum number of filter headers in a `cfheaders`.
pub const MAX_FILTER_HEADERS: usize = 2_000;

/// Maximum number of filter types in a `cftypes`.
pub const MAX_FILTER_TYPES: usize = 256;

/// Maximum number of hashes in the proof of a `cfilterv2`.
pub const MAX_PROOF_HASHES: usize = 32;

/// Maximum number of filters in a `cfiltersv2`.
pub const MAX_FILTERS: usize = 100;

/// Maximum number of blocks in a `miningstate` or `initstate`.
pub const MAX_STATE_BLOCKS: usize = 8;

/// Maximum number of votes in a `miningstate` or `initstate`.
pub const MAX_STATE_VOTES: usize = 40;

/// Maximum number of treasury spends in an `initstate`.
pub const MAX_STATE_TSPENDS: usize = 7;

/// Maximum number of types in a `getinitstate`.
pub const MAX_STATE_TYPES: usize = 32;

/// Maximum length of a type in a `getinitstate`, in bytes.
pub const MAX_STATE_TYPE_LEN: usize = 32;

/// Maximum number of peers in a mix, and of hashes in the list of messages seen.
pub const MAX_MIX_PEERS: usize = 512;

/// Maximum number of messages in a mix.
pub const MAX_MIX_MESSAGES: usize = 1_024;

/// Maximum length of a number in the slot reservation of a mix, in bytes.
pub const MAX_MIX_VALUE: usize = 32;

/// Maximum length of the script class in a `mixpairreq`, in bytes.
pub const MAX_MIX_SCRIPT_CLASS: usize = 32;

/// Maximum number of unspent outputs in a `mixpairreq`.
pub const MAX_MIX_UTXOS: usize = 512;

/// Maximum length of the script of an unspent output in a `mixpairreq`, in bytes.
pub const MAX_MIX_SCRIPT: usize = 16_384;

/// Maximum length of the public key of an unspent output in a `mixpairreq`, in bytes.
pub const MAX_MIX_PUB_KEY: usize = 33;

/// Maximum length of the signature of an unspent output in a `mixpairreq`, in bytes.
pub const MAX_MIX_SIGNATURE: usize = 64;

/// The protocol versions that have a message, and its maximum payload length.
#[derive(Clone, Copy)]
struct Rule {
    first: u32,
    last: u32,
    max_payload: usize,
    /// A version, and a lower maximum before it.
    lower_before: Option<(u32, usize)>,
    /// The maximum is 0 outside `first..=last`.
    gated: bool,
}

/// All versions.
const fn always(max_payload: usize) -> Option<Rule> {
    since(0, max_payload)
}

/// Versions from `first`.
const fn since(first: u32, max_payload: usize) -> Option<Rule> {
    Some(Rule { first, last: u32::MAX, max_payload, lower_before: None, gated: false })
}

/// Versions from `first`, with a maximum of 0 before.
const fn gated_since(first: u32, max_payload: usize) -> Option<Rule> {
    Some(Rule { first, last: u32::MAX, max_payload, lower_before: None, gated: true })
}

/// Versions up to `last`, with a maximum of 0 after.
const fn gated_until(last: u32, max_payload: usize) -> Option<Rule> {
    Some(Rule { first: 0, last, max_payload, lower_before: None, gated: true })
}

/// `block` and `tx`. `MaxBlockSizeVersion`, 4, raised their maximum from `MaxBlockPayloadV3` to
/// `MaxBlockPayload`.
const BLOCK_SIZED: Option<Rule> = Some(Rule {
    first: 0,
    last: u32::MAX,
    max_payload: 1_310_720,
    lower_before: Some((4, 1_000_000)),
    gated: false,
});

/// The chain does not have the message.
const UNDEFINED: Option<Rule> = None;

macro_rules! rules {
    ($($name:ident: $excc:expr, $dcr:expr;)*) => {
        impl Command {
            const fn rule(self, chain: Chain) -> Option<&'static Rule> {
                const EXCHANGECOIN: &[Option<Rule>] = &[$($excc,)*];
                const DECRED: &[Option<Rule>] = &[$($dcr,)*];
                let rules = match chain {
                    Chain::Exchangecoin => EXCHANGECOIN,
                    Chain::Decred => DECRED,
                };
                rules[self as usize].as_ref()
            }
        }

        // Rules are found by the number of their command.
        const _: () = {
            let rules = [$(Command::$name,)*];
            assert!(rules.len() == Command::ALL.len());
            let mut at = 0;
            while at < rules.len() {
                assert!(rules[at] as usize == at);
                at += 1;
            }
        };
    };
}

// Command: Exchangecoin, Decred. The maximums are results of the references' `MaxPayloadLength`
// functions. The versions are those that `BtcDecode` and `BtcEncode` accept (`docs/protocol.md`,
// 2.5). Only `MaxPayloadLength` of the gated messages tests the version.
rules! {
    Version: always(358), always(358);
    VerAck: always(0), always(0);
    GetAddr: always(0), always(0);
    // `addrv2` replaces `addr` on Decred (`docs/protocol.md`, 1.4).
    Addr: always(30_003), gated_until(11, 30_003);
    GetBlocks: always(16_039), always(16_039);
    GetHeaders: always(16_039), always(16_039);
    // Headers have 280 and 180 bytes, and each is followed by a count of 1 byte.
    Headers: always(562_003), always(362_003);
    Inv: always(1_800_003), always(1_800_003);
    GetData: always(1_800_003), always(1_800_003);
    NotFound: always(1_800_003), always(1_800_003);
    Block: BLOCK_SIZED, BLOCK_SIZED;
    Tx: BLOCK_SIZED, BLOCK_SIZED;
    Ping: always(8), always(8);
    Pong: always(8), always(8);
    MemPool: always(0), always(0);
    SendHeaders: since(3, 0), since(3, 0);
    FeeFilter: since(5, 8), since(5, 8);
    // Version 9 removed `reject`. Decred's nodes no longer know the command at any version.
    Reject: gated_until(8, MAX_PAYLOAD), UNDEFINED;
    GetMinings: always(0), always(0);
    MiningState: always(1_546), always(1_546);
    GetInitState: gated_since(8, 1_057), gated_since(8, 1_057);
    InitState: gated_since(8, 1_763), gated_since(8, 1_763);
    GetCFilter: since(6, 33), since(6, 33);
    GetCFHeaders: since(6, 16_036), since(6, 16_036);
    GetCFTypes: since(6, 0), since(6, 0);
    CFilter: since(6, 262_182), since(6, 262_182);
    CFHeaders: since(6, 64_036), since(6, 64_036);
    CFTypes: since(6, 259), since(6, 259);
    GetCFilterV2: since(7, 32), since(7, 32);
    CFilterV2: since(7, 263_210), since(7, 263_210);
    GetCFsV2: UNDEFINED, since(11, 64);
    CFiltersV2: UNDEFINED, since(11, 26_321_001);
    AddrV2: UNDEFINED, gated_since(12, 51_003);
    // Three bytes less than the largest valid message: dcrd omits the change flag and both
    // flags. A larger maximum would make other nodes ban us (`docs/protocol.md`, 14).
    MixPairReq: UNDEFINED, gated_since(10, 8_476_848);
    MixKeyXchg: UNDEFINED, gated_since(10, 17_815);
    MixCphrTxt: UNDEFINED, gated_since(10, 552_584);
    MixSlotRes: UNDEFINED, gated_since(10, 17_318_030);
    // 1,024 bytes less than the largest valid message: dcrd omits the length of each root
    // (`docs/protocol.md`, 14).
    MixFactPoly: UNDEFINED, gated_since(10, 49_291);
    MixDCNet: UNDEFINED, gated_since(10, 20_988_047);
    // Includes a transaction of 1,000,000 bytes, the maximum before version 4
    // (`docs/protocol.md`, 14).
    MixConfirm: UNDEFINED, gated_since(10, 1_016_520);
    MixSecrets: UNDEFINED, gated_since(10, 70_831);
}

impl Command {
    /// Returns whether the chain has the message at any protocol version.
    pub(super) const fn is_known(self, chain: Chain) -> bool {
        self.rule(chain).is_some()
    }

    /// Returns the maximum payload length in bytes.
    ///
    /// Returns 0 if the chain does not have the message. Some messages also have a maximum of 0
    /// at the protocol versions that do not [define](Self::is_defined) them.
    #[must_use]
    pub const fn max_payload(self, protocol: Protocol) -> usize {
        let Some(rule) = self.rule(protocol.chain) else { return 0 };
        let version = protocol.version;
        if rule.gated && (version < rule.first || version > rule.last) {
            return 0;
        }
        match rule.lower_before {
            Some((first, max_payload)) if version < first => max_payload,
            _ => rule.max_payload,
        }
    }

    /// Returns whether the chain has the message at this protocol version.
    #[must_use]
    pub fn is_defined(self, protocol: Protocol) -> bool {
        self.check_version(protocol).is_ok()
    }

    /// Returns an error if the chain does not have the message at this protocol version.
    #[inline]
    pub(crate) fn check_version(self, protocol: Protocol) -> Result<(), ErrorKind> {
        let version = protocol.version;
        match self.rule(protocol.chain) {
            None => Err(ErrorKind::UnknownCmd(self.into())),
            Some(&Rule { first, last, .. }) if version < first || version > last => {
                let last = last.min(protocol.chain.newest_version());
                Err(ErrorKind::MsgInvalidForPVer { version, first, last })
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns an error if a payload of `len` bytes is too large.
    #[inline]
    pub(crate) fn check_len(self, len: usize, protocol: Protocol) -> Result<(), ErrorKind> {
        at_most(len, self.max_payload(protocol), ErrorKind::PayloadTooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chain_has_the_number_of_commands_of_its_nodes() {
        let count = |chain| Command::ALL.iter().filter(|command| command.is_known(chain)).count();
        assert_eq!(count(Chain::Exchangecoin), 30);
        assert_eq!(count(Chain::Decred), 40);
    }
}
