//! A deterministic network of [`PeerState`]s under virtual time, for those who simulate
//! thousands of peers on one thread, test against odd connections, or fuzz.
//!
//! A [`Simulation`] has a clock and connections. Each connection has two peers, one at each
//! end, and a [`Pipe`] each way, with the latency, bandwidth, buffers and [`Faults`] that
//! are wanted. The simulation does for every peer what a run loop would; what is left to do
//! is what an application does: take events, and give commands in answer.
//!
//! ```
//! use std::time::Duration;
//! use excc_peer::sim::{Pipe, Simulation};
//! use excc_peer::wire::Message;
//! use excc_peer::{Config, Event, Instant, Network};
//!
//! let mut sim = Simulation::new(1, 1_700_000_000);
//! let config = || Config::builder(Network::EXCC_MAINNET).build();
//! let line = Pipe::new().latency(Duration::from_millis(150)).bandwidth(10_000);
//! let (caller, listener) = sim.connect(config()?, config()?, line);
//!
//! let end = Instant::from_secs(10);
//! let mut addresses_asked_for_at = None;
//! while let Some((peer, event)) = sim.next_event(end) {
//!     match event {
//!         Event::Established(_) if peer == caller => {
//!             let now = sim.now();
//!             sim[caller].send(now, Message::GetAddr).expect("the handshake is done");
//!         }
//!         Event::Message { message: Message::GetAddr, .. } => {
//!             assert_eq!(peer, listener);
//!             addresses_asked_for_at = Some(sim.now());
//!         }
//!         Event::Closed(reason) => panic!("{reason}"),
//!         _ => {}
//!     }
//! }
//! // Two versions and the request have been on their way.
//! assert!(addresses_asked_for_at > Some(Instant::from_millis(450)));
//! assert_eq!(sim.now(), end);
//! # Ok::<(), excc_peer::ConfigError>(())
//! ```
//!
//! # Nodes
//!
//! The simulation knows peers, which are ends of connections. A node that has many
//! connections is the application's to model: keep a map from [`PeerId`]s to nodes. Peers of
//! one node share its [`Config`], in an `Arc` or as clones; two nodes need one each, because
//! a peer whose configuration came from the same [`build`](crate::ConfigBuilder::build)
//! takes the other for itself and closes.
//!
//! # Determinism
//!
//! All randomness, that of the peers included, comes from the seed of the simulation. The
//! same seed, the same calls in the same order and the same version of this crate give the
//! same run, on every machine. Time passes by events only: nothing sleeps and no clock is
//! read.
//!
//! # Cost
//!
//! A step costs the logarithm of the number of connections; a peer that has nothing to do
//! costs nothing but its memory.

mod flow;
mod pipe;
mod random;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};
use core::ops::{Index, IndexMut};
use core::time::Duration;

use bytes::Buf;

pub use pipe::{Faults, Link, Pipe};

use flow::{Arrival, Flow};
use random::Random;

use crate::peer::{Config, Event, PeerState};
use crate::time::{Instant, UnixTime};
use crate::wire::InputBuffer;

/// Most bytes of one write.
const CHUNK: usize = 64 * 1024;

/// Names a peer of a [`Simulation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(usize);

impl PeerId {
    /// A number of its own: the first connection has 0 for its caller and 1 for its
    /// listener, the next 2 and 3, and so on. None is used again.
    pub const fn index(self) -> usize {
        self.0
    }

