//! A session that is lost for good: everything that came in it is with other workers, and its numbers come again.

use std::task::{Context, Poll, Waker};

use distchan_proto::batch::Kind;

use crate::channel::error::SendErrorKind;
use crate::channel::outgoing::{Label, PushError, Room};
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
    let none = channel.answers.push_result(&13, Postcard::encode_scattered::<u32>, Room::Free);
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
        channel.answers.push(&value, Postcard::encode_scattered::<u32>, Label::VALUE, Room::Free).unwrap();
    }
    channel.reset();
    assert_eq!((channel.answers.room(), channel.answers.len()), (1, 3));
    assert_eq!(channel.said().len(), 3);
}

#[test]
fn handles_of_an_older_generation_say_nothing_and_are_told() {
    let channel = Channel::new();
    let (old, new) = (delivery(1, 1, 0), delivery(1, 1, 1));
    channel.begin(old);
    let signal = channel.answers.signal(old);
    assert!(!signal.has_fired() && !channel.answers.is_pointless(old));
    channel.reset();
    assert!(signal.has_fired() && channel.answers.is_pointless(old));
    channel.begin(new);
    let push = |label| channel.answers.push(&7, Postcard::encode_scattered::<u32>, label, Room::Free);
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
fn handles_whose_server_is_gone_for_good_are_told() {
    let channel = Channel::new();
    let held = delivery(1, 1, 0);
    channel.begin(held);
    let signal = channel.answers.signal(held);
    channel.answers.end(SendErrorKind::Disconnected("it is gone".into()));
    assert!(signal.has_fired() && channel.answers.is_pointless(held));
    assert!(channel.answers.signal(held).has_fired(), "also whoever asks later");
    let refused = channel.answers.push(
        &7,
        Postcard::encode_scattered::<u32>,
        Label::answer(Kind::Last, held),
        Room::Free,
    );
    assert!(matches!(refused, Err(PushError::Failed(SendErrorKind::Disconnected(_)))));
}

#[test]
fn handles_of_a_channel_that_is_left_are_still_to_be_answered() {
    let channel = Channel::new();
    let held = delivery(1, 1, 0);
    channel.begin(held);
    channel.answers.end(SendErrorKind::Closed);
    assert!(!channel.answers.is_pointless(held));
}

#[test]
fn whoever_waits_for_an_announcement_waits_for_the_next_job_instead() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..2, 2);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(intake.poll_recv(&mut cx).is_pending());
    channel.reset();
    assert!(channel.answers.due_announcements(1).is_empty());
    assert!(intake.poll_recv(&mut cx).is_pending());
    channel.bring(3..4, 1);
    assert!(matches!(intake.poll_recv(&mut cx), Poll::Ready(Ok(Some(3)))));
}

#[test]
fn a_batch_that_is_being_taken_can_be_taken_away_but_for_what_is_in_hand() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    channel.bring(1..6, 1);
    channel.bring(8..9, 1);
    assert_eq!(intake.try_recv().unwrap(), 1);
    assert!(!channel.cancel(1, 1), "it is in hand");
    assert!(channel.cancel(3, 1) && !channel.cancel(3, 1));
    assert_eq!(intake.try_recv().unwrap(), 2);
    assert_eq!(channel.said(), [(Kind::Returned, 3, 1, 1), (Kind::Done, 1, 1, 1)]);
    assert_eq!(intake.try_recv().unwrap(), 4, "it passes over what was taken out");
    channel.said();
    intake.stopper().stop();
    let returned = [(Kind::Returned, 8, 1, 1), (Kind::Returned, 5, 1, 1)];
    assert_eq!(channel.said(), returned, "what is in hand stays in hand");
    assert!(matches!(intake.try_recv(), Err(crate::TryRecvError::Closed)));
    assert_eq!(channel.said(), [(Kind::Done, 4, 1, 1)]);
}

/// A loop whose jobs take so long claims four of them at once.
fn hurry(channel: &Channel) {
    channel.answers.assume(std::time::Duration::from_micros(10));
}

#[test]
fn whoever_claims_several_at_once_completes_them_one_by_one() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    hurry(&channel);
    channel.bring(2001..2011, 1);
    assert_eq!(intake.try_recv().unwrap(), 2001);
    channel.result(7);
    assert_eq!(channel.answers.unclaimed(), 6, "four were claimed at once");
    assert_eq!(intake.try_recv().unwrap(), 2002);
    assert_eq!(intake.try_recv().unwrap(), 2003);
    channel.result(8);
    let expected = [(Kind::Last, 2001, 1, 1), (Kind::Done, 2002, 1, 1), (Kind::Result, 2003, 1, 1)];
    assert_eq!(channel.said(), expected);
    assert!(!channel.cancel(2004, 1), "it is claimed");
    assert!(channel.cancel(2005, 1));
    assert_eq!(intake.try_recv().unwrap(), 2004);
    assert_eq!(channel.said(), [(Kind::Returned, 2005, 1, 1), (Kind::Done, 2003, 1, 1)]);
    assert_eq!(intake.try_recv().unwrap(), 2006, "it passes over what was taken out");
    intake.stopper().stop();
    channel.said();
    (2007..2010).for_each(|job| assert_eq!(intake.try_recv().unwrap(), job));
    assert!(matches!(intake.try_recv(), Err(crate::TryRecvError::Closed)), "one was not claimed");
    assert_eq!(channel.said(), [(Kind::Done, 2006, 1, 4)]);
}

#[test]
fn a_tick_sees_what_was_completed_without_a_word() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    hurry(&channel);
    channel.bring(2001..2011, 1);
    (2001..2004).for_each(|job| assert_eq!(intake.try_recv().unwrap(), job));
    let wakes = || channel.port.wakes.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(channel.said(), [(Kind::Done, 2001, 1, 2)]);
    assert_eq!(intake.try_recv().unwrap(), 2004);
    let before = wakes();
    assert!(channel.answers.is_ticking());
    channel.answers.due_announcements(1);
    assert_eq!(wakes(), before + 1, "the driver waits, and is to send it");
    assert_eq!(channel.said(), [(Kind::Done, 2003, 1, 1)]);
    drop(intake);
    let returned: Vec<_> = (2005..2011).chain([2004]).map(|job| (Kind::Returned, job, 1, 1)).collect();
    assert_eq!(channel.said(), returned, "what was claimed ahead, and what is in hand, goes back too");
}

#[test]
fn jobs_that_were_claimed_ahead_are_void_after_a_reset() {
    let channel = Channel::new();
    let mut intake = channel.intake();
    hurry(&channel);
    channel.bring(2001..2011, 1);
    assert_eq!(intake.try_recv().unwrap(), 2001);
    channel.reset();
    channel.bring(1..2, 1);
    assert_eq!(intake.try_recv().unwrap(), 2002, "it does not know yet");
    channel.result(7);
    (2003..2005).for_each(|job| assert_eq!(intake.try_recv().unwrap(), job));
    assert_eq!(intake.try_recv().unwrap(), 1);
    channel.result(8);
    assert!(intake.try_recv().is_err());
    assert_eq!(channel.said(), [(Kind::Last, 1, 1, 1)]);
}
