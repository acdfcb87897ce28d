//! When to stop early: the grammar of `--halt`.

use std::str::FromStr;

use crate::wire::Pauses;

/// A condition, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Halt {
    pub(crate) how: How,
    pub(crate) on: On,
    pub(crate) count: Count,
}

/// What becomes of the jobs that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// They are ended.
    Now,
    /// They are finished.
    Soon,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Fail,
    Success,
    Done,
}

/// How many are enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Count {
    Jobs(u64),
    /// Of all jobs, once it is known how many there are.
    Percent(f64),
}

impl Halt {
    /// Reads `never`, `now,fail=1`, `soon,success=10%`; and the old forms `0`, `1`, `2` and `20%`. `None` for never.
    pub(super) fn read(text: &str) -> Result<Option<Self>, String> {
        let fail = |how, count| Ok(Some(Self { how, on: On::Fail, count }));
        match text {
            "never" | "0" => return Ok(None),
            "1" => return fail(How::Soon, Count::Jobs(1)),
            "2" => return fail(How::Now, Count::Jobs(1)),
            _ => {}
        }
        if let Ok(count @ Count::Percent(_)) = text.parse() {
            return fail(How::Soon, count);
        }
        text.parse().map(Some)
    }
}

impl Halt {
    /// After which endings nothing is begun until it is clear whether it is enough.
    pub(super) fn pauses(self) -> Pauses {
        Pauses { on_failure: self.on != On::Success, on_success: self.on != On::Fail }
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a way to halt: never, or now|soon,fail|success|done=N or N%");
        let (how, rest) = text.split_once(',').ok_or_else(wrong)?;
        let (on, count) = rest.split_once('=').ok_or_else(wrong)?;
        let how = match how {
            "now" => How::Now,
            "soon" => How::Soon,
            _ => return Err(wrong()),
        };
        let on = match on {
            "fail" => On::Fail,
            "success" => On::Success,
            "done" => On::Done,
            _ => return Err(wrong()),
        };
        Ok(Self { how, on, count: count.parse().map_err(|()| wrong())? })
    }
}

impl FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().map_err(|_| ())?;
            return if percent > 0.0 && percent <= 100.0 { Ok(Self::Percent(percent)) } else { Err(()) };
        }
        match text.parse() {
            Ok(jobs @ 1..) => Ok(Self::Jobs(jobs)),
            Ok(0) | Err(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_gnu_parallels() {
        let check = |text: &str, expected: Option<Halt>| assert_eq!(Halt::read(text), Ok(expected), "{text}");
        check("never", None);
        check("2", Some(Halt { how: How::Now, on: On::Fail, count: Count::Jobs(1) }));
        check("soon,fail=3", Some(Halt { how: How::Soon, on: On::Fail, count: Count::Jobs(3) }));
        check("now,success=20%", Some(Halt { how: How::Now, on: On::Success, count: Count::Percent(20.0) }));
        check("10%", Some(Halt { how: How::Soon, on: On::Fail, count: Count::Percent(10.0) }));
        for wrong in ["", "now", "later,fail=1", "now,fail", "now,fail=0", "now,fail=101%", "now,x=1"] {
            Halt::read(wrong).unwrap_err();
        }
    }
}
