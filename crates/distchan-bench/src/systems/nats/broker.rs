//! A `nats-server` of one's own, on a free port, with a folder that goes with it. It must not outlive the run, however that ends: a process
//! of this program holds it, which ends when its standard input does.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::process::write_json_line;

/// Where Debian's package puts it, which is not on everybody's path.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);

/// What the process that holds it says.
#[derive(Debug, Serialize, Deserialize)]
struct Listening {
    address: String,
    process: u32,
}

/// A server that runs as long as this lives.
#[derive(Debug)]
pub(super) struct Broker {
    holder: Child,
    leash: Option<ChildStdin>,
    pub(super) address: String,
    pub(super) process: u32,
}

impl Broker {
    pub(super) fn start() -> Result<Self> {
        let mut holder = Command::new(std::env::current_exe()?)
            .arg("broker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the broker")?;
        let leash = holder.stdin.take();
        let stdout = holder.stdout.take().context("the broker's standard output was piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(!line.is_empty(), "nats-server did not start");
        let Listening { address, process } = serde_json::from_str(&line)?;
        Ok(Self { holder, leash, address, process })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.leash = None;
        let _ = self.holder.wait();
    }
}

/// Whether there is a `nats-server`.
pub(super) fn is_installed() -> bool {
    program().is_some()
}

fn program() -> Option<&'static str> {
    let runs = |program: &&str| {
        let version =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    PROGRAMS.into_iter().find(runs)
}

/// Is the process that holds a `nats-server`: starts it, says where it is, and ends it with standard input.
pub(super) fn hold() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Command::new(program().context("nats-server is not installed")?)
        .args(["--config".as_ref(), configuration(folder.path())?.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let held = wait_for_address(folder.path(), &mut server).and_then(|address| {
        write_json_line(&Listening { address, process: server.id() })?;
        Ok(io::stdin().read_to_end(&mut Vec::new())?)
    });
    server.kill()?;
    server.wait()?;
    held.map(|_| ())
}

/// Its defaults, but for the port, the largest message (its documentation allows 8 MB without a warning), and the folder.
fn configuration(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("nats.conf");
    let folder = folder.display();
    let text = format!(
        "listen: \"127.0.0.1:-1\"\nmax_payload: 8MB\nports_file_dir: \"{folder}\"\n\
         jetstream {{ store_dir: \"{folder}/jetstream\", max_memory_store: 8GB }}\n"
    );
    fs::write(&file, text)?;
    Ok(file)
}

/// The server writes its ports into a file of its folder.
fn wait_for_address(folder: &Path, server: &mut Child) -> Result<String> {
    #[derive(Deserialize)]
    struct Ports {
        nats: Vec<String>,
    }
    let file = folder.join(format!("nats-server_{}.ports", server.id()));
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if let Some(status) = server.try_wait()? {
            bail!("nats-server ended: {status}");
        }
        let ports = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
        if let Some(address) = ports.and_then(|ports| ports.nats.into_iter().next()) {
            return Ok(address);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("nats-server did not listen after {} s", START.as_secs())
}
