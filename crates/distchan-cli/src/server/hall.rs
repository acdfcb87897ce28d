//! Where server and workers meet: the library's server with its channels, the workers of this process, and the tasks that bring what arrives to the
//! conductor.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use distchan::transport::Address;
use distchan::{JobSender, Receiver, RecvError, Security, Server, Ticket, Worker};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::command::{Composer, find_program};
use crate::exit::{self, Failure};
use crate::output::messages;
use crate::server::notice::{Notice, Notify};
use crate::server::roster::Roster;
use crate::settings::{Listen, Permission};
use crate::wire::{self, Asked, Command, Ended, Job, MAX_VALUE, News};
use crate::worker::{Identity, Running, serve};

/// Where workers of the same process find the server.
const HERE: &str = "memory:distchan";

/// How often the conductor looks around.
const TICK: Duration = Duration::from_millis(50);

/// Server and channels.
#[derive(Debug)]
pub(super) struct Hall {
    pub(super) server: Server,
    jobs: JobSender<Job, Ended>,
    /// The workers that have said who they are.
    pub(super) roster: Arc<Roster>,
    /// What those who watch want to know, where others may come.
    questions: Option<Receiver<Asked>>,
    /// What a worker connects with, where others may come.
    pub(super) door: Option<String>,
    ticket_file: Option<PathBuf>,
}

impl Hall {
    /// Opens it, and starts the workers of this process.
    pub(super) async fn open(
        listen: Option<&Listen>,
        slots: usize,
        notify: &Notify,
        running: &Arc<Running>,
    ) -> Result<Self, Failure> {
        let (server, door) = match listen {
            None => (bind(Server::builder(), HERE).await?, None),
            Some(listen) => {
                let (server, door) = listening(listen).await?;
                (server, Some(door))
            }
        };
        let internal = |error: distchan::ChannelError| Failure::internal(error.to_string());
        let (jobs, results) =
            server.channel::<Job, Ended>(wire::JOBS).max_value(MAX_VALUE).open().map_err(internal)?;
        let news = server.receiver::<News>(wire::NEWS).max_value(MAX_VALUE).open().map_err(internal)?;
        let questions = door
            .as_ref()
            .map(|_| server.receiver::<Asked>(wire::QUESTIONS).open().map_err(internal))
            .transpose()?;
        tokio::spawn(bring_results(results, notify.clone()));
        tokio::spawn(bring_news(news, notify.clone()));
        tokio::spawn(tick(notify.clone()));
        if door.is_some() {
            tokio::spawn(tell_refusals(server.clone()));
        }
        if slots > 0 {
            let target = local_target(&server, door.as_deref())?;
            tokio::spawn(work_here(target, slots, notify.clone(), Arc::clone(running)));
        }
        let ticket_file = listen.and_then(|listen| listen.ticket_file.clone());
        Ok(Self { server, jobs, roster: Arc::default(), questions, door, ticket_file })
    }

    /// Sends jobs.
    pub(super) fn jobs(&self) -> JobSender<Job, Ended> {
        self.jobs.clone()
    }

    /// What those who watch want to know; once.
    pub(super) fn take_questions(&mut self) -> Option<Receiver<Asked>> {
        self.questions.take()
    }

    /// Takes what is to be sent again, as there is room.
    pub(super) fn again(&self, runtime: &Runtime) -> mpsc::UnboundedSender<Job> {
        // As long as the ledger allows: it has room for what is here.
        let (sender, mut again) = mpsc::unbounded_channel();
        let jobs = self.jobs.clone();
        runtime.spawn(async move {
            while let Some(job) = again.recv().await {
                if jobs.send(job).await.is_err() {
                    // The server was shut down.
                    return;
                }
            }
        });
        sender
    }

    /// The line that starts a worker, which allows no more than is needed.
    pub(super) fn invitation(&self, command: Option<&Command>) -> String {
        let Some(door) = &self.door else { return String::new() };
        let ticket = match &self.ticket_file {
            Some(file) => format!("--ticket-file {}", file.display()),
            None => format!("'{door}'"),
        };
        let Some(command) = command else { return format!("distchan work {ticket} -- COMMAND") };
        match Composer::new(command, find_program).program() {
            Some(program) => format!("distchan work --allow '{}' {ticket}", String::from_utf8_lossy(program)),
            None => format!("distchan work --allow-exec {ticket}"),
        }
    }

