//! Checks during a run and at its end.

use std::time::Duration;

use excc_peer::wire::Command;
use excc_peer::{CloseReason, CommandStats, Stats, Traffic};

use crate::node::{Book, Hub, Peer};
use crate::{Kind, MAX_QUEUED, MAX_WAITING, World};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Returns an announcement of a connected remote that the hub has not received.
pub(crate) fn missing_news(world: &World, hub: &Hub, remotes: &[Peer]) -> Option<String> {
    let received = hub.received();
    for (at, (near, far)) in hub.peers.iter().zip(remotes).enumerate() {
        // Remotes that are cut off may not have sent theirs.
        let is_live = !near.is_closed() && !far.is_closed() && !world.kinds[at].is_cut();
        let missing = world.announced_by(at).find(|&number| !received.contains(number));
        if let Some(number) = missing.filter(|_| is_live) {
            return Some(format!("number {number} by {far:?}"));
        }
    }
    None
}

/// Returns a delivery that is missing before the hub may shut down.
pub(crate) fn missing_deliveries(world: &World, hub: &Hub, remotes: &[Peer]) -> Option<String> {
    // These may send more until their end, so they must end first.
    let must_end = |kind: &Kind| matches!(kind, Kind::Stuck(_) | Kind::Cut(_));
    let ends = hub.peers.iter().zip(&world.kinds);
    let mut open = ends.filter(|(near, kind)| must_end(kind) && near.book().closed.is_none());
    if let Some((near, _)) = open.next() {
        return Some(format!("the end of {near:?}"));
    }
    let (relayed, received) = (hub.relayed().len(), hub.received().len());
    if relayed < received {
        return Some(format!("{relayed} of {received} relayed"));
    }
    let honest = (0..world.peers()).filter(|&at| world.kinds[at] == Kind::Honest);
    honest.filter_map(|at| missing_delivery(world, hub, at, &remotes[at])).next()
}

fn missing_delivery(world: &World, hub: &Hub, at: usize, far: &Peer) -> Option<String> {
    let near = &hub.peers[at];
    for (end, peer) in [("hub", near), ("remote", far)] {
        let book = peer.book();
        if book.closed.is_some() {
            // The checks at the end report this.
            return None;
        }
        if book.pings.last() != book.round_trips.last() {
            return Some(format!("a pong for the {end} of {far:?}"));
        }
        if book.answered < book.requested {
            let Book { requested, answered, .. } = *book;
            return Some(format!("{answered} of {requested} answers for the {end} of {far:?}"));
        }
    }
    let received = far.book().announced.clone();
    let owed = near.book().announced.clone();
    let mut numbers = 0..world.vectors.len();
    numbers
        .find(|&number| {
            owed.contains(number) && !received.contains(number) && !world.has(at, number)
        })
        .map(|number| format!("number {number} to {far:?}"))
}

/// The results of a run.
#[derive(Default)]
pub(crate) struct Totals {
    /// Threads of the process when all peers were connected.
    pub(crate) threads: usize,
    slow: usize,
    /// Slow readers that were disconnected.
    stalled: usize,
    cut: usize,
    sent: u64,
    received: u64,
    delivered: usize,
    not_sent: u64,
    refused: u64,
}

pub(crate) fn check(world: &World, hub: &Hub, remotes: &[Peer]) -> Totals {
    let mut totals = Totals::default();
    for (at, (near, far)) in hub.peers.iter().zip(remotes).enumerate() {
        let kind = world.kinds[at];
        let who = format!("remote {at}, {kind:?}, {near:?} and {far:?}");
        check_book(&near.book(), &who);
        check_book(&far.book(), &who);
        check_end(kind, near, far, &who);
        check_announcements(world, hub, remotes, at, &who);
        check_traffic(kind, near, far, &who);

        let messages = |of: fn(&CommandStats) -> u64| -> u64 {
            near.handle.stats().commands.iter().map(of).sum()
        };
        let book = near.book();
        totals.slow += usize::from(kind.is_slow());
        totals.stalled += usize::from(book.closed == Some(CloseReason::WriteStall));
        totals.cut += usize::from(kind.is_cut());
        totals.sent += messages(|stats| stats.sent.messages);
        totals.received += messages(|stats| stats.received.messages);
        totals.delivered += far.book().announced.len();
        totals.not_sent += book.not_sent;
        totals.refused += book.refused;
    }
    totals
}

/// Each queued message was reported once, in order, before the end.
fn check_book(book: &Book, who: &str) {
    assert!(book.closed.is_some(), "no end: {who}");
    assert_eq!(book.queued, book.reported, "{who}");
    // A pong may answer several pings. Each round trip is reported once and in order.
    let mut pings = book.pings.iter();
    for nonce in &book.round_trips {
        assert!(pings.any(|ping| ping == nonce), "a round trip without a ping: {who}");
    }
}

