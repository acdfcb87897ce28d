//! Work that goes on while something happens to the connections: a server with short times, workers behind a proxy and beside it, and a
//! book of what was begun and what came back. It waits for what has happened and never for time to pass.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use distchan::{JobSender, Receiver, Server, ServerBuilder, SessionId, Worker};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::place::place;
use crate::proxy::Proxy;

/// A test that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(60);

const CHANNEL: &str = "work";

/// Jobs that are sent once all is well again.
const AFTERWARDS: u64 = 100;

/// A job's number, what it makes of it, and who did it.
type Answer = (u64, u64, String);

/// How long things take on a site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) heartbeat: Duration,
    pub(crate) lost_after: Duration,
    pub(crate) grace: Duration,
    /// A job.
    pub(crate) job: Duration,
}

impl Times {
    /// A loss is found in a little more than half a second.
    pub(crate) const SHORT: Self = Self {
        heartbeat: Duration::from_millis(200),
        lost_after: Duration::from_millis(600),
        grace: Duration::from_secs(20),
        job: Duration::from_millis(5),
    };

    /// Whoever is not lost is not taken for it, however busy this machine is.
    pub(crate) const PATIENT: Self =
        Self { heartbeat: Duration::from_millis(500), lost_after: Duration::from_secs(5), ..Self::SHORT };
}

/// What came of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) jobs: u64,
    /// Jobs that were begun more often than once.
    pub(crate) begun_again: usize,
}

/// What a worker has in hand at most, where that is set.
pub(crate) const IN_HAND: u32 = 16;

/// How often each job was begun.
type Begun = Arc<Mutex<BTreeMap<u64, u32>>>;

/// The server's ends of the channel, until the work begins.
type Ends = (JobSender<u64, Answer>, Receiver<Answer>);

/// See the module.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) times: Times,
    begun: Begun,
    results: Mutex<BTreeMap<String, u64>>,
    received: AtomicU64,
    is_over: AtomicBool,
    workers: Mutex<Vec<JoinHandle<()>>>,
    ends: Mutex<Option<Ends>>,
}

impl Site {
    pub(crate) async fn new(times: Times, seed: u64) -> Self {
        Self::with(Server::builder(), times, seed, None).await
    }

    /// The same where no worker ever has more than [`IN_HAND`] jobs: so many are begun again at most where one is lost.
    pub(crate) async fn with_little_in_hand(times: Times, seed: u64) -> Self {
        Self::with(Server::builder(), times, seed, Some(IN_HAND)).await
    }

    /// The same with TLS and tickets.
    #[cfg(feature = "tls")]
    pub(crate) async fn secured(times: Times, seed: u64) -> Self {
        Self::with(Server::builder().secure(), times, seed, None).await
    }

    async fn with(builder: ServerBuilder, times: Times, seed: u64, credit: Option<u32>) -> Self {
        let builder = builder.heartbeat(times.heartbeat, times.lost_after).grace(times.grace);
        let server = builder.bind(place()).await.unwrap();
        let channel = server.channel(CHANNEL).capacity(64);
        let channel = match credit {
            Some(jobs) => channel.credit(jobs),
            None => channel,
        };
        let ends = channel.open().unwrap();
        let proxy = Proxy::start(server.local_addr().to_string().parse().unwrap(), seed).await.unwrap();
        Self {
            server,
            proxy,
            times,
            begun: Begun::default(),
            results: Mutex::default(),
            received: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            workers: Mutex::default(),
            ends: Mutex::new(Some(ends)),
        }
    }

    /// A worker that does four jobs at once and is to see the end of the work.
    pub(crate) async fn add_worker(&self, name: &str, is_proxied: bool) {
        let address = if is_proxied { self.proxy.address() } else { self.server.local_addr().to_string() };
        let worker = Worker::builder().name(name).connect(self.target(address)).await.unwrap();
        let (begun, name, time) = (Arc::clone(&self.begun), name.to_owned(), self.times.job);
        let serve = worker.serve(CHANNEL, move |job: u64| {
            *begun.lock().unwrap().entry(job).or_default() += 1;
            let name = name.clone();
            async move {
                sleep(time).await;
                (job, answer(job), name)
            }
        });
        let serve = serve.concurrency(4);
        self.workers.lock().unwrap().push(tokio::spawn(async move { serve.await.unwrap() }));
    }

