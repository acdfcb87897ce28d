//! What an honest worker says on its connection, from the first byte to its goodbye, heard by somebody in between.

use distchan::{Server, Worker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Problem;
use crate::ledger::{Answer, answer};
use crate::site::{BAIT, Site};

/// Jobs of the bait that the worker does.
const JOBS: usize = 12;

pub(crate) async fn record(site: &Site) -> Result<Vec<u8>, Problem> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = site.target(&listener.local_addr()?.to_string())?;
    let (said, worked) = tokio::join!(listen_in(&listener, &site.server), work(&target));
    worked?;
    said
}

async fn work(target: &str) -> Result<(), Problem> {
    let worker = Worker::builder().name("recorded").connect(target).await?;
    let (mut jobs, results) = worker.channel::<u64, Answer>(BAIT).await?;
    for _ in 0..JOBS {
        let Some(job) = jobs.recv().await? else { break };
        results.send(answer(job)).await?;
    }
    drop((jobs, results));
    worker.close().await?;
    Ok(())
}

/// Passes one connection on, and returns what its worker said.
async fn listen_in(listener: &TcpListener, server: &Server) -> Result<Vec<u8>, Problem> {
    let (mut worker, _) = listener.accept().await?;
    let mut server = TcpStream::connect(server.local_addr().to_string()).await?;
    let (worker_says, worker_hears) = worker.split();
    let (server_says, server_hears) = server.split();
    let (said, _) = tokio::join!(pass(worker_says, server_hears), pass(server_says, worker_hears));
    Ok(said)
}

/// Until either side ends.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..count).unwrap_or_default();
        all.extend_from_slice(piece);
        if to.write_all(piece).await.is_err() {
            break;
        }
    }
    // The other may have gone first.
    let _ = to.shutdown().await;
    all
}
