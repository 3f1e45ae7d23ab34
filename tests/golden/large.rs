//! The largest payloads, which the vectors describe by a rule.

use excc_peer::wire::{
    CIPHERTEXT_LEN, Command, MAX_ADDRS, MAX_FILTER_LEN, MAX_FILTERS, MAX_HEADERS, MAX_LOCATOR,
    MAX_MIX_MESSAGES, MAX_MIX_PEERS, MAX_MIX_PUB_KEY, MAX_MIX_SCRIPT, MAX_MIX_SIGNATURE,
    MAX_MIX_UTXOS, MAX_MIX_VALUE, MAX_PROOF_HASHES, MAX_VECTORS, MIXED_MESSAGE_LEN,
};
use excc_peer::{Chain, HashFunction};

use crate::vectors::Line;

const LARGEST: &str = "k-th hash drawn in field order = SHA-256(u64le(k)), k from 0; \
    integers all-ones (i64 = max); inv type = 1+i%2; \
    addresses 203.0.113.(k&255) with k incremented before each; \
    byte strings = concatenated hashes";
const LARGEST_AND_ONE: &str = "the /max payload plus one 0x00 byte";

/// The fields before the unspent outputs in the `mixpairreq` lines with `typ` in their names.
const TYPICAL_OFFER: &str = "\
    7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8d86e8112f3c4c444\
    2126f8e9f44f16867da487f29052bf91b810457db34209a435be322d094f9d154a8aba4733b8497f\
    180353bd7ae7b0a15f90b586b549f28bf00d0c0b0a08070605040302010c6162636465666768696a\
    6b6c0d0c0d0c0b0a0d0c0b0a0807060504030201";

/// The payload that `line` describes.
pub(crate) fn payload(line: &Line) -> Option<Vec<u8>> {
    // These lines have only a count, in their names.
    if let Some(count) = line.id().strip_prefix("special/mixpairreq/utxos") {
        return Some(offer(count.parse().ok()?));
    }
    let mut payload = largest(line.command()?, line.network().chain())?;
    match line.build() {
        LARGEST => {}
        LARGEST_AND_ONE => payload.push(0),
        _ => return None,
    }
    Some(payload)
}

