//! What the server is told of the beginning of jobs, and who waits for that.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use distchan_proto::batch::Kind;
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::outgoing::Label;
use crate::channel::tests::{Channel, delivery};

const NOTHING: [(JobId, Attempt); 0] = [];

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_first_attempt_is_announced_once_when_it_outlasts_a_tick() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    let handle = delivery(5, 1, 0);
    channel.begin(handle);
    assert_eq!(channel.answers.due_announcements(0), NOTHING);
    assert_eq!(channel.answers.due_announcements(1), NOTHING, "they may be a moment old");
    assert!(channel.answers.is_ticking());
    assert_eq!(channel.answers.due_announcements(1), [(JobId(1), Attempt(1)), handle.key()]);
    assert!(!channel.answers.is_ticking());
    assert_eq!(channel.answers.due_announcements(1), NOTHING);
}

#[test]
fn what_is_answered_in_time_is_never_announced() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    let handle = delivery(5, 1, 0);
    channel.begin(handle);
    channel.bring(1..3, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    channel.answers.due_announcements(1);
    channel.answers.note(Label::answer(Kind::Done, handle));
    assert_eq!(intake.try_recv().unwrap(), 2);
    assert_eq!(channel.answers.due_announcements(1), NOTHING);
    assert!(intake.try_recv().is_err());
    assert_eq!(channel.answers.due_announcements(1), NOTHING);
    assert!(!channel.answers.is_ticking());
}

#[test]
fn a_loop_is_quick_while_several_jobs_end_in_the_least_time_between_two_ticks() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..14, 1);
    let mut take = |jobs: Range<u32>| {
        for job in jobs {
            assert_eq!(intake.try_recv().unwrap(), job);
        }
    };
    take(1..3);
    assert_eq!(channel.answers.due_announcements(1), NOTHING);
    assert!(channel.answers.is_ticking() && channel.answers.is_quick());
    take(3..12);
    assert_eq!(channel.answers.due_announcements(4), NOTHING);
    assert!(channel.answers.is_quick(), "nine in four times that");
    take(12..14);
    assert_eq!(channel.answers.due_announcements(4), NOTHING);
    assert!(channel.answers.is_ticking() && !channel.answers.is_quick(), "but not two");
    assert_eq!(channel.answers.due_announcements(1), [(JobId(13), Attempt(1))]);
}

#[test]
fn the_ticker_is_woken_once_until_it_has_nothing_to_do() {
    let channel = Channel::new();
    let begun = || channel.port.begun.load(Ordering::SeqCst);
    let begin = |job| channel.begin(delivery(job, 1, 0));
    let end = |job| channel.answers.note(Label::answer(Kind::Done, delivery(job, 1, 0)));
    begin(1);
    begin(2);
    assert_eq!(begun(), 1);
    channel.answers.due_announcements(1);
    begin(3);
    assert_eq!(begun(), 1, "it ticks already");
    (1..4).for_each(end);
    channel.answers.due_announcements(1);
    begin(4);
    end(4);
    assert_eq!(begun(), 1, "nor is it woken while jobs come and go");
    (0..2).for_each(|_| _ = channel.answers.due_announcements(1));
    begin(5);
    assert_eq!(begun(), 2);
}

#[test]
fn a_further_attempt_is_kept_until_its_announcement_is_on_the_wire() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..3, 2);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    for job in 1..3 {
        let wakes = channel.port.wakes.load(Ordering::SeqCst);
        assert!(intake.poll_recv(&mut cx).is_pending());
        assert!(channel.port.wakes.load(Ordering::SeqCst) > wakes, "it is urgent");
        assert_eq!(channel.answers.due_announcements(0), [(JobId(job), Attempt(2))]);
        assert!(intake.poll_recv(&mut cx).is_pending(), "it is not written yet");
        assert_eq!(channel.answers.due_announcements(0), NOTHING);
        assert!(!woken.0.swap(false, Ordering::SeqCst));
        channel.answers.announcements_written();
        assert!(woken.0.swap(false, Ordering::SeqCst));
        let taken = intake.poll_recv(&mut cx);
        assert!(matches!(taken, Poll::Ready(Ok(Some(taken))) if u64::from(taken) == job));
        for _ in 0..3 {
            assert_eq!(channel.answers.due_announcements(1), NOTHING, "once is enough");
        }
    }
}

#[test]
fn what_is_written_before_it_was_fetched_is_no_announcement() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 2);
    assert!(intake.try_recv().is_err());
    channel.answers.announcements_written();
    assert!(intake.try_recv().is_err());
    channel.answers.due_announcements(0);
    channel.answers.announcements_written();
    assert_eq!(intake.try_recv().unwrap(), 1);
}

#[test]
fn a_job_that_is_cancelled_while_it_is_announced_makes_way_for_the_next() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 2);
    channel.bring(7..8, 1);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(intake.poll_recv(&mut cx).is_pending());
    assert!(!channel.cancel(1, 1), "that is another delivery");
    assert!(channel.cancel(1, 2));
    assert!(!channel.cancel(1, 2), "it is not here any more");
    assert!(woken.0.load(Ordering::SeqCst));
    assert!(matches!(intake.poll_recv(&mut cx), Poll::Ready(Ok(Some(7)))));
}
