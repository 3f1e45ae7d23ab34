//! Fuzzes the messages of both chains.

#![no_main]

#[path = "../src/limit.rs"]
mod limit;
#[path = "../src/message.rs"]
mod message;
#[path = "../src/sound.rs"]
mod sound;
#[path = "../src/walk.rs"]
mod walk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| message::run(data));
