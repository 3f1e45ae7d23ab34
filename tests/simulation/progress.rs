//! Two peers always make progress while both applications take every event, whatever they send and
//! however small the buffers are.

use std::time::Duration;

use excc_peer::sim::{Link, PeerId, Pipe, Simulation};
use excc_peer::wire::{Command, InvVect, Message, Ping};
use excc_peer::{Config, Event, Hash, Instant, Network, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;

/// Messages that an application queues.
#[derive(Debug, Clone, Copy)]
enum Item {
    Pings(u32),
    /// An `inv` with a number of vectors.
    Inv(u32),
    /// A ping by the command of the peer.
    OwnPing,
}

fn config() -> Config {
    Config::builder(Network::EXCC_SIMNET).build().expect("valid")
}

fn inv(vectors: u32) -> Message {
    let vector = |n: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_le_bytes());
        InvVect::tx(Hash::from_bytes(hash))
    };
    Message::Inv((0..vectors).map(vector).collect())
}

/// Queues all items. Returns the messages that the remote must receive.
fn queue(sim: &mut Simulation, peer: PeerId, items: &[Item]) -> Vec<(Command, usize)> {
    let now = sim.now();
    let mut expected = Vec::new();
    let mut nonce = 0;
    for item in items {
        match *item {
            Item::Pings(count) => {
                for _ in 0..count {
                    nonce += 1;
                    sim[peer].send(now, Message::Ping(Ping { nonce })).expect("there is room");
                    expected.push((Command::Ping, 0));
                }
            }
            Item::Inv(vectors) => {
                sim[peer].send(now, inv(vectors)).expect("there is room");
                expected.push((Command::Inv, vectors as usize));
            }
            // A `ping` that was not sent yet is not queued twice.
            Item::OwnPing => _ = sim[peer].ping(now),
        }
    }
    expected
}

/// Messages that a peer received, without pongs, and the number of its sent messages.
#[derive(Default)]
struct Seen {
    received: Vec<(Command, usize)>,
    sent: usize,
}

/// Two peers queue items and run for `time`. Each must receive all items of the other.
fn both_receive_everything(link: impl Into<Link>, items: [&[Item]; 2], time: Duration) {
    let mut sim = Simulation::new(1, UnixTime::from_secs(1_700_000_000));
    let (caller, listener) = sim.connect(config(), config(), link);
    let mut is_established = [false; 2];
    while is_established != [true; 2] {
        match sim.next_event(Instant::from_secs(30)) {
            Some((peer, Event::Established(_))) => {
                is_established[usize::from(peer != caller)] = true
            }
            Some(_) => {}
            None => panic!("no handshake in time"),
        }
    }
    let start = sim.now();
    let expected = [queue(&mut sim, caller, items[0]), queue(&mut sim, listener, items[1])];
    let mut seen = [Seen::default(), Seen::default()];
    while let Some((peer, event)) = sim.next_event(start + time) {
        let seen = &mut seen[usize::from(peer != caller)];
        match event {
            Event::Message { message: Message::Pong(_), .. } => {}
            Event::Message { message: Message::Inv(vectors), .. } => {
                seen.received.push((Command::Inv, vectors.len()));
            }
            // Pings with larger nonces are those of the peers.
            Event::Message { message: Message::Ping(ping), .. } if ping.nonce < 1 << 32 => {
                seen.received.push((Command::Ping, 0));
            }
            Event::Sent(_) => seen.sent += 1,
            Event::Closed(reason) => panic!("{peer} after {:?}: {reason}", sim.now() - start),
            _ => {}
        }
    }
    for (here, there, id) in [(0, 1, caller), (1, 0, listener)] {
        assert_eq!(seen[there].received, expected[here]);
        assert_eq!(seen[here].sent, expected[here].len());
        let stats = sim[id].stats();
        assert_eq!(stats.queued_frames, 0);
        // The latest of a flood of pings is answered.
        assert_eq!(stats.outstanding_ping, None);
    }
}

/// A regression: both peers stopped reading at 64 pongs, and closed.
#[test]
fn bulk_between_many_pings_arrives_at_both_sides() {
    let items = [Item::Pings(200), Item::Inv(50_000), Item::Pings(200)];
    for capacity in [100, 1_000, 4_096, 65_536, 262_144, 1_000_000, usize::MAX] {
        both_receive_everything(
            Pipe::new().capacity(capacity),
            [&items, &items],
            Duration::from_secs(10),
        );
    }
}

#[test]
fn messages_arrive_byte_by_byte() {
    let items = [Item::Pings(200), Item::Inv(1_000), Item::Pings(200)];
    both_receive_everything(Pipe::new().capacity(1), [&items, &items], Duration::from_secs(10));
}

fn item(max_vectors: u32) -> impl Strategy<Value = Item> {
    prop_oneof![
        3 => (1..=300_u32).prop_map(Item::Pings),
        2 => (1..=max_vectors).prop_map(Item::Inv),
        1 => Just(Item::Inv(max_vectors)),
        1 => Just(Item::OwnPing),
    ]
}

/// Returns the size of a buffer, with an even distribution of magnitudes.
fn capacity() -> impl Strategy<Value = usize> {
    (0..=18_u32, 0..1_000_usize).prop_map(|(bits, part)| {
        let min = 1_usize << bits;
        (min + min * part / 1_000).min(256 * 1024)
    })
}

/// Returns two capacities and the items of both sides. The items exceed the capacities, but fit
/// into the time of a test.
fn exchange() -> impl Strategy<Value = ([usize; 2], [Vec<Item>; 2])> {
    [capacity(), capacity()].prop_flat_map(|capacities| {
        let narrowest = capacities[0].min(capacities[1]);
        let max_vectors = (100 * narrowest).clamp(500, 50_000) as u32;
        let items = || vec(item(max_vectors), 1..6);
        (Just(capacities), [items(), items()])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn all_queued_messages_arrive_at_any_capacity(
        (capacities, items) in exchange(),
    ) {
        let [there, back] = capacities.map(|capacity| Pipe::new().capacity(capacity));
        let items = [&items[0][..], &items[1]];
        both_receive_everything(Link::new(there, back), items, Duration::from_secs(10));
    }

    /// The rate is above the minimum of the configuration, and all deadlines have their defaults.
    #[test]
    fn all_queued_messages_arrive_over_a_slow_line(
        (capacities, items) in exchange(),
        rate in 11_000..1_000_000_u64,
        latency in 0..500_u64,
    ) {
        let pipe = |capacity: usize| {
            let latency = Duration::from_millis(latency);
            // The capacity is at least the bytes that the line sends in a second.
            Pipe::new().capacity(capacity.max(rate as usize)).bandwidth(rate).latency(latency)
        };
        let [there, back] = capacities.map(pipe);
        let items = [&items[0][..], &items[1]];
        both_receive_everything(Link::new(there, back), items, Duration::from_secs(3_000));
    }
}
