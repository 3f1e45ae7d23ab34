//! Two peers under an arbitrary script of both applications and of time, with a faulty connection
//! between them. The events of one side must agree with the commands of the other. The rules of
//! one peer alone are checked by its model.

mod script;
mod side;

use std::net::SocketAddr;
use std::time::Duration;

use excc_peer::sim::{PeerId, Simulation};
use excc_peer::wire::{
    Command, EncodedMessage, Headers, InvVect, List, LocatorRequest, Message, NetAddress,
    NetAddressV2, PeerAddress, Protocol, Services,
};
use excc_peer::{
    Announced, CloseReason, Direction, Event, Hash, Instant, Network, PeerState, Relay, SendId,
    UnixTime,
};

use script::{Script, Setup};
use side::Side;

/// The wall clock when the connection is opened.
const UNIX_TIME: UnixTime = UnixTime::from_secs(1_700_000_000);

/// How long a script may go on: pings cost time, too.
const LONGEST: Duration = Duration::from_secs(600);

/// Maximum number of bytes that both applications send, over slow connections and over others.
const MOST_BYTES: [usize; 2] = [1 << 15, 1 << 20];

/// Runs the script that `data` stands for on two peers.
///
/// # Panics
///
/// If anything is found.
pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let Ok(setup) = Setup::new(&mut script) else { return };
    let mut pair = Pair::new(setup);
    while !script.is_empty() && pair.sim.now() < Instant::ZERO + LONGEST {
        pair.step(&mut script);
        pair.assert_sound();
    }
    pair.end();
}

struct Pair {
    sim: Simulation,
    network: Network,
    ids: [PeerId; 2],
    sides: [Side; 2],
    is_self_connection: bool,
    flips: bool,
    /// Whether all bytes have arrived as they were sent, or will.
    is_reliable: bool,
    /// Whether nothing has happened so far that may make a peer run out of patience.
    is_quick: bool,
    least_round_trip: Duration,
    most_bytes: usize,
    bytes: usize,
}

impl Pair {
    fn new(setup: Setup) -> Self {
        let Setup { caller, listener, .. } = setup;
        let mut sim = Simulation::new(setup.seed, UnixTime::from_secs(UNIX_TIME.as_secs()));
        let configs = (caller.config.clone(), listener.config.clone());
        let network = *configs.0.network();
        let (from, to) = sim.connect(configs.0, configs.1, setup.link);
        let has_patience = [&caller, &listener].iter().all(|side| {
            // A version that waits for a review keeps everything waiting.
            side.is_patient && (!side.reviews || side.accepts_at_once)
        });
        Self {
            sim,
            network,
            ids: [from, to],
            sides: [Side::new(caller), Side::new(listener)],
            is_self_connection: setup.is_self_connection,
            flips: setup.flips,
            is_reliable: !setup.flips && !setup.breaks,
            is_quick: setup.is_quick && has_patience,
            least_round_trip: setup.least_round_trip,
            most_bytes: MOST_BYTES[usize::from(setup.is_wide)],
            bytes: 0,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        let side = usize::from(what >> 7);
        match what % 32 {
            0..=7 => {
                let time = script.duration();
                self.run(time);
            }
            8..=13 => {
                let message = script.message(self.protocol(side));
                self.send(side, message);
            }
            14 | 15 => {
                let message = script.message(self.protocol(side));
                self.send_encoded(side, message);
            }
            16..=21 => self.announce(side, script.vector(), script.relay()),
            22 => self.ping(side),
            23 => self.push(side, script),
            24 => {
                let (now, vector) = (self.sim.now(), script.vector());
                self.peer(side).add_known_inventory(now, vector);
                self.sides[side].count_shared(vector);
            }
            25 => {
                let now = self.sim.now();
                self.peer(side).accept_version(now);
            }
            26 => {
                let id = self.ids[side];
                self.is_quick = false;
                self.sim.set_reading(id, false);
            }
            27 | 28 => self.sim.set_reading(self.ids[side], true),
            29 => self.run(Duration::ZERO),
            _ => self.rarely(side, script),
        }
    }

    /// Steps that end most scripts, and later additions, which keep the meaning of older scripts.
    fn rarely(&mut self, side: usize, script: &mut Script<'_>) {
        let (what, now) = (script.byte(), self.sim.now());
        self.sides[side].has_given_up |= what < 32;
        match what {
            0..=5 => self.peer(side).close(now),
            6..=9 => self.peer(side).refuse_version(now),
            10..=12 => self.sim.shut_down(self.ids[side]),
            13..=15 => {
                self.is_reliable = false;
                self.sim.reset(self.ids[side]);
            }
            16..=31 => {
                let timeout = Duration::from_secs([1, 10, 100, u64::MAX][usize::from(what % 4)]);
                self.peer(side).shutdown(now, timeout);
            }
            32..=63 => {
                // Pings, much else, and pings again, from one side or from both.
                let count = script.byte();
                let both = [side, 1 - side];
                for &side in if what < 48 { &both[..] } else { &both[..1] } {
                    self.send_pings(side, count, script);
                    self.send_bulk(side, script);
                    self.send_pings(side, count, script);
                }
            }
            64..=95 => {
                let count = script.byte();
                self.send_pings(side, count, script);
            }
            96..=127 => self.send_bulk(side, script),
            128..=159 => {
                let (vector, relay) = (script.vector(), script.relay());
                (0..=what % 8).for_each(|_| self.announce(side, vector, relay));
            }
            _ => {}
        }
    }

    fn send_pings(&mut self, side: usize, count: u8, script: &mut Script<'_>) {
        for _ in 0..count {
            let ping = script.ping();
            self.send(side, ping);
        }
    }

    fn send_bulk(&mut self, side: usize, script: &mut Script<'_>) {
        let most = self.most_bytes.saturating_sub(self.bytes);
        let bulk = script.bulk(most);
        self.send(side, bulk);
    }

    fn peer(&mut self, side: usize) -> &mut PeerState {
        &mut self.sim[self.ids[side]]
    }

    fn protocol(&self, side: usize) -> Protocol {
        Protocol::new(self.network.chain(), self.sim[self.ids[side]].protocol_version())
    }
}

/// The applications.
impl Pair {
    /// Sends a message. Returns whether it was queued.
    fn send(&mut self, side: usize, message: Message) -> bool {
        if self.bytes > self.most_bytes {
            return false;
        }
        let now = self.sim.now();
        let result = self.peer(side).send(now, message.clone());
        self.count_sent(side, message, result.ok())
    }

