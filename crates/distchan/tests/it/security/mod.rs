//! Who is let in, and who is trusted: tickets, certificates, and somebody in between.

mod between;
mod crowds;
mod mismatch;
mod mutual;
mod tickets;

use std::future::IntoFuture;

use distchan::{ConnectError, JobSender, SecurityError, Server, Worker};

use crate::place::place;

/// A server with tickets at a free port, a channel whose jobs it sends, and a worker that answers them.
async fn served() -> (Server, JobSender<u32, u32>) {
    let server = Server::builder().secure().bind(place()).await.unwrap();
    let (jobs, _) = server.channel::<u32, u32>("work").open().unwrap();
    work(&Worker::connect(server.ticket().unwrap()).await.unwrap());
    assert_eq!(jobs.call(0).await.unwrap(), 1);
    (server, jobs)
}

/// Answers jobs until the worker is over.
fn work(worker: &Worker) {
    tokio::spawn(worker.serve("work", |job: u32| async move { job + 1 }).into_future());
}

/// Why a worker and its server do not trust each other.
fn distrust(result: Result<Worker, ConnectError>) -> SecurityError {
    match result {
        Err(ConnectError::Security { error, .. }) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
}
