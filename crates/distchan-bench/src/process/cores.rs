//! How far this machine's cores are from one another. Nothing else may run meanwhile.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Enough that starting the second thread does not show.
const ROUNDS: u32 = 100_000;

/// So often a thread looks before it lets others have its core.
const PATIENCE: u32 = 1_000;

/// How long a cache line takes from one core to another, which is several times as long between cores that share no cache; a virtual machine's may
/// share one now and none a minute later. `None` where there is one core.
pub(crate) fn hop() -> Option<Duration> {
    hop_in(ROUNDS)
}

fn hop_in(rounds: u32) -> Option<Duration> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    let turn = AtomicU32::new(0);
    let wait_for = |wanted| {
        let mut looks: u32 = 0;
        while turn.load(Ordering::Acquire) != wanted {
            looks += 1;
            // Both threads may have come to be on one core.
            if looks.is_multiple_of(PATIENCE) { thread::yield_now() } else { spin_loop() }
        }
    };
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                wait_for(2 * round + 1);
                turn.store(2 * round + 2, Ordering::Release);
            }
        });
        wait_for(0);
        let began = Instant::now();
        for round in 0..rounds {
            turn.store(2 * round + 1, Ordering::Release);
            wait_for(2 * round + 2);
        }
        began.elapsed()
    });
    Some(took / (2 * rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_some_time_from_core_to_core() {
        let several = thread::available_parallelism().map_or(1, usize::from) > 1;
        assert_eq!(hop_in(100).is_some_and(|hop| hop > Duration::ZERO), several);
    }
}
