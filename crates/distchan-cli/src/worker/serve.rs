//! A worker's relation with its server: says who it is, learns what is to be done, decides whether it may, and does it on as many threads as it has
//! slots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use distchan::{ConnectError, OpenError, Receiver, RecvError, Worker};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::command::{Composer, find_program};
use crate::settings::Permission;
use crate::wire::{self, Command, Ended, Hello, Job, MAX_VALUE, News, Order, Plan};
use crate::worker::gate::Gate;
use crate::worker::process::TimeLimit;
use crate::worker::running::{GRACE, Running};
use crate::worker::slot::{self, Bench};
use crate::worker::spawn::Spawner;
use crate::worker::{Identity, guardian};

/// How long a server has to open the channels.
const WAIT: Duration = Duration::from_secs(60);

/// A worker could not work, or not to the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeFailed {
    #[error("they cannot connect: {0}")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the server is lost: {0}")]
    Lost(RecvError),
    #[error("the server ended before it said what is to be done")]
    NoPlan,
    /// The worker's user does not allow what the server wants.
    #[error("{0}")]
    NotAllowed(String),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Works until the server's work is done, or this worker has drained.
pub(crate) async fn serve(
    worker: Worker,
    identity: Identity,
    running: Arc<Running>,
) -> Result<(), ServeFailed> {
    let news = worker.sender::<News>(wire::NEWS).max_value(MAX_VALUE).wait(WAIT).await?;
    let slots = u32::try_from(identity.slots).unwrap_or(u32::MAX);
    let hello =
        Hello { worker: identity.number, host: identity.host.clone(), pid: std::process::id(), slots };
    // A lost server shows at the next step.
    drop(news.send(News::Hello(hello)).await);
    let mut orders =
        worker.receiver::<Order>(wire::orders(identity.number)).max_value(MAX_VALUE).wait(WAIT).await?;
    let plan = match orders.recv().await {
        Ok(Some(Order::Plan(plan))) => *plan,
        Ok(Some(Order::TimeLimit(_) | Order::GoOn | Order::Drain) | None) => return Err(ServeFailed::NoPlan),
        Err(error) => return Err(ServeFailed::Lost(error)),
    };
    let composer = match decide(&identity.permission, &plan) {
        Ok(composer) => composer,
        Err(reason) => {
            drop(news.send(News::Bye { worker: identity.number, reason: reason.clone() }).await);
            // What was sent arrives with this.
            drop(worker.close().await);
            return Err(ServeFailed::NotAllowed(reason));
        }
    };
    let opened = worker.channel::<Job, Ended>(wire::JOBS).max_value(MAX_VALUE).concurrency(slots).wait(WAIT);
    let (jobs, _) = opened.await?;
    let bench = Arc::new(Bench {
        worker: identity.number,
        jobs: Mutex::new(jobs),
        news,
        composer,
        spawner: Spawner::new(&plan),
        gate: Gate::new(Duration::from_micros(plan.delay), plan.free_memory),
        limit: TimeLimit::new(plan.time_limit),
        plan,
        running,
        runs: AtomicU64::new(1),
        is_draining: AtomicBool::new(false),
        runtime: Handle::current(),
    });
    let ending = tokio::spawn(end_with(worker.clone(), Arc::clone(&bench.running)));
    let listening = tokio::spawn(listen(worker, orders, Arc::clone(&bench)));
    let end = run_slots(&bench, identity.slots).await;
    listening.abort();
    ending.abort();
    end
}

/// What is run, if it may be.
fn decide(permission: &Permission, plan: &Plan) -> Result<Composer, String> {
    match (permission, &plan.command) {
        (Permission::Own(words), command) => {
            // How inputs are put in is the server's: it knows whether they have names.
            let like = command.clone().unwrap_or_else(|| Command {
                words: Vec::new(),
                is_quoted: false,
                braces: bytes::Bytes::from_static(b"{}"),
                names: plan.names.clone(),
                appends: plan.appends,
            });
            Ok(Composer::new(&Command { words: words.clone(), is_quoted: false, ..like }, find_program))
        }
        (_, None) => {
            Err("the server sends inputs only: start this worker with a command of its own, after --"
                .to_owned())
        }
        (Permission::Everything, Some(command)) => Ok(Composer::new(command, find_program)),
        (Permission::Programs(programs), Some(command)) => {
            let composer = Composer::new(command, |name| programs.iter().any(|program| program == name));
            match composer.program() {
                Some(program) if programs.iter().any(|allowed| allowed == program) => Ok(composer),
                Some(_) | None => {
                    let text = String::from_utf8_lossy(&command.words.join(b" ".as_slice())).into_owned();
                    Err(format!(
                        "the server wants to run {text:?}, which --allow does not name as a program, or which needs a shell"
                    ))
                }
            }
        }
    }
}

/// Ends what runs when the connection is over for good: nobody would take its answers.
async fn end_with(worker: Worker, running: Arc<Running>) {
    worker.closed().await;
    running.stop();
    tokio::time::sleep(GRACE).await;
    running.kill();
}

/// Does what the server says meanwhile.
async fn listen(worker: Worker, mut orders: Receiver<Order>, bench: Arc<Bench>) {
    while let Ok(Some(order)) = orders.recv().await {
        match order {
            Order::Plan(_) => {}
            Order::TimeLimit(micros) => bench.limit.set(micros),
            Order::GoOn => bench.gate.go_on(),
            Order::Drain => {
                bench.is_draining.store(true, Ordering::SeqCst);
                // It ends when the slots have; a lost server shows there.
                drop(worker.drain().await);
                return;
            }
        }
    }
}

async fn run_slots(bench: &Arc<Bench>, slots: usize) -> Result<(), ServeFailed> {
    let guarded = guardian::start(&bench.running);
    if let Err(error) = &guarded {
        crate::output::messages::note(&format!(
            "nobody will end the jobs if this process is killed: {error}"
        ));
    }
    let (ended, mut ends) = mpsc::unbounded_channel();
    for place in 0..slots {
        let (bench, ended) = (Arc::clone(bench), ended.clone());
        let work = move || drop(ended.send(slot::work(&bench, place)));
        let started = std::thread::Builder::new().name(format!("slot {}", place + 1)).spawn(work);
        match started {
            Ok(_) => {}
            Err(error) if place == 0 => return Err(ServeFailed::Thread(error)),
            Err(error) => {
                crate::output::messages::note(&format!(
                    "{place} jobs at once, and no more: cannot start a thread: {error}"
                ));
                break;
            }
        }
    }
    drop(ended);
    let mut result = Ok(());
    while let Some(end) = ends.recv().await {
        if result.is_ok() {
            result = end.map_err(ServeFailed::Lost);
        }
    }
    drop(guarded);
    result
}
