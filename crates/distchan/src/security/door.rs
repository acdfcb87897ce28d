//! Where a server's connections come in: to everybody who reaches it, or past a guard.

#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "tls")]
use crate::security::guard::{Guard, Revocation};
use crate::transport::Stream;

/// A server's door.
#[derive(Clone, Debug, Default)]
pub(crate) enum Door {
    /// Whoever reaches it comes in.
    #[default]
    Open,
    /// Only who shows a ticket or a certificate.
    #[cfg(feature = "tls")]
    Guarded(Arc<Guard>),
}

/// What a connection came in with.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    #[cfg(feature = "tls")]
    revocation: Option<Revocation>,
}

impl Pass {
    /// Waits until it counts no longer; for ever, where that cannot be.
    pub(crate) async fn revoked(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(revocation) = &mut self.revocation {
            return revocation.come().await;
        }
        std::future::pending().await
    }
}

impl Door {
    /// Lets a connection in, or says why not. A peer that is slow is slow here: the caller has a time limit.
    pub(crate) async fn admit(&self, stream: Stream) -> Result<(Stream, Pass), String> {
        match self {
            Self::Open => Ok((stream, Pass::default())),
            #[cfg(feature = "tls")]
            Self::Guarded(guard) => {
                let (stream, revocation) = guard.admit(stream).await?;
                Ok((stream, Pass { revocation }))
            }
        }
    }
}
