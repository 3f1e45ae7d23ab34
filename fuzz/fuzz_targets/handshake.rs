//! Fuzzes the handshake of a peer.

#![no_main]

#[path = "../src/handshake/mod.rs"]
mod handshake;
#[path = "../src/input.rs"]
mod input;
#[path = "../src/limit.rs"]
mod limit;

libfuzzer_sys::fuzz_target!(|data: &[u8]| handshake::run(data));
