//! The chain and the protocol version, on which encodings and limits depend.

use super::error::{ErrorKind, Invalid};
use crate::network::Chain;

/// The chain and the protocol version that payloads are encoded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Protocol {
    /// The chain.
    pub chain: Chain,
    /// The protocol version in force: the negotiated one, or the local maximum before the
    /// negotiation.
    pub version: u32,
}

impl Protocol {
    /// Creates a protocol from a chain and a version.
    pub const fn new(chain: Chain, version: u32) -> Self {
        Self { chain, version }
    }
}

/// Returns an error if something of the chain `of` is used where `expected` is the chain.
pub(super) fn check_chain(of: Chain, expected: Chain) -> Result<(), ErrorKind> {
    if of == expected {
        Ok(())
    } else {
        Err(ErrorKind::InvalidMsg(Invalid::OtherChain { of, expected }))
    }
}