    /// The peer at the other end of the connection.
    pub const fn remote(self) -> Self {
        Self(self.0 ^ 1)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network of peers under one virtual clock, which starts at [`Instant::ZERO`].
///
/// [`next_event`](Self::next_event) is what makes anything happen. Between its calls, give
/// commands to peers by `sim[id]`. What they bring about begins with the next call, at the
/// time that the clock shows.
///
/// `sim[id]` panics if there is no such peer, because it was [removed](Self::remove) or is
/// one of another simulation; [`get`](Self::get) and [`get_mut`](Self::get_mut) do not. No
/// other method panics.
pub struct Simulation {
    now: Instant,
    /// Unix seconds at [`Instant::ZERO`].
    unix_time: UnixTime,
    random: Random,
    /// Two in each connection.
    sides: Vec<Option<Box<Side>>>,
    /// Those that may have something to do now.
    ready: VecDeque<PeerId>,
    /// When others may: one entry for each that has [`Side::wakes_at`].
    wakes: BTreeSet<(Instant, PeerId)>,
}

/// One end of a connection.
struct Side {
    peer: PeerState,
    /// What is under way to here.
    incoming: Flow,
    /// What has come and was not taken.
    buffer: InputBuffer,
    is_reading: bool,
    is_ready: bool,
    wakes_at: Option<Instant>,
}

/// # Setting up
impl Simulation {
    /// A simulation without peers.
    ///
    /// All randomness follows from `seed`. `unix_time` is what the wall clocks of all peers
    /// show at the beginning, in Unix seconds.
    pub const fn new(seed: u64, unix_time: UnixTime) -> Self {
        Self {
            now: Instant::ZERO,
            unix_time,
            random: Random::new(seed),
            sides: Vec::new(),
            ready: VecDeque::new(),
            wakes: BTreeSet::new(),
        }
    }

    /// Opens a connection now. Returns the peer that opens it and the one that accepts it.
    ///
    /// Each has an address of its own in 10.0.0.0/8, the listener at the default port of
    /// the network. Two nodes need [configurations of their own](self#nodes).
    pub fn connect(
        &mut self,
        caller: impl Into<Arc<Config>>,
        listener: impl Into<Arc<Config>>,
        link: impl Into<Link>,
    ) -> (PeerId, PeerId) {
        const CALLER_PORT: u16 = 49_152;
        let (caller, listener, link) = (caller.into(), listener.into(), link.into());
        let (to, from) = (PeerId(self.sides.len() + 1), PeerId(self.sides.len()));
        let listener_address = address(to, listener.network().default_port());
        let caller_address = address(from, CALLER_PORT);
        let (now, unix_time) = (self.now, self.unix_time());
        let random = &mut self.random;
        let caller = PeerState::outbound(caller, listener_address, now, unix_time, random);
        let listener = PeerState::inbound(listener, caller_address, now, unix_time, random);
        for (peer, pipe) in [(caller, link.to_caller), (listener, link.to_listener)] {
            self.sides.push(Some(Box::new(Side {
                peer,
                incoming: Flow::new(pipe),
                buffer: InputBuffer::new(),
                is_reading: true,
                is_ready: false,
                wakes_at: None,
            })));
        }
        self.make_ready(from);
        self.make_ready(to);
        (from, to)
    }
}

/// An address that no other peer has, as long as there are less than 2^24.
fn address(id: PeerId, port: u16) -> SocketAddr {
    let [.., a, b, c] = (id.0 as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), port))
}

/// # Running
impl Simulation {
    /// The next event of any peer, at the time that [`now`](Self::now) then shows. `None` if
    /// there is none up to and including `until`, which is what the clock then shows unless
    /// that is past.
    ///
    /// Until the next call, the peer is as it is right after the event, so that a command
    /// given in answer comes before everything that would follow.
    pub fn next_event(&mut self, until: Instant) -> Option<(PeerId, Event)> {
        loop {
            while let Some(&id) = self.ready.front() {
                if let Some(event) = self.side(id).and_then(|side| side.peer.poll_event()) {
                    return Some((id, event));
                }
                if !self.progress(id) {
                    self.ready.pop_front();
                    if let Some(side) = self.side(id) {
                        side.is_ready = false;
                        self.schedule(id);
                    }
                }
            }
            match self.wakes.first() {
                Some(&(at, id)) if at <= until => {
                    self.wakes.pop_first();
                    self.now = self.now.max(at);
                    if let Some(side) = self.side(id) {
                        side.wakes_at = None;
                    }
                    self.make_ready(id);
                }
                _ => {
                    self.now = self.now.max(until);
                    return None;
                }
            }
        }
    }

    /// Lets time pass, and returns what happened meanwhile: when, to whom, and what.
    pub fn run(&mut self, time: Duration) -> Vec<(Instant, PeerId, Event)> {
        let until = self.now + time;
        let mut events = Vec::new();
        while let Some((id, event)) = self.next_event(until) {
            events.push((self.now, id, event));
        }
        events
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The wall clock, in Unix seconds.
    pub fn unix_time(&self) -> UnixTime {
        self.unix_time + self.now.since_epoch()
    }
}

/// # Peers
impl Simulation {
    /// A peer, for its getters.
    pub fn get(&self, id: PeerId) -> Option<&PeerState> {
        self.sides.get(id.0)?.as_deref().map(|side| &side.peer)
    }

