//! Where the server is reached, and how it is known there. It must leave no file behind.

use std::path::PathBuf;

use anyhow::Result;
use distchan::{BindError, Server, Ticket, Worker};

use crate::scenarios::{Order, Transport};

/// An address to bind; a file that belongs to it is removed with it.
pub(super) enum Place {
    Tcp,
    Unix(PathBuf),
    /// With TLS, and a ticket in this file.
    Secured(PathBuf),
}

impl Place {
    pub(super) fn new(order: &Order) -> Self {
        match order.transport {
            _ if order.scenario.is_encrypted() => Self::Secured(own_file("ticket")),
            Transport::Tcp => Self::Tcp,
            Transport::Unix => Self::Unix(own_file("sock")),
        }
    }

    pub(super) async fn bind(&self) -> Result<Server, BindError> {
        match self {
            Self::Tcp => Server::bind("127.0.0.1:0").await,
            Self::Unix(path) => Server::bind(format!("unix:{}", path.display())).await,
            Self::Secured(_) => Server::builder().secure().bind("127.0.0.1:0").await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Unix(path) | Self::Secured(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What workers are told: the address, or the file of the ticket, which does not belong among a process's arguments.
pub(super) fn of_workers(order: &Order, server: &Server) -> Result<String> {
    if !order.scenario.is_encrypted() {
        return Ok(server.local_addr().to_string());
    }
    let path = own_file("ticket");
    server.ticket()?.save(&path)?;
    Ok(path.display().to_string())
}

/// Connects a worker to what it was told.
pub(super) async fn connect(order: &Order, told: &str) -> Result<Worker> {
    if order.scenario.is_encrypted() {
        return Ok(Worker::connect(Ticket::load(told)?).await?);
    }
    Ok(Worker::connect(told).await?)
}

/// A file of this process.
fn own_file(extension: &str) -> PathBuf {
    std::env::temp_dir().join(format!("distchan-bench-{}.{extension}", std::process::id()))
}