fn largest(command: Command, chain: Chain) -> Option<Vec<u8>> {
    let mut payload = Builder::default();
    match command {
        Command::Addr => {
            payload.count(MAX_ADDRS);
            (0..MAX_ADDRS).for_each(|_| payload.address());
        }
        Command::Inv | Command::GetData | Command::NotFound => {
            payload.count(MAX_VECTORS);
            for kind in [1, 2].into_iter().cycle().take(MAX_VECTORS) {
                payload.bytes.extend_from_slice(&[kind, 0, 0, 0]);
                payload.hashes(1);
            }
        }
        Command::GetBlocks | Command::GetHeaders => {
            payload.ones(4);
            payload.count(MAX_LOCATOR);
            payload.hashes(MAX_LOCATOR);
            payload.hashes(1);
        }
        Command::Headers => {
            payload.count(MAX_HEADERS);
            (0..MAX_HEADERS).for_each(|_| payload.header(chain));
        }
        Command::GetCFHeaders => {
            payload.count(MAX_LOCATOR);
            payload.hashes(MAX_LOCATOR);
            payload.hashes(1);
            payload.ones(1);
        }
        Command::CFilter => {
            payload.hashes(1);
            payload.ones(1);
            payload.filter(Builder::drawn_bytes);
        }
        Command::CFilterV2 => payload.proven_filter(Builder::drawn_bytes),
        Command::CFiltersV2 => {
            payload.bytes.push(MAX_FILTERS as u8);
            // The byte strings of these filters are zeros.
            (0..MAX_FILTERS).for_each(|_| payload.proven_filter(Builder::zeros));
        }
        Command::AddrV2 => {
            payload.count(MAX_ADDRS);
            (0..MAX_ADDRS).for_each(|_| payload.tor_address());
        }
        Command::MixPairReq => payload.mix_offer(),
        Command::MixCphrTxt => {
            payload.mix_head();
            payload.count(MAX_MIX_PEERS);
            (0..MAX_MIX_PEERS).for_each(|_| payload.drawn_bytes(CIPHERTEXT_LEN));
            payload.hashes(MAX_MIX_PEERS);
        }
        Command::MixSlotRes => {
            payload.mix_head();
            payload.count(MAX_MIX_MESSAGES);
            payload.count(MAX_MIX_PEERS);
            payload.runs(MAX_MIX_MESSAGES * MAX_MIX_PEERS, MAX_MIX_VALUE);
            payload.seen();
        }
        Command::MixFactPoly => {
            payload.mix_head();
            payload.count(MAX_MIX_MESSAGES);
            payload.runs(MAX_MIX_MESSAGES, MAX_MIX_VALUE);
            payload.seen();
        }
        Command::MixDCNet => {
            payload.mix_head();
            payload.count(MAX_MIX_MESSAGES);
            payload.count(MAX_MIX_MESSAGES);
            payload.mixed_messages(MAX_MIX_MESSAGES * MAX_MIX_MESSAGES);
            payload.seen();
        }
        Command::MixConfirm => {
            payload.mix_head();
            // Version 1 with both halves, no inputs and one output.
            payload.bytes.extend_from_slice(&[1, 0, 0, 0, 0, 1]);
            payload.bytes.extend_from_slice(&i64::MAX.to_le_bytes());
            payload.ones(2);
            payload.run(25);
            // Lock time and expiry, and a witness of no inputs.
            payload.ones(8);
            payload.bytes.push(0);
            payload.seen();
        }
        Command::MixSecrets => {
            payload.mix_head();
            // The seed.
            payload.hashes(1);
            payload.count(MAX_MIX_MESSAGES);
            payload.runs(MAX_MIX_MESSAGES, MAX_MIX_VALUE);
            payload.count(MAX_MIX_MESSAGES);
            payload.mixed_messages(MAX_MIX_MESSAGES);
            payload.seen();
        }
        _ => return None,
    }
    Some(payload.bytes)
}

/// A `mixpairreq` with unspent outputs of zeros.
fn offer(utxos: usize) -> Vec<u8> {
    let bytes = hex::decode(TYPICAL_OFFER).expect("bytes are hexadecimal");
    let mut payload = Builder { bytes, drawn: 0 };
    payload.count(utxos);
    for _ in 0..utxos {
        // The outpoint and no script, then key, signature and opcode.
        payload.zeros(37 + 1);
        payload.bytes.push(MAX_MIX_PUB_KEY as u8);
        payload.zeros(MAX_MIX_PUB_KEY);
        payload.bytes.push(MAX_MIX_SIGNATURE as u8);
        payload.zeros(MAX_MIX_SIGNATURE);
        payload.bytes.push(9);
    }
    // No change, and the flags.
    payload.bytes.extend_from_slice(&[0, 1, 2]);
    payload.bytes
}

/// A payload, and the number of drawn hashes.
#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    drawn: u64,
}

impl Builder {
    /// A count of three bytes.
    fn count(&mut self, count: usize) {
        let count = u16::try_from(count).expect("a count of 16 bits");
        self.bytes.push(0xfd);
        self.bytes.extend_from_slice(&count.to_le_bytes());
    }

    /// A length, and as many drawn bytes.
    fn run(&mut self, len: usize) {
        match u8::try_from(len) {
            Ok(len @ ..0xfd) => self.bytes.push(len),
            _ => self.count(len),
        }
        self.drawn_bytes(len);
    }

    fn runs(&mut self, count: usize, len: usize) {
        (0..count).for_each(|_| self.run(len));
    }

