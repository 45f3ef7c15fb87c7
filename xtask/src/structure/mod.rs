//! What `cargo xtask check` holds of the structure, beyond what the compiler and clippy do:
//!
//! * No import circle: of two modules side by side, with all that is in them, one may name the other, directly or over
//!   others, but not both. A module and its own children may.
//! * Layers: where the head of a `lib.rs` has a section `# Layers`, each module names only those of lower layers.
//!   The table of the layers is that section: a block of text, the highest layer first, one a line.
//! * No source file is longer than `LONGEST` lines.
//! * No name has a word in it that the project has replaced by the field's: `words`.
//!
//! Code that is for tests only may name everything.

mod modules;
mod order;
mod source;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use modules::{Edge, Modules, Name};
use source::Language;

use crate::run::root;

/// Crates that are not checked yet.
const UNCHECKED: &[&str] = &[];

/// Crates whose `lib.rs` must have layers.
const LAYERED: &[&str] = &["core"];

/// How many lines a source file may have.
const LONGEST: usize = 500;

/// Folders that hold no source of ours.
const FOREIGN: &[&str] = &["target", "node_modules", "pkg"];

/// Checks all crates of the workspace, and the fuzz targets.
///
/// # Errors
///
/// All that is wrong.
pub fn check_all() -> Result<(), String> {
    let manifest = root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let mut crates = members(&text);
    crates.extend(Some("fuzz").filter(|fuzz| root().join(fuzz).is_dir()));
    crates.retain(|name| !UNCHECKED.contains(name));
    check(&crates)
}

/// The members of the workspace, from its manifest.
fn members(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("\nmembers = [").and_then(|(_, rest)| rest.split_once(']'));
    list.map(|(list, _)| list.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
}

/// Checks crates, by the names of their folders.
///
/// # Errors
///
/// All that is wrong.
pub fn check(crates: &[&str]) -> Result<(), String> {
    let mut faults = Vec::new();
    for name in crates {
        let found = check_crate(name)?;
        println!(
            "structure of {name}: {}",
            if found.is_empty() { "good".into() } else { format!("{} faults", found.len()) }
        );
        faults.extend(found);
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("the structure is not kept:\n{}", faults.join("\n"))) }
}

fn check_crate(name: &str) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    let folder = root().join(name);
    list(&folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut texts = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let shown = file.strip_prefix(root()).unwrap_or(&file).to_owned();
        texts.insert(shown, text);
    }
    check_files(name, &texts)
}

/// All that is wrong with a crate of these files.
fn check_files(name: &str, texts: &BTreeMap<PathBuf, String>) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for (file, text) in texts {
        faults.extend(length_fault(file, text));
        faults.extend(language(file).map(|language| words::faults(file, text, language)).unwrap_or_default());
    }
    let source = Path::new(name).join("src");
    let is_root = |file: &Path| {
        let of_source = |name| file == source.join(name);
        of_source("lib.rs") || of_source("main.rs") || file.parent() == Some(&source.join("bin"))
    };
    for file in texts.keys().filter(|file| is_root(file)) {
        let modules = Modules::read(file, &|file| texts.get(file).cloned())?;
        let edges = modules.edges();
        faults.extend(order::circles(&edges));
        if file.ends_with("lib.rs") {
            match order::layers(&texts[file]) {
                Some(layers) => faults.extend(order::layer_faults(&modules, &edges, &layers)),
                None if LAYERED.contains(&name) => faults.push(format!(
                    "{}: its head has no section `# Layers` with a block of text, the highest layer first",
                    file.display()
                )),
                None => {}
            }
        }
    }
    faults.extend(order::circles(&script_edges(texts)));
    Ok(faults)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !FOREIGN.contains(&&*name) && !name.starts_with('.') {
                list(&path, files)?;
            }
        } else if language(&path).is_some()
            || ["css", "html"].iter().any(|end| path.extension().is_some_and(|is| is == *end))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn language(file: &Path) -> Option<Language> {
    match file.extension()?.to_str()? {
        "rs" => Some(Language::Rust),
        "js" | "ts" => Some(Language::JavaScript),
        _ => None,
    }
}

fn length_fault(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{}: {lines} lines; {LONGEST} are the most", file.display()))
}

