//! Ready-made drivers of a [`PeerState`](crate::PeerState). They move bytes and time, and
//! decide nothing.

#[cfg(feature = "std")]
pub mod std;
