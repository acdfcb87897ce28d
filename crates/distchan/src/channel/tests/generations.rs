//! A session that is lost for good: everything that came in it is with other workers, and its numbers come again.

use std::task::{Context, Poll, Waker};

use distchan_proto::batch::Kind;

use crate::channel::error::SendErrorKind;
use crate::channel::outgoing::{Label, PushError, Room, Taking};
use crate::channel::tests::{Channel, delivery};
use crate::codec::{Codec, Postcard};

#[test]
fn what_waits_is_dropped_and_what_comes_later_is_not() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..4, 1);
    channel.bring(4..6, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    channel.reset();
    channel.bring(8..9, 1);
    assert_eq!(intake.try_recv().unwrap(), 8);
    assert!(intake.try_recv().is_err());
    assert_eq!(channel.said(), [(Kind::Done, 8, 1, 1)], "of the first nothing is said");
}

#[test]
fn the_plain_loop_goes_on_silently() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..3, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    channel.result(10);
    channel.reset();
    channel.result(11);
    // The same number, in a new session: nothing of the old one is taken for its result.
    channel.bring(1..2, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    channel.result(12);
    assert!(intake.try_recv().is_err());
    assert_eq!(channel.said(), [(Kind::Last, 1, 1, 1)]);
    let none = channel.answers.push_result(&13, Postcard::encode::<u32>, Room::Free);
    assert!(matches!(none, Err(PushError::Failed(SendErrorKind::NoJob))), "that is forgotten with the next");
}

#[test]
fn answers_that_wait_are_dropped_and_give_their_room_back() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    (0..4).for_each(|result| channel.result(result));
    assert_eq!(channel.answers.room(), 0);
    channel.reset();
    assert_eq!((channel.answers.room(), channel.answers.len()), (4, 0));
    assert!(channel.said().is_empty());
}

#[test]
fn values_that_stand_for_themselves_stay() {
    let channel = Channel::new();
    for value in 1..4_u32 {
        channel.answers.push(&value, Postcard::encode::<u32>, Label::VALUE, Room::Free).unwrap();
    }
    channel.reset();
    assert_eq!((channel.answers.room(), channel.answers.len()), (1, 3));
    assert_eq!(channel.said().len(), 3);
}

#[test]
fn handles_of_an_older_generation_say_nothing_and_are_told() {
    let channel = Channel::new();
    let (old, new) = (delivery(1, 1, 0), delivery(1, 1, 1));
    channel.answers.begin(old, Taking::Handle);
    let signal = channel.answers.signal(old);
    assert!(!signal.has_fired() && !channel.answers.is_pointless(old));
    channel.reset();
    assert!(signal.has_fired() && channel.answers.is_pointless(old));
    channel.answers.begin(new, Taking::Handle);
    let push = |label| channel.answers.push(&7, Postcard::encode::<u32>, label, Room::Free);
    for kind in [Kind::Result, Kind::Last] {
        let refused = push(Label::answer(kind, old));
        assert!(matches!(refused, Err(PushError::Failed(SendErrorKind::Reassigned))));
    }
    channel.answers.note(Label::answer(Kind::Returned, old));
    channel.answers.note_failed(old, "too late");
    assert!(!channel.answers.is_pointless(new), "the new one is not taken for it");
    assert!(channel.said().is_empty());
    push(Label::answer(Kind::Last, new)).unwrap();
    assert_eq!(channel.said(), [(Kind::Last, 1, 1, 1)]);
}

#[test]
fn whoever_waits_for_an_announcement_waits_for_the_next_job_instead() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 2);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(intake.poll_recv(&mut cx).is_pending());
    channel.reset();
    assert!(channel.answers.due_announcements(true).is_empty());
    assert!(intake.poll_recv(&mut cx).is_pending());
    channel.bring(3..4, 1);
    assert!(matches!(intake.poll_recv(&mut cx), Poll::Ready(Ok(Some(3)))));
}
