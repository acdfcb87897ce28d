//! What this program does when a test has started it again.

use std::collections::BTreeSet;
use std::time::Duration;

use distchan::{ConnectError, Server, ServerBuilder, Worker};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::tally::Tally;
use crate::task::{Answer, CHANNEL, Kind, Task, check};
use crate::warnings::Warnings;

pub(crate) const ROLE: &str = "DISTCHAN_TEST_ROLE";
pub(crate) const ADDRESS: &str = "DISTCHAN_TEST_AT";
pub(crate) const NAME: &str = "DISTCHAN_TEST_NAME";
pub(crate) const COUNT: &str = "DISTCHAN_TEST_COUNT";

/// What a timed server gives out.
const JOBS_A_SECOND: u32 = 20;

/// Before whatever a role says, so that the test program's own output is not taken for it.
pub(crate) const SAID: &str = "role says: ";

/// Not a test: the body of the processes that the other tests start. Without a role it does nothing.
#[test]
fn play() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let value = |name| std::env::var(name).unwrap();
    let (address, name, count) = (value(ADDRESS), value(NAME), value(COUNT).parse().unwrap());
    // As many threads as most machines of this size have cores: a handler that spins on all of them is one that does not await.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "worker" => work(&address, name, count).await,
            "crowd" => crowd(&address, count).await,
            "timed server" => serve_for(&address, count).await,
            "server" => serve(Server::builder().danger_allow_unencrypted(), &address, count).await,
            #[cfg(feature = "tls")]
            "secured server" => serve(Server::builder().secure(), &address, count).await,
            other => panic!("there is no role {other:?}"),
        }
    });
}

pub(crate) fn say(words: &str) {
    println!("{SAID}{words}");
}

/// Serves `count` jobs at once, until the end of the work.
async fn work(address: &str, name: String, count: usize) {
    let worker = connect(address, &name).await;
    let serve = worker.serve(CHANNEL, move |task: Task| task.work(name.clone())).concurrency(count);
    say("works");
    serve.await.unwrap();
    say("has seen the end");
}

/// Connects, over a bad link perhaps: a whole handshake may be lost, and the next may not.
async fn connect(address: &str, name: &str) -> Worker {
    for _ in 0..10 {
        match Worker::builder().name(name).connect(address).await {
            Err(ConnectError::Lost { .. }) => {}
            connected => return connected.unwrap(),
        }
    }
    panic!("ten handshakes were lost");
}

/// `count` workers, each with a session of its own.
async fn crowd(address: &str, count: usize) {
    let mut workers = JoinSet::new();
    for index in 0..count {
        let (address, name) = (address.to_owned(), format!("worker {index}"));
        let work = async move {
            let worker = Worker::builder().name(name.clone()).connect(address.as_str()).await.unwrap();
            let serve = worker.serve(CHANNEL, move |task: Task| task.work(name.clone()));
            serve.concurrency(1).wait(Duration::from_secs(60)).await
        };
        workers.spawn(work);
        // What is looked at is the return of all at once, not this.
        if index % 50 == 49 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    say("works");
    while let Some(served) = workers.join_next().await {
        served.unwrap().unwrap();
    }
}

/// Gives out jobs without end, and says when results of `count` different workers have come; and whoever is refused.
async fn serve(builder: ServerBuilder, address: &str, count: usize) {
    tracing::subscriber::set_global_default(Warnings).unwrap();
    let server = builder.bind(address).await.unwrap();
    let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).capacity(4 * count).open().unwrap();
    say(&format!("bound {}", server.local_addr()));
    let send = async {
        for number in 0.. {
            jobs.send(Task { number, kind: Kind::Sleep(Duration::from_millis(1)) }).await.unwrap();
        }
    };
    let receive = async {
        let mut workers = BTreeSet::new();
        while let Some(answer) = results.recv().await.unwrap() {
            assert_eq!(answer.check, check(answer.number));
            if workers.insert(answer.worker) && workers.len() == count {
                say("all have answered");
            }
        }
    };
    let refuse = async {
        loop {
            let refusal = server.next_refusal().await;
            say(&format!("refused {}", refusal.reason));
        }
    };
    tokio::join!(send, receive, refuse);
}

/// Gives out jobs for so many seconds, evenly, and says what came of them.
async fn serve_for(address: &str, seconds: usize) {
    let count = seconds * JOBS_A_SECOND as usize;
    let server = Server::builder().danger_allow_unencrypted().bind(address).await.unwrap();
    let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).open().unwrap();
    say(&format!("bound {}", server.local_addr()));
    server.wait_for_workers(2).await;
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_secs(1) / JOBS_A_SECOND);
        for number in 0..count as u64 {
            ticks.tick().await;
            jobs.send(Task { number, kind: Kind::Sleep(Duration::from_millis(5)) }).await.unwrap();
        }
    });
    let mut tally = Tally::new(count);
    let mut sessions = BTreeSet::new();
    let mut ticks = interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            next = tally.next(&mut results) => if next.is_none() { break },
            _ = ticks.tick() => sessions.extend(server.workers().iter().map(|worker| worker.session)),
        }
    }
    say(&format!("counts sessions {} {tally}", sessions.len()));
}
