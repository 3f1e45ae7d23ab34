//! Replays what the fuzz targets have found worth keeping.

#[path = "../fuzz/src/frame.rs"]
mod frame;
#[path = "../fuzz/src/handshake/mod.rs"]
mod handshake;
#[path = "../fuzz/src/input.rs"]
mod input;
#[path = "../fuzz/src/message.rs"]
mod message;
#[cfg(feature = "sim")]
#[path = "../fuzz/src/pair/mod.rs"]
mod pair;
#[path = "../fuzz/src/peer/mod.rs"]
mod peer;
#[path = "../fuzz/src/sound.rs"]
mod sound;
#[path = "../fuzz/src/walk.rs"]
mod walk;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is in the repository") {
        let path = entry.expect("an entry of the corpus").path();
        let input = fs::read(&path).expect("an input of the corpus");
        let replayed = panic::catch_unwind(AssertUnwindSafe(|| run(&input)));
        assert!(replayed.is_ok(), "{}", path.display());
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs in {}", corpus.display());
}

#[test]
fn every_stream_is_decoded_soundly() {
    replay("frame", frame::run);
}

#[test]
fn every_payload_is_decoded_soundly() {
    replay("message", message::run);
}

#[test]
fn every_handshake_is_as_modelled() {
    replay("handshake", handshake::run);
}

#[test]
fn every_peer_lives_soundly() {
    replay("peer", peer::run);
}

#[test]
#[cfg(feature = "sim")]
fn every_pair_agrees() {
    replay("pair", pair::run);
}
