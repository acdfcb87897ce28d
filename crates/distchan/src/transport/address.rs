//! Where the other end is, as people write it. Parsing and printing only: it must never open anything; the one question
//! that asks the resolver is [`Address::is_local`].

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::transport::error;
use crate::transport::tcp;

/// A place to listen at or to connect to.
///
/// Parsed from text, and printed so that the text parses to the same address again:
///
/// | text | meaning |
/// |---|---|
/// | `host:port`, `tcp:host:port`, `tcp://host:port` | TCP; an IPv6 host stands in brackets, `[::1]:5678` |
/// | `unix:/path`, `unix:///path` | a Unix socket's file; a relative path is allowed in the first form |
/// | `memory:name` | inside this process |
///
/// When listening on TCP, port 0 takes a free port, and `0.0.0.0` or `[::]` every interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// A name or an IP address, without brackets. A name is resolved anew at each bind and connect.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket's file.
    Unix(PathBuf),
    /// A listener of this process, by its name.
    Memory(String),
}

impl Address {
    /// Whether only this machine can reach this address: memory, a Unix socket, or a TCP host all of whose addresses are
    /// loopback. A name may resolve differently a moment later; what a listener is bound to is answered for good by
    /// [`Listener::is_local`](crate::transport::Listener::is_local).
    ///
    /// # Errors
    /// When the host cannot be resolved.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn is_local(&self) -> io::Result<bool> {
        match self {
            Self::Tcp { host, port } => {
                let found = tcp::resolve(host, *port).await.map_err(|e| error::at("resolve", self, &e))?;
                Ok(found.iter().all(tcp::is_loopback))
            }
            Self::Unix(_) | Self::Memory(_) => Ok(true),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            // A host with the name of a scheme would be read as that scheme.
            Self::Tcp { host, port } if is_scheme(host) => write!(f, "tcp:{host}:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            SocketAddr::V4(_) | SocketAddr::V6(_) => address.ip().to_string(),
        };
        Self::Tcp { host, port: address.port() }
    }
}

/// Whether what stands before the first colon says how to read the rest.
fn is_scheme(text: &str) -> bool {
    ["tcp", "unix", "memory"].contains(&text) || is_of_ticket(text)
}

fn is_of_ticket(scheme: &str) -> bool {
    scheme.trim_start().eq_ignore_ascii_case("distchan")
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = match text.split_once(':') {
            Some(("tcp", rest)) => parse_tcp(rest.strip_prefix("//").unwrap_or(rest)),
            Some(("unix", rest)) => parse_unix(rest),
            Some(("memory", rest)) => parse_memory(rest),
            Some((scheme, _)) if is_of_ticket(scheme) => {
                // What else stands in a ticket is a secret.
                let reason = "it is a ticket, with which a worker connects";
                return Err(AddressError { given: "distchan:…".to_owned(), reason });
            }
            _ => parse_tcp(text),
        };
        parsed.map_err(|reason| AddressError { given: without_secret(text), reason })
    }
}

/// What of a text may be shown: it may be a ticket whose first letters are wrong, and its secret stands behind the `#`.
fn without_secret(text: &str) -> String {
    text.split_once('#').map_or_else(|| text.to_owned(), |(head, _)| format!("{head}#…"))
}

fn parse_tcp(text: &str) -> Result<Address, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("it has no port")?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or("its bracket is not closed")?,
        None if host.contains(':') && !host.contains('/') => {
            return Err("an IPv6 host stands in brackets, as in [::1]:5678");
        }
        None => host,
    };
    if host.is_empty() {
        return Err("it has no host; 0.0.0.0 stands for every interface");
    }
    // Not a check of names, which is the resolver's: it finds URLs and slips of the pen.
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/[]@?#".contains(c)) {
        return Err("its host has a character that no host has");
    }
    // `u16::from_str` alone would take "+80".
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its port is not a number");
    }
    let port = port.parse().map_err(|_| "its port is not a number from 0 to 65535")?;
    Ok(Address::Tcp { host: host.to_owned(), port })
}

fn parse_unix(rest: &str) -> Result<Address, &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(path) if !path.starts_with('/') => return Err("a path after unix:// begins with a slash"),
        Some(path) => path,
        None => rest,
    };
    if path.is_empty() {
        return Err("it has no path");
    }
    // A leading NUL would name a socket without a file, which everybody may connect to.
    if path.contains('\0') {
        return Err("its path has a NUL");
    }
    Ok(Address::Unix(PathBuf::from(path)))
}

