//! Capitalises a text on three worker processes: the Go package's first example, on a real file.
//!
//! One command, which starts a server and three workers (this program again) and prints the text:
//!
//! ```text
//! cargo run --release --example capitalize -- --ordered crates/distchan/examples/data/alice.txt
//! ```
//!
//! Or each by itself, with as many workers as you like, before or after the server has started its work:
//!
//! ```text
//! cargo run --release --example capitalize -- server 127.0.0.1:5678 crates/distchan/examples/data/alice.txt
//! cargo run --release --example capitalize -- worker 127.0.0.1:5678
//! ```

#![expect(clippy::print_stderr, reason = "a program for the terminal")]

use std::io::{ErrorKind, Write};
use std::process::Stdio;
use std::time::Instant;

use distchan::{JobSender, Receiver, RecvError, SendError, Server, Worker};
use tokio::process::{Child, Command};

const USAGE: &str =
    "usage: capitalize [--ordered] FILE | capitalize server ADDRESS FILE | capitalize worker ADDRESS";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["worker", address] = *args {
        return worker(address).await;
    }
    tokio::select! {
        () = asked_to_stop()? => Ok(()),
        done = run(&args) => done,
    }
}

async fn run(args: &[&str]) -> anyhow::Result<()> {
    match *args {
        ["server", address, file] => server(address, file).await,
        ["--ordered", file] | [file, "--ordered"] => one_command(file, true).await,
        [file] if !file.starts_with('-') => one_command(file, false).await,
        _ => anyhow::bail!(USAGE),
    }
}

/// The server: sends every line, prints what comes back, in whatever order.
async fn server(address: &str, file: &str) -> anyhow::Result<()> {
    let server = Server::bind(address).await?;
    eprintln!("listening at {}; waiting for a worker", server.local_addr());
    let (jobs, results) = server.channel::<String, String>("capitalize").open()?;
    server.wait_for_workers(1).await;
    send_lines(file, jobs)?;
    eprintln!("{}", print_results(results).await?);
    Ok(())
}

/// A worker: takes lines until there are no more, or it is asked to stop: then it finishes the line that it has in hand, and those that it has
/// not begun go to other workers at once.
async fn worker(address: &str) -> anyhow::Result<()> {
    let asked = asked_to_stop()?;
    let worker = Worker::connect(address).await?;
    let (mut jobs, results) = worker.channel::<String, String>("capitalize").await?;
    let stopping = tokio::spawn(async move {
        asked.await;
        worker.drain().await
    });
    let mut done = 0;
    loop {
        match jobs.recv().await {
            Ok(Some(line)) => results.send(line.to_uppercase()).await?,
            Ok(None) => break,
            Err(RecvError::Draining) => {
                stopping.await??;
                break;
            }
            Err(lost) => return Err(lost.into()),
        }
        done += 1;
    }
    let line = format!("worker {}: {done} jobs\n", std::process::id());
    eprint!("{line}"); // in one piece, since the workers share a terminal
    Ok(())
}

/// A server and three worker processes at a free port of this machine.
async fn one_command(file: &str, ordered: bool) -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let mut channel = server.channel::<String, String>("capitalize");
    if ordered {
        channel = channel.ordered();
    }
    let (jobs, results) = channel.open()?;
    let mut workers = (0..3).map(|_| start_worker(&server)).collect::<Result<Vec<_>, _>>()?;
    server.wait_for_workers(workers.len()).await;
    send_lines(file, jobs)?;
    let summary = print_results(results).await?;
    for worker in &mut workers {
        worker.wait().await?; // each says how much it has done
    }
    eprintln!("{summary}");
    Ok(())
}

/// This program again, as a worker of `server`; it is killed if this one leaves early.
fn start_worker(server: &Server) -> anyhow::Result<Child> {
    let address = server.local_addr().to_string();
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(["worker", &address]).stdin(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// Sends the file's lines, in a task of its own.
fn send_lines(file: &str, jobs: JobSender<String, String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)?;
    tokio::spawn(async move {
        for line in text.lines() {
            jobs.send(line.to_owned()).await?; // waits when the workers are behind
        }
        Ok::<_, SendError<String>>(()) // dropping `jobs` closes the channel
    });
    Ok(())
}

/// Prints what comes out until every job is done, and returns how fast that was.
async fn print_results(mut results: Receiver<String>) -> anyhow::Result<String> {
    let (mut count, start) = (0_u32, Instant::now());
    while let Some(line) = results.recv().await? {
        match writeln!(std::io::stdout(), "{line}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break, // whoever reads has enough
            written => written?,
        }
        count += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("{count} lines in {seconds:.3} s: {:.0} lines/s", f64::from(count) / seconds))
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