fn check_end(kind: Kind, near: &Peer, far: &Peer, who: &str) {
    let (near, far) = (near.book(), far.book());
    let reason = near.closed.as_ref().expect("checked");
    let is_expected = match kind {
        Kind::Honest => matches!(reason, CloseReason::Local),
        Kind::Slow => matches!(reason, CloseReason::Local | CloseReason::WriteStall),
        Kind::Stuck(_) => matches!(reason, CloseReason::WriteStall),
        Kind::Cut(_) => matches!(
            reason,
            CloseReason::RemoteClosed | CloseReason::ConnectionLost | CloseReason::Cut(_)
        ),
    };
    assert!(is_expected, "{reason:?}: {who}");
    if kind == Kind::Honest {
        assert_eq!(far.closed, Some(CloseReason::RemoteClosed), "{who}");
        for book in [&near, &far] {
            assert_eq!((book.not_sent, book.refused), (0, 0), "{who}");
            assert_eq!(book.requested, book.answered, "{who}");
            assert_eq!(book.pings.last(), book.round_trips.last(), "{who}");
        }
    }
}

/// Returns whether a shutdown sent everything that was queued at the hub. A peer also lingers
/// after fatal input.
fn is_drained(near: &Peer) -> bool {
    let is_shut_down = near.handle.close_reason() == Some(CloseReason::Local);
    is_shut_down && near.handle.with(|peer, _| peer.linger_until().is_some())
}

/// Relayed vectors reached the remotes. The applications have checked that none came twice.
fn check_announcements(world: &World, hub: &Hub, remotes: &[Peer], at: usize, who: &str) {
    let relayed = hub.relayed();
    let (near, far) = (&hub.peers[at], &remotes[at]);
    let (owed, received) = (&near.book().announced, &far.book().announced);
    let has_survived = is_drained(near);
    for number in 0..world.vectors.len() {
        if received.contains(number) {
            assert!(owed.contains(number), "{number} was never announced: {who}");
        } else if has_survived && owed.contains(number) {
            assert!(world.has(at, number), "{number} was lost: {who}");
        }
        if world.has(at, number) {
            assert!(!has_survived || relayed.contains(number), "{number} was not received: {who}");
        } else if world.kinds[at] == Kind::Honest {
            assert_eq!(owed.contains(number), relayed.contains(number), "{number}: {who}");
        }
    }
}

/// Both ends have counted the same messages.
fn check_traffic(kind: Kind, near: &Peer, far: &Peer, who: &str) {
    let (hub, remote) = (near.handle.stats(), far.handle.stats());
    if is_drained(near) {
        assert_eq!(traffic(&hub, true), traffic(&remote, false), "to the remote: {who}");
    }
    // The hub may have closed before it received the last messages of a slow reader.
    if kind == Kind::Honest {
        assert_eq!(traffic(&remote, true), traffic(&hub, false), "to the hub: {who}");
    }
}

/// Returns sent or received messages and bytes by command.
fn traffic(stats: &Stats, sent: bool) -> Vec<(Command, Traffic)> {
    let commands = stats.commands.iter();
    let traffic = commands.map(|one| (one.command, if sent { one.sent } else { one.received }));
    traffic.filter(|(_, traffic)| traffic.messages > 0).collect()
}

pub(crate) fn print(
    adapter: &str,
    world: &World,
    totals: &Totals,
    took: Duration,
    peak: usize,
    remaining: [usize; 3],
) {
    let Totals { threads, slow, stalled, cut, sent, received, delivered, .. } = totals;
    let Totals { not_sent, refused, .. } = totals;
    let connections = world.peers();
    let secs = took.as_secs_f64();
    let (mib, kib) = (peak / MIB, peak / connections / KIB);
    println!(
        "| adapter | connections | slow (disconnected) | cut off | messages from the hub | to it \
         | vectors delivered | not sent | not queued | time | memory | per connection \
         | threads | tasks, threads, descriptors remaining |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n\
         | {adapter} | {connections} | {slow} ({stalled}) | {cut} | {sent} | {received} \
         | {delivered} | {not_sent} | {refused} | {secs:.1} s | {mib} MiB | {kib} KiB \
         | {threads} | {remaining:?} |"
    );
}

/// Asserts that the peak is within the bounds of all connections, with both ends.
pub(crate) fn check_memory(world: &World, peak: usize) {
    // Each end has 1,000 known vectors, waiting events, the input buffer, stacks or tasks, and the
    // record of this test.
    let end = 64 * KIB + MAX_WAITING + 96 * KIB + 32 * KIB + 32 * KIB;
    let bound = 64 * MIB + world.peers() * (2 * end + MAX_QUEUED);
    assert!(peak <= bound, "{} of {} MiB", peak / MIB, bound / MIB);
}
