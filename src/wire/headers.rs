//! Headers of blocks: `headers`.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::block_header::{BlockHeader, BlockHeaderRef};
use super::error::{ErrorKind, at_most};
use super::format::fmt_list;
use super::limits::MAX_HEADERS;
use super::payload::Payload;
use super::protocol::{Protocol, check_chain};
use super::reader::Reader;
use super::writer::Writer;
use crate::network::Chain;

/// The headers of a `headers`: at most [`MAX_HEADERS`], as views of the message.
///
/// The list has a chain, because the chains' headers differ in length.
///
/// ```
/// use excc_peer::wire::Headers;
/// # fn f(headers: Headers) {
/// for header in headers.iter() {
///     println!("{} {}", header.height(), header.block_hash());
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    chain: Chain,
    entries: Bytes,
}

impl Headers {
    /// Creates an empty list, which answers a `getheaders` without new headers.
    pub const fn empty(chain: Chain) -> Self {
        Self { chain, entries: Bytes::new() }
    }

    /// Creates a list of new headers. Encoding tests their number.
    ///
    /// # Errors
    ///
    /// Returns [`OtherChain`](super::Invalid::OtherChain) if a header does not belong to `chain`.
    pub fn new<'a>(
        chain: Chain,
        headers: impl IntoIterator<Item = &'a BlockHeader>,
    ) -> Result<Self, ErrorKind> {
        let mut entries = Vec::new();
        for header in headers {
            check_chain(header.chain(), chain)?;
            header.write(&mut entries);
            entries.push(NO_TRANSACTIONS);
        }
        Ok(Self { chain, entries: entries.into() })
    }

    /// Returns the chain of the headers.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Returns the number of headers.
    pub fn len(&self) -> usize {
        self.entries.len() / entry_len(self.chain)
    }

    /// Returns whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the header at `index`.
    pub fn get(&self, index: usize) -> Option<BlockHeaderRef<'_>> {
        let start = index.checked_mul(entry_len(self.chain))?;
        BlockHeaderRef::new(self.chain, self.entries.get(start..)?)
    }

    /// Iterates over the headers.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = BlockHeaderRef<'_>> + DoubleEndedIterator + Clone {
        let chain = self.chain;
        self.entries.chunks_exact(entry_len(chain)).map(move |entry| {
            BlockHeaderRef::new(chain, entry).expect("every entry begins with a whole header")
        })
    }
}

/// Shows the first headers and the number of the others.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, self.iter())
    }
}

/// The count of transactions after each header. `MsgHeaders.BtcDecode` of the reference nodes
/// refuses other counts, as a header has no transactions here.
const NO_TRANSACTIONS: u8 = 0;

/// Returns the length of a header and of its transaction count.
const fn entry_len(chain: Chain) -> usize {
    chain.header_len() + 1
}

impl Payload for Headers {
    fn decode(reader: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ErrorKind> {
        let chain = protocol.chain;
        let count = reader.count(MAX_HEADERS, ErrorKind::TooManyHeaders)?;
        let mut ahead = reader.fork();
        for index in 0..count {
            ahead.take(chain.header_len())?;
            match ahead.varint()? {
                0 => {}
                txs => return Err(ErrorKind::HeaderContainsTxs { index, txs }),
            }
        }
        let entries = reader.take_bytes(count * entry_len(chain))?;
        Ok(Self { chain, entries })
    }

    fn encode(&self, writer: &mut Writer, protocol: Protocol) -> Result<(), ErrorKind> {
        at_most(self.len(), MAX_HEADERS, ErrorKind::TooManyHeaders)?;
        check_chain(self.chain, protocol.chain)?;
        writer.varint(self.len() as u64);
        writer.shared(&self.entries);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_the_other_chain_is_refused() {
        let raw = [3; 280];
        let excc = BlockHeaderRef::new(Chain::Exchangecoin, &raw).unwrap().to_header();
        let dcr = BlockHeaderRef::new(Chain::Decred, &raw).unwrap().to_header();
        assert!(Headers::new(Chain::Exchangecoin, [&excc]).is_ok());
        assert!(Headers::new(Chain::Decred, [&dcr]).is_ok());
        assert!(matches!(Headers::new(Chain::Exchangecoin, [&dcr]), Err(ErrorKind::InvalidMsg(_))));
        assert!(matches!(Headers::new(Chain::Decred, [&excc]), Err(ErrorKind::InvalidMsg(_))));
    }

    #[test]
    fn built_headers_equal_the_received_ones() {
        let raw: [u8; 280] = core::array::from_fn(|i| i as u8);
        for chain in [Chain::Exchangecoin, Chain::Decred] {
            let view = BlockHeaderRef::new(chain, &raw).unwrap();
            let headers = Headers::new(chain, [&view.to_header(), &view.to_header()]).unwrap();
            assert_eq!(headers.len(), 2);
            assert!(headers.iter().all(|header| header.raw() == view.raw()));
            assert_eq!(headers.get(1).unwrap().block_hash(), view.block_hash());
            assert_eq!(view.to_header().block_hash(), view.block_hash());
            assert!(headers.get(2).is_none());
        }
    }
}
