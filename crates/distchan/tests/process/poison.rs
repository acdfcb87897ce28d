//! A job that ends its worker's process: three die of it, and then it is dead; nobody else is harmed, and no other job is blamed.

use std::time::Duration;

use distchan::{AttemptEnd, Outcome, Server};

use crate::place::place;
use crate::program::Program;
use crate::tally::{Tally, run};
use crate::task::{Answer, CHANNEL, Kind, Task};

const JOBS: u32 = 3_000;
const POISON: u64 = 500;

#[test]
fn a_job_that_aborts_its_process_is_dead_after_three_and_bystanders_are_not_counted() {
    run(async {
        let server = Server::bind(place()).await.unwrap();
        let address = server.local_addr().to_string();
        let (jobs, mut results) = server.channel::<Task, Answer>(CHANNEL).open().unwrap();
        let mut workers: Vec<Program> =
            (0..6).map(|n| Program::start("worker", &address, &format!("worker {n}"), 1)).collect();
        server.wait_for_workers(workers.len()).await;
        tokio::spawn(async move {
            for number in 0..u64::from(JOBS) {
                let kind =
                    if number == POISON { Kind::Abort } else { Kind::Spin(Duration::from_micros(200)) };
                jobs.send(Task { number, kind }).await.unwrap();
            }
        });
        let mut tally = Tally::new(JOBS as usize);
        while tally.next(&mut results).await.is_some() {}

        let stats = *server.stats().channel(CHANNEL).unwrap();
        println!(
            "{tally}, crashes {}, dead {}, delivered again {}",
            stats.crashes, stats.dead, stats.redelivered
        );
        assert!(tally.is_exact(), "{tally}");
        let [dead] = tally.failures.as_slice() else { panic!("one job is dead: {:?}", tally.failures) };
        println!("{dead}");
        assert_eq!((dead.job().0, dead.outcome()), (POISON + 1, Outcome::Dead));
        assert_eq!(dead.value::<Task>().unwrap(), Task { number: POISON, kind: Kind::Abort });
        let crashed = |end: &AttemptEnd| matches!(end, AttemptEnd::Crashed { .. });
        assert_eq!(dead.attempts().iter().filter(|attempt| crashed(&attempt.end)).count(), 3, "{dead}");
        assert_eq!((stats.completed, stats.dead, stats.failed), (u64::from(JOBS) - 1, 1, 0));
        assert!(stats.crashes <= 3, "a bystander was counted: {stats:?}");

        let died = workers.iter_mut().filter_map(Program::ended).filter(|status| !status.success()).count();
        assert_eq!(died, 3, "workers that died");
        let survivors = workers.iter_mut().map(survives).filter(|survives| *survives).count();
        assert_eq!(survivors, 3);
    });
}

/// Whether it has not died of the poison, and sees the end of the work.
fn survives(worker: &mut Program) -> bool {
    match worker.ended() {
        Some(status) => status.success(),
        None => {
            worker.succeeds();
            true
        }
    }
}
