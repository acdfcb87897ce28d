//! The way of jobs to the workers: a subject with a queue group, or a stream. It must not know what is done with them.

use anyhow::{Context as _, Result, anyhow};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

/// Where jobs go.
const JOBS: Subject = Subject::from_static("jobs");

/// The workers' queue group, and the name of their consumer.
const WORKERS: &str = "workers";

/// The name of the stream.
const STREAM: &str = "jobs";

/// How many jobs a worker asks a stream for at once; its default is 200, and 5,000 are no faster.
const BATCH: usize = 1000;

/// The most jobs that workers may have unacknowledged; the default of 1,000 is for all of them together, and slower.
const MAX_UNACKNOWLEDGED: i64 = 50_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Core,
    JetStream,
}

/// The server's end.
#[derive(Debug, Clone)]
pub(super) enum Outlet {
    Core(Client),
    /// It waits by itself while 5,000 jobs have not been acknowledged by the stream.
    JetStream(Context),
}

impl Outlet {
    pub(super) async fn open(kind: Kind, client: &Client) -> Result<Self> {
        if kind == Kind::Core {
            return Ok(Self::Core(client.clone()));
        }
        let context = jetstream::new(client.clone());
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![JOBS.to_string()],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::Memory,
            ..Config::default()
        };
        let stream = context.create_stream(config).await?;
        let consumer = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: MAX_UNACKNOWLEDGED,
            ..pull::Config::default()
        };
        stream.create_consumer(consumer).await?;
        Ok(Self::JetStream(context))
    }

    pub(super) async fn send(&self, job: Bytes) -> Result<()> {
        match self {
            Self::Core(client) => client.publish(JOBS, job).await?,
            // What it returns can be awaited for this one's acknowledgement.
            Self::JetStream(context) => drop(context.publish(JOBS, job).await?),
        }
        Ok(())
    }
}

/// A worker's end.
pub(super) enum Inlet {
    Core(Subscriber),
    JetStream(Box<pull::Stream>),
}

impl Inlet {
    pub(super) async fn open(kind: Kind, client: &Client) -> Result<Self> {
        if kind == Kind::Core {
            return Ok(Self::Core(client.queue_subscribe(JOBS, WORKERS.to_owned()).await?));
        }
        let context = jetstream::new(client.clone());
        let consumer: PullConsumer = context.get_consumer_from_stream(WORKERS, STREAM).await?;
        let jobs = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
        Ok(Self::JetStream(Box::new(jobs)))
    }

    /// The next job, which is acknowledged once it is dropped from the caller's hands by [`Taken::acknowledge`].
    pub(super) async fn next(&mut self) -> Result<Taken> {
        match self {
            Self::Core(jobs) => Ok(Taken::Core(jobs.next().await.context("the connection ended")?.payload)),
            Self::JetStream(jobs) => {
                Ok(Taken::JetStream(Box::new(jobs.next().await.context("the stream ended")??)))
            }
        }
    }
}

/// A job in hand.
pub(super) enum Taken {
    Core(Bytes),
    JetStream(Box<jetstream::Message>),
}

impl Taken {
    pub(super) fn payload(&self) -> &Bytes {
        match self {
            Self::Core(payload) => payload,
            Self::JetStream(message) => &message.payload,
        }
    }

    /// Says that the job is done.
    pub(super) async fn acknowledge(&self) -> Result<()> {
        match self {
            Self::Core(_) => Ok(()),
            Self::JetStream(message) => message.ack().await.map_err(|error| anyhow!(error)),
        }
    }
}
