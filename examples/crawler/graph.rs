//! What a crawl found, as a graph of who knows whom.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::crawl::{Crawl, Found, Visit};

pub(crate) struct Node<'a> {
    pub(crate) visit: &'a Visit,
    /// The fewest steps from where the crawl began.
    pub(crate) hops: usize,
    /// A node that told of this one, on such a way; none for the first.
    pub(crate) parent: Option<usize>,
    pub(crate) knows: Vec<usize>,
    /// How many nodes told of this one.
    pub(crate) known_by: usize,
}

/// The nodes, from near to far. The order is that in which nodes tell of others, which unlike
/// their ports, and unlike the order of the visits, is the same each time.
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

    /// How many nodes are so many steps away.
    pub(crate) fn rings(&self) -> Vec<usize> {
        let mut rings = vec![0; self.0.last().map_or(0, |last| last.hops + 1)];
        self.0.iter().for_each(|node| rings[node.hops] += 1);
        rings
    }
}
