//! How far this machine's cores are from one another. Nothing else may run meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Of so many parts the one in the middle counts: in some of them both threads are on one core, or something else is.
const PARTS: u32 = 101;

/// How often a line goes there and back in each.
const ROUNDS: u32 = 1_000;

/// So often a thread looks before it lets others have its core.
const PATIENCE: u32 = 10_000;

/// How long a cache line takes from one core to another, which is several times as long between cores that share no cache; a virtual machine's may
/// share one now and none a minute later. `None` where there is one core.
pub(crate) fn hop() -> Option<Duration> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    let turn = AtomicU32::new(0);
    // Without a pause between two looks: it takes longer than what is measured.
    let wait_for = |wanted| {
        let mut looks: u32 = 0;
        while turn.load(Ordering::Acquire) != wanted {
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
        }
    };
    let mut parts: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..PARTS * ROUNDS {
                wait_for(2 * round + 1);
                turn.store(2 * round + 2, Ordering::Release);
            }
        });
        let part = |part: u32| {
            let began = Instant::now();
            for round in part * ROUNDS..(part + 1) * ROUNDS {
                turn.store(2 * round + 1, Ordering::Release);
                wait_for(2 * round + 2);
            }
            began.elapsed() / (2 * ROUNDS)
        };
        (0..PARTS).map(part).collect()
    });
    parts.sort_unstable();
    parts.get(parts.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_some_time_from_core_to_core() {
        let several = thread::available_parallelism().map_or(1, usize::from) > 1;
        assert_eq!(hop().is_some_and(|hop| hop > Duration::ZERO), several);
    }
}
