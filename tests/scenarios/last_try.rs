//! The last try to send, after the remote has ended the connection (`docs/protocol.md`, 12.2).

use bytes::Buf;
use excc_peer::wire::{Command, Message};
use excc_peer::{Budget, CloseReason, ConfigBuilder, Event, Instant, PeerState, Timer};

use crate::common::*;

const TRY: std::time::Duration = secs(1);

/// An established peer with three queued messages of 24 bytes, and their `NotSent` events.
fn queued(config: ConfigBuilder) -> (Peer, Vec<Event>) {
    let mut peer = Peer::established(config);
    let ids = [(); 3].map(|()| peer.state.send(peer.now, Message::GetAddr).unwrap());
    (peer, ids.map(Event::NotSent).to_vec())
}

/// A way in which the remote ends the connection.
struct Ending {
    name: &'static str,
    config: fn() -> ConfigBuilder,
    end: fn(&mut Peer),
    /// Whether input may remain unread, so that the close must linger.
    lingers: bool,
}

/// Every way in which the remote ends an established connection with a last try.
fn endings() -> [Ending; 9] {
    let excc: fn() -> ConfigBuilder = || quiet(EXCC);
    let ending = |name, end| Ending { name, config: excc, end, lingers: true };
    [
        Ending { lingers: false, ..ending("end between frames", Peer::eof) },
        ending("end inside a header", |peer| {
            peer.feed(&[0xe1]).unwrap();
            peer.eof();
        }),
        ending("end inside a payload", |peer| {
            peer.feed(&raw_header(EXCC, b"ping", 8, [0; 4])).unwrap();
            peer.eof();
        }),
        ending("garbage", |peer| _ = peer.feed(&[0; 24]).unwrap_err()),
        ending("second version", |peer| _ = peer.receive(version(8)).unwrap_err()),
        ending("second verack", |peer| _ = peer.receive(Message::VerAck).unwrap_err()),
        ending("too large", |peer| {
            _ = peer.feed(&raw_header(EXCC, b"reject", 5_000, [0; 4])).unwrap_err();
        }),
        Ending {
            config: || quiet(EXCC).max_unsolicited(Command::Block, 0),
            ..ending("unsolicited", |peer| {
                _ = peer.feed(&raw_header(EXCC, b"block", 5_000, [0; 4])).unwrap_err();
            })
        },
        Ending {
            config: || quiet(EXCC).budget(Command::MemPool, Budget::messages(1, secs(1)).close()),
            ..ending("over budget", |peer| {
                peer.receive(Message::MemPool).unwrap();
                peer.events();
                _ = peer.receive(Message::MemPool).unwrap_err();
            })
        },
    ]
}

impl Ending {
    /// A peer after this end, the `NotSent` events of its three queued messages, and the reason.
    fn ended(&self) -> (Peer, Vec<Event>, CloseReason) {
        let (mut peer, receipts) = queued((self.config)());
        (self.end)(&mut peer);
        let reason = peer.state.close_reason().expect("closed").clone();
        (peer, receipts, reason)
    }
}

/// The last events if the first `sent` messages are sent.
fn last_events(mut receipts: Vec<Event>, sent: usize, reason: CloseReason) -> Vec<Event> {
    for receipt in &mut receipts[..sent] {
        if let Event::NotSent(id) = *receipt {
            *receipt = Event::Sent(id);
        }
    }
    receipts.push(Event::Closed(reason));
    receipts
}

#[test]
fn a_ping_sent_in_the_last_try_has_no_pong_deadline() {
    let mut peer = Peer::established(quiet(EXCC).pong_timeout(Some(secs(1))));
    peer.state.ping(peer.now).unwrap();
    peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.eof();
    peer.state.transmit(peer.now).advance(32);
    let end = (Timer::Shutdown, peer.now + TRY);
    assert_eq!(peer.state.deadlines().collect::<Vec<_>>(), [end]);
}

#[test]
fn queued_messages_are_sent_in_the_last_try() {
    for ending in endings() {
        let (mut peer, receipts, reason) = ending.ended();
        assert_eq!(peer.events(), [], "{}: the last try comes first", ending.name);
        assert!(!peer.state.has_events());
        assert!(peer.state.wants_write() && !peer.state.wants_read());
        assert_eq!(peer.due_in(), Some((Timer::Shutdown, TRY)));
        assert_eq!(peer.sent(), [(); 3].map(|()| Message::GetAddr), "{}", ending.name);
        assert!(!peer.state.wants_write());
        assert_eq!(peer.events(), last_events(receipts, 3, reason), "{}", ending.name);
        assert_eq!((peer.due_in(), peer.events()), (None, vec![]));
    }
}

