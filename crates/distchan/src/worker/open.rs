//! Opening a channel on a worker.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::limits;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::worker::OpenOptions;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::channel::inbox::{End, Inbox};
use crate::channel::intake::Intake;
use crate::channel::job::JobLink;
use crate::channel::outgoing::{Bounds, Outgoing};
use crate::channel::port::{Alive, Port};
use crate::channel::sender::Purpose;
use crate::channel::{JobReceiver, Receiver, SendErrorKind, Sender, stopper};
use crate::codec::{Codec, Postcard};
use crate::compression;
use crate::driver::worker::{Ends, WorkerPort};
use crate::settings::{Common, common_setters};
use crate::worker::Worker;
use crate::worker::error::OpenError;

/// Results or values that may wait for the connection, per channel.
const CAPACITY: usize = 65_536;

/// ... and their bytes; one value may exceed it.
const CAPACITY_BYTES: usize = 4 * 1024 * 1024;

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, OpenError>> + Send>>;

/// What the three builders of a worker share.
#[derive(Clone, Debug)]
struct Settings {
    worker: Worker,
    common: Common,
    options: OpenOptions,
}

/// The ends that were made.
struct Opened {
    port: Arc<dyn Port>,
    answers: Arc<Outgoing>,
    inbox: Arc<Inbox>,
    alive: Alive,
}

impl Settings {
    fn new(worker: &Worker, name: String) -> Self {
        Self {
            worker: worker.clone(),
            common: Common::new(name, compression::known()),
            options: OpenOptions::default(),
        }
    }

    /// Asks the server, and waits for its answer. An open whose future is dropped is taken back.
    async fn open<J, R, C>(self, direction: Direction) -> Result<Opened, OpenError>
    where
        J: DeserializeOwned,
        R: DeserializeOwned,
        C: Codec,
    {
        let spec = self.common.spec::<J, R, C>(direction);
        let shared = self.worker.shared();
        let port = Arc::new(WorkerPort { shared: Arc::clone(shared), no: OnceLock::new() });
        let bounds = Bounds { values: CAPACITY, bytes: CAPACITY_BYTES, max_value: self.common.max_value };
        let answers = Outgoing::new(Arc::clone(&port) as Arc<dyn Port>, bounds);
        let inbox = Inbox::new();
        let (opening, answer) = oneshot::channel();
        let ends = Ends {
            answers: Arc::clone(&answers),
            inbox: Arc::clone(&inbox),
            opening: Some(opening),
            is_receiver_closed: false,
            is_dry: false,
            is_up: direction == Direction::Up,
        };
        let name = self.common.name;
        let refused = |refused: crate::driver::worker::Refused| OpenError {
            name: name.clone(),
            code: refused.code,
            reason: refused.reason,
        };
        shared
            .open(spec, self.options, |no| {
                port.no.set(no).expect("set once, here");
                ends
            })
            .map_err(refused)?;
        let opened = Opened { port, answers, inbox, alive: Arc::clone(self.worker.connected()) as Alive };
        let guard = TakeBack(Some(&opened));
        let answer = answer.await.expect("an opening is answered, at the latest when the connection ends");
        guard.keep();
        answer.map_err(refused)?;
        Ok(opened)
    }
}

/// Leaves the channel unless its ends have found an owner.
struct TakeBack<'a>(Option<&'a Opened>);

impl TakeBack<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        if let Some(opened) = self.0 {
            // Jobs may have come with the answer that nobody waits for any more.
            stopper::close(&opened.inbox, &opened.answers, End::Finished);
            opened.answers.end(SendErrorKind::Closed);
            opened.port.close_receiver();
        }
    }
}

/// Opens a channel of jobs: [`Worker::channel`]. To be awaited.
#[derive(Debug)]
#[must_use = "a channel is opened when this is awaited"]
pub struct OpenJobs<J, R, C = Postcard> {
    settings: Settings,
    types: PhantomData<fn(J, R, C)>,
}

impl<J, R> OpenJobs<J, R> {
    pub(crate) fn new(worker: &Worker, name: String) -> Self {
        Self { settings: Settings::new(worker, name), types: PhantomData }
    }
}

impl<J, R, C: Codec> OpenJobs<J, R, C> {
    common_setters!(OpenJobs<J, R>);