    /// What a worker connects with that reaches the server at this address: where there are tickets, with one.
    fn target(&self, address: String) -> String {
        #[cfg(feature = "tls")]
        if let Ok(ticket) = self.server.ticket() {
            return ticket.with_address(address.as_str()).unwrap().to_string();
        }
        address
    }

    /// Lets `fault` happen in the middle of the work; then all must be well again. Every job has exactly one outcome, and that is its
    /// right result; every worker and the receiver see the end.
    pub(crate) async fn under(&self, fault: impl AsyncFnOnce(&Self)) -> Outcome {
        let (jobs, mut results) = self.ends.lock().unwrap().take().expect("once");
        let work = async {
            let fault = async {
                self.progress(100).await;
                fault(self).await;
                self.is_over.store(true, Ordering::Release);
            };
            let (sent, times, ()) = tokio::join!(self.send(jobs), self.receive(&mut results), fault);
            assert!(times.keys().copied().eq(0..sent), "{} of {sent} jobs have results", times.len());
            assert!(times.values().all(|times| *times == 1), "a job's result came twice");
            let workers = std::mem::take(&mut *self.workers.lock().unwrap());
            for worker in workers {
                worker.await.expect("a worker does not see the end");
            }
            sent
        };
        let jobs = timeout(LIMIT, work).await.expect("the test hangs");
        let begun_again = self.begun.lock().unwrap().values().filter(|times| **times > 1).count();
        println!("{jobs} jobs, {begun_again} of them were begun more than once");
        Outcome { jobs, begun_again }
    }

    /// Sends until the fault is over, and some more; returns how many.
    async fn send(&self, jobs: JobSender<u64, Answer>) -> u64 {
        let mut sent = 0;
        let mut last = u64::MAX;
        while sent < last {
            jobs.send(sent).await.unwrap();
            sent += 1;
            if last == u64::MAX && self.is_over.load(Ordering::Acquire) {
                last = sent + AFTERWARDS;
            }
        }
        sent
    }

    async fn receive(&self, results: &mut Receiver<Answer>) -> BTreeMap<u64, u32> {
        let mut times = BTreeMap::new();
        while let Some((job, result, worker)) = results.recv().await.unwrap() {
            assert_eq!(result, answer(job), "job {job} has a wrong result");
            *times.entry(job).or_default() += 1;
            *self.results.lock().unwrap().entry(worker).or_default() += 1;
            self.received.fetch_add(1, Ordering::AcqRel);
        }
        times
    }

    /// Waits for so many further results.
    pub(crate) async fn progress(&self, results: u64) {
        let goal = self.received.load(Ordering::Acquire) + results;
        until("results come", || self.received.load(Ordering::Acquire) >= goal).await;
    }

    /// Waits for so many further results of one worker.
    pub(crate) async fn progress_of(&self, worker: &str, results: u64) {
        let done = || self.results.lock().unwrap().get(worker).copied().unwrap_or_default();
        let goal = done() + results;
        until("results of one worker come", || done() >= goal).await;
    }

    /// The sessions that the server has, by the names of their workers.
    pub(crate) fn sessions(&self) -> BTreeMap<String, SessionId> {
        self.server.workers().into_iter().map(|worker| (worker.name, worker.session)).collect()
    }

    /// Waits until the server has given up the session that `worker` had; returns how long that took.
    pub(crate) async fn lost(&self, worker: &str, session: SessionId) -> Duration {
        let start = Instant::now();
        until("the session ends", || self.sessions().get(worker) != Some(&session)).await;
        start.elapsed()
    }
}

/// Waits for what no event tells: looks again and again.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("in vain: until {what}"));
}

/// Runs a test on two threads.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
    runtime.shutdown_background();
}

/// What a job's right result is.
const fn answer(job: u64) -> u64 {
    job.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ job
}
