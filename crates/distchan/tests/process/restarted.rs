//! A server that dies and comes back at the same address: its workers find it by themselves, all at once.
//!
//! The published figure, a thousand workers: `cargo test --release -p distchan --test process -- --nocapture a_crowd_of_workers`

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::place::place;
use crate::program::Program;

/// How long nobody listens.
const GONE: Duration = Duration::from_secs(1);

/// An address of this machine that was free a moment ago.
fn free_address() -> String {
    TcpListener::bind(place()).unwrap().local_addr().unwrap().to_string()
}

#[test]
fn workers_serve_again_within_six_seconds_of_a_server_s_restart() {
    let back = restart(4, |address, count| {
        (0..count).map(|n| Program::start("worker", address, &format!("worker {n}"), 2)).collect()
    });
    assert!(back < Duration::from_secs(6), "{back:?}");
}

/// Without optimisation, and with the invariants checked after every call, there are fewer: the published figure is with `--release`.
const CROWD: usize = if cfg!(debug_assertions) { 200 } else { 1_000 };

#[test]
fn a_crowd_of_workers_is_back_within_ten_seconds() {
    let back = restart(CROWD, |address, count| vec![Program::start("crowd", address, "crowd", count)]);
    assert!(back < Duration::from_secs(10), "{back:?}");
}

/// Kills the server of `count` workers and starts it again; returns how long it then takes until all have done a job.
fn restart(count: usize, workers: impl FnOnce(&str, usize) -> Vec<Program>) -> Duration {
    let address = free_address();
    let mut server = Program::start("server", &address, "server", count);
    server.says("bound");
    let start = Instant::now();
    let mut workers = workers(&address, count);
    server.says("all have answered");
    println!("{count} workers joined and answered within {:.1?}", start.elapsed());
    server.kill();
    std::thread::sleep(GONE);
    let server = Program::start("server", &address, "server", count);
    server.says("bound");
    let start = Instant::now();
    server.says("all have answered");
    let back = start.elapsed();
    println!("{count} workers are back and have answered {back:.1?} after the server listens again");
    assert!(!server.has_said("refused"), "a worker was turned away, or timed out");
    assert!(workers.iter_mut().all(|worker| worker.ended().is_none()), "a worker has ended");
    back
}