    fn ones(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0xff);
    }

    fn zeros(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0);
    }

    fn hashes(&mut self, count: usize) {
        self.drawn_bytes(32 * count);
    }

    /// The first `len` bytes of drawn hashes.
    fn drawn_bytes(&mut self, len: usize) {
        let end = self.bytes.len() + len;
        while self.bytes.len() < end {
            let hash = HashFunction::Sha256.digest(&[&self.drawn.to_le_bytes()]);
            self.bytes.extend_from_slice(hash.as_ref());
            self.drawn += 1;
        }
        self.bytes.truncate(end);
    }

    /// A length of five bytes, and a filter.
    fn filter(&mut self, data: fn(&mut Self, usize)) {
        self.bytes.push(0xfe);
        self.bytes.extend_from_slice(&(MAX_FILTER_LEN as u32).to_le_bytes());
        data(self, MAX_FILTER_LEN);
    }

    /// A filter with its block and its proof.
    fn proven_filter(&mut self, data: fn(&mut Self, usize)) {
        self.hashes(1);
        self.filter(data);
        self.ones(4);
        self.bytes.push(MAX_PROOF_HASHES as u8);
        self.hashes(MAX_PROOF_HASHES);
    }

    fn address(&mut self) {
        self.drawn += 1;
        // Time and services, then an IPv4 address mapped into IPv6, then the port.
        self.ones(12);
        self.zeros(10);
        self.ones(2);
        self.bytes.extend_from_slice(&[203, 0, 113, self.drawn as u8]);
        self.ones(2);
    }

    fn tor_address(&mut self) {
        // The time, which has a limit, and the services.
        self.bytes.extend_from_slice(&0x3f_ffff_ffff_u64.to_le_bytes());
        self.ones(8);
        // The type, the public key and the port.
        self.bytes.push(3);
        self.hashes(1);
        self.ones(2);
    }

    fn mix_sender(&mut self) {
        self.drawn_bytes(64);
        self.drawn_bytes(33);
    }

    fn mix_head(&mut self) {
        self.mix_sender();
        // Session and run.
        self.hashes(1);
        self.ones(4);
    }

    fn mix_offer(&mut self) {
        let amount = i64::MAX.to_le_bytes();
        self.mix_sender();
        // The expiry.
        self.ones(4);
        self.bytes.extend_from_slice(&amount);
        self.bytes.push(32);
        self.bytes.extend_from_slice(b"abcdefghijklmnopqrstuvwxyzabcdef");
        // Version, lock time and message count.
        self.ones(10);
        self.bytes.extend_from_slice(&amount);
        self.count(MAX_MIX_UTXOS);
        for _ in 0..MAX_MIX_UTXOS {
            self.hashes(1);
            // Index and tree.
            self.ones(5);
            self.run(MAX_MIX_SCRIPT);
            self.run(MAX_MIX_PUB_KEY);
            self.run(MAX_MIX_SIGNATURE);
            // The opcode.
            self.ones(1);
        }
        // The change: a flag, the value, the version and the script.
        self.bytes.push(1);
        self.bytes.extend_from_slice(&amount);
        self.ones(2);
        self.run(MAX_MIX_SCRIPT);
        // Both flags.
        self.ones(2);
    }

    /// The length of a mixed message, and `count` of them.
    fn mixed_messages(&mut self, count: usize) {
        self.bytes.push(MIXED_MESSAGE_LEN as u8);
        (0..count).for_each(|_| self.drawn_bytes(MIXED_MESSAGE_LEN));
    }

    /// The hashes of the seen messages.
    fn seen(&mut self) {
        self.count(MAX_MIX_PEERS);
        self.hashes(MAX_MIX_PEERS);
    }

    fn header(&mut self, chain: Chain) {
        self.ones(4);
        self.hashes(3);
        self.ones(2);
        // The final state.
        self.drawn_bytes(6);
        // Voters, fresh stake, revocations, pool size and bits.
        self.ones(12);
        self.bytes.extend_from_slice(&i64::MAX.to_le_bytes());
        // Height, size, timestamp and nonce.
        self.ones(16);
        // The extra data.
        self.hashes(1);
        self.ones(4);
        // The Equihash solution, where there is one.
        self.drawn_bytes(chain.header_len() - Chain::Decred.header_len());
        // No transactions.
        self.bytes.push(0);
    }
}
