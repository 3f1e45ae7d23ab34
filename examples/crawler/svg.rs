//! A drawing of the network. Rings show the hops from the first node. Each node is near a node that
//! knows it.

use std::f64::consts::TAU;
use std::fmt::{self, Write};

use crate::graph::{Graph, Node};

const RADIUS: f64 = 450.0;

const BACKGROUND: &str = "#10141f";
const TEXT: &str = "#c9d1e0";
const NOT_REACHED: &str = "#ff5d5d";

/// Colours by hops. The last one is for all larger numbers.
const COLOURS: [&str; 9] = [
    "#ffffff", "#ffe07a", "#ffb454", "#ff8663", "#f0679e", "#b674ec", "#7d8bff", "#4fb8ff",
    "#45dcc0",
];

pub(crate) fn draw(graph: &Graph<'_>) -> Result<String, fmt::Error> {
    let nodes = &graph.0;
    let rings = graph.rings();
    let farthest = (rings.len() - 1).max(1) as f64;
    let radius = |node: &Node<'_>| RADIUS * node.hops as f64 / farthest;
    let angles = angles(nodes);
    let place = |index: usize| at(angles[index], radius(&nodes[index]));

    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-500 -500 1240 1000" width="1240" height="1000" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="15">
<rect x="-500" y="-500" width="1240" height="1000" rx="14" fill="{BACKGROUND}"/>"#
    )?;
    writeln!(svg, r##"<g fill="none" stroke="#232a3d">"##)?;
    for ring in 1..rings.len() {
        writeln!(svg, r#"<circle r="{:.1}"/>"#, RADIUS * ring as f64 / farthest)?;
    }
    writeln!(svg, "</g>\n<g fill=\"none\">")?;
    for (index, node) in nodes.iter().enumerate() {
        for &other in node.knows.iter().filter(|&&other| nodes[other].parent != Some(index)) {
            let (x, y) = place(index);
            let (to_x, to_y) = place(other);
            // Bends towards the centre, where there are fewer nodes.
            let (bend_x, bend_y) = (0.3 * (x + to_x), 0.3 * (y + to_y));
            writeln!(
                svg,
                r#"<path d="M{x:.1} {y:.1}Q{bend_x:.1} {bend_y:.1} {to_x:.1} {to_y:.1}" stroke="{}" stroke-width="0.6" opacity="0.22"/>"#,
                colour(node.hops)
            )?;
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let (x, y) = place(index);
        let (from_x, from_y) = place(parent);
        let middle = (radius(node) + radius(&nodes[parent])) / 2.0;
        let ((a_x, a_y), (b_x, b_y)) = (at(angles[parent], middle), at(angles[index], middle));
        writeln!(
            svg,
            r#"<path d="M{from_x:.1} {from_y:.1}C{a_x:.1} {a_y:.1} {b_x:.1} {b_y:.1} {x:.1} {y:.1}" stroke="{}" opacity="0.6"/>"#,
            colour(node.hops)
        )?;
    }
    writeln!(svg, r#"</g><g stroke="{BACKGROUND}">"#)?;
    for (index, node) in nodes.iter().enumerate() {
        let (x, y) = place(index);
        let size = size(node.known_by);
        let (look, what) = match node.visit {
            Ok(found) => {
                let version = &found.version;
                let look = format!(r#"fill="{}""#, colour(node.hops));
                (look, format!("{} at height {}", version.user_agent, version.start_height))
            }
            Err(reason) => (not_reached(), reason.clone()),
        };
        let what = escape(&what);
        writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{size:.1}" {look}><title>{index}: {what}, known by {}</title></circle>"#,
            node.known_by
        )?;
    }
    writeln!(svg, "</g>")?;
    legend(&mut svg, graph, &rings)?;
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

/// Returns the angle of each node on its ring. Each node has the room that its children need.
fn angles(nodes: &[Node<'_>]) -> Vec<f64> {
    // Parents precede their children, so the reverse order visits children first.
    let mut leaves = vec![0.0_f64; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        leaves[index] = leaves[index].max(1.0);
        if let Some(parent) = node.parent {
            leaves[parent] += leaves[index];
        }
    }
    let mut angles = vec![0.0; nodes.len()];
    let mut begins = vec![0.0; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let room = TAU * leaves[index] / leaves[0];
        if let Some(parent) = node.parent {
            begins[index] = begins[parent];
            begins[parent] += room;
        }
        angles[index] = begins[index] + room / 2.0;
    }
    angles
}

fn legend(svg: &mut String, graph: &Graph<'_>, rings: &[usize]) -> fmt::Result {
    let (known, reached) = (graph.0.len(), graph.reached().count());
    writeln!(
        svg,
        r#"<g fill="{TEXT}"><text x="520" y="-420">{known} nodes, {reached} reached</text>"#
    )?;
    let mut y = -385.0;
    let mut line = |look: &str, size: f64, text: &str| {
        writeln!(svg, r#"<circle cx="530" cy="{y}" r="{size:.1}" {look}/>"#)?;
        writeln!(svg, r#"<text x="550" y="{}">{text}</text>"#, y + 5.0)?;
        y += 28.0;
        fmt::Result::Ok(())
    };
    for (hops, count) in rings.iter().enumerate() {
        let text = match hops {
            0 => "start of the crawl".into(),
            1 => format!("1 hop: {count}"),
            _ => format!("{hops} hops: {count}"),
        };
        line(&format!(r#"fill="{}""#, colour(hops)), 6.0, &text)?;
    }
    line(&not_reached(), 6.0, &format!("not reached: {}", known - reached))?;
    for known_by in [1, 5, 20] {
        line("", size(known_by), &format!("known by {known_by}"))?;
    }
    writeln!(svg, "</g>")
}

fn at(angle: f64, radius: f64) -> (f64, f64) {
    (radius * angle.cos(), radius * angle.sin())
}

fn size(known_by: usize) -> f64 {
    2.0 + 1.3 * (known_by as f64).sqrt()
}

fn colour(hops: usize) -> &'static str {
    COLOURS[hops.min(COLOURS.len() - 1)]
}

fn not_reached() -> String {
    format!(r#"fill="{BACKGROUND}" stroke="{NOT_REACHED}" stroke-width="1.5""#)
}

/// Escapes text of the nodes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
