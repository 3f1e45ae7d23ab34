//! Waiting for events and for the end, by threads and by tasks without a runtime.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use excc_peer::adapter::Handle;
use excc_peer::wire::{Message, Ping, Pong};
use excc_peer::{CloseReason, Event};

use crate::harness::*;
use crate::link::Setup;

over_both! {
    tasks_without_a_runtime_wait_for_events_and_the_end,
    the_end_wakes_every_thread_and_task,
    waits_may_be_dropped,
    the_latest_task_that_polls_is_woken,
    tasks_owned_by_a_waker_are_dropped_without_the_lock,
    dropping_a_receive_loses_no_event,
    a_receive_ends_at_its_timeout,
    threads_share_a_handle,
    a_handle_works_after_a_panic,
    debug_output_does_not_wait_for_the_peer,
    wakers_that_panic_do_not_affect_others,
    wakers_that_panic_when_dropped_have_no_effect,
}

/// Counts wake-ups.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn tasks_without_a_runtime_wait_for_events_and_the_end(driver: Driver) {
    let (far, near) = sockets();
    let (alice, mut alice_events) = driver.inbound(config(), near);
    let (bob, mut bob_events) = driver.outbound(config(), far);
    thread::scope(|scope| {
        scope.spawn(|| {
            block_on(async {
                while let Some(event) = bob_events.recv().await {
                    if let Event::Established(_) = event {
                        bob.ping().unwrap();
                    }
                    if let Event::RoundTrip { .. } = event {
                        bob.close();
                    }
                }
                assert_eq!(bob.closed().await, CloseReason::Local);
            });
        });
        block_on(async {
            let mut last = None;
            while let Some(event) = poll_fn(|context| alice_events.poll_recv(context)).await {
                last = Some(event);
            }
            assert_eq!(last, Some(Event::Closed(CloseReason::RemoteClosed)));
            assert_eq!(alice.closed().await, CloseReason::RemoteClosed);
        });
    });
}

fn the_end_wakes_every_thread_and_task(driver: Driver) {
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let mut waits: Vec<_> = (0..4).map(|_| (alice.closed(), Arc::<Woken>::default())).collect();
    for (wait, woken) in &mut waits {
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        for _ in 0..2 {
            assert!(std::pin::Pin::new(&mut *wait).poll(&mut context).is_pending());
        }
    }
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(wait_closed(&alice), CloseReason::Local));
            scope.spawn(|| assert_eq!(block_on(alice.closed()), CloseReason::Local));
        }
        alice.close();
    });
    for (wait, woken) in &mut waits {
        wait_for("a task to be woken", || woken.times() == 1);
        assert_eq!(poll_once(wait), Poll::Ready(CloseReason::Local));
    }
    assert_eq!(poll_once(&mut alice.closed()), Poll::Ready(CloseReason::Local));
}

fn waits_may_be_dropped(driver: Driver) {
    let (_remote, near) = Setup::default().link();
    let (alice, _events) = driver.inbound(config(), near);
    let never_polled = alice.closed();
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(woken.clone());
    let mut polled = alice.closed();
    assert!(std::pin::Pin::new(&mut polled).poll(&mut Context::from_waker(&waker)).is_pending());
    drop((polled, never_polled, waker));
    assert_eq!(Arc::strong_count(&woken), 1, "no waker is kept for a dropped wait");
    let mut moved = alice.closed();
    assert!(poll_once(&mut moved).is_pending());
    let waiting = thread::spawn(|| block_on(moved));
    alice.close();
    assert_eq!(waiting.join().unwrap(), CloseReason::Local);
    assert_eq!(woken.times(), 0);
}

