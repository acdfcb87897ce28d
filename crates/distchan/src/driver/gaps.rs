//! How a reader waits for more of a large value. To sleep and to be woken costs both ends more than the few microseconds after which the
//! next bytes come on a fast line: there it looks again instead. On any other line it sleeps at once.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// A gap is short up to this; so long a reader looks again at most. Measured with values of 1 MiB over loopback: 10 to 160 µs win alike.
const SHORT: Duration = Duration::from_micros(40);

/// So much must have come since the gap before, or a peer that sends byte by byte could keep a thread busy: it takes 400 MB/s to do that.
const WORTH: usize = 16 * 1024;

/// The gaps between the bytes of one connection's large values.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// The last one was short: the next one will be.
    are_short: bool,
    /// How much has come since.
    come: usize,
}

impl Gaps {
    /// Waits for what `reading` reads. Others on this thread have their turn before each look.
    pub(super) async fn wait<T>(&mut self, reading: impl Future<Output = T>) -> T {
        let mut reading = pin!(reading);
        if let Poll::Ready(read) = look(reading.as_mut()).await {
            return read;
        }
        let began = Instant::now();
        self.are_short &= std::mem::take(&mut self.come) >= WORTH;
        while self.are_short {
            tokio::task::yield_now().await;
            if let Poll::Ready(read) = look(reading.as_mut()).await {
                return read;
            }
            self.note(began.elapsed());
        }
        let read = reading.await;
        self.note(began.elapsed());
        read
    }

    /// So much was read.
    pub(super) const fn has_read(&mut self, bytes: usize) {
        self.come = self.come.saturating_add(bytes);
    }

    fn note(&mut self, gap: Duration) {
        self.are_short = gap < SHORT;
    }
}

async fn look<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// After a gap that was short, and much that has come since.
    const SHORT_SO_FAR: Gaps = Gaps { are_short: true, come: WORTH };

    /// What is there when somebody looks for the `th`-th time, and wakes nobody.
    fn there_at_look(th: u32, looks: &mut u32) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            *looks += 1;
            if *looks >= th { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    #[tokio::test]
    async fn what_is_there_is_read_at_once() {
        let (mut gaps, mut looks) = (SHORT_SO_FAR, 0);
        gaps.wait(there_at_look(1, &mut looks)).await;
        assert!(gaps.are_short);
        assert_eq!(looks, 1);
    }

    #[tokio::test]
    async fn after_a_short_gap_it_looks_before_it_sleeps() {
        let (mut gaps, mut looks) = (SHORT_SO_FAR, 0);
        // Where it slept at once it would have looked three times, as below.
        let waiting = gaps.wait(there_at_look(4, &mut looks));
        assert!(timeout(Duration::from_millis(5), waiting).await.is_ok());
    }

    #[tokio::test]
    async fn after_a_long_gap_it_sleeps_at_once() {
        let (mut gaps, mut looks) = (Gaps { are_short: false, ..SHORT_SO_FAR }, 0);
        let waiting = gaps.wait(there_at_look(100, &mut looks));
        assert!(timeout(Duration::from_millis(5), waiting).await.is_err());
        // Once before it sleeps, once when it does, and once when its time is over.
        assert!(looks <= 3, "{looks} looks");
    }

    #[tokio::test]
    async fn for_a_peer_that_sends_byte_by_byte_it_sleeps_at_once() {
        let (mut gaps, mut looks) = (Gaps { come: 0, ..SHORT_SO_FAR }, 0);
        gaps.has_read(WORTH - 1);
        let waiting = gaps.wait(there_at_look(100, &mut looks));
        assert!(timeout(Duration::from_millis(5), waiting).await.is_err());
        assert!(looks <= 3, "{looks} looks");
    }

    #[tokio::test]
    async fn a_gap_that_was_taken_for_short_and_is_long_is_slept_through() {
        let mut gaps = SHORT_SO_FAR;
        let endless = gaps.wait(std::future::pending::<()>());
        assert!(timeout(Duration::from_millis(5), endless).await.is_err());
        assert!(!gaps.are_short, "it looked until the end");
    }

    #[test]
    fn a_gap_is_short_up_to_a_limit() {
        let mut gaps = Gaps::default();
        gaps.note(SHORT / 2);
        assert!(gaps.are_short);
        gaps.note(SHORT);
        assert!(!gaps.are_short);
    }
}
