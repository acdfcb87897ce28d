//! Virtual time: what happens next. Nothing is polled; whatever is to happen stands here, so an idle cluster costs nothing but its
//! heartbeats. Events of one moment come in the order in which they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use distchan_proto::time::Time;

/// Planned events, earliest first.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Planned<E>>,
    next: u64,
}

#[derive(Debug)]
struct Planned<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), next: 0 }
    }

    /// Plans an event.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        self.heap.push(Planned { at, number: self.next, event });
        self.next += 1;
    }

    /// The next event, if it comes before `end`.
    pub(crate) fn pop_before(&mut self, end: Time) -> Option<(Time, E)> {
        if self.heap.peek()?.at >= end {
            return None;
        }
        self.heap.pop().map(|planned| (planned.at, planned.event))
    }
}

impl<E> Ord for Planned<E> {
    /// The earliest is the greatest: that is the one a heap gives out.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Planned<E> {}
