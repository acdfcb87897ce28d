//! What a trace learned, put together as a schema.
//!
//! It must never take over what is only known to this build: the keys by which the trace told types apart end
//! here.

use crate::schema::canon;
use crate::schema::shape::{Node, Schema, Shape};
use crate::schema::trace::ask::{Ask, ROOT, SlotId, TypeId};
use crate::schema::trace::graph::{Graph, Tagged, Traced};
use std::collections::BTreeMap;

/// Puts together what the trace learned.
pub(super) fn schema(graph: &Graph) -> Schema {
    let mut assembly = Assembly {
        graph,
        nodes: vec![Node::leaf(Shape::Unknown); graph.types().len()],
        leaves: BTreeMap::new(),
    };
    for (id, known) in graph.types().iter().enumerate() {
        let node = assembly.node(TypeId(id), known);
        if let Some(place) = assembly.nodes.get_mut(id) {
            *place = node;
        }
    }
    // The root must be first: the type that only holds it makes room.
    let root = assembly.child(ROOT);
    let swap = |id: usize| {
        if id == root {
            0
        } else if id == 0 {
            root
        } else {
            id
        }
    };
    let mut nodes = assembly.nodes;
    nodes.swap(0, root);
    for child in nodes.iter_mut().flat_map(|node| &mut node.children) {
        *child = swap(*child);
    }
    canon::canonical(&nodes)
}

struct Assembly<'g> {
    graph: &'g Graph,
    /// First those of the traced types, under their ids, then what is made up here.
    nodes: Vec<Node>,
    leaves: BTreeMap<Node, usize>,
}

impl Assembly<'_> {
    fn node(&mut self, owner: TypeId, known: &Traced) -> Node {
        let (shape, name) = match known.key.ask {
            Ask::Option => (Shape::Option, None),
            Ask::Seq => (Shape::Seq, None),
            Ask::Map => (Shape::Map, None),
            Ask::Tuple(len) => (Shape::Tuple(length(len)), None),
            Ask::Struct(name, fields) => (Shape::Struct(texts(fields)), Some(name)),
            Ask::Enum(name, variants) => (Shape::Enum(texts(variants)), Some(name)),
            Ask::UnitVariant => (Shape::UnitVariant, None),
            Ask::NewtypeVariant => (Shape::NewtypeVariant, None),
            Ask::TupleVariant(len) => (Shape::TupleVariant(length(len)), None),
            Ask::StructVariant(fields) => (Shape::StructVariant(texts(fields)), None),
            // Both are never a child: `child` looks through newtypes and describes leaves itself.
            Ask::Newtype | Ask::Leaf(_) => return Node::leaf(Shape::Unknown),
        };
        let mut children: Vec<usize> =
            (0..shape.arity()).map(|index| self.child(SlotId { owner, index })).collect();
        if let Some(Tagged { tag, content }) = known.tagged {
            let by_tag = self.by_tag(SlotId { owner, index: tag }, shape.arity());
            if let (Some(by_tag), Some(content)) = (by_tag, children.get_mut(content)) {
                *content = by_tag;
            }
        }
        Node { shape, name: name.map(str::to_owned), children }
    }

    /// Returns the index of the node for what stands at a place.
    fn child(&mut self, mut at: SlotId) -> usize {
        // A newtype is its content, for every format that asks nothing about it. One that
        // contains only itself would go round for ever.
        for _ in 0..=self.graph.types().len() {
            let slot = self.graph.get(at.owner).and_then(|owner| owner.slots.get(at.index));
            let Some(slot) = slot.filter(|slot| !slot.ambiguous) else {
                break;
            };
            let Some(child) = slot.child else { break };
            let Some(known) = self.graph.get(child) else { break };
            match known.key.ask {
                Ask::Newtype => at = SlotId { owner: child, index: 0 },
                Ask::Leaf(kind) if slot.accepted && slot.refused == 0 => {
                    return self.leaf(Node::leaf(Shape::Leaf(kind)));
                }
                Ask::Leaf(kind) => {
                    let sample = slot.accepted.then_some(slot.refused);
                    let name = slot.expecting.clone().filter(|_| !slot.accepted);
                    return self.leaf(Node { name, ..Node::leaf(Shape::Opaque { kind, sample }) });
                }
                Ask::Option | Ask::Seq | Ask::Map | Ask::Tuple(_) | Ask::Struct(..) | Ask::Enum(..) => {
                    return child.0;
                }
                Ask::UnitVariant | Ask::NewtypeVariant | Ask::TupleVariant(_) | Ask::StructVariant(_) => {
                    return child.0;
                }
            }
        }
        self.leaf(Node::leaf(Shape::Unknown))
    }

    /// Returns a node for the content of an adjacently tagged enum: what all variants ask for, or one by tag.
    fn by_tag(&mut self, tag: SlotId, first: usize) -> Option<usize> {
        let tags = self.graph.get(tag.owner)?.slots.get(tag.index)?.child?;
        let Ask::Enum(_, variants) = self.graph.get(tags)?.key.ask else {
            return None;
        };
        let children: Vec<usize> = (0..variants.len())
            .map(|variant| self.child(SlotId { owner: tag.owner, index: first + variant }))
            .collect();
        if children.windows(2).all(|pair| pair.first() == pair.last()) {
            return children.first().copied();
        }
        self.nodes.push(Node { shape: Shape::ByTag(texts(variants)), name: None, children });
        Some(self.nodes.len() - 1)
    }

    fn leaf(&mut self, node: Node) -> usize {
        *self.leaves.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        })
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn length(len: usize) -> u64 {
    len.try_into().unwrap_or(u64::MAX)
}
