//! Workers that stop without dying, and workers that are so busy that they look dead. The first are found, the second are not harmed.
//!
//! The published figures, with the default settings:
//! `cargo test --release -p distchan --test process -- --ignored --nocapture stopped_for_20_s spinning_for_60_s`

use std::time::Duration;

use distchan::Server;
use tokio::time::{Instant, sleep, timeout};

use crate::place::place;
use crate::program::Program;
use crate::tally::{Tally, run};
use crate::task::{Answer, CHANNEL, Kind, Task};

/// Jobs of a batch; there are two.
const BATCH: u32 = 400;

const SLEEP: Kind = Kind::Sleep(Duration::from_millis(20));

#[test]
fn a_stopped_worker_s_jobs_are_done_elsewhere_and_it_serves_again() {
    run(async {
        let server = Server::builder().heartbeat(Duration::from_millis(300), Duration::from_secs(1));
        stop_and_continue(
            server.bind(place()).await.unwrap(),
            Duration::from_secs(2),
            Duration::from_secs(4),
        )
        .await;
    });
}

#[test]
#[ignore = "takes half a minute; see the module's documentation"]
fn a_worker_that_is_stopped_for_20_s_loses_its_jobs_within_16_s() {
    run(async {
        let server = Server::bind(place()).await.unwrap();
        stop_and_continue(server, Duration::from_secs(20), Duration::from_secs(16)).await;
    });
}

/// Stops one of three workers for `stop`; by `limit` all jobs that were sent are to be done.
async fn stop_and_continue(server: Server, stop: Duration, limit: Duration) {
    let address = server.local_addr().to_string();
    let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).open().unwrap();
    let names = ["stopped", "second", "third"];
    let mut workers = names.map(|name| Program::start("worker", &address, name, 4));
    server.wait_for_workers(3).await;
    let send = async |from: u32| {
        for number in from..from + BATCH {
            jobs.send(Task { number: number.into(), kind: SLEEP }).await.unwrap();
        }
    };
    send(0).await;
    let mut tally = Tally::new(2 * BATCH as usize);
    for _ in 0..BATCH / 4 {
        tally.next(&mut results).await;
    }
    workers[0].signal("STOP");
    let start = Instant::now();
    let seen = |server: &Server| server.workers().into_iter().find(|worker| worker.name == "stopped");
    let before = seen(&server).expect("it is connected");
    assert!(before.in_flight > 0, "it has jobs in hand");
    for _ in BATCH / 4..BATCH {
        timeout(limit, tally.next(&mut results)).await.expect("jobs wait for a stopped worker");
    }
    let done = start.elapsed();
    assert!(done <= limit, "{done:?}");
    sleep(stop.saturating_sub(done)).await;
    let stopped = start.elapsed();
    workers[0].signal("CONT");
    // What it had in hand is done, by others: whatever it answers now is refused. It gets a new session.
    let start = Instant::now();
    let is_back = async {
        while seen(&server).is_none_or(|worker| worker.session == before.session) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), is_back).await.expect("it does not come back");
    let back = start.elapsed();
    send(BATCH).await;
    drop(jobs);
    let mut again = 0;
    while let Some(worker) = tally.next(&mut results).await {
        again += u64::from(worker == "stopped");
    }
    let (in_hand, stats) = (before.in_flight, *server.stats().channel(CHANNEL).unwrap());
    println!(
        "stopped for {stopped:.1?} with {in_hand} jobs in hand: all were done elsewhere after {done:.1?}; back {back:.1?} after it went \
         on, and did {again} of {BATCH} others; answers refused {}: {tally}",
        stats.refused_answers
    );
    assert!(tally.is_exact() && tally.failures.is_empty(), "{tally}");
    assert!(again > 0, "it does not serve again");
    workers.iter_mut().for_each(Program::succeeds);
}

#[test]
fn a_handler_that_spins_on_all_threads_is_not_taken_for_dead() {
    run(async {
        let server = Server::builder().heartbeat(Duration::from_millis(300), Duration::from_millis(1_500));
        spin(server.bind(place()).await.unwrap(), Duration::from_secs(5)).await;
    });
}

#[test]
#[ignore = "takes a minute; see the module's documentation"]
fn a_handler_that_is_spinning_for_60_s_is_not_taken_for_dead() {
    run(async { spin(Server::bind(place()).await.unwrap(), Duration::from_secs(60)).await });
}

/// Two workers, with as many spinning handlers as this machine has cores on each, and more than their runtimes have threads.
async fn spin(server: Server, time: Duration) {
    let address = server.local_addr().to_string();
    let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).open().unwrap();
    let at_once = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let mut workers = ["one", "other"].map(|name| Program::start("worker", &address, name, at_once));
    server.wait_for_workers(2).await;
    let sessions = |server: &Server| server.workers().iter().map(|worker| worker.session).collect::<Vec<_>>();
    let before = sessions(&server);
    let count = 2 * at_once as u64;
    for number in 0..count {
        jobs.send(Task { number, kind: Kind::Spin(time) }).await.unwrap();
    }
    let mut tally = Tally::new(2 * at_once);
    while tally.completed < count {
        tally.next(&mut results).await;
    }
    assert_eq!(sessions(&server), before, "a worker was lost");
    drop(jobs);
    assert_eq!(tally.next(&mut results).await, None);
    let stats = *server.stats().channel(CHANNEL).unwrap();
    println!(
        "{count} handlers spun for {time:?} each on {at_once} cores: {tally}, delivered again {}",
        stats.redelivered
    );
    assert!(tally.is_exact() && tally.failures.is_empty(), "{tally}");
    workers.iter_mut().for_each(Program::succeeds);
}
