//! Peers that are none, and addresses that cannot be had: clear errors, and everybody else is served.

use std::future::IntoFuture;
use std::time::Duration;

use distchan::transport::{Address, Listener, Stream};
use distchan::{BindError, Code, ConnectError, JobSender, Server, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{run, run_paused, server, worker};

#[test]
fn an_address_in_use_is_an_error_that_says_the_address() {
    run(async {
        let server = server().await;
        let address = server.local_addr().to_string();
        let error = Server::bind(&address).await.unwrap_err();
        assert!(error.to_string().contains(&address), "{error}");
        let BindError::Io(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    });
}

#[test]
fn a_memory_name_in_use_is_an_error_that_says_the_address() {
    run(async {
        let _server = Server::bind("memory:in use").await.unwrap();
        let error = Server::bind("memory:in use").await.unwrap_err();
        assert!(error.to_string().contains("memory:in use"), "{error}");
    });
}

#[test]
fn an_address_where_nobody_listens_is_an_error_that_says_the_address() {
    run(async {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = Worker::connect(address).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let ConnectError::Io(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let error = Worker::connect("memory:nobody").await.unwrap_err();
        assert!(error.to_string().contains("memory:nobody"), "{error}");
    });
}

#[test]
fn an_address_that_is_none_is_an_error_that_says_what_was_given() {
    run(async {
        let error = Server::bind("localhost").await.unwrap_err();
        assert!(matches!(error, BindError::Address(_)), "{error:?}");
        assert!(
            error.to_string().contains("`localhost`") && error.to_string().contains("no port"),
            "{error}"
        );
        let error = Worker::connect("").await.unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    });
}

#[test]
fn an_address_that_others_can_reach_is_refused_with_what_to_write_instead() {
    run(async {
        let error = Server::bind("0.0.0.0:0").await.unwrap_err();
        assert!(matches!(error, BindError::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("0.0.0.0:0 can be reached from other machines"), "{text}");
        assert!(text.contains("Server::builder().secure().bind(\"0.0.0.0:0\")"), "{text}");
        assert!(
            text.contains("127.0.0.1") && text.contains("unix:/path") && text.contains("memory:name"),
            "{text}"
        );
        assert!(text.contains("Server::builder().danger_allow_unencrypted().bind(\"0.0.0.0:0\")"), "{text}");
        let error = Server::bind("[::]:0").await.unwrap_err();
        assert!(matches!(error, BindError::Open { .. }), "{error:?}");
    });
}

#[test]
fn what_the_error_says_to_write_works() {
    run(async {
        let server = Server::builder().danger_allow_unencrypted().bind("0.0.0.0:0").await.unwrap();
        let Address::Tcp { port, .. } = *server.local_addr() else { panic!("{}", server.local_addr()) };
        Worker::connect(format!("127.0.0.1:{port}")).await.unwrap();
    });
}

#[test]
fn a_worker_that_meets_a_web_server_says_so() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
            // Closing with the worker's bytes unread would reset the connection, and with it what was just said.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let error = Worker::connect(address).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { code: Code::Protocol, .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "{address} turned this worker away: this is not a distchan peer: \
                 expected the magic \"distchan\", got \"HTTP/1.1 400 Bad Request\\r\\nConnec\""
            )
        );
    });
}

#[test]
fn a_worker_that_meets_someone_who_hangs_up_says_so() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
        let error = Worker::connect(address).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
fn a_worker_that_meets_someone_silent_gives_up_after_ten_seconds() {
    run_paused(async {
        let address: Address = "memory:silent server".parse().unwrap();
        let mut listener = Listener::bind(&address).await.unwrap();
        let connecting = tokio::spawn(Worker::connect(address));
        let (_stream, _) = listener.accept().await.unwrap();
        let began = tokio::time::Instant::now();
        let error = connecting.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the handshake was not finished within 10 s"), "{error}");
        assert_eq!(began.elapsed().as_secs(), 10);
    });
}

/// Two TCP peers: a stranger, and a worker whose calls are answered all the while.
async fn served() -> (Server, JobSender<u32, u32>) {
    let server = server().await;
    let (jobs, _) = server.channel::<u32, u32>("work").open().unwrap();
    tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
    assert_eq!(jobs.call(0).await.unwrap(), 1);
    (server, jobs)
}

/// What the server says of bytes that are none of its business.
async fn say(server: &Server, bytes: &[u8]) -> String {
    let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
    let peer = stranger.local_addr().unwrap().to_string();
    stranger.write_all(bytes).await.unwrap();
    let refusal = server.next_refusal().await;
    assert_eq!((refusal.peer, refusal.channel), (peer, None));
    // The server hangs up by itself.
    let _ = stranger.read_to_end(&mut Vec::new()).await;
    refusal.reason
}

#[test]
fn http_and_tls_and_garbage_are_refused_while_others_are_served() {
    run(async {
        let (server, jobs) = served().await;
        let not = "this is not a distchan peer: expected the magic \"distchan\", got ";
        assert_eq!(
            say(&server, b"GET / HTTP/1.1\r\n\r\n").await,
            format!("{not}\"GET / HTTP/1.1\\r\\n\\r\\n\"")
        );
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        let tls = say(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").await;
        assert!(tls.starts_with("the peer speaks TLS, and this side does not"), "{tls}");
        assert!(say(&server, &[0; 100_000]).await.starts_with(not));
        assert!(say(&server, b"distchan is nice").await.starts_with("no common protocol version"));
        assert_eq!(jobs.call(2).await.unwrap(), 3);
        assert_eq!(server.workers().len(), 1);
    });
}

#[test]
fn a_crowd_of_strangers_holds_up_nobody() {
    run(async {
        let (server, jobs) = served().await;
        let mut crowd = Vec::new();
        for index in 0..200_u8 {
            let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
            // Some say nothing, some begin well, some do not.
            let bytes: &[u8] =
                [b"".as_slice(), b"distch", b"distchan\x01\0\x01\0\x05", b"what"][index as usize % 4];
            stranger.write_all(bytes).await.unwrap();
            crowd.push(stranger);
        }
        for _ in 0..50 {
            assert!(server.next_refusal().await.reason.starts_with("this is not a distchan peer"));
        }
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        tokio::spawn(worker(&server).await.serve("work", |job: u32| async move { job + 1 }).into_future());
        server.wait_for_workers(2).await;
    });
}

#[test]
fn half_a_frame_is_given_up_after_ten_seconds_while_others_are_served() {
    run_paused(async {
        let server = Server::bind("memory:half a frame").await.unwrap();
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        let worker = Worker::connect("memory:half a frame").await.unwrap();
        tokio::spawn(worker.serve("work", |job: u32| async move { job + 1 }).into_future());
        let (mut read, mut write) = Stream::connect(server.local_addr()).await.unwrap().into_split();
        write.write_all(b"distchan\x01\0\x01\0\x10").await.unwrap();
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        let began = tokio::time::Instant::now();
        assert_eq!(server.next_refusal().await.reason, "the handshake was not finished within 10 s");
        assert!(began.elapsed() <= Duration::from_secs(10));
        read.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(jobs.call(2).await.unwrap(), 3);
    });
}

#[test]
fn a_connection_that_breaks_off_in_the_middle_disturbs_nobody() {
    run(async {
        let (server, jobs) = served().await;
        for bytes in [b"".as_slice(), b"dist", b"distchan\x01\0\x01\0\x10\0\0"] {
            let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
            stranger.write_all(bytes).await.unwrap();
        }
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        server.shutdown().await;
    });
}
