//! What a case gave: the best fixed prefetch, and how far from it one is without a setting.

use anyhow::{Context, Result};
use serde::Serialize;

use super::WORKERS;
use super::case::Case;
use super::serving::Done;
use crate::own::say;
use crate::stats::{Spread, round};

/// All runs with one setting.
#[derive(Debug)]
pub(super) struct Runs {
    /// The fixed prefetch; none where nothing is set.
    pub(super) credit: Option<u32>,
    done: Vec<Done>,
}

impl Runs {
    pub(super) const fn new(credit: Option<u32>) -> Self {
        Self { credit, done: Vec::new() }
    }

    pub(super) fn add(&mut self, done: Done) {
        self.done.push(done);
    }

    /// The setting, as it stands in a table.
    pub(super) fn name(&self) -> String {
        self.credit.map_or_else(|| "adaptive".to_owned(), |credit| format!("fixed {credit}"))
    }

    fn median(&self, read: impl Fn(&Done) -> f64) -> Result<f64> {
        Ok(Spread::of(self.done.iter().map(read)).context("there was no run")?.median)
    }

    fn seconds(&self) -> Result<f64> {
        self.median(|done| done.elapsed.as_secs_f64())
    }
}

/// One fixed prefetch.
#[derive(Debug, Clone, Copy, Serialize)]
struct Fixed {
    credit: u32,
    seconds: f64,
}

/// What is printed of a case: medians, in seconds.
#[derive(Debug, Serialize)]
pub(super) struct CaseReport {
    command: &'static str,
    case: String,
    n: u64,
    workers: u32,
    adaptive_s: f64,
    fixed: Vec<Fixed>,
    /// The list dealt at once.
    dealt_s: f64,
    best_credit: u32,
    best_s: f64,
    ratio_to_best: f64,
    /// What nobody could be faster than; none where jobs take no time.
    bound_s: Option<f64>,
    ratio_to_bound: Option<f64>,
}

impl CaseReport {
    pub(super) fn new(case: Case, n: u64, settings: &[Runs]) -> Result<Self> {
        let mut fixed = Vec::new();
        for runs in settings {
            if let Some(credit) = runs.credit {
                fixed.push(Fixed { credit, seconds: round(runs.seconds()?, 4) });
            }
        }
        let adaptive = settings.iter().find(|runs| runs.credit.is_none()).context("nothing was adaptive")?;
        let best =
            fixed.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("nothing was fixed")?;
        let dealt_s = fixed.last().context("nothing was fixed")?.seconds;
        let adaptive_s = round(adaptive.seconds()?, 4);
        let has_bound = case.micros(0) > 0;
        let bound_s = adaptive.median(|done| done.bound.as_secs_f64())?;
        let to_bound = adaptive.median(|done| done.elapsed.as_secs_f64() / done.bound.as_secs_f64())?;
        Ok(Self {
            command: "credit",
            case: case.to_string(),
            n,
            workers: WORKERS,
            adaptive_s,
            dealt_s,
            best_credit: best.credit,
            best_s: best.seconds,
            ratio_to_best: round(adaptive_s / best.seconds, 3),
            bound_s: has_bound.then(|| round(bound_s, 4)),
            ratio_to_bound: has_bound.then(|| round(to_bound, 3)),
            fixed,
        })
    }

    /// The same for a person.
    pub(super) fn tell(&self) -> Result<()> {
        say(format_args!("{}, {} jobs, {} workers", self.case, self.n, self.workers))?;
        say(format_args!("  adaptive      {:8.3} s", self.adaptive_s))?;
        for Fixed { credit, seconds } in &self.fixed {
            say(format_args!("  fixed {credit:6}  {seconds:8.3} s"))?;
        }
        say(format_args!(
            "  adaptive to the best fixed, {}: {}; the list dealt at once: {:.3} s",
            self.best_credit, self.ratio_to_best, self.dealt_s
        ))?;
        let Some((bound, ratio)) = self.bound_s.zip(self.ratio_to_bound) else {
            return Ok(());
        };
        say(format_args!("  adaptive to the bound, {bound:.3} s: {ratio}"))
    }
}
