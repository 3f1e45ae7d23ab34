//! Replays the corpora of the fuzz targets.

#[path = "../fuzz/src/decoder/mod.rs"]
mod decoder;
#[path = "../fuzz/src/frame.rs"]
mod frame;
#[cfg(feature = "sim")]
#[path = "../fuzz/src/input.rs"]
mod input;
#[path = "model/lockstep/mod.rs"]
mod lockstep;
#[path = "../fuzz/src/message.rs"]
mod message;
#[cfg(feature = "sim")]
#[path = "../fuzz/src/pair/mod.rs"]
mod pair;
#[path = "../fuzz/src/script.rs"]
mod script;
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
fn streams_decode_the_same_in_one_piece_and_in_many() {
    replay("frame", frame::run);
}

#[test]
fn decoded_payloads_encode_to_the_same_bytes() {
    replay("message", message::run);
}

#[test]
fn a_peer_in_its_handshake_agrees_with_its_model() {
    replay("handshake", script::handshake);
}

#[test]
fn a_peer_after_its_handshake_agrees_with_its_model() {
    replay("peer", script::peer);
}

#[test]
#[cfg(feature = "sim")]
fn two_peers_agree_on_what_was_sent() {
    replay("pair", pair::run);
}
