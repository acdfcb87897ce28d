//! Jobs that wait behind others while a worker is idle: they are taken back, and go to whoever is idle. A window is small, so that hardly any
//! job ever waits long; but one that was short until now may be long, and the end of the work must not be the slowest worker's.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dispatch::Dispatch;
use crate::dispatch::lease::MemberId;
use crate::time::Time;

/// How long somebody is idle, and somebody else's jobs wait, before that is looked into; and what they must wait, at least, to be worth
/// their way back. A thousand looks a second are nothing.
const PERIOD: Duration = Duration::from_millis(1);

/// So many workers are looked at, at most, in one go.
const LOOKED_AT: usize = 64;

/// Whose jobs wait, and when that is looked into.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    /// Workers with more in hand than they work on; perhaps they had.
    laden: VecDeque<MemberId>,
    due: Option<Time>,
    /// How many jobs are to be asked of which workers.
    recalls: Vec<(MemberId, u32)>,
    /// Workers that have something to be handed beside what is placed with them.
    resumed: Vec<MemberId>,
}

impl Balance {
    /// When [`Dispatch::balance_if_due`] has something to do.
    pub(crate) const fn next(&self) -> Option<Time> {
        self.due
    }

    /// A worker has something to be handed.
    pub(crate) fn resume(&mut self, member: MemberId) {
        self.resumed.push(member);
    }

    /// Those that have, since the last call.
    pub(crate) fn take_resumed(&mut self) -> Vec<MemberId> {
        std::mem::take(&mut self.resumed)
    }

    /// A worker has left.
    pub(crate) fn forget(&mut self, member: MemberId) {
        self.resumed.retain(|other| *other != member);
        self.laden.retain(|other| *other != member);
        self.recalls.retain(|(other, _)| *other != member);
    }

    #[cfg(any(debug_assertions, test))]
    pub(crate) fn laden(&self) -> usize {
        self.laden.len()
    }
}

impl Dispatch {
    /// How many of their newest jobs workers are to be asked for, those that they have not begun, since the last call.
    pub(crate) fn take_recalls(&mut self) -> Vec<(MemberId, u32)> {
        std::mem::take(&mut self.balance.recalls)
    }

    /// How long the line takes to a worker and back.
    pub(crate) fn set_delay(&mut self, member: MemberId, delay: Duration) {
        if let Some(lease) = self.lease_mut(member) {
            lease.window.set_delay(delay);
        }
    }

    /// Remembers a worker whose jobs wait behind others. Where its user has set how many it has, that is what it has.
    pub(super) fn note_laden(&mut self, member: MemberId) {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else { return };
        if !lease.is_laden && lease.surplus() > 0 && !lease.window.is_fixed() && self.keys.is_none() {
            lease.is_laden = true;
            self.balance.laden.push_back(member);
        }
    }

    /// Sees to it that whoever is idle is not so for long, while others have too much.
    pub(super) fn plan_balance(&mut self, now: Time) {
        if self.balance.due.is_none() {
            let soon = self.is_unbalanced().then(|| now + PERIOD);
            self.balance.due = soon.or_else(|| self.next_look_at_stragglers(now));
        }
    }

    fn is_unbalanced(&self) -> bool {
        self.ring.idle() > 0
            && !self.balance.laden.is_empty()
            && self.stats.workers > 1
            && self.backlog.is_empty()
            && !self.is_paused()
    }

    /// Takes jobs back, if it is time and somebody still is idle.
    pub(super) fn balance_if_due(&mut self, now: Time) {
        if self.balance.due.is_none_or(|due| due > now) {
            return;
        }
        self.balance.due = None;
        self.speculate(now);
        let mut idle = u32::try_from(self.ring.idle()).unwrap_or(u32::MAX);
        for _ in 0..self.balance.laden.len().min(LOOKED_AT) {
            if idle == 0 || !self.is_unbalanced() {
                break;
            }
            let Some(member) = self.balance.laden.pop_front() else { break };
            idle -= self.take_back(now, member, idle).min(idle);
        }
        self.plan_balance(now);
    }

    /// Takes from a worker, if it will not come to them soon, so many of its jobs that they are shared evenly with so many others; returns
    /// how many.
    fn take_back(&mut self, now: Time, member: MemberId, idle: u32) -> u32 {
        let Some(lease) = self.leases.get_mut(member.0 as usize).and_then(Option::as_mut) else { return 0 };
        let surplus = lease.surplus();
        lease.is_laden = false;
        if surplus == 0 || !lease.is_active() {
            return 0;
        }
        let enough = PERIOD + 2 * lease.window.delay();
        if lease.window.quiet(now) < enough && lease.window.pace().saturating_mul(surplus) < enough {
            self.note_laden(member);
            return 0;
        }
        let share = u64::from(surplus) * u64::from(idle) / (u64::from(idle) + 1);
        let share = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        // It is not to be given them again.
        lease.is_late = true;
        // What is not on its way yet need not be asked for.
        let at_once = self.take_back_placed(member);
        let asked = share.saturating_sub(at_once);
        self.restand(member);
        if asked == 0 {
            self.note_laden(member);
        } else if let Some(lease) = self.lease_mut(member) {
            // Looked at again when it is given something, or has given something back.
            lease.ask(asked);
            self.balance.recalls.push((member, asked));
        }
        share.max(at_once)
    }
}