fn parse_memory(name: &str) -> Result<Address, &'static str> {
    if name.is_empty() {
        return Err("it has no name");
    }
    Ok(Address::Memory(name.to_owned()))
}

/// A text that is no address. Says what was given, what is wrong with it, and what forms there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    given: String,
    reason: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, reason } = self;
        write!(
            f,
            "`{}` is not an address: {reason} (host:port, tcp:host:port, unix:/path or memory:name)",
            given.escape_debug()
        )
    }
}

impl Error for AddressError {}

/// Whatever names an address: text, a socket address, an [`Address`].
pub trait IntoAddress {
    /// The address.
    ///
    /// # Errors
    /// The text is none.
    fn into_address(self) -> Result<Address, AddressError>;
}

impl IntoAddress for &str {
    fn into_address(self) -> Result<Address, AddressError> {
        self.parse()
    }
}

impl IntoAddress for String {
    fn into_address(self) -> Result<Address, AddressError> {
        self.parse()
    }
}

impl IntoAddress for &String {
    fn into_address(self) -> Result<Address, AddressError> {
        self.parse()
    }
}

impl IntoAddress for SocketAddr {
    fn into_address(self) -> Result<Address, AddressError> {
        Ok(self.into())
    }
}

impl IntoAddress for Address {
    fn into_address(self) -> Result<Address, AddressError> {
        Ok(self)
    }
}

impl IntoAddress for &Address {
    fn into_address(self) -> Result<Address, AddressError> {
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    #[test]
    fn every_form_is_read_and_its_print_reads_the_same() {
        for (text, address, printed) in [
            ("localhost:5678", tcp("localhost", 5678), "localhost:5678"),
            ("tcp:10.0.0.1:0", tcp("10.0.0.1", 0), "10.0.0.1:0"),
            ("tcp://example.org:65535", tcp("example.org", 65535), "example.org:65535"),
            ("[::1]:5678", tcp("::1", 5678), "[::1]:5678"),
            ("tcp://[fe80::1%eth0]:1", tcp("fe80::1%eth0", 1), "[fe80::1%eth0]:1"),
            ("tcp:memory:80", tcp("memory", 80), "tcp:memory:80"),
            ("tcp:distchan:80", tcp("distchan", 80), "tcp:distchan:80"),
            ("unix:/run/a b.sock", Address::Unix("/run/a b.sock".into()), "unix:/run/a b.sock"),
            ("unix:///run/x:1", Address::Unix("/run/x:1".into()), "unix:/run/x:1"),
            ("unix:here.sock", Address::Unix("here.sock".into()), "unix:here.sock"),
            ("memory:80", Address::Memory("80".into()), "memory:80"),
            ("memory://a", Address::Memory("//a".into()), "memory://a"),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), printed);
            assert_eq!(printed.parse(), Ok(address), "{printed}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_why_and_what_would_be_one() {
        for (text, reason) in [
            ("", "it has no port"),
            ("localhost", "it has no port"),
            (":80", "it has no host"),
            ("tcp:[]:80", "it has no host"),
            ("::1:80", "stands in brackets"),
            ("[::1:80", "bracket is not closed"),
            ("[::1]", "its bracket is not closed"),
            ("localhost:", "its port is not a number from 0 to 65535"),
            ("localhost:+80", "its port is not a number"),
            ("localhost:65536", "from 0 to 65535"),
            ("http://localhost:80", "no host has"),
            ("a b:80", "no host has"),
            ("user@host:80", "no host has"),
            ("unix:", "it has no path"),
            ("unix://host/path", "begins with a slash"),
            ("unix:\0abstract", "NUL"),
            ("memory:", "it has no name"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
            assert!(error.starts_with(&format!("`{}` is", text.escape_debug())), "{error}");
            assert!(error.ends_with("(host:port, tcp:host:port, unix:/path or memory:name)"), "{error}");
        }
    }

    #[test]
    fn a_ticket_whose_beginning_is_wrong_is_not_shown_with_its_secret() {
        for text in
            ["istchan://host:80/#hush-hush", "distchan //host:80/#hush-hush", "tcp://host:80/#hush-hush"]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_socket_address_prints_as_it_does_itself() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%7]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(address).to_string(), text);
            assert_eq!(text.parse(), Ok(Address::from(address)));
        }
    }

    #[tokio::test]
    async fn only_loopback_is_local_on_tcp() {
        for (text, local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.0.2.1:1", false),
            ("unix:/x", true),
            ("memory:x", true),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_local().await.unwrap(), local, "{text}");
        }
    }
}
