//! A worker's one task: a connection, and when it is lost another one, until the worker is done or there is no hope.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::carrier::Carrier;
#[cfg(feature = "tls")]
use distchan_proto::error::Code;
use distchan_proto::limits;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::driver::clock::LINGER;
use crate::driver::pen::Pen;
use crate::driver::pump::{self, Ended};
use crate::driver::threads;
use crate::driver::worker::Shared;
use crate::security::{ConnectFailed, Target};
use crate::transport::{Stream, WriteHalf};

/// Before the second attempt to connect again it waits up to this; before each further one, up to twice as long ...
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// ... but no longer than this. A server that is back is found within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often at most it looks for jobs that take long, and are to be announced: a job is, after one to two of these where jobs take long. Each look
/// costs whoever is in the middle of a round trip a few switches between threads.
const TICK: Duration = Duration::from_millis(10);

/// Begins to connect, on the I/O thread where there is another process; the answer is about the first connection's transport alone. `patience` is how long a lost server
/// is looked for.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    target: Target,
    patience: Duration,
) -> io::Result<oneshot::Receiver<Result<(), ConnectFailed>>> {
    let (connected, answer) = oneshot::channel();
    let looks = threads::looks(target.address())?;
    threads::bytes(target.address())?.spawn(async move {
        // Also where a user's transform panics: nobody must wait for what can no longer happen.
        let _over = Over(Arc::clone(&shared));
        match target.connect().await {
            Ok(stream) => {
                // Whoever asked may have gone; the machine knows.
                let _ = connected.send(Ok(()));
                run(&shared, &target, patience, stream, &looks).await;
            }
            Err(error) => {
                let _ = connected.send(Err(error));
            }
        }
    });
    Ok(answer)
}

/// One connection after the other.
async fn run(shared: &Arc<Shared>, target: &Target, patience: Duration, mut stream: Stream, looks: &Handle) {
    // Since when, and how often, a connection was looked for in vain.
    let mut search = Search::new();
    loop {
        let began = Instant::now();
        let ended = run_connection(shared, stream, looks).await;
        shared.with(|core, _| core.machine.handle_disconnected(&ended.reason));
        if !shared.look(|core| core.machine.has_session()) {
            // What a first connection did not bring, whoever connects decides whether to try for.
            shared.with(|core, _| core.machine.give_up(&ended.reason));
        }
        if shared.look(|core| core.machine.is_over()) {
            return;
        }
        if shared.take_greeted() {
            search.succeeded(began.elapsed());
        }
        match search.connect(shared, target, patience, ended).await {
            Some(found) => stream = found,
            None => return,
        }
    }
}

/// A search for a server that was lost.
struct Search {
    began: Instant,
    attempts: u32,
}

impl Search {
    fn new() -> Self {
        Self { began: Instant::now(), attempts: 0 }
    }

    /// A connection was found, and lasted so long. Pauses go on growing where each breaks at once.
    fn succeeded(&mut self, lasted: Duration) {
        self.began = Instant::now();
        if lasted >= LONGEST_PAUSE {
            self.attempts = 0;
        }
    }

    /// The next connection; `None` where the worker is done, or has given up.
    async fn connect(
        &mut self,
        shared: &Shared,
        target: &Target,
        patience: Duration,
        ended: Ended,
    ) -> Option<Stream> {
        let address = target.address();
        if self.attempts == 0 && !patience.is_zero() {
            tracing::info!(%address, reason = ended.reason, "connection lost; connecting again");
        }
        let mut reason = ended.reason;
        loop {
            if self.began.elapsed() >= patience {
                shared.with(|core, _| core.machine.give_up(&reason));
                return None;
            }
            let pause = backoff(self.attempts, random());
            self.attempts = self.attempts.saturating_add(1);
            tokio::select! {
                () = sleep(pause) => {}
                () = shared.over() => return None,
            }
            match timeout(limits::HANDSHAKE_BUDGET, target.connect()).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(ConnectFailed::Io(error))) => reason = error.to_string(),
                #[cfg(feature = "tls")]
                Ok(Err(ConnectFailed::Security(error))) => {
                    let reason = format!("{address} and this worker do not trust each other: {error}");
                    shared.with(|core, _| core.machine.give_up_for(Code::Security, &reason));
                    return None;
                }
                Err(_) => reason = format!("{address} did not answer within {:?}", limits::HANDSHAKE_BUDGET),
            }
        }
    }
}

