//! Fuzzes two peers with a faulty connection between them.

#![no_main]

#[path = "../src/input.rs"]
mod input;
#[path = "../src/limit.rs"]
mod limit;
#[path = "../src/pair/mod.rs"]
mod pair;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pair::run(data));
