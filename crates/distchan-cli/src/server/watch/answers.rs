//! Answers those who watch, each over a channel of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use distchan::{Receiver, Sender, Server};

use crate::server::watch::Lookout;
use crate::wire::{Answer, Asked, MAX_VALUE, Question, answers};

/// How many may watch at once. Whoever has asked least recently gives way.
const WATCHERS: usize = 64;

/// Those who watch, who asked last at the end.
struct Watchers(VecDeque<(u64, Sender<Answer>)>);

/// Answers what is asked, until the server ends.
pub(in crate::server) async fn answer(server: Server, mut asked: Receiver<Asked>, lookout: Arc<Lookout>) {
    let mut watchers = Watchers(VecDeque::new());
    while let Ok(Some(Asked { asker, question })) = asked.recv().await {
        let answer = match question {
            Question::Status => Answer::Status(Box::new(lookout.status())),
            Question::Explain(seq) => Answer::Explained(Box::new(lookout.explain(seq))),
        };
        watchers.tell(&server, asker, answer);
    }
}

impl Watchers {
    fn tell(&mut self, server: &Server, asker: u64, answer: Answer) {
        let known = self.0.iter().position(|(other, _)| *other == asker).and_then(|at| self.0.remove(at));
        let channel = match known {
            Some((_, channel)) => Ok(channel),
            None => server.sender::<Answer>(answers(asker)).max_value(MAX_VALUE).open(),
        };
        // Where the server is shut down nobody waits for an answer.
        let Ok(channel) = channel else { return };
        // One that has gone away, or does not read, goes without.
        drop(channel.try_send(answer));
        if self.0.len() == WATCHERS {
            self.0.pop_front();
        }
        self.0.push_back((asker, channel));
    }
}
