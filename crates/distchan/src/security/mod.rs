//! Who is let in, and who is trusted: between an accepted or made connection and its first byte of the protocol. What carries the bytes is
//! [`transport`](crate::transport)'s, what a proof is made of the core's. It must never know a frame or a value, log a secret, or print what a
//! stranger sent unescaped.

mod door;
mod failed;
mod target;

#[cfg(feature = "tls")]
mod base64;
#[cfg(feature = "tls")]
mod book;
#[cfg(feature = "tls")]
mod config;
#[cfg(feature = "tls")]
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
#[cfg(feature = "tls")]
mod guard;
#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "tls")]
mod mutual;
#[cfg(feature = "tls")]
mod pin;
#[cfg(feature = "tls")]
mod private_file;
#[cfg(feature = "tls")]
mod settings;
#[cfg(feature = "tls")]
mod ticket;
#[cfg(feature = "tls")]
mod trust;

pub(crate) use crate::security::door::{Door, Pass};
#[cfg(feature = "tls")]
pub use crate::security::error::SecurityError;
pub(crate) use crate::security::failed::ConnectFailed;
#[cfg(feature = "tls")]
pub(crate) use crate::security::guard::Guard;
#[cfg(feature = "tls")]
pub use crate::security::mutual::MutualTls;
#[cfg(feature = "tls")]
pub use crate::security::settings::Security;
pub use crate::security::target::{IntoTarget, Target, TargetError};
#[cfg(feature = "tls")]
pub use crate::security::ticket::{Ticket, TicketError};
