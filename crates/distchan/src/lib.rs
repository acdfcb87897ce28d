//! **Typed channels whose other end is on another machine.** A server puts values into a channel; workers, anywhere on the network,
//! take them out, work, and send typed results back. Closing the channel tells every worker that no more work is coming.
//!
//! ```no_run
//! # async fn server(lines: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
//! use distchan::{SendError, Server};
//!
//! let server = Server::bind("127.0.0.1:5678").await?;
//! let (jobs, mut results) = server.channel::<String, String>("capitalize").open()?;
//! server.wait_for_workers(1).await;
//! tokio::spawn(async move {
//!     for line in lines { jobs.send(line).await?; }     // waits when the workers are behind
//!     Ok::<_, SendError<String>>(())                    // dropping `jobs` closes the channel
//! });
//! while let Some(text) = results.recv().await? { println!("{text}"); }
//! # Ok(()) }
//! ```
//! ```no_run
//! # async fn worker() -> Result<(), Box<dyn std::error::Error>> {
//! use distchan::Worker;
//!
//! let worker = Worker::connect("127.0.0.1:5678").await?;
//! let (mut jobs, results) = worker.channel::<String, String>("capitalize").await?;
//! while let Some(text) = jobs.recv().await? { results.send(text.to_uppercase()).await?; }
//! # Ok(()) }
//! ```
//!
//! What it promises:
//!
//! - **Typed end to end.** A worker built against other types is refused when it opens the channel, with the first difference in words.
//! - **One outcome per job.** The results of a job become visible when it completes, all of them or none, exactly once, whatever
//!   workers died meanwhile.
//! - **Close means done.** When the last sender is dropped, workers see the end once every job has its outcome; then the server's
//!   receiver ends. A lost peer is an error, never an end.
//! - **Elastic and bounded.** Workers join and leave at any time; overload is backpressure on `send`.
//!
//! Data flows one way through the modules: value, [`channel`](JobSender), `driver`, and in the crate `distchan-proto` the machines,
//! the frames; then [`transport`]. `ARCHITECTURE.md` in the repository is the map.
// The code in README.md is compiled with the documentation's.
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]

mod channel;
pub mod codec;
mod compression;
mod driver;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod security;
mod server;
mod settings;
pub mod transport;
mod worker;
pub mod zero_copy;

pub use distchan_proto::error::Code;
pub use distchan_proto::failure::AttemptEnd;
pub use distchan_proto::ids::{Attempt, JobId, SessionId};
pub use distchan_proto::schema::Fingerprint;
pub use distchan_proto::transform::Transform;
pub use distchan_proto::{ChannelStats, Distribution};

pub use crate::channel::{
    AttemptInfo, CallError, FailedJobs, Job, JobFailed, JobHandle, JobReceiver, JobSender, Map, Outcome,
    Permit, Receiver, RecvError, RetryError, RetryErrorKind, SendError, SendErrorKind, Sender, TryRecvError,
    TrySendError, ValueError,
};
pub use crate::compression::Compression;
pub use crate::driver::server::{Refusal, WorkerInfo};
#[cfg(feature = "tls")]
pub use crate::security::{MutualTls, Security, SecurityError, Ticket, TicketError};
#[cfg(feature = "tls")]
pub use crate::server::NewTicket;
pub use crate::server::{
    BindError, ChannelBuilder, ChannelError, ReceiverBuilder, SenderBuilder, Server, ServerBuilder, Stats,
};
pub use crate::settings::fingerprint;
pub use crate::worker::handler;
pub use crate::worker::{
    ConnectError, JobContext, OpenError, OpenJobs, OpenReceiver, OpenSender, Serve, ServeError, Worker,
    WorkerBuilder,
};