#[test]
fn messages_that_the_last_try_does_not_send_are_not_sent() {
    for ending in endings() {
        // The first `Transmit` lends the frames, the second reports the written bytes.
        for max in [0, 1, 24, 30, 71] {
            let (mut peer, receipts, reason) = ending.ended();
            let mut written = peer.state.transmit(peer.now).batch(2);
            let len = max.min(written.remaining());
            written.advance(len);
            assert_eq!(peer.events(), [], "the write is not reported yet");
            peer.state.transmit(peer.now).advance(len);
            let events = last_events(receipts, len / 24, reason);
            assert_eq!(peer.events(), events, "{}", ending.name);
            assert!(!peer.state.wants_write() && peer.transmit(usize::MAX).is_empty());
        }
    }
}

#[test]
fn two_tries_without_a_write_end_the_last_try() {
    for ending in endings() {
        let (mut peer, receipts, reason) = ending.ended();
        peer.transmit(0);
        assert_eq!(peer.events(), []);
        peer.transmit(0);
        assert_eq!(peer.events(), last_events(receipts, 0, reason), "{}", ending.name);
    }
}

/// A `Transmit` that lends no frame reports the write in progress.
#[test]
fn a_write_in_progress_is_not_the_last_try() {
    for ending in endings() {
        for partial in [0, 23] {
            let (mut peer, receipts) = queued((ending.config)());
            let mut in_progress = peer.state.transmit(peer.now).batch(1);
            (ending.end)(&mut peer);
            let reason = peer.state.close_reason().expect("closed").clone();
            let len = in_progress.remaining() - partial;
            in_progress.advance(len);
            peer.state.transmit(peer.now).advance(len);

            let mut last = peer.state.transmit(peer.now).batch(usize::MAX);
            assert_eq!(last.remaining(), 48 + partial, "{}", ending.name);
            last.advance(48 + partial);
            peer.state.transmit(peer.now).advance(48 + partial);
            assert_eq!(peer.events(), last_events(receipts, 3, reason), "{}", ending.name);
        }
    }
}

#[test]
fn the_last_try_ends_after_one_second() {
    for ending in endings() {
        let (mut peer, receipts, reason) = ending.ended();
        peer.advance(TRY - nanos(1));
        assert_eq!(peer.events(), []);
        peer.advance(nanos(1));
        assert_eq!(peer.events(), last_events(receipts, 0, reason), "{}", ending.name);
        assert_eq!(peer.due_in(), None);
    }
}

#[test]
fn a_close_or_a_lost_connection_ends_the_last_try() {
    let ends: [fn(&mut PeerState, Instant); 2] =
        [PeerState::close, PeerState::handle_connection_lost];
    for end in ends {
        for ending in endings() {
            let (mut peer, receipts, reason) = ending.ended();
            end(&mut peer.state, peer.now);
            // The first reason is final.
            assert_eq!(peer.events(), last_events(receipts, 0, reason), "{}", ending.name);
            assert!(!peer.state.wants_write());
        }
    }
}

#[test]
fn a_close_with_unread_input_lingers_for_one_second() {
    for ending in endings() {
        let (mut peer, _, _) = ending.ended();
        let expected = ending.lingers.then_some(peer.now + TRY);
        assert_eq!(peer.state.linger_until(), expected, "{}", ending.name);
        peer.sent();
        assert_eq!(peer.state.linger_until(), expected, "{}", ending.name);
        // A close by the application ends the lingering.
        peer.state.close(peer.now);
        assert_eq!(peer.state.linger_until(), None);

        // With an empty queue there is no last try.
        let mut idle = Peer::established((ending.config)());
        (ending.end)(&mut idle);
        let reason = idle.state.close_reason().expect("closed").clone();
        assert_eq!(idle.events(), [Event::Closed(reason)], "{}", ending.name);
        assert_eq!(idle.state.linger_until(), ending.lingers.then_some(idle.now + TRY));
        assert_eq!(idle.due_in(), None);
    }
}

#[test]
fn local_closes_and_lost_connections_have_no_last_try() {
    let ends: [fn(&mut Peer); 4] = [
        |peer| peer.state.close(peer.now),
        |peer| peer.state.refuse_version(peer.now),
        |peer| peer.state.handle_connection_lost(peer.now),
        |peer| {
            peer.transmit(0);
            peer.advance(secs(21));
        },
    ];
    for end in ends {
        let (mut peer, mut receipts) = queued(quiet(EXCC));
        end(&mut peer);
        let reason = peer.state.close_reason().expect("closed").clone();
        receipts.push(Event::Closed(reason));
        assert_eq!(peer.events(), receipts);
        assert!(!peer.state.wants_write() && peer.state.linger_until().is_none());
        assert_eq!(peer.due_in(), None);
    }
}

