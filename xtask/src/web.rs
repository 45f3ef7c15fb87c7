//! The npm package: `web/pkg`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::{cargo, command, root, run, target};
use crate::setup::{self, WASM};
use crate::tools::{NODE, NPM, WASM_BINDGEN};

/// The size that is wanted, gzipped. More is too much to ask of a page's visitors.
pub const WANTED: usize = 150_000;

/// The package is still larger than that. This limit keeps it from growing.
pub const LARGEST: usize = 232_000;

/// The files of the bindings: as the tool names them, and as the package does.
const GLUE: &[(&str, &str)] =
    &[("paxoskv.js", "glue.js"), ("paxoskv.d.ts", "glue.d.ts"), ("paxoskv_bg.wasm", "paxoskv_bg.wasm")];

/// Files that are written by hand.
const WRITTEN: &[&str] = &["package.json", "README.md"];

/// Files that are written by hand, and copied beside each build.
const WRITTEN_EACH: &[&str] = &["paxoskv.js", "paxoskv.d.ts"];

/// The folder to serve: the page is at `/www/` then.
pub fn folder() -> PathBuf {
    root().join("web")
}

/// Builds the package: the small build, and one with libp2p in a folder of its own.
///
/// # Errors
///
/// A step failed, or the package is too large.
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

/// Compiles the crate, and makes the bindings in a folder of that name.
fn bind(name: &str, features: &[&str]) -> Result<PathBuf, String> {
    // Cargo optimises across crates only where it makes nothing that other crates link, as tests do.
    let build = ["rustc", "--locked", "-p", "paxoskv-web", "--lib", "--crate-type", "cdylib"];
    let paths = format!("target.{WASM}.rustflags={:?}", shorter_paths());
    let how = ["--target", WASM, "--profile", "web", "--config", &paths];
    cargo(&[build.as_slice(), &how, features].concat())?;
    let built = target().join(WASM).join("web/paxoskv_web.wasm");
    let made = target().join("web").join(name);
    run(command(WASM_BINDGEN.need()?)
        .args(["--target", "web", "--out-name", "paxoskv"])
        // With the names of functions the download would be half as large again.
        .args(["--remove-name-section", "--remove-producers-section", "--out-dir"])
        .arg(&made)
        .arg(&built))?;
    Ok(made)
}

/// Flags that cut the paths of dependencies down to `name-version/src/…`. Panics have them in their messages, and the
/// package must not depend on whose home directory it was built in.
fn shorter_paths() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default();
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    registries.map(|registry| format!("--remap-path-prefix={}=", registry.path().display())).collect()
}

/// Checks the package's types, by an example in strict TypeScript.
///
/// # Errors
///
/// The types are wrong.
pub fn check_types() -> Result<(), String> {
    setup::tools(&[NODE, NPM])?;
    let npm = NPM.need()?;
    let prefix = ["--prefix", "web/examples/typescript"];
    run(command(&npm).args(prefix).args(["ci", "--no-audit", "--no-fund"]))?;
    run(command(&npm).args(prefix).args(["run", "check"]))
}

/// Puts the package together from what was built and what is written by hand. A reader of the folder finds the package
/// from before, or the new one, and never a mixture.
fn lay_out(builds: &[(&str, &Path)], written: &Path, package: &Path) -> Result<(), String> {
    let [fresh, old] = ["fresh", "old"].map(|name| target().join("web").join(name));
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    for folder in [&fresh, &old] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed(folder))?;
        }
    }
    let copy = |from: PathBuf, to: PathBuf| fs::copy(&from, to).map(drop).map_err(failed(&from));
    for (folder, made) in builds {
        let folder = fresh.join(folder);
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
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
    if !fs::read_to_string(&manifest).map_err(failed(&manifest))?.contains(&version) {
        return Err(format!("web/js/package.json does not have the workspace's {version}"));
    }
    if package.exists() {
        fs::rename(package, &old).map_err(failed(package))?;
    }
    fs::rename(&fresh, package).map_err(failed(package))?;
    fs::remove_dir_all(&old).or_else(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(failed(&old)(e)),
    })
}

/// The sizes of a file, in bytes.
struct Size {
    raw: usize,
    gzipped: usize,
}

fn size(file: &Path) -> Result<Size, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", file.display());
    let bytes = fs::read(file).map_err(failed)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes).map_err(failed)?;
    Ok(Size { raw: bytes.len(), gzipped: encoder.finish().map_err(failed)?.len() })
}
