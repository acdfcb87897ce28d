//! Three hundred clusters of two simulated minutes each break no promise. A seed that ever failed is here too.

use distchan_sim::plan::options::Options;
use distchan_sim::sweep::{Sweep, attempt};

#[test]
fn three_hundred_clusters_keep_every_promise() {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = Sweep { seeds: 1..301, options: Options::default(), jobs, twice: 64 };
    let summary = sweep.run(|violation| println!("seed {}: {}", violation.seed, violation.what));
    println!(
        "seeds {}, simulated {:.0} s, speed {:.0} x, violations {}",
        summary.seeds,
        summary.simulated.as_secs_f64(),
        summary.speed(),
        summary.violations.len()
    );
    assert_eq!((summary.seeds, summary.violations.len()), (300, 0));
}

/// What each had found: a mistake of the machines, or of the oracle.
#[test]
fn seeds_that_failed_once() {
    let seeds = [
        // A job that had come again to the worker it was taken from was missed by nobody when that worker was lost.
        76_656,
        // A worker's session frames count as a sign that it gets on, though it answers nothing.
        377, 476, 822,
        // A part of a frame is no sign of life; a worker may give up a connection that the server still has.
        31_033, 56_389, // Windows of one job over long round trips need patience.
        1218, 1394,
    ];
    for seed in seeds {
        let report = attempt(seed, &Options::default()).expect("no panic");
        assert_eq!(report.verdict, Ok(()), "seed {seed}");
    }
}
