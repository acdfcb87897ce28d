//! Makes a failing seed smaller: fewer kinds of faults, fewer workers, less work, less time, as long as it still fails. It changes nothing
//! but the options.

use crate::plan::Plan;
use crate::plan::options::Options;
use crate::sweep::attempt;

/// The smallest options found with which a seed still fails, and how it fails then.
#[must_use]
pub fn shrink(seed: u64, options: &Options) -> (Options, String) {
    let mut shrinker = Shrinker { seed, best: options.clone(), what: String::new() };
    if !shrinker.try_with(options.clone()) {
        return (options.clone(), "it does not fail again".to_owned());
    }
    while shrinker.pass() {}
    (shrinker.best, shrinker.what)
}

struct Shrinker {
    seed: u64,
    best: Options,
    what: String,
}

impl Shrinker {
    /// Tries everything once; whether anything became smaller.
    fn pass(&mut self) -> bool {
        let mut has_shrunk = false;
        let plan = Plan::of(self.seed, &self.best);
        for fault in plan.faults.present() {
            let mut options = self.best.clone();
            options.without.push(fault);
            has_shrunk |= self.try_with(options);
        }
        for workers in smaller(plan.workers as u64) {
            let workers = usize::try_from(workers).ok();
            has_shrunk |= self.try_with(Options { workers, ..self.best.clone() });
        }
        for channels in 1..plan.channels.len() {
            has_shrunk |= self.try_with(Options { channels: Some(channels), ..self.best.clone() });
        }
        let load = plan.channels.iter().map(|channel| channel.jobs).max().unwrap_or(1);
        for load in smaller(load) {
            has_shrunk |= self.try_with(Options { load: Some(load), ..self.best.clone() });
        }
        for seconds in smaller(self.best.seconds()) {
            has_shrunk |= self.try_with(Options { seconds: Some(seconds), ..self.best.clone() });
        }
        has_shrunk
    }

    /// Keeps options with which the seed still fails, and which are smaller than the best.
    fn try_with(&mut self, options: Options) -> bool {
        if !self.what.is_empty() && weight(self.seed, &options) >= weight(self.seed, &self.best) {
            return false;
        }
        let what = match attempt(self.seed, &options) {
            Ok(report) => report.verdict.err(),
            Err(panic) => Some(panic),
        };
        let Some(what) = what else { return false };
        self.best = options;
        self.what = what;
        true
    }
}

/// What to try instead of a number: small ones first.
fn smaller(number: u64) -> impl Iterator<Item = u64> {
    let mut all = vec![1, number / 8, number / 4, number / 2, number * 3 / 4, number.saturating_sub(1)];
    all.retain(|candidate| (1..number).contains(candidate));
    all.dedup();
    all.into_iter()
}

/// How much there is to look at.
fn weight(seed: u64, options: &Options) -> u64 {
    let plan = Plan::of(seed, options);
    let jobs: u64 = plan.channels.iter().map(|channel| channel.jobs).sum();
    let (faults, channels) = (plan.faults.present().count() as u64, plan.channels.len() as u64);
    faults * 1000 + plan.workers as u64 * 300 + channels * 300 + jobs * 10 + options.seconds() * 5
}
