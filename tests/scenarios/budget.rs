//! Budgets: how much of each command a remote may send (`docs/protocol.md`, 11.3).

use excc_peer::wire::{Command, Message};
use excc_peer::{Blame, Budget, CloseReason, Event, Timer};

use crate::common::*;

/// Receives a ping at each of these times. Returns the numbers of those over budget.
fn over_budget(budget: Budget, seconds: &[u64]) -> Vec<u64> {
    let config = quiet(EXCC);
    let mut peer = Peer::established(config.budget(Command::Ping, budget));
    let mut over = Vec::new();
    for (nonce, &second) in (0..).zip(seconds) {
        peer.advance(secs(second) - (peer.now - excc_peer::Instant::ZERO));
        peer.receive(ping(nonce)).unwrap();
        let events = peer.events();
        // The message is emitted too, after `OverBudget`.
        assert_eq!(events.last(), Some(&unsolicited(ping(nonce))));
        if events[0] == (Event::OverBudget { command: Command::Ping }) {
            over.push(nonce);
        } else {
            assert_eq!(events.len(), 1);
        }
    }
    let stats = peer.state.stats().commands;
    let counted = stats.iter().find(|row| row.command == Command::Ping).unwrap();
    assert_eq!(counted.received.messages, seconds.len() as u64);
    assert_eq!(u64::from(counted.over_budget), over.len() as u64);
    assert!(stats.iter().all(|row| row.command == Command::Ping || row.over_budget == 0));
    over
}

#[test]
fn a_budget_allows_its_burst_and_then_its_rate() {
    let three_in_thirty_seconds = Budget::messages(3, secs(30));
    assert_eq!(over_budget(three_in_thirty_seconds, &[0, 0, 0]), []);
    assert_eq!(over_budget(three_in_thirty_seconds, &[0, 0, 0, 0, 9, 10, 10]), [3, 4, 6]);
    // Messages over budget use no allowance, and a pause restores at most the burst.
    let times = [0, 0, 0, 0, 0, 0, 10, 20, 30, 1_000, 1_000, 1_000, 1_000];
    assert_eq!(over_budget(three_in_thirty_seconds, &times), [3, 4, 5, 12]);
}

#[test]
fn a_byte_budget_counts_whole_frames() {
    let two_pings = Budget::bytes(64, secs(64));
    assert_eq!(over_budget(two_pings, &[0, 0, 0, 31, 32, 33]), [2, 3, 5]);
    assert_eq!(over_budget(Budget::bytes(31, secs(1)), &[0, 100]), [0, 1]);
    let both = Budget::messages(100, secs(1)).and_bytes(64, secs(64));
    assert_eq!(over_budget(both, &[0, 0, 0]), [2]);
    let both = Budget::messages(1, secs(10)).and_bytes(1_000, secs(1));
    assert_eq!(over_budget(both, &[0, 5, 10]), [1]);
}

#[test]
fn a_budget_applies_to_its_command_only() {
    let budget = Budget::messages(1, secs(10));
    let mut peer = Peer::established(config(EXCC).budget(Command::MemPool, budget));
    for message in [ping(1), ping(2), Message::GetAddr, Message::GetAddr, Message::MemPool] {
        peer.receive(message).unwrap();
    }
    assert!(peer.events().iter().all(|event| matches!(event, Event::Message { .. })));
}

#[test]
fn budgets_of_two_commands_are_independent() {
    let budget = || Budget::messages(1, secs(10));
    let config = config(EXCC).budget(Command::MemPool, budget());
    let mut peer = Peer::established(config.budget(Command::GetAddr, budget()));
    for message in [Message::MemPool, Message::GetAddr, Message::GetAddr, Message::MemPool] {
        peer.receive(message).unwrap();
    }
    let over = peer.events().into_iter().filter_map(|event| match event {
        Event::OverBudget { command } => Some(command),
        _ => None,
    });
    assert!(over.eq([Command::GetAddr, Command::MemPool]));
}

#[test]
fn a_budget_can_close_the_peer() {
    let budget = Budget::messages(2, secs(10)).close();
    let mut peer = Peer::established(config(EXCC).budget(Command::MemPool, budget));
    peer.receive(Message::MemPool).unwrap();
    peer.receive(Message::MemPool).unwrap();
    let reason = CloseReason::OverBudget { command: Command::MemPool };
    assert_eq!(peer.receive(Message::MemPool), Err(reason.clone()));
    // The message over budget is counted and not emitted.
    let events = peer.events();
    assert_eq!(events[..2], [unsolicited(Message::MemPool), unsolicited(Message::MemPool)]);
    assert_eq!(events[2..], [Event::Closed(reason.clone())]);
    assert_eq!(reason.blame(), Blame::Misbehaviour);
    assert!(!reason.is_violation(EXCC.chain()) && !reason.is_violation(DCR.chain()));
    let stats = peer.state.stats().commands;
    let counted = stats.iter().find(|row| row.command == Command::MemPool).unwrap();
    assert_eq!((counted.received.messages, counted.over_budget), (3, 1));
}

#[test]
fn no_command_has_a_budget_by_default() {
    let mut peer = Peer::established(config(EXCC));
    for nonce in 0..10_000 {
        peer.receive(ping(nonce)).unwrap();
        assert_eq!(peer.events(), [unsolicited(ping(nonce))]);
    }
    assert!(peer.state.stats().commands.iter().all(|row| row.over_budget == 0));
}

#[test]
fn a_message_over_budget_is_handled_like_any_other() {
    let budget = Budget::messages(1, secs(1_000));
    let mut peer = Peer::established(config(EXCC).budget(Command::Ping, budget));
    for nonce in 0..3 {
        peer.advance(secs(10));
        peer.receive(ping(nonce)).unwrap();
    }
    assert_eq!(peer.sent_commands(), [Command::Pong; 3]);
    let idle = peer.state.deadlines().find(|(timer, _)| *timer == Timer::Idle);
    assert_eq!(idle, Some((Timer::Idle, peer.now + secs(120))));
}

#[test]
fn over_budget_events_count_towards_the_event_limit() {
    let budget = Budget::messages(1, secs(1_000));
    let config = config(EXCC).budget(Command::Ping, budget).max_waiting_events(4, usize::MAX);
    let mut peer = Peer::established(config);
    let pings: Vec<u8> = (0..100).flat_map(|nonce| frame(EXCC, 8, ping(nonce))).collect();
    peer.feed(&pings).unwrap();
    assert!(peer.state.stats().waiting_events <= 5);
    assert!(!peer.state.wants_read());
}
