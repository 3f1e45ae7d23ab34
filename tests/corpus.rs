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

use std::fs::{self, File};
use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::Archive;

use decoder::Focus;

/// Replays the inputs in the archive of a target, and those beside it, which are named after the
/// fault that each found.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let archive = corpus.join(target).with_extension("tar.gz");
    let inputs = archived(&archive);
    assert!(inputs.len() > 100, "{} inputs in {}", inputs.len(), archive.display());
    for (path, input) in inputs.into_iter().chain(single(&corpus.join(target))) {
        let replayed = panic::catch_unwind(AssertUnwindSafe(|| run(&input)));
        assert!(replayed.is_ok(), "{}", path.display());
    }
}

type Inputs = Vec<(PathBuf, Vec<u8>)>;

fn archived(archive: &Path) -> Inputs {
    let file = File::open(archive).expect("the archive is in the repository");
    let mut inputs = Inputs::new();
    for entry in Archive::new(GzDecoder::new(file)).entries().expect("a tar archive") {
        let mut entry = entry.expect("an entry of the archive");
        if entry.header().entry_type().is_file() {
            let mut input = Vec::new();
            entry.read_to_end(&mut input).expect("a whole entry");
            inputs.push((entry.path().expect("a path").into_owned(), input));
        }
    }
    inputs
}

fn single(directory: &Path) -> Inputs {
    let Ok(entries) = fs::read_dir(directory) else { return Inputs::new() };
    let paths = entries.map(|entry| entry.expect("an entry of the directory").path());
    paths.map(|path| (path.clone(), fs::read(path).expect("an input"))).collect()
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
    replay("handshake", |data| script::run(data, Focus::Handshake));
}

#[test]
fn a_peer_after_its_handshake_agrees_with_its_model() {
    replay("peer", |data| script::run(data, Focus::Established));
}

#[test]
#[cfg(feature = "sim")]
fn two_peers_agree_on_what_was_sent() {
    replay("pair", pair::run);
}
