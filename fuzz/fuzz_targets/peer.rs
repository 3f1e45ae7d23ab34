//! Fuzzes the behaviour of a peer.

#![no_main]

#[path = "../src/peer/mod.rs"]
mod peer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| peer::run(data));
