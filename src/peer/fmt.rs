//! The text of a peer in logs.

use core::fmt;

use super::PeerState;

/// As in `127.0.0.1:9666 (outbound)`.
impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.remote_address, self.direction())
    }
}

impl fmt::Debug for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerState")
            .field("remote_address", &self.remote_address)
            .field("direction", &self.direction())
            .field("phase", &format_args!("{}", self.handshake.phase_name()))
            .field("protocol", &self.decoder.protocol())
            .field("next_deadline", &self.next_deadline())
            .field("closed", &self.close_reason())
            .finish_non_exhaustive()
    }
}
