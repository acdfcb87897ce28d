//! Opens that are refused: both sides read why, and nothing else on the connection is disturbed.

use std::future::IntoFuture;
use std::time::Duration;

use distchan::codec::{Json, MessagePack};
use distchan::{Code, OpenError, Server, Worker};
use serde::{Deserialize, Serialize};

use crate::helpers::{refusal_of, run, run_paused, server, settle, worker};

#[test]
fn a_wrong_name_is_an_error_that_names_what_exists() {
    run_paused(async {
        let server = Server::bind("memory:wrong names").await.unwrap();
        let _work = server.channel::<u32, u32>("capitalize").open().unwrap();
        let _log = server.receiver::<u32>("log").open().unwrap();
        let worker = Worker::connect("memory:wrong names").await.unwrap();
        let refused =
            worker.channel::<u32, u32>("capitalise").wait(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!((refused.name.as_str(), refused.code), ("capitalise", Code::UnknownChannel));
        assert_eq!(
            refused.to_string(),
            "cannot open the channel \"capitalise\": the server has no channel \"capitalise\" after 50ms; \
             it has: \"capitalize\", \"log\""
        );
        assert_eq!(refusal_of(&server, "capitalise").await.reason, refused.reason);
    });
}

#[test]
fn a_wrong_name_on_a_server_without_channels_says_so() {
    run_paused(async {
        let _server = Server::bind("memory:no names").await.unwrap();
        let worker = Worker::connect("memory:no names").await.unwrap();
        let refused = worker.sender::<u32>("log").wait(Duration::ZERO).await.unwrap_err();
        assert!(refused.reason.ends_with("it has: none"), "{refused}");
    });
}

#[test]
fn an_open_waits_ten_seconds_unless_told_otherwise() {
    run_paused(async {
        let _server = Server::bind("memory:default wait").await.unwrap();
        let worker = Worker::connect("memory:default wait").await.unwrap();
        let began = tokio::time::Instant::now();
        let refused = worker.receiver::<u32>("never").await.unwrap_err();
        assert_eq!(refused.code, Code::UnknownChannel);
        assert_eq!(began.elapsed().as_secs(), 10);
    });
}

#[test]
fn a_second_open_of_a_name_on_the_server_is_an_error() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let again = server.channel::<u32, u32>("work").open().unwrap_err();
        assert!(matches!(&again, distchan::ChannelError::Exists { name } if name == "work"));
        assert_eq!(again.to_string(), "the channel \"work\" is open already on this server");
        assert_eq!(server.sender::<String>("work").open().unwrap_err(), again);
        assert_eq!(server.receiver::<String>("work").open().unwrap_err(), again);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 2, "the first is not disturbed");
    });
}

#[test]
fn a_second_open_of_a_name_on_a_worker_is_an_error() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
        let again = worker.channel::<u32, u32>("work").await.unwrap_err();
        assert_eq!(again.code, Code::AlreadyOpen);
        assert_eq!(again.reason, "this connection has opened the channel \"work\" already");
        jobs.send(7).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), Some(7), "the first is not disturbed");
    });
}

#[test]
fn a_worker_that_has_left_a_channel_can_open_it_again() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = worker(&server).await;
        for job in 0..20 {
            let (mut taken, _answers) = worker.channel::<u32, u32>("work").await.unwrap();
            jobs.send(job).await.unwrap();
            taken.next_job().await.unwrap().unwrap().finish();
        }
    });
}

#[test]
fn a_wrong_direction_is_refused_and_both_directions_are_named() {
    run(async {
        let server = server().await;
        let _work = server.channel::<u32, ()>("work").open().unwrap();
        let _down = server.sender::<u32>("down").open().unwrap();
        let _up = server.receiver::<u32>("up").open().unwrap();
        let worker = worker(&server).await;
        let jobs = "carries jobs and results";
        let down = "carries values from the server only";
        let up = "carries values from the workers only";
        let check = async |refused: OpenError, theirs: &str, ours: &str| {
            assert_eq!(refused.code, Code::Direction);
            let name = refused.name.as_str();
            let text = format!("on the server the channel {name:?} {theirs}, on this worker it {ours}");
            assert_eq!(refused.reason, text);
            assert_eq!(refusal_of(&server, name).await.reason, text);
        };
        check(worker.receiver::<u32>("work").await.unwrap_err(), jobs, down).await;
        check(worker.sender::<u32>("work").await.unwrap_err(), jobs, up).await;
        check(worker.channel::<u32, ()>("down").await.unwrap_err(), down, jobs).await;
        check(worker.sender::<u32>("down").await.unwrap_err(), down, up).await;
        check(worker.channel::<u32, ()>("up").await.unwrap_err(), up, jobs).await;
        check(worker.receiver::<u32>("up").await.unwrap_err(), up, down).await;
    });
}

