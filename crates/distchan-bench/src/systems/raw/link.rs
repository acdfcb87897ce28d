//! A connection of the standard library, whatever carries it. It must add nothing to what its socket does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::PathBuf;

use anyhow::Result;

use crate::scenarios::{PATIENCE, Transport};

pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(super) fn bind(transport: Transport) -> Result<Self> {
        match transport {
            Transport::Tcp => Ok(Self::Tcp(TcpListener::bind("127.0.0.1:0")?)),
            #[cfg(unix)]
            Transport::Unix => {
                let path =
                    std::env::temp_dir().join(format!("distchan-bench-raw-{}.sock", std::process::id()));
                Ok(Self::Unix(UnixListener::bind(&path)?, path))
            }
            #[cfg(not(unix))]
            Transport::Unix => anyhow::bail!("this system has no Unix sockets"),
        }
    }

    pub(super) fn address(&self) -> Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            #[cfg(unix)]
            Self::Unix(_, path) => Ok(path.display().to_string()),
        }
    }

    pub(super) fn accept(&self) -> Result<Link> {
        match self {
            Self::Tcp(listener) => Ok(Link::Tcp(listener.accept()?.0)),
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok(Link::Unix(listener.accept()?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) enum Link {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Link {
    pub(super) fn connect(transport: Transport, address: &str) -> Result<Self> {
        match transport {
            Transport::Tcp => Ok(Self::Tcp(TcpStream::connect(address)?)),
            #[cfg(unix)]
            Transport::Unix => Ok(Self::Unix(UnixStream::connect(address)?)),
            #[cfg(not(unix))]
            Transport::Unix => anyhow::bail!("this system has no Unix sockets"),
        }
    }

    /// One end for reading, one for writing.
    pub(super) fn split(self) -> Result<(Self, Self)> {
        match &self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
            }
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(Some(PATIENCE))?,
        }
        let second = self.share()?;
        Ok((self, second))
    }

    /// The same connection once more.
    pub(super) fn share(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}
