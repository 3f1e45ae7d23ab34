//! Relay: announcements, trickling and known inventory (`docs/protocol.md`, 8).

use std::time::Duration;

use excc_peer::wire::{InvType, InvVect, Message, Version};
use excc_peer::{Announced, CloseReason, Event, Overflow, Relay, Timer};

use crate::common::*;

impl Peer {
    fn announce(&mut self, vector: InvVect, relay: Relay) -> Announced {
        self.state.announce(self.now, vector, relay)
    }

    /// Writes the queue, which must have only `inv`s, and returns their vectors.
    fn sent_invs(&mut self) -> Vec<Vec<InvVect>> {
        let vectors = |message| match message {
            Message::Inv(list) => list.to_vec(),
            other => panic!("not an inv: {other:?}"),
        };
        self.sent().into_iter().map(vectors).collect()
    }
}

#[test]
fn announcements_are_batched_in_order_for_up_to_half_a_second() {
    let mut peer = Peer::established(quiet(EXCC));
    for n in 0..2_500 {
        assert_eq!(peer.announce(tx(n), Relay::Trickle), Announced::Batched);
    }
    assert_eq!(peer.sent(), []);
    assert_eq!(peer.state.stats().waiting_announcements, 2_500);
    let (timer, wait) = peer.due_in().unwrap();
    assert_eq!(timer, Timer::Trickle);
    assert!((millis(100)..millis(500)).contains(&wait), "{wait:?}");

    peer.advance(wait - Duration::from_nanos(1));
    assert_eq!(peer.sent(), []);
    peer.advance(Duration::from_nanos(1));
    let sent = peer.sent_invs();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(sent.concat(), (0..2_500).map(tx).collect::<Vec<_>>());
    assert_eq!(peer.state.poll_timeout(), None);
    assert_eq!(peer.events(), [], "announcements have no receipts");
}

#[test]
fn the_batch_size_can_be_configured() {
    let mut peer = Peer::established(quiet(EXCC).inv_batch(3));
    for n in 0..7 {
        _ = peer.announce(tx(n), Relay::Trickle);
    }
    peer.skip_to_deadline();
    assert_eq!(peer.sent_invs().iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn each_trickle_interval_is_random() {
    let mut peer = Peer::established(quiet(EXCC));
    let waits: Vec<_> = (0..10)
        .map(|n| {
            _ = peer.announce(tx(n), Relay::Trickle);
            let (_, wait) = peer.due_in().unwrap();
            peer.skip_to_deadline();
            wait
        })
        .collect();
    assert!(waits.iter().all(|wait| (millis(100)..millis(500)).contains(wait)));
    assert!(waits.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn later_announcements_do_not_delay_earlier_ones() {
    let mut peer = Peer::established(quiet(EXCC));
    _ = peer.announce(tx(1), Relay::Trickle);
    let due = peer.state.poll_timeout();
    peer.advance(millis(50));
    _ = peer.announce(tx(2), Relay::Trickle);
    assert_eq!(peer.state.poll_timeout(), due);
    peer.skip_to_deadline();
    assert_eq!(peer.sent_invs(), [vec![tx(1), tx(2)]]);
}

#[test]
fn a_trickle_interval_of_zero_is_due_at_once() {
    let mut peer = Peer::established(quiet(EXCC).trickle_interval(Duration::ZERO..=Duration::ZERO));
    _ = peer.announce(tx(1), Relay::Trickle);
    assert_eq!(peer.due_in(), Some((Timer::Trickle, Duration::ZERO)));
    peer.state.handle_timeout(peer.now);
    assert_eq!(peer.sent_invs(), [vec![tx(1)]]);
}

#[test]
fn an_immediate_announcement_is_queued_at_once_and_has_a_receipt() {
    let mut peer = Peer::established(quiet(EXCC));
    _ = peer.announce(tx(1), Relay::Trickle);
    let Announced::Queued(id) = peer.announce(block(2), Relay::Immediate) else { panic!() };
    assert_eq!(peer.sent_invs(), [vec![block(2)]]);
    assert_eq!(peer.events(), [Event::Sent(id)]);
    assert_eq!(peer.announce(block(2), Relay::Immediate), Announced::Known);
    assert_eq!(peer.announce(block(2), Relay::Trickle), Announced::Known);
}

/// The reference nodes compare vectors by their address in memory, and announce each again.
#[test]
fn an_announced_vector_is_known() {
    let mut peer = Peer::established(quiet(EXCC));
    _ = peer.announce(tx(1), Relay::Trickle);
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Batched);
    peer.skip_to_deadline();
    assert_eq!(peer.sent_invs(), [vec![tx(1)]]);
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Known);
    assert!(peer.state.is_known_inventory(peer.now, &tx(1)));
    // A vector of another type with the same hash is distinct.
    assert_eq!(peer.announce(block(1), Relay::Trickle), Announced::Batched);
}

#[test]
fn a_vector_from_the_remote_is_not_announced_back() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.receive(inv([tx(1), block(2)])).unwrap();
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Known);
    assert_eq!(peer.announce(block(2), Relay::Immediate), Announced::Known);
    assert_eq!(peer.announce(tx(2), Relay::Trickle), Announced::Batched);
}

