//! The largest payloads, which the vectors describe instead of spelling them out.

use excc_peer::wire::{Command, MAX_ADDRS, MAX_HEADERS, MAX_LOCATOR, MAX_VECTORS};
use excc_peer::{Chain, HashFunction};

use crate::vectors::Line;

const LARGEST: &str = "k-th hash drawn in field order = SHA-256(u64le(k)), k from 0; \
    integers all-ones (i64 = max); inv type = 1+i%2; \
    addresses 203.0.113.(k&255) with k incremented before each; \
    byte strings = concatenated hashes";
const LARGEST_AND_ONE: &str = "the /max payload plus one 0x00 byte";

/// The payload that `line` describes, if it is of a message that this crate decodes.
pub(crate) fn payload(line: &Line) -> Option<Vec<u8>> {
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
        _ => return None,
    }
    Some(payload.bytes)
}

/// A payload, and how often something was drawn for it.
#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    drawn: u64,
}

impl Builder {
    /// A count that takes three bytes.
    fn count(&mut self, count: usize) {
        let count = u16::try_from(count).expect("no list is longer than 16 bits can tell");
        self.bytes.push(0xfd);
        self.bytes.extend_from_slice(&count.to_le_bytes());
    }

    fn ones(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0xff);
    }

    fn hashes(&mut self, count: usize) {
        self.drawn_bytes(32 * count);
    }

    /// The beginning of as many hashes as it takes.
    fn drawn_bytes(&mut self, len: usize) {
        let end = self.bytes.len() + len;
        while self.bytes.len() < end {
            let hash = HashFunction::Sha256.digest(&[&self.drawn.to_le_bytes()]);
            self.bytes.extend_from_slice(hash.as_ref());
            self.drawn += 1;
        }
        self.bytes.truncate(end);
    }

    fn address(&mut self) {
        self.drawn += 1;
        // Time and services, then an IPv4 address mapped into IPv6, then the port.
        self.ones(12);
        self.bytes.extend_from_slice(&[0; 10]);
        self.ones(2);
        self.bytes.extend_from_slice(&[203, 0, 113, self.drawn as u8]);
        self.ones(2);
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
