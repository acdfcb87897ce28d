//! Deliveries named in runs: the body of `STARTED` and of `CANCEL`. It knows nothing of what they are named for.

use crate::ids::{Attempt, JobId};
use crate::limits;
use crate::varint;

/// Some deliveries of one attempt: in each run a job, and how many further consecutive ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) attempt: Attempt,
    pub(crate) runs: Vec<(JobId, u32)>,
}

impl Runs {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, u64::from(self.attempt.0));
        varint::put(out, self.runs.len() as u64);
        let mut previous = 0u64;
        for (job, further) in &self.runs {
            varint::put(out, varint::zigzag(job.0.wrapping_sub(previous).cast_signed()));
            varint::put(out, u64::from(*further));
            previous = job.0;
        }
    }

    /// Reads a body. Runs that name more jobs than any worker can hold are a lie; each run takes two bytes at least.
    pub(crate) fn take(mut body: &[u8]) -> Option<Self> {
        let attempt = Attempt(u32::try_from(varint::take(&mut body)?).ok()?);
        let count =
            usize::try_from(varint::take(&mut body)?).ok().filter(|count| *count <= body.len() / 2)?;
        let mut runs = Vec::with_capacity(count);
        let (mut job, mut named) = (0u64, 0u64);
        for _ in 0..count {
            job = job.wrapping_add(varint::unzigzag(varint::take(&mut body)?).cast_unsigned());
            let further = u32::try_from(varint::take(&mut body)?).ok()?;
            named += u64::from(further) + 1;
            job.checked_add(u64::from(further)).filter(|_| named <= limits::MAX_RUN)?;
            runs.push((JobId(job), further));
        }
        Some(Self { attempt, runs })
    }
}

/// Gathers deliveries into runs, and the runs into bodies.
#[derive(Debug, Default)]
pub(crate) struct RunList {
    bodies: Vec<Runs>,
    /// How many jobs the last body names.
    named: u64,
}

impl RunList {
    /// Names a delivery. What is named in the order of the jobs becomes one run.
    pub(crate) fn push(&mut self, job: JobId, attempt: Attempt) {
        if self.named < limits::MAX_RUN
            && let Some(body) = self.bodies.last_mut()
            && body.attempt == attempt
        {
            let last = body.runs.last_mut();
            if let Some((_, further)) =
                last.filter(|(first, further)| first.0.checked_add(u64::from(*further) + 1) == Some(job.0))
            {
                *further += 1;
                self.named += 1;
                return;
            }
            if body.runs.len() < limits::MAX_RUNS {
                body.runs.push((job, 0));
                self.named += 1;
                return;
            }
        }
        self.bodies.push(Runs { attempt, runs: vec![(job, 0)] });
        self.named = 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The bodies, each of which fits a frame; the list is empty then.
    pub(crate) fn take(&mut self) -> Vec<Runs> {
        self.named = 0;
        std::mem::take(&mut self.bodies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(deliveries: impl IntoIterator<Item = (u64, u32)>) -> Vec<Runs> {
        let mut list = RunList::default();
        deliveries.into_iter().for_each(|(job, attempt)| list.push(JobId(job), Attempt(attempt)));
        let bodies = list.take();
        assert!(list.is_empty());
        bodies
    }

    #[test]
    fn deliveries_become_runs_and_read_as_they_were_written() {
        let bodies = list([(7, 1), (8, 1), (9, 1), (3, 1), (u64::MAX, 1), (4, 2)]);
        let runs = [vec![(JobId(7), 2), (JobId(3), 0), (JobId(u64::MAX), 0)], vec![(JobId(4), 0)]];
        assert_eq!(bodies.iter().map(|body| body.runs.clone()).collect::<Vec<_>>(), runs);
        for body in bodies {
            let mut out = Vec::new();
            body.put(&mut out);
            assert_eq!(Runs::take(&out), Some(body.clone()));
            for end in 0..out.len() {
                assert_eq!(Runs::take(&out[..end]), None, "cut at {end}");
            }
            out.extend_from_slice(b"a later version's");
            assert_eq!(Runs::take(&out), Some(body));
        }
    }

    #[test]
    fn a_body_fits_a_frame_and_is_taken_back() {
        let scattered = list((0..20_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), u32::MAX)));
        let dense = list((1..=200_000).map(|job| (job, 1)));
        assert_eq!(dense.len(), 4);
        let mut jobs = 0;
        for body in scattered.iter().chain(&dense) {
            let mut out = Vec::new();
            body.put(&mut out);
            assert!(out.len() <= limits::MAX_FRAME_BODY, "{}", out.len());
            assert_eq!(Runs::take(&out).as_ref(), Some(body));
            jobs += body.runs.iter().map(|(_, further)| u64::from(*further) + 1).sum::<u64>();
        }
        assert_eq!(jobs, 220_000);
    }

    #[test]
    fn lies_are_refused() {
        let written = |runs: &[(u64, u64)]| {
            let mut out = vec![1];
            varint::put(&mut out, runs.len() as u64);
            let mut previous = 0u64;
            for (job, further) in runs {
                varint::put(&mut out, varint::zigzag(job.wrapping_sub(previous).cast_signed()));
                varint::put(&mut out, *further);
                previous = *job;
            }
            Runs::take(&out)
        };
        assert!(written(&[(1, limits::MAX_RUN - 1)]).is_some());
        assert_eq!(written(&[(1, limits::MAX_RUN)]), None, "more than any worker holds");
        assert_eq!(written(&[(1, limits::MAX_RUN - 1), (1, 0)]), None, "... in two runs");
        assert_eq!(written(&[(u64::MAX, 1)]), None, "beyond the last number");
        assert_eq!(Runs::take(&[1, 0xff, 0xff, 0x03, 0, 0]), None, "a count that nothing stands behind");
    }
}
