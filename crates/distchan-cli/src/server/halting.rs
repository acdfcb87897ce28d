//! Whether it is enough.

use crate::exit;
use crate::settings::{Count, Halt, How, On};
use crate::wire::Exit;

/// Watches how jobs end.
#[derive(Debug)]
pub(super) struct Halting {
    halt: Option<Halt>,
    counted: u64,
}

/// It is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Enough {
    pub(super) how: How,
    /// What to exit with; where nothing is said, the number of failed jobs.
    pub(super) status: Option<u8>,
}

impl Halting {
    pub(super) const fn new(halt: Option<Halt>) -> Self {
        Self { halt, counted: 0 }
    }

    /// A job has its outcome. `total` is known once all inputs have been read; before, percentages wait.
    pub(super) fn see(&mut self, exit: &Exit, total: Option<u64>) -> Option<Enough> {
        let halt = self.halt?;
        let counts = match halt.on {
            On::Fail => !exit.is_success(),
            On::Success => exit.is_success(),
            On::Done => true,
        };
        self.counted += u64::from(counts);
        let is_enough = match halt.count {
            Count::Jobs(jobs) => counts && self.counted >= jobs,
            Count::Percent(percent) => total.is_some_and(|total| self.percent(total) >= percent),
        };
        let status = match (halt.on, halt.count, total) {
            (On::Done, ..) => None,
            (On::Success, ..) => Some(exit::SUCCESS),
            (On::Fail, Count::Percent(_), Some(total)) => Some(rounded_up(self.percent(total))),
            (On::Fail, ..) => Some(u8::try_from(exit.status()).unwrap_or(exit::INTERNAL)),
        };
        is_enough.then_some(Enough { how: halt.how, status })
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of jobs are far below 2^52")]
    fn percent(&self, total: u64) -> f64 {
        if total == 0 { 0.0 } else { self.counted as f64 * 100.0 / total as f64 }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn rounded_up(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0).ceil() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_enough_when_the_condition_holds_for_the_first_time() {
        let halt = Halt { how: How::Now, on: On::Fail, count: Count::Jobs(2) };
        let mut halting = Halting::new(Some(halt));
        assert_eq!(halting.see(&Exit::Code(3), None), None);
        assert_eq!(halting.see(&Exit::Code(0), None), None);
        assert_eq!(halting.see(&Exit::TimedOut(15), None), Some(Enough { how: How::Now, status: Some(124) }));

        let halt = Halt { how: How::Soon, on: On::Fail, count: Count::Percent(50.0) };
        let mut halting = Halting::new(Some(halt));
        assert_eq!(halting.see(&Exit::Code(3), None), None, "the total is not known");
        assert_eq!(halting.see(&Exit::Code(0), Some(4)), None);
        assert_eq!(halting.see(&Exit::Code(4), Some(4)), Some(Enough { how: How::Soon, status: Some(50) }));
        assert_eq!(Halting::new(None).see(&Exit::Code(1), Some(1)), None);
    }
}
