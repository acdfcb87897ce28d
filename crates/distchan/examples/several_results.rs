//! A job may have no result, one, or many, or it may fail: the prime factors of some numbers.
//!
//! ```text
//! cargo run --example several_results
//! ```
//!
//! The results of a job become visible when it completes: all of them, or none.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use distchan::{Job, RecvError, SendError, Server, Worker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tokio::select! {
        biased; // so that Ctrl-C is heard from the beginning
        _ = tokio::signal::ctrl_c() => Ok(()),
        done = run() => done,
    }
}

async fn run() -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let worker = tokio::spawn(work(server.local_addr().to_string()));

    let (jobs, mut factors) = server.channel::<u64, (u64, u64)>("factors").ordered().open()?;
    for number in [60, 1, 97, 0, 1001] {
        jobs.send(number).await?;
    }
    drop(jobs);

    loop {
        match factors.recv().await {
            Ok(Some((number, factor))) => println!("{number} is divisible by {factor}"),
            Ok(None) => break,
            Err(RecvError::Failed(failed)) => println!("{failed}"),
            Err(other) => return Err(other.into()),
        }
    }
    worker.await?
}

/// A worker that holds its jobs as handles: whoever has the handle says how the job ends, here or in another task.
async fn work(address: String) -> anyhow::Result<()> {
    let worker = Worker::connect(&address).await?;
    let (mut jobs, _) = worker.channel::<u64, (u64, u64)>("factors").await?;
    while let Some(job) = jobs.next_job().await? {
        tokio::spawn(factorise(job));
    }
    Ok(())
}

async fn factorise(job: Job<u64, (u64, u64)>) -> Result<(), SendError<(u64, u64)>> {
    let number = *job;
    if number == 0 {
        job.fail("every number divides 0");
        return Ok(());
    }
    let (mut rest, mut factor) = (number, 2);
    while rest > 1 {
        if rest % factor == 0 {
            job.send((number, factor)).await?;
            rest /= factor;
        } else {
            factor += 1;
        }
    }
    job.finish();
    Ok(())
}
