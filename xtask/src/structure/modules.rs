//! The modules of a crate, and which of them names which.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use super::source::{self, Language, Path, Scope};

/// A module's name from the crate's root on; the root's is empty.
pub(super) type Name = Vec<String>;

/// The modules under one root: a library, or a program.
#[derive(Debug, Default)]
pub(super) struct Modules {
    by_name: BTreeMap<Name, Module>,
}

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    scope: Scope,
}

/// One module names something of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: Name,
    pub(super) to: Name,
    /// Where, and as what.
    pub(super) place: String,
}

impl Modules {
    /// Reads a crate from its root file on, as `read` gives the text of files.
    ///
    /// # Errors
    ///
    /// That a file is missing.
    pub(super) fn read(root: &FilePath, read: &impl Fn(&FilePath) -> Option<String>) -> Result<Self, String> {
        let mut modules = Self::default();
        let folder = root.parent().unwrap_or(FilePath::new(""));
        modules.read_file(root, folder, &[], read)?;
        Ok(modules)
    }

    /// Reads a file; `folder` is where the files of its children are.
    fn read_file(
        &mut self,
        file: &FilePath,
        folder: &FilePath,
        name: &[String],
        read: &impl Fn(&FilePath) -> Option<String>,
    ) -> Result<(), String> {
        let text = read(file).ok_or_else(|| format!("{} is missing", file.display()))?;
        for scope in source::scopes(&source::tokens(&text, Language::Rust)) {
            let inner = folder.join(scope.path.iter().collect::<PathBuf>());
            let name = [name, &scope.path].concat();
            for (child, file_name) in &scope.files {
                let flat = file_name.clone().unwrap_or_else(|| format!("{child}.rs"));
                let (flat, nested) = (inner.join(flat), inner.join(child).join("mod.rs"));
                let file = if read(&flat).is_some() { flat } else { nested };
                self.read_file(
                    &file,
                    &inner.join(child),
                    &[&name[..], std::slice::from_ref(child)].concat(),
                    read,
                )?;
            }
            self.add(name, file, scope);
        }
        Ok(())
    }

    /// A module can be there twice, for two systems.
    fn add(&mut self, name: Name, file: &FilePath, scope: Scope) {
        let module = self.by_name.entry(name).or_default();
        module.file = file.to_owned();
        module.scope.items.extend(scope.items);
        module.scope.paths.extend(scope.paths);
    }

    /// The names of the modules below the root.
    pub(super) fn top(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().filter_map(|name| match &name[..] {
            [top] => Some(top.as_str()),
            _ => None,
        })
    }

    /// Who names whom, apart from a module and those within it.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (from, module) in &self.by_name {
            for path in &module.scope.paths {
                let Some(to) = self.absolute(from, path).map(|path| self.resolve(&path, 0)) else { continue };
                if !from.starts_with(&to) && !to.starts_with(from) {
                    let place =
                        format!("{}:{}: {}", module.file.display(), path.line, path.segments.join("::"));
                    edges.push(Edge { from: from.clone(), to, place });
                }
            }
        }
        edges
    }

    /// A path from the root on; none where it leads out of the crate.
    fn absolute(&self, from: &[String], path: &Path) -> Option<Name> {
        let (first, mut rest) = path.segments.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Name::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            // A child, or an item of this module; else another crate.
            child if self.knows(from, child) => [from, &[child.to_owned()]].concat(),
            _ => return None,
        };
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop()?;
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn knows(&self, module: &[String], child: &str) -> bool {
        self.by_name.contains_key(&[module, &[child.to_owned()]].concat())
            || self.by_name.get(module).is_some_and(|module| module.scope.items.contains(child))
    }

    /// The module in which a path's end is defined, through whatever imports it is known where the path leads.
    fn resolve(&self, path: &[String], depth: u8) -> Name {
        let known = (0..=path.len()).rev().find(|length| self.by_name.contains_key(&path[..*length]));
        let (module, rest) = path.split_at(known.unwrap_or(0));
        let (Some(name), Some(scope)) = (rest.first(), self.by_name.get(module).map(|module| &module.scope))
        else {
            return module.to_vec();
        };
        // Two modules can import all of each other.
        if scope.items.contains(name) || depth > 8 {
            return module.to_vec();
        }
        let onward = |import: &Path, name: &[String]| {
            let path = self.absolute(module, import)?;
            Some(self.resolve(&[&path[..], name].concat(), depth + 1))
        };
        let mut imports = scope.paths.iter();
        if let Some(import) = imports.find(|import| import.alias.as_ref() == Some(name)) {
            return onward(import, &rest[1..]).unwrap_or_else(|| module.to_vec());
        }
        let globs = scope.paths.iter().filter(|import| import.alias.as_deref() == Some("*"));
        let mut through = globs.filter_map(|import| onward(import, rest));
        through.find(|found| self.defines(found, name)).unwrap_or_else(|| module.to_vec())
    }

    fn defines(&self, module: &[String], item: &str) -> bool {
        self.by_name.get(module).is_some_and(|module| module.scope.items.contains(item))
    }
}
