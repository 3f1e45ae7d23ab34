//! Drivers make no decisions. A script gives the same events and bytes over each driver and over
//! the bare peer.
//!
//! The remote sends recorded sessions of the reference nodes. Each step of the script waits until
//! the peer is idle, so that the result is deterministic.

use std::io::Write;

use bytes::Buf;
use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{
    Decoder, EncodedMessage, InputBuffer, InvVect, List, Message, Pong, Version,
};
use excc_peer::{CloseReason, Config, Direction, Event, Hash, Instant, Network, PeerState, Relay};
use rand_core::Rng;
use serde_json::Value;

use crate::common::{DCR, EXCC, UNIX_TIME, rng};
use crate::harness::*;
use crate::link::{End, Setup};

/// The bytes that the remote sends, and the peer's side of the connection.
struct Side {
    network: Network,
    direction: Direction,
    received: Vec<u8>,
}

fn sides() -> [Side; 4] {
    let sessions = [
        (EXCC, include_str!("../vectors/session-exccd.jsonl")),
        (DCR, include_str!("../vectors/session-dcrd.jsonl")),
    ];
    let side = |network, text: &str, direction| {
        let from = if direction == Direction::Inbound { "out" } else { "in" };
        let chunks = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let received = chunks
            .filter(|chunk| chunk["dir"] == from)
            .flat_map(|chunk| hex::decode(chunk["hex"].as_str().unwrap()).unwrap())
            .collect();
        Side { network, direction, received }
    };
    let [(a, b), (c, d)] = sessions.map(|(network, text)| {
        (side(network, text, Direction::Inbound), side(network, text, Direction::Outbound))
    });
    [a, b, c, d]
}

/// A peer with or without a driver.
trait Rig {
    /// Sends bytes as the remote.
    fn feed(&mut self, bytes: &[u8]);
    /// Ends the stream as the remote.
    fn end(&mut self);
    fn command<T>(&mut self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T;
    /// Waits until the peer is idle, and returns its events.
    fn settle(&mut self) -> Vec<Event>;
    /// Returns the bytes written since the last call.
    fn written(&mut self) -> Vec<u8>;
}

struct Bare {
    peer: PeerState,
    buffer: InputBuffer,
    written: Vec<u8>,
}

impl Rig for Bare {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.peer.handle_input(Instant::ZERO, &mut self.buffer).ok();
    }

    fn end(&mut self) {
        self.peer.handle_eof(Instant::ZERO);
    }

    fn command<T>(&mut self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T {
        call(&mut self.peer, Instant::ZERO)
    }

    fn settle(&mut self) -> Vec<Event> {
        let mut out = self.peer.transmit(Instant::ZERO);
        self.written.extend_from_slice(&out.copy_to_bytes(out.remaining()));
        drop(out);
        std::iter::from_fn(|| self.peer.poll_event()).collect()
    }

    fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }
}

struct Driven {
    handle: Handle,
    events: Events,
    remote: End,
}

impl Rig for Driven {
    fn feed(&mut self, bytes: &[u8]) {
        self.remote.write_all(bytes).unwrap();
    }

    fn end(&mut self) {
        self.remote.end();
        wait_closed(&self.handle);
    }

    fn command<T>(&mut self, call: impl FnOnce(&mut PeerState, Instant) -> T) -> T {
        self.handle.with(call)
    }

    fn settle(&mut self) -> Vec<Event> {
        if self.handle.close_reason().is_none() {
            self.remote.wait_until_read();
        }
        wait_for("all output to be written", || self.handle.with(|peer, _| !peer.wants_write()));
        std::iter::from_fn(|| self.events.try_recv()).collect()
    }

    fn written(&mut self) -> Vec<u8> {
        self.remote.take()
    }
}

/// The results of a script, without values that depend on the clock.
#[derive(Debug, PartialEq)]
struct Record {
    events: Vec<Event>,
    results: Vec<String>,
    written: Vec<u8>,
}

