//! Connections that fall silent: for a moment, which is no loss; or for longer than `lost_after`, which is found on both sides.

use std::future::IntoFuture;
use std::time::Duration;

use distchan::{Server, Worker};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::place::place;
use crate::proxy::{Fault, Way};
use crate::site::{IN_HAND, Site, Times, run};

/// Beyond `lost_after`, until a loss is found: a heartbeat, and what a busy machine adds.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_stall_that_is_shorter_than_lost_after_is_no_loss() {
    run(async {
        let site = Site::new(Times::PATIENT, 1).await;
        site.add_worker("proxied", true).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                for ways in [&[Way::ToServer][..], &[Way::ToWorker], &Way::BOTH] {
                    ways.iter().for_each(|way| site.proxy.set(*way, Fault::Stall));
                    sleep(Duration::from_millis(700)).await;
                    site.proxy.set_both(Fault::None);
                    site.progress(20).await;
                }
                assert_eq!(site.sessions(), before);
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}

/// Its user's code held every thread of its runtime: whatever it did not hear meanwhile says nothing of its workers, however late it is.
#[test]
fn a_server_that_was_busy_for_longer_than_lost_after_takes_nobody_for_lost() {
    const LOST_AFTER: Duration = Duration::from_secs(1);
    let (bound, address) = oneshot::channel();
    let (begun, mut has_begun) = watch::channel(0_u32);
    let (over, is_over) = watch::channel(false);
    let server = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let builder = Server::builder().heartbeat(LOST_AFTER / 4, LOST_AFTER);
            let server = builder.bind(place()).await.unwrap();
            let (jobs, mut results) = server.channel::<(), u32>("work").open().unwrap();
            bound.send(server.local_addr().clone()).unwrap();
            jobs.send(()).await.unwrap();
            has_begun.wait_for(|begun| *begun > 0).await.unwrap();
            std::thread::sleep(LOST_AFTER * 2);
            over.send(true).unwrap();
            results.recv().await.unwrap()
        })
    });
    run(async {
        let worker = Worker::connect(&address.await.unwrap()).await.unwrap();
        let serve = worker.serve("work", move |()| {
            begun.send_modify(|begun| *begun += 1);
            let (begun, mut is_over) = (begun.clone(), is_over.clone());
            async move {
                is_over.wait_for(|is_over| *is_over).await.unwrap();
                *begun.borrow()
            }
        });
        tokio::spawn(serve.into_future());
        let answer = tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
        assert_eq!(answer, Some(1), "the job was begun once");
    });
}

#[test]
fn a_connection_that_stalls_for_good_is_found_dead() {
    run(async {
        for ways in [&[Way::ToServer][..], &[Way::ToWorker], &Way::BOTH] {
            silence(ways, Fault::Stall).await;
        }
    });
}

#[test]
fn a_connection_into_a_black_hole_is_found_dead() {
    run(async {
        for ways in [&[Way::ToServer][..], &[Way::ToWorker], &Way::BOTH] {
            silence(ways, Fault::Blackhole).await;
        }
    });
}

/// One of two workers cannot be heard, or cannot hear: its jobs move to the other one, and when it can again, it serves again.
async fn silence(ways: &[Way], fault: Fault) {
    // A worker that hears nothing closes its end first; the server, which sees something in between, then waits for it.
    let times = Times { grace: Duration::from_millis(500), ..Times::SHORT };
    let site = Site::with_little_in_hand(times, 1).await;
    site.add_worker("direct", false).await;
    site.add_worker("proxied", true).await;
    let outcome = site
        .under(async |site| {
            site.progress_of("proxied", 20).await;
            let session = site.sessions()["proxied"];
            let start = Instant::now();
            ways.iter().for_each(|way| site.proxy.set(*way, fault));
            let found = site.lost("proxied", session).await;
            assert!(found < times.lost_after + times.grace + SLACK, "{found:?}");
            site.progress_of("direct", 50).await;
            site.proxy.set_both(Fault::None);
            site.progress_of("proxied", 50).await;
            println!("{ways:?} {fault:?}: lost after {found:?}, all well after {:?}", start.elapsed());
        })
        .await;
    // It goes on with what it has in hand until it is told.
    assert!(outcome.begun_again <= IN_HAND as usize, "only what it had in hand: {outcome:?}");
}

#[test]
fn bytes_that_trickle_or_come_late_are_no_loss() {
    run(async {
        let site = Site::new(Times::PATIENT, 1).await;
        site.add_worker("proxied", true).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                for fault in [Fault::Trickle(4_000), Fault::Delay(Duration::from_millis(200))] {
                    site.proxy.set_both(fault);
                    site.progress(40).await;
                }
                site.proxy.set_both(Fault::None);
                site.progress(40).await;
                assert_eq!(site.sessions(), before);
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}
