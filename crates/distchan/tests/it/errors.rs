//! What errors and handles are to code that uses them: traits, texts, values that come back.

use std::error::Error;
use std::fmt::Debug;

use distchan::{
    Attempt, BindError, CallError, ChannelError, Code, ConnectError, Job, JobFailed, JobId, JobReceiver,
    JobSender, Map, OpenError, Permit, Receiver, RecvError, Refusal, SendError, SendErrorKind, Sender,
    ServeError, Server, Stats, TryRecvError, TrySendError, Worker, WorkerInfo,
};

use crate::helpers::{run, server, worker};

/// Not `Debug`, not `Clone`, not `Display`: handles and errors make no demands of a value's type.
struct Bare;

const fn is_error<T: Error + Send + Sync + 'static>() {}
const fn is_handle<T: Clone + Debug + Send + Sync + 'static>() {}
const fn is_sendable<T: Debug + Send + Sync>() {}
const fn is_data<T: Clone + Debug + Send + Sync + 'static>() {}

#[test]
fn errors_can_be_boxed_and_sent() {
    is_error::<BindError>();
    is_error::<ChannelError>();
    is_error::<ConnectError>();
    is_error::<OpenError>();
    is_error::<ServeError>();
    is_error::<SendError<Bare>>();
    is_error::<TrySendError<Bare>>();
    is_error::<RecvError>();
    is_error::<TryRecvError>();
    is_error::<CallError<Bare>>();
    is_error::<JobFailed>();
}

#[test]
fn handles_are_what_handles_should_be() {
    is_handle::<Server>();
    is_handle::<Worker>();
    is_handle::<Sender<Bare>>();
    is_handle::<JobSender<Bare, Bare>>();
    is_sendable::<Receiver<Bare>>();
    is_sendable::<JobReceiver<Bare, Bare>>();
    is_sendable::<Job<(), Bare>>();
    is_sendable::<Permit<'_, Bare>>();
    is_data::<Stats>();
    is_data::<WorkerInfo>();
    is_data::<Refusal>();
    is_data::<Code>();
    is_data::<(JobId, Attempt)>();
}

#[test]
fn handles_are_debugged_in_a_few_words() {
    run(async {
        let server = server().await;
        let (jobs, results) = server.channel::<String, String>("work").open().unwrap();
        let worker = worker(&server).await;
        let opening = worker.channel::<String, String>("work");
        assert!(format!("{opening:?}").len() < 1000);
        let (mut taken, answers) = opening.await.unwrap();
        jobs.send("secret".to_owned()).await.unwrap();
        let (_, job) = taken.next_job().await.unwrap().unwrap().into_parts();
        let permit = jobs.reserve().await.unwrap();
        let all: [&dyn Debug; 8] = [&server, &jobs, &results, &worker, &taken, &answers, &job, &permit];
        for handle in all {
            let text = format!("{handle:?}");
            assert!(text.len() < 1000 && !text.contains("secret"), "{} bytes: {text:.200}", text.len());
        }
    });
}

/// A future must be able to move to another thread.
const fn is_send<T: Send>(future: T) -> T {
    future
}

#[test]
fn a_map_can_be_sent_and_debugged() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let map: Map<_, u32, u32> = is_send(jobs.map(0..3));
        assert!(format!("{map:?}").starts_with("Map"));
    });
}

#[test]
fn send_errors_say_why_and_give_the_value_back_whatever_it_is() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<String, u32>("work").max_value(8).open().unwrap();
        let error = jobs.send("more than eight bytes".to_owned()).await.unwrap_err();
        assert_eq!(format!("{error:?}"), "SendError { kind: TooLarge { size: 22, limit: 8 }, .. }");
        assert!(!format!("{error:?} {error}").contains("more than"), "the value is nobody's business");
        assert_eq!(error.into_inner(), "more than eight bytes");
        jobs.close();
        let error = jobs.try_send("late".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "the channel is closed");
        assert_eq!(error.into_inner(), "late");
    });
}

#[test]
fn the_kinds_of_send_error_read_as_sentences() {
    for (kind, text) in [
        (SendErrorKind::Closed, "the channel is closed"),
        (SendErrorKind::Disconnected("connection reset".into()), "the other side is gone: connection reset"),
        (
            SendErrorKind::TooLarge { size: 10, limit: 5 },
            "the value has 10 bytes, the channel's limit is 5; raise it with `max_value` on both sides",
        ),
        (SendErrorKind::Answered, "the job has its outcome already"),
    ] {
        assert_eq!(kind.to_string(), text);
    }
}

#[test]
fn question_marks_turn_every_error_into_any_error() {
    async fn everything(server: &Server, worker: &Worker) -> anyhow::Result<u32> {
        let (jobs, mut results) = server.channel::<u32, u32>("work").open()?;
        let (mut taken, answers) = worker.channel::<u32, u32>("work").await?;
        jobs.send(1).await?;
        jobs.try_send(2)?;
        let job = taken.recv().await?.unwrap_or_default();
        answers.send(job).await?;
        taken.next_job().await?.into_iter().for_each(Job::finish);
        let result = results.recv().await?.unwrap_or_default();
        drop(jobs);
        worker.close().await?;
        Ok(result)
    }
    run(async {
        let server = server().await;
        assert_eq!(everything(&server, &worker(&server).await).await.unwrap(), 1);
    });
}

#[test]
fn encode_errors_have_their_source() {
    run(async {
        let server = server().await;
        let (jobs, _results) =
            server.channel::<crate::helpers::Shy, u32>("work").codec(distchan::codec::Json).open().unwrap();
        let error = jobs.send(crate::helpers::Shy::REFUSED).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains("42 is shy"));
        assert!(error.to_string().starts_with("cannot encode `it::helpers::Shy` as "), "{error}");
    });
}
