//! BLAKE-256 with 14 rounds, the hash function of Decred.
//!
//! This is BLAKE without a salt, as submitted to the final round of the SHA-3 competition:
//! Aumasson, Henzen, Meier and Phan, "SHA-3 proposal BLAKE", version 1.3, 2010. BLAKE2 and BLAKE3
//! are other functions.
//!
//! Decred uses it for hashes and frame checksums. No maintained crate provides it without the
//! standard library.

use core::fmt;

/// An incremental BLAKE-256 hasher.
///
/// The specification limits messages to 2^64 - 1 bits. The length of longer messages is counted
/// modulo 2^64.
#[derive(Clone)]
pub struct Blake256 {
    chain: [u32; 8],
    /// Number of message bits, including pending ones in `block`.
    bits: u64,
    /// The message bytes since the last full block. Later bytes are stale.
    block: [u8; 64],
}

impl Blake256 {
    /// Creates a hasher.
    pub const fn new() -> Self {
        Self { chain: INITIAL, bits: 0, block: [0; 64] }
    }

    /// Appends `data` to the message.
    pub fn update(&mut self, mut data: &[u8]) {
        let pending = self.pending();
        if pending != 0 {
            let Some((head, rest)) = data.split_at_checked(64 - pending) else {
                return self.append(data);
            };
            self.append(head);
            compress(&mut self.chain, &self.block, self.bits);
            data = rest;
        }
        let (blocks, tail) = data.as_chunks();
        for block in blocks {
            self.bits = self.bits.wrapping_add(512);
            compress(&mut self.chain, block, self.bits);
        }
        self.append(tail);
    }

    /// Returns the digest of the message.
    pub fn finalize(mut self) -> [u8; 32] {
        let pending = self.pending();
        // The counter is the number of message bits, or 0 for a block without message bits. So no
        // two blocks have the same counter.
        let mut counter = if pending == 0 { 0 } else { self.bits };

        put(&mut self.block, pending, &PADDING);
        if pending > LAST_PADDING_BYTE {
            compress(&mut self.chain, &self.block, counter);
            self.block = [0; 64];
            counter = 0;
        }
        // The last bit of the padding is 1, in contrast to BLAKE-224. A padding of one byte has
        // the first and the last bit in that byte.
        self.block[LAST_PADDING_BYTE] |= 0x01;
        put(&mut self.block, LAST_PADDING_BYTE + 1, &self.bits.to_be_bytes());
        compress(&mut self.chain, &self.block, counter);

        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.chain) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    /// Returns the digest of `data`.
    pub fn digest(data: &[u8]) -> [u8; 32] {
        let mut hash = Self::new();
        hash.update(data);
        hash.finalize()
    }

    /// Returns the number of pending bytes in `block`: at most 63.
    const fn pending(&self) -> usize {
        (self.bits / 8 % 64) as usize
    }

    /// Appends `data` to the pending bytes in `block`. It must fit.
    fn append(&mut self, data: &[u8]) {
        let pending = self.pending();
        put(&mut self.block, pending, data);
        self.bits = self.bits.wrapping_add((data.len() as u64).wrapping_mul(8));
    }
}

impl Default for Blake256 {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no state, which may be secret.
impl fmt::Debug for Blake256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blake256").finish_non_exhaustive()
    }
}

/// The initial chain value, as in SHA-256.
#[rustfmt::skip]
const INITIAL: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The first digits of the fractional part of pi.
#[rustfmt::skip]
const PI: [u32; 16] = [
    0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344,
    0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89,
    0x4528_21e6, 0x38d0_1377, 0xbe54_66cf, 0x34e9_0c6c,
    0xc0ac_29b7, 0xc97c_50dd, 0x3f84_d5b5, 0xb547_0917,
];

/// The order of the message words in each round.
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The padding after the message: a bit of 1, then zeros. `finalize` sets the last bit.
const PADDING: [u8; 64] = {
    let mut padding = [0; 64];
    padding[0] = 0x80;
    padding
};

/// Offset of the last byte of the padding. The eight bytes after it are the length.
const LAST_PADDING_BYTE: usize = 55;

