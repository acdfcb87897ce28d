//! Connections that end, with both sides alive: a worker comes back to its session, and nothing is run twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::proxy::Cut;
use crate::site::{IN_HAND, Outcome, Site, Times, run};

/// A site with two workers behind the proxy.
async fn two_proxied(times: Times) -> Site {
    let site = Site::new(times, 1).await;
    site.add_worker("first", true).await;
    site.add_worker("second", true).await;
    site
}

#[test]
fn a_cut_connection_is_made_again_and_nothing_is_begun_twice() {
    run(async {
        let site = two_proxied(Times::PATIENT).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                for _ in 0..5 {
                    site.proxy.cut(Cut::Both);
                    site.progress_of("first", 20).await;
                    site.progress_of("second", 20).await;
                }
                assert_eq!(site.sessions(), before, "the sessions were resumed");
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}

#[test]
fn a_second_without_a_server_to_be_reached_costs_nothing_but_time() {
    run(async {
        let site = two_proxied(Times::PATIENT).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                site.proxy.refuse(true);
                site.proxy.cut(Cut::Both);
                sleep(Duration::from_secs(1)).await;
                site.proxy.refuse(false);
                let start = Instant::now();
                site.progress_of("first", 20).await;
                site.progress_of("second", 20).await;
                println!("back {:?} after the server could be reached again", start.elapsed());
                assert_eq!(site.sessions(), before, "the sessions were resumed");
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}

#[test]
fn beyond_the_grace_period_jobs_move_and_the_worker_starts_afresh() {
    run(async {
        let times = Times { grace: Duration::from_millis(500), ..Times::PATIENT };
        let site = Site::with_little_in_hand(times, 1).await;
        site.add_worker("direct", false).await;
        site.add_worker("proxied", true).await;
        let Outcome { jobs, begun_again } = site
            .under(async |site| {
                site.progress_of("proxied", 20).await;
                let session = site.sessions()["proxied"];
                site.proxy.refuse(true);
                site.proxy.cut(Cut::Both);
                let found = site.lost("proxied", session).await;
                println!("the session ended {found:?} after the cut");
                assert!(found >= Duration::from_millis(400), "the grace period was kept");
                // Its jobs are done by the other one.
                site.progress_of("direct", 50).await;
                site.proxy.refuse(false);
                site.progress_of("proxied", 50).await;
                assert_ne!(site.sessions()["proxied"], session);
            })
            .await;
        // It goes on with what it has in hand until it is told.
        assert!(begun_again <= IN_HAND as usize, "{begun_again} of {jobs}");
    });
}

#[test]
fn a_server_that_is_not_told_lets_the_new_connection_take_over() {
    run(async {
        let site = two_proxied(Times::PATIENT).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                site.proxy.cut(Cut::WorkersEnd);
                let start = Instant::now();
                site.progress_of("first", 20).await;
                site.progress_of("second", 20).await;
                println!("back {:?} after the worker's end was closed", start.elapsed());
                assert!(start.elapsed() < site.times.lost_after, "nobody waited for silence");
                assert_eq!(site.sessions(), before, "the sessions were taken over");
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}

#[test]
fn a_worker_that_is_not_told_finds_out_and_comes_back() {
    run(async {
        let site = two_proxied(Times::SHORT).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                site.proxy.cut(Cut::ServersEnd);
                let start = Instant::now();
                site.progress_of("first", 20).await;
                site.progress_of("second", 20).await;
                println!("back {:?} after the server's end was closed", start.elapsed());
                assert_eq!(site.sessions(), before, "the sessions were resumed");
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}
