//! The command `work`: a worker in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use distchan::{Code, Worker};
use tokio::signal::unix::{SignalKind, signal};

use crate::door;
use crate::exit::{self, Failure, Outcome};
use crate::output::messages;
use crate::settings::Work;
use crate::wire;
use crate::worker::{Identity, Running, ServeFailed, serve};

/// Works for a server, until its work is done.
pub(crate) fn work(settings: Work) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let running = Running::new(settings.slots)
        .map_err(|error| Failure::internal(format!("cannot keep track of jobs: {error}")))?;
    let outcome = runtime.block_on(run(settings, Arc::clone(&running)));
    // Whatever has happened, nothing that was started here goes on.
    running.end();
    outcome
}

async fn run(settings: Work, running: Arc<Running>) -> Outcome {
    let server = door::ticket(settings.ticket)?;
    let name = wire::worker_name(&settings.host, std::process::id());
    let builder = Worker::builder().signature(wire::SIGNATURE).name(name).reconnect(settings.patience);
    let worker = builder.connect(server.as_str()).await.map_err(|error| door::refused(&error))?;
    let identity = Identity::new(settings.host, settings.slots, settings.permission);
    let serving = tokio::spawn(serve(worker.clone(), identity, Arc::clone(&running)));
    let is_asked = Arc::new(AtomicBool::new(false));
    let stopped = tokio::spawn(stop_when_asked(worker.clone(), running, Arc::clone(&is_asked)));
    let end = serving.await;
    if is_asked.load(Ordering::SeqCst) {
        return stopped.await.map_err(|error| Failure::internal(error.to_string()))?;
    }
    stopped.abort();
    match end {
        Ok(Ok(())) => {
            // What was answered arrives; a server that has ended needs nothing more.
            drop(worker.close().await);
            Ok(exit::SUCCESS)
        }
        Ok(Err(error)) => ended(&worker, &error).await,
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

/// What it means that working ended early.
async fn ended(worker: &Worker, error: &ServeFailed) -> Outcome {
    match error {
        ServeFailed::Connect(error) => Err(door::refused(error)),
        ServeFailed::NotAllowed(_) => Err(Failure::new(exit::AUTHENTICATION, error.to_string())),
        ServeFailed::Open(open) if matches!(open.code, Code::Types | Code::Codec | Code::Signature) => Err(
            Failure::new(exit::VERSION, format!("{error}\n  run the same version of distchan on both sides")),
        ),
        ServeFailed::Open(open) if open.code == Code::Shutdown => over(),
        ServeFailed::Thread(_) => Err(Failure::internal(error.to_string())),
        ServeFailed::NoPlan => over(),
        ServeFailed::Open(_) | ServeFailed::Lost(_) => match worker.is_closed().then_some(worker.closed()) {
            Some(closed) => match closed.await {
                (Code::Shutdown | Code::Normal, _) => over(),
                (_, reason) => Err(Failure::new(exit::UNREACHABLE, format!("the server is lost: {reason}"))),
            },
            None => Err(Failure::new(exit::UNREACHABLE, error.to_string())),
        },
    }
}

/// The server has ended: so has the work.
fn over() -> Outcome {
    messages::note("the server has ended the work");
    Ok(exit::SUCCESS)
}

/// Drains at the first signal, and stops at the second.
async fn stop_when_asked(worker: Worker, running: Arc<Running>, is_asked: Arc<AtomicBool>) -> Outcome {
    let failed = |error: std::io::Error| Failure::internal(format!("cannot listen for signals: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminates = signal(SignalKind::terminate()).map_err(failed)?;
    let mut next = async || tokio::select! { _ = interrupts.recv() => 2, _ = terminates.recv() => 15 };
    let first = next().await;
    is_asked.store(true, Ordering::SeqCst);
    messages::note("finishing what was begun; once more to stop at once (the jobs go to other workers)");
    tokio::select! {
        // The server knows; where it is lost, nothing is.
        _ = worker.drain() => Ok(exit::of_signal(first)),
        second = next() => {
            // The slots give their jobs back, and nothing is counted against them.
            running.stop();
            tokio::task::spawn_blocking(move || running.end()).await.map_err(|error| Failure::internal(error.to_string()))?;
            drop(worker.close().await);
            Ok(exit::of_signal(second))
        }
    }
}
