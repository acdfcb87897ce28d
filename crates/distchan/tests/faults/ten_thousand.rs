//! The published figure: a connection that is gone for two seconds, in the middle of long work, costs nothing but the two seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use distchan::{Server, Worker};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::place::place;
use crate::proxy::{Cut, Proxy};
use crate::site::run;

const JOBS: usize = 10_000;
const WORKERS: usize = 8;
const AT_ONCE: usize = 12;
const JOB: Duration = Duration::from_millis(100);
const CUT: Duration = Duration::from_secs(2);

#[test]
fn two_seconds_without_a_connection_in_ten_thousand_jobs_and_nothing_is_executed_twice() {
    run(async { timeout(Duration::from_secs(120), cut_in_the_middle()).await.expect("the test hangs") });
}

async fn cut_in_the_middle() {
    let server = Server::bind(place()).await.unwrap();
    let (jobs, mut results) = server.channel::<usize, usize>("work").open().unwrap();
    let proxy = Proxy::start(server.local_addr().to_string().parse().unwrap(), 1).await.unwrap();
    let executed: Arc<Vec<AtomicU32>> = Arc::new((0..JOBS).map(|_| AtomicU32::new(0)).collect());
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let worker = Worker::connect(proxy.address().as_str()).await.unwrap();
        let executed = Arc::clone(&executed);
        let serve = worker.serve("work", move |job: usize| {
            executed[job].fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(JOB).await;
                job
            }
        });
        workers.spawn(async move { serve.concurrency(AT_ONCE).await.unwrap() });
    }
    let start = Instant::now();
    tokio::spawn(async move {
        for job in 0..JOBS {
            jobs.send(job).await.unwrap();
        }
    });
    let mut came = vec![0_u32; JOBS];
    for received in 0.. {
        if received == JOBS / 2 {
            proxy.refuse(true);
            proxy.cut(Cut::Both);
            sleep(CUT).await;
            proxy.refuse(false);
        }
        let Some(job) = results.recv().await.unwrap() else { break };
        came[job] += 1;
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("a worker does not see the end");
    }
    let count =
        |times: &dyn Fn(u32) -> bool| executed.iter().filter(|n| times(n.load(Ordering::Relaxed))).count();
    let (twice, never) = (count(&|n| n > 1), count(&|n| n == 0));
    let stats = *server.stats().channel("work").unwrap();
    println!(
        "{JOBS} jobs of {JOB:?}, {WORKERS} workers, cut for {CUT:?}: {:.1?}, executed twice {twice}, never {never}, delivered again {}",
        start.elapsed(),
        stats.redelivered
    );
    assert!(came.iter().all(|times| *times == 1), "a result is missing, or came twice");
    assert_eq!((twice, never), (0, 0));
}