    /// A peer, for its commands. Inputs and outputs are the simulation's to handle.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut PeerState> {
        self.make_ready(id);
        self.side(id).map(|side| &mut side.peer)
    }

    /// Every peer that was not removed, closed ones too, in the order of their making.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &PeerState)> {
        let sides = self.sides.iter().enumerate();
        sides.filter_map(|(index, side)| Some((PeerId(index), &side.as_deref()?.peer)))
    }

    /// Takes a peer out, as if its node had stopped running: what it has written still
    /// arrives, and then the end of the stream. Returns it, unless there is none.
    ///
    /// A peer that is closed stays until it is removed, for its getters, and keeps its
    /// memory.
    pub fn remove(&mut self, id: PeerId) -> Option<PeerState> {
        let side = self.sides.get_mut(id.0)?.take()?;
        if let Some(at) = side.wakes_at {
            self.wakes.remove(&(at, id));
        }
        self.shut_down(id);
        // It may have been blocked.
        self.make_ready(id.remote());
        Some(side.peer)
    }
}

/// # Connections
///
/// Where there is no such peer, these do nothing.
impl Simulation {
    /// Replaces the pipe that a peer writes into. What is under way arrives as it would
    /// have, and nothing overtakes it.
    pub fn set_pipe(&mut self, writer: PeerId, pipe: Pipe) {
        if let Some(reader) = self.side(writer.remote()) {
            reader.incoming.set_pipe(pipe);
            self.make_ready(writer);
            self.make_ready(writer.remote());
        }
    }

    /// The pipe that a peer writes into, unless its remote was removed. A clone of it is a
    /// start for one that differs in one respect.
    pub fn pipe(&self, writer: PeerId) -> Option<&Pipe> {
        let reader = self.sides.get(writer.remote().0)?.as_deref()?;
        Some(reader.incoming.pipe())
    }

    /// Whether a peer's side reads what arrives, as it does at first. If it does not, its
    /// pipe fills up.
    pub fn set_reading(&mut self, reader: PeerId, reads: bool) {
        if let Some(side) = self.side(reader) {
            side.is_reading = reads;
            self.make_ready(reader);
        }
    }

    /// Ends the stream that a peer writes, once what it has written arrives. It still reads,
    /// and is not told; what more it wants to write is stuck.
    pub fn shut_down(&mut self, writer: PeerId) {
        let (now, random) = (self.now, &mut self.random);
        if let Some(reader) = side(&mut self.sides, writer.remote()) {
            reader.incoming.end(now, random);
            self.expect_arrival(writer.remote());
        }
    }

    /// Breaks a connection, for both of its sides and at once. What is under way is lost.
    pub fn reset(&mut self, id: PeerId) {
        let now = self.now;
        for id in [id, id.remote()] {
            if let Some(side) = self.side(id) {
                side.incoming.cut();
                side.peer.handle_connection_lost(now);
                self.make_ready(id);
            }
        }
    }
}

/// What a run loop does.
impl Simulation {
    fn side(&mut self, id: PeerId) -> Option<&mut Side> {
        side(&mut self.sides, id)
    }

    fn make_ready(&mut self, id: PeerId) {
        if let Some(side) = self.side(id)
            && !side.is_ready
        {
            side.is_ready = true;
            self.ready.push_back(id);
        }
    }

    /// Sees to it that a peer is looked at when what entered its pipe arrives.
    fn expect_arrival(&mut self, id: PeerId) {
        let now = self.now;
        match self.side(id).and_then(|side| side.incoming.next_arrival()) {
            Some(at) if at <= now => self.make_ready(id),
            _ => self.schedule(id),
        }
    }

