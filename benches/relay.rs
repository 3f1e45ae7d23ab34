//! The cost of relaying to many peers. An item is a peer.

mod shapes;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use excc_peer::wire::{EncodedMessage, InvVect};
use excc_peer::{Announced, Event, Instant, PeerState, Relay};

use shapes::{Case, number_bytes, work};

/// Counts allocations, which makes them slower.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const PEERS: [usize; 2] = [1, 1_000];

fn main() {
    divan::main();
}

/// Queues a frame and sends it.
fn send(peer: &mut PeerState, frame: EncodedMessage) {
    peer.send_encoded(Instant::ZERO, frame).expect("room in the queue");
    work::drain(peer);
    assert!(matches!(peer.poll_event(), Some(Event::Sent(_))));
}

/// A block that is encoded once.
#[divan::bench(args = PEERS, sample_size = 1)]
fn block(bencher: Bencher<'_, '_>, peers: usize) {
    let case = Case::EXCC_BLOCK;
    let message = case.message();
    let mut all = work::many_established(case, peers);
    bencher.counter(ItemsCount::new(peers)).bench_local(|| {
        let frame = case.encode(&message);
        all.iter_mut().for_each(|peer| send(peer, frame.clone()));
    });
}

/// A block that is encoded for each peer, for comparison.
#[divan::bench(args = PEERS, sample_size = 1, sample_count = 5)]
fn block_encoded_for_each(bencher: Bencher<'_, '_>, peers: usize) {
    let case = Case::EXCC_BLOCK;
    let message = case.message();
    let mut all = work::many_established(case, peers);
    bencher.counter(ItemsCount::new(peers)).bench_local(|| {
        all.iter_mut().for_each(|peer| send(peer, case.encode(&message)));
    });
}

/// One transaction, in an `inv` of its own.
#[divan::bench(args = PEERS, sample_size = 1)]
fn announce_at_once(bencher: Bencher<'_, '_>, peers: usize) {
    announce(bencher, peers, Relay::Immediate, 1);
}

/// One transaction, with the wait for the next batch.
#[divan::bench(args = PEERS, sample_size = 1)]
fn announce_by_trickle(bencher: Bencher<'_, '_>, peers: usize) {
    announce(bencher, peers, Relay::Trickle, 1);
}

/// A hundred transactions in one batch. An item is one of them for one peer.
#[divan::bench(args = PEERS, sample_size = 1)]
fn announce_100_by_trickle(bencher: Bencher<'_, '_>, peers: usize) {
    announce(bencher, peers, Relay::Trickle, 100);
}

/// Announces `count` new transactions to `peers` each time, until all are sent.
fn announce(bencher: Bencher<'_, '_>, peers: usize, relay: Relay, count: u32) {
    let mut all = work::many_established(Case::EXCC_BLOCK, peers);
    let mut numbers = 0_u32..;
    let mut second = 0;
    bencher.counter(ItemsCount::new(peers * count as usize)).bench_local(|| {
        let now = Instant::from_secs(second);
        second += 1;
        for number in numbers.by_ref().take(count as usize) {
            let vector = InvVect::tx(number_bytes(number).into());
            for peer in &mut all {
                let announced = peer.announce(now, vector, relay);
                assert!(matches!(announced, Announced::Batched | Announced::Queued(_)));
            }
        }
        for peer in &mut all {
            peer.handle_timeout(Instant::from_secs(second));
            work::drain(peer);
            while peer.poll_event().is_some() {}
        }
    });
}
