//! Opening a channel on the server.

use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use distchan_proto::limits;
use distchan_proto::server::ChannelOptions;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::{Direction, Distribution};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::direct::Direct;
use crate::channel::failed::Origin;
use crate::channel::inbox::Inbox;
use crate::channel::intake::Intake;
use crate::channel::keying::Keying;
use crate::channel::outgoing::{Bounds, Outgoing};
use crate::channel::port::{Alive, Decode, Port};
use crate::channel::sender::Purpose;
use crate::channel::sinks::Sinks;
use crate::channel::{JobSender, Receiver, Sender};
use crate::codec::{Codec, Postcard};
use crate::compression::Compression;
use crate::driver::server::{Ends, OpenFailed, ServerPort};
use crate::server::Server;
use crate::server::error::ChannelError;
use crate::settings::{Common, common_setters};

/// Jobs that may wait in a channel, unless `capacity` says otherwise.
const DEFAULT_CAPACITY: usize = 65_536;

/// Bytes of jobs that may wait in a channel, whatever their number; one value may exceed it.
const CAPACITY_BYTES: usize = 16 * 1024 * 1024;

/// What the three builders of a server share.
#[derive(Debug)]
struct Settings {
    server: Server,
    common: Common,
    options: ChannelOptions,
    capacity: usize,
}

/// What the machine needs of the types, and the ends that were made.
struct Opened {
    port: Arc<ServerPort>,
    outgoing: Option<Arc<Outgoing>>,
    inbox: Arc<Inbox>,
    sinks: Arc<Sinks>,
    alive: Alive,
}

impl Settings {
    fn new(server: &Server, name: String) -> Self {
        Self {
            server: server.clone(),
            common: Common::new(name, Vec::new()),
            options: ChannelOptions::default(),
            capacity: DEFAULT_CAPACITY,
        }
    }

    fn open<J, R, C>(self, direction: Direction) -> Result<Opened, ChannelError>
    where
        J: DeserializeOwned,
        R: DeserializeOwned,
        C: Codec,
    {
        let spec = self.common.spec::<J, R, C>(direction);
        let shared = self.server.shared();
        let taken = Arc::new(AtomicU64::new(0));
        let (channel, for_ends) = (OnceLock::new(), Arc::clone(&taken));
        let port = Arc::new(ServerPort { shared: Arc::clone(shared), channel, taken });
        let bounds =
            Bounds { values: self.capacity, bytes: CAPACITY_BYTES, max_value: self.common.max_value };
        let outgoing =
            (direction != Direction::Up).then(|| Outgoing::new(Arc::clone(&port) as Arc<dyn Port>, bounds));
        let (inbox, sinks) = (Inbox::new(), Arc::new(Sinks::default()));
        let ends = Ends::new(outgoing.clone(), Arc::clone(&inbox), Arc::clone(&sinks), for_ends);
        let id = shared.with(|core, now| {
            let id = core.open(now, spec, self.options, ends)?;
            shared.counts.send_modify(|counts| counts.unfinished += usize::from(outgoing.is_some()));
            Ok(id)
        });
        let id = id.map_err(|failed| match failed {
            OpenFailed::Exists => ChannelError::Exists { name: self.common.name },
            OpenFailed::Shutdown => ChannelError::Shutdown,
        })?;
        port.channel.set(id).expect("set once, here");
        let alive: Alive = Arc::clone(self.server.running()) as Alive;
        Ok(Opened { port, outgoing, inbox, sinks, alive })
    }
}

/// How the values of a channel are compressed, for the three builders, which have `settings`.
macro_rules! compression_setter {
    () => {
        /// Compresses batches and large values on their way, both ways, with each worker that knows how: all that were compiled with the kind's feature.
        /// With the others they travel as they are; nothing has to be set on a worker. Unless set, nothing is compressed.
        ///
        /// It is worth it where the line is slower than a processor, and values are alike: what does not become shorter travels as it is, and so do batches of less
        /// than 256 bytes. Compressing runs on the connection's task. `max_value`, and everything else that is counted in bytes, is counted without
        /// it. A [`transform`](Self::transform) sees what has been compressed.
        ///
        /// Bytes that a stranger can choose, and secrets, do not belong into one channel that is compressed: how long a batch becomes tells whether
        /// they are alike, also through encryption (the CRIME attack).
        pub fn compress(mut self, compression: Compression) -> Self {
            self.settings.common.compressors = vec![compression.shared()];
            self
        }
    };
}

