//! Ending a receiver: what is here and was not begun goes back.

use std::sync::Arc;
use std::task::{Context, Poll};

use distchan_proto::batch::{Entry, Kind};
use distchan_proto::ids::{Attempt, JobId};

use crate::channel::delivery::Delivery;
use crate::channel::inbox::{Arrived, Cursor, End, Inbox};
use crate::channel::outgoing::{Label, Outgoing};
use crate::channel::port::Port;

/// Ends a receiver, also from elsewhere while its owner waits in it.
#[derive(Clone, Debug)]
pub(crate) struct Stopper {
    pub(super) inbox: Arc<Inbox>,
    /// On a worker: where the jobs' ends are said.
    pub(super) answers: Option<Arc<Outgoing>>,
    pub(super) port: Arc<dyn Port>,
}

impl Stopper {
    /// Takes nothing more. What is here and was not begun is given back; whoever waits learns that there is no more.
    pub(crate) fn stop(&self) {
        self.stop_with(0);
    }

    /// [`Stopper::stop`], where a batch that was begun costs so much.
    pub(super) fn stop_with(&self, begun: u64) {
        // Said first, or what is given back would come here again.
        self.port.close_receiver();
        match &self.answers {
            Some(answers) => close(&self.inbox, answers, End::Finished),
            None => self.port.consumed(self.inbox.close(End::Finished).cost() + begun),
        }
    }

    /// The next batch, which is the current one from now on.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<Cursor, End>> {
        self.inbox.poll_next(cx, |arrived| self.adopt(arrived))
    }

    /// The same without waiting; `None` where nothing is here.
    pub(super) fn try_next(&self) -> Option<Result<Cursor, End>> {
        self.inbox.try_next(|arrived| self.adopt(arrived))
    }

    fn adopt(&self, arrived: &Arc<Arrived>) {
        if let Some(answers) = &self.answers {
            answers.adopt(arrived);
        }
    }
}

/// Ends a worker's inbox: jobs that nobody has begun go back.
pub(crate) fn close(inbox: &Inbox, answers: &Outgoing, end: End) {
    let left = inbox.close(end);
    answers.give_back(left.generation(), left.entries());
    answers.give_back_unclaimed();
    // Whoever waits to take the first of them waits for nothing.
    inbox.wake();
}

/// Takes a job from a worker's inbox, or from what its receiver has not begun, and gives it back; false where it is in neither.
pub(crate) fn cancel(inbox: &Inbox, answers: &Outgoing, job: JobId, attempt: Attempt) -> bool {
    if inbox.cancel(job, attempt) {
        let generation = answers.generation();
        answers.note(Label::answer(Kind::Returned, Delivery { job, attempt, generation }));
        return true;
    }
    let was_here = answers.cancel_unclaimed(job, attempt);
    if was_here {
        // Whoever waits may wait until this very job is announced.
        inbox.wake();
    }
    was_here
}

/// Gives back up to `count` of the newest jobs that nobody has begun, since somebody else is idle.
pub(crate) fn give_back_newest(inbox: &Inbox, answers: &Outgoing, count: usize) {
    let newest = inbox.take_newest(count);
    let left = count - newest.len();
    answers.say_unbegun(answers.generation(), &newest);
    if left > 0 && answers.give_back_newest_unclaimed(left) {
        // Whoever waits may wait until one of them is announced.
        inbox.wake();
    }
}

/// Gives back jobs of the current session that nobody has begun.
pub(crate) fn give_back<'a>(answers: &Outgoing, entries: impl IntoIterator<Item = &'a Entry>) {
    answers.give_back(answers.generation(), entries);
}
