//! The simulation: peers, connections and a clock.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};
use core::ops::{Index, IndexMut};
use core::time::Duration;

use super::peer_id::PeerId;
use super::pipe::{Link, Pipe};
use super::random::Random;
use super::schedule::Schedule;
use super::side::{Side, Step};
use crate::peer::{Config, Event, PeerState};
use crate::time::{Instant, UnixTime};

/// A network of peers under one virtual clock, which starts at [`Instant::ZERO`].
///
/// The simulation runs in [`next_event`](Self::next_event). Between its calls, give commands to
/// peers by `sim[id]`. Their effects begin with the next call, at the time of the clock.
///
/// `sim[id]` panics if the peer was [removed](Self::remove) or belongs to another simulation.
/// [`get`](Self::get) and [`get_mut`](Self::get_mut) return `None` then. No other method panics.
pub struct Simulation {
    now: Instant,
    /// The wall clock at [`Instant::ZERO`].
    unix_time: UnixTime,
    random: Random,
    /// Two sides for each connection. `None` stands for a removed peer.
    sides: Vec<Option<Box<Side>>>,
    schedule: Schedule,
}

/// # Setting up
impl Simulation {
    /// Returns a simulation without peers.
    ///
    /// `seed` determines all randomness. `unix_time` is the wall clock of all peers at the
    /// beginning.
    pub const fn new(seed: u64, unix_time: UnixTime) -> Self {
        Self {
            now: Instant::ZERO,
            unix_time,
            random: Random::new(seed),
            sides: Vec::new(),
            schedule: Schedule::new(),
        }
    }

    /// Opens a connection now. Returns the peer that opens it and the one that accepts it.
    ///
    /// Each has its own address in 10.0.0.0/8. The listener has the default port of the network.
    /// Two nodes need [two configurations](super#nodes).
    pub fn connect(
        &mut self,
        caller: impl Into<Arc<Config>>,
        listener: impl Into<Arc<Config>>,
        link: impl Into<Link>,
    ) -> (PeerId, PeerId) {
        const CALLER_PORT: u16 = 49_152;
        let (caller, listener, link) = (caller.into(), listener.into(), link.into());
        let (from, to) = (PeerId(self.sides.len()), PeerId(self.sides.len() + 1));
        let listener_address = address(to, listener.network().default_port());
        let caller_address = address(from, CALLER_PORT);
        let (now, unix_time) = (self.now, self.unix_time());
        let random = &mut self.random;
        let caller = PeerState::outbound(caller, listener_address, now, unix_time, random);
        let listener = PeerState::inbound(listener, caller_address, now, unix_time, random);
        for (peer, incoming) in [(caller, link.to_caller), (listener, link.to_listener)] {
            self.sides.push(Some(Box::new(Side::new(peer, incoming))));
        }
        self.make_ready(from);
        self.make_ready(to);
        (from, to)
    }
}

/// Returns an address that is unique among the first 2^24 peers.
fn address(id: PeerId, port: u16) -> SocketAddr {
    let [.., a, b, c] = (id.0 as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), port))
}

/// # Running
impl Simulation {
    /// Returns the next event of any peer, and sets the clock to its time. Returns `None` if
    /// there is no event up to and including `until`, and sets the clock to `until` unless that
    /// is past.
    ///
    /// Until the next call, the peer remains in its state right after the event. So a command
    /// that answers the event comes before everything else.
    pub fn next_event(&mut self, until: Instant) -> Option<(PeerId, Event)> {
        loop {
            if let Some(next) = self.next_ready_event() {
                return Some(next);
            }
            let Some((at, id)) = self.schedule.pop_wake(until) else {
                self.now = self.now.max(until);
                return None;
            };
            self.now = self.now.max(at);
            if let Some(side) = self.side(id) {
                side.slot.clear_wake();
            }
            self.make_ready(id);
        }
    }

    /// Runs for `time`. Returns all events, each with its time and its peer.
    pub fn run(&mut self, time: Duration) -> Vec<(Instant, PeerId, Event)> {
        let until = self.now + time;
        let mut events = Vec::new();
        while let Some((id, event)) = self.next_event(until) {
            events.push((self.now, id, event));
        }
        events
    }

    /// Returns the time of the clock.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the time of the wall clock.
    pub fn unix_time(&self) -> UnixTime {
        self.unix_time + self.now.since_epoch()
    }
}

/// # Peers
impl Simulation {
    /// Returns a peer, for its getters.
    pub fn get(&self, id: PeerId) -> Option<&PeerState> {
        self.sides.get(id.0)?.as_deref().map(|side| &side.peer)
    }

    /// Returns a peer, for its commands. Leave inputs and outputs to the simulation.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut PeerState> {
        self.make_ready(id);
        self.side(id).map(|side| &mut side.peer)
    }

    /// Returns every peer that was not removed, in the order of creation. Closed peers are
    /// included.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &PeerState)> {
        let sides = self.sides.iter().enumerate();
        sides.filter_map(|(index, side)| Some((PeerId(index), &side.as_deref()?.peer)))
    }

    /// Removes a peer, as if its node had stopped. Its sent bytes still arrive, followed by the
    /// end of the stream. Returns the peer, or `None` if it does not exist.
    ///
    /// A closed peer keeps its memory until it is removed.
    pub fn remove(&mut self, id: PeerId) -> Option<PeerState> {
        let side = self.sides.get_mut(id.0)?.take()?;
        self.schedule.remove_wake(id, &side.slot);
        self.shut_down(id);
        // A full pipe may have blocked it.
        self.make_ready(id.remote());
        Some(side.peer)
    }
}

