//! The progress bar, on a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::server::ledger::Counts;

/// The progress bar; nothing where nobody wants one, or nobody sees it.
#[derive(Debug)]
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(is_wanted: bool) -> Self {
        if !is_wanted || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = "{wide_bar} {pos}/{len} {msg} {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// Shows how things stand. Until all inputs have been read, the total is what was read so far.
    pub(super) fn show(&self, counts: Counts) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(counts.sent);
        bar.set_position(counts.succeeded + counts.failed);
        let more = if counts.is_total { "" } else { " so far" };
        bar.set_message(format!("{} running, {} failed{more}", counts.running, counts.failed));
    }

    /// Runs something that prints, with the bar out of its way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