    /// Counts a message that was queued, if it was. Returns whether it was.
    fn count_sent(&mut self, side: usize, message: Message, queued: Option<SendId>) -> bool {
        let Some(id) = queued else { return false };
        let version = self.protocol(side).version;
        let frame = EncodedMessage::new(&self.network, version, &message);
        self.bytes += frame.expect("it was encoded").len();
        self.sides[side].count_queued(id, message);
        true
    }

    fn send_encoded(&mut self, side: usize, message: Message) {
        let version = self.protocol(side).version;
        let Ok(frame) = EncodedMessage::new(&self.network, version, &message) else { return };
        if self.bytes <= self.most_bytes {
            let now = self.sim.now();
            let len = frame.len();
            if let Ok(id) = self.peer(side).send_encoded(now, frame) {
                self.bytes += len;
                self.sides[side].count_queued(id, message);
            }
        }
    }

    /// Requests and addresses that the peer builds.
    fn push(&mut self, side: usize, script: &mut Script<'_>) {
        let (now, what, first, stop) =
            (self.sim.now(), script.byte(), script.hash(), script.hash());
        let protocol_version = self.protocol(side).version;
        let locator: List<Hash> = vec![first; usize::from(what / 64)].into();
        let request = LocatorRequest { protocol_version, locator: locator.clone(), stop };
        let peer = self.peer(side);
        let (message, result) = match what % 4 {
            0 => (Message::GetHeaders(request), peer.push_getheaders(now, locator, stop)),
            1 => (Message::GetBlocks(request), peer.push_getblocks(now, locator, stop)),
            _ => return self.push_addrs(side, what / 4),
        };
        self.count_sent(side, message, result.ok().flatten());
    }

    fn push_addrs(&mut self, side: usize, count: u8) {
        let address = SocketAddr::from(([203, 0, 113, count], 9_108));
        let entry = NetAddressV2::new(count.into(), Services::empty(), address);
        let is_v2 = Command::AddrV2.is_defined(self.protocol(side));
        let now = self.sim.now();
        let Ok(pushed) = self.peer(side).push_addrs(now, &vec![entry; count.into()]) else {
            return;
        };
        let message = if is_v2 {
            Message::AddrV2(pushed.addresses)
        } else {
            let at = PeerAddress::new(Services::empty(), address);
            Message::Addr(vec![NetAddress::new(count.into(), at); count.into()].into())
        };
        self.count_sent(side, message, pushed.id);
    }

