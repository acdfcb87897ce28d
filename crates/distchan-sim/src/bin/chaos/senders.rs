//! Sends jobs, and enters each into the books before it can have an outcome. It judges nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distchan::{CallError, JobSender};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Problem;
use crate::books::{Book, Books};
use crate::job::{Answer, Job, Kind};
use crate::proxy::dice::Dice;

/// Calls that are made at once.
const CALLS_AT_ONCE: usize = 32;

/// One call in so many is given up, within this time.
const GIVEN_UP: usize = 6;
const PATIENCE_MS: usize = 40;

/// Sends until the end, of the kinds that `choose` chooses; returns by closing the channel.
pub(crate) async fn send(
    jobs: JobSender<Job, Answer>,
    books: Arc<Books>,
    book: fn(&Books) -> &Book,
    mut choose: impl FnMut(&Books) -> Kind,
) -> Result<(), Problem> {
    while !books.is_over() {
        let job = enter(book(&books), choose(&books));
        jobs.send(job).await.map_err(|error| error.kind().clone())?;
    }
    Ok(())
}

fn enter(book: &Book, kind: Kind) -> Job {
    let mut ledger = book.open();
    let job = Job { number: ledger.next(), kind };
    ledger.enter(job.clone());
    job
}

/// Makes calls until the end, and gives some of them up.
pub(crate) async fn call(
    jobs: JobSender<Job, Answer>,
    books: Arc<Books>,
    mut dice: Dice,
) -> Result<(), Problem> {
    let mut calls = JoinSet::new();
    while !books.is_over() {
        let job = enter(&books.calls, Kind::call(&mut dice));
        let patience =
            (dice.below(GIVEN_UP) == 0).then(|| Duration::from_millis(dice.below(PATIENCE_MS) as u64));
        calls.spawn(make_call(jobs.clone(), Arc::clone(&books), job, patience));
        while calls.len() >= CALLS_AT_ONCE {
            calls.join_next().await.transpose()?;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended?;
    }
    Ok(())
}

async fn make_call(jobs: JobSender<Job, Answer>, books: Arc<Books>, job: Job, patience: Option<Duration>) {
    let number = job.number;
    let call = jobs.call(job);
    let outcome = match patience {
        None => call.await,
        Some(patience) => match timeout(patience, call).await {
            Ok(outcome) => outcome,
            Err(_) => {
                books.calls.open().strike(number);
                books.cancelled.fetch_add(1, Ordering::Relaxed);
                return;
            }
        },
    };
    let mut ledger = books.calls.open();
    match outcome {
        Ok(answer) if answer.number == number => ledger.answer(answer),
        Ok(answer) => ledger.deviate(format!("call {number} has another's result: {answer:?}")),
        Err(CallError::Failed(failed)) => ledger.failure(number, &failed),
        Err(other) => ledger.deviate(format!("call {number}: {other}")),
    }
}
