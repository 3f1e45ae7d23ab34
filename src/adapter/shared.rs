//! What the application and a driver have between them: a peer under a lock, and those who
//! wait for it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::task::Waker;
use core::time::Duration;
use core::{fmt, mem};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::guard::catch;
use crate::peer::{CloseReason, Event, PeerState};
use crate::time::Instant;

/// Frames and parts of frames that a driver writes at once, at most.
pub(super) const WRITE_FRAMES: usize = 32;
pub(super) const WRITE_PARTS: usize = 2 * WRITE_FRAMES;

/// The threads or the task that move a peer's bytes and keep its time.
pub(super) trait Driver: Send + Sync {
    fn now(&self) -> Instant;

    /// There is something to write or a nearer deadline, or the end has come.
    fn wake_writer(&self);

    /// There is room for input, or the end has come.
    fn wake_reader(&self);

    /// The peer is closed: whatever moves its bytes must end. May be called more than once.
    fn abort(&self);
}

pub(super) struct Shared<D: ?Sized> {
    state: Mutex<State>,
    /// Wakes threads that wait for events or for the end.
    changed: Condvar,
    pub(super) driver: D,
}

/// Wakers in here are cloned, woken and dropped without the lock only, as that runs code of the
/// application's.
pub(super) struct State {
    pub(super) peer: PeerState,
    /// Threads or tasks of the driver that have not ended.
    pub(super) running: usize,
    pub(super) io_error: Option<Arc<io::Error>>,
    /// Whether the driver has ended and dropped its stream.
    is_over: bool,
    /// What the driver does without being woken.
    pub(super) watch: DriverWatch,
    /// Threads that wait for events or for the end.
    waiting: usize,
    /// Whether nobody takes the events any more.
    events_dropped: bool,
    /// The task that waits for events: there is one receiver at most.
    pub(super) receiver: Option<Waker>,
    /// The tasks that wait for the end, by numbers of their own.
    end_wakers: BTreeMap<u64, Waker>,
    next_end_waker: u64,
}

/// What a driver does without being woken. Most of what an application does brings it nothing,
/// an announcement that waits for company least of all, and waking it each time would cost
/// more than all the rest.
pub(super) struct DriverWatch {
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// When it looks at the clock.
    pub(super) until: Instant,
}

impl DriverWatch {
    /// It looks at everything before it rests.
    pub(super) const FULLY: Self = Self { reads: true, writes: true, until: Instant::ZERO };
}

impl State {
    pub(super) fn is_closed(&self) -> bool {
        self.peer.close_reason().is_some()
    }

    /// Returns why the peer ended, once its driver has ended as well.
    pub(super) fn end(&self) -> Option<&CloseReason> {
        self.peer.close_reason().filter(|_| self.is_over)
    }

    pub(super) fn lose_connection(&mut self, now: Instant, error: io::Error) {
        if !self.is_closed() {
            self.io_error = Some(Arc::new(error));
            self.peer.handle_connection_lost(now);
        }
    }

    /// Until when the remote's end of stream is waited for.
    pub(super) fn lingers_until(&self, now: Instant) -> Option<Instant> {
        self.peer.linger_until().filter(|&until| now < until)
    }

    /// Whether `waker` is the one to be woken by an event.
    pub(super) fn is_receiver(&self, waker: &Waker) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(waker))
    }

    /// Whether `waker` is the one to be woken at the end under that number.
    pub(super) fn is_end_waker(&self, number: Option<u64>, waker: &Waker) -> bool {
        let known = number.and_then(|number| self.end_wakers.get(&number));
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Registers a waker to be woken at the end, under the number given or a new one. Returns
    /// the number and the waker that was replaced.
    pub(super) fn wake_at_end(
        &mut self,
        number: Option<u64>,
        waker: Waker,
    ) -> (u64, Option<Waker>) {
        let number = number.unwrap_or_else(|| {
            self.next_end_waker += 1;
            self.next_end_waker
        });
        (number, self.end_wakers.insert(number, waker))
    }

    /// Removes and returns a waker of [`wake_at_end`](Self::wake_at_end).
    pub(super) fn forget_end_waker(&mut self, number: u64) -> Option<Waker> {
        self.end_wakers.remove(&number)
    }

    /// Takes the events in place of those who do not want them any more.
    pub(super) fn pass_over_events(&mut self) {
        if self.events_dropped {
            while self.peer.poll_event().is_some() {}
        }
    }

    /// Takes the next event. Tells whether that made room for input where there was none.
    pub(super) fn next_event(&mut self) -> Option<(Event, bool)> {
        let was_held = !self.takes_input();
        let event = self.peer.poll_event()?;
        Some((event, was_held && self.takes_input()))
    }

    fn takes_input(&self) -> bool {
        self.peer.wants_read() || self.peer.can_resume()
    }

    /// Whether the driver rests while the peer has room for more input, and will no more.
    fn awakes_reader(&mut self) -> bool {
        let rests = !self.watch.reads && self.takes_input();
        self.watch.reads |= rests;
        rests
    }

    /// Whether the driver rests while there is something to write, or longer than it should,
    /// and will no more.
    fn awakes_writer(&mut self) -> bool {
        let DriverWatch { writes, until, .. } = self.watch;
        let is_due_before = self.peer.poll_timeout().is_some_and(|at| at < until);
        let rests = is_due_before || !writes && self.peer.wants_write();
        if rests {
            self.watch.writes = true;
            self.watch.until = Instant::ZERO;
        }
        rests
    }

    /// Nobody takes the events any more: nothing more is worth doing than what a shutdown
    /// that is under way has promised.
    pub(super) fn on_events_dropped(&mut self) {
        self.events_dropped = true;
        if !self.peer.is_shutting_down() && self.peer.linger_until().is_none() {
            self.peer.close();
        }
    }
}

