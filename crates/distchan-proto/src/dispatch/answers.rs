//! What workers say of their jobs: each answer must speak of a delivery that its worker has, or is refused and counted.

use bytes::Bytes;

use crate::batch::{Batch, Entry, Kind};
use crate::dispatch::lease::{Lease, MemberId};
use crate::dispatch::lot::Settled;
use crate::dispatch::outcome;
use crate::dispatch::parts::Parts;
use crate::dispatch::records;
use crate::dispatch::{Dispatch, endings::Next};
use crate::failure::{AttemptEnd, Ending};
use crate::ids::{Attempt, JobId, SinkId};
use crate::sabotage::Sabotage;
use crate::time::Time;

impl Dispatch {
    /// Takes a batch of answers. What speaks of a job that is not with `member`, in this attempt, is refused and counted.
    pub(crate) fn answer(&mut self, now: Time, member: MemberId, batch: Batch) {
        let mut parts = Parts::new(batch);
        let settled_before = self.lots.unsettled();
        let mut index = 0;
        while let Some(entry) = parts.source().entries.get(index).copied() {
            if entry.kind == Kind::Last && self.keys.is_none() && self.outcomes.is_next(entry.job) {
                let count = self.answer_run(member, index, &mut parts);
                index += count;
                if count > 0 {
                    continue;
                }
            }
            let start = parts.source().start(index);
            // A run longer than all that this worker has is a lie: it is not worth a look-up for each job.
            if entry.run() > u64::from(self.lease(member).map_or(0, Lease::outstanding)) {
                self.stats.refused_answers += entry.run();
                self.unasked += if entry.kind == Kind::Unbegun { entry.run() } else { 0 };
                index += 1;
                continue;
            }
            let run = (0..entry.run()).map(|further| JobId(entry.job.0.wrapping_add(further)));
            if self.policy.speculate_after.is_some()
                && matches!(entry.kind, Kind::Result | Kind::Last | Kind::Done | Kind::Failed)
            {
                run.clone().for_each(|job| self.prefer(now, member, job, entry.attempt));
            }
            match entry.kind {
                Kind::Result => {
                    index = self.answer_results(member, index, &mut parts);
                    continue;
                }
                Kind::Last => self.answer_last(now, member, index, &mut parts),
                Kind::Failed => {
                    let text = parts.source().payload.slice(range(start, &entry));
                    self.answer_failed(
                        now,
                        member,
                        entry.job,
                        entry.attempt,
                        || records::reason(&text),
                        &mut parts,
                    );
                }
                Kind::Done => self.answer_done_run(now, member, start, &entry, &mut parts),
                Kind::Returned => run.for_each(|job| self.answer_returned(now, member, job, &entry)),
                Kind::Unbegun => run.for_each(|job| self.answer_unbegun(now, member, job, &entry)),
                Kind::Value | Kind::Void => {}
            }
            index += 1;
        }
        parts.flush(&mut self.outcomes);
        let settled = u32::try_from(settled_before - self.lots.unsettled()).unwrap_or(u32::MAX);
        self.after_answers(now, member, settled);
    }

    /// Jobs that are completed, one after the other, each with one result: what nearly all answers are. Returns how many entries that was.
    fn answer_run(&mut self, member: MemberId, index: usize, parts: &mut Parts) -> usize {
        let entries = parts.source().entries.get(index..).unwrap_or_default();
        let in_turn = self.outcomes.count_in_turn(entries);
        let run = self.lots.settle_run(member, entries.get(..in_turn).unwrap_or_default());
        if run.count == 0 {
            return 0;
        }
        parts.push_as_they_stand(run.sink, index..index + run.count, &mut self.outcomes);
        if self.outcomes.is_ordered() {
            parts.pass_over(run.count as u64, &mut self.outcomes);
        }
        self.count_completed(member, run.count, run.bytes);
        run.count
    }

