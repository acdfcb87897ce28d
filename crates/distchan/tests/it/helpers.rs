//! What the tests share: a runtime whose tests end, ways to wait for events, and values that serde refuses. No test waits here by luck.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use distchan::{Receiver, RecvError, Refusal, Server, Transform, Worker};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::runtime::{Builder, Runtime};

use crate::place::place;

/// A test that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test on two threads.
pub(crate) fn run(test: impl Future<Output = ()> + Send + 'static) {
    run_in(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(), test);
}

/// Runs a test on one thread with paused time: a timer fires as soon as nothing else can happen. For `memory:` addresses only, since
/// the clock does not know what a socket is about to deliver.
pub(crate) fn run_paused(test: impl Future<Output = ()> + Send + 'static) {
    run_in(|| Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), test);
}

/// A hang, also one that blocks the runtime's threads, fails the test.
fn run_in(runtime: fn() -> Runtime, test: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = runtime();
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test)));
        runtime.shutdown_background();
        // Whoever waited too long is gone.
        let _ = done.send(result);
    });
    match ended.recv_timeout(LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("the test hangs: it has not ended within {LIMIT:?}"),
    }
}

/// A server at a free port.
pub(crate) async fn server() -> Server {
    Server::bind(place()).await.unwrap()
}

/// A worker of `server`.
pub(crate) async fn worker(server: &Server) -> Worker {
    Worker::connect(server.local_addr()).await.unwrap()
}

/// A worker that takes a job of "work" as a handle, and dies without a word: its connection is closed, and nothing more comes of it.
/// Returns the attempt that died. For `memory:` addresses, whose connections live in the worker's runtime.
pub(crate) async fn die_of_a_job(address: &'static str) -> u32 {
    let dying = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (_worker, _jobs, job) = runtime.block_on(async {
            let worker = Worker::connect(address).await.unwrap();
            let (mut jobs, _) = worker.channel::<u32, u32>("work").await.unwrap();
            let job = jobs.next_job().await.unwrap().unwrap();
            (worker, jobs, job)
        });
        drop(runtime);
        job.attempt().0
    });
    dying.await.unwrap()
}

/// Waits for what no event tells: looks again and again.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// For paused time: waits until nothing moves any more.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// All values until the end.
pub(crate) async fn collect<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    let mut values = Vec::new();
    while let Some(value) = receiver.recv().await.unwrap() {
        values.push(value);
    }
    values
}

/// `values`, sorted.
pub(crate) fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

/// What the receiver says of a job that failed.
pub(crate) fn failure<T>(received: Result<Option<T>, RecvError>) -> distchan::JobFailed {
    match received {
        Err(RecvError::Failed(failed)) => failed,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a value, or the end, where a failed job was expected"),
    }
}

/// Polls once, with nobody to wake, and drops what has not ended.
pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Polls `polls` times at most, whenever the future is woken, and then drops it.
pub(crate) async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Calls `again` until one of its futures ends within one poll; all others are dropped at their await point.
pub(crate) async fn insist<T, F: Future<Output = T>>(mut again: impl FnMut() -> F) -> T {
    loop {
        if let Some(value) = poll_once(again()) {
            return value;
        }
        breathe().await;
    }
}

/// Between two polls of what nobody wakes: lets the others work, and does not burn what they work with.
pub(crate) async fn breathe() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(8) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    } else {
        tokio::task::yield_now().await;
    }
}

/// The next refusal, for `channel`.
pub(crate) async fn refusal_of(server: &Server, channel: &str) -> Refusal {
    let refusal = server.next_refusal().await;
    assert_eq!(refusal.channel.as_deref(), Some(channel));
    refusal
}

/// A toy of an encryption.
pub(crate) struct Xor(pub(crate) u8);

impl Transform for Xor {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| byte ^ self.0));
    }

    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if coded.len() > limit {
            return Err(format!("more than {limit} bytes"));
        }
        self.encode(coded, out);
        Ok(())
    }
}

/// Bytes that are encoded in one piece: a large `Vec<u8>` is encoded byte by byte, which takes its time without optimisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A number that its `Deserialize` refuses if it is unlucky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) struct Lucky(pub(crate) u32);

impl TryFrom<u32> for Lucky {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number == 13 { Err("13 is unlucky") } else { Ok(Self(number)) }
    }
}

impl From<Lucky> for u32 {
    fn from(Lucky(number): Lucky) -> Self {
        number
    }
}

/// A number that its `Serialize` refuses if it is shy, after having written a part of it, and that panics if it is [`Shy::PANICS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Shy {
    number: u32,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Answer(u32);

impl Shy {
    /// Is refused.
    pub(crate) const REFUSED: Self = Self::new(42);
    /// Panics.
    pub(crate) const PANICS: Self = Self::new(666);

    pub(crate) const fn new(number: u32) -> Self {
        Self { number, answer: Answer(number) }
    }
}

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut shy = serializer.serialize_struct("Shy", 2)?;
        shy.serialize_field("number", &self.number)?;
        shy.serialize_field("answer", &self.answer)?;
        shy.end()
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            42 => Err(serde::ser::Error::custom("42 is shy")),
            666 => panic!("666 panics"),
            number => serializer.serialize_newtype_struct("Answer", &number),
        }
    }
}
