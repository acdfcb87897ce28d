//! What becomes of jobs that go wrong: one that fails now and then, one that hangs, one that always fails, and one that takes its worker's
//! process with it.
//!
//! ```text
//! cargo run --example policies
//! ```
//!
//! Four workers (this program again) begin, two are left at the end, and every other job was done.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::process::Stdio;
use std::time::Duration;

use distchan::{JobContext, Outcome, Server, Worker};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

#[derive(Debug, Serialize, Deserialize)]
enum Work {
    /// Nothing is wrong with it.
    Square(u64),
    /// Fails at its first attempts, then not.
    Flaky(u64),
    /// Hangs at its first attempt.
    Hangs(u64),
    /// Fails, whatever is done.
    Impossible,
    /// Ends the worker's process.
    Poison,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        [] => tokio::select! {
            () = asked_to_stop()? => Ok(()),
            done = serve() => done,
        },
        ["worker", address] => worker(address).await,
        _ => anyhow::bail!("usage: policies"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let (jobs, mut results) = server
        .channel::<Work, String>("work")
        .retry_failures(2) // a job may fail twice and be tried again ...
        .retry_backoff(Duration::from_millis(10), Duration::from_secs(1)) // ... after 10 ms, then 20 ms
        .job_timeout(Duration::from_millis(500)) // whoever works longer is stopped, and the job tried again
        .crash_limit(2) // a job that took two workers with it is not given to a third
        .open()?;
    let mut workers = (0..4).map(|_| start_worker(&server)).collect::<Result<Vec<_>, _>>()?;
    server.wait_for_workers(workers.len()).await;

    let failed = results.failed(); // kept there, instead of being errors of `recv`
    let work =
        [Work::Square(3), Work::Flaky(4), Work::Impossible, Work::Hangs(5), Work::Poison, Work::Square(6)];
    let count = work.len();
    for job in work {
        jobs.send(job).await?;
    }
    let mut again = Vec::new();
    for _ in 0..count {
        tokio::select! {
            result = results.recv() => println!("{}", result?.unwrap_or_default()),
            job = failed.next() => {
                let attempts = job.attempts().len();
                println!("{:?} {} after {attempts} attempts: {}", job.value::<Work>()?, job.outcome(), job.reason());
                if job.outcome() == Outcome::Failed {
                    again.push(job); // what is dead would take more workers with it
                }
            }
        }
    }
    println!("tried again, by hand: {}", jobs.retry(again).await?);
    drop(jobs); // closes the channel: the end comes once every job has its outcome
    while let Some(result) = results.recv().await? {
        println!("{result}");
    }
    for job in failed.take() {
        println!("{:?} {} again", job.value::<Work>()?, job.outcome());
    }

    let mut left = 0;
    for worker in &mut workers {
        left += usize::from(worker.wait().await?.success());
    }
    println!("{left} of {} workers are left", workers.len());
    Ok(())
}

async fn worker(address: &str) -> anyhow::Result<()> {
    let asked = asked_to_stop()?;
    let worker = Worker::connect(address).await?;
    let working = worker.try_serve("work", |work: Work| async move {
        let attempt = JobContext::current().map_or(0, |job| job.attempt().0);
        match work {
            Work::Square(number) => Ok(format!("{number} squared is {}", number * number)),
            Work::Flaky(number) if attempt > 2 => Ok(format!("{number} in the end")),
            Work::Flaky(_) => Err("not yet"),
            // Stopped from outside: this future is dropped where it waits.
            Work::Hangs(_) if attempt == 1 => std::future::pending().await,
            Work::Hangs(number) => Ok(format!("{number} in the end")),
            Work::Impossible => Err("it cannot be done"),
            Work::Poison => std::process::abort(),
        }
    });
    tokio::select! {
        done = working.concurrency(1) => done?,
        () = asked => worker.drain().await?,
    }
    Ok(())
}

/// This program again, as a worker of `server`.
fn start_worker(server: &Server) -> anyhow::Result<Child> {
    let address = server.local_addr().to_string();
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(["worker", &address]).stdin(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// Ctrl-C, or the SIGTERM of whoever runs this as a service. Heard from this call on, and not only when the future is polled.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Where there is nothing to listen to, nobody can ask.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