    fn announce(&mut self, side: usize, vector: InvVect, relay: Relay) {
        let now = self.sim.now();
        match self.peer(side).announce(now, vector, relay) {
            Announced::Batched => self.sides[side].count_waiting(vector),
            Announced::Queued(id) => {
                self.sides[side].count_queued(id, Message::Inv([vector].into()));
            }
            _ => {}
        }
    }

    fn ping(&mut self, side: usize) {
        let now = self.sim.now();
        // Refused where the peer is not established.
        _ = self.peer(side).ping(now);
    }

    /// Time passes, and both sides listen.
    fn run(&mut self, time: Duration) {
        let until = self.sim.now() + time;
        while let Some((id, event)) = self.sim.next_event(until) {
            assert!(self.sim.now() <= until);
            self.on_event(usize::from(id == self.ids[1]), event);
        }
        assert_eq!(self.sim.now(), until);
    }

    fn on_event(&mut self, side: usize, event: Event) {
        let told = &mut self.sides[side].told;
        assert_eq!(told.closed, None, "{event:?} after the end");
        match event {
            Event::VersionReceived(version) => {
                assert!(!std::mem::replace(&mut told.version, true));
                let other = self.sides[1 - side].setup.config.user_agent();
                assert_eq!(version.user_agent, other);
                let setup = &self.sides[side].setup;
                if setup.reviews && setup.accepts_at_once {
                    let now = self.sim.now();
                    self.peer(side).accept_version(now);
                }
            }
            Event::VerAckReceived => {
                assert!(told.version && !std::mem::replace(&mut told.verack, true));
            }
            Event::Established(terms) => {
                assert!(told.version && told.established.replace(terms.protocol_version).is_none());
                // Both negotiate the same version.
                let other = self.sides[1 - side].told.established;
                assert!(other.is_none_or(|version| version == terms.protocol_version));
            }
            Event::Message { message, .. } => self.on_message(side, &message),
            Event::OverBudget { .. } => {}
            Event::RoundTrip { nonce, time } => {
                assert!(told.established.is_some());
                assert!(self.peer(side).stats().round_trip.is_some());
                assert!(time >= self.least_round_trip, "{nonce} was answered too early");
            }
            Event::Sent(id) => self.sides[side].on_sent(id),
            Event::NotSent(id) => {
                self.sides[side].on_not_sent(id);
            }
            Event::Closed(reason) => {
                self.assert_explained(side, &reason);
                self.sides[side].on_closed(reason);
            }
            other => panic!("{other:?} is new"),
        }
    }

    fn on_message(&mut self, side: usize, message: &Message) {
        assert!(self.sides[side].told.established.is_some());
        let (network, flips) = (self.network, self.flips);
        self.sides[side].on_received(message);
        self.sides[1 - side].on_arrived(message, &network, flips);
        match message {
            Message::Inv(vectors) if self.sides[side].setup.remembers => {
                let now = self.sim.now();
                for vector in vectors {
                    // A peer that was closed by what came next remembers nothing.
                    let announced = self.peer(side).announce(now, *vector, Relay::Immediate);
                    let is_silent = matches!(
                        announced,
                        Announced::Known | Announced::Unwanted | Announced::NotReady
                    );
                    assert!(is_silent, "{vector} is echoed");
                }
            }
            Message::GetData(vectors) => self.answer(side, Message::NotFound(vectors.clone())),
            Message::GetHeaders(_) => {
                let none = Headers::new(network.chain(), []).expect("headers of the chain");
                self.answer(side, Message::Headers(none));
            }
            _ => {}
        }
    }

    fn answer(&mut self, side: usize, message: Message) {
        if self.sides[side].setup.answers {
            // A side that fails once answers no more.
            self.sides[side].setup.answers = self.send(side, message);
        }
    }
}

/// Assertions.
impl Pair {
    /// Whether each side accepts the version of the other.
    fn may_agree(&self) -> bool {
        let [caller, listener] = [0, 1].map(|side| &self.sides[side].setup);
        caller.version >= listener.oldest
            && listener.version >= caller.oldest
            && !self.is_self_connection
    }

    /// Whether nothing has happened that ends a connection.
    fn is_left_alone(&self) -> bool {
        self.sides.iter().all(|side| !side.has_given_up && side.told.closed.is_none())
    }

