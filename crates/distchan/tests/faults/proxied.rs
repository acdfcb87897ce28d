//! The proxy itself: it does what the other tests rely on.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::proxy::{Cut, Fault, Proxy, Way};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Long enough for bytes that are not held up; where they come nevertheless the test fails, and where they are late it does not.
const A_WHILE: Duration = Duration::from_millis(100);

/// Both ends of a connection through a proxy.
async fn pair() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), 1).await.unwrap();
    let worker = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_ne!(peer, worker.local_addr().unwrap(), "the server sees the proxy's address");
    (proxy, worker, server)
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    from.write_all(bytes).await.unwrap();
    let mut got = vec![0; bytes.len()];
    timeout(LONG, to.read_exact(&mut got)).await.expect("the bytes do not come").unwrap();
    got
}

async fn is_silent(end: &mut TcpStream) -> bool {
    timeout(A_WHILE, end.read(&mut [0; 8])).await.is_err()
}

async fn is_ended(end: &mut TcpStream) -> bool {
    !matches!(timeout(LONG, end.read(&mut [0; 8])).await.expect("the end does not come"), Ok(1..))
}

#[tokio::test]
async fn bytes_and_ends_pass_both_ways() {
    let (proxy, mut worker, mut server) = pair().await;
    let long: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert_eq!(pass(&mut worker, &mut server, &long).await, long);
    assert_eq!(pass(&mut server, &mut worker, b"hello").await, b"hello");
    assert_eq!(proxy.connections(), 1);
    server.shutdown().await.unwrap();
    assert!(is_ended(&mut worker).await);
    assert_eq!(pass(&mut worker, &mut server, b"still here").await, b"still here");
}

#[tokio::test]
async fn what_is_stalled_comes_later_and_whole() {
    let (proxy, mut worker, mut server) = pair().await;
    proxy.set(Way::ToServer, Fault::Stall);
    worker.write_all(b"held").await.unwrap();
    assert!(is_silent(&mut server).await);
    assert_eq!(pass(&mut server, &mut worker, b"the other way").await, b"the other way");
    proxy.set(Way::ToServer, Fault::None);
    assert_eq!(pass(&mut worker, &mut server, b"!").await, b"h");
}

#[tokio::test]
async fn a_black_hole_swallows_and_its_connection_stays_silent() {
    let (proxy, mut worker, mut server) = pair().await;
    proxy.set(Way::ToWorker, Fault::Blackhole);
    server.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut worker).await);
    proxy.set(Way::ToWorker, Fault::None);
    server.write_all(b"as well").await.unwrap();
    server.shutdown().await.unwrap();
    assert!(is_silent(&mut worker).await);
    assert_eq!(pass(&mut worker, &mut server, b"up").await, b"up");
}

#[tokio::test]
async fn a_cut_ends_both_ends_or_one() {
    for cut in [Cut::Both, Cut::WorkersEnd, Cut::ServersEnd] {
        let (proxy, mut worker, mut server) = pair().await;
        assert_eq!(pass(&mut worker, &mut server, b"on").await, b"on");
        proxy.cut(cut);
        assert_eq!(is_ended_or_silent(&mut worker, cut != Cut::ServersEnd).await, Ok(()));
        assert_eq!(is_ended_or_silent(&mut server, cut != Cut::WorkersEnd).await, Ok(()));
    }
}

async fn is_ended_or_silent(end: &mut TcpStream, ends: bool) -> Result<(), &'static str> {
    match ends {
        true => is_ended(end).await.then_some(()).ok_or("it goes on"),
        false => is_silent(end).await.then_some(()).ok_or("it is not silent"),
    }
}

#[tokio::test]
async fn nobody_listens_while_it_refuses() {
    let (proxy, _worker, _server) = pair().await;
    proxy.refuse(true);
    let start = Instant::now();
    while TcpStream::connect(proxy.address()).await.is_ok() {
        assert!(start.elapsed() < LONG, "it still listens");
        tokio::task::yield_now().await;
    }
    proxy.refuse(false);
    while TcpStream::connect(proxy.address()).await.is_err() {
        assert!(start.elapsed() < LONG, "it does not listen again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_bit_of_one_byte_is_flipped() {
    let (proxy, mut worker, mut server) = pair().await;
    proxy.flip(Way::ToServer);
    assert!(!proxy.is_flipped());
    let got = pass(&mut worker, &mut server, &[0; 100]).await;
    assert_eq!(got.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    assert!(proxy.is_flipped());
    assert_eq!(pass(&mut worker, &mut server, &[0; 100]).await, [0; 100]);
}

#[tokio::test]
async fn trickled_and_delayed_bytes_take_their_time() {
    let (proxy, mut worker, mut server) = pair().await;
    proxy.set_both(Fault::Delay(A_WHILE));
    let start = Instant::now();
    assert_eq!(pass(&mut worker, &mut server, b"late").await, b"late");
    assert_eq!(pass(&mut server, &mut worker, b"late").await, b"late");
    assert!(start.elapsed() >= 2 * A_WHILE);
    proxy.set(Way::ToServer, Fault::Trickle(1_000));
    let start = Instant::now();
    assert_eq!(pass(&mut worker, &mut server, &[7; 500]).await, [7; 500]);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}