/// Imports of a page's scripts, by file.
fn script_edges(texts: &BTreeMap<PathBuf, String>) -> Vec<Edge> {
    let name = |file: &Path| file.to_string_lossy().split('/').map(str::to_owned).collect::<Name>();
    let mut edges = Vec::new();
    for (file, text) in texts.iter().filter(|(file, _)| language(file) == Some(Language::JavaScript)) {
        for (line, text) in text.lines().enumerate().filter(|(_, text)| text.contains(" from \"./")) {
            let Some(other) = text.split(" from \"./").nth(1).and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            let other = file.with_file_name(other);
            let place = format!("{}:{}: {}", file.display(), line + 1, other.display());
            edges.push(Edge { from: name(file), to: name(&other), place });
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let texts = files.iter().map(|(file, text)| (PathBuf::from(file), (*text).to_owned())).collect();
        check_files("a", &texts).unwrap()
    }

    #[test]
    fn the_members_are_those_of_the_workspace() {
        assert_eq!(members("[workspace]\nmembers = [\n  \"a\", \"b/c\",\n]\nx = [\"d\"]"), ["a", "b/c"]);
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(members(&manifest).contains(&"xtask"));
    }

    fn assert_one(faults: Vec<String>, parts: &[&str]) {
        assert_eq!(faults.len(), 1, "{faults:#?}");
        for part in parts {
            assert!(faults[0].contains(part), "{part} in {}", faults[0]);
        }
    }

    #[test]
    fn modules_that_name_one_another_are_a_circle() {
        let found = faults(&[
            ("a/src/lib.rs", "mod x; mod y; mod z;"),
            ("a/src/x.rs", "use crate::y::Y;"),
            ("a/src/y.rs", "pub struct Y; fn f() { super::z::g() }"),
            ("a/src/z.rs", "use super::x;"),
        ]);
        assert_one(found, &["x -> y -> z", "a/src/y.rs:1: super::z::g", "a/src/z.rs:1"]);
    }

    #[test]
    fn a_circle_is_found_through_reexports() {
        let found = faults(&[
            ("a/src/lib.rs", "mod x; mod y; pub use x::X as Z; pub use y::*;"),
            ("a/src/x.rs", "use crate::Y; pub struct X;"),
            ("a/src/y.rs", "use super::Z; pub struct Y;"),
        ]);
        assert_one(found, &["x -> y"]);
    }

    #[test]
    fn a_circle_is_found_between_what_is_within_modules() {
        let found = faults(&[
            ("a/src/main.rs", "mod x; mod y;"),
            ("a/src/x/mod.rs", "mod low; mod high;"),
            ("a/src/x/low.rs", ""),
            ("a/src/x/high.rs", "mod inner { use crate::y::f; }"),
            ("a/src/y.rs", "use crate::x::low::g; pub fn f() {}"),
        ]);
        assert_one(found, &["x -> y", "a/src/x/high.rs"]);
    }

    #[test]
    fn a_module_and_its_children_may_name_one_another_and_tests_everything() {
        let found = faults(&[
            ("a/src/lib.rs", "mod x; mod y;"),
            ("a/src/x.rs", "mod inner; use inner::A; pub struct X; #[cfg(test)] mod tests { use crate::y; }"),
            ("a/src/x/inner.rs", "use super::X; pub struct A;"),
            ("a/src/y.rs", "use crate::x; #[cfg(test)] mod tests;"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn scripts_that_import_one_another_are_a_circle() {
        let found = faults(&[
            ("a/www/x.js", "import {\n  y,\n} from \"./y.js\";"),
            ("a/www/y.js", "import { x } from \"./x.js\";"),
        ]);
        assert_one(found, &["x.js -> y.js"]);
    }

    const LAYERS: &str =
        "//! Head.\n//!\n//! # Layers\n//!\n//! ```text\n//! top\n//! mid, side\n//! low\n//! ```\n";

    #[test]
    fn a_module_names_only_those_of_lower_layers() {
        let root = format!("{LAYERS} mod top; mod mid; mod side; mod low;");
        let good = [
            ("a/src/lib.rs", root.as_str()),
            ("a/src/top.rs", "use crate::low;"),
            ("a/src/mid.rs", "use crate::low;"),
            ("a/src/side.rs", ""),
            ("a/src/low.rs", ""),
        ];
        assert_eq!(faults(&good), Vec::<String>::new());
        let mut bad = good;
        bad[4] = ("a/src/low.rs", "use crate::mid::M;");
        bad[2] = ("a/src/mid.rs", "");
        assert_one(faults(&bad), &["low names mid", "a/src/low.rs:1"]);
        bad = good;
        bad[2] = ("a/src/mid.rs", "use crate::side;");
        assert_one(faults(&bad), &["mid names side", "a/src/mid.rs:1"]);
    }

    #[test]
    fn every_module_has_a_layer_and_every_layer_its_modules() {
        let root = format!("{LAYERS} mod top; mod mid; mod low; mod other;");
        let found = faults(&[
            ("a/src/lib.rs", root.as_str()),
            ("a/src/top.rs", ""),
            ("a/src/mid.rs", ""),
            ("a/src/low.rs", ""),
            ("a/src/other.rs", ""),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("other is in no layer") && found[1].contains("side, which is not there"));
    }

    #[test]
    fn a_long_file_is_a_fault() {
        let text = "\n".repeat(LONGEST);
        assert_eq!(faults(&[("a/tests/t.rs", &text)]), Vec::<String>::new());
        assert_one(faults(&[("a/tests/t.rs", &format!("{text}\n"))]), &["a/tests/t.rs: 501 lines"]);
    }
}
