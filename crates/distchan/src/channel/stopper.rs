//! Ending a receiver: what is here and was not begun goes back.

use std::sync::Arc;

use distchan_proto::batch::Entry;

use crate::channel::inbox::{End, Inbox};
use crate::channel::outgoing::Outgoing;
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
        self.stop_but_for(0);
    }

    /// [`Stopper::stop`], where so much of what is here is still to be taken elsewhere.
    pub(super) fn stop_but_for(&self, withheld: u64) {
        // Said first, or what is given back would come here again.
        self.port.close_receiver();
        let left = self.inbox.close(End::Finished);
        match &self.answers {
            Some(answers) => answers.give_back(left.generation(), left.entries()),
            None => self.port.consumed(left.cost() - withheld),
        }
    }
}

/// Gives back jobs of the current session that nobody has begun.
pub(crate) fn give_back<'a>(answers: &Outgoing, entries: impl IntoIterator<Item = &'a Entry>) {
    answers.give_back(answers.generation(), entries);
}
