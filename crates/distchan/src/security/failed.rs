//! Why a worker has no connection. A leaf.

use std::io;

#[cfg(feature = "tls")]
use crate::security::error::SecurityError;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectFailed {
    /// It may be there another time.
    Io(io::Error),
    /// It will not.
    #[cfg(feature = "tls")]
    Security(SecurityError),
}

impl From<io::Error> for ConnectFailed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(feature = "tls")]
impl From<SecurityError> for ConnectFailed {
    fn from(error: SecurityError) -> Self {
        Self::Security(error)
    }
}
