//! One random worker after the other is killed with SIGKILL and started again, all through the work.
//!
//! The published figure: `cargo test --release -p distchan --test process -- --ignored --nocapture a_million_jobs`

use std::time::Duration;

use distchan::Server;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::dice::Dice;
use crate::place::place;
use crate::program::Program;
use crate::tally::{Tally, run};
use crate::task::{Answer, CHANNEL, Kind, Task};

const WORKERS: u64 = 6;
const BETWEEN_KILLS: Duration = Duration::from_millis(200);

#[test]
fn killing_a_worker_five_times_a_second_loses_nothing() {
    run(async { assert!(kill_through(20_000, Duration::from_micros(100)).await >= 3) });
}

#[test]
#[ignore = "takes half a minute; see the module's documentation"]
fn a_million_jobs_and_a_kill_every_200_ms() {
    run(async { assert!(kill_through(1_000_000, Duration::from_micros(20)).await >= 20) });
}

/// Returns how many workers were killed.
async fn kill_through(count: usize, work: Duration) -> u64 {
    let server = Server::bind(place()).await.unwrap();
    let address = server.local_addr().to_string();
    let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).open().unwrap();
    let start = |number: u64| Program::start("worker", &address, &format!("worker {number}"), 1);
    let mut workers: Vec<Program> = (0..WORKERS).map(start).collect();
    server.wait_for_workers(workers.len()).await;
    let begin = Instant::now();
    tokio::spawn(async move {
        for number in 0..count as u64 {
            jobs.send(Task { number, kind: Kind::Spin(work) }).await.unwrap();
        }
    });
    let mut tally = Tally::new(count);
    let mut kills = 0;
    let mut dice = Dice::new(1);
    let mut ticks = interval(BETWEEN_KILLS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            next = tally.next(&mut results) => if next.is_none() { break },
            _ = ticks.tick() => {
                let victim = dice.below(workers.len());
                workers[victim].kill();
                kills += 1;
                workers[victim] = start(WORKERS + kills);
            }
        }
    }
    let took = begin.elapsed();
    let stats = *server.stats().channel(CHANNEL).unwrap();
    println!(
        "{count} jobs of {work:?}, {WORKERS} workers, {kills} kills, {took:.1?}: {tally}, delivered again {}",
        stats.redelivered
    );
    assert!(tally.is_exact(), "{tally}");
    assert!(tally.failures.is_empty(), "no job can have been started on three of them: {:?}", tally.failures);
    for mut worker in workers {
        // The youngest may still be on its way, and then finds no server.
        if worker.has_said("works") {
            worker.succeeds();
        }
    }
    kills
}
