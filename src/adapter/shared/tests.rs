use core::sync::atomic::{AtomicUsize, Ordering};
use std::net::SocketAddr;

use bytes::Buf;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::adapter::events::Events;
use crate::adapter::handle::Handle;
use crate::hash::Hash;
use crate::network::Network;
use crate::peer::{Announced, Config, Relay};
use crate::time::{Instant, UnixTime};
use crate::wire::{EncodedMessage, InputBuffer, InvVect, Message, Ping, Version};

const NETWORK: Network = Network::EXCC_REGNET;

/// Counts how often it is woken, at a time that is set.
#[derive(Default)]
struct Counting {
    now: Mutex<Instant>,
    writer: AtomicUsize,
    reader: AtomicUsize,
}

impl Driver for Counting {
    fn now(&self) -> Instant {
        *self.now.lock().unwrap()
    }

    fn wake_writer(&self) {
        self.writer.fetch_add(1, Ordering::Relaxed);
    }

    fn wake_reader(&self) {
        self.reader.fetch_add(1, Ordering::Relaxed);
    }

    fn abort(&self) {}
}

impl Shared<Counting> {
    fn woken(&self) -> (usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.driver.writer), take(&self.driver.reader))
    }

    /// Writes all output, and waits.
    fn go_idle(&self) {
        let mut state = self.lock();
        let mut out = state.peer.transmit(Instant::ZERO);
        out.advance(out.remaining());
        drop(out);
        state.watch.notices_room = state.peer.wants_read();
        let deadline = state.peer.poll_timeout();
        state.watch.suspend_writer(deadline);
    }

    fn with<T>(self: &Arc<Self>, call: impl FnOnce(&mut PeerState) -> T) -> T {
        Handle::new(self.clone()).with(|peer, _| call(peer))
    }
}

fn frames(messages: impl IntoIterator<Item = Message>) -> InputBuffer {
    let encode = |message| EncodedMessage::new(&NETWORK, 8, &message).unwrap().to_bytes();
    messages.into_iter().flat_map(encode).collect()
}

fn established() -> Arc<Shared<Counting>> {
    let config = Config::builder(NETWORK)
        .max_waiting_events(4, 1024 * 1024)
        .ping_interval(None)
        .idle_timeout(Some(Duration::from_secs(10)))
        .build()
        .unwrap();
    let remote = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let peer = PeerState::inbound(config, remote, Instant::ZERO, UnixTime::from_secs(0), &mut rng);
    let shared = Shared::new(peer, Counting::default());
    shared.lock().on_part_started();
    let version = Version { protocol_version: 8, nonce: 1, ..Version::default() };
    shared.with(|peer| {
        let mut opening = frames([version.into(), Message::VerAck]);
        peer.handle_input(Instant::ZERO, &mut opening).unwrap();
        while peer.poll_event().is_some() {}
    });
    shared.go_idle();
    shared.woken();
    shared
}

#[test]
fn a_driver_is_woken_for_what_it_does_not_notice_by_itself() {
    let shared = established();
    for (number, woken) in [(1, (1, 0)), (2, (0, 0)), (3, (0, 0))] {
        let vector = InvVect::tx(Hash::from_bytes([number; 32]));
        let announced = shared.with(|peer| peer.announce(Instant::ZERO, vector, Relay::Trickle));
        assert_eq!(announced, Announced::Batched);
        assert_eq!(shared.woken(), woken, "only the first sets a deadline");
    }
    shared.go_idle();
    shared.with(|peer| peer.ping(Instant::ZERO).unwrap());
    assert_eq!(shared.woken(), (1, 0));
    shared.with(|peer| peer.send(Instant::ZERO, Message::GetAddr).unwrap());
    assert_eq!(shared.woken(), (0, 0), "it is writing already");
    shared.go_idle();
    shared.with(|peer| peer.update_last_block(Instant::ZERO, 5));
    assert_eq!(shared.woken(), (0, 0));
}

#[test]
fn a_reader_is_woken_when_there_is_room_again() {
    let shared = established();
    let mut pings = frames((1..9).map(|nonce| Message::Ping(Ping { nonce })));
    shared.with(|peer| peer.handle_input(Instant::ZERO, &mut pings).unwrap());
    shared.go_idle();
    shared.woken();
    assert!(!shared.lock().peer.wants_read());
    shared.with(|peer| while peer.poll_event().is_some() {});
    assert_eq!(shared.woken(), (0, 1));
}

#[test]
fn back_pressure_ends_when_events_are_taken() {
    let shared = established();
    let mut pings = frames((1..9).map(|nonce| Message::Ping(Ping { nonce })));
    shared.with(|peer| peer.handle_input(Instant::ZERO, &mut pings).unwrap());
    assert!(!shared.lock().peer.wants_read());

    *shared.driver.now.lock().unwrap() = Instant::from_secs(5);
    let mut events = Events::new(shared.clone());
    while events.try_recv().is_some() {}
    let idle_deadline = shared.lock().peer.next_deadline().map(|(_, at)| at);
    assert_eq!(idle_deadline, Some(Instant::from_secs(15)));
}

#[test]
fn the_end_wakes_the_whole_driver_until_it_has_ended() {
    let shared = established();
    shared.with(|peer| peer.close(Instant::ZERO));
    assert_eq!(shared.woken(), (1, 1));
    shared.with(|peer| peer.close(Instant::ZERO));
    assert_eq!(shared.woken(), (1, 1), "it may not have noticed yet");
    shared.lock().on_driver_ended();
    shared.with(|peer| peer.close(Instant::ZERO));
    assert_eq!(shared.woken(), (0, 0));
}
