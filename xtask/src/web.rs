//! The npm package: `web/pkg`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::{cargo, root, run, target};
use crate::setup::{self, WASM};
use crate::tools::{NODE, NPM, WASM_BINDGEN};

/// What is wanted, gzipped: more is too much to ask of a page's visitors.
pub const WANTED: usize = 150_000;

/// It is larger than that still. Until it is not, this keeps it from growing.
pub const LARGEST: usize = 256_000;

/// What the bindings are called in the package, and by what they are made.
const GLUE: &[(&str, &str)] =
    &[("paxoskv.js", "glue.js"), ("paxoskv.d.ts", "glue.d.ts"), ("paxoskv_bg.wasm", "paxoskv_bg.wasm")];

/// What is written by hand.
const WRITTEN: &[&str] = &["package.json", "README.md"];

/// And for each build.
const WRITTEN_EACH: &[&str] = &["paxoskv.js", "paxoskv.d.ts"];

/// The folder that the page is in; whoever serves it, serves the page at `/www/`.
pub fn folder() -> PathBuf {
    root().join("web")
}

/// Builds the package: the small build, and one with libp2p in a folder of its own.
///
/// # Errors
///
/// What went wrong, or that it is too large.
pub fn build() -> Result<(), String> {
    setup::target()?;
    setup::tools(&[WASM_BINDGEN])?;
    let package = folder().join("pkg");
    let small = bind("made", &[])?;
    let with_libp2p = bind("made-libp2p", &["--features", "libp2p"])?;
    lay_out(&[("", small.as_path()), ("libp2p", with_libp2p.as_path())], &folder().join("js"), &package)?;
    let size_of = |file: &str| -> Result<Size, String> {
        let size = size(&package.join(file))?;
        println!("web/pkg/{file}: {} bytes, {} gzipped", size.raw, size.gzipped);
        Ok(size)
    };
    let size = size_of("paxoskv_bg.wasm")?;
    size_of("libp2p/paxoskv_bg.wasm")?;
    println!("without libp2p {WANTED} are wanted, gzipped, and {LARGEST} are allowed");
    if size.gzipped > LARGEST {
        return Err(format!("the package is too large: {} bytes gzipped, at most {LARGEST}", size.gzipped));
    }
    Ok(())
}

/// Compiles, and makes the bindings, in a folder of that name.
fn bind(name: &str, features: &[&str]) -> Result<PathBuf, String> {
    let build =
        ["build", "--locked", "-p", "paxoskv-web", "--lib", "--target", WASM, "--profile", "web"].as_slice();
    cargo(&[build, features].concat())?;
    let built = target().join(WASM).join("web/paxoskv_web.wasm");
    let made = target().join("web").join(name);
    run(Command::new(WASM_BINDGEN.need()?)
        .args(["--target", "web", "--out-name", "paxoskv"])
        // The names of functions would make the download half as large again.
        .args(["--remove-name-section", "--remove-producers-section", "--out-dir"])
        .arg(&made)
        .arg(&built))?;
    Ok(made)
}

/// Checks the package's types, by an example in TypeScript that is strict.
///
/// # Errors
///
/// What is wrong with them.
pub fn check_types() -> Result<(), String> {
    setup::tools(&[NODE, NPM])?;
    let npm = NPM.need()?;
    let prefix = ["--prefix", "web/examples/typescript"];
    run(Command::new(&npm).args(prefix).args(["ci", "--no-audit", "--no-fund"]))?;
    run(Command::new(&npm).args(prefix).args(["run", "check"]))
}

/// Puts the package together: what is made, and what is written by hand. Whoever looks into the folder meanwhile finds
/// the one before, or this one.
fn lay_out(builds: &[(&str, &Path)], written: &Path, package: &Path) -> Result<(), String> {
    let [fresh, old] = ["fresh", "old"].map(|name| target().join("web").join(name));
    let said = |what: &Path| {
        let what = what.display().to_string();
        move |e: std::io::Error| format!("{what}: {e}")
    };
    for folder in [&fresh, &old] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(said(folder))?;
        }
    }
    let copy = |from: PathBuf, to: PathBuf| fs::copy(&from, to).map(drop).map_err(said(&from));
    for (folder, made) in builds {
        let folder = fresh.join(folder);
        fs::create_dir_all(&folder).map_err(said(&folder))?;
        for (from, to) in GLUE {
            copy(made.join(from), folder.join(to))?;
        }
        for name in WRITTEN_EACH {
            copy(written.join(name), folder.join(name))?;
        }
    }
    for name in WRITTEN {
        copy(written.join(name), fresh.join(name))?;
    }
    let manifest = fresh.join("package.json");
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    if !fs::read_to_string(&manifest).map_err(said(&manifest))?.contains(&version) {
        return Err(format!("web/js/package.json does not have the workspace's {version}"));
    }
    if package.exists() {
        fs::rename(package, &old).map_err(said(package))?;
    }
    fs::rename(&fresh, package).map_err(said(package))?;
    fs::remove_dir_all(&old).or_else(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(said(&old)(e)),
    })
}

/// In bytes.
struct Size {
    raw: usize,
    gzipped: usize,
}

fn size(file: &Path) -> Result<Size, String> {
    let said = |e: std::io::Error| format!("{}: {e}", file.display());
    let bytes = fs::read(file).map_err(said)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes).map_err(said)?;
    Ok(Size { raw: bytes.len(), gzipped: encoder.finish().map_err(said)?.len() })
}
