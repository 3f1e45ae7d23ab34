//! Fuzzes the frames of both chains.

#![no_main]

#[path = "../src/frame.rs"]
mod frame;
#[path = "../src/limit.rs"]
mod limit;
#[path = "../src/sound.rs"]
mod sound;
#[path = "../src/walk.rs"]
mod walk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frame::run(data));
