//! The connection of somebody who watches: a question, an answer.

use std::time::Duration;

use distchan::{Code, OpenError, Receiver, Sender, Worker};

use crate::door;
use crate::exit::{self, Failure};
use crate::report::{Explained, Status};
use crate::settings::TicketFrom;
use crate::wire::{self, Answer, Asked, MAX_VALUE, Question};

/// How long a server may take to open the channels, and for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a run's server.
#[derive(Debug)]
pub(super) struct Session {
    worker: Worker,
    asker: u64,
    questions: Sender<Asked>,
    /// Opened with the first answer: the server opens it then, too.
    answers: Option<Receiver<Answer>>,
}

impl Session {
    pub(super) async fn open(ticket: TicketFrom) -> Result<Self, Failure> {
        let server = door::ticket(ticket)?;
        let name = format!("watching from {}, pid {}", door::host_name(), std::process::id());
        let builder = Worker::builder().signature(wire::SIGNATURE).name(name);
        let worker = builder.connect(server.as_str()).await.map_err(|error| door::refused(&error))?;
        let questions = worker.sender::<Asked>(wire::QUESTIONS).wait(PATIENCE).await;
        let questions = questions.map_err(|error| refused(&error))?;
        Ok(Self { worker, asker: rand::random(), questions, answers: None })
    }

    /// How the run stands.
    pub(super) async fn status(&mut self) -> Result<Status, Failure> {
        match self.ask(Question::Status).await? {
            Answer::Status(status) => Ok(*status),
            Answer::Explained(_) => Err(confused()),
        }
    }

    /// What has become of a job.
    pub(super) async fn explain(&mut self, seq: u64) -> Result<Explained, Failure> {
        match self.ask(Question::Explain(seq)).await? {
            Answer::Explained(explained) => Ok(*explained),
            Answer::Status(_) => Err(confused()),
        }
    }

    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let answered = tokio::time::timeout(PATIENCE, async {
            let asked = Asked { asker: self.asker, question };
            self.questions.send(asked).await.map_err(|error| lost(&error))?;
            let answers = match &mut self.answers {
                Some(answers) => answers,
                none => {
                    let answers = self.worker.receiver::<Answer>(wire::answers(self.asker));
                    let answers = answers.max_value(MAX_VALUE).wait(PATIENCE).await;
                    none.insert(answers.map_err(|error| refused(&error))?)
                }
            };
            answers.recv().await.map_err(|error| lost(&error))
        });
        match answered.await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(lost(&"the run has ended")),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(lost(&format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    pub(super) async fn close(self) {
        // Nothing that was sent is still wanted.
        drop(self.worker.close().await);
    }
}

fn lost(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(exit::UNREACHABLE, format!("the server is lost: {error}"))
}

fn refused(error: &OpenError) -> Failure {
    match error.code {
        Code::Shutdown => lost(&"the run has ended"),
        Code::Types | Code::Codec | Code::Signature => {
            Failure::new(exit::VERSION, format!("{error}\n  run the same version of distchan on both sides"))
        }
        _ => Failure::new(exit::UNREACHABLE, error.to_string()),
    }
}

/// The order of answers is that of the questions.
fn confused() -> Failure {
    Failure::new(exit::VERSION, "the server has answered another question")
}
