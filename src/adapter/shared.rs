//! The state that a driver and the application share: a peer under a lock, and the threads and
//! tasks that wait for it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::task::Waker;
use core::time::Duration;
use core::{fmt, mem};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Buf;

use super::guard::catch;
use crate::peer::{CloseReason, Event, FrameBatch, PeerState};
use crate::time::Instant;
use crate::wire::InputBuffer;

/// Maximum number of frames, and of parts of frames, in one write.
pub(super) const WRITE_FRAMES: usize = 32;
pub(super) const WRITE_PARTS: usize = 2 * WRITE_FRAMES;

/// How long a driver may take to flush a stream whose remote has ended it.
const FLUSH: Duration = Duration::from_secs(1);

/// The threads or the task that move a peer's bytes and call it in time.
pub(super) trait Driver: Send + Sync {
    fn now(&self) -> Instant;

    /// Wakes the part that writes and keeps the time: there is output, an earlier deadline, or
    /// the end.
    fn wake_writer(&self);

    /// Wakes the part that reads: there is room for input, or the end.
    fn wake_reader(&self);

    /// Ends the stream, as the peer is closed. May be called more than once.
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
    /// Number of threads and tasks of the driver that have not ended.
    pub(super) running: usize,
    pub(super) io_error: Option<Arc<io::Error>>,
    /// Until when the driver may take to flush the stream, once the remote has ended it.
    flush_until: Option<Instant>,
    /// Whether the driver has ended and dropped its stream.
    is_over: bool,
    /// What the driver notices without being woken.
    pub(super) watch: DriverWatch,
    /// Number of threads that wait for events or for the end.
    waiting: usize,
    /// Whether the events were dropped, so that the driver discards them.
    events_dropped: bool,
    /// The waker of the task that waits for events.
    pub(super) receiver: Option<Waker>,
    /// The wakers of the tasks that wait for the end.
    end_wakers: BTreeMap<u64, Waker>,
    next_end_waker: u64,
}

/// What a driver notices without being woken. Most commands give it nothing to do, such as an
/// announcement that waits for the next batch, and a wake-up costs more than the command.
pub(super) struct DriverWatch {
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// When the driver looks at the clock.
    pub(super) until: Instant,
}

impl DriverWatch {
    /// The driver looks at everything before it waits.
    pub(super) const FULLY: Self = Self { reads: true, writes: true, until: Instant::ZERO };
}

impl State {
    pub(super) fn is_closed(&self) -> bool {
        self.peer.close_reason().is_some()
    }

    /// Whether the peer is closed and nothing is left to be sent. When the remote ends the
    /// conversation, what was queued before may be written once more.
    pub(super) fn is_ended(&self) -> bool {
        self.is_closed() && !self.peer.wants_write()
    }

    /// Returns why the peer ended, once its driver has ended as well.
    pub(super) fn end(&self) -> Option<&CloseReason> {
        self.peer.close_reason().filter(|_| self.is_over)
    }

    /// Hands received bytes to the peer. An error is reported by the event that closes the peer.
    pub(super) fn handle_input(&mut self, now: Instant, buffer: &mut InputBuffer) {
        let _ = self.peer.handle_input(now, buffer);
    }

    pub(super) fn lose_connection(&mut self, now: Instant, error: io::Error) {
        if !self.is_closed() {
            self.io_error = Some(Arc::new(error));
        }
        self.peer.handle_connection_lost(now);
    }

    /// Returns the time until which the driver flushes the stream, ends it in our direction and
    /// discards input until the remote ends it in its own.
    pub(super) fn lingers_until(&self, now: Instant) -> Option<Instant> {
        self.linger_until().filter(|&until| now < until)
    }

    pub(super) fn linger_until(&self) -> Option<Instant> {
        self.peer.linger_until().or(self.flush_until)
    }

    /// Notes until when the driver may flush the stream. The peer itself knows nothing of
    /// streams that buffer, and has no more to do after the remote's end.
    fn note_end(&mut self, now: Instant) {
        let is_by_eof = self.peer.close_reason() == Some(&CloseReason::RemoteClosed);
        if is_by_eof && self.flush_until.is_none() {
            self.flush_until = Some(now + FLUSH);
        }
    }

    /// Lends the frames to be written next. Those of a closed peer are lent once, as lending
    /// again would end the last try to write them.
    pub(super) fn lend(&mut self, now: Instant, outgoing: &mut FrameBatch) {
        if !self.is_closed() || !outgoing.has_remaining() {
            *outgoing = self.peer.transmit(now).batch(WRITE_FRAMES);
        }
    }

