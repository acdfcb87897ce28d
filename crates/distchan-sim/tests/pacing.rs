//! The number of jobs in hand that the machines find by themselves is as good as the best that could be set: a short version of the command
//! `pacing`, against the numbers that are best there.

use distchan_sim::pacing::{CASES, Case, Prefetch, WAYS};

#[test]
fn no_number_of_jobs_in_hand_that_could_be_set_is_much_better() {
    let short = [(800_000, 1024), (16_000, 3), (1_600, 2), (165, 2), (8_000, 16)];
    for (case, (jobs, prefetch)) in CASES.into_iter().zip(short) {
        let case = Case { jobs, ..case };
        let adaptive = case.time(WAYS[0], Prefetch::Adaptive);
        let fixed = case.time(WAYS[0], Prefetch::Fixed(prefetch));
        assert!(
            adaptive.as_secs_f64() <= 1.05 * fixed.as_secs_f64(),
            "{}: {adaptive:?}, {fixed:?}",
            case.name
        );
        if case.name == "mixed" {
            let bound = case.bound();
            assert!(adaptive.as_secs_f64() <= 1.10 * bound.as_secs_f64(), "{adaptive:?}, {bound:?}");
            let dealt = case.time(WAYS[0], case.dealt());
            assert!(dealt > adaptive, "to deal out in turn is worse: {dealt:?}, {adaptive:?}");
        }
    }
}
