//! Unix sockets, and the care of their files: only the owner may connect, a dead server's file gives way, a living
//! one's does not, and what is no socket is never touched.
//!
//! **No moment is open.** A socket's file is born with the process's umask, which must not be changed (it belongs to all
//! threads), and narrowing it afterwards leaves a moment in which others can connect. So the socket is made inside a
//! new directory of mode 0700 beside its place, narrowed to 0600 and set to listen there, and only then linked to its
//! place. Linking fails where something exists, so that of servers that start at once one wins. (Not covered: three that
//! start over a dead server's file within the same microseconds. That needs a file lock, in Rust 1.89.)

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use tokio::net::{UnixListener, UnixStream};

/// How often a place that was cleared may be found taken again before it counts as in use.
const MAX_ROUNDS: usize = 8;

/// A listening socket and its file, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketListener {
    // Before the socket, so that the file goes first and nobody finds it refusing.
    _file: SocketFile,
    socket: UnixListener,
}

impl SocketListener {
    /// Listens at `path`. The directory must exist and be writable.
    pub(crate) async fn bind(path: &Path) -> io::Result<Self> {
        // The file is removed at the end, perhaps from another working directory.
        let path = std::path::absolute(path)?;
        let workshop = Workshop::open_beside(&path)?;
        let made = workshop.socket();
        let socket = UnixListener::bind(&made).map_err(|error| explain_length(error, &made))?;
        fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        let identity = identity(&fs::symlink_metadata(&made)?);
        for _ in 0..MAX_ROUNDS {
            match publish(&made, &path) {
                Ok(()) => {
                    return Ok(Self { _file: SocketFile { path, identity }, socket });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    clear_stale(&path, &workshop).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(in_use("other servers keep taking the place"))
    }

    /// The next connection and the process id behind it, where the system tells it. Cancel safe, as tokio's is.
    pub(crate) async fn accept(&self) -> io::Result<(UnixStream, Option<i32>)> {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
                    return Ok((stream, pid));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Gives the socket `made` its place. Fails with `AlreadyExists` if there is anything.
fn publish(made: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(made, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // A file system without hard links. Two servers that start at once could both get past this check.
            match fs::symlink_metadata(path) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(made, path),
            }
        }
        done => done,
    }
}

/// Removes the socket at `path` if nobody listens to it any more. Fails if somebody does, or if it is no socket.
async fn clear_stale(path: &Path, workshop: &Workshop) -> io::Result<()> {
    if !is_stale(path).await? {
        return Ok(());
    }
    // Another server may put its own socket there right now. So what is there is taken away first, and looked at again
    // before it is removed.
    let taken = workshop.taken();
    match fs::rename(path, &taken) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done?,
    }
    match is_stale(&taken).await {
        Ok(_) => fs::remove_file(&taken),
        Err(error) => {
            fs::hard_link(&taken, path)?;
            fs::remove_file(&taken)?;
            Err(error)
        }
    }
}

/// Whether a dead server's socket is at `path`; false if nothing is.
async fn is_stale(path: &Path) -> io::Result<bool> {
    let file_type = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !file_type.is_socket() {
        let text = "there is a file that is no socket, which is left alone";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match connect(path).await {
        Ok(_) => Err(in_use("a server is listening there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            Err(in_use(&format!("there is a socket, and whether it is in use is not known: {error}")))
        }
    }
}

fn in_use(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, format!("address in use, {text}"))
}

fn explain_length(error: io::Error, made: &Path) -> io::Error {
    if error.kind() != io::ErrorKind::InvalidInput {
        return error;
    }
    let text =
        format!("the path is too long: the socket is first made as {}, and that is too long", made.display());
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// What tells one file from every other while it is open: device and inode.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// A published socket's file. Removed at the end, unless something else has taken the place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if ours {
            // A drop has nobody to tell; what stays is found stale by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A directory that only this user can enter, beside the place of a socket; it goes when this is dropped.
#[derive(Debug)]
struct Workshop(PathBuf);

impl Workshop {
    fn open_beside(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(_)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        };
        let pid = process::id();
        let mut attempt = 0u8;
        loop {
            // Short, as the path of a socket has about a hundred bytes in all.
            let directory = parent.join(format!(".dc{pid:x}.{attempt:x}"));
            match DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => return Ok(Self(directory)),
                // Left by a process that was killed here, or another thread's.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < u8::MAX => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    fn taken(&self) -> PathBuf {
        self.0.join("t")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Whatever was taken and could not be put back is not removed, and then the directory stays.
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_dir(&self.0);
    }
}
