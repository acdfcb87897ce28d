//! Kills two of four workers in the middle of the work, with SIGKILL, and shows that nothing is lost and nothing comes twice.
//!
//! ```text
//! cargo run --example kill
//! ```
//!
//! It exits with 1 if a result is missing, or is there twice.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::process::Stdio;
use std::time::Duration;

use distchan::{SendError, Server, Worker};
use tokio::process::{Child, Command};

/// How many jobs there are.
const JOBS: usize = 400;

/// How long each takes.
const WORK: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        [] => tokio::select! {
            () = asked_to_stop()? => Ok(()),
            done = lose_two_of_four() => done,
        },
        ["worker", address] => worker(address).await,
        _ => anyhow::bail!("usage: kill"),
    }
}

/// Works until there are no more jobs, or it is asked to stop: then it hands back what it has not begun.
async fn worker(address: &str) -> anyhow::Result<()> {
    let asked = asked_to_stop()?;
    let worker = Worker::connect(address).await?;
    let working = worker.serve("slow", |job: usize| async move {
        tokio::time::sleep(WORK).await;
        job
    });
    tokio::select! {
        done = working.concurrency(1) => done?,
        () = asked => worker.drain().await?,
    }
    Ok(())
}

async fn lose_two_of_four() -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let (jobs, mut results) = server.channel::<usize, usize>("slow").open()?;
    let mut workers = (0..4).map(|_| start_worker(&server)).collect::<Result<Vec<_>, _>>()?;
    server.wait_for_workers(workers.len()).await;
    tokio::spawn(async move {
        for job in 0..JOBS {
            jobs.send(job).await?;
        }
        Ok::<_, SendError<usize>>(())
    });

    let mut times = vec![0_u32; JOBS];
    let mut received = 0;
    while let Some(job) = results.recv().await? {
        times[job] += 1;
        received += 1;
        if received == JOBS / 4 || received == JOBS / 2 {
            kill_one(&mut workers).await?;
            println!("after {received} results: one worker killed, {} are left", workers.len());
        }
    }
    for worker in &mut workers {
        worker.wait().await?;
    }

    let redelivered = server.stats().channel("slow").map_or(0, |stats| stats.redelivered);
    println!("{JOBS} jobs, {received} results, {redelivered} jobs were delivered again");
    let lost = times.iter().filter(|times| **times == 0).count();
    let twice = times.iter().filter(|times| **times > 1).count();
    anyhow::ensure!(lost == 0 && twice == 0, "{lost} results are missing, {twice} came more than once");
    println!("every result came exactly once");
    Ok(())
}

/// This program again, as a worker of `server`.
fn start_worker(server: &Server) -> anyhow::Result<Child> {
    let address = server.local_addr().to_string();
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(["worker", &address]).stdin(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// SIGKILL: the worker has no chance to say anything.
async fn kill_one(workers: &mut Vec<Child>) -> anyhow::Result<()> {
    if let Some(mut worker) = workers.pop() {
        worker.kill().await?;
    }
    Ok(())
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
