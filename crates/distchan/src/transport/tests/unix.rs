//! The care of a Unix socket's file.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Address, Listener, Stream, connected};

struct Place {
    directory: TempDir,
    path: PathBuf,
    address: Address,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let address = Address::Unix(path.clone());
    Place { directory, path, address }
}

impl Place {
    fn names(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// A socket whose server died without removing it.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[tokio::test]
async fn only_the_owner_may_connect_and_nothing_else_is_left_beside() {
    let place = place();
    let listener = Listener::bind(&place.address).await.unwrap();
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.names(), [place.path.as_path()]);
    assert_eq!(listener.local_address(), &place.address);
    drop(listener);
    assert!(place.names().is_empty());
}

#[tokio::test]
async fn the_file_of_a_dead_server_is_replaced() {
    let place = place();
    leave_stale(&place.path);
    assert_eq!(Stream::connect(&place.address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    connected(&place.address).await;
    assert!(place.names().is_empty());
}

#[tokio::test]
async fn a_living_server_keeps_its_place() {
    let place = place();
    let mut first = Listener::bind(&place.address).await.unwrap();
    let error = Listener::bind(&place.address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().ends_with("address in use, a server is listening there"), "{error}");
    // The question whether it lives was a connection; the next is a worker's.
    first.accept().await.unwrap();
    let (near, far) = tokio::join!(Stream::connect(&place.address), first.accept());
    near.unwrap();
    assert_eq!(far.unwrap().1.to_string(), format!("unix (pid {})", std::process::id()));
    assert_eq!(place.names(), [place.path.as_path()]);
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let place = place();
    fs::write(&place.path, "precious").unwrap();
    let error = Listener::bind(&place.address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("no socket, which is left alone"), "{error}");
    assert_eq!(fs::read_to_string(&place.path).unwrap(), "precious");
    assert_eq!(place.names(), [place.path.as_path()]);

    // Not even through a link to a dead socket.
    fs::remove_file(&place.path).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    leave_stale(&elsewhere.path().join("stale"));
    std::os::unix::fs::symlink(elsewhere.path().join("stale"), &place.path).unwrap();
    assert_eq!(Listener::bind(&place.address).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(place.path.is_symlink() && elsewhere.path().join("stale").exists());
}

#[tokio::test]
async fn a_socket_of_another_kind_counts_as_in_use() {
    let place = place();
    let _datagrams = UnixDatagram::bind(&place.path).unwrap();
    assert_eq!(Listener::bind(&place.address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    assert!(place.path.exists());
}

#[tokio::test]
async fn a_listener_does_not_remove_the_file_of_its_successor() {
    let place = place();
    let first = Listener::bind(&place.address).await.unwrap();
    fs::remove_file(&place.path).unwrap();
    let second = Listener::bind(&place.address).await.unwrap();
    drop(first);
    assert!(place.path.exists());
    drop(second);
    assert!(!place.path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_servers_that_start_at_once_exactly_one_wins() {
    for round in 0..20 {
        let place = place();
        let over_a_dead_one = round % 2 == 0;
        if over_a_dead_one {
            leave_stale(&place.path);
        }
        let starts: Vec<_> = (0..if over_a_dead_one { 2 } else { 8 })
            .map(|_| {
                let address = place.address.clone();
                tokio::spawn(async move { Listener::bind(&address).await })
            })
            .collect();
        let mut winners = Vec::new();
        for start in starts {
            match start.await.unwrap() {
                Ok(listener) => winners.push(listener),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        // And it is the one that is reached.
        let (near, far) = tokio::join!(Stream::connect(&place.address), winners[0].accept());
        near.unwrap();
        far.unwrap();
        assert_eq!(place.names(), [place.path.as_path()]);
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Address::Unix(directory.path().join("missing/socket"));
    let error = Listener::bind(&missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with(&format!("cannot listen at {missing}: ")), "{error}");

    let long = Address::Unix(directory.path().join("x".repeat(100)).join("socket"));
    fs::create_dir(directory.path().join("x".repeat(100))).unwrap();
    let error = Listener::bind(&long).await.unwrap_err();
    assert!(error.to_string().contains("the path is too long"), "{error}");
    assert_eq!(fs::read_dir(directory.path().join("x".repeat(100))).unwrap().count(), 0);

    assert!(Listener::bind(&Address::Unix("/".into())).await.is_err());
}