/// Copies `bytes` to `block` at offset `at`, up to the end of `block`.
fn put(block: &mut [u8; 64], at: usize, bytes: &[u8]) {
    let room = block.get_mut(at..).unwrap_or_default();
    for (slot, byte) in room.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

/// Mixes `block` into `chain`. `counter` is the number of message bits up to the end of the
/// block.
///
/// Macros unroll the rounds, so that [`SIGMA`] and [`PI`] become constants of the instructions. A
/// loop over these tables takes almost twice the time. The state is 16 variables, which are
/// slightly faster than an array.
fn compress(chain: &mut [u32; 8], block: &[u8; 64], counter: u64) {
    let mut m = [0; 16];
    for (word, bytes) in m.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }

    let [mut v0, mut v1, mut v2, mut v3, mut v4, mut v5, mut v6, mut v7] = *chain;
    let [mut v8, mut v9, mut v10, mut v11, mut v12, mut v13, mut v14, mut v15, ..] = PI;
    let (low, high) = (counter as u32, (counter >> 32) as u32);
    v12 ^= low;
    v13 ^= low;
    v14 ^= high;
    v15 ^= high;

    // Function G number `$i` of round `$round`.
    macro_rules! g {
        ($round:literal $i:literal: $a:ident $b:ident $c:ident $d:ident) => {{
            const X: usize = SIGMA[$round % 10][2 * $i];
            const Y: usize = SIGMA[$round % 10][2 * $i + 1];
            $a = $a.wrapping_add($b).wrapping_add(m[X] ^ PI[Y]);
            $d = ($d ^ $a).rotate_right(16);
            $c = $c.wrapping_add($d);
            $b = ($b ^ $c).rotate_right(12);
            $a = $a.wrapping_add($b).wrapping_add(m[Y] ^ PI[X]);
            $d = ($d ^ $a).rotate_right(8);
            $c = $c.wrapping_add($d);
            $b = ($b ^ $c).rotate_right(7);
        }};
    }
    // The state is a matrix of 4 by 4: first its columns, then its diagonals.
    macro_rules! rounds {
        ($($round:literal)*) => {$(
            g!($round 0: v0 v4 v8 v12);
            g!($round 1: v1 v5 v9 v13);
            g!($round 2: v2 v6 v10 v14);
            g!($round 3: v3 v7 v11 v15);
            g!($round 4: v0 v5 v10 v15);
            g!($round 5: v1 v6 v11 v12);
            g!($round 6: v2 v7 v8 v13);
            g!($round 7: v3 v4 v9 v14);
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);

    let (upper, lower) = ([v0, v1, v2, v3, v4, v5, v6, v7], [v8, v9, v10, v11, v12, v13, v14, v15]);
    for ((word, u), l) in chain.iter_mut().zip(upper).zip(lower) {
        *word ^= u ^ l;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns bytes that differ between blocks: 251 is prime.
    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    /// The digest of an empty message is widely published. The others are the test vectors of the
    /// SHA-3 submission.
    #[test]
    fn published_vectors() {
        for (len, expected) in [
            (0, "716f6e863f744b9ac22c97ec7b76ea5f5908bc5b2f67c61510bfc4751384ea7a"),
            (1, "0ce8d4ef4dd7cd8d62dfded9d4edb0a774ae6a41929a74da23109e8f11139c87"),
            (72, "d419bad32d504fb7d44d460c42c5593fe544fa4c135dec31e21bd9abdcc22d41"),
        ] {
            assert_eq!(hex(Blake256::digest(&vec![0; len])), expected, "{len} bytes");
        }
    }

    /// Digests by `chainhash.HashB` of dcrd.
    #[test]
    fn digests_of_dcrd() {
        for (byte, len, expected) in [
            (0x01, 0, "716f6e863f744b9ac22c97ec7b76ea5f5908bc5b2f67c61510bfc4751384ea7a"),
            (0x02, 1, "49af37ab5270015fe25276ea5a3bb159d852943df23919522a202205fb7d175c"),
            (0x03, 3, "e3df68a12e073bd7a51f78e4398a85eb3c84ea25a91f00be0f9deb64e1d71f7e"),
            (0x04, 55, "749a057f630009253d5ad9fd4e51dee3cfdfa9c949af7ad3ed0bb363a285feb3"),
            (0x05, 56, "17bff930cfb99ca645dbd5f30e1da9b17909682534cf8d7bf4b1ea1ee99949c1"),
            (0x06, 63, "91335da3e0ac21d3675a469c7ebe017d95dfc634546d791aaba9f8d5edab0893"),
            (0x07, 64, "9ab7f46ec636ad8b6bb1e2d386050efd7a7dff87de8b9837feef132ae62c7c76"),
            (0x0a, 112, "d5bb4067c74d7a4a9e9bbf22ec57ab63cc765bb1140518497608b61b6f01de7b"),
            (0x0b, 119, "75765656eaaa8d0d4b95de305904bf6ef25dfb5a2f7ab6b0cfbb820ae1bfb145"),
            (0x0c, 120, "dd76345f96b5e593338c19251e4e63a19e8c029b62f04a54731524d80fd4a4c6"),
            (0x0d, 127, "cf86ac8a60441481ce61e3ca8a3e193e3b403ed8a05529ce6d0c79a6fc71e72f"),
            (0x10, 1000, "9622a83ae55ea9dae727c96536954653f9e488e9c3b139ba950197cfbca7256a"),
        ] {
            assert_eq!(hex(Blake256::digest(&vec![byte; len])), expected, "{len} bytes");
        }
    }

    /// Digests by a Python implementation of the specification, which agrees with all digests
    /// above.
    #[test]
    fn lengths_around_the_ends_of_block_and_padding() {
        for (len, expected) in [
            (54, "6df0b232d9b4e86db83389705549c7f562b0700f7832d8a45062c7a87f550b59"),
            (55, "d7ec78bc615d99e41d371cf6401449969144b5f789bde014a9aeafd8987257f2"),
            (56, "26ca422697c9fabc642129b1a5669be07fb0a3c31f14f1c7859e048ad5958e44"),
            (57, "dc195afd20d35ee995b7ccc090ff139b6ca0782ff7188acfb08c9420ad71daa3"),
            (63, "cfce445066d35322557b432540bd2f0af4caf9f426568236d9944426a5df792a"),
            (64, "4432b2c1e983b0c326583516920f3949c2acf5d85a99353601228cab40c867bc"),
            (65, "106cdd00dc14e257b1130d026b9fcc2c5ecbaae08fec13af0002ad6054c7bbd5"),
            (111, "6903c03c0ad87ad143edf84dbefa7d041cdc06383f681a7512e04d92f5547dd9"),
            (112, "2229d11078828cbfb3a0052763edcdcc831afb402c7c7ad99191cbda58f5094f"),
            (119, "7271691baf3f4ea7795006522897316eccd614816fa4fe10c546c11e882ac016"),
            (120, "6b4831d9c2ab2403b17ce7063f804ce559db6951563678294acd9a0a418bab35"),
            (127, "1446de0b1bc379c8b05fef5b9af281f322904af57c217351057cc955fd89d58a"),
            (128, "70a7b33d6d251c06757362fa717d0b19ceb0ebdccf48300a98156b5bb6b8c9a5"),
            (129, "e382768b94ee0f9e7539b78c6252dbd3dcf54bc53de9670a02d85b6fc92d7e76"),
        ] {
            assert_eq!(hex(Blake256::digest(&pattern(len))), expected, "{len} bytes");
        }
    }

    /// The upper half of the counter is zero up to 512 MiB. The hash starts one block before the
    /// carry. The digests are by the same Python implementation.
    #[test]
    fn counter_carries_and_wraps() {
        for (bits, expected) in [
            (1 << 32, "4a6e5f187130c9f93365357094ac7469f66d3608b39732700b3a96e3bcda7ed1"),
            (0_u64, "7d1737803985f3ccf05e403fda98effc3ea146fe43e6ff7589358afbbc14fd31"),
        ] {
            let mut hash = Blake256 { bits: bits.wrapping_sub(512), ..Blake256::new() };
            hash.update(&pattern(200));
            assert_eq!(hex(hash.finalize()), expected, "carry into {bits} bits");
        }
    }

    #[test]
    fn pieces_hash_as_their_concatenation() {
        let message = pattern(200);
        let expected = Blake256::digest(&message);
        // All splits would take an interpreter half an hour.
        let step = if cfg!(miri) { 37 } else { 1 };
        for first in (0..=message.len()).step_by(step) {
            for second in (first..=message.len()).step_by(step) {
                let mut hash = Blake256::default();
                hash.update(&message[..first]);
                hash.update(&message[first..second]);
                hash.update(&message[second..]);
                assert_eq!(hash.finalize(), expected, "split at {first} and {second}");
            }
        }

        let mut hash = Blake256::new();
        message.iter().for_each(|byte| hash.update(&[*byte]));
        assert_eq!(hash.finalize(), expected, "byte by byte");
    }

    #[test]
    fn debug_output_is_the_same_for_all_states() {
        let mut hash = Blake256::new();
        hash.update(b"secret");
        assert_eq!(format!("{hash:?}"), "Blake256 { .. }");
    }
}