    /// Sees to it that a peer that has nothing to do now is looked at when it will.
    fn schedule(&mut self, id: PeerId) {
        let now = self.now;
        let Some(side) = self.side(id) else { return };
        // What has arrived and is not read waits for something else than time.
        let arrival = side.incoming.next_arrival().filter(|&at| at > now);
        let next = [side.peer.poll_timeout(), arrival, side.incoming.breaks_at()];
        let Some(at) = next.into_iter().flatten().min() else { return };
        // A deadline that has moved on is cheaper to find out about than to follow.
        if side.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            let replaced = side.wakes_at.replace(at);
            if let Some(wakes_at) = replaced {
                self.wakes.remove(&(wakes_at, id));
            }
            self.wakes.insert((at, id));
        }
    }

    /// Does one thing that a peer has to do now. Returns whether there was any.
    fn progress(&mut self, id: PeerId) -> bool {
        let now = self.now;
        if self.side(id).is_some_and(|side| side.incoming.breaks(now)) {
            self.reset(id);
            return true;
        }
        self.write(id) || self.read(id) || self.time_out(id)
    }

    fn write(&mut self, id: PeerId) -> bool {
        let now = self.now;
        let Some((side, remote)) = side_and_remote(&mut self.sides, id) else { return false };
        let Some(remote) = remote else {
            // What nobody reads is lost.
            let mut out = side.peer.transmit(now);
            let len = out.remaining();
            out.advance(len);
            return len > 0;
        };
        let mut out = side.peer.transmit(now);
        let len = out.remaining().min(remote.incoming.room()).min(CHUNK);
        let bytes = out.copy_to_bytes(len);
        drop(out);
        if len > 0 {
            remote.incoming.enter(bytes, now, &mut self.random);
            if remote.incoming.breaks(now) {
                self.make_ready(id.remote());
            }
        } else if side.peer.close_reason().is_some() && !remote.incoming.has_ended() {
            remote.incoming.end(now, &mut self.random);
        } else {
            // The end of a peer comes after a last try to write, even if there is no room.
            return side.peer.has_events();
        }
        self.expect_arrival(id.remote());
        true
    }

    fn read(&mut self, id: PeerId) -> bool {
        let now = self.now;
        let Some(side) = self.side(id) else { return false };
        // An error is also the last event.
        if side.peer.can_resume() {
            _ = side.peer.handle_input(now, &mut side.buffer);
            return true;
        }
        // What comes for a closed peer is read by nobody, and lost.
        let is_closed = side.peer.close_reason().is_some();
        let reads = side.is_reading && side.peer.wants_read();
        if !(reads || is_closed) {
            return false;
        }
        match side.incoming.take(now) {
            None => return false,
            Some(_) if is_closed => side.buffer = InputBuffer::new(),
            Some(Arrival::End) => side.peer.handle_eof(now),
            Some(Arrival::Bytes(bytes)) => {
                side.buffer.extend_from_slice(&bytes);
                _ = side.peer.handle_input(now, &mut side.buffer);
            }
        }
        // The pipe has room again.
        self.make_ready(id.remote());
        true
    }

    fn time_out(&mut self, id: PeerId) -> bool {
        let now = self.now;
        let Some(side) = self.side(id) else { return false };
        let is_due = side.peer.poll_timeout().is_some_and(|at| at <= now);
        if is_due {
            side.peer.handle_timeout(now);
        }
        is_due
    }
}

fn side(sides: &mut [Option<Box<Side>>], id: PeerId) -> Option<&mut Side> {
    sides.get_mut(id.0)?.as_deref_mut()
}

/// A side of a connection, and the other one.
fn side_and_remote(
    sides: &mut [Option<Box<Side>>],
    id: PeerId,
) -> Option<(&mut Side, Option<&mut Side>)> {
    let [side, remote] = sides.get_disjoint_mut([id.0, id.remote().0]).ok()?;
    Some((side.as_deref_mut()?, remote.as_deref_mut()))
}

/// # Panics
///
/// If there is no such peer.
impl Index<PeerId> for Simulation {
    type Output = PeerState;

    fn index(&self, id: PeerId) -> &PeerState {
        self.get(id).expect("the peer is one of this simulation and was not removed")
    }
}

/// # Panics
///
/// If there is no such peer.
impl IndexMut<PeerId> for Simulation {
    fn index_mut(&mut self, id: PeerId) -> &mut PeerState {
        self.get_mut(id).expect("the peer is one of this simulation and was not removed")
    }
}

/// Tells the time and the number of peers only.
impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("now", &self.now)
            .field("peers", &self.peers().count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