#[test]
fn a_batched_vector_that_the_remote_announces_is_dropped() {
    let mut peer = Peer::established(quiet(EXCC));
    (1..=3).for_each(|n| _ = peer.announce(tx(n), Relay::Trickle));
    peer.receive(inv([tx(2)])).unwrap();
    peer.skip_to_deadline();
    assert_eq!(peer.sent_invs(), [vec![tx(1), tx(3)]]);
}

#[test]
fn no_empty_inv_is_sent() {
    let mut peer = Peer::established(quiet(EXCC));
    _ = peer.announce(tx(1), Relay::Trickle);
    peer.receive(inv([tx(1)])).unwrap();
    assert_eq!(peer.skip_to_deadline(), Timer::Trickle);
    assert_eq!(peer.sent(), []);
}

#[test]
fn an_immediate_announcement_leaves_the_batch() {
    let mut peer = Peer::established(quiet(EXCC));
    _ = peer.announce(block(1), Relay::Trickle);
    assert!(matches!(peer.announce(block(1), Relay::Immediate), Announced::Queued(_)));
    assert_eq!(peer.sent_invs(), [vec![block(1)]]);
    peer.skip_to_deadline();
    assert_eq!(peer.sent(), []);
}

#[test]
fn the_application_can_add_known_inventory() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.state.add_known_inventory(peer.now, tx(1));
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Known);
    assert_eq!(peer.state.stats().known_inventory, 1);
}

#[test]
fn known_inventory_expires_after_15_minutes() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.receive(inv([tx(1)])).unwrap();
    peer.advance(secs(15 * 60) - Duration::from_nanos(1));
    assert_eq!(peer.announce(tx(1), Relay::Immediate), Announced::Known);
    // A refused announcement does not renew the expiry.
    peer.advance(Duration::from_nanos(1));
    assert!(matches!(peer.announce(tx(1), Relay::Immediate), Announced::Queued(_)));
}

#[test]
fn a_repeated_announcement_renews_the_expiry() {
    let mut peer = Peer::established(quiet(EXCC));
    for _ in 0..3 {
        peer.receive(inv([tx(1)])).unwrap();
        peer.advance(secs(14 * 60));
        assert!(peer.state.is_known_inventory(peer.now, &tx(1)));
    }
}

#[test]
fn the_least_recently_used_vector_is_evicted_first() {
    let mut peer = Peer::established(quiet(EXCC).known_inventory(3, secs(900)));
    peer.receive(inv([tx(1), tx(2), tx(3)])).unwrap();
    assert!(peer.state.is_known_inventory(peer.now, &tx(1)));
    peer.receive(inv([tx(4)])).unwrap();
    let known: Vec<_> =
        (1..=4).filter(|&n| peer.state.is_known_inventory(peer.now, &tx(n))).collect();
    assert_eq!(known, [1, 3, 4]);
}

#[test]
fn the_last_vectors_of_a_long_inv_are_remembered() {
    let mut peer = Peer::established(quiet(EXCC));
    peer.receive(inv((0..5_000).map(tx))).unwrap();
    assert_eq!(peer.state.stats().known_inventory, 1_000);
    assert_eq!(peer.announce(tx(4_000), Relay::Trickle), Announced::Known);
    assert_eq!(peer.announce(tx(3_999), Relay::Trickle), Announced::Batched);
}

#[test]
fn transactions_are_not_announced_to_a_remote_without_relay() {
    let mut peer = Peer::inbound(config(EXCC));
    peer.shake_hands(Version { relay: false, ..version(8) });
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Unwanted);
    assert_eq!(peer.announce(tx(1), Relay::Immediate), Announced::Unwanted);
    assert_eq!(peer.announce(block(1), Relay::Trickle), Announced::Batched);
}

#[test]
fn mix_messages_are_announced_only_on_decred_from_version_10() {
    let mix = InvVect::new(InvType::MIX, hash(1));
    assert_eq!(Peer::established(quiet(EXCC)).announce(mix, Relay::Trickle), Announced::Unwanted);
    assert_eq!(Peer::established(quiet(DCR)).announce(mix, Relay::Trickle), Announced::Batched);
    let mut old = Peer::inbound(config(DCR));
    old.shake_hands(version(9));
    assert_eq!(old.announce(mix, Relay::Trickle), Announced::Unwanted);
}

