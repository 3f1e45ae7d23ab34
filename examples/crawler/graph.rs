//! The result of a crawl as a graph.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::crawl::{Crawl, Found, Visit};

pub(crate) struct Node<'a> {
    pub(crate) visit: &'a Visit,
    /// Number of hops from the first node.
    pub(crate) hops: usize,
    /// The node before this one on a shortest path. `None` for the first node.
    pub(crate) parent: Option<usize>,
    pub(crate) knows: Vec<usize>,
    /// Number of nodes that know this one.
    pub(crate) known_by: usize,
}

/// Nodes, ordered by hops. Nodes with equal hops have the order of the received addresses, which is
/// the same in each run. The ports and the order of the visits are not.
pub(crate) struct Graph<'a>(pub(crate) Vec<Node<'a>>);

impl<'a> Graph<'a> {
    pub(crate) fn new(crawl: &'a Crawl, first: SocketAddr) -> Self {
        let node = |address, hops, parent| {
            let visit = &crawl[&address];
            Node { visit, hops, parent, knows: Vec::new(), known_by: 0 }
        };
        let mut nodes = vec![node(first, 0, None)];
        let mut indices = HashMap::from([(first, 0)]);
        let mut index = 0;
        while index < nodes.len() {
            let hops = nodes[index].hops + 1;
            for &address in nodes[index].visit.iter().flat_map(|found| &found.addresses) {
                let other = *indices.entry(address).or_insert_with(|| {
                    nodes.push(node(address, hops, Some(index)));
                    nodes.len() - 1
                });
                nodes[index].knows.push(other);
                nodes[other].known_by += 1;
            }
            index += 1;
        }
        Self(nodes)
    }

    pub(crate) fn reached(&self) -> impl Iterator<Item = &'a Found> {
        self.0.iter().filter_map(|node| node.visit.as_ref().ok())
    }

    /// Returns the number of nodes for each number of hops.
    pub(crate) fn rings(&self) -> Vec<usize> {
        let mut rings = vec![0; self.0.last().map_or(0, |last| last.hops + 1)];
        self.0.iter().for_each(|node| rings[node.hops] += 1);
        rings
    }
}
