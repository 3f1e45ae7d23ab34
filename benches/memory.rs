//! Prints what memory a peer and a connection take, and what an announcement costs.
//!
//! Memory is counted, not measured, so that it is the same on every machine of one word
//! size. The fastest of many turns counts as the cost.

mod connections;
mod shapes;

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use excc_peer::wire::{InputBuffer, InvVect, Message, Ping, Pong};
use excc_peer::{Announced, Config, Instant, Network, PeerState, Relay};

use connections::{Driver, Figures, heap};
use shapes::{Case, Shape, number_bytes, work};

/// Connections at once, and messages that the application keeps.
const CONNECTIONS: usize = 100;
const KEPT: usize = 10_000;

/// How long the costs are measured.
const TIME: Duration = Duration::from_secs(2);

/// Announcements that wait together in one turn.
const BATCH: u32 = 1_000;

fn main() {
    // Anything but `cargo bench` only checks that it works.
    let is_bench = env::args().any(|arg| arg == "--bench");
    let time = if is_bench { TIME } else { Duration::ZERO };
    let cases = [Network::EXCC_MAINNET, Network::DCR_MAINNET]
        .map(|network| Case { network, shape: Shape::Ping });

    println!("| bytes | {} | {} |\n|---|--:|--:|", cases[0].chain(), cases[1].chain());
    let [excc, dcr] = cases.map(memory);
    for ((what, excc), (_, dcr)) in excc.into_iter().zip(dcr) {
        println!("| {what} | {excc} | {dcr} |");
    }

    connections(is_bench);

    println!("\n| announcing | {} | {} |\n|---|--:|--:|", cases[0].chain(), cases[1].chain());
    let [excc, dcr] = cases.map(|case| cost(case, time));
    for ((what, excc), (_, dcr)) in excc.into_iter().zip(dcr) {
        println!("| {what} | {excc} | {dcr} |");
    }
}

/// Prints the live heap of a connection over each adapter. Few connections are enough for the
/// largest messages of Decred.
fn connections(is_bench: bool) {
    println!(
        "\n| live heap of a connection, in bytes | idle | 1 s after the largest message \
         | with {KEPT} kept messages, for each byte of these |\n|---|--:|--:|--:|"
    );
    for driver in [Driver::Std, Driver::Tokio] {
        for (network, count) in [(Network::EXCC_REGNET, CONNECTIONS), (Network::DCR_SIMNET, 5)] {
            let (count, kept) = if is_bench { (count, KEPT) } else { (1, 1) };
            let figures = connections::measure(network, driver, count, kept);
            let Figures { idle, after_largest, kept, kept_payload } = figures;
            let ratio = kept as f64 / kept_payload as f64;
            let chain = network.chain();
            println!("| {driver:?}, {chain} | {idle} | {after_largest} | {ratio:.2} |");
        }
    }
}

/// Allocations of a call: bytes that stay, and their number.
struct Taken {
    bytes_current: i64,
    count_total: u64,
}

fn measure(call: impl FnOnce()) -> Taken {
    let (bytes, count) = heap();
    call();
    let (bytes_after, count_after) = heap();
    Taken { bytes_current: bytes_after - bytes, count_total: count_after - count }
}

fn vectors(count: u32) -> impl Iterator<Item = InvVect> {
    (0..count).map(|number| InvVect::tx(number_bytes(number).into()))
}