/// What becomes of jobs that are not completed at their first attempt, for the builders that have `settings`.
macro_rules! policy_setters {
    ($job:ident) => {
        /// A job that had been begun on so many workers that were lost is given up as [dead](crate::Outcome::Dead): at least 1, and 3 unless set.
        /// It is tried again at once until then. Those that a lost worker had not begun are never counted, and neither are jobs of workers
        /// that leave politely.
        pub fn crash_limit(mut self, workers: u32) -> Self {
            self.settings.options.policy.crash_limit = workers.max(1);
            self
        }

        /// How long an attempt may take, from when the worker begins. Longer ones are cancelled there, and the job is tried again, as often as
        /// `retry_timeouts` says. Unless set, there is no limit: a job is never run again because it is long.
        pub fn job_timeout(mut self, time: Duration) -> Self {
            self.settings.options.policy.job_timeout = Some(time);
            self
        }

        /// How often a job is tried again that took longer than `job_timeout`, before it is given up as [dead](crate::Outcome::Dead): 2 times
        /// unless set.
        pub fn retry_timeouts(mut self, times: u32) -> Self {
            self.settings.options.policy.timeout_limit = times.saturating_add(1);
            self
        }

        /// How long a job waits for its next attempt after its first failure or timeout, doubled with each further one, and the most that it
        /// waits: 100 ms and 10 s unless set. The others go on meanwhile. After the loss of its worker a job waits for nothing.
        pub fn retry_backoff(mut self, first: Duration, most: Duration) -> Self {
            self.settings.options.policy.backoff = (first, most.max(first));
            self
        }

        /// Which of the workers that could take a job is given it: in turn those with a free handler, then in turn the others, unless set.
        pub fn distribution(mut self, distribution: Distribution) -> Self {
            self.settings.options.policy.distribution = distribution;
            self
        }

        /// Speculation: a job that one worker has had for so long, while another is idle, is given to that one too. Whoever answers first has it,
        /// and the other is told to stop: its outcome is seen once, as always, but its handler may run twice to the end. Unless set, no job is run
        /// twice for speed. It shortens the end of work whose workers differ, or hang at times; of work whose jobs differ it wastes some.
        ///
        /// A handler that fails, or sends the first of several results, has answered. Jobs that may have brought down a worker are never with two.
        pub fn speculate_after(mut self, time: Duration) -> Self {
            self.settings.options.policy.speculate_after = Some(time);
            self
        }

        /// Jobs whose keys are equal go to one worker, in the order of sending, as long as it takes part; when workers come or go, few keys move, and a
        /// key never while jobs of it are with its worker. A worker that works on several at once begins them in order.
        /// [`distribution`](Self::distribution) means nothing then.
        ///
        /// The order is that of first attempts: a job that failed and is tried again later may be overtaken. A worker that is far behind
        /// (65 536 jobs, or 8 MiB of them, beyond those it has in hand) holds up the whole channel: a few busy keys are as fast as their workers.
        pub fn by_key<K: Hash>(mut self, key: impl Fn(&$job) -> K + Send + Sync + 'static) -> Self {
            self.settings.options.policy.by_key = true;
            self.keying = Some(Keying::new(key));
            self
        }
    };
}

/// Settings of a channel of jobs: [`Server::channel`]. [`ChannelBuilder::open`] opens it.
///
/// What becomes of jobs that fail, take too long, or crash their workers is set here too:
///
/// ```no_run
/// # fn example(server: &distchan::Server) -> Result<(), distchan::ChannelError> {
/// use std::time::Duration;
///
/// let (jobs, results) = server
///     .channel::<String, u64>("fetch")
///     .retry_failures(2) // a handler that fails is asked twice more ...
///     .retry_backoff(Duration::from_millis(200), Duration::from_secs(5)) // ... after 200 ms, and after 400 ms
///     .job_timeout(Duration::from_secs(30)) // one that hangs is stopped ...
///     .retry_timeouts(1) // ... and tried once more
///     .crash_limit(2) // a job that takes two workers with it is not given to a third
///     .open()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a channel is there once it is opened"]
pub struct ChannelBuilder<J, R, C = Postcard> {
    settings: Settings,
    keying: Option<Keying<J>>,
    types: PhantomData<fn(J, R, C)>,
}

impl<J, R> ChannelBuilder<J, R> {
    pub(crate) fn new(server: &Server, name: String) -> Self {
        Self { settings: Settings::new(server, name), keying: None, types: PhantomData }
    }
}

impl<J, R, C: Codec> ChannelBuilder<J, R, C> {
    common_setters!(ChannelBuilder<J, R>, keying);
    compression_setter!();
    policy_setters!(J);

    /// How often a job is tried again whose handler failed (or panicked, or whose value or result cannot be coded), before it has
    /// [failed](crate::Outcome::Failed): never, unless set.
    pub fn retry_failures(mut self, times: u32) -> Self {
        self.settings.options.policy.failure_limit = times.saturating_add(1);
        self
    }

    /// Results become visible in the order in which their jobs were sent. A slow job then holds up those behind it; jobs are given out
    /// at most 65 536 ahead of it.
    pub fn ordered(mut self) -> Self {
        self.settings.options.ordered = true;
        self
    }