fn the_latest_task_that_polls_is_woken(driver: Driver) {
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let (first, latest) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let mut closed = alice.closed();
    for woken in [&first, &latest] {
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        assert!(events.poll_recv(&mut context).is_pending());
        assert!(std::pin::Pin::new(&mut closed).poll(&mut context).is_pending());
    }
    remote.write_all(&encode(Message::GetAddr)).unwrap();
    wait_for("a wake-up by an event", || latest.times() == 1);
    assert_eq!(until_message(&mut events), Message::GetAddr);
    alice.close();
    wait_for("a wake-up by the end", || latest.times() == 2);
    assert_eq!(first.times(), 0);
}

/// A waker may be the last reference to a task, and the task may use the handle when dropped.
fn tasks_owned_by_a_waker_are_dropped_without_the_lock(driver: Driver) {
    struct Task(#[allow(dead_code, reason = "only dropped")] Mutex<Option<Handle>>, Handle);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Task {
        fn drop(&mut self) {
            // Deadlocks if this thread has the lock on the peer.
            self.1.ping().ok();
        }
    }

    let (_remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let waker = || Waker::from(Arc::new(Task(Mutex::default(), alice.clone())));
        let mut closed = alice.closed();
        for _ in 0..2 {
            let waker = waker();
            let mut context = Context::from_waker(&waker);
            assert!(std::pin::Pin::new(&mut closed).poll(&mut context).is_pending());
            while events.poll_recv(&mut context).is_ready() {}
        }
        drop(closed);
        drop(events);
        tell.send(wait_closed(&alice)).unwrap();
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(CloseReason::Local));
}

fn dropping_a_receive_loses_no_event(driver: Driver) {
    const PINGS: u64 = 2_000;
    let (mut remote, near) = Setup::default().link();
    let (_alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let flood = thread::spawn(move || {
        for nonce in 0..PINGS {
            remote.write_all(&encode(Message::Ping(Ping { nonce }))).unwrap();
            remote.take();
        }
        remote
    });
    let mut next = 0;
    let mut dropped = 0;
    let end = Instant::now() + PATIENCE;
    while next < PINGS {
        assert!(Instant::now() < end, "the pings in time");
        let mut receive = Box::pin(events.recv());
        match poll_once(&mut receive) {
            Poll::Ready(Some(Event::Message { message: Message::Ping(ping), .. })) => {
                assert_eq!(ping.nonce, next);
                next += 1;
            }
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => panic!("not closed"),
            Poll::Pending => {
                drop(receive);
                dropped += 1;
                thread::yield_now();
            }
        }
    }
    assert!(dropped > 0);
    flood.join().unwrap();
}

fn a_receive_ends_at_its_timeout(driver: Driver) {
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    assert_eq!(events.try_recv(), None);
    let timeout = Duration::from_millis(30);
    let began = Instant::now();
    assert_eq!(events.recv_timeout(timeout), None);
    assert!(began.elapsed() >= timeout);
    assert_eq!(events.recv_timeout(Duration::ZERO), None);
    remote.write_all(&opening()).unwrap();
    remote.wait_until_read();
    assert!(matches!(events.try_recv(), Some(Event::VersionReceived(_))));
    assert!(matches!(events.recv_timeout(Duration::ZERO), Some(Event::Established(_))));
    assert!(matches!(events.recv_timeout(Duration::MAX), Some(Event::VerAckReceived)));
    assert_eq!(events.try_recv(), None);
    alice.close();
    assert_eq!(events.try_recv(), Some(Event::Closed(CloseReason::Local)));
    assert_eq!(events.next(), None);
}

fn threads_share_a_handle(driver: Driver) {
    const THREADS: usize = 4;
    const MESSAGES: usize = 100;
    let (far, near) = sockets();
    let mut alice = driver.inbound(config(), near);
    let (_bob, mut bob_events) = driver.outbound(config(), far);
    until_established(&mut alice.1);
    until_established(&mut bob_events);
    let ids = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let alice = alice.0.clone();
            scope.spawn(|| {
                let alice = alice;
                for _ in 0..MESSAGES {
                    let id = alice.send(Message::GetAddr).unwrap();
                    assert!(ids.lock().unwrap().insert(id), "{id} is not unique");
                    alice.ping().unwrap();
                    assert!(alice.stats().queued_bytes < 1 << 20);
                }
            });
        }
        let mut received = 0;
        while received < THREADS * MESSAGES {
            received += usize::from(until_message(&mut bob_events) == Message::GetAddr);
        }
    });
    alice.0.shutdown(PATIENCE);
    let ids: Vec<_> = ids.into_inner().unwrap().into_iter().collect();
    let outcome = outcome(&mut alice, &ids);
    assert_eq!((outcome.reason, outcome.sent), (CloseReason::Local, ids));
}

