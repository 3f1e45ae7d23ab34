//! Prints the costs of receiving and sending as ratios: the table in the README.
//!
//! Everything is measured in turns, and the fastest turn of each counts, so that other load on the
//! machine hardly matters. Ratios carry over to other machines better than times, though it
//! matters whether the processor has instructions for SHA-256.

mod shapes;

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use shapes::{Case, bitcoin_crate as theirs, cases, work};

/// Time for which each message is measured.
const TIME: Duration = Duration::from_secs(2);

/// Bytes of the inputs of a turn, which has one input at least. The clock is too coarse for a
/// single small message.
const TURN: usize = 16 * 1024;

/// One turn. Returns the seconds for each input.
type Turn = Box<dyn FnMut() -> f64>;

fn main() {
    // Anything but `cargo bench` only checks that it works.
    let time = if env::args().any(|arg| arg == "--bench") { TIME } else { Duration::ZERO };

    println!("Speed of the checksum alone = 1, then speed of the `bitcoin` crate = 1:\n");
    println!(
        "| message | bytes | decoder | peer | encoding \
         | decoding | decoding, no checksum | building and encoding |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for case in cases() {
        println!("{}", row(case, time));
    }
}

fn row(case: Case, time: Duration) -> String {
    let (shape, len) = (case.shape, case.payload_len());
    let (message, parts, their_message) = (case.message(), case.parts(), theirs::message(shape));
    let turns = [
        turn(len, case.frames(), work::checksum(case)),
        turn(len, case.received(), work::decode(case)),
        turn(len, case.received(), work::receive(case)),
        turn(len, move || message.clone(), work::encode(case)),
        turn(len, case.received_payload(), work::parse(case)),
        turn(len, move || parts.clone(), work::build(case)),
        turn(len, theirs::received(shape), theirs::decode),
        turn(len, theirs::received(shape), theirs::parse(shape)),
        turn(len, move || their_message.clone(), theirs::encode),
    ];
    let [checksum, decode, receive, encode, parse, build, their_decode, their_parse, their_encode] =
        fastest(turns, time);

    let near_one = |ratio| format!("{ratio:.2}");
    let times = |ratio| if ratio < 100.0 { format!("{ratio:.1}") } else { "> 100".into() };
    let columns = [
        case.to_string(),
        len.to_string(),
        near_one(checksum / decode),
        near_one(checksum / receive),
        near_one(checksum / encode),
        times(their_decode / decode),
        times(their_parse / parse),
        times(their_encode / build),
    ];
    format!("| {} |", columns.join(" | "))
}

/// The fastest turn of each. They take turns for `time`, once at least.
fn fastest<const N: usize>(mut turns: [Turn; N], time: Duration) -> [f64; N] {
    let mut fastest = [f64::INFINITY; N];
    let start = Instant::now();
    loop {
        for (turn, fastest) in turns.iter_mut().zip(&mut fastest) {
            *fastest = fastest.min(turn());
        }
        if start.elapsed() >= time {
            return fastest;
        }
    }
}

/// Turns of `work` on inputs of `len` bytes. Neither making inputs nor dropping anything is
/// measured.
fn turn<I, O>(
    len: usize,
    mut input: impl FnMut() -> I + 'static,
    mut work: impl FnMut(&mut I) -> O + 'static,
) -> Turn {
    let count = (TURN / len).max(1);
    Box::new(move || {
        let mut inputs: Vec<_> = (0..count).map(|_| input()).collect();
        let mut outputs = Vec::with_capacity(count);
        let start = Instant::now();
        for input in black_box(&mut inputs) {
            outputs.push(work(input));
        }
        black_box(&mut outputs);
        start.elapsed().as_secs_f64() / count as f64
    })
}
