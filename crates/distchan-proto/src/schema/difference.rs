//! Where two schemas part, in words.
//!
//! It must never recurse over a graph, and compares no more pairs of types than its limit, since one of the two
//! comes from a peer.

use crate::schema::path::Ways;
use crate::schema::shape::{Node, Schema, Shape};
use crate::schema::text::{brief, describe, escape, list};
use std::collections::BTreeSet;

/// The most pairs of types compared. Two schemas of the same type need one per type.
const MAX_PAIRS: usize = 16 * 1024;
/// The most ways from one type to another kept for the path. A schema that can be sent has fewer.
const MAX_STEPS: usize = 64 * 1024;

/// What the two sides are called in a message, each as the subject of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parties<'a> {
    /// The side whose schema comes first.
    pub server: &'a str,
    /// The side whose schema comes second.
    pub worker: &'a str,
}

impl Parties<'static> {
    /// For messages that a worker prints.
    pub const AT_WORKER: Self = Self { server: "the server", worker: "this worker" };
    /// For messages that a server prints.
    pub const AT_SERVER: Self = Self { server: "this server", worker: "the worker" };
}

/// Returns the first difference between two schemas in the words of the worker's side, or `None` if there is
/// none.
///
/// `root` is what the whole value is called, such as "job". The result is one line such as
/// ``job.pages[].title: the server has String, this worker has Option<String>``.
pub fn first_difference(root: &str, server: &Schema, worker: &Schema) -> Option<String> {
    first_difference_between(Parties::AT_WORKER, root, server, worker)
}

/// Returns the first difference between two schemas, or `None` if there is none, with the sides called as
/// `parties` says.
///
/// Types are gone through as they are written: a struct's fields first, then what is in each of them in turn. What
/// was cut off from a schema to send it has no difference of its own; if there is no other, the result says that
/// the difference is there.
pub fn first_difference_between(
    parties: Parties<'_>,
    root: &str,
    server: &Schema,
    worker: &Schema,
) -> Option<String> {
    let mut comparison = Comparison { parties, server, worker, ways: Ways::default(), omitted: false };
    comparison.run().map(|(step, text)| format!("{}: {text}", comparison.ways.text(server, root, step)))
}

struct Comparison<'a> {
    parties: Parties<'a>,
    server: &'a Schema,
    worker: &'a Schema,
    ways: Ways,
    /// Whether something could not be compared since it was cut off.
    omitted: bool,
}

/// A difference, with the last step to it.
type Found = (Option<usize>, String);

impl Comparison<'_> {
    fn run(&mut self) -> Option<Found> {
        let (server, worker) = (self.server, self.worker);
        let mut seen = BTreeSet::new();
        let mut pending = vec![(0, 0, None)];
        while let Some((ours_id, theirs_id, step)) = pending.pop() {
            if !seen.insert((ours_id, theirs_id)) {
                continue;
            }
            let (ours, theirs) = (server.node(ours_id), worker.node(theirs_id));
            if ours.shape == Shape::Omitted || theirs.shape == Shape::Omitted {
                self.omitted = true;
                continue;
            }
            if let Some(text) = self.difference((ours, ours_id), (theirs, theirs_id)) {
                return Some((step, text));
            }
            if seen.len() > MAX_PAIRS || self.ways.len() > MAX_STEPS {
                return Some((None, "the types differ, and are too large to say where".to_owned()));
            }
            // The first child must come off the stack first.
            for (index, (one, other)) in ours.children.iter().zip(&theirs.children).enumerate().rev() {
                pending.push((*one, *other, Some(self.ways.go(step, ours_id, index))));
            }
        }
        let text = "the types differ in a part that was too large to send";
        self.omitted.then(|| (None, text.to_owned()))
    }

    /// Returns how two types differ by themselves, without what is inside.
    fn difference(
        &self,
        (ours, ours_id): (&Node, usize),
        (theirs, theirs_id): (&Node, usize),
    ) -> Option<String> {
        match (&ours.shape, &theirs.shape) {
            (one, other) if one == other => None,
            (Shape::Struct(one), Shape::Struct(other))
            | (Shape::StructVariant(one), Shape::StructVariant(other)) => {
                Some(self.names("field", (ours, one), (theirs, other)))
            }
            (Shape::Enum(one), Shape::Enum(other)) | (Shape::ByTag(one), Shape::ByTag(other)) => {
                Some(self.names("variant", (ours, one), (theirs, other)))
            }
            _ => {
                let (one, other) = (describe(self.server, ours_id), describe(self.worker, theirs_id));
                Some(format!("{} has {one}, {} has {other}", self.parties.server, self.parties.worker))
            }
        }
    }

    /// Says how two lists of names differ.
    fn names(
        &self,
        what: &str,
        (ours, one): (&Node, &[String]),
        (theirs, other): (&Node, &[String]),
    ) -> String {
        let Parties { server, worker } = self.parties;
        let (in_one, in_other): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
        let missing = one.iter().position(|name| !in_other.contains(name));
        let extra = other.iter().position(|name| !in_one.contains(name));
        let show = |schema: &Schema, node: &Node, names: &[String], index: usize| {
            let name = names.get(index).map_or_else(String::new, |name| escape(name));
            match node.children.get(index) {
                Some(child) if what == "field" => format!("`{name}: {}`", brief(schema, *child, 0)),
                _ => format!("`{name}`"),
            }
        };
        match (missing, extra) {
            (Some(missing), Some(extra))
                if missing == extra && one.len() == other.len() && what == "variant" =>
            {
                let here = show(self.server, ours, one, missing);
                let there = show(self.worker, theirs, other, extra);
                format!("{server} has variant {here} where {worker} has {there}")
            }
            (Some(missing), _) => {
                let here = show(self.server, ours, one, missing);
                format!("{server} has a {what} {here} that {worker} lacks")
            }
            (None, Some(extra)) => {
                let there = show(self.worker, theirs, other, extra);
                format!("{worker} has a {what} {there} that {server} lacks")
            }
            (None, None) => {
                format!("{server}'s {what}s are {}, {worker}'s are {}", list(one), list(other))
            }
        }
    }
}
