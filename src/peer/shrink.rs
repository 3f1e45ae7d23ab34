//! Queues that return memory they no longer need.

use alloc::collections::VecDeque;

/// Capacity that an empty queue keeps, so that a short queue does not allocate again and again.
const KEPT_CAPACITY: usize = 32;

/// Length up to which a queue grows by one element at a time.
const SHORT_LEN: usize = 4;

/// Appends an element. A short queue allocates no spare capacity: a peer has several queues, and
/// most never hold more than two elements.
pub(super) fn push_back<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() == queue.capacity() && queue.len() < SHORT_LEN {
        queue.reserve_exact(1);
    }
    queue.push_back(value);
}

/// Shrinks an empty queue whose capacity remains from a longer one.
pub(super) fn shrink_if_oversized<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > 2 * KEPT_CAPACITY {
        queue.shrink_to(KEPT_CAPACITY);
    }
}

/// Shrinks an empty queue to the capacity of one element. Called from time to time, when the
/// peer is idle.
pub(super) fn shrink_if_idle<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.shrink_to(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_queue_has_no_spare_capacity() {
        let mut queue = VecDeque::new();
        for len in 1..=SHORT_LEN {
            push_back(&mut queue, 7_u64);
            assert_eq!((queue.capacity(), queue.len()), (len, len));
        }
        push_back(&mut queue, 7);
        assert!(queue.capacity() >= 2 * SHORT_LEN);
    }

    #[test]
    fn only_an_empty_oversized_queue_shrinks() {
        let mut queue: VecDeque<u64> = (0..10_000).collect();
        queue.truncate(1);
        shrink_if_oversized(&mut queue);
        assert!(queue.capacity() >= 10_000);
        queue.pop_front();
        shrink_if_oversized(&mut queue);
        assert!((KEPT_CAPACITY..=2 * KEPT_CAPACITY).contains(&queue.capacity()));

        let mut queue: VecDeque<u64> = VecDeque::with_capacity(KEPT_CAPACITY);
        let before = queue.capacity();
        shrink_if_oversized(&mut queue);
        assert_eq!(queue.capacity(), before);
    }
}
