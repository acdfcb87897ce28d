//! A TCP proxy that does to connections what networks do: stalls, cuts, black holes, trickles, delays, flipped bytes. It knows nothing of
//! what it carries. Connections through it have other addresses than direct ones: a server sees that something is between.

mod carry;
pub(crate) mod dice;
mod rules;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::rules::{Control, Rules};
pub(crate) use self::rules::{Cut, Fault, Way};

/// Between two tries where the system has no socket, or the port is in use for a moment.
const AGAIN: Duration = Duration::from_millis(10);

/// A proxy in front of one address. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    open: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens at a free port of this machine. The seed decides which bits are flipped.
    pub(crate) async fn start(upstream: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let control = Arc::new(Control::new(seed));
        let open = Arc::new(AtomicUsize::new(0));
        let door = Door { address, upstream, control: Arc::clone(&control), open: Arc::clone(&open) };
        let accepting = tokio::spawn(door.keep(listener));
        Ok(Self { address, control, open, accepting })
    }

    /// Where workers connect to.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What happens to one direction from now on, on all connections.
    pub(crate) fn set(&self, way: Way, fault: Fault) {
        self.control.change(|rules| match way {
            Way::ToServer => rules.to_server = fault,
            Way::ToWorker => rules.to_worker = fault,
        });
    }

    /// Both directions.
    pub(crate) fn set_both(&self, fault: Fault) {
        for way in Way::BOTH {
            self.set(way, fault);
        }
    }

    /// Ends all connections that there are. Others can be made at once, unless they are refused.
    pub(crate) fn cut(&self, cut: Cut) {
        self.control.change(|rules| (rules.cuts, rules.cut) = (rules.cuts + 1, cut));
    }

    /// Whether nobody listens.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.control.change(|rules| rules.refuses = refuses);
    }

    /// Flips one bit in one byte of what comes next.
    pub(crate) fn flip(&self, way: Way) {
        self.control.order_flip(way);
    }

    /// Whether every flip that was ordered has been done.
    pub(crate) fn is_flipped(&self) -> bool {
        self.control.is_flipped()
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Counts a connection while it is there.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Until connections are refused, or are not.
async fn until(rules: &mut watch::Receiver<Rules>, refuses: bool) {
    // The sender lives as long as the proxy, and the door no longer.
    let _ = rules.wait_for(|rules| rules.refuses == refuses).await;
}

/// The listening end.
struct Door {
    address: SocketAddr,
    upstream: SocketAddr,
    control: Arc<Control>,
    open: Arc<AtomicUsize>,
}

impl Door {
    async fn keep(self, mut listener: TcpListener) {
        let mut rules = self.control.rules.subscribe();
        // With this task all that it carries ends.
        let mut carried = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((worker, _)) => self.carry(&mut carried, worker),
                    Err(_) => tokio::time::sleep(AGAIN).await,
                },
                Some(_) = carried.join_next() => {}
                () = until(&mut rules, true) => {
                    drop(listener);
                    until(&mut rules, false).await;
                    listener = self.listen_again().await;
                }
            }
        }
    }

    /// Another socket of this machine may have the port for a moment, as the near end of a connection.
    async fn listen_again(&self) -> TcpListener {
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    fn carry(&self, carried: &mut JoinSet<()>, worker: TcpStream) {
        let (control, upstream) = (Arc::clone(&self.control), self.upstream);
        let born = control.rules.borrow().cuts;
        let open = Open::new(&self.open);
        carried.spawn(async move {
            let _open = open;
            // A server that is not there: the worker's end is closed.
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            if worker.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_ok() {
                carry::carry(control, worker, server, born).await;
            }
        });
    }
}
