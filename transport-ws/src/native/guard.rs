//! Which requests are answered.
//!
//! Any web page can make the browser send requests to 127.0.0.1 and to the machines around it. The browser
//! says in `Origin` whose page it is; and a page can get around that only by having its own name point to our address
//! (DNS rebinding), which then shows in `Host`. So both are checked. Programs other than browsers send no `Origin`:
//! they are not what this guards against, the secret is.

use std::collections::HashSet;
use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

use super::config::SetupError;
use crate::address::split_authority;

/// Checks `Host` and `Origin`; the application's own HTTP routes need it as much as the transport's does.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    origins: HashSet<Origin>,
    hosts: HashSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_authority(authority).ok()?;
        let port = port.or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Some(Self { scheme, host, port })
    }
}

impl Guard {
    /// Lets in pages of these origins, under these host names; see [`WsConfig`](super::WsConfig).
    ///
    /// # Errors
    ///
    /// If one of them is not what it should be.
    pub fn new(origins: &[String], hosts: &[String]) -> Result<Self, SetupError> {
        let origins = origins.iter().map(|text| {
            Origin::parse(text.trim_end_matches('/')).ok_or_else(|| SetupError::Origin(text.clone()))
        });
        let hosts = hosts.iter().map(|text| match split_authority(text) {
            Ok((host, None)) => Ok(host),
            _ => Err(SetupError::Host(text.clone())),
        });
        Ok(Self { origins: origins.collect::<Result<_, _>>()?, hosts: hosts.collect::<Result<_, _>>()? })
    }

    /// Whether a request may be answered; if not, answer it with 403 and this reason.
    ///
    /// # Errors
    ///
    /// Why it is not: one line, for people.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let host = single(headers, header::HOST)?.ok_or("the request has no Host header")?;
        let (name, port) = self.known_host(host)?;
        if let Some(authority) = uri.authority() {
            self.known_host(authority.as_str())?;
        }
        let Some(text) = single(headers, header::ORIGIN)? else { return Ok(()) };
        let Some(origin) = Origin::parse(text) else {
            return Err(format!("origin {text:?} is not allowed here: it names no site"));
        };
        // A page of this very listener; a proxy before it may have added TLS.
        let default = if origin.scheme == "https" { 443 } else { 80 };
        let own = matches!(origin.scheme.as_str(), "http" | "https")
            && origin.host == name
            && origin.port == Some(port.unwrap_or(default));
        if own || self.origins.contains(&origin) {
            return Ok(());
        }
        Err(format!("origin {text:?} is not allowed here: allow it with --allow-origin"))
    }

    fn known_host(&self, host: &str) -> Result<(String, Option<u16>), String> {
        let (name, port) = split_authority(host).map_err(|_| format!("{host:?} is no host"))?;
        if name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name) {
            return Ok((name, port));
        }
        Err(format!("host {host:?} is not known here: use the node's IP address, or allow the name"))
    }
}

fn single(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, String> {
    let mut values = headers.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(format!("the request has more than one {name} header"));
    }
    first.map(|value| value.to_str().map_err(|_| format!("the {name} header is not text"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> Result<(), String> {
        let guard = Guard::new(&["https://app.example/".into()], &["Node.Example".into()]).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        guard.check(&Uri::from_static("/ws"), &map)
    }

    #[test]
    fn hosts_are_addresses_localhost_or_allowed() {
        for host in
            ["127.0.0.1", "10.1.2.3:7401", "[::1]:7401", "LOCALHOST:1", "node.example", "node.example:80"]
        {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b", "[::1"] {
            assert!(check(&[("host", host)]).is_err(), "{host}");
        }
        assert!(check(&[]).is_err());
        assert!(check(&[("host", "127.0.0.1"), ("host", "127.0.0.1")]).is_err());
    }

    #[test]
    fn origins_are_the_listeners_own_or_allowed() {
        let allowed = [
            ("127.0.0.1:7401", "http://127.0.0.1:7401"),
            ("localhost:7401", "http://LOCALHOST:7401"),
            ("10.0.0.1", "http://10.0.0.1"),
            ("10.0.0.1", "https://10.0.0.1"),
            ("[::1]:7401", "http://[::1]:7401"),
            ("127.0.0.1:7401", "https://app.example"),
            ("127.0.0.1:7401", "https://app.example:443"),
        ];
        for (host, origin) in allowed {
            assert_eq!(check(&[("host", host), ("origin", origin)]), Ok(()), "{origin} at {host}");
        }
        let others = [
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1:7402",
            "http://localhost:7401",
            "http://127.0.0.1",
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil.example",
            "ftp://127.0.0.1:7401",
            "https://app.example/x",
        ];
        for origin in others {
            assert!(check(&[("host", "127.0.0.1:7401"), ("origin", origin)]).is_err(), "{origin:?}");
        }
        let twice =
            [("host", "127.0.0.1:1"), ("origin", "https://app.example"), ("origin", "http://evil.example")];
        assert!(check(&twice).is_err());
    }

    #[test]
    fn a_whole_url_in_the_request_line_must_name_a_known_host_too() {
        let headers = HeaderMap::from_iter([(header::HOST, "127.0.0.1".parse().unwrap())]);
        assert!(Guard::default().check(&Uri::from_static("http://evil.example/ws"), &headers).is_err());
    }

    #[test]
    fn settings_that_make_no_sense_are_errors() {
        assert!(Guard::new(&["example.org".into()], &[]).is_err());
        assert!(Guard::new(&[], &["http://example.org".into()]).is_err());
        assert!(Guard::new(&[], &["example.org:80".into()]).is_err());
    }
}
