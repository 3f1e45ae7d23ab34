//! The result of a crawl, as text.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use crate::graph::Graph;

/// Length of the longest bar.
const WIDTH: usize = 32;

pub(crate) fn print(graph: &Graph<'_>, time: Duration) {
    let versions = || graph.reached().map(|found| &found.version);
    println!("crawled in {:.2} s from one address", time.as_secs_f64());
    table("user agent", versions().map(|version| &version.user_agent));
    table("protocol version", versions().map(|version| version.protocol_version));
    table("height", versions().map(|version| version.start_height));
    table("not reached", graph.0.iter().filter_map(|node| node.visit.as_ref().err()));
    println!("\nhops from the first");
    let rings = graph.rings();
    let max = rings.iter().copied().max().unwrap_or(0);
    rings.iter().enumerate().for_each(|(hops, &count)| row(count, max, hops));
    best_connected(graph);

    let mut times: Vec<_> = graph.reached().filter_map(|found| found.round_trip).collect();
    times.sort();
    if let (Some(min), Some(max)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        println!("\nround trip: min {min:.1?}, median {median:.1?}, max {max:.1?}");
    }
}

/// Counts equal items. The max frequent ones come first.
fn table<T: Display + Ord>(title: &str, items: impl Iterator<Item = T>) {
    let mut counts = BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_insert(0) += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| Reverse(count));
    println!("\n{title}");
    let max = counts.first().map_or(0, |&(_, count)| count);
    counts.iter().for_each(|(item, count)| row(*count, max, item));
}

fn row(count: usize, max: usize, label: impl Display) {
    let bar = "\u{2588}".repeat((count * WIDTH).div_ceil(max.max(1)));
    println!("{count:>6}  {bar:<WIDTH$}  {label}");
}

fn best_connected(graph: &Graph<'_>) {
    let mut nodes: Vec<_> = graph.0.iter().enumerate().collect();
    nodes.sort_by_key(|(_, node)| Reverse(node.known_by));
    println!("\nbest connected\n  node  known by  knows  hops  height  user agent");
    for (index, node) in nodes.into_iter().take(10) {
        let details = match node.visit {
            Ok(found) => format!("{:>6}  {}", found.version.start_height, found.version.user_agent),
            Err(reason) => format!("     -  {reason}"),
        };
        let (known_by, knows, hops) = (node.known_by, node.knows.len(), node.hops);
        println!("{index:>6}  {known_by:>8}  {knows:>5}  {hops:>4}  {details}");
    }
}
