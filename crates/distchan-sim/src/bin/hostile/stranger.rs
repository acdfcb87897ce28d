//! Carries out what a stranger does, on a real connection; many strangers at once. What the server answers does not matter here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Problem;
use crate::attack::{Arsenal, Attack, End, KINDS, Step};

/// No stranger waits longer for anything.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tries to connect, 10 ms apart: this machine may be short of ports for a moment.
const TRIES: u32 = 500;

/// How many of each kind there were.
pub(crate) type Kinds = [u64; KINDS.len()];

/// Makes so many connections, so many at once.
pub(crate) async fn crowd(
    arsenal: Arc<Arsenal>,
    server: SocketAddr,
    connections: u64,
    parallel: usize,
) -> Result<Kinds, Problem> {
    let next = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..parallel {
        let (next, arsenal) = (Arc::clone(&next), Arc::clone(&arsenal));
        lanes.spawn(async move {
            let mut kinds = Kinds::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= connections {
                    return Ok::<_, Problem>(kinds);
                }
                let attack = arsenal.attack(number);
                kinds[attack.kind] += 1;
                carry_out(&attack, connect(server).await?).await;
            }
        });
    }
    let mut all = Kinds::default();
    while let Some(kinds) = lanes.join_next().await {
        all.iter_mut().zip(kinds??).for_each(|(all, more)| *all += more);
    }
    Ok(all)
}

async fn connect(server: SocketAddr) -> Result<TcpStream, Problem> {
    let mut tries = 0;
    loop {
        match TcpStream::connect(server).await {
            Ok(stream) => return Ok(stream),
            Err(error) if tries == TRIES => return Err(error.into()),
            Err(_) => tries += 1,
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn carry_out(attack: &Attack, mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    let mut buffer = [0; 4096];
    for step in &attack.steps {
        let went_on = match step {
            // A server that reads no more must not hold a stranger up.
            Step::Say(bytes) => {
                timeout(PATIENCE, write.write_all(bytes)).await.is_ok_and(|said| said.is_ok())
            }
            Step::Hear if attack.reads => {
                timeout(PATIENCE, read.read(&mut buffer)).await.is_ok_and(|heard| matches!(heard, Ok(1..)))
            }
            Step::Hear => true,
        };
        if !went_on {
            return;
        }
    }
    match attack.end {
        End::Close => {}
        End::Stall(time) => sleep(time).await,
        End::Finish => {
            // It may be closed already.
            let _ = write.shutdown().await;
            let end = async { while let Ok(1..) = read.read(&mut buffer).await {} };
            // Where the server keeps it open, that is for its own timers to end.
            let _ = timeout(PATIENCE, end).await;
        }
    }
}
