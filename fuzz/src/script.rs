//! A peer and its model in lockstep, under a script out of the bytes of a fuzzer.

use std::cell::RefCell;
use std::panic;

use crate::decoder::{Focus, decode, story};
use crate::lockstep;

/// Runs the script that `data` stands for.
///
/// # Panics
///
/// If the peer and its model are not in the same state.
pub(crate) fn run(data: &[u8], focus: Focus) {
    LATEST.with_borrow_mut(|(latest, of)| {
        latest.clear();
        latest.extend_from_slice(data);
        *of = focus;
    });
    let (setup, script) = decode(data, focus);
    lockstep::check(setup, &script);
}

thread_local! {
    /// The script that runs, or that ran last.
    static LATEST: RefCell<(Vec<u8>, Focus)> = const { RefCell::new((Vec::new(), Focus::Handshake)) };
}

/// Prints the script before a panic is reported, so that it can be read and become a test of
/// `tests/model/found.rs`.
#[allow(dead_code, reason = "called by fuzz targets only")]
pub(crate) fn print_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        LATEST.with_borrow(|(data, focus)| eprintln!("{}", story(data, *focus)));
        report(info);
    }));
}