/// # Connections
///
/// These methods do nothing if the peer does not exist.
impl Simulation {
    /// Replaces the pipe that a peer writes into. Bytes in transit arrive when they would have
    /// arrived before, and no later byte overtakes them.
    pub fn set_pipe(&mut self, writer: PeerId, pipe: Pipe) {
        if let Some(reader) = self.side(writer.remote()) {
            reader.incoming.set_pipe(pipe);
            self.make_ready(writer);
            self.make_ready(writer.remote());
        }
    }

    /// Returns the pipe that a peer writes into, or `None` if its remote was removed. Clone it
    /// to make one that differs in a single setting.
    pub fn pipe(&self, writer: PeerId) -> Option<&Pipe> {
        let reader = self.sides.get(writer.remote().0)?.as_deref()?;
        Some(reader.incoming.pipe())
    }

    /// Sets whether the side of a peer reads arrived bytes. If it does not, its pipe fills up.
    /// By default it does.
    pub fn set_reading(&mut self, reader: PeerId, is_reading: bool) {
        if let Some(side) = self.side(reader) {
            side.is_reading = is_reading;
            self.make_ready(reader);
        }
    }

    /// Ends the stream that a peer writes, behind the bytes that it has sent. The peer still
    /// reads and is not notified. Its further output is stuck.
    pub fn shut_down(&mut self, writer: PeerId) {
        let (now, random) = (self.now, &mut self.random);
        if let Some(reader) = side(&mut self.sides, writer.remote()) {
            reader.incoming.end(now, random);
            self.expect_arrival(writer.remote());
        }
    }

    /// Breaks a connection for both sides at once. Bytes in transit are lost.
    pub fn reset(&mut self, id: PeerId) {
        let now = self.now;
        for id in [id, id.remote()] {
            if let Some(side) = self.side(id) {
                side.incoming.reset();
                side.peer.handle_connection_lost(now);
                self.make_ready(id);
            }
        }
    }
}

/// The run loop of all peers.
impl Simulation {
    fn side(&mut self, id: PeerId) -> Option<&mut Side> {
        side(&mut self.sides, id)
    }

    /// Runs the peers that are ready, up to the first event.
    fn next_ready_event(&mut self) -> Option<(PeerId, Event)> {
        while let Some(id) = self.schedule.first_ready() {
            if let Some(event) = self.side(id).and_then(|side| side.peer.poll_event()) {
                return Some((id, event));
            }
            self.step(id);
        }
        None
    }

    /// Does one thing that the first ready peer has to do now, or suspends it.
    fn step(&mut self, id: PeerId) {
        let now = self.now;
        let Some((side, mut remote)) = side_and_remote(&mut self.sides, id) else {
            self.schedule.pop_ready();
            return;
        };
        if side.incoming.is_reset_due(now) {
            self.reset(id);
            return;
        }
        let step = side.step(remote.as_deref_mut(), now, &mut self.random);
        let is_reset_due = remote.is_some_and(|remote| remote.incoming.is_reset_due(now));
        match step {
            Step::Idle { wakes_at } => self.suspend(id, wakes_at),
            Step::Peer => {}
            Step::Read => self.make_ready(id.remote()),
            Step::Wrote => {
                if is_reset_due {
                    self.make_ready(id.remote());
                }
                self.expect_arrival(id.remote());
            }
            Step::EndedStream => self.expect_arrival(id.remote()),
        }
    }

    fn make_ready(&mut self, id: PeerId) {
        if let Some(side) = side(&mut self.sides, id) {
            self.schedule.make_ready(id, &mut side.slot);
        }
    }

    /// Removes the first peer from those that are ready, and lets it run again at `wakes_at`.
    fn suspend(&mut self, id: PeerId, wakes_at: Option<Instant>) {
        self.schedule.pop_ready();
        if let Some(side) = side(&mut self.sides, id) {
            side.slot.clear_ready();
            if let Some(at) = wakes_at {
                self.schedule.wake_at(id, &mut side.slot, at);
            }
        }
    }

    /// Lets a peer run when bytes arrive that were sent to it. Its other times are unchanged, and
    /// [`suspend`](Self::suspend) has set them or will.
    fn expect_arrival(&mut self, id: PeerId) {
        let Some(side) = side(&mut self.sides, id) else { return };
        match side.incoming.next_arrival() {
            Some(at) if at <= self.now => self.schedule.make_ready(id, &mut side.slot),
            Some(at) => self.schedule.wake_at(id, &mut side.slot, at),
            None => {}
        }
    }
}

fn side(sides: &mut [Option<Box<Side>>], id: PeerId) -> Option<&mut Side> {
    sides.get_mut(id.0)?.as_deref_mut()
}

/// Returns a side of a connection and the other one.
fn side_and_remote(
    sides: &mut [Option<Box<Side>>],
    id: PeerId,
) -> Option<(&mut Side, Option<&mut Side>)> {
    let [side, remote] = sides.get_disjoint_mut([id.0, id.remote().0]).ok()?;
    Some((side.as_deref_mut()?, remote.as_deref_mut()))
}

/// # Panics
///
/// Panics if the peer does not exist.
impl Index<PeerId> for Simulation {
    type Output = PeerState;

    fn index(&self, id: PeerId) -> &PeerState {
        self.get(id).expect("a peer of this simulation that was not removed")
    }
}

/// # Panics
///
/// Panics if the peer does not exist.
impl IndexMut<PeerId> for Simulation {
    fn index_mut(&mut self, id: PeerId) -> &mut PeerState {
        self.get_mut(id).expect("a peer of this simulation that was not removed")
    }
}

/// Shows the time and the number of peers only.
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
