//! Tickets: one line that says all that a new node must know, wherever it runs.
//!
//! A ticket is `PAXOSKV:` and, in base32 (RFC 4648) without padding, a CRC-32 of what follows, big-endian, and then the
//! CBOR array `[1, cluster, cluster size, [address], secret?]`. Large letters and digits take the least room in a QR code.

use data_encoding::BASE32_NOPAD;
use paxoskv_core::codec::{Head, Reader, Writer};
use paxoskv_core::{Malformed, Seat};

/// What a ticket begins with.
const SCHEME: &str = "PAXOSKV:";

/// The version of a ticket's contents that this code writes and reads.
const FORM: u64 = 1;

/// How long the text of a ticket may be, in bytes: more than fits into a QR code.
pub const MAX_LEN: usize = 4096;

/// What a new node must know.
///
/// ```
/// use paxoskv_links::ticket::Ticket;
/// let ticket = Ticket {
///     cluster: "demo".into(),
///     cluster_size: 3,
///     addresses: vec!["/ip4/10.0.0.1/tcp/7411".into()],
///     secret: Some(b"what nobody can guess".to_vec()),
/// };
/// let text = ticket.to_string();
/// assert!(text.starts_with("PAXOSKV:"));
/// assert_eq!(text.parse(), Ok(ticket));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The cluster's name.
    pub cluster: String,
    /// How many seats it has, 1 to 31.
    pub cluster_size: u8,
    /// Where its nodes are: multiaddrs, and for WebSocket `host:port` or `ws://…`.
    pub addresses: Vec<String>,
    /// What its secret file holds, if it has a secret.
    pub secret: Option<Vec<u8>>,
}

/// Why a text is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// It is something else, or a part of one, or has a wrong letter.
    #[error("this is no whole ticket: copy all of the line that `paxoskv ticket` printed")]
    Broken,
    /// It is whole, but of another form.
    #[error("this ticket is of another release: run the one that printed it, or print a new one")]
    OtherRelease,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cluster, cluster_size, addresses, .. } = self;
        write!(f, "Ticket({cluster:?}, {cluster_size} seats, {addresses:?})")
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body();
        let bytes = [&crc32fast::hash(&body).to_be_bytes(), body.as_slice()].concat();
        write!(f, "{SCHEME}{}", BASE32_NOPAD.encode(&bytes))
    }
}

impl std::str::FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Self, BadTicket> {
        let text = text.trim();
        if text.len() > MAX_LEN || !text.is_ascii() {
            return Err(BadTicket::Broken);
        }
        let text = text.to_ascii_uppercase();
        let bytes = text.strip_prefix(SCHEME).and_then(|text| BASE32_NOPAD.decode(text.as_bytes()).ok());
        let bytes = bytes.ok_or(BadTicket::Broken)?;
        let (sum, body) = bytes.split_first_chunk().ok_or(BadTicket::Broken)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(BadTicket::Broken);
        }
        Self::read(body).map_err(|Malformed { .. }| BadTicket::OtherRelease)
    }
}

impl Ticket {
    fn body(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5);
        w.uint(FORM);
        w.text(&self.cluster);
        w.uint(self.cluster_size.into());
        w.array(self.addresses.len());
        self.addresses.iter().for_each(|address| w.text(address));
        match &self.secret {
            Some(secret) => w.bytes(secret),
            None => w.head(Head::NULL),
        }
        w.finish()
    }

    fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(body);
        r.array_of(5)?;
        if r.uint()? != FORM {
            return Err(r.malformed("a ticket of this form"));
        }
        let cluster = r.text()?.to_owned();
        let size = u8::try_from(r.uint()?).ok().filter(|size| Seat::new(*size).is_some());
        let cluster_size = size.ok_or_else(|| r.malformed("the size of a cluster"))?;
        let addresses = (0..r.array()?).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let secret = if r.peek()? == Head::NULL { None } else { Some(r.bytes()?.to_vec()) };
        Ok(Self { cluster, cluster_size, addresses, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            cluster: "demo".into(),
            cluster_size: 5,
            addresses: vec!["/ip4/10.0.0.1/tcp/7411".into(), "10.0.0.1:7401".into()],
            secret: Some(b"what nobody knows".to_vec()),
        }
    }

    #[test]
    fn it_reads_what_it_writes_whatever_the_case_of_letters() {
        for ticket in [ticket(), Ticket { secret: None, addresses: Vec::new(), ..ticket() }] {
            let text = ticket.to_string();
            assert!(text.starts_with(SCHEME) && !text.contains('='), "{text}");
            assert_eq!(text.parse(), Ok(ticket.clone()));
            assert_eq!(format!(" {}\n", text.to_lowercase()).parse(), Ok(ticket));
        }
    }

    #[test]
    fn what_is_cut_off_or_mistyped_is_an_error() {
        let text = ticket().to_string();
        for end in 0..text.len() {
            assert!(text[..end].parse::<Ticket>().is_err(), "{end}");
        }
        for at in SCHEME.len()..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, other);
            assert!(wrong.parse::<Ticket>().is_err(), "{at}");
        }
        for wrong in ["", "PAXOSKV:", "PAXOSKV:AAAA", "paxoskv:ä", &"A".repeat(10_000)] {
            assert!(wrong.parse::<Ticket>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_later_form_is_another_error_than_garbage() {
        let body = [0x81, 0x02];
        let bytes = [crc32fast::hash(&body).to_be_bytes().as_slice(), &body].concat();
        let text = format!("{SCHEME}{}", BASE32_NOPAD.encode(&bytes));
        assert_eq!(text.parse::<Ticket>(), Err(BadTicket::OtherRelease));
    }
}