/// Gives the commands that answer an event, and records their results.
fn react<R: Rig>(rig: &mut R, event: &Event, results: &mut Vec<String>) -> Option<Message> {
    let hash = |byte| Hash::from_bytes([byte; 32]);
    match event {
        Event::VersionReceived(_) => {
            let result = rig.command(|peer, now| peer.send(now, Message::GetAddr));
            results.push(format!("{result:?}"));
        }
        Event::Established(_) => {
            let block = InvVect::block(hash(7));
            let announced = rig.command(|peer, now| peer.announce(now, block, Relay::Immediate));
            let again = rig.command(|peer, now| peer.announce(now, block, Relay::Immediate));
            results.push(format!("{announced:?} {again:?}"));
            for _ in 0..2 {
                let pushed = rig
                    .command(|peer, now| peer.push_getheaders(now, [hash(1), hash(2)], Hash::ZERO));
                results.push(format!("{pushed:?}"));
            }
        }
        Event::Message { message: Message::Ping(_), .. } => {
            let nonce = rig.command(|peer, now| peer.ping(now));
            results.push(format!("{nonce:?}"));
            return nonce.ok().map(|nonce| Message::Pong(Pong { nonce }));
        }
        Event::Message { message: Message::Inv(list), .. } => {
            let request = Message::GetData(List::from(list.to_vec()));
            let result = rig.command(|peer, now| peer.send(now, request));
            results.push(format!("{result:?}"));
            // The remote knows this vector now.
            let vector = list[0];
            let announced = rig.command(|peer, now| peer.announce(now, vector, Relay::Trickle));
            results.push(format!("{announced:?}"));
        }
        _ => {}
    }
    None
}

impl Side {
    fn config(&self) -> Config {
        crate::common::config(self.network).build().unwrap()
    }

    fn bare(&self) -> Bare {
        let (make, seed) = match self.direction {
            Direction::Inbound => (PeerState::inbound as fn(_, _, _, _, &mut _) -> _, 1),
            Direction::Outbound => (PeerState::outbound as fn(_, _, _, _, &mut _) -> _, 2),
        };
        let peer = make(self.config(), REMOTE, Instant::ZERO, UNIX_TIME, &mut rng(seed));
        Bare { peer, buffer: InputBuffer::new(), written: Vec::new() }
    }

    fn driven(&self, driver: Driver) -> Driven {
        let (remote, near) = Setup::default().link();
        let (handle, events) = near.start(driver, self.direction, self.config().into()).unwrap();
        Driven { handle, events, remote }
    }

    fn run<R: Rig>(&self, mut rig: R, mut sizes: impl FnMut() -> usize) -> Record {
        let (mut events, mut results, mut written) = (Vec::new(), Vec::new(), Vec::new());
        let mut remaining = &self.received[..];
        let settle = |rig: &mut R, results: &mut Vec<_>, events: &mut Vec<_>| {
            let mut replies = Vec::new();
            loop {
                let more = rig.settle();
                if more.is_empty() {
                    return replies;
                }
                replies.extend(more.iter().filter_map(|event| react(rig, event, results)));
                events.extend(more);
            }
        };
        // Answers to the pings of the script must not interrupt a frame of the session.
        let mut replies = settle(&mut rig, &mut results, &mut events);
        while !remaining.is_empty() {
            let (piece, later) = remaining.split_at(sizes().clamp(1, remaining.len()));
            remaining = later;
            rig.feed(piece);
            replies.extend(settle(&mut rig, &mut results, &mut events));
        }
        assert!(!replies.is_empty());
        for reply in replies {
            let version = rig.command(|peer, _| peer.protocol_version());
            let frame = EncodedMessage::new(&self.network, version, &reply).unwrap();
            rig.feed(&frame.to_bytes());
            settle(&mut rig, &mut results, &mut events);
        }
        rig.command(|peer, now| {
            peer.send(now, Message::MemPool).unwrap();
            peer.shutdown(now, PATIENCE);
            let refused = peer.send(now, Message::GetAddr);
            results.push(format!("{refused:?}"));
        });
        events.extend(rig.settle());
        rig.end();
        events.extend(rig.settle());
        written.extend(rig.written());
        Record {
            events: events.into_iter().map(mask).collect(),
            results,
            written: self.mask(&written),
        }
    }