mod one {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Book {
        pub(crate) pages: Vec<Page>,
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Page {
        pub(crate) title: String,
    }
}

mod other {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Book {
        pub(crate) pages: Vec<Page>,
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Page {
        pub(crate) title: Option<String>,
    }
}

#[test]
fn wrong_job_types_are_refused_and_both_sides_read_the_first_difference() {
    run(async {
        let server = server().await;
        let _work = server.channel::<one::Book, u32>("print").open().unwrap();
        let refused = worker(&server).await.channel::<other::Book, u32>("print").await.unwrap_err();
        assert_eq!(refused.code, Code::Types);
        assert_eq!(
            refused.to_string(),
            "cannot open the channel \"print\": \
             job.pages[].title: the server has String, this worker has Option<String>"
        );
        assert_eq!(
            refusal_of(&server, "print").await.reason,
            "job.pages[].title: this server has String, the worker has Option<String>"
        );
    });
}

#[test]
fn wrong_result_types_are_refused_and_both_sides_read_the_first_difference() {
    run(async {
        let server = server().await;
        let _work = server.channel::<u32, Vec<u64>>("work").open().unwrap();
        let refused = worker(&server).await.channel::<u32, Vec<i64>>("work").await.unwrap_err();
        assert_eq!(refused.code, Code::Types);
        assert_eq!(refused.reason, "result[]: the server has u64, this worker has i64");
        assert_eq!(
            refusal_of(&server, "work").await.reason,
            "result[]: this server has u64, the worker has i64"
        );
    });
}

#[test]
fn wrong_types_on_one_way_channels_are_refused_and_both_sides_read_the_first_difference() {
    run(async {
        let server = server().await;
        let _down = server.sender::<(u8, String)>("down").open().unwrap();
        let _up = server.receiver::<f64>("up").open().unwrap();
        let worker = worker(&server).await;
        let refused = worker.receiver::<(u8, u8)>("down").await.unwrap_err();
        assert_eq!(refused.code, Code::Types);
        assert_eq!(refused.reason, "value.1: the server has String, this worker has u8");
        assert_eq!(
            refusal_of(&server, "down").await.reason,
            "value.1: this server has String, the worker has u8"
        );
        let refused = worker.sender::<f32>("up").await.unwrap_err();
        assert_eq!(refused.code, Code::Types);
        assert_eq!(refused.reason, "value: the server has f64, this worker has f32");
        assert_eq!(refusal_of(&server, "up").await.reason, "value: this server has f64, the worker has f32");
    });
}

#[test]
fn a_wrong_codec_is_refused_and_both_are_named() {
    run(async {
        let server = server().await;
        let _work = server.channel::<u32, u32>("work").codec(Json).open().unwrap();
        let worker = worker(&server).await;
        let refused = worker.channel::<u32, u32>("work").await.unwrap_err();
        assert_eq!(refused.code, Code::Codec);
        assert_eq!(
            refused.reason,
            "the server encodes the channel \"work\" with json, this worker with postcard"
        );
        assert_eq!(refusal_of(&server, "work").await.reason, refused.reason);
        let refused =
            worker.serve("work", |job: u32| async move { job }).codec(MessagePack).await.unwrap_err();
        assert!(refused.to_string().contains("with json, this worker with messagepack"), "{refused}");
    });
}

#[test]
fn a_worker_that_accepts_less_than_the_server_sends_is_refused() {
    run(async {
        let server = server().await;
        let _work = server.channel::<u32, u32>("work").max_value(2000).open().unwrap();
        let worker = worker(&server).await;
        let refused = worker.channel::<u32, u32>("work").max_value(1000).await.unwrap_err();
        assert_eq!(refused.code, Code::Limit);
        assert_eq!(
            refused.reason,
            "the server sends values of up to 2000 bytes, this worker accepts 1000: raise its `max_value`"
        );
        assert_eq!(refusal_of(&server, "work").await.reason, refused.reason);
        worker.channel::<u32, u32>("work").max_value(2000).await.unwrap();
    });
}

#[test]
fn a_refused_open_disturbs_neither_the_channel_nor_the_connection() {
    run(async {
        let server = server().await;
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let (texts, _capitals) = server.channel::<String, String>("texts").open().unwrap();
        let worker = worker(&server).await;
        tokio::spawn(worker.serve("work", |job: u32| async move { job + 1 }).into_future());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        for _ in 0..10 {
            worker.channel::<String, u8>("texts").await.unwrap_err();
            worker.sender::<String>("texts").await.unwrap_err();
        }
        assert_eq!(jobs.call(2).await.unwrap(), 3);
        tokio::spawn(worker.serve("texts", |text: String| async move { text + "!" }).into_future());
        assert_eq!(texts.call("now".to_owned()).await.unwrap(), "now!", "with the right types it is let in");
    });
}

#[test]
fn the_newest_256_refusals_are_kept() {
    run_paused(async {
        let server = Server::bind("memory:many refusals").await.unwrap();
        let worker = Worker::connect("memory:many refusals").await.unwrap();
        for index in 0..300 {
            worker.sender::<u32>(format!("no {index}")).wait(Duration::ZERO).await.unwrap_err();
        }
        settle().await;
        for index in 44..300 {
            refusal_of(&server, &format!("no {index}")).await;
        }
        assert!(crate::helpers::poll_once(server.next_refusal()).is_none());
    });
}
