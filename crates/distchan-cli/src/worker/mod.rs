//! Runs jobs: each is a process, or a turn of a persistent one. Knows nothing of inputs, order and printing.

mod gate;
mod guardian;
mod identity;
mod persistent;
mod pipes;
mod process;
mod reports;
mod running;
mod serve;
mod slot;
mod spawn;
mod work;

pub(crate) use crate::worker::guardian::guard;
pub(crate) use crate::worker::identity::Identity;
pub(crate) use crate::worker::running::Running;
pub(crate) use crate::worker::serve::{ServeFailed, serve};
pub(crate) use crate::worker::work::work;
