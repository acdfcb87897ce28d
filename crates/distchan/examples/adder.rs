//! The Go package's example: a server that sends random sums for as long as it runs, and workers that add them up. Everybody prints.
//!
//! One command, which starts a server and three workers (this program again); Ctrl-C, or `--count N`, ends it:
//!
//! ```text
//! cargo run --example adder
//! cargo run --example adder -- --count 20
//! ```
//!
//! Or each by itself. Workers may come and go while the server runs; without any, the sums wait:
//!
//! ```text
//! cargo run --example adder -- server
//! cargo run --example adder -- worker
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use distchan::{Code, Server, Worker};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

const USAGE: &str = "usage: adder [server] [--count N] | adder worker";

/// Where the server listens when it is started by itself.
const ADDRESS: &str = "127.0.0.1:5679";

#[derive(Debug, Serialize, Deserialize)]
struct Sum {
    id: u64,
    a: u32,
    b: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    id: u64,
    sum: u64,
    worker: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        [] => one_command(u64::MAX).await,
        ["--count", count] => one_command(count.parse()?).await,
        ["server"] => serve(&Server::bind(ADDRESS).await?, 1, u64::MAX).await,
        ["server", "--count", count] => serve(&Server::bind(ADDRESS).await?, 1, count.parse()?).await,
        ["worker"] => work(ADDRESS).await,
        ["worker", address] => work(address).await,
        _ => anyhow::bail!(USAGE),
    }
}

/// A server and three worker processes at a free port of this machine.
async fn one_command(count: u64) -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let mut workers = Vec::new();
    for _ in 0..3 {
        let address = server.local_addr().to_string();
        let mut command = Command::new(std::env::current_exe()?);
        workers.push(command.args(["worker", &address]).stdin(Stdio::null()).kill_on_drop(true).spawn()?);
    }
    serve(&server, workers.len(), count).await?;
    for worker in &mut workers {
        worker.wait().await?;
    }
    Ok(())
}

/// Waits for workers, sends `count` sums and prints their answers. Ctrl-C, or SIGTERM, ends it earlier: what is unfinished then is dropped.
async fn serve(server: &Server, workers: usize, count: u64) -> anyhow::Result<()> {
    let mut interrupted = pin!(asked_to_stop()?);
    let (jobs, mut answers) = server.channel::<Sum, Answer>("sums").open()?;
    println!("server: listening at {}", server.local_addr());
    tokio::select! {
        () = server.wait_for_workers(workers) => {}
        () = &mut interrupted => {
            server.shutdown().await;
            return Ok(());
        }
    }
    tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for id in 1..=count {
            pace.tick().await;
            let (a, b) = (random() % 1000, random() % 1000);
            println!("server: {id}: {a} + {b} = ?");
            if jobs.send(Sum { id, a, b }).await.is_err() {
                break; // the server was shut down
            }
        }
    });
    let mut received = 0_u64;
    loop {
        let answer = tokio::select! {
            answer = answers.recv() => answer?,
            () = &mut interrupted => None,
        };
        let Some(Answer { id, sum, worker }) = answer else { break };
        println!("server: {id}: {sum}, says worker {worker}");
        received += 1;
    }
    println!("server: {received} answers");
    server.shutdown().await;
    Ok(())
}

/// Adds until there are no more sums, or Ctrl-C, or SIGTERM: then what it has not begun goes back to the server at once.
async fn work(address: &str) -> anyhow::Result<()> {
    let asked = asked_to_stop()?;
    let worker = Worker::connect(address).await?;
    let me = std::process::id();
    let adding = worker.serve("sums", move |Sum { id, a, b }| async move {
        let sum = u64::from(a) + u64::from(b);
        println!("worker {me}: {id}: {a} + {b} = {sum}");
        Answer { id, sum, worker: me }
    });
    tokio::select! {
        done = adding => match done {
            // A server that says that it shuts down is no accident; one that is lost without a word is.
            Err(_) if worker.closed().await.0 == Code::Shutdown => {}
            done => done?,
        },
        // The server may have been interrupted at the same moment: then there is nothing to hand back.
        () = asked => drop(worker.drain().await),
    }
    println!("worker {me}: done");
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

/// A random number, from the seed that the standard library gives to each hash map.
fn random() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
