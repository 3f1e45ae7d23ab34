//! What a peer does, one behaviour a test, under virtual time.
//!
//! Most of it was observed on the reference nodes; where this crate means to do otherwise,
//! the test shows what this crate does and says so.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
#[path = "../round_trip/strategies.rs"]
mod strategies;

mod answers;
mod bad_input;
mod budgets;
mod deadlines;
mod decred;
mod display;
mod flow;
mod handshake;
mod helpers;
mod hostile;
mod inventory;
mod last_try;
mod lines;
mod opening;
mod ourselves;
mod pair;
mod pings;
mod reasons;
mod remote;
mod requests;
mod sending;
mod shutdown;
mod sizes;
mod stats;
mod timers;
mod welcome;
mod writes;
