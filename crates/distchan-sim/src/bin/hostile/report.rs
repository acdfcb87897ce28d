//! What came of a run, and whether it may be so.

use std::fmt;

use distchan::ChannelStats;

use crate::attack::KINDS;
use crate::gauge::Gauge;
use crate::ledger::Counts;
use crate::site::Calls;
use crate::stranger::Kinds;

/// Memory that allocator and runtime may have taken meanwhile, and need not give back. A leak of 100 bytes for each connection would
/// exceed it with 200,000 of them.
const MARGIN_KIB: u64 = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) connections: u64,
    pub(crate) seconds: f64,
    pub(crate) kinds: Kinds,
    pub(crate) panics: u64,
    /// Jobs a second without strangers ...
    pub(crate) undisturbed: f64,
    /// ... and with them.
    pub(crate) disturbed: f64,
    pub(crate) before: Gauge,
    /// Once all strangers are gone.
    pub(crate) after: Gauge,
    /// Whether the server knows of nobody but its workers then.
    pub(crate) is_alone: bool,
    /// Workers that lost their session.
    pub(crate) workers_lost: usize,
    pub(crate) jobs: Counts,
    pub(crate) calls: Calls,
    /// The channel on which strangers can do something.
    pub(crate) bait: ChannelStats,
}

impl Report {
    /// How many strangers did what.
    pub(crate) fn kinds(&self) -> String {
        let each = KINDS.iter().zip(self.kinds).map(|(name, count)| format!("{name} {count}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// What came of those that got in.
    pub(crate) fn bait(&self) -> String {
        let ChannelStats { redelivered, refused_answers, crashes, .. } = self.bait;
        format!("jobs delivered again {redelivered}, answers refused {refused_answers}, crashes {crashes}")
    }

    fn ratio(&self) -> f64 {
        self.disturbed / self.undisturbed
    }

    /// What must not be, in words.
    pub(crate) fn violations(&self, least: f64) -> Vec<String> {
        let Counts { lost, duplicated, wrong, .. } = self.jobs;
        let Calls { made, settled } = self.calls;
        let mut found = Vec::new();
        let mut check = |is_kept: bool, what: String| {
            if !is_kept {
                found.push(what);
            }
        };
        check(self.panics == 0, format!("{} panics", self.panics));
        check(lost == 0, format!("{lost} jobs have no result"));
        check(duplicated == 0, format!("{duplicated} results came twice"));
        check(wrong == 0, format!("{wrong} results are not what their workers made"));
        check(made == settled, format!("{settled} of {made} calls to strangers have an outcome"));
        check(self.workers_lost == 0, format!("{} workers lost their session", self.workers_lost));
        check(self.is_alone, "strangers have sessions after they have gone".to_owned());
        check(
            self.after.descriptors <= self.before.descriptors,
            "descriptors are held that nobody needs".to_owned(),
        );
        let bound = self.before.kib.map(|kib| kib + MARGIN_KIB);
        check(self.after.kib <= bound, format!("memory has grown by more than {MARGIN_KIB} KiB"));
        check(
            self.ratio() >= least,
            format!("the workers got on {:.2} x as fast, not {least} x", self.ratio()),
        );
        found
    }

    /// Whether what strangers held is given back.
    pub(crate) fn is_given_back(before: &Gauge, now: &Gauge) -> bool {
        now.descriptors <= before.descriptors && now.kib <= before.kib.map(|kib| kib + MARGIN_KIB)
    }
}

/// The closing line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, lost, duplicated, wrong, .. } = self.jobs;
        let Calls { made, settled } = self.calls;
        let show = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        write!(
            f,
            "connections {} ({:.0}/s) panics {} jobs {sent} lost {lost} duplicated {duplicated} wrong {wrong} \
             calls {made} settled {settled} workers lost {} throughput {:.0}/s undisturbed {:.0}/s ratio {:.2} \
             memory {} -> {} KiB descriptors {} -> {}",
            self.connections,
            self.connections as f64 / self.seconds,
            self.panics,
            self.workers_lost,
            self.disturbed,
            self.undisturbed,
            self.ratio(),
            show(self.before.kib),
            show(self.after.kib),
            show(self.before.descriptors),
            show(self.after.descriptors),
        )
    }
}
