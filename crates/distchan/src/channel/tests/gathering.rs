//! When the driver is woken for what the plain loop has completed.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use distchan_proto::batch::Kind;

use crate::channel::intake::Intake;
use crate::channel::tests::Channel;

/// For so many jobs that take 10 µs the driver is woken.
const ENOUGH: u64 = 20;

/// Takes the jobs with these numbers.
fn take(intake: &mut Intake<u32>, jobs: Range<u64>) {
    for job in jobs {
        match intake.poll_recv(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(taken))) => assert_eq!(u64::from(taken), job),
            other => panic!("not job {job}, but {other:?}"),
        }
    }
}

/// Takes them, and answers each with a result.
fn answer(channel: &Channel, intake: &mut Intake<u32>, jobs: Range<u64>) {
    for job in jobs {
        take(intake, job..job + 1);
        channel.result(7);
    }
}

fn lasts(jobs: Range<u64>) -> Vec<(Kind, u64, u32, u64)> {
    jobs.map(|job| (Kind::Last, job, 1, 1)).collect()
}

impl Channel {
    fn wakes(&self) -> u32 {
        self.port.wakes.load(Ordering::SeqCst)
    }

    /// Brings a batch, and has the driver sleep.
    fn brings_short_jobs(&self, jobs: Range<u64>) {
        self.answers.assume(Duration::from_micros(10));
        self.bring(jobs, 1);
        assert_eq!(self.said(), []);
    }
}

#[test]
fn before_anything_is_known_the_driver_is_woken_for_the_first_that_completes() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.bring(1..4, 1);
    assert_eq!(channel.said(), []);
    answer(&channel, &mut intake, 1..2);
    assert_eq!(channel.wakes(), 0, "it goes on");
    answer(&channel, &mut intake, 2..3);
    assert_eq!(channel.wakes(), 1);
    answer(&channel, &mut intake, 3..4);
    assert_eq!(channel.wakes(), 1, "it is awake");
    assert_eq!(channel.said(), [lasts(1..3), vec![(Kind::Result, 3, 1, 1)]].concat());
}

#[test]
fn of_short_jobs_enough_complete_before_the_driver_is_woken() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.brings_short_jobs(1..100);
    answer(&channel, &mut intake, 1..ENOUGH + 1);
    assert_eq!(channel.wakes(), 0);
    answer(&channel, &mut intake, ENOUGH + 1..ENOUGH + 2);
    assert_eq!(channel.wakes(), 1);
    let expected = [lasts(1..ENOUGH + 1), vec![(Kind::Result, ENOUGH + 1, 1, 1)]].concat();
    assert_eq!(channel.said(), expected);
    answer(&channel, &mut intake, ENOUGH + 2..2 * ENOUGH);
    assert_eq!(channel.wakes(), 1, "it has fetched, and there is not enough again");
}

#[test]
fn ends_without_results_wait_for_nothing_but_the_next_claim() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.brings_short_jobs(1..100);
    take(&mut intake, 1..5);
    assert_eq!(channel.wakes(), 0, "four were claimed at once");
    take(&mut intake, 5..6);
    assert_eq!(channel.wakes(), 1);
    assert_eq!(channel.said(), [(Kind::Done, 1, 1, 4)]);
}

#[test]
fn what_short_jobs_have_completed_is_written_when_there_is_nothing_more_to_do() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.brings_short_jobs(1..3);
    answer(&channel, &mut intake, 1..3);
    assert_eq!(channel.wakes(), 0);
    assert!(intake.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(channel.wakes(), 1);
    assert_eq!(channel.said(), lasts(1..3));
}

#[test]
fn between_two_batches_little_waits_and_much_is_written() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.brings_short_jobs(1..3);
    channel.bring(3..5, 1);
    channel.bring(5..7, 1);
    answer(&channel, &mut intake, 1..3);
    take(&mut intake, 3..4);
    assert_eq!(channel.wakes(), 0, "two small results");
    channel.said();
    channel.large_result();
    channel.large_result();
    take(&mut intake, 4..5);
    assert_eq!(channel.wakes(), 0, "not within a batch");
    take(&mut intake, 5..6);
    assert_eq!(channel.wakes(), 1);
}

#[test]
fn what_has_completed_before_a_job_that_takes_long_waits_for_a_tick_at_most() {
    let channel = Channel::with_room_for(32);
    let mut intake = channel.intake();
    channel.brings_short_jobs(1..10);
    answer(&channel, &mut intake, 1..3);
    take(&mut intake, 3..4);
    assert_eq!(channel.wakes(), 0);
    channel.answers.due_announcements(1);
    assert_eq!(channel.wakes(), 1);
    assert_eq!(channel.said(), lasts(1..3));
}