fn memory(case: Case) -> [(&'static str, i64); 9] {
    let config = Config::builder(case.network).protocol_version(case.protocol().version);
    let config = Arc::new(config.build().expect("a valid configuration"));
    let inline = size_of::<PeerState>() as i64;
    let with = |change: fn(Case, &mut PeerState)| {
        let mut peer = None;
        let taken = measure(|| {
            let peer = peer.insert(work::established(case, &config));
            change(case, peer);
        });
        drop(peer);
        taken.bytes_current
    };

    let idle = with(|_, _| {});
    let pinged = with(ping_both_ways);
    let more = |bytes| bytes - idle;
    [
        ("idle, inline", inline),
        ("idle, on the heap", idle),
        ("idle, in all", inline + idle),
        ("more after the first pings", more(pinged)),
        ("more with 1,000 known vectors", more(with(know_1_000))),
        ("more with 50,000 waiting announcements", more(with(wait_with_50_000))),
        ("more after these have left", more(with(announce_50_000))),
        ("more with 50,000 vectors asked for", more(with(ask_for_50_000))),
        ("more after these were not found", more(with(find_none_of_50_000))),
    ]
}

fn receive(case: Case, peer: &mut PeerState, message: &Message) {
    let mut buffer = InputBuffer::from(&case.encode(message).to_bytes()[..]);
    peer.handle_input(Instant::ZERO, &mut buffer).expect("valid");
    while peer.poll_event().is_some() {}
    work::drain(peer);
}

fn ping_both_ways(case: Case, peer: &mut PeerState) {
    peer.handle_timeout(Instant::from_secs(107));
    work::drain(peer);
    let nonce = peer.stats().outstanding_ping.expect("a ping has left");
    receive(case, peer, &Message::Pong(Pong { nonce }));
    receive(case, peer, &Message::Ping(Ping { nonce: 1 }));
}

fn know_1_000(_: Case, peer: &mut PeerState) {
    vectors(1_000).for_each(|vector| peer.add_known_inventory(Instant::ZERO, vector));
    assert_eq!(peer.stats().known_inventory, 1_000);
}

fn wait_with_50_000(_: Case, peer: &mut PeerState) {
    for vector in vectors(50_000) {
        let announced = peer.announce(Instant::ZERO, vector, Relay::Trickle);
        assert_eq!(announced, Announced::Batched);
    }
}

fn announce_50_000(case: Case, peer: &mut PeerState) {
    wait_with_50_000(case, peer);
    peer.handle_timeout(Instant::from_secs(1));
    work::drain(peer);
    assert_eq!((peer.stats().waiting_announcements, peer.stats().queued_frames), (0, 0));
}

fn ask_for_50_000(_: Case, peer: &mut PeerState) {
    peer.send(Instant::ZERO, Message::GetData(vectors(50_000).collect()))
        .expect("room in the queue");
    work::drain(peer);
    while peer.poll_event().is_some() {}
    assert_eq!(peer.stats().requested, 50_000);
}

fn find_none_of_50_000(case: Case, peer: &mut PeerState) {
    ask_for_50_000(case, peer);
    receive(case, peer, &Message::NotFound(vectors(50_000).collect()));
    assert_eq!(peer.stats().requested, 0);
}

/// Announcements, and the clock.
struct Announcer {
    peer: PeerState,
    second: u32,
}

impl Announcer {
    /// Announces [`BATCH`] vectors that were not announced before.
    fn announce(&mut self) {
        let now = Instant::from_secs(self.second.into());
        self.second += 1;
        for number in (self.second * BATCH..).take(BATCH as usize) {
            let vector = InvVect::tx(number_bytes(number).into());
            let announced = self.peer.announce(now, black_box(vector), Relay::Trickle);
            assert_eq!(announced, Announced::Batched);
        }
    }

    /// Lets them leave.
    fn send(&mut self) {
        self.peer.handle_timeout(Instant::from_secs(self.second.into()));
        work::drain(&mut self.peer);
    }
}

fn cost(case: Case, time: Duration) -> [(&'static str, String); 5] {
    let peer = work::established(case, &work::config(case));
    let mut announcer = Announcer { peer, second: 0 };
    let mut turn = || {
        let begun = Clock::now();
        announcer.announce();
        let announced = begun.elapsed().as_secs_f64();
        announcer.send();
        [announced, begun.elapsed().as_secs_f64()].map(|seconds| seconds / f64::from(BATCH))
    };
    // After a turn, the known inventory and the batch have their capacity.
    turn();
    let taken = measure(|| _ = turn());

    let function = case.chain().hash_function();
    let checksum = || {
        let begun = Clock::now();
        for nonce in 0..u64::from(BATCH) {
            black_box(function.checksum(&[&black_box(nonce).to_le_bytes()]));
        }
        begun.elapsed().as_secs_f64() / f64::from(BATCH)
    };
    let mut fastest = [f64::INFINITY; 3];
    let start = Clock::now();
    loop {
        let [announced, left] = turn();
        for (fastest, seconds) in fastest.iter_mut().zip([announced, left, checksum()]) {
            *fastest = fastest.min(seconds);
        }
        if start.elapsed() >= time {
            break;
        }
    }
    let [announced, left, checksum] = fastest;
    let nanos = |seconds: f64| format!("{:.0}", seconds * 1e9);
    [
        ("allocations", format!("{:.3}", taken.count_total as f64 / f64::from(BATCH))),
        ("nanoseconds until it waits", nanos(announced)),
        ("nanoseconds until it has left", nanos(left)),
        ("nanoseconds of the checksum of a ping", nanos(checksum)),
        ("such checksums until it has left", format!("{:.2}", left / checksum)),
    ]
}
