//! In which order modules may name one another: without circles, and downwards only where there are layers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Edge, Modules};

/// Two modules that are side by side: the parent's name, and theirs.
fn side_by_side(edge: &Edge) -> (&[String], &str, &str) {
    let common = edge.from.iter().zip(&edge.to).take_while(|(from, to)| from == to).count();
    (&edge.from[..common], &edge.from[common], &edge.to[common])
}

/// Circles of modules that are side by side, each once, with an import for each step.
pub(super) fn circles(edges: &[Edge]) -> Vec<String> {
    // Who names whom, by the parent of both.
    let mut graphs: BTreeMap<&[String], BTreeMap<&str, BTreeMap<&str, &Edge>>> = BTreeMap::new();
    for edge in edges {
        let (parent, from, to) = side_by_side(edge);
        graphs.entry(parent).or_default().entry(from).or_default().entry(to).or_insert(edge);
    }
    let mut circles = Vec::new();
    for graph in graphs.values() {
        let mut known = BTreeSet::new();
        for start in graph.keys().copied() {
            let Some(circle) = shortest_circle(graph, start) else { continue };
            if known.is_disjoint(&circle.iter().copied().collect()) {
                let steps: Vec<String> = circle
                    .iter()
                    .zip(circle.iter().cycle().skip(1))
                    .map(|(from, to)| format!("    {from} names {to}: {}", graph[from][to].place))
                    .collect();
                circles.push(format!("import circle {}:\n{}", circle.join(" -> "), steps.join("\n")));
            }
            known.extend(circle);
        }
    }
    circles
}

/// The shortest way from a module back to it.
fn shortest_circle<'a>(
    graph: &BTreeMap<&'a str, BTreeMap<&'a str, &Edge>>,
    start: &'a str,
) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| graph.get(last)).into_iter().flat_map(|next| next.keys()) {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

/// The layers that the head of a `lib.rs` names, the highest first.
pub(super) fn layers(text: &str) -> Option<Vec<Vec<String>>> {
    let mut head = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    head.find(|line| *line == "# Layers")?;
    head.find(|line| line.starts_with("```"))?;
    let lines = head.take_while(|line| !line.starts_with("```"));
    let modules = |line: &str| {
        line.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    Some(lines.map(modules).filter(|layer| !layer.is_empty()).collect())
}

/// Modules that have no layer, layers that have no module, and imports from a higher layer or from the same one.
pub(super) fn layer_faults(modules: &Modules, edges: &[Edge], layers: &[Vec<String>]) -> Vec<String> {
    let layer = |name: &str| layers.iter().position(|layer| layer.iter().any(|module| module == name));
    let top: BTreeSet<&str> = modules.top().collect();
    let mut faults: Vec<String> = top
        .iter()
        .filter(|name| layer(name).is_none())
        .map(|name| format!("module {name} is in no layer"))
        .collect();
    let named = layers.iter().flatten().filter(|name| !top.contains(name.as_str()));
    faults.extend(named.map(|name| format!("the layers name a module {name}, which is not there")));
    for edge in edges {
        let (parent, from, to) = side_by_side(edge);
        if parent.is_empty()
            && let (Some(lower), Some(higher)) = (layer(from), layer(to))
            && higher <= lower
        {
            faults.push(format!("{from} names {to}, which is in no lower layer: {}", edge.place));
        }
    }
    faults
}