    /// Sets the timestamp of our `version` to zero.
    fn mask(&self, written: &[u8]) -> Vec<u8> {
        let mut buffer = InputBuffer::from(written);
        let version = self.network.chain().advertised_version();
        let mut decoder = Decoder::new(self.network, version);
        let Message::Version(ours) = decoder.decode(&mut buffer).unwrap().unwrap().message else {
            panic!("the first message is not a `version`");
        };
        let ours = Version { timestamp: 0, ..*ours };
        let mut bytes =
            EncodedMessage::new(&self.network, version, &ours.into()).unwrap().to_bytes().to_vec();
        bytes.extend_from_slice(&written[written.len() - buffer.len()..]);
        bytes
    }
}

fn mask(event: Event) -> Event {
    match event {
        Event::Established(mut established) => {
            established.time_offset = 0;
            Event::Established(established)
        }
        Event::RoundTrip { nonce, .. } => Event::RoundTrip { nonce, time: Default::default() },
        other => other,
    }
}

fn agree(driver: Driver, mut sizes: impl FnMut(u64) -> Box<dyn FnMut() -> usize>) {
    for (seed, side) in (0..).zip(sides()) {
        let bare = side.run(side.bare(), sizes(seed));
        let round_trips =
            bare.events.iter().filter(|event| matches!(event, Event::RoundTrip { .. }));
        assert!(round_trips.count() > 0);
        assert!(bare.written.len() > 200);
        assert!(matches!(bare.events.last(), Some(Event::Closed(_))));
        let driven = side.run(side.driven(driver), sizes(seed));
        assert_eq!(driven.events, bare.events);
        assert_eq!(driven.results, bare.results);
        assert_eq!(driven.written, bare.written);
    }
}

over_both! {
    a_session_in_one_piece_is_the_same,
    a_session_in_single_bytes_is_the_same,
    a_session_in_pieces_is_the_same,
    fatal_input_is_the_same,
}

fn a_session_in_one_piece_is_the_same(driver: Driver) {
    agree(driver, |_| Box::new(|| usize::MAX));
}

fn a_session_in_single_bytes_is_the_same(driver: Driver) {
    agree(driver, |_| Box::new(|| 1));
}

fn a_session_in_pieces_is_the_same(driver: Driver) {
    for max_len in [50, 500] {
        agree(driver, |seed| {
            let mut rng = rng(seed);
            Box::new(move || rng.next_u32() as usize % max_len)
        });
    }
}

/// Only frames that were queued before the fatal bytes are sent.
fn fatal_input_is_the_same(driver: Driver) {
    fn end_of(mut rig: impl Rig, input: &[u8]) -> (Vec<Event>, Vec<u8>) {
        let mut events = rig.settle();
        rig.feed(input);
        loop {
            let more = rig.settle();
            if more.is_empty() {
                return (events, rig.written());
            }
            events.extend(more);
        }
    }
    for side in sides() {
        let input = [&side.received[..], &[0xa5; 100]].concat();
        let (bare_events, bare_written) = end_of(side.bare(), &input);
        assert!(matches!(bare_events.last(), Some(Event::Closed(CloseReason::Decode(_)))));
        let (events, written) = end_of(side.driven(driver), &input);
        let masked = |events: Vec<Event>| events.into_iter().map(mask).collect::<Vec<_>>();
        assert_eq!(masked(events), masked(bare_events));
        assert_eq!(side.mask(&written), side.mask(&bare_written));
        assert!(bare_written.len() > 100);
    }
}