#[test]
fn no_vector_is_announced_before_the_handshake_or_after_the_close() {
    let mut peer = Peer::inbound(config(DCR));
    peer.receive(version(12)).unwrap();
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::NotReady);
    peer.receive(Message::VerAck).unwrap();
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Batched);
    peer.state.close(peer.now);
    assert_eq!(peer.announce(tx(2), Relay::Trickle), Announced::NotReady);
    assert_eq!(peer.state.stats().waiting_announcements, 0);
}

#[test]
fn the_number_of_batched_announcements_is_limited() {
    let mut peer = Peer::established(quiet(EXCC).max_waiting_announcements(2));
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Batched);
    assert_eq!(peer.announce(tx(2), Relay::Trickle), Announced::Batched);
    assert_eq!(peer.announce(tx(3), Relay::Trickle), Announced::Full);
    assert!(matches!(peer.announce(tx(3), Relay::Immediate), Announced::Queued(_)));
}

#[test]
fn announcements_stay_batched_while_the_queue_is_full() {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(3 * (24 + QUEUED) + 10));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    assert_eq!(peer.announce(block(1), Relay::Immediate), Announced::Full);
    assert!(!peer.state.is_known_inventory(peer.now, &block(1)));
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Batched);
    peer.advance(secs(10));
    assert_eq!(peer.state.stats().waiting_announcements, 1);
    peer.sent();
    peer.advance(millis(500));
    assert_eq!(peer.sent_invs(), [vec![tx(1)]]);
}

#[test]
fn a_small_queue_takes_announcements_in_small_batches() {
    let mut peer = Peer::established(quiet(EXCC).max_queued_bytes(1_000));
    (0..100).for_each(|n| _ = peer.announce(tx(n), Relay::Trickle));
    let mut sent = Vec::new();
    for _ in 0..100 {
        peer.advance(millis(500));
        sent.extend(peer.sent_invs().concat());
        assert!(peer.state.close_reason().is_none());
    }
    assert_eq!(sent, (0..100).map(tx).collect::<Vec<_>>());
}

#[test]
fn announcements_beyond_the_queue_limit_can_close() {
    const LIMIT: usize = 3 * (24 + QUEUED) + 10;
    let mut peer = Peer::established(quiet(DCR).max_queued_bytes(LIMIT).overflow(Overflow::Close));
    for _ in 0..3 {
        peer.state.send(peer.now, Message::GetAddr).unwrap();
    }
    _ = peer.announce(tx(1), Relay::Trickle);
    peer.skip_to_deadline();
    let reason = peer.closed();
    assert!(matches!(reason, CloseReason::OutputOverflow { limit: LIMIT, .. }), "{reason}");
}

#[test]
fn a_batched_vector_counts_once() {
    let mut peer = Peer::established(quiet(EXCC).max_waiting_announcements(2));
    for _ in 0..60_000 {
        assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Batched);
    }
    assert_eq!(peer.state.stats().waiting_announcements, 1);
    assert_eq!(peer.announce(tx(2), Relay::Trickle), Announced::Batched);
    assert_eq!(peer.announce(tx(3), Relay::Trickle), Announced::Full);
    // A batched vector is accepted although the batch is full.
    assert_eq!(peer.announce(tx(2), Relay::Trickle), Announced::Batched);
    peer.advance(millis(500));
    assert_eq!(peer.sent_invs(), [[tx(1), tx(2)]]);
    // A sent vector is known.
    assert_eq!(peer.announce(tx(1), Relay::Trickle), Announced::Known);
}

#[test]
fn vectors_of_one_hash_and_two_types_are_distinct() {
    let mut peer = Peer::established(quiet(EXCC));
    for kind in [InvType::TX, InvType::BLOCK, InvType::new(9)] {
        let vector = InvVect::new(kind, hash(1));
        assert_eq!(peer.announce(vector, Relay::Trickle), Announced::Batched);
    }
    assert_eq!(peer.state.stats().waiting_announcements, 3);
}

#[test]
fn a_received_object_is_known_inventory() {
    for network in [EXCC, DCR] {
        for (thing, vector) in objects(network) {
            let mut peer = Peer::established(quiet(network));
            assert!(!peer.state.is_known_inventory(peer.now, &vector));
            peer.receive(thing.clone()).unwrap();
            assert_eq!(peer.events(), [unsolicited(thing)]);
            assert!(peer.state.is_known_inventory(peer.now, &vector));
            assert_eq!(peer.state.stats().known_inventory, 1);
        }
    }
}
