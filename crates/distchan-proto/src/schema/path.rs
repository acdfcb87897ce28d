//! The way to a type inside another, as one would write it in Rust: `job.pages[].title`.
//!
//! It must never print a name that is not escaped, or a path longer than a line or two.

use crate::schema::shape::{Kind, Schema, Shape};
use crate::schema::text::escape;
use std::collections::VecDeque;

/// The longest path printed, in characters.
const MAX_PATH: usize = 200;

/// All ways gone through a schema so far.
#[derive(Debug, Default)]
pub(super) struct Ways {
    steps: Vec<Step>,
}

/// One step from a type to one inside it.
#[derive(Debug)]
struct Step {
    /// The index of the step before; none at the root.
    from: Option<usize>,
    owner: usize,
    index: usize,
}

impl Ways {
    /// Goes one step on, from the end of `from` in the type `owner` to its child `index`.
    pub(super) fn go(&mut self, from: Option<usize>, owner: usize, index: usize) -> usize {
        self.steps.push(Step { from, owner, index });
        self.steps.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns the way to the end of the step `at`, cut at the front if it is long.
    pub(super) fn text(&self, schema: &Schema, root: &str, mut at: Option<usize>) -> String {
        let mut parts = Vec::new();
        let mut length = root.len();
        while let Some(step) = at.and_then(|at| self.steps.get(at)) {
            at = step.from;
            let part = part(&schema.node(step.owner).shape, step.index);
            length += part.chars().count();
            if length > MAX_PATH {
                parts.push("…".to_owned());
                break;
            }
            parts.push(part);
        }
        parts.push(root.to_owned());
        parts.reverse();
        parts.concat()
    }
}

fn part(owner: &Shape, index: usize) -> String {
    let name = |names: &[String]| names.get(index).map_or_else(String::new, |name| escape(name));
    match owner {
        Shape::Option => "?".to_owned(),
        Shape::Seq => "[]".to_owned(),
        Shape::Map if index == 0 => "{key}".to_owned(),
        Shape::Map => "{value}".to_owned(),
        Shape::Tuple(_) | Shape::TupleVariant(_) => format!(".{index}"),
        Shape::Struct(names) | Shape::StructVariant(names) => format!(".{}", name(names)),
        Shape::Enum(names) | Shape::ByTag(names) => format!("::{}", name(names)),
        // Without a name of its own, or without anything inside.
        Shape::NewtypeVariant | Shape::UnitVariant => String::new(),
        Shape::Leaf(_) | Shape::Opaque { .. } | Shape::Unknown | Shape::Omitted => String::new(),
    }
}

impl Schema {
    /// Returns the first place in the type that the trace could not see into, or `None` if it saw everything.
    ///
    /// There, two types are taken to be the same whatever they are. `root` is what the whole value is called;
    /// the result is a path such as `job.1`. See [what cannot be seen](crate::schema#what-cannot-be-seen).
    pub fn blind_spot(&self, root: &str) -> Option<String> {
        let mut ways = Ways::default();
        let mut seen = vec![false; self.nodes().len()];
        let mut queue = VecDeque::from([(0, None)]);
        while let Some((id, way)) = queue.pop_front() {
            let node = self.node(id);
            let opaque =
                matches!(node.shape, Shape::Leaf(Kind::Identifier) | Shape::Opaque { kind: Kind::Any, .. });
            if opaque || matches!(node.shape, Shape::Unknown | Shape::Omitted) {
                return Some(ways.text(self, root, way));
            }
            for (index, child) in node.children.iter().enumerate() {
                if let Some(first @ false) = seen.get_mut(*child) {
                    *first = true;
                    queue.push_back((*child, Some(ways.go(way, id, index))));
                }
            }
        }
        None
    }
}
