//! Two network namespaces with a bad link between them, made in user space: packets are lost, late, out of order, and there twice.
//! Where this machine cannot make one, the tests print SKIP, and why.
//!
//! The published figures: `cargo test --release -p distchan --test process -- --ignored --nocapture a_bad_link_for_minutes`

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::Program;

const PORT: u16 = 5678;

/// What a bad link costs, beyond three times the time it would take over a good one.
const LIMIT: Duration = Duration::from_secs(120);

/// How bad a link is, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
struct Weather {
    seed: u32,
    loss: u32,
    delay: u32,
    jitter: u32,
    duplicate: u32,
}

/// A seventeenth of all packets lost and a fifth of a second for the way there and back.
const BAD: Weather = Weather { seed: 1, loss: 5, delay: 100, jitter: 30, duplicate: 1 };
const WORSE: Weather = Weather { seed: 2, loss: 30, delay: 100, jitter: 80, duplicate: 5 };

#[test]
fn five_percent_loss_is_no_loss_of_a_worker() {
    over(BAD, Duration::from_secs(10), true);
}

#[test]
fn thirty_percent_loss_brings_no_wrong_outcome() {
    over(WORSE, Duration::from_secs(5), false);
}

#[test]
#[ignore = "takes eleven minutes; see the module's documentation"]
fn a_bad_link_for_minutes() {
    over(BAD, Duration::from_secs(600), true);
    over(WORSE, Duration::from_secs(60), false);
}

/// Lets two workers in one namespace serve a server in another for `time`.
fn over(weather: Weather, time: Duration, is_good: bool) {
    let test = format!("{weather:?}");
    let net = match Net::new(weather) {
        Ok(net) => net,
        Err(why) => return println!("SKIP {test}: {why}"),
    };
    let start = Instant::now();
    let address = format!("{}:{PORT}", net.address(0));
    let seconds = usize::try_from(time.as_secs()).unwrap();
    let mut server = Program::start_by(net.inside(0), "timed server", &address, "server", seconds);
    server.says("bound");
    let mut workers =
        ["one", "two"].map(|name| Program::start_by(net.inside(1), "worker", &address, name, 4));
    let counts = server.says_within(LIMIT + 3 * time, "counts");
    server.succeeds();
    // Over the worse one the last words to a worker may be lost with the server, and then it looks for it for minutes.
    if is_good {
        workers.iter_mut().for_each(Program::succeeds);
    }
    println!("{test}, {:.1?}: {counts}; link: {}", start.elapsed(), net.end());
    assert!(counts.ends_with("failed 0 lost 0 duplicated 0 unexpected 0"), "{counts}");
    if is_good {
        assert!(counts.starts_with("sessions 2 "), "a worker was taken for lost: {counts}");
    }
}

/// Two namespaces, and the process that is the link between them. They go when it is dropped.
struct Net {
    names: [String; 2],
    link: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Net {
    fn new(weather: Weather) -> Result<Self, String> {
        let id = format!("{}{}", std::process::id() % 100_000, weather.seed);
        let names = [format!("dc{id}a"), format!("dc{id}b")];
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/link.py");
        let Weather { seed, loss, delay, jitter, duplicate } = weather;
        let mut link = Command::new("python3")
            .arg(script)
            .args(&names)
            .args(
                [
                    ("--seed", seed),
                    ("--loss", loss),
                    ("--delay", delay),
                    ("--jitter", jitter),
                    ("--duplicate", duplicate),
                ]
                .map(|(option, value)| format!("{option}={value}")),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let (input, output) = (link.stdin.take(), BufReader::new(link.stdout.take().unwrap()));
        let mut net = Self { names, link, input, output };
        net.set_up()?;
        Ok(net)
    }

    fn set_up(&mut self) -> Result<(), String> {
        if self.line().trim() != "ready" {
            let mut why = String::new();
            let _ = self.link.stderr.take().unwrap().read_to_string(&mut why);
            return Err(why.lines().last().unwrap_or("the link does not begin").to_owned());
        }
        for (end, name) in self.names.iter().enumerate() {
            run(&["ip", "netns", "add", name])?;
            run(&["ip", "link", "set", name, "netns", name])?;
            run(&["ip", "-n", name, "address", "add", &format!("{}/30", self.address(end)), "dev", name])?;
            run(&["ip", "-n", name, "link", "set", name, "up"])?;
            run(&["ip", "-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// The address of one of the two ends.
    #[expect(clippy::unused_self, reason = "it is this net's, although all have the same")]
    fn address(&self, end: usize) -> String {
        format!("10.66.0.{}", end + 1)
    }

    /// This test program, started in one of the two namespaces.
    fn inside(&self, end: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[end]]).arg(std::env::current_exe().unwrap());
        command
    }

    /// Ends the link; returns what it says it did.
    fn end(mut self) -> String {
        self.input = None;
        self.line().trim().to_owned()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // Some of it may not have been made.
        let _ = self.link.kill();
        let _ = self.link.wait();
        for name in &self.names {
            let _ = run(&["ip", "netns", "delete", name]);
        }
    }
}

fn run(command: &[&str]) -> Result<(), String> {
    let said = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    match said.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", command.join(" "), String::from_utf8_lossy(&said.stderr).trim())),
    }
}
