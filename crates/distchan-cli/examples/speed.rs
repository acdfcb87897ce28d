//! How fast the command is, beside `xargs` and GNU parallel, in one run; each is run in turn, several times, and the middle counts.
//!
//! ```text
//! cargo build --release -p distchan-cli && cargo run --release -p distchan-cli --example speed
//! ```
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is run.
const ROUNDS: usize = 5;

/// Inputs of a process each.
const JOBS: u32 = 2000;

/// Lines of a stream.
const LINES: u32 = 10_000_000;

fn main() -> io::Result<()> {
    let distchan = beside_this_one()?;
    let run = format!("{} run", distchan.display());
    let jobs = [format!("{run} -j2 true"), "xargs -P2 -n1 true".to_owned(), "parallel -j2 true".to_owned()];
    let seconds = middle_of_each(&jobs, &format!("seq {JOBS}"))?;
    println!("{JOBS} inputs, a process each, two at once:");
    for (command, time) in jobs.iter().zip(&seconds) {
        let command = command.replace(&run, "distchan run");
        match time {
            Some(time) => println!(
                "  {command:24} {:6.2} s, {:6.0} jobs/s",
                time.as_secs_f64(),
                f64::from(JOBS) / time.as_secs_f64()
            ),
            None => println!("  {command:24} SKIP: it is not here, or fails"),
        }
    }
    let streams = ["--pipe cat", "-k --pipe cat", "--pipe tr 0-9 a-j", "--persistent cat"]
        .map(|args| format!("{run} {args}"));
    let file = std::env::temp_dir().join(format!("distchan-speed-{}", std::process::id()));
    let made = Command::new("sh").arg("-c").arg(format!("seq {LINES} > {}", file.display())).status()?;
    assert!(made.success(), "cannot write {}", file.display());
    let measured = streams_of(&streams, &run, &file);
    std::fs::remove_file(&file)?;
    measured
}

fn streams_of(streams: &[String], run: &str, file: &Path) -> io::Result<()> {
    let seconds = middle_of_each(streams, &format!("cat {}", file.display()))?;
    println!("{LINES} lines through a filter:");
    for (command, time) in streams.iter().zip(seconds) {
        let command = command.replace(run, "distchan run");
        if let Some(time) = time {
            println!(
                "  {command:32} {:6.2} s, {:5.1} M lines/s",
                time.as_secs_f64(),
                f64::from(LINES) / 1e6 / time.as_secs_f64()
            );
        }
    }
    println!("{LINES} lines, the most memory that distchan had (GNU time):");
    for args in ["-k --pipe cat", "--dry-run true", "-n 5000 true"] {
        let line =
            format!("/usr/bin/time -f %M {run} {args} < {} 2>&1 >/dev/null | tail -n 1", file.display());
        let output = Command::new("sh").arg("-c").arg(line).stderr(Stdio::null()).output()?;
        match String::from_utf8_lossy(&output.stdout).trim().parse::<u32>() {
            Ok(kib) => println!("  distchan run {args:20} {:4} MiB", kib / 1024),
            Err(_) => println!("  distchan run {args:20} SKIP: no /usr/bin/time here"),
        }
    }
    Ok(())
}

/// The middle of the times that each command takes on this input; `None` for one that fails.
fn middle_of_each(commands: &[String], input: &str) -> io::Result<Vec<Option<Duration>>> {
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..ROUNDS {
        for (command, times) in commands.iter().zip(&mut times) {
            let begun = Instant::now();
            let line = format!("{input} | {command} > /dev/null 2>&1");
            if Command::new("sh").arg("-c").arg(line).status()?.success() {
                times.push(begun.elapsed());
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times.get(times.len() / 2).copied()
        })
        .collect())
}

/// The command of the same build.
fn beside_this_one() -> io::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let profile = here.parent().and_then(Path::parent).ok_or(io::ErrorKind::NotFound)?;
    let distchan = profile.join("distchan");
    if !distchan.is_file() {
        return Err(io::Error::other(format!("{} is not there: build it first", distchan.display())));
    }
    Ok(distchan)
}
