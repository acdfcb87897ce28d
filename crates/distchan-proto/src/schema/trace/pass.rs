//! One run of a type's `Deserialize` after the other, each on a chosen way into the type, until every place
//! was seen.
//!
//! It must never run for ever: passes, their steps and their depth are bounded, and each further pass needs
//! something learned in the one before.

use crate::schema::trace::ask::{Ask, Identity, Key, ROOT, SlotId, TypeId};
use crate::schema::trace::graph::Graph;
use crate::schema::trace::stop::{Descent, Halt, Mode, Stop};
use serde::de::{DeserializeOwned, Expected, Visitor};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How deep places may nest. Each level costs some frames of the type's own code on the stack.
const MAX_DEPTH: usize = 64;
/// The most bytes that the values being made may take together, as the stack holds several copies of each.
const MAX_SIZE: usize = 64 * 1024;
/// The most places visited in one pass: an array of this length can just not be made.
const MAX_STEPS: usize = 20_000;
/// The most places visited in the whole trace, which takes it well below a second.
const MAX_TOTAL_STEPS: usize = 400_000;
/// The most passes for one place: enough for every sample in several places on the way.
const MAX_PASSES: usize = 512;
/// What a type says about itself is cut to this length.
const MAX_EXPECTING: usize = 80;

/// A visit to one place of the traced type: the deserializer that the type meets there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<'t> {
    pub(super) tracer: &'t Tracer,
    pub(super) at: SlotId,
    pub(super) mode: Mode,
}

/// A trace under way.
#[derive(Debug)]
pub(super) struct Tracer {
    pub(super) human_readable: bool,
    graph: RefCell<Graph>,
    pass: RefCell<Pass>,
    steps_left: Cell<usize>,
}

#[derive(Debug, Default)]
struct Pass {
    path: Vec<SlotId>,
    halt: Option<Halt>,
    /// The places being visited, each with the sample that was in force around it.
    visiting: Vec<(SlotId, u8)>,
    /// Which sample leaves are offered that have not refused any themselves.
    sample: u8,
    /// The enums being made: one that is needed for itself cannot be made that way.
    making: Vec<TypeId>,
    /// The bytes of all values on the way to the place being visited.
    size: usize,
    steps: usize,
}

impl Tracer {
    /// Traces `T` and returns all that was learned.
    pub(super) fn run<T: DeserializeOwned>(human_readable: bool) -> Graph {
        let tracer = Self {
            human_readable,
            graph: RefCell::new(Graph::new()),
            pass: RefCell::default(),
            steps_left: Cell::new(MAX_TOTAL_STEPS),
        };
        loop {
            tracer.visit_all::<T>();
            if !tracer.note(Graph::open_tagged) {
                return tracer.graph.into_inner();
            }
        }
    }

    /// Visits every place that was not yet, in the order in which they were found.
    fn visit_all<T: DeserializeOwned>(&self) {
        let mut owner = TypeId(0);
        while let Some(slots) = self.look(|graph| graph.get(owner).map(|known| known.slots.len())) {
            for index in 0..slots {
                let target = SlotId { owner, index };
                if !self.note(|graph| std::mem::replace(&mut graph.slot(target).finished, true)) {
                    self.visit_slot::<T>(target);
                }
            }
            owner.0 += 1;
        }
    }

