//! Events that a peer emits to `tracing`.

#[allow(dead_code, reason = "shared with tests that use other parts")]
#[path = "common/mod.rs"]
mod common;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use excc_peer::wire::{Message, Version};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use common::*;

/// Records each event as a line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "excc_peer"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("no test panicked").push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("writing to a string never fails");
    }
}

fn lines(act: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), act);
    let lines = lines.0.lock().expect("no test panicked");
    lines.clone()
}

#[test]
fn a_peer_is_traced_from_its_version_to_its_end() {
    let told = lines(|| {
        let mut peer = Peer::inbound(config(EXCC).idle_timeout(Some(secs(50))));
        peer.receive(version(8)).unwrap();
        peer.sent();
        peer.receive(Message::VerAck).unwrap();
        peer.advance(secs(20));
        peer.advance(secs(30) + GRACE);
        peer.feed(b"more").unwrap_err();
    });
    let peer = "peer=203.0.113.7:9666 (inbound)";
    let expected = [
        format!("TRACE message=received {peer} command=version bytes=120"),
        format!(
            "DEBUG message=version received {peer} version=8 services=SFNodeNetwork \
             user_agent=\"/remote:1/\" height=100"
        ),
        format!("DEBUG message=established {peer} version=8"),
        format!("TRACE message=sent {peer} command=version bytes=133"),
        format!("TRACE message=sent {peer} command=verack bytes=24"),
        format!("TRACE message=received {peer} command=verack bytes=24"),
        format!("TRACE message=due {peer} timer=ping"),
        format!("TRACE message=due {peer} timer=ping"),
        format!("TRACE message=due {peer} timer=idle"),
        format!("DEBUG message=closed {peer} reason=idle timeout violation=false frames=1"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_violation_of_the_protocol_is_traced() {
    let told = lines(|| {
        let mut peer = Peer::established(config(DCR));
        peer.feed(&raw_frame(DCR, b"bogus", b"")).unwrap_err();
    });
    let end = told.last().expect("at least one event");
    assert!(end.contains("bogus") && end.contains("violation=true"), "{end}");
}

/// The user agent of the remote looks like fields of a line.
#[test]
fn text_of_a_remote_cannot_forge_a_field() {
    for text in ["/a:1/ violation=true", "/a:1/\" violation=true \"", "/\\\"/"] {
        let told = lines(|| {
            let mut peer = Peer::inbound(config(EXCC));
            peer.receive(Version { user_agent: text.into(), ..version(8) }).unwrap();
        });
        let line = told
            .iter()
            .find(|line| line.contains("user_agent="))
            .expect("a line with the user agent");
        let (_, rest) = line.split_once("user_agent=").expect("a field");
        let (quoted, rest) = rest.rsplit_once(" height=").expect("the next field");
        assert_eq!((quoted, rest), (&format!("{text:?}")[..], "100"));
    }
    let told = lines(|| {
        let mut peer = Peer::inbound(config(EXCC));
        peer.feed(&raw_frame(EXCC, b"a violation=", b"")).unwrap_err();
    });
    let end = told.last().expect("at least one event");
    assert!(end.contains("reason=frame: ") && end.contains("\"a violation=\""), "{end}");
}
