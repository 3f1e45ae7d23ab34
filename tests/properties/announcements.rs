//! Announcements, compared with a small model.

use std::collections::BTreeSet;

use excc_peer::wire::{InvVect, Message};
use excc_peer::{Announced, Instant, Relay, Timer};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;
use crate::vector;

/// The vectors of all `inv`s among the messages.
fn announced(messages: &[Message]) -> Vec<InvVect> {
    let vectors = |message: &Message| match message {
        Message::Inv(vectors) => vectors.to_vec(),
        _ => Vec::new(),
    };
    messages.iter().flat_map(vectors).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_trickle_announces_the_batched_vectors_that_are_not_known(
        steps in vec((vector(), 0..10_u8, 0..200_u64), 0..200),
    ) {
        let mut peer = Peer::established(config(EXCC).idle_timeout(None).ping_interval(None));
        let mut known = BTreeSet::new();
        let mut waiting: Vec<(Instant, InvVect)> = Vec::new();
        for (vector, what, pause) in steps {
            let end = peer.now + millis(pause);
            while let Some((timer, at)) = peer.state.next_deadline().filter(|&(_, at)| at <= end) {
                prop_assert_eq!(timer, Timer::Trickle);
                // The earliest vector waits for less than half a second.
                prop_assert!(at - waiting[0].0 < millis(500));
                peer.skip_to_deadline();
                let due: Vec<_> = waiting
                    .drain(..)
                    .map(|(_, vector)| vector)
                    .filter(|&vector| known.insert(vector))
                    .collect();
                prop_assert_eq!(announced(&peer.sent()), due);
            }
            prop_assert!(waiting.is_empty() || peer.state.poll_timeout().is_some());
            peer.now = end;
            match what {
                0..6 => {
                    let answer = peer.state.announce(peer.now, vector, Relay::Trickle);
                    if known.contains(&vector) {
                        prop_assert_eq!(answer, Announced::Known);
                    } else {
                        prop_assert_eq!(answer, Announced::Batched);
                        waiting.push((peer.now, vector));
                    }
                }
                6 | 7 => {
                    let answer = peer.state.announce(peer.now, vector, Relay::Immediate);
                    prop_assert_eq!(matches!(answer, Announced::Queued(_)), known.insert(vector));
                    let expected = if answer == Announced::Known { vec![] } else { vec![vector] };
                    prop_assert_eq!(announced(&peer.sent()), expected);
                }
                8 => {
                    peer.receive(Message::Inv([vector].into())).unwrap();
                    known.insert(vector);
                }
                _ => {
                    peer.state.add_known_inventory(peer.now, vector);
                    known.insert(vector);
                }
            }
            peer.events();
        }
    }

    #[test]
    fn announcements_leave_through_a_queue_of_any_size(
        count in 1..100_u32,
        limit in 191..4_000_usize,
        blocked in 0..10_u64,
    ) {
        let config = config(DCR).max_queued_bytes(limit).idle_timeout(None).ping_interval(None);
        let mut peer = Peer::established(config);
        while peer.state.send(peer.now, Message::GetAddr).is_ok() {}
        for n in 0..count {
            let announced = peer.state.announce(peer.now, tx(n), Relay::Trickle);
            prop_assert_eq!(announced, Announced::Batched);
        }
        peer.advance(secs(blocked));
        prop_assert_eq!(peer.state.stats().waiting_announcements, count as usize);
        let mut sent = Vec::new();
        for _ in 0..=count {
            sent.extend(announced(&peer.sent()));
            peer.advance(millis(500));
        }
        prop_assert_eq!(sent, (0..count).map(tx).collect::<Vec<_>>());
    }
}