    /// Notes that bytes of the frames lent were written at `at`, the time before the write.
    pub(super) fn note_written(&mut self, at: Instant, len: usize, outgoing: &mut FrameBatch) {
        // A flush is no write. Its `Transmit` would count as a try.
        if len > 0 {
            self.peer.transmit(at).advance(len);
            *outgoing = FrameBatch::default();
        }
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

    /// Discards the events if nobody takes them.
    pub(super) fn discard_events(&mut self) {
        if self.events_dropped {
            while self.peer.poll_event().is_some() {}
        }
    }

    /// Takes the next event. Also returns whether this ended the back-pressure.
    pub(super) fn next_event(&mut self) -> Option<(Event, bool)> {
        let was_full = !self.takes_input();
        let event = self.peer.poll_event()?;
        Some((event, was_full && self.takes_input()))
    }

    fn takes_input(&self) -> bool {
        self.peer.wants_read() || self.peer.can_resume()
    }

    /// Returns whether the reading part must be woken, and notes that it will be.
    fn must_wake_reader(&mut self) -> bool {
        let must_wake = !self.watch.reads && self.takes_input();
        self.watch.reads |= must_wake;
        must_wake
    }

    /// Returns whether the writing part must be woken, and notes that it will be.
    fn must_wake_writer(&mut self) -> bool {
        let DriverWatch { writes, until, .. } = self.watch;
        let is_due_earlier = self.peer.poll_timeout().is_some_and(|at| at < until);
        let must_wake = is_due_earlier || !writes && self.peer.wants_write();
        if must_wake {
            self.watch.writes = true;
            self.watch.until = Instant::ZERO;
        }
        must_wake
    }

    /// Closes the peer, as nobody takes its events. A shutdown in progress is completed.
    pub(super) fn on_events_dropped(&mut self, now: Instant) {
        self.events_dropped = true;
        if !self.is_closed() && !self.peer.is_shutting_down() {
            self.peer.close(now);
        }
    }
}

impl<D: Driver> Shared<D> {
    pub(super) fn new(mut peer: PeerState, driver: D) -> Arc<Self> {
        peer.defer_traces();
        let state = State {
            peer,
            running: 0,
            io_error: None,
            flush_until: None,
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
    /// Ignores poison: the peer does not panic, so a panic under the lock was in code of the
    /// application's and left the peer consistent.
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

    /// Unlocks after a change by the application or by one part of the driver, and wakes all that
    /// it concerns.
    pub(super) fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>) {
        // This may make room for input.
        state.discard_events();
        let now = self.driver.now();
        state.note_end(now);
        let is_ending = state.is_closed() && !state.is_over;
        let aborts = is_ending && state.is_ended() && state.lingers_until(now).is_none();
        let wakes_writer = is_ending || state.must_wake_writer();
        let wakes_reader = is_ending || state.must_wake_reader();
        self.unlock_and_wake_application(state);
        if wakes_writer {
            self.driver.wake_writer();
        }
        if wakes_reader {
            self.driver.wake_reader();
        }
        if aborts {
            self.driver.abort();
        }
    }

    /// Unlocks after a change by the whole driver, and wakes the application.
    pub(super) fn unlock_and_wake_application(&self, mut state: MutexGuard<'_, State>) {
        state.discard_events();
        state.note_end(self.driver.now());
        let has_events = state.peer.has_events() || state.is_ended();
        let receiver = state.receiver.take_if(|_| has_events);
        let wakes_threads = has_events && state.waiting > 0;
        let has_ended = state.end().is_some();
        let end_wakers = if has_ended { mem::take(&mut state.end_wakers) } else { BTreeMap::new() };
        let traces = state.peer.take_traces();
        // Wakers and subscribers are the application's code, which may use the handle.
        drop(state);
        catch(|| traces.emit());
        if wakes_threads {
            self.changed.notify_all();
        }
        // One that panics must not cost the others their wake-up.
        for waker in receiver.into_iter().chain(end_wakers.into_values()) {
            catch(|| waker.wake());
        }
    }

    /// Waits for a wake-up, which comes when there are events or the end.
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

/// A thread or task of the driver. The peer ends when it is dropped, also if a runtime is shut
/// down and drops its tasks.
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
        // After the end, the other thread may still have something to send.
        if is_last || !state.is_closed() {
            state.lose_connection(now, io::Error::other("the driver of the peer was ended"));
        }
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

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::net::SocketAddr;

    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::{Events, Handle};
    use super::*;
    use crate::hash::Hash;
    use crate::network::Network;
    use crate::peer::{Announced, Config, Relay};
    use crate::time::UnixTime;
    use crate::wire::{EncodedMessage, InvVect, Message, Ping, Version};

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

        /// Does everything there is to do, and waits.
        fn rest(&self) {
            let mut state = self.lock();
            let mut out = state.peer.transmit(Instant::ZERO);
            out.advance(out.remaining());
            drop(out);
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
        let peer =
            PeerState::inbound(config, remote, Instant::ZERO, UnixTime::from_secs(0), &mut rng);
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
    fn a_driver_is_woken_for_what_it_does_not_notice_by_itself() {
        let shared = established();
        for (number, woken) in [(1, (1, 0)), (2, (0, 0)), (3, (0, 0))] {
            let vector = InvVect::tx(Hash::from_bytes([number; 32]));
            let announced =
                shared.with(|peer| peer.announce(Instant::ZERO, vector, Relay::Trickle));
            assert_eq!(announced, Announced::Batched);
            assert_eq!(shared.woken(), woken, "only the first sets a deadline");
        }
        shared.rest();
        shared.with(|peer| peer.ping(Instant::ZERO).unwrap());
        assert_eq!(shared.woken(), (1, 0));
        shared.with(|peer| peer.send(Instant::ZERO, Message::GetAddr).unwrap());
        assert_eq!(shared.woken(), (0, 0), "it is writing already");
        shared.rest();
        shared.with(|peer| peer.update_last_block(Instant::ZERO, 5));
        assert_eq!(shared.woken(), (0, 0));
    }

    #[test]
    fn a_reader_is_woken_when_there_is_room_again() {
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
        shared.lock().is_over = true;
        shared.with(|peer| peer.close(Instant::ZERO));
        assert_eq!(shared.woken(), (0, 0));
    }
}
