//! TCP: names to addresses, and sockets without Nagle's delay. It must never choose a time limit: a caller that has
//! one drops the future.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, lookup_host};

/// The most addresses of one name that are tried. Names of services in use have up to eight; more would only let a
/// resolver hold a connect for ever.
const MAX_ADDRESSES: usize = 16;

/// The addresses behind `host`, in the resolver's order of preference; at least one.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// Whether only this machine reaches `address`, in either notation of an IPv4 address.
pub(crate) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Listens at the first of the host's addresses that this machine has. An address that is taken or forbidden ends the
/// search: to serve at the next one instead would split the workers among two servers.
pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut failures = Vec::new();
    for address in resolve(host, port).await? {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                let ends = is_telling(&error);
                failures.push((address, error));
                if ends {
                    break;
                }
            }
        }
    }
    Err(summarize(&failures))
}

/// Connects to the first of the host's addresses that answers, tried one after the other.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failures = Vec::new();
    for address in resolve(host, port).await? {
        match TcpStream::connect(address).await.and_then(without_delay) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push((address, error)),
        }
    }
    Err(summarize(&failures))
}

/// The next connection. What went wrong with one connection only is passed over: that peer is gone already.
pub(crate) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Ok(stream) = without_delay(stream) {
                    return Ok((stream, peer));
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Batches are formed above, where it is known whether more will follow; Nagle's would hold a lone message back for a
/// round trip.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The two ends of a connection, as one side sees them; empty where the system does not say.
pub(crate) fn route(worker: io::Result<SocketAddr>, server: io::Result<SocketAddr>) -> String {
    let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    match (worker, server) {
        (Ok(worker), Ok(server)) => format!("{}>{}", canonical(worker), canonical(server)),
        _ => String::new(),
    }
}

/// Has the system probe an idle connection, and give it up where what was sent is not acknowledged for so long. Both sides' heartbeats
/// find the same; this also ends a write that nobody takes.
pub(crate) fn give_up_after(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let probe = (silence / 3).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(probe).with_interval(probe))?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(silence))?;
    Ok(())
}

/// Errors that accept(2) says belong to the connection and not to the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}

/// Whether `error` comes from the address itself. All others come from this machine, which may have no IPv6, say, and
/// no kind is stable for every way of telling that.
fn is_telling(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, ConnectionRefused, ConnectionReset, PermissionDenied, TimedOut};
    matches!(error.kind(), AddrInUse | ConnectionRefused | ConnectionReset | PermissionDenied | TimedOut)
}

/// One error for all that were met; its kind is that of the first that tells something about the address.
fn summarize(failures: &[(SocketAddr, io::Error)]) -> io::Error {
    let telling = failures.iter().find(|(_, error)| is_telling(error)).or(failures.first());
    let kind = telling.map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    let mut text = String::new();
    for (address, error) in failures {
        let gap = if text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = match failures.len() {
            1 => write!(text, "{error}"),
            _ => write!(text, "{gap}{address}: {error}"),
        };
    }
    io::Error::new(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_failures_the_telling_one_gives_the_kind_and_all_are_named() {
        let error = summarize(&[
            ("[::1]:80".parse().unwrap(), io::ErrorKind::AddrNotAvailable.into()),
            ("127.0.0.1:80".parse().unwrap(), io::ErrorKind::ConnectionRefused.into()),
        ]);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(
            text.starts_with("[::1]:80: ") && text.contains("; 127.0.0.1:80: connection refused"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn both_sides_send_without_delay() {
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (near, far) = tokio::join!(connect("127.0.0.1", port), accept(&listener));
        let (near, (far, peer)) = (near.unwrap(), far.unwrap());
        assert!(near.nodelay().unwrap() && far.nodelay().unwrap());
        assert_eq!(peer, near.local_addr().unwrap());
    }
}
