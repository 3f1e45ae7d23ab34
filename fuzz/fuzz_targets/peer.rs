//! Fuzzes the life of a peer after the handshake.

#![no_main]

#[path = "../src/decoder/mod.rs"]
mod decoder;
#[path = "../src/limit.rs"]
mod limit;
#[path = "../../tests/model/lockstep/mod.rs"]
mod lockstep;
#[path = "../src/script.rs"]
mod script;

use decoder::Focus;

libfuzzer_sys::fuzz_target!(init: script::print_on_panic(), |data: &[u8]| {
    script::run(data, Focus::Established)
});
