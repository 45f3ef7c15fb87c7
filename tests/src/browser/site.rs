//! The bare page and the package, served from a port of their own, which makes an origin with stores of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Static files on a port.
pub struct Site {
    address: SocketAddr,
    /// Dropping this ends the server.
    _server: Runtime,
    _folder: TempDir,
}

impl Site {
    /// Serves on loopback, which browsers trust.
    #[track_caller]
    pub fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    /// Serves at an address of this machine.
    #[track_caller]
    pub fn at(address: IpAddr) -> Self {
        let package = xtask::web::folder().join("pkg");
        assert!(package.join("paxoskv.js").exists(), "there is no package: `cargo xtask web` builds it");
        let folder = TempDir::new().unwrap();
        let bare = include_str!("bare.html");
        std::fs::write(folder.path().join("index.html"), bare).unwrap();
        let with_libp2p = bare.replace("/pkg/", "/pkg/libp2p/");
        std::fs::write(folder.path().join("libp2p.html"), with_libp2p).unwrap();
        std::os::unix::fs::symlink(package, folder.path().join("pkg")).unwrap();
        std::os::unix::fs::symlink(xtask::web::folder().join("www"), folder.path().join("www")).unwrap();
        Self::serve(address, folder)
    }

    fn serve(address: IpAddr, folder: TempDir) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().unwrap();
        let server =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let path = folder.path().to_path_buf();
        server.spawn(async move { xtask::serve::serve(listener, &path).await.map(|never| match never {}) });
        Self { address, _server: server, _folder: folder }
    }

    /// The address of the bare page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The address of the bare page with the package's build with libp2p.
    pub fn libp2p_url(&self) -> String {
        format!("{}libp2p.html", self.url())
    }

    /// The address of the page for people, for a cluster of that name.
    pub fn page_url(&self, cluster: &str) -> String {
        format!("{}www/?cluster={cluster}", self.url())
    }

    /// The pages' origin, as browsers send it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}