impl<D: Driver> Shared<D> {
    pub(super) fn new(peer: PeerState, driver: D) -> Arc<Self> {
        let state = State {
            peer,
            running: 0,
            io_error: None,
            is_over: false,
            watch: DriverWatch::FULLY,
            waiting: 0,
            events_dropped: false,
            receiver: None,
            end_wakers: BTreeMap::new(),
            next_end_waker: 0,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), driver })
    }
}

impl<D: Driver + ?Sized> Shared<D> {
    /// A panic elsewhere leaves a peer that is still sound, as it never panics itself.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the peer as `name(peer)`, or `name(in use)` if another thread or this one has the
    /// lock: a debug output inside of [`Handle::with`](super::Handle::with) must not wait for it.
    pub(super) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return f.debug_tuple(name).field(&format_args!("in use")).finish();
            }
        };
        f.debug_tuple(name).field(&state.peer).finish()
    }

    /// Unlocks what the application or a part of the driver has changed.
    pub(super) fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>) {
        // Before it is told what there is room for.
        state.pass_over_events();
        let is_ending = state.is_closed() && !state.is_over;
        let aborts = is_ending && state.lingers_until(self.driver.now()).is_none();
        let awakes_writer = is_ending || state.awakes_writer();
        let awakes_reader = is_ending || state.awakes_reader();
        self.unlock_and_wake_application(state);
        if awakes_writer {
            self.driver.wake_writer();
        }
        if awakes_reader {
            self.driver.wake_reader();
        }
        if aborts {
            self.driver.abort();
        }
    }

    /// Unlocks what the driver has changed, which knows of it.
    pub(super) fn unlock_and_wake_application(&self, mut state: MutexGuard<'_, State>) {
        state.pass_over_events();
        let has_events = state.peer.has_events() || state.is_closed();
        let receiver = state.receiver.take_if(|_| has_events);
        let awakes_threads = has_events && state.waiting > 0;
        let has_ended = state.end().is_some();
        let end_wakers = if has_ended { mem::take(&mut state.end_wakers) } else { BTreeMap::new() };
        // Wakers are the application's code, which may use the handle.
        drop(state);
        if awakes_threads {
            self.changed.notify_all();
        }
        // One that panics must not cost the others their wake-up.
        for waker in receiver.into_iter().chain(end_wakers.into_values()) {
            catch(|| waker.wake());
        }
    }

    /// Waits until there may be events or the end.
    pub(super) fn wait_for_change<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = wait(&self.changed, state, timeout);
        state.waiting -= 1;
        state
    }
}

