//! Addresses of this transport, and telling them from those of others.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest address that is parsed.
const MAX_LEN: usize = 512;

/// Where a listener is. Two that mean the same are equal: the scheme, the port and the path `/ws` may be left out of
/// what is parsed, and letters of the host are made small.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Whether it is reached by TLS, `wss://`.
    pub tls: bool,
    /// A name or an IP address, that of IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and query, with the `/` it starts with.
    pub path: String,
}

/// The text is no address of this transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of a WebSocket listener: write host:port, ws://host:port or wss://host")]
pub struct NotOurs;

impl From<SocketAddr> for Address {
    fn from(at: SocketAddr) -> Self {
        Self { tls: false, host: at.ip().to_canonical().to_string(), port: at.port(), path: "/ws".into() }
    }
}

impl Address {
    /// The host as an IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host is an IP address: a name has no colons, and not only digits and points.
    #[must_use]
    pub fn is_ip(&self) -> bool {
        self.host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || self.host.contains(':')
    }

    /// `host:port`, with brackets where they are needed.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The whole URL, path included.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", if self.tls { "wss" } else { "ws" }, self.authority(), self.path)
    }
}

/// The short form, which leaves out the usual path.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url();
        f.write_str(url.strip_suffix("/ws").filter(|_| self.path == "/ws").unwrap_or(&url))
    }
}

impl FromStr for Address {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let text = text.trim();
        if text.len() > MAX_LEN || text.starts_with('/') {
            return Err(NotOurs); // The latter is a multiaddr.
        }
        let scheme = text.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix("//")?)));
        let (tls, rest) = match scheme {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => (Some(false), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => (Some(true), rest),
            Some(_) => return Err(NotOurs),
            None => (None, text),
        };
        let path = rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at));
        let (authority, path) = path.unwrap_or((rest, ""));
        let (host, port) = split_authority(authority)?;
        let port = match (port, tls) {
            (Some(port), _) => port,
            (None, Some(tls)) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            // Without a scheme it might be anything, so the port must be there.
            (None, None) => return Err(NotOurs),
        };
        if path.chars().any(|c| !c.is_ascii_graphic() || c == '#') {
            return Err(NotOurs);
        }
        let path = match path {
            "" | "/" => "/ws".to_owned(),
            query if query.starts_with('?') => format!("/ws{query}"),
            path => path.to_owned(),
        };
        Ok(Self { tls: tls.unwrap_or(false), host, port, path })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(crate) fn split_authority(authority: &str) -> Result<(String, Option<u16>), NotOurs> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(NotOurs)?;
        let host = canonical_ipv6(host).ok_or(NotOurs)?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NotOurs)?) })
    } else {
        let (host, port) =
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(known) {
            return Err(NotOurs);
        }
        (host.to_ascii_lowercase(), port)
    };
    let digits =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
    let port = port.map(|port| digits(port).filter(|&port: &u16| port != 0).ok_or(NotOurs)).transpose()?;
    Ok((host, port))
}

/// The usual way to write an IPv6 address; none where the text is no such address.
#[cfg(not(target_family = "wasm"))]
fn canonical_ipv6(text: &str) -> Option<String> {
    Some(text.parse::<std::net::Ipv6Addr>().ok()?.to_string())
}

/// The usual way to write an IPv6 address; none where the text is no such address. The browser can read them, so its
/// download need not.
#[cfg(target_family = "wasm")]
fn canonical_ipv6(text: &str) -> Option<String> {
    // Of a URL, some other letters would be left out, or would end the host.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
        return None;
    }
    let host = web_sys::Url::new(&format!("ws://[{text}]")).ok()?.hostname();
    Some(host.strip_prefix('[')?.strip_suffix(']')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Option<String> {
        text.parse::<Address>().ok().map(|address| address.url())
    }

    #[test]
    fn ways_to_write_one_address_are_the_same() {
        for text in
            ["127.0.0.1:7401", "ws://127.0.0.1:7401", "WS://127.0.0.1:7401/", " ws://127.0.0.1:7401/ws"]
        {
            assert_eq!(url(text).as_deref(), Some("ws://127.0.0.1:7401/ws"), "{text}");
        }
        assert_eq!(url("LocalHost:1").as_deref(), Some("ws://localhost:1/ws"));
        assert_eq!(url("[0:0::1]:7401").as_deref(), Some("ws://[::1]:7401/ws"));
        assert_eq!(url("wss://example.org").as_deref(), Some("wss://example.org:443/ws"));
        assert_eq!(url("ws://example.org/a/b?c").as_deref(), Some("ws://example.org:80/a/b?c"));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let others = [
            "",
            "/ip4/127.0.0.1/tcp/7401",
            "/ip4/1.2.3.4/tcp/1/ws/p2p/12D3KooW",
            "http://a:1",
            "example.org",
            ":1",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "::1:7401",
            "[::1",
            "[::1]7401",
            "[a]:1",
            "a b:1",
            "user@host:1",
            "ws://",
            "ws://a:1/\r\nHost: b",
            "ws://a:1/#x",
            "ä:1",
        ];
        for text in others {
            assert_eq!(url(text), None, "{text:?}");
        }
        assert_eq!(url(&format!("ws://{}:1", "a".repeat(254))), None);
        assert_eq!(url(&format!("ws://a:1/{}", "a".repeat(600))), None);
    }

    #[test]
    fn the_short_form_reads_back() {
        for text in ["ws://[::1]:7401", "wss://example.org:443", "ws://example.org:80/other"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
