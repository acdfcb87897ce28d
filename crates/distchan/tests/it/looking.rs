//! Looking at a server: who is there, how every channel stands.

use distchan::{Server, Worker};

use crate::helpers::{poll_once, run, server, until, worker};

#[test]
fn wait_for_workers_counts_those_with_an_open_channel() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        server.wait_for_workers(0).await;
        let connected = worker(&server).await;
        until(|| server.workers().len() == 1).await;
        assert!(poll_once(server.wait_for_workers(1)).is_none(), "it has no channel open");
        let _one = connected.channel::<u32, u32>("work").await.unwrap();
        server.wait_for_workers(1).await;
        assert!(poll_once(server.wait_for_workers(2)).is_none());
        let _other = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        server.wait_for_workers(2).await;
    });
}

#[test]
fn workers_that_are_gone_are_not_counted() {
    run(async {
        let server = server().await;
        let (_jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let gone = worker(&server).await;
        let ends = gone.channel::<u32, u32>("work").await.unwrap();
        server.wait_for_workers(1).await;
        drop((gone, ends));
        until(|| server.workers().is_empty()).await;
        assert!(poll_once(server.wait_for_workers(1)).is_none());
    });
}

#[test]
fn workers_are_listed_in_the_order_in_which_they_connected() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(5).open().unwrap();
        let mut working = Vec::new();
        for name in ["anna", "bert", "carl"] {
            let worker = Worker::builder().name(name).connect(server.local_addr()).await.unwrap();
            working.push((worker.channel::<u32, u32>("work").await.unwrap(), worker));
        }
        for job in 0..6 {
            jobs.send(job).await.unwrap();
        }
        until(|| server.workers().iter().all(|worker| worker.in_flight == 2)).await;
        let ((taken, _), _) = &mut working[1];
        taken.next_job().await.unwrap().unwrap().complete(1).await.unwrap();
        results.recv().await.unwrap();
        let workers = server.workers();
        let names: Vec<_> = workers.iter().map(|worker| worker.name.as_str()).collect();
        assert_eq!(names, ["anna", "bert", "carl"]);
        assert_eq!(workers.iter().map(|worker| worker.completed).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(workers.iter().map(|worker| worker.in_flight).collect::<Vec<_>>(), [2, 1, 2]);
        assert!(workers.iter().all(|worker| worker.channels == 1 && worker.peer.starts_with("127.0.0.1:")));
        assert!(workers[0].session < workers[1].session && workers[1].session < workers[2].session);
        drop(working.remove(0));
        until(|| server.workers().len() == 2).await;
        assert_eq!(server.workers()[0].name, "bert");
    });
}

#[test]
fn a_worker_is_called_by_its_process_unless_it_has_a_name() {
    run(async {
        let server = server().await;
        let _worker = worker(&server).await;
        until(|| server.workers().len() == 1).await;
        assert_eq!(server.workers()[0].name, format!("pid {}", std::process::id()));
    });
}

#[test]
fn stats_tell_how_every_channel_stands() {
    run(async {
        let server = server().await;
        let (jobs, mut results) = server.channel::<u32, u32>("work").credit(2).open().unwrap();
        let _log = server.receiver::<u32>("log").open().unwrap();
        let names: Vec<_> = server.stats().channels.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["work", "log"], "in the order of opening");
        assert!(server.stats().channel("other").is_none());
        for job in 0..5 {
            jobs.send(job).await.unwrap();
        }
        let stats = || *server.stats().channel("work").unwrap();
        assert_eq!((stats().submitted, stats().queued), (5, 5), "those that nobody waits for too");
        assert_eq!((stats().in_flight, stats().completed, stats().workers), (0, 0, 0));
        let (mut taken, _answers) = worker(&server).await.channel::<u32, u32>("work").await.unwrap();
        until(|| stats().in_flight == 2).await;
        assert_eq!((stats().queued, stats().workers), (3, 1));
        assert!(stats().kept_bytes > 0);
        taken.next_job().await.unwrap().unwrap().complete(1).await.unwrap();
        taken.next_job().await.unwrap().unwrap().fail("no");
        drop(taken.next_job().await.unwrap().unwrap());
        until(|| stats().redelivered == 1).await;
        assert_eq!((stats().submitted, stats().queued + stats().in_flight), (5, 3));
        assert_eq!((stats().completed, stats().failed, stats().refused_answers), (1, 1, 0));
        assert_eq!(results.recv().await.unwrap(), Some(1));
        assert_eq!(server.stats().workers.len(), 1);
    });
}

#[test]
fn local_addr_says_which_port_was_taken() {
    run(async {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let text = server.local_addr().to_string();
        assert!(text.starts_with("127.0.0.1:") && !text.ends_with(":0"), "{text}");
        Worker::connect(&text).await.unwrap();
        Worker::connect(format!("tcp:{text}")).await.unwrap();
    });
}