    /// Keeps the server, and lets the channel of jobs close once the others who send are done.
    pub(super) fn into_server(self) -> Server {
        self.server
    }
}

async fn bind(builder: distchan::ServerBuilder, address: &str) -> Result<Server, Failure> {
    let bound = builder.signature(wire::SIGNATURE).bind(address).await;
    bound.map_err(|error| Failure::new(exit::UNREACHABLE, format!("cannot listen: {error}")))
}

/// A server that others reach, and what they connect with.
async fn listening(listen: &Listen) -> Result<(Server, String), Failure> {
    let address: Address =
        listen.address.parse().map_err(|error| Failure::usage(format!("--listen: {error}")))?;
    if !matches!(address, Address::Tcp { .. }) {
        // Only this machine's own processes come this way: there is nothing to encrypt, and no ticket.
        let server = bind(Server::builder(), &listen.address).await?;
        let door = server.local_addr().to_string();
        return Ok((server, door));
    }
    let security = match &listen.identity {
        Some(file) => Security::tickets_kept_in(file),
        None => Security::tickets(),
    };
    let server = bind(Server::builder().security(security), &listen.address).await?;
    let ticket = server.ticket().map_err(|error| Failure::internal(error.to_string()))?;
    if let Some(file) = &listen.ticket_file {
        ticket.save(file).map_err(|error| Failure::internal(format!("cannot write the ticket: {error}")))?;
    }
    Ok((server, ticket.to_string()))
}

/// What the workers of this process connect with.
fn local_target(server: &Server, door: Option<&str>) -> Result<String, Failure> {
    let Some(door) = door else { return Ok(HERE.to_owned()) };
    let Address::Tcp { host, port } = server.local_addr() else { return Ok(door.to_owned()) };
    let here = match host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let ticket: Ticket =
        door.parse().map_err(|error: distchan::TicketError| Failure::internal(error.to_string()))?;
    let ticket = ticket.with_address(format!("{here}:{port}").as_str());
    ticket.map(|ticket| ticket.to_string()).map_err(|error| Failure::internal(error.to_string()))
}

async fn work_here(target: String, slots: usize, notify: Notify, running: Arc<Running>) {
    let builder = Worker::builder().signature(wire::SIGNATURE).name(wire::worker_name("", 0));
    let end = match builder.connect(target.as_str()).await {
        Ok(worker) => {
            let identity = Identity::new(String::new(), slots, Permission::Everything);
            let end = serve(worker.clone(), identity, running).await;
            // What was answered arrives; where the server is shut down, nobody wants it.
            drop(worker.close().await);
            end
        }
        Err(error) => Err(error.into()),
    };
    // Where nobody listens the run is over.
    drop(notify.send(Notice::LocalOver(end)).await);
}

async fn bring_results(mut results: Receiver<Ended>, notify: Notify) {
    loop {
        let notice = match results.recv().await {
            Ok(Some(ended)) => Notice::Ended(Box::new(ended)),
            Err(RecvError::Failed(failed)) => Notice::GivenUp(failed),
            Ok(None) => return,
            Err(RecvError::Decode(error)) => {
                messages::error(&format!("a worker's answer cannot be read: {error}"));
                continue;
            }
            Err(_) => return,
        };
        if notify.send(notice).await.is_err() {
            return;
        }
    }
}

async fn bring_news(mut news: Receiver<News>, notify: Notify) {
    while let Ok(Some(news)) = news.recv().await {
        if notify.send(Notice::News(news)).await.is_err() {
            return;
        }
    }
}

async fn tick(notify: Notify) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if notify.send(Notice::Tick).await.is_err() {
            return;
        }
    }
}

async fn tell_refusals(server: Server) {
    loop {
        let refusal = server.next_refusal().await;
        messages::note(&format!("{} was turned away: {}", refusal.peer, refusal.reason));
    }
}
