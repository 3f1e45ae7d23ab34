//! The policy for bytes between the end of a message and the end of its payload.

use crate::network::Chain;

/// The policy for bytes that follow a complete message in its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrailingBytes {
    /// Ignores the bytes, as Exchangecoin's nodes do.
    Ignore,
    /// Refuses the message, as Decred's nodes do.
    Reject,
}

impl TrailingBytes {
    /// Returns the policy of the nodes of `chain`.
    pub const fn of(chain: Chain) -> Self {
        // `ReadMessageN` of exccd's wire package does not test for unread bytes, and that of
        // dcrd's returns `ErrTrailingBytes` (`docs/protocol.md`, 2.3).
        match chain {
            Chain::Exchangecoin => Self::Ignore,
            Chain::Decred => Self::Reject,
        }
    }
}
