//! Behaviour of a peer under virtual time, one rule a test. A file is named after the part of
//! `src/peer` that has the rule.
//!
//! Most rules were observed on the reference nodes. Where this crate differs on purpose, the test
//! states both behaviours.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../round_trip/strategies.rs"]
mod strategies;

mod answers;
mod budget;
mod end_of_stream;
mod error;
mod events;
mod floods;
mod fmt;
mod handshake;
mod handshake_decred;
mod helpers;
mod keepalive;
mod last_try;
mod limits;
mod nonces;
mod outbox;
#[cfg(feature = "sim")]
mod pairs;
mod ping_orders;
mod receive;
mod relay;
mod remote;
mod requests;
mod send;
mod shutdown;
mod slow_links;
mod stats;
mod timers;
mod transmit;
mod unwelcome;
mod version;