    /// The worker's hands are emptier than before.
    fn after_answers(&mut self, now: Time, member: MemberId, settled: u32) {
        let lots = &mut self.lots;
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else {
            return;
        };
        lease.window.settled(now, settled, lease.in_hand() == 0, self.stats.workers);
        lease.is_late &= settled == 0;
        if lease.is_sparse() {
            lease.trim(|job| lots.first_open(job));
        }
        if lease.is_sparse() {
            let records = &self.records;
            lease.compact(|job, attempt| {
                lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, attempt))
                    || records.twin(job).is_some_and(|twin| twin.is_with(member, attempt))
            });
        }
        self.restand(member);
        if let Some(keys) = &mut self.keys {
            keys.resume(member);
        }
    }

    /// Results of a job, from `index` as far as they go: they stay in their part where the job's end follows in the same batch,
    /// else they are held. Returns the index behind them.
    fn answer_results(&mut self, member: MemberId, index: usize, parts: &mut Parts) -> usize {
        let rest = parts.source().entries.get(index..).unwrap_or_default();
        let Some(first) = rest.first() else { return index };
        let count = rest.iter().take_while(|next| next.job == first.job && next.kind == Kind::Result).count();
        let ends_here = rest.get(count).is_some_and(|end| end.job == first.job && end.kind == Kind::Last);
        let in_place = ends_here && !self.outcomes.is_ordered() && !self.outcomes.holds(first.job);
        let is_shown = in_place || Sabotage::ReleaseEarly.is_on();
        for index in index..index + count {
            let start = parts.source().start(index);
            let Some(entry) = parts.source().entries.get(index).copied() else { break };
            let slot = self.lots.slot_mut(entry.job);
            if !slot.is_some_and(|slot| slot.is_with(member, entry.attempt)) {
                self.stats.refused_answers += 1;
            } else if is_shown {
                parts.push(self.lots.sink_of(entry.job), start, entry, &mut self.outcomes);
            } else {
                let result = parts.source().payload.slice(range(start, &entry));
                self.hold(member, &result, &entry);
            }
        }
        index + count
    }

    /// Keeps a result for its job, at the expense of its worker's room.
    fn hold(&mut self, member: MemberId, result: &Bytes, entry: &Entry) {
        let before = self.outcomes.held_cost_of(entry.job);
        self.outcomes.hold(entry.job, result);
        let after = self.outcomes.held_cost_of(entry.job);
        if let Some(lease) = self.lease_mut(member) {
            lease.held = lease.held + after - before;
        }
    }

    /// A job is completed with the entry at `index`, which has a payload.
    fn answer_last(&mut self, now: Time, member: MemberId, index: usize, parts: &mut Parts) {
        let Some(entry) = parts.source().entries.get(index).copied() else {
            return;
        };
        let Some(sink) = self.complete(now, member, entry.job, entry.attempt, parts) else {
            return;
        };
        if self.outcomes.is_ordered() || self.outcomes.holds(entry.job) {
            parts.flush(&mut self.outcomes);
            self.outcomes.finish(entry.job, sink, parts.source().part(index..index + 1, Bytes::slice));
        } else {
            parts.push(sink, parts.source().start(index), entry, &mut self.outcomes);
        }
    }

    /// A run of jobs is completed, without a further result.
    fn answer_done_run(&mut self, now: Time, member: MemberId, start: u32, entry: &Entry, parts: &mut Parts) {
        let mut done = 0;
        while done < entry.run() {
            let job = JobId(entry.job.0.wrapping_add(done));
            // In order, what nobody has to wait for goes the same way as all others.
            let is_plain = self.keys.is_none() && !self.outcomes.is_ordered() && self.outcomes.is_next(job);
            let span =
                is_plain.then(|| self.lots.settle_span(member, job, entry.run() - done, entry.attempt));
            let Some(span) = span.filter(|span| span.count > 0) else {
                self.answer_done(now, member, job, start, entry, parts);
                done += 1;
                continue;
            };
            parts.push_done(span.sink, start, job, span.count as u64, entry, &mut self.outcomes);
            self.count_completed(member, span.count, span.bytes);
            done += span.count as u64;
        }
    }

    /// So many jobs were completed, of so many bytes.
    fn count_completed(&mut self, member: MemberId, count: usize, bytes: u64) {
        self.stats.completed += count as u64;
        if let Some(lease) = self.lease_mut(member) {
            lease.release(u32::try_from(count).unwrap_or(u32::MAX), bytes);
            lease.completed += count as u64;
        }
    }

    /// A job of a run is completed without a further result.
    fn answer_done(
        &mut self,
        now: Time,
        member: MemberId,
        job: JobId,
        start: u32,
        entry: &Entry,
        parts: &mut Parts,
    ) {
        let Some(sink) = self.complete(now, member, job, entry.attempt, parts) else {
            return;
        };
        if self.outcomes.is_ordered() || self.outcomes.holds(job) {
            parts.flush(&mut self.outcomes);
            let entries = vec![Entry { job, extra: 0, end: 0, ..*entry }];
            self.outcomes.finish(job, sink, Batch { entries, ..Batch::default() });
        } else {
            parts.push_done(sink, start, job, 1, entry, &mut self.outcomes);
        }
    }

    /// Gives a job its outcome and returns its sink; refuses, or lets it fail, where that is not to be.
    fn complete(
        &mut self,
        now: Time,
        member: MemberId,
        job: JobId,
        attempt: Attempt,
        parts: &mut Parts,
    ) -> Option<SinkId> {
        if self.outcomes.is_overflown(job) {
            self.answer_failed(now, member, job, attempt, outcome::overflow, parts);
            return None;
        }
        if self.records.twin(job).is_some()
            && self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, attempt))
        {
            self.drop_twin(job);
        }
        let key = self.keys.is_some().then(|| self.lots.key_of(job)).flatten();
        let Some(Settled { slot, sink, bytes }) = self.lots.settle(job, member, attempt) else {
            self.refuse(member, job, attempt);
            return (Sabotage::CompleteTwice.is_on() && self.lots.slot_mut(job).is_none())
                .then_some(SinkId::RECEIVER);
        };
        let member = if Sabotage::AcceptStale.is_on() { slot.member().unwrap_or(member) } else { member };
        let was_begun = slot.has_record() && self.records.close(job).started.is_some();
        self.stats.completed += 1;
        if let (Some(keys), Some(key)) = (&mut self.keys, key) {
            keys.vacate(key, member);
        }
        let held = self.outcomes.held_cost_of(job);
        if let Some(lease) = self.lease_mut(member) {
            lease.release_one(bytes, was_begun);
            lease.held -= held;
            lease.completed += 1;
        }
        Some(sink)
    }

    fn answer_failed(
        &mut self,
        now: Time,
        member: MemberId,
        job: JobId,
        attempt: Attempt,
        reason: impl FnOnce() -> String,
        parts: &mut Parts,
    ) {
        if self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, attempt)) {
            // Outcomes stay in the order in which they came.
            parts.flush(&mut self.outcomes);
            self.fail(now, member, job, reason());
        } else {
            self.refuse(member, job, attempt);
        }
    }

    fn answer_returned(&mut self, now: Time, member: MemberId, job: JobId, entry: &Entry) {
        if !self.lots.slot_mut(job).is_some_and(|slot| slot.is_with(member, entry.attempt)) {
            if !self.return_twin(member, job, entry.attempt) {
                self.refuse(member, job, entry.attempt);
            }
            return;
        }
        self.release_from(member, job);
        if let Some(identity) = self.lease(member).map(|lease| lease.identity.clone()) {
            self.end_attempt(now, job, &identity, AttemptEnd::Returned);
            self.go_on(now, job, Next::AtOnce);
        }
        // Whoever gives a job back is not the next to be asked.
        if let Some(lease) = self.lease_mut(member) {
            lease.is_averse = true;
        }
    }

    /// A job that was asked back, and had not been begun: it is as though it had never been delivered. Whoever says that unasked, or of one
    /// that it had begun, gives it back like any other.
    fn answer_unbegun(&mut self, now: Time, member: MemberId, job: JobId, entry: &Entry) {
        let Some(slot) = self.lots.slot_mut(job).filter(|slot| slot.is_with(member, entry.attempt)) else {
            return self.answer_returned(now, member, job, entry);
        };
        let is_known = slot.has_record();
        let was_begun = is_known && self.records.get(job).is_some_and(|record| record.started.is_some());
        let was_asked = self.lease_mut(member).is_some_and(Lease::was_asked);
        self.unasked += u64::from(!was_asked);
        if was_begun || !was_asked {
            return self.answer_returned(now, member, job, entry);
        }
        self.release_from(member, job);
        self.outcomes.forget(job);
        match self.records.twin(job).filter(|twin| twin.handed.is_some()) {
            Some(twin) => self.promote(now, job, twin),
            None if self.records.get(job).is_some_and(|record| record.is_deadly(self.policy.crash_limit)) => {
                self.give_up(job, Ending::Dead, false);
            }
            None => {
                self.drop_twin(job);
                self.requeue(job);
            }
        }
        self.stats.recalled += 1;
        self.note_laden(member);
    }

    /// An answer that has no effect, but that it frees the place of a delivery that was revoked.
    fn refuse(&mut self, member: MemberId, job: JobId, attempt: Attempt) {
        self.stats.refused_answers += 1;
        if let Some(lease) = self.lease_mut(member) {
            lease.release_revoked(job, attempt);
        }
    }

    /// A handed job is no longer in its worker's hand.
    pub(super) fn release_from(&mut self, member: MemberId, job: JobId) {
        self.vacate(member, job);
        let bytes = self.lots.bytes_of(job);
        let was_begun = self.records.get(job).is_some_and(|record| record.started.is_some());
        let held = self.outcomes.held_cost_of(job);
        if let Some(lease) = self.lease_mut(member) {
            lease.release_one(bytes, was_begun);
            lease.held -= held;
        }
    }
}

const fn range(start: u32, entry: &Entry) -> std::ops::Range<usize> {
    start as usize..entry.end as usize
}
