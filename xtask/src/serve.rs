//! A server of static files, for the page.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower_http::services::ServeDir;
use tower_http::services::fs::ServeFileSystemResponseBody;

/// Serves a folder's files, and where it has no index at `/`, sends visitors to `/www/`. Never returns.
///
/// # Errors
///
/// The listener is broken.
pub async fn serve(listener: TcpListener, folder: &Path) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let files = TowerToHyperService::new(ServeDir::new(folder));
    let to_page = !folder.join("index.html").exists();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Either that visitor has left, or there are too many.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let files = files.clone();
        let answer = service_fn(move |request| answer(files.clone(), request, to_page));
        tokio::spawn(async move {
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await
                .ok()
        });
    }
}

async fn answer(
    files: TowerToHyperService<ServeDir>,
    request: Request<Incoming>,
    to_page: bool,
) -> Result<Response<ServeFileSystemResponseBody>, Infallible> {
    let moved = to_page && request.uri().path() == "/";
    let mut response = hyper::service::Service::call(&files, request).await?;
    let headers = response.headers_mut();
    // A page that was built again is loaded again.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if moved {
        headers.insert(LOCATION, HeaderValue::from_static("/www/"));
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    }
    Ok(response)
}

/// Serves a folder on a port of this machine until the program is ended.
///
/// # Errors
///
/// The server does not start: the port may be taken.
pub fn serve_here(folder: &Path, port: u16) -> Result<Infallible, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).map_err(|e| format!("{address}: {e}"))?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    println!("the page is at http://localhost:{port}/www/: open it three times");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.and_then(|runtime| runtime.block_on(serve(listener, folder))).map_err(|e| e.to_string())
}