    /// A peer closed for a reason that there was.
    fn assert_explained(&self, side: usize, reason: &CloseReason) {
        let [own, other] = [side, 1 - side].map(|side| &self.sides[side]);
        let other_ended = other.has_given_up || other.told.closed.is_some();
        assert_eq!(self.sim[self.ids[side]].close_reason(), Some(reason));
        if !self.is_reliable {
            return;
        }
        assert!(!reason.is_violation(self.network.chain()), "an honest peer is blamed: {reason}");
        match reason {
            CloseReason::Local | CloseReason::VersionRefused => assert!(own.has_given_up),
            CloseReason::RemoteClosed | CloseReason::Cut(_) => {
                assert!(other_ended, "nobody ended the stream");
                assert!(other.on_the_way.is_empty(), "messages were lost before the end");
                let remote = &self.sim[self.ids[1 - side]];
                let has_sent_all = remote.close_reason() == Some(&CloseReason::Local)
                    && remote.linger_until().is_some();
                if has_sent_all {
                    other.assert_announced();
                }
            }
            CloseReason::ProtocolVersionTooOld { .. } => {
                assert!(other.setup.version < own.setup.oldest);
            }
            CloseReason::SelfConnection => {
                assert!(self.is_self_connection);
                assert_eq!(self.sim[self.ids[side]].direction(), Direction::Inbound);
            }
            // The limits of one side need no cause on the other.
            CloseReason::Unsolicited { .. }
            | CloseReason::OverBudget { .. }
            | CloseReason::OutputOverflow { .. } => {}
            CloseReason::HandshakeTimeout
            | CloseReason::VerAckTimeout
            | CloseReason::IdleTimeout
            | CloseReason::PongTimeout
            | CloseReason::WriteStall => {
                // A remote that has ended its stream does not answer.
                assert!(!self.is_quick || other_ended || own.has_given_up, "impatient: {reason}");
            }
            CloseReason::Stall { .. } => {
                let is_answered = self.is_quick && other.setup.answers;
                assert!(!is_answered || other_ended || own.has_given_up, "impatient: {reason}");
            }
            other => panic!("{other:?} is no reason between honest peers"),
        }
    }

    fn assert_sound(&self) {
        for (side, &id) in self.sides.iter().zip(&self.ids) {
            let peer = &self.sim[id];
            if side.told.closed.is_some() {
                assert!(peer.close_reason().is_some() && peer.poll_timeout().is_none());
            }
        }
    }

    /// Lets everything arrive, closes one side and polls all events of both.
    fn end(mut self) {
        for side in [0, 1] {
            self.sim.set_reading(self.ids[side], true);
            let now = self.sim.now();
            self.peer(side).accept_version(now);
        }
        self.run(Duration::from_secs(60));
        self.assert_sound();
        if self.is_left_alone() && self.is_reliable && self.is_quick && self.may_agree() {
            self.assert_agreed();
        }
        self.sides[0].has_given_up = true;
        let now = self.sim.now();
        self.peer(0).close(now);
        // The slowest connection carries what is on its way in that time.
        self.run(Duration::from_secs(2_000_000));
        self.assert_sound();
        assert!(self.sides.iter().all(|side| side.told.closed.is_some()), "one side lives on");
        assert_eq!(self.sim.next_event(Instant::MAX), None);
    }

    /// Both sides have emitted and counted the same.
    fn assert_agreed(&mut self) {
        // Pings go on for ever: wait until none is on its way.
        let is_quiet = |pair: &Self| {
            pair.ids.iter().all(|&id| {
                let last = pair.sim[id].stats().last_send.unwrap_or_default();
                pair.sim.now() - last > Duration::from_secs(5)
            })
        };
        while !is_quiet(self) {
            self.run(Duration::from_secs(1));
        }
        let peers = self.ids.map(|id| &self.sim[id]);
        let stats = peers.map(PeerState::stats);
        for (side, peer) in self.sides.iter().zip(peers) {
            assert!(peer.is_established() && side.told.established.is_some());
            assert!(peer.verack_received() && side.told.verack);
            side.assert_drained(peer);
        }
        for (sender, receiver) in [(&stats[0], &stats[1]), (&stats[1], &stats[0])] {
            assert_eq!(sender.bytes_sent, receiver.bytes_received);
            for sent in sender.commands.iter().filter(|of| of.sent.messages > 0) {
                let received = receiver.commands.iter().find(|of| of.command == sent.command);
                assert_eq!(received.map(|of| of.received), Some(sent.sent), "{}", sent.command);
            }
        }
    }
}