fn a_handle_works_after_a_panic(driver: Driver) {
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let panicking = alice.clone();
    let panic = thread::spawn(move || {
        panicking.with(|peer, now| {
            peer.send(now, Message::GetAddr).unwrap();
            std::panic::resume_unwind(Box::new("as planned"));
        });
    });
    assert!(panic.join().is_err());
    until(&mut events, |event| matches!(event, Event::Sent(_)).then_some(()));
    alice.close();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

/// Panics when it is woken.
struct WakePanics;

impl Wake for WakePanics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("as planned"));
    }
}

fn wakers_that_panic_do_not_affect_others(driver: Driver) {
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let panicking = Waker::from(Arc::new(WakePanics));
    let mut context = Context::from_waker(&panicking);

    // The driver wakes it and continues.
    assert!(events.poll_recv(&mut context).is_pending());
    remote.write_all(&encode(Message::GetAddr)).unwrap();
    assert_eq!(until_message(&mut events), Message::GetAddr);
    let nonce = alice.ping().unwrap();
    wait_for("the ping to be sent", || alice.stats().queued_frames == 0);
    remote.write_all(&encode(Message::Pong(Pong { nonce }))).unwrap();
    until_round_trip(&mut events);

    // Woken by the close and by the end of the driver.
    let woken: [Arc<Woken>; 2] = Default::default();
    let wakers = [panicking.clone(), woken[0].clone().into(), panicking, woken[1].clone().into()];
    let mut waits = wakers.each_ref().map(|_| alice.closed());
    for (wait, waker) in waits.iter_mut().zip(&wakers) {
        assert!(std::pin::Pin::new(wait).poll(&mut Context::from_waker(waker)).is_pending());
    }
    while events.poll_recv(&mut Context::from_waker(&wakers[0])).is_ready() {}
    alice.close();
    assert_eq!(until_closed(&mut events), CloseReason::Local);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    for woken in woken {
        wait_for("a task to be woken", || woken.times() == 1);
    }
}

fn wakers_that_panic_when_dropped_have_no_effect(driver: Driver) {
    struct DropPanics;

    impl Wake for DropPanics {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for DropPanics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("as planned"));
        }
    }

    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    establish(&mut remote, &mut events);
    let mut waits = [alice.closed(), alice.closed()];
    // The peer has the last references to each waker, and drops them when the next is registered.
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(DropPanics));
        let mut context = Context::from_waker(&waker);
        for wait in &mut waits {
            assert!(std::pin::Pin::new(wait).poll(&mut context).is_pending());
        }
        while events.poll_recv(&mut context).is_ready() {}
    }
    drop(waits);
    drop(events);
    assert_eq!(wait_closed(&alice), CloseReason::Local);
}

fn debug_output_does_not_wait_for_the_peer(driver: Driver) {
    let (_remote, near) = Setup::default().link();
    let (alice, events) = driver.inbound(config(), near);
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let text = alice.with(|_, _| format!("{alice:?} {events:?}"));
        tell.send((text, alice, events)).unwrap();
    });
    let (text, alice, events) = told.recv_timeout(PATIENCE).expect("no deadlock");
    assert_eq!(text, "Handle(in use) Events(in use)");
    wait_for("the driver to leave the lock", || format!("{alice:?}").contains("127.0.0.1"));
    wait_for("the driver to leave the lock", || format!("{events:?}").contains("127.0.0.1"));
}
