//! Where the server is reached. It must leave no file behind.

use std::path::PathBuf;

use crate::scenarios::Transport;

/// An address to bind; a socket's file is removed with it.
pub(super) enum Place {
    Tcp,
    Unix(PathBuf),
}

impl Place {
    pub(super) fn new(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Unix => {
                Self::Unix(std::env::temp_dir().join(format!("distchan-bench-{}.sock", std::process::id())))
            }
        }
    }

    pub(super) fn bind_address(&self) -> String {
        match self {
            Self::Tcp => "127.0.0.1:0".to_owned(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Unix(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}
