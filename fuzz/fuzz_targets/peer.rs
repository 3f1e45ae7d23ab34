//! Fuzzes the behaviour of a peer.

#![no_main]

#[path = "../src/input.rs"]
mod input;
#[path = "../src/limit.rs"]
mod limit;
#[path = "../src/peer/mod.rs"]
mod peer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer::run(data));
