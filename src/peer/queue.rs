//! Queues that do not keep what they once needed.

use alloc::collections::VecDeque;

/// Room that an empty queue keeps, so that a short one never allocates anew.
const KEPT: usize = 32;

/// Room up to which a queue grows by one at a time.
const SHORT: usize = 4;

/// Appends to a queue, which at first gets no more room than it needs: most queues never
/// hold more than one or two, and a peer has several.
pub(super) fn push_back<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() == queue.capacity() && queue.len() < SHORT {
        queue.reserve_exact(1);
    }
    queue.push_back(value);
}

/// Gives memory back that an empty queue holds from a time when it was long.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > 2 * KEPT {
        queue.shrink_to(KEPT);
    }
}

/// Gives back all memory of a queue that has not been needed for a while, but for room for
/// one.
pub(super) fn settle<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.shrink_to(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_queue_has_no_more_room_than_it_needs() {
        let mut queue = VecDeque::new();
        for len in 1..=SHORT {
            push_back(&mut queue, 7_u64);
            assert_eq!((queue.capacity(), queue.len()), (len, len));
        }
        push_back(&mut queue, 7);
        assert!(queue.capacity() >= 2 * SHORT);
    }

    #[test]
    fn only_a_long_queue_that_ran_empty_gives_memory_back() {
        let mut queue: VecDeque<u64> = (0..10_000).collect();
        queue.truncate(1);
        give_back(&mut queue);
        assert!(queue.capacity() >= 10_000);
        queue.pop_front();
        give_back(&mut queue);
        assert!((KEPT..=2 * KEPT).contains(&queue.capacity()));

        let mut queue: VecDeque<u64> = VecDeque::with_capacity(KEPT);
        let before = queue.capacity();
        give_back(&mut queue);
        assert_eq!(queue.capacity(), before);
    }
}
