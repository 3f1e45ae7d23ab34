//! `tracing` events are emitted without the lock on the peer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Event, Metadata, Subscriber};
use excc_peer::CloseReason;
use excc_peer::adapter::Handle;

use crate::child::{self, Process};
use crate::harness::*;
use crate::link::Setup;

over_both!(a_subscriber_may_use_the_handle);

/// The peer whose handle the subscriber uses. Static, because the subscriber is global.
static HANDLE: OnceLock<Handle> = OnceLock::new();
static EVENTS: AtomicUsize = AtomicUsize::new(0);

struct HandleUser;

impl Subscriber for HandleUser {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "excc_peer"
    }

    fn event(&self, _: &Event<'_>) {
        if let Some(handle) = HANDLE.get() {
            handle.stats();
            EVENTS.fetch_add(1, Relaxed);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn a_subscriber_may_use_the_handle(driver: Driver) {
    if child::argument().is_none() {
        let mut child =
            Process::start("tracing::a_subscriber_may_use_the_handle", driver, "subscriber");
        assert!(child.wait().success());
        return;
    }
    ::tracing::subscriber::set_global_default(HandleUser).unwrap();
    let (mut remote, near) = Setup::default().link();
    let (alice, mut events) = driver.inbound(config(), near);
    HANDLE.set(alice.clone()).unwrap();
    establish(&mut remote, &mut events);
    alice.ping().unwrap();
    wait_for("the ping to be sent", || alice.stats().queued_frames == 0);
    alice.close();
    assert_eq!(wait_closed(&alice), CloseReason::Local);
    // Received and sent: `version` and `verack`. Sent: `ping`. Then established and closed.
    assert!(EVENTS.load(Relaxed) >= 7);
}
