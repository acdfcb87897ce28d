//! What a connection owes its users, whatever carries it.

#[cfg(unix)]
mod unix;

use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use super::*;

/// A name that no other test of this process uses.
fn memory() -> Address {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    Address::Memory(format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// A place of each kind, and the directory that one of them lies in.
fn places() -> (Vec<Address>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut places = vec!["localhost:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap(), memory()];
    if cfg!(unix) {
        places.push(Address::Unix(directory.path().join("socket")));
    }
    (places, directory)
}

async fn connected(place: &Address) -> (Stream, Stream, Peer) {
    let mut listener = Listener::bind(place).await.unwrap();
    let address = listener.local_address().clone();
    let (near, far) = tokio::join!(Stream::connect(&address), listener.accept());
    let (far, peer) = far.unwrap();
    (near.unwrap(), far, peer)
}

#[tokio::test]
async fn bytes_go_both_ways_and_the_end_comes_when_the_writer_is_dropped() {
    let (places, _directory) = places();
    for place in places {
        let (near, far, _) = connected(&place).await;
        assert!(!near.guards_bytes() && !far.guards_bytes(), "{place}");
        let (mut near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        near_write.write_all(b"ping").await.unwrap();
        near_write.flush().await.unwrap();
        drop(near_write);
        let mut text = String::new();
        far_read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ping", "{place}");
        // The other direction is still open.
        far_write.write_all(b"pong").await.unwrap();
        far_write.shutdown().await.unwrap();
        text.clear();
        near_read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "pong", "{place}");
    }
}

#[tokio::test]
async fn scattered_buffers_are_written_in_one_call() {
    let (places, _directory) = places();
    for place in places {
        let (mut near, mut far, _) = connected(&place).await;
        assert!(near.is_write_vectored(), "{place}");
        let parts = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(near.write_vectored(&parts).await.unwrap(), 8, "{place}");
        let mut bytes = [0; 8];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"headbody");

        let (_, mut write) = near.into_split();
        assert!(write.is_write_vectored(), "{place}");
        assert_eq!(write.write_vectored(&parts).await.unwrap(), 8, "{place}");
    }
}

#[tokio::test]
async fn more_than_any_buffer_holds_arrives_whole() {
    let (places, _directory) = places();
    for place in places {
        let (near, mut far, _) = connected(&place).await;
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let (_read, mut write) = near.into_split();
        let mut received = Vec::new();
        let (wrote, read) = tokio::join!(
            async {
                write.write_all(&sent).await?;
                write.shutdown().await
            },
            far.read_to_end(&mut received)
        );
        wrote.unwrap();
        read.unwrap();
        assert!(received == sent, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connect_at_once_and_each_gets_a_connection_of_its_own() {
    const WORKERS: u8 = 100;
    let (places, _directory) = places();
    for place in places {
        let mut listener = Listener::bind(&place).await.unwrap();
        let address = listener.local_address().clone();
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let address = address.clone();
            workers.spawn(async move {
                let mut stream = Stream::connect(&address).await.unwrap();
                stream.write_u8(worker).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), worker);
            });
        }
        for _ in 0..WORKERS {
            let (mut stream, _) = listener.accept().await.unwrap();
            workers.spawn(async move {
                let worker = stream.read_u8().await.unwrap();
                stream.write_u8(worker).await.unwrap();
            });
        }
        while let Some(done) = workers.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn a_connection_survives_an_accept_that_was_given_up() {
    let (places, _directory) = places();
    for place in places {
        let mut listener = Listener::bind(&place).await.unwrap();
        // Polled once, with nobody there, and dropped.
        tokio::select! {
            biased;
            _ = listener.accept() => panic!("nobody connected"),
            () = std::future::ready(()) => {}
        }
        let address = listener.local_address().clone();
        let near = Stream::connect(&address).await.unwrap();
        // Polled once, with somebody there or on the way, and dropped unless it is ready.
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => Some(accepted),
            () = std::future::ready(()) => None,
        };
        let accepted = match accepted {
            Some(accepted) => accepted,
            None => listener.accept().await,
        };
        drop(near);
        assert_eq!(accepted.unwrap().0.read(&mut [0]).await.unwrap(), 0, "{place}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_said_with_the_address() {
    let (places, _directory) = places();
    for place in places {
        let first = Listener::bind(&place).await.unwrap();
        let address = first.local_address().clone();
        let error = Listener::bind(&address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot listen at {address}: ")), "{text}");
        // Free again as soon as it is dropped.
        drop(first);
        Listener::bind(&address).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_connection_is_said_with_the_address() {
    let (places, _directory) = places();
    for place in places {
        let address = Listener::bind(&place).await.unwrap().local_address().clone();
        let error = Stream::connect(&address).await.unwrap_err();
        // A Unix socket's file is gone with its listener.
        let kind = if matches!(address, Address::Unix(_)) {
            ErrorKind::NotFound
        } else {
            ErrorKind::ConnectionRefused
        };
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot connect to {address}: ")), "{text}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_said() {
    // Reserved by RFC 6761: no resolver has it.
    let address: Address = "nowhere.invalid:1".parse().unwrap();
    for error in [
        Listener::bind(&address).await.unwrap_err(),
        Stream::connect(&address).await.unwrap_err(),
        address.is_local().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("nowhere.invalid:1: "), "{error}");
    }
}

#[tokio::test]
async fn a_listener_knows_whether_others_can_reach_it() {
    let (places, _directory) = places();
    for place in places {
        assert!(Listener::bind(&place).await.unwrap().is_local(), "{place}");
    }
    let everywhere = Listener::bind(&"0.0.0.0:0".parse().unwrap()).await.unwrap();
    assert!(!everywhere.is_local());
}

#[tokio::test]
async fn peers_print_as_what_they_are() {
    let (near, _far, peer) = connected(&"127.0.0.1:0".parse().unwrap()).await;
    assert!(peer.to_string().starts_with("127.0.0.1:"), "{peer}");
    drop(near);
    let place = memory();
    let (_near, _far, peer) = connected(&place).await;
    assert_eq!(peer.to_string(), place.to_string());
}

#[tokio::test]
async fn in_memory_a_writer_whose_reader_is_gone_is_told() {
    let (mut near, far, _) = connected(&memory()).await;
    drop(far);
    assert_eq!(near.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn in_memory_whoever_waited_when_the_listener_went_sees_the_end() {
    let place = memory();
    let listener = Listener::bind(&place).await.unwrap();
    let mut waiting = Stream::connect(&place).await.unwrap();
    drop(listener);
    assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0);
}
