//! What `paxoskv bench --history` writes, and its form for the checker of linearizability.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value as Json;

use crate::linear::{Answer, Kind, Operation};

/// Reads the lines of a history.
pub fn read(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each key's operations, in the order of their calls.
pub fn by_key(lines: &[Json]) -> BTreeMap<String, Vec<Operation>> {
    let mut entries = HashMap::new();
    let mut keys: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for line in lines {
        keys.entry(line["key"].as_str().unwrap().to_owned()).or_default().push(operation(line, &mut entries));
    }
    for operations in keys.values_mut() {
        operations.sort_by_key(|operation| operation.call);
    }
    keys
}

/// `entries` gives each value a number; the values of a run are all different.
fn operation(line: &Json, entries: &mut HashMap<String, u64>) -> Operation {
    let mut entry = |value: &Json| {
        let next = entries.len() as u64;
        *entries.entry(value.as_str().unwrap().to_owned()).or_insert(next)
    };
    let kind = match line["op"].as_str().unwrap() {
        "put" => Kind::Put(entry(&line["value"])),
        "get" => Kind::Get,
        "erase" => Kind::Erase,
        other => panic!("no operation: {other}"),
    };
    let ok = &line["ok"];
    let answer = match (kind, ok["erased"].as_bool()) {
        (Kind::Erase, Some(true)) => Answer::Ended,
        (Kind::Erase, _) => Answer::Absent,
        _ if ok["value"].is_null() => Answer::Absent,
        _ => Answer::Entry(entry(&ok["value"]), ok["generation"].as_u64().unwrap()),
    };
    // What failed may have happened, and may do so yet.
    let returned = (!ok.is_null()).then(|| (line["return_ns"].as_u64().unwrap(), answer));
    Operation { key: 0, kind, call: line["call_ns"].as_u64().unwrap(), returned }
}
