//! Many seeds: on several threads, each run alone; some are run twice and compared. It collects, and judges nothing itself.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::{Report, run};
use crate::plan::Plan;
use crate::plan::options::Options;

/// How the seeds are run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// What is asked for instead of what they say.
    pub options: Options,
    /// Threads.
    pub jobs: usize,
    /// One seed in so many is run twice, and both runs must have the same trace; 0: none.
    pub twice: u64,
}

/// A seed that broke a promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What was promised and not kept.
    pub what: String,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Time that passed in the clusters.
    pub simulated: Duration,
    /// Processor time that it took: the sum of what each run took.
    pub took: Duration,
    /// Events that were handled.
    pub steps: u64,
    /// Seeds that broke a promise, in their order.
    pub violations: Vec<Violation>,
}

impl Summary {
    /// How much faster than real time one thread was.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.simulated.as_secs_f64() / self.took.as_secs_f64().max(1e-9)
    }
}

impl Sweep {
    /// Runs all seeds; `watch` sees each violation when it is found.
    pub fn run(&self, watch: impl Fn(&Violation) + Sync) -> Summary {
        let next = AtomicU64::new(self.seeds.start);
        let summary = Mutex::new(Summary::default());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end {
                            return;
                        }
                        self.run_one(seed, &summary, &watch);
                    }
                });
            }
        });
        let mut summary = summary.into_inner().unwrap_or_default();
        summary.violations.sort_by_key(|violation| violation.seed);
        summary
    }

    fn run_one(&self, seed: u64, summary: &Mutex<Summary>, watch: &impl Fn(&Violation)) {
        let began = Instant::now();
        let first = attempt(seed, &self.options);
        let took = began.elapsed();
        let is_compared = self.twice > 0 && seed.is_multiple_of(self.twice);
        let verdict = first.and_then(|report| {
            if let Ok(mut summary) = summary.lock() {
                summary.simulated += report.simulated;
                summary.steps += report.steps;
                summary.took += took;
            }
            report.verdict.clone()?;
            if is_compared {
                let again = attempt(seed, &self.options)?;
                if again.trace.hash() != report.trace.hash() {
                    return Err(format!("two runs differ: {} and {}", report.trace, again.trace));
                }
            }
            Ok(())
        });
        let violation = verdict.err().map(|what| Violation { seed, what });
        if let Some(violation) = &violation {
            watch(violation);
        }
        if let Ok(mut summary) = summary.lock() {
            summary.seeds += 1;
            summary.violations.extend(violation);
        }
    }
}

/// Runs a seed; a panic is a broken promise too.
///
/// # Errors
/// The panic's text.
pub fn attempt(seed: u64, options: &Options) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| run(Plan::of(seed, options), false))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a text"))
    })
}
