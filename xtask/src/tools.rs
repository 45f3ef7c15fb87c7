//! The programs that builds for browsers, and tests in browsers and in networks, need: names, versions, and where they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{output, root, target};

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub program: &'static str,
    /// Where it comes from.
    pub source: Source,
}

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Debian package of that name. Any version will do.
    Debian(&'static str),
    /// The crate of that name, in exactly that version.
    Crate(&'static str, Version),
}

/// The version of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// This one.
    Exactly(&'static str),
    /// The version of that crate in `Cargo.lock`, since the tool reads what that crate writes.
    LikeLocked(&'static str),
}

/// Chromium.
pub const CHROMIUM: Tool = Tool { program: "chromium", source: Source::Debian("chromium") };
/// Chromium's WebDriver.
pub const CHROMEDRIVER: Tool = Tool { program: "chromedriver", source: Source::Debian("chromium-driver") };
/// Firefox.
pub const FIREFOX: Tool = Tool { program: "firefox-esr", source: Source::Debian("firefox-esr") };
/// Firefox's WebDriver.
pub const GECKODRIVER: Tool =
    Tool { program: "geckodriver", source: Source::Crate("geckodriver", Version::Exactly("0.37.1")) };
/// Runs JavaScript without a browser.
pub const NODE: Tool = Tool { program: "node", source: Source::Debian("nodejs") };
/// Installs packages of JavaScript.
pub const NPM: Tool = Tool { program: "npm", source: Source::Debian("npm") };
/// Makes JavaScript bindings.
pub const WASM_BINDGEN: Tool =
    Tool { program: "wasm-bindgen", source: Source::Crate("wasm-bindgen-cli", LOCKED_BINDGEN) };
/// Runs tests in wasm; a part of the same crate.
pub const WASM_TEST_RUNNER: Tool =
    Tool { program: "wasm-bindgen-test-runner", source: Source::Crate("wasm-bindgen-cli", LOCKED_BINDGEN) };
/// Makes npm packages, and runs a crate's tests in browsers.
pub const WASM_PACK: Tool =
    Tool { program: "wasm-pack", source: Source::Crate("wasm-pack", Version::Exactly("0.15.1")) };

/// Makes network namespaces, and runs programs in them.
pub const IP: Tool = Tool { program: "ip", source: Source::Debian("iproute2") };
/// Makes routers of machines.
pub const NFT: Tool = Tool { program: "nft", source: Source::Debian("nftables") };

const LOCKED_BINDGEN: Version = Version::LikeLocked("wasm-bindgen");

/// All tools.
pub const ALL: &[Tool] = &[
    NODE,
    NPM,
    CHROMIUM,
    CHROMEDRIVER,
    FIREFOX,
    WASM_BINDGEN,
    WASM_TEST_RUNNER,
    WASM_PACK,
    GECKODRIVER,
    IP,
    NFT,
];

impl Version {
    /// The version's number.
    ///
    /// # Errors
    ///
    /// `Cargo.lock` does not name the crate.
    pub fn number(self) -> Result<String, String> {
        match self {
            Self::Exactly(version) => Ok(version.to_owned()),
            Self::LikeLocked(name) => {
                let path = root().join("Cargo.lock");
                let lock = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                locked(&lock, name).ok_or_else(|| format!("{} has no {name}", path.display()))
            }
        }
    }
}

fn locked(lock: &str, name: &str) -> Option<String> {
    let (_, found) = lock.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    found.split('"').next().map(str::to_owned)
}

impl Tool {
    /// Where the program is in the right version, if it is anywhere.
    pub fn find(self) -> Option<PathBuf> {
        let wanted = match self.source {
            Source::Debian(_) => None,
            Source::Crate(_, version) => Some(version.number().ok()?),
        };
        let name = format!("{}{}", self.program, std::env::consts::EXE_SUFFIX);
        folders().map(|folder| folder.join(&name)).filter(|path| path.is_file()).find(|path| {
            wanted.as_ref().is_none_or(|wanted| {
                let printed = output(Command::new(path).arg("--version")).unwrap_or_default();
                printed.split_whitespace().any(|word| word == wanted)
            })
        })
    }

    /// Where the program is.
    ///
    /// # Errors
    ///
    /// The program is missing; the error says what installs it.
    pub fn need(self) -> Result<PathBuf, String> {
        self.find().ok_or_else(|| {
            let version = match self.source {
                Source::Debian(_) => String::new(),
                Source::Crate(_, version) => format!(" {}", version.number().unwrap_or_default()),
            };
            format!("{}{version} is not installed: `cargo xtask setup` installs it", self.program)
        })
    }
}

/// Where [`setup`](crate::setup) installs programs from crates.
pub fn installed() -> PathBuf {
    target().join("tools")
}

/// The folders in which programs are looked for.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    std::iter::once(installed().join("bin")).chain(path).chain(cargo.map(|cargo| cargo.join("bin")))
}

/// A `PATH` on which these programs come first.
///
/// # Errors
///
/// A program is missing.
pub fn path_with(tools: &[Tool]) -> Result<std::ffi::OsString, String> {
    let mut folders = Vec::new();
    for tool in tools {
        folders.extend(tool.need()?.parent().map(Path::to_path_buf));
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    std::env::join_paths(folders).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = "[[package]]\nname = \"wasm\"\nversion = \"1.0\"\n\n[[package]]\nname = \"wasm-bindgen\"\n\
                    version = \"0.2.108\"\nsource = \"registry\"\n";
        assert_eq!(locked(lock, "wasm-bindgen").as_deref(), Some("0.2.108"));
        assert_eq!(locked(lock, "bindgen"), None);
        assert!(LOCKED_BINDGEN.number().is_ok());
    }
}