/// The reference nodes answer the `version` too when fatal input follows in the same segment.
#[test]
fn fatal_input_after_a_version_does_not_suppress_our_version() {
    for (network, number, sent) in [
        (EXCC, 8, &[Command::Version, Command::VerAck][..]),
        (DCR, 12, &[Command::Version, Command::VerAck]),
    ] {
        let mut bytes = frame(network, 8, version(number)).to_vec();
        bytes.extend_from_slice(&[b'?'; 24]);
        let mut peer = Peer::inbound(quiet(network));
        let reason = peer.feed(&bytes).unwrap_err();
        assert!(matches!(peer.events()[0], Event::VersionReceived(_)));
        assert_eq!(peer.sent_commands(), sent);
        assert_eq!(peer.events(), [Event::Closed(reason.clone())]);

        // An outbound peer has queued its version already.
        let mut peer = Peer::outbound(quiet(network));
        assert_eq!(peer.feed(&bytes), Err(reason.clone()));
        assert_eq!(peer.sent_commands()[0], Command::Version);
        assert_eq!(peer.closed(), reason);
    }
}

#[test]
fn an_outbound_peer_sends_its_version_even_if_the_first_message_is_fatal() {
    for (mut peer, sent) in
        [(Peer::outbound(quiet(EXCC)), &[Command::Version][..]), (Peer::inbound(quiet(EXCC)), &[])]
    {
        let reason = CloseReason::NotVersion(Command::Ping);
        assert_eq!(peer.receive(ping(1)), Err(reason.clone()));
        assert_eq!(peer.sent_commands(), sent);
        assert_eq!(peer.events(), [Event::Closed(reason)]);
    }
}

/// The reasons: an old protocol version, missing services, a self-connection.
#[test]
fn a_version_refused_by_the_peer_gets_no_answer() {
    let connected_to_itself = |config: ConfigBuilder| {
        let mut peer = Peer::outbound(config);
        let sent = peer.sent();
        let [Message::Version(own)] = &sent[..] else { panic!("{sent:?}") };
        peer.receive((**own).clone()).unwrap_err();
        peer
    };
    let mut refused = [
        {
            let mut peer = Peer::inbound(quiet(EXCC).min_remote_version(8));
            peer.receive(version(7)).unwrap_err();
            peer
        },
        {
            let all = excc_peer::wire::Services::all();
            let mut peer = Peer::inbound(quiet(EXCC).required_services(all));
            peer.receive(version(8)).unwrap_err();
            peer
        },
        connected_to_itself(quiet(EXCC)),
    ];
    for peer in &mut refused {
        assert_eq!(peer.sent(), []);
        assert!(matches!(peer.events().last(), Some(Event::Closed(_))));
        assert_eq!(peer.state.linger_until(), None);
    }
}

#[test]
fn pongs_are_sent_in_the_last_try() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.receive(ping(7)).unwrap();
    peer.eof();
    assert_eq!(peer.events(), [unsolicited(ping(7))]);
    assert_eq!(peer.sent_commands(), [Command::Pong]);
    assert_eq!(peer.events(), [Event::Closed(CloseReason::RemoteClosed)]);
}

#[test]
fn deferred_messages_are_not_sent_in_the_last_try() {
    let mut peer = Peer::inbound(quiet(DCR));
    peer.receive(version(12)).unwrap();
    let id = peer.state.send(peer.now, Message::GetAddr).unwrap();
    peer.events();
    peer.eof();
    assert_eq!(peer.sent_commands(), [Command::Version, Command::VerAck]);
    assert_eq!(peer.events(), [Event::NotSent(id), Event::Closed(CloseReason::RemoteClosed)]);
}

#[test]
fn no_message_is_accepted_during_the_last_try() {
    let (mut peer, _) = queued(quiet(EXCC));
    peer.eof();
    let reason = CloseReason::RemoteClosed;
    let refused = excc_peer::SendErrorKind::Closed(reason.clone());
    assert_eq!(peer.state.send(peer.now, Message::GetAddr).unwrap_err().kind, refused);
    assert_eq!(peer.state.ping(peer.now), Err(refused));
    assert_eq!(peer.receive(Message::GetAddr), Err(reason));
    peer.state.shutdown(peer.now, secs(60));
    assert_eq!(peer.due_in(), Some((Timer::Shutdown, TRY)));
    assert!(!peer.state.is_shutting_down() && !peer.state.is_established());
}

#[test]
fn the_last_try_sends_the_rest_of_a_shutdown() {
    let (mut peer, receipts) = queued(quiet(EXCC));
    _ = peer.state.announce(peer.now, tx(1), excc_peer::Relay::Trickle);
    peer.state.shutdown(peer.now, secs(60));
    assert_eq!(peer.state.stats().waiting_announcements, 0, "queued at once");
    peer.eof();
    assert_eq!(peer.sent().len(), 4);
    assert_eq!(peer.events(), last_events(receipts, 3, CloseReason::RemoteClosed));
}
