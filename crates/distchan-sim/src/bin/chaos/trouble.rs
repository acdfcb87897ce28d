//! Chooses what is done to whom, and when it is undone. The seed decides; no outcome is looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Problem;
use crate::books::Books;
use crate::fleet::Fleet;
use crate::proxy::dice::Dice;
use crate::proxy::{Cut, Fault, Proxy, Way};

/// Between two looks at what is due.
const STEP: Duration = Duration::from_millis(25);

/// What can be done, and how often in proportion.
const DEEDS: [(Deed, usize); 14] = [
    (Deed::Kill, 10),
    (Deed::Stop, 6),
    (Deed::GoOn, 6),
    (Deed::Leave, 5),
    (Deed::Join, 4),
    (Deed::Poison, 1),
    (Deed::SlowReader, 3),
    (Deed::Cut, 8),
    (Deed::Refuse, 3),
    (Deed::Stall, 5),
    (Deed::Blackhole, 3),
    (Deed::Trickle, 3),
    (Deed::Delay, 3),
    (Deed::Flip, 5),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Kill,
    Stop,
    GoOn,
    Leave,
    Join,
    Poison,
    SlowReader,
    Cut,
    Refuse,
    Stall,
    Blackhole,
    Trickle,
    Delay,
    Flip,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Trouble<'a> {
    dice: Dice,
    books: &'a Books,
    trace: bool,
    /// When a proxy is healed.
    heals: Vec<Option<Instant>>,
    pub(crate) done: BTreeMap<String, u64>,
}

impl<'a> Trouble<'a> {
    pub(crate) const fn new(dice: Dice, books: &'a Books, trace: bool) -> Self {
        Self { dice, books, trace, heals: Vec::new(), done: BTreeMap::new() }
    }

    /// Makes trouble for so long; then heals everything.
    pub(crate) async fn make(&mut self, fleet: &mut Fleet, time: Duration) -> Result<(), Problem> {
        let end = Instant::now() + time;
        self.heals = vec![None; fleet.proxies.len()];
        let mut next = Instant::now();
        while Instant::now() < end {
            fleet.tend()?;
            let now = Instant::now();
            for (heal, proxy) in self.heals.iter_mut().zip(&fleet.proxies) {
                if heal.take_if(|at| *at <= now).is_some() {
                    mend(proxy);
                }
            }
            if next <= now {
                self.choose(fleet)?;
                next = now + self.milliseconds(20, 300);
            }
            sleep(STEP).await;
        }
        fleet.proxies.iter().for_each(mend);
        fleet.go_on()
    }

    fn choose(&mut self, fleet: &mut Fleet) -> Result<(), Problem> {
        let mut at = self.dice.below(DEEDS.iter().map(|(_, weight)| weight).sum());
        let mut deeds = DEEDS.into_iter();
        let deed = loop {
            match deeds.next() {
                Some((_, weight)) if at >= weight => at -= weight,
                Some((deed, _)) => break deed,
                None => return Ok(()),
            }
        };
        *self.done.entry(format!("{deed:?}")).or_default() += 1;
        let member = self.dice.below(fleet.members.len());
        if self.trace {
            let whom = fleet.members.get(member).map_or("nobody", |member| &member.name);
            self.say(&format!("{deed:?} (were it a worker: {whom})"));
        }
        match deed {
            Deed::Kill => fleet.kill(member),
            Deed::Stop => fleet.stop(member),
            Deed::GoOn => fleet.go_on(),
            Deed::Leave => fleet.leave(member),
            Deed::Join if fleet.members.len() < 3 * self.heals.len().max(4) => fleet.join(),
            Deed::Join => Ok(()),
            Deed::Poison => {
                self.books.order_poison();
                Ok(())
            }
            Deed::SlowReader => {
                let book = if self.dice.below(2) == 0 { &self.books.mixed } else { &self.books.ordered };
                book.order_pause(self.milliseconds(50, 800));
                Ok(())
            }
            _ => {
                let proxy = self.dice.below(fleet.proxies.len());
                self.disturb(deed, &fleet.proxies[proxy]);
                self.heals[proxy] = Some(Instant::now() + self.milliseconds(50, 1_800));
                Ok(())
            }
        }
    }

    /// What is done to connections.
    fn disturb(&mut self, deed: Deed, proxy: &Proxy) {
        let way = [Some(Way::ToServer), Some(Way::ToWorker), None][self.dice.below(3)];
        let set = |fault| match way {
            Some(way) => proxy.set(way, fault),
            None => proxy.set_both(fault),
        };
        match deed {
            Deed::Cut => proxy.cut([Cut::Both, Cut::WorkersEnd, Cut::ServersEnd][self.dice.below(3)]),
            Deed::Refuse => {
                proxy.refuse(true);
                proxy.cut(Cut::Both);
            }
            Deed::Stall => set(Fault::Stall),
            Deed::Blackhole => set(Fault::Blackhole),
            Deed::Trickle => set(Fault::Trickle(2_000 + self.dice.below(50_000))),
            Deed::Delay => set(Fault::Delay(self.milliseconds(1, 200))),
            _ => proxy.flip(way.unwrap_or(Way::ToServer)),
        }
    }

    fn milliseconds(&mut self, least: u64, below: u64) -> Duration {
        let more = self.dice.below(usize::try_from(below - least).unwrap_or(0));
        Duration::from_millis(least + more as u64)
    }

    #[expect(clippy::print_stderr, reason = "asked for with --trace")]
    fn say(&self, what: &str) {
        eprintln!("{what}");
    }
}

/// All is as without a proxy, for new connections at least.
fn mend(proxy: &Proxy) {
    proxy.set_both(Fault::None);
    proxy.refuse(false);
}
