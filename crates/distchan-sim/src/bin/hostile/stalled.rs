//! Strangers that begin a handshake, say nothing more, and stay. A worker that comes meanwhile must come in.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use distchan::Worker;
#[cfg(unix)]
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Problem;
use crate::forge::PREAMBLE;
use crate::hellos::client_hello;
use crate::site::Site;

/// A worker comes in within this time.
const LIMIT: Duration = Duration::from_secs(5);

/// How many workers come, one after the other.
const COMERS: usize = 3;

/// Descriptors besides the strangers': the server's ends of those that it has accepted, and what else it needs.
#[cfg(unix)]
const OTHERS: u64 = 2_000;

/// How many strangers connect at once: the system keeps about a thousand for a server that is slow.
const LANES: usize = 256;

/// Lets this process have descriptors for so many strangers, or says why it may not.
#[cfg(unix)]
pub(crate) fn make_room(strangers: usize) -> Result<(), String> {
    let needed = strangers as u64 + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        if limit.maximum.is_some_and(|maximum| maximum < needed) {
            let hard = limit.maximum.unwrap_or_default();
            return Err(format!(
                "{needed} descriptors are needed, and at most {hard} are allowed (ulimit -Hn)"
            ));
        }
        limit.current = Some(needed);
        setrlimit(Resource::Nofile, limit).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Where there is no such limit.
#[cfg(not(unix))]
pub(crate) fn make_room(_: usize) -> Result<(), String> {
    Ok(())
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Stalled {
    strangers: usize,
    /// How long it took until all had connected.
    crowding: Duration,
    /// How many of them the server had closed by the end.
    closed: usize,
    /// From when a worker began to connect to its first answer.
    joined: Vec<Duration>,
}

impl Stalled {
    pub(crate) fn is_in_time(&self) -> bool {
        self.joined.iter().all(|joined| *joined <= LIMIT)
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strangers, crowding, closed, joined } = self;
        write!(
            f,
            "stalled {strangers} (all there after {:.1} s, {closed} closed by the end)",
            crowding.as_secs_f64()
        )?;
        let joined: Vec<_> = joined.iter().map(|time| format!("{:.2} s", time.as_secs_f64())).collect();
        write!(f, " workers that came joined after {} (limit {} s)", joined.join(", "), LIMIT.as_secs())
    }
}

/// Fills the server's door, and lets workers come.
pub(crate) async fn run(strangers: usize, is_secured: bool) -> Result<Stalled, Problem> {
    let site = Site::open(is_secured, Duration::from_millis(2)).await?;
    let address: SocketAddr = site.server.local_addr().to_string().parse()?;
    let began = Instant::now();
    let (there, all_there) = oneshot::channel();
    let (leave, told_to_leave) = oneshot::channel::<()>();
    // On a thread of their own, as if they were on another machine with one core.
    let crowd = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let crowd = gather(address, strangers, is_secured).await?;
            let _ = there.send(());
            let _ = told_to_leave.await;
            Ok::<_, Problem>(crowd.iter().filter(|stranger| is_closed(stranger)).count())
        })
    });
    // Ends also where the thread does so without a word; why, it says below.
    let _ = all_there.await;
    let crowding = began.elapsed();
    let mut joined = Vec::new();
    for comer in 0..COMERS {
        joined.push(join(&site, comer).await?);
    }
    let _ = leave.send(());
    let closed = crowd.join().map_err(|_| "the strangers panicked")??;
    site.finish().await?;
    Ok(Stalled { strangers, crowding, closed, joined })
}

/// All of them, each as far as it goes.
async fn gather(server: SocketAddr, count: usize, is_secured: bool) -> Result<Vec<TcpStream>, Problem> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(async move {
            let mut own = Vec::new();
            for number in (lane..count).step_by(LANES) {
                let mut stranger = TcpStream::connect(server).await?;
                // The server may have closed it already, to let another come.
                let _ = stranger.write_all(&beginning(number, is_secured)).await;
                own.push(stranger);
            }
            Ok::<_, std::io::Error>(own)
        });
    }
    let mut crowd = Vec::new();
    while let Some(own) = lanes.join_next().await {
        crowd.extend(own??);
    }
    Ok(crowd)
}

/// Half a handshake, of one kind or another.
fn beginning(number: usize, is_secured: bool) -> Vec<u8> {
    let hello = client_hello(&[7; 32]);
    let whole = if is_secured { hello } else { [&PREAMBLE[..], &[40, 0, 0, 0]].concat() };
    let half = whole.len() / 2;
    match number % 4 {
        0 => Vec::new(),
        1 => whole[..half].to_vec(),
        2 => whole[..1].to_vec(),
        _ => whole[..whole.len() - 1].to_vec(),
    }
}

/// Whether the server has said that it is over.
fn is_closed(stranger: &TcpStream) -> bool {
    let mut nowhere = [0; 512];
    loop {
        match stranger.try_read(&mut nowhere) {
            Ok(1..) => {}
            Ok(0) => return true,
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// A worker that comes with what it needs, until it has answered a call.
async fn join(site: &Site, comer: usize) -> Result<Duration, Problem> {
    let name = format!("late {comer}");
    let (jobs, _end) = site.server.channel::<u64, u64>(&name).open()?;
    let target = site.target(&site.server.local_addr().to_string())?;
    let began = Instant::now();
    let worker = Worker::builder().name(name.as_str()).connect(target.as_str()).await?;
    let serving = tokio::spawn(async move { worker.serve(&name, |job: u64| async move { job + 1 }).await });
    let answer = jobs.call(1).await?;
    let joined = began.elapsed();
    if answer != 2 {
        return Err(format!("1 + 1 is not {answer}").into());
    }
    drop(jobs);
    serving.await??;
    Ok(joined)
}