    /// How many jobs may wait for a worker before [`JobSender::send`] waits: 65 536 unless set, at least 1. Whatever their number, 16 MiB
    /// may wait.
    pub fn capacity(mut self, jobs: usize) -> Self {
        self.settings.capacity = jobs.max(1);
        self
    }

    /// How many jobs a worker may have in hand, always. Unless set, this follows the jobs' length by itself; what a worker has not begun is then
    /// taken back for whoever is idle, and here it is not.
    pub fn credit(mut self, jobs: u32) -> Self {
        self.settings.options.credit = Some(jobs.max(1));
        self
    }

    /// Opens the channel. Workers that wait for it are let in.
    ///
    /// # Errors
    /// A channel of this name is open, or the server is shut down.
    pub fn open(self) -> Result<(JobSender<J, R>, Receiver<R>), ChannelError>
    where
        J: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned,
    {
        let opened = self.settings.open::<J, R, C>(Direction::Jobs)?;
        let Opened { port, outgoing, inbox, sinks, alive } = opened;
        let outgoing = outgoing.expect("made for this direction");
        let port: Arc<dyn Port> = port;
        let sender =
            Sender::new(Arc::clone(&outgoing), C::encode_scattered::<J>, Purpose::Value, Arc::clone(&alive))
                .keyed(self.keying.clone());
        let origin = Origin::new(C::decode::<J>);
        let direct = Direct {
            outgoing,
            encode: C::encode_scattered::<J>,
            keying: self.keying.map(|keying| (keying, C::decode::<J> as Decode<J>)),
            decode: C::decode::<R>,
            sinks,
            origin: Arc::clone(&origin),
            port: Arc::clone(&port),
            _alive: Arc::clone(&alive),
        };
        let intake = Intake::new::<C>(inbox, None, port, alive).of(origin);
        Ok((JobSender::new(sender, direct), Receiver::new(intake)))
    }
}

/// Settings of a one-way channel to the workers: [`Server::sender`]. [`SenderBuilder::open`] opens it.
#[derive(Debug)]
#[must_use = "a channel is there once it is opened"]
pub struct SenderBuilder<T, C = Postcard> {
    settings: Settings,
    keying: Option<Keying<T>>,
    types: PhantomData<fn(T, C)>,
}

impl<T> SenderBuilder<T> {
    pub(crate) fn new(server: &Server, name: String) -> Self {
        Self { settings: Settings::new(server, name), keying: None, types: PhantomData }
    }
}

impl<T, C: Codec> SenderBuilder<T, C> {
    common_setters!(SenderBuilder<T>, keying);
    compression_setter!();
    policy_setters!(T);

    /// How many values may wait for a worker before [`Sender::send`] waits: 65 536 unless set, at least 1. Whatever their number, 16 MiB
    /// may wait.
    pub fn capacity(mut self, values: usize) -> Self {
        self.settings.capacity = values.max(1);
        self
    }

    /// How many values a worker may have in hand, always. Unless set, this follows the time they take by itself; what a worker has not begun is
    /// then taken back for whoever is idle, and here it is not.
    pub fn credit(mut self, values: u32) -> Self {
        self.settings.options.credit = Some(values.max(1));
        self
    }

    /// Opens the channel. Workers that wait for it are let in.
    ///
    /// # Errors
    /// A channel of this name is open, or the server is shut down.
    pub fn open(self) -> Result<Sender<T>, ChannelError>
    where
        T: Serialize + DeserializeOwned,
    {
        let opened = self.settings.open::<T, (), C>(Direction::Down)?;
        let outgoing = opened.outgoing.expect("made for this direction");
        Ok(Sender::new(outgoing, C::encode_scattered::<T>, Purpose::Value, opened.alive).keyed(self.keying))
    }
}

/// Settings of a one-way channel from the workers: [`Server::receiver`]. [`ReceiverBuilder::open`] opens it.
#[derive(Debug)]
#[must_use = "a channel is there once it is opened"]
pub struct ReceiverBuilder<T, C = Postcard> {
    settings: Settings,
    types: PhantomData<fn(T, C)>,
}

impl<T> ReceiverBuilder<T> {
    pub(crate) fn new(server: &Server, name: String) -> Self {
        Self { settings: Settings::new(server, name), types: PhantomData }
    }
}

impl<T, C: Codec> ReceiverBuilder<T, C> {
    common_setters!(ReceiverBuilder<T>);
    compression_setter!();

    /// Opens the channel. Workers that wait for it are let in. Since others may always come, its receiver ends only with
    /// [`Receiver::close`] or the server.
    ///
    /// # Errors
    /// A channel of this name is open, or the server is shut down.
    pub fn open(self) -> Result<Receiver<T>, ChannelError>
    where
        T: Serialize + DeserializeOwned,
    {
        let opened = self.settings.open::<T, (), C>(Direction::Up)?;
        let Opened { port, inbox, alive, .. } = opened;
        Ok(Receiver::new(Intake::new::<C>(inbox, None, port, alive)))
    }
}
