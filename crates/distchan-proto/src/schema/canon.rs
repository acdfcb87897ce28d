//! One form for each type: however a recursive type was unrolled, equal types give equal graphs.
//!
//! It must never recurse over a graph, and its time is bounded whatever the graph.

use crate::schema::shape::{Node, Schema};
use std::collections::{BTreeMap, VecDeque};

/// Beyond this many rounds a graph is kept as it is. Types that people write need about as many rounds as
/// they nest; without a bound, a chain made for the purpose needs as many as it has nodes.
const MAX_ROUNDS: usize = 256;

/// Merges equal nodes and puts them into breadth-first order from the root.
pub(super) fn canonical(nodes: &[Node]) -> Schema {
    let nodes = reachable(nodes);
    let classes = classes(&nodes);
    let mut merged = BTreeMap::new();
    for (class, node) in classes.iter().zip(&nodes) {
        merged.entry(*class).or_insert(node);
    }
    // Classes are numbered without gaps in the order of their first nodes, so that the root's is 0.
    let quotient: Vec<Node> = merged
        .into_values()
        .map(|node| {
            let children = node.children.iter().filter_map(|child| classes.get(*child).copied());
            Node { children: children.collect(), ..node.clone() }
        })
        .collect();
    Schema::from_nodes(reachable(&quotient))
}

/// Returns the same type without any name of a struct or enum: what the fingerprint is made of.
pub(super) fn nameless(schema: &Schema) -> Schema {
    let nodes = schema.nodes().iter().map(|node| Node { name: None, ..node.clone() });
    canonical(&nodes.collect::<Vec<_>>())
}

/// Keeps what can be reached from the first node, in breadth-first order.
fn reachable(nodes: &[Node]) -> Vec<Node> {
    let mut places: Vec<Option<usize>> = vec![None; nodes.len()];
    let mut queue = VecDeque::new();
    let mut order = Vec::new();
    if let Some(place) = places.first_mut() {
        *place = Some(0);
        queue.push_back(0);
    }
    let mut known = 1;
    while let Some(id) = queue.pop_front() {
        let Some(node) = nodes.get(id) else { continue };
        order.push(node);
        for child in &node.children {
            if let Some(place @ None) = places.get_mut(*child) {
                *place = Some(known);
                known += 1;
                queue.push_back(*child);
            }
        }
    }
    let place = |child: &usize| places.get(*child).copied().flatten().unwrap_or(0);
    order
        .into_iter()
        .map(|node| Node { children: node.children.iter().map(place).collect(), ..node.clone() })
        .collect()
}

/// Numbers the nodes so that two have the same number exactly if nothing tells them apart, by Moore's
/// partition refinement.
fn classes(nodes: &[Node]) -> Vec<usize> {
    let mut labels = BTreeMap::new();
    let mut classes: Vec<usize> = nodes
        .iter()
        .map(|node| {
            let next = labels.len();
            *labels.entry((&node.shape, &node.name)).or_insert(next)
        })
        .collect();
    let mut count = labels.len();
    for _ in 0..MAX_ROUNDS {
        let mut signatures = BTreeMap::new();
        let refined: Vec<usize> = nodes
            .iter()
            .zip(&classes)
            .map(|(node, class)| {
                let children = node.children.iter().filter_map(|child| classes.get(*child).copied());
                let next = signatures.len();
                *signatures.entry((*class, children.collect::<Vec<_>>())).or_insert(next)
            })
            .collect();
        let stable = signatures.len() == count;
        count = signatures.len();
        classes = refined;
        if stable {
            return classes;
        }
    }
    (0..nodes.len()).collect()
}