pub(super) fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, State> {
    match timeout {
        Some(timeout) => {
            let waited = condition.wait_timeout(state, timeout);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
        None => condition.wait(state).unwrap_or_else(PoisonError::into_inner),
    }
}

/// A thread or task of the driver. When it ends the peer does, even if that comes of a panic
/// in a stream or of a runtime that is shut down.
pub(super) struct DriverGuard<D: Driver>(Arc<Shared<D>>);

impl<D: Driver> DriverGuard<D> {
    pub(super) fn new(shared: &Arc<Shared<D>>) -> Self {
        shared.lock().running += 1;
        Self(shared.clone())
    }

    pub(super) fn shared(&self) -> &Shared<D> {
        &self.0
    }
}

impl<D: Driver> Drop for DriverGuard<D> {
    fn drop(&mut self) {
        let Self(shared) = self;
        let mut state = shared.lock();
        state.running -= 1;
        let is_last = state.running == 0;
        let now = shared.driver.now();
        state.lose_connection(now, io::Error::other("what drives the peer was ended"));
        shared.unlock_and_wake(state);
        if is_last {
            // The stream is dropped before anyone learns of the end.
            shared.driver.abort();
            let mut state = shared.lock();
            state.is_over = true;
            shared.unlock_and_wake_application(state);
        }
    }
}

pub(super) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::net::SocketAddr;

    use bytes::{Buf, BytesMut};
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::{Events, Handle};
    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::peer::{Announced, Config, Relay};
    use crate::wire::{EncodedMessage, InvVect, Message, Ping, Version};

    const NETWORK: Network = Network::EXCC_REGNET;

    /// Does nothing but count how often it is woken, at a time that is set.
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

        /// Does all there is to do, and rests.
        fn rest(&self) {
            let mut state = self.lock();
            let mut out = state.peer.transmit(Instant::ZERO);
            out.advance(out.remaining());
            state.watch = DriverWatch {
                reads: state.peer.wants_read(),
                writes: false,
                until: state.peer.poll_timeout().unwrap_or(Instant::MAX),
            };
        }

        fn with<T>(self: &Arc<Self>, call: impl FnOnce(&mut PeerState) -> T) -> T {
            Handle::new(self.clone()).with(|peer, _| call(peer))
        }
    }

    fn frames(messages: impl IntoIterator<Item = Message>) -> BytesMut {
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
        let peer = PeerState::inbound(config, remote, Instant::ZERO, 0, &mut rng);
        let shared = Shared::new(peer, Counting::default());
        shared.lock().running = 1;
        let version = Version { protocol_version: 8, nonce: 1, ..Version::default() };
        shared.with(|peer| {
            let mut opening = frames([version.into(), Message::VerAck]);
            peer.handle_input(Instant::ZERO, &mut opening).unwrap();
            while peer.poll_event().is_some() {}
        });
        shared.rest();
        shared.woken();
        shared
    }

    #[test]
    fn a_driver_is_woken_for_what_it_would_not_see_by_itself() {
        let shared = established();
        for (number, woken) in [(1, (1, 0)), (2, (0, 0)), (3, (0, 0))] {
            let vector = InvVect::tx(Hash::from_bytes([number; 32]));
            let announced =
                shared.with(|peer| peer.announce(Instant::ZERO, vector, Relay::Trickle));
            assert_eq!(announced, Announced::Queued);
            assert_eq!(shared.woken(), woken, "only the first sets a deadline");
        }
        shared.rest();
        shared.with(|peer| peer.ping().unwrap());
        assert_eq!(shared.woken(), (1, 0));
        shared.with(|peer| peer.send(Message::GetAddr).unwrap());
        assert_eq!(shared.woken(), (0, 0), "it is at it already");
        shared.rest();
        shared.with(|peer| peer.update_last_block(5));
        assert_eq!(shared.woken(), (0, 0));
    }

    #[test]
    fn a_reader_is_woken_where_there_is_room_again() {
        let shared = established();
        let mut pings = frames((1..9).map(|nonce| Message::Ping(Ping { nonce })));
        shared.with(|peer| peer.handle_input(Instant::ZERO, &mut pings).unwrap());
        shared.rest();
        shared.woken();
        assert!(!shared.lock().peer.wants_read());
        shared.with(|peer| while peer.poll_event().is_some() {});
        assert_eq!(shared.woken(), (0, 1));
    }

    #[test]
    fn a_remote_is_held_back_until_its_events_are_taken_and_no_longer() {
        let shared = established();
        let mut pings = frames((1..9).map(|nonce| Message::Ping(Ping { nonce })));
        shared.with(|peer| peer.handle_input(Instant::ZERO, &mut pings).unwrap());
        assert!(!shared.lock().peer.wants_read());

        *shared.driver.now.lock().unwrap() = Instant::from_secs(5);
        let mut events = Events::new(shared.clone());
        while events.try_recv().is_some() {}
        let idles_until = |secs| {
            shared.with(|peer| peer.handle_timeout(Instant::from_secs(secs)));
            shared.lock().peer.close_reason().cloned()
        };
        assert_eq!(idles_until(14), None);
        assert_eq!(idles_until(15), Some(CloseReason::IdleTimeout));
    }

    #[test]
    fn the_end_wakes_everybody_until_nobody_is_left() {
        let shared = established();
        shared.with(PeerState::close);
        assert_eq!(shared.woken(), (1, 1));
        shared.with(PeerState::close);
        assert_eq!(shared.woken(), (1, 1), "whoever had not heard of it yet");
        shared.lock().is_over = true;
        shared.with(PeerState::close);
        assert_eq!(shared.woken(), (0, 0));
    }
}