    /// Runs passes to one place until a value was made there or nothing more can be learned.
    fn visit_slot<T: DeserializeOwned>(&self, target: SlotId) {
        let path = self.look(|graph| graph.path(target));
        if path.len() > MAX_DEPTH {
            return;
        }
        for _ in 0..MAX_PASSES {
            let before = self.look(|graph| graph.progress);
            *self.pass.borrow_mut() = Pass { path: path.clone(), ..Pass::default() };
            // A type that panics on a value has refused it. Nothing of ours is borrowed while its code runs.
            let run = || drop(self.enter(ROOT, Mode::Follow(0), |probe| T::deserialize(probe)));
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                let at = self.pass.borrow().visiting.last().map_or(ROOT, |(at, _)| *at);
                self.note(|graph| graph.refuse(at));
            }
            self.steps_left.set(self.steps_left.get().saturating_sub(self.pass.borrow().steps));
            let ended = self.note(|graph| {
                let unlearned = graph.progress == before;
                let slot = graph.slot(target);
                slot.accepted || slot.exhausted || unlearned
            });
            if ended {
                return;
            }
        }
    }

    /// Visits a place: `run` deserializes what stands there from the probe it is given.
    pub(super) fn enter<'t, R>(
        &'t self,
        at: SlotId,
        mode: Mode,
        run: impl FnOnce(Probe<'t>) -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let around = self.begin(at, mode, size_of::<R>())?;
        let result = run(Probe { tracer: self, at, mode });
        self.pass.borrow_mut().size -= size_of::<R>();
        self.end(at, around, result.is_ok());
        result
    }

    /// Visits the place that a pass is on its way to or through, and stops there.
    pub(super) fn enter_inside<'t, R>(
        &'t self,
        owner: TypeId,
        descent: Descent,
        index: usize,
        run: impl FnOnce(Probe<'t>) -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        match descent {
            Descent::Make => self.enter(SlotId { owner, index }, Mode::Make, run),
            Descent::Into(index, mode) => {
                self.enter(SlotId { owner, index }, mode, run)?;
                Err(self.halt(Halt::Done))
            }
        }
    }

    fn begin(&self, at: SlotId, mode: Mode, size: usize) -> Result<u8, Stop> {
        let (refused, exhausted) = self.note(|graph| (graph.slot(at).refused, graph.slot(at).exhausted));
        let mut pass = self.pass.borrow_mut();
        pass.steps += 1;
        let spent = pass.steps > MAX_STEPS || pass.steps > self.steps_left.get();
        // On the way to the target nothing is made of the whole: what it takes does not matter.
        let on_the_way = matches!(mode, Mode::Follow(step) if step + 1 < pass.path.len());
        let too_deep = pass.visiting.len() >= MAX_DEPTH || pass.size.saturating_add(size) > MAX_SIZE;
        if (exhausted && !on_the_way) || spent || too_deep {
            pass.halt = Some(Halt::DeadEnd);
            return Err(Stop { duplicate: false });
        }
        pass.size += size;
        let around = pass.sample;
        pass.visiting.push((at, around));
        pass.sample = match refused {
            _ if on_the_way => 0,
            0 => around,
            refused => refused,
        };
        Ok(around)
    }

    fn end(&self, at: SlotId, around: u8, accepted: bool) {
        let mut pass = self.pass.borrow_mut();
        pass.visiting.pop();
        pass.sample = around;
        if accepted {
            pass.halt = None;
            self.note(|graph| graph.accept(at, around == 0));
        } else if pass.halt.is_none() && around == 0 {
            // With a variation around it, the one to try another is the place that varies.
            let more = self.note(|graph| graph.refuse(at));
            pass.halt = Some(if more { Halt::Retry } else { Halt::DeadEnd });
        }
    }

    /// Notes what stands at a place.
    pub(super) fn record(&self, at: SlotId, ask: Ask, identity: Identity) -> Result<TypeId, Stop> {
        let id = self.note(|graph| graph.record(at, Key { ask, identity }));
        id.ok_or_else(|| self.halt(Halt::DeadEnd))
    }

    /// Stops the pass where a value of this size on top of those around it might be too much for the stack.
    pub(super) fn check_size(&self, size: usize) -> Result<(), Stop> {
        let fits = self.pass.borrow().size.saturating_add(size) <= MAX_SIZE;
        if fits { Ok(()) } else { Err(self.halt(Halt::DeadEnd)) }
    }

    /// Says where to go from a type that stands at a place visited in this mode.
    pub(super) fn descent(&self, id: TypeId, mode: Mode) -> Result<Descent, Stop> {
        let Mode::Follow(step) = mode else {
            return Ok(Descent::Make);
        };
        let next = self.pass.borrow().path.get(step + 1).copied();
        match next {
            None => Ok(Descent::Make),
            Some(next) if next.owner == id => Ok(Descent::Into(next.index, Mode::Follow(step + 1))),
            Some(_) => Err(self.halt(Halt::DeadEnd)),
        }
    }

    /// Starts making an enum, unless one is under way. Returns the variant to make.
    pub(super) fn begin_enum(&self, id: TypeId) -> Result<usize, Stop> {
        let (first, variants) =
            self.look(|graph| graph.get(id).map_or((0, 0), |known| (known.variant, known.slots.len())));
        let mut pass = self.pass.borrow_mut();
        if variants == 0 || pass.making.contains(&id) {
            pass.halt = Some(Halt::DeadEnd);
            return Err(Stop { duplicate: false });
        }
        pass.making.push(id);
        Ok((first + usize::from(pass.sample)) % variants)
    }

    /// Ends making an enum. If it could not be made, the next pass tries another variant.
    pub(super) fn end_enum(&self, id: TypeId, made: bool) {
        let mut pass = self.pass.borrow_mut();
        pass.making.pop();
        if !made && matches!(pass.halt, None | Some(Halt::DeadEnd)) {
            let more = self.note(|graph| graph.next_variant(id));
            pass.halt = Some(if more { Halt::Retry } else { Halt::DeadEnd });
        }
    }

    /// Stops the pass.
    pub(super) fn halt(&self, halt: Halt) -> Stop {
        self.pass.borrow_mut().halt = Some(halt);
        Stop { duplicate: false }
    }

    /// Notes that a type was not to blame for an error, but the way in which it was visited.
    pub(super) fn learn(&self, lesson: impl FnOnce(&mut Graph)) -> Stop {
        self.note(|graph| {
            lesson(graph);
            graph.progress += 1;
        });
        self.halt(Halt::Retry)
    }

    /// Returns whether the pass was stopped by the trace, rather than by a type.
    pub(super) fn is_halted(&self) -> bool {
        self.pass.borrow().halt.is_some()
    }

    /// Returns which sample a leaf is to be offered.
    pub(super) fn sample(&self) -> u8 {
        self.pass.borrow().sample
    }

    /// Keeps what a type expects, for the case that it refuses all that there is.
    pub(super) fn keep_expecting<'de, V: Visitor<'de>>(&self, at: SlotId, visitor: &V) {
        let mut text = String::new();
        // Whatever was written before an error is good enough.
        let _ = write!(text, "{}", visitor as &dyn Expected);
        self.note(|graph| graph.slot(at).expecting = Some(text.chars().take(MAX_EXPECTING).collect()));
    }

    /// Reads what was learned so far. No code of the traced type may run in `read`.
    pub(super) fn look<R>(&self, read: impl FnOnce(&Graph) -> R) -> R {
        read(&self.graph.borrow())
    }

    fn note<R>(&self, change: impl FnOnce(&mut Graph) -> R) -> R {
        change(&mut self.graph.borrow_mut())
    }
}
