//! The honest part: a server, two workers, and the work that goes on. It knows nothing of strangers.
//!
//! There are two channels. What the workers do is measured on one. The other is the bait: strangers that get through open it, are given its
//! jobs, and answer them as they like, as a worker that was let in may; each of its jobs must have one outcome all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use distchan::{CallError, ChannelStats, JobSender, Receiver, RecvError, Server, SessionId, Worker};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::Problem;
use crate::ledger::{Answer, Counts, Ledger, answer};

const WORK: &str = "work";
pub(crate) const BAIT: &str = "bait";

/// What the workers are called; no stranger is called so.
const WORKERS: [&str; 2] = ["honest 1", "honest 2"];

/// Jobs that each of them does at once.
const CONCURRENCY: usize = 8;

/// Calls on the bait at once, and how long each caller waits before the next.
const CALLS: usize = 32;
const PAUSE: Duration = Duration::from_millis(5);

/// Strangers that got in, and are cut off, keep their sessions for so long.
const GRACE: Duration = Duration::from_millis(500);

/// Then all that was sent is done, or lost.
const FINISH: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: Server,
    tasks: JoinSet<Result<(), Problem>>,
    books: Arc<Books>,
    sessions: Vec<SessionId>,
}

#[derive(Debug, Default)]
struct Books {
    work: Ledger,
    called: AtomicU64,
    settled: AtomicU64,
    is_over: AtomicBool,
}

/// How the bait's calls stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    pub(crate) settled: u64,
}

impl Site {
    /// Begins to work.
    pub(crate) async fn open(is_secured: bool, job: Duration) -> Result<Self, Problem> {
        let mut builder = Server::builder().grace(GRACE);
        if is_secured {
            builder = builder.secure();
        }
        let server = builder.bind("127.0.0.1:0").await?;
        let books = Arc::new(Books::default());
        let mut tasks = JoinSet::new();
        let (jobs, results) = server.channel::<u64, Answer>(WORK).capacity(256).open()?;
        tasks.spawn(send(jobs, Arc::clone(&books)));
        tasks.spawn(receive(results, Arc::clone(&books)));
        let (jobs, end) = server.channel::<u64, Answer>(BAIT).open()?;
        for _ in 0..CALLS {
            tasks.spawn(call(jobs.clone(), Arc::clone(&books)));
        }
        tasks.spawn(wait_for(end));
        let mut site = Self { server, tasks, books, sessions: Vec::new() };
        for name in WORKERS {
            let target = site.target(&site.server.local_addr().to_string())?;
            let worker = Worker::builder().name(name).connect(target.as_str()).await?;
            site.tasks.spawn(work(worker, job));
        }
        site.server.wait_for_workers(WORKERS.len()).await;
        site.sessions = site.honest();
        Ok(site)
    }

    /// What a worker connects with that reaches the server at another address.
    pub(crate) fn target(&self, address: &str) -> Result<String, Problem> {
        match self.server.ticket() {
            Ok(ticket) => Ok(ticket.with_address(address)?.to_string()),
            Err(distchan::TicketError::NoTickets) => Ok(address.to_owned()),
            Err(error) => Err(error.into()),
        }
    }

    /// The sessions of the workers.
    fn honest(&self) -> Vec<SessionId> {
        let workers = self.server.workers().into_iter();
        workers
            .filter(|worker| WORKERS.contains(&worker.name.as_str()))
            .map(|worker| worker.session)
            .collect()
    }

    /// Workers that are not there any more, or not in the session in which they came.
    pub(crate) fn disturbed(&self) -> usize {
        let now = self.honest();
        WORKERS.len() - self.sessions.iter().filter(|session| now.contains(session)).count()
    }

    /// What strangers brought about that got in.
    pub(crate) fn bait(&self) -> ChannelStats {
        self.server.stats().channel(BAIT).copied().unwrap_or_default()
    }

    /// Whether nobody is there but the workers.
    pub(crate) fn is_alone(&self) -> bool {
        self.server.workers().len() == WORKERS.len()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.books.work
    }

    /// Jobs a second for a while.
    pub(crate) async fn rate(&self, time: Duration) -> f64 {
        self.rate_during(sleep(time)).await
    }

    /// ... until something is over.
    pub(crate) async fn rate_during(&self, something: impl Future<Output = ()>) -> f64 {
        let (before, began) = (self.ledger().counts().done, Instant::now());
        something.await;
        // Beyond 2^53 jobs nobody counts.
        (self.ledger().counts().done - before) as f64 / began.elapsed().as_secs_f64()
    }

    /// Ends the work, and waits for what was sent.
    pub(crate) async fn finish(mut self) -> Result<(Counts, Calls), Problem> {
        self.books.is_over.store(true, Ordering::Release);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended??;
            }
            Ok::<_, Problem>(())
        };
        // What is not done by then is in the books.
        if let Ok(ended) = timeout(FINISH, all).await {
            ended?;
        }
        let [made, settled] =
            [&self.books.called, &self.books.settled].map(|count| count.load(Ordering::Acquire));
        Ok((self.ledger().counts(), Calls { made, settled }))
    }
}

async fn send(jobs: JobSender<u64, Answer>, books: Arc<Books>) -> Result<(), Problem> {
    while !books.is_over.load(Ordering::Acquire) {
        jobs.send(books.work.send()).await?;
    }
    Ok(())
}

async fn receive(mut results: Receiver<Answer>, books: Arc<Books>) -> Result<(), Problem> {
    loop {
        match results.recv().await {
            Ok(Some(answer)) => books.work.receive(answer),
            Ok(None) => return Ok(()),
            // It stays without a result, and is lost.
            Err(RecvError::Failed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn call(jobs: JobSender<u64, Answer>, books: Arc<Books>) -> Result<(), Problem> {
    while !books.is_over.load(Ordering::Acquire) {
        let job = books.called.fetch_add(1, Ordering::AcqRel);
        match jobs.call(job).await {
            // Whoever has it may say what it likes.
            Ok(_) | Err(CallError::Failed(_) | CallError::NoResult | CallError::Decode(_)) => {}
            Err(error) => return Err(error.into()),
        }
        books.settled.fetch_add(1, Ordering::AcqRel);
        sleep(PAUSE).await;
    }
    Ok(())
}

/// The bait's results go to whoever called; here only its end comes.
async fn wait_for(mut end: Receiver<Answer>) -> Result<(), Problem> {
    loop {
        match end.recv().await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) | Err(RecvError::Failed(_) | RecvError::Decode(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn work(worker: Worker, time: Duration) -> Result<(), Problem> {
    let measured = worker.serve(WORK, move |job: u64| async move {
        if !time.is_zero() {
            sleep(time).await;
        }
        answer(job)
    });
    let bait = worker.serve(BAIT, |job: u64| async move { answer(job) });
    tokio::try_join!(measured.concurrency(CONCURRENCY), bait.concurrency(CONCURRENCY))?;
    Ok(())
}