/// How long to wait before an attempt: a random part ("full jitter") of a time that doubles, so that the workers of a server that is back
/// do not all come at once. The first attempt follows soon.
fn backoff(attempt: u32, random: u64) -> Duration {
    let longest =
        FIRST_PAUSE.saturating_mul(1u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    // The upper half of the product: a fraction of `nanos`, without a bias that matters.
    Duration::from_nanos(u64::try_from((u128::from(nanos) * u128::from(random)) >> 64).unwrap_or(nanos))
}

/// A number that other workers do not draw as well. Where the system has none, the middle: jitter is a courtesy.
fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

/// One connection, until it is over.
async fn run_connection(shared: &Arc<Shared>, stream: Stream, looks: &Handle) -> Ended {
    let route = stream.route_of_worker();
    let guards_bytes = stream.guards_bytes();
    shared.forget_closing().await;
    let (reader, writer) = stream.into_split();
    shared.with(|core, now| {
        core.set_pen(Pen::new(writer.direct()));
        core.machine.handle_connected(now, Carrier { route: &route, guards_bytes });
    });
    // Each in a task of its own, so that bytes that arrive wake nobody but their reader. They end with this function.
    let mut others = JoinSet::new();
    others.spawn(write(Arc::clone(shared), writer));
    others.spawn(keep_time(Arc::clone(shared)));
    others.spawn_on(keep_ticking(Arc::clone(shared)), looks);
    let reading = pump::read(reader, |arrived| shared.with(|core, now| core.handle_arrived(now, arrived)));
    let mut reading = std::pin::pin!(reading);
    let ended = tokio::select! {
        biased;
        ended = &mut reading => return ended,
        ended = others.join_next() => ended,
    };
    match ended {
        // The server may still be reading our last words: closing now, with its bytes unread, would take them back.
        Some(Ok(Ok(()))) => timeout(LINGER, reading).await.unwrap_or_else(|_| Ended::closed()),
        Some(Ok(Err(error))) => Ended::by(&error),
        Some(Err(error)) => match error.try_into_panic() {
            // A user's transform has panicked: it would again.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ended::fault("its task was ended"),
        },
        None => unreachable!("it was spawned a few lines before"),
    }
}

async fn write(shared: Arc<Shared>, writer: WriteHalf) -> io::Result<()> {
    pump::write(writer, &shared.wake, |writer| shared.next(writer)).await
}

/// Tells the machine when its time has come; never ends by itself.
async fn keep_time(shared: Arc<Shared>) -> io::Result<()> {
    loop {
        let timeout = shared.look(|core| core.machine.poll_timeout());
        tokio::select! {
            () = shared.clock.sleep_until(timeout) => shared.with(|core, now| core.machine.handle_timeout(now)),
            () = shared.timer.notified() => {}
        }
    }
}

/// While jobs are in hand, looks now and then which of them take long; never ends by itself.
async fn keep_ticking(shared: Arc<Shared>) -> io::Result<()> {
    loop {
        shared.begun.notified().await;
        let mut passed = 1;
        while let Some(next) = shared.with(|core, _| core.tick(passed)) {
            sleep(TICK * next).await;
            passed = next;
        }
    }
}

/// Says that the worker is over, however its task ends.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.with(|core, _| core.machine.give_up("its task was ended"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_are_drawn_evenly() {
        assert_eq!(backoff(0, u64::MAX).as_millis(), 99);
        assert_eq!(backoff(1, u64::MAX / 2).as_millis(), 99);
        assert_eq!(backoff(3, u64::MAX).as_millis(), 799);
        for attempt in [6, 10, 100, u32::MAX] {
            assert_eq!(backoff(attempt, u64::MAX).as_millis(), 4999);
            assert_eq!(backoff(attempt, 0), Duration::ZERO);
        }
    }
}