    /// How long to wait for the server to open a channel of this name, before that is an error: 10 s unless set.
    pub fn wait(mut self, time: Duration) -> Self {
        self.settings.options.wait = time;
        self
    }

    /// How many jobs this worker works on at once: what the server sends follows it, and the time that jobs take. 1 unless set.
    /// Whoever gathers jobs, and answers them together, says here how many.
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.settings.options.concurrency = jobs.max(1);
        self
    }

    /// The most jobs that this worker may have in hand, begun or not: 65 536 unless set. There is no need to set it: what the server
    /// sends follows the time that jobs take.
    pub fn max_in_hand(mut self, jobs: u32) -> Self {
        self.settings.options.max_jobs = jobs.max(1);
        self
    }
}

impl<J, R, C> IntoFuture for OpenJobs<J, R, C>
where
    J: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
    C: Codec,
{
    type Output = Result<(JobReceiver<J, R>, Sender<R>), OpenError>;
    type IntoFuture = Opening<(JobReceiver<J, R>, Sender<R>)>;

    /// # Cancel safety
    /// Dropping the future takes the request back.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let opened = self.settings.open::<J, R, C>(Direction::Jobs).await?;
            let Opened { port, answers, inbox, alive } = opened;
            let link = JobLink {
                outgoing: Arc::clone(&answers),
                encode: C::encode_scattered::<R>,
                _alive: Arc::clone(&alive),
            };
            let sender = Sender::new(
                Arc::clone(&answers),
                C::encode_scattered::<R>,
                Purpose::Result,
                Arc::clone(&alive),
            );
            let intake = Intake::new::<C>(inbox, Some(answers), port, alive).passing_over_what_fails();
            Ok((JobReceiver::new(intake, Arc::new(link)), sender))
        })
    }
}

/// Opens a channel on which only the server sends: [`Worker::receiver`]. To be awaited.
#[derive(Debug)]
#[must_use = "a channel is opened when this is awaited"]
pub struct OpenReceiver<T, C = Postcard> {
    settings: Settings,
    types: PhantomData<fn(T, C)>,
}

impl<T> OpenReceiver<T> {
    pub(crate) fn new(worker: &Worker, name: String) -> Self {
        Self { settings: Settings::new(worker, name), types: PhantomData }
    }
}

impl<T, C: Codec> OpenReceiver<T, C> {
    common_setters!(OpenReceiver<T>);

    /// How long to wait for the server to open a channel of this name, before that is an error: 10 s unless set.
    pub fn wait(mut self, time: Duration) -> Self {
        self.settings.options.wait = time;
        self
    }
}

impl<T, C> IntoFuture for OpenReceiver<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Codec,
{
    type Output = Result<Receiver<T>, OpenError>;
    type IntoFuture = Opening<Receiver<T>>;

    /// # Cancel safety
    /// Dropping the future takes the request back.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Opened { port, answers, inbox, alive } =
                self.settings.open::<T, (), C>(Direction::Down).await?;
            Ok(Receiver::new(Intake::new::<C>(inbox, Some(answers), port, alive)))
        })
    }
}

/// Opens a channel on which only workers send: [`Worker::sender`]. To be awaited.
#[derive(Debug)]
#[must_use = "a channel is opened when this is awaited"]
pub struct OpenSender<T, C = Postcard> {
    settings: Settings,
    types: PhantomData<fn(T, C)>,
}

impl<T> OpenSender<T> {
    pub(crate) fn new(worker: &Worker, name: String) -> Self {
        Self { settings: Settings::new(worker, name), types: PhantomData }
    }
}

impl<T, C: Codec> OpenSender<T, C> {
    common_setters!(OpenSender<T>);

    /// How long to wait for the server to open a channel of this name, before that is an error: 10 s unless set.
    pub fn wait(mut self, time: Duration) -> Self {
        self.settings.options.wait = time;
        self
    }
}

impl<T, C> IntoFuture for OpenSender<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Codec,
{
    type Output = Result<Sender<T>, OpenError>;
    type IntoFuture = Opening<Sender<T>>;

    /// # Cancel safety
    /// Dropping the future takes the request back.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Opened { answers, alive, .. } = self.settings.open::<T, (), C>(Direction::Up).await?;
            Ok(Sender::new(answers, C::encode_scattered::<T>, Purpose::Value, alive))
        })
    }
}
