//! Tickets: one line that says all that a new node must know.
//!
//! A ticket is `PAXOSKV:` and, in base32 (RFC 4648) without padding, a CRC-32 of what follows, big-endian, and then the
//! CBOR array [1, cluster, cluster size, [address], secret?]. Large letters and digits take the least room in a QR code.

use std::io::IsTerminal;
use std::time::Duration;

use ciborium_io::Read as _;
use ciborium_ll::{Decoder, Encoder, Header};
use data_encoding::BASE32_NOPAD;
use fast_qr::QRBuilder;
use paxoskv::{NativeNode, Secret};

use super::args::{Reach, TicketArgs};
use super::failure::{Exit, Failure};
use super::{oneshot, secret};

/// What a ticket begins with.
const SCHEME: &str = "PAXOSKV:";

/// The form that this code writes.
const FORM: u64 = 1;

/// How long a text of a ticket may be, in bytes: more than fits into a QR code.
const MAX_TEXT: usize = 4096;
/// How many addresses a ticket carries; more of them make the QR code larger than they help.
const MAX_ADDRESSES: usize = 8;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Asks a node what a new one must know, and prints it.
pub(crate) async fn run(args: TicketArgs) -> Result<Exit, Failure> {
    let TicketArgs { reach, timeout } = args;
    let addresses = oneshot::addresses(&reach);
    let node = oneshot::observer(&reach, &addresses).await?;
    let made = tokio::select! {
        made = make(&node, &reach, timeout.unwrap_or(oneshot::TIMEOUT)) => made,
        refused = node.refused() => Err(refused.into()),
    };
    let made = match made {
        Err(failure) if failure.exit == Exit::Unavailable => {
            Err(oneshot::explain(&node, failure, &addresses).await)
        }
        made => made,
    };
    tokio::time::timeout(GOODBYE, node.leave()).await.ok();
    let text = made?.to_string();
    if text.len() > MAX_TEXT {
        return Err(Failure::error("the ticket would be too long: shorten the secret or the cluster's name"));
    }
    println!("{text}");
    if std::io::stdout().is_terminal() {
        match QRBuilder::new(text).build() {
            Ok(code) => println!("{}", code.to_str()),
            Err(_) => eprintln!("the ticket is too long for a QR code"),
        }
    }
    Ok(Exit::Done)
}

async fn make(node: &NativeNode, reach: &Reach, timeout: Duration) -> Result<Ticket, Failure> {
    let status = node.status().timeout(timeout).await?;
    let cluster_size = u8::try_from(status.cluster_size)
        .map_err(|_| Failure::error("the node tells of a cluster that is larger than one can be"))?;
    let secret = secret::read(reach.secret_file.as_deref())?;
    let mut addresses = node.known_addresses();
    // Those of one machine alone are of use where there are no others, which is on that machine.
    if !addresses.iter().all(|address| is_loopback(address)) {
        addresses.retain(|address| !is_loopback(address));
    }
    if addresses.is_empty() {
        addresses.clone_from(&reach.at);
    }
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        let message = "the cluster's nodes do not tell where they can be reached: say where one is with --at";
        return Err(Failure::error(message));
    }
    Ok(Ticket { cluster: status.cluster, cluster_size, addresses, secret })
}

fn is_loopback(address: &str) -> bool {
    let starts = ["127.", "localhost:", "[::1]:", "ws://127.", "ws://localhost", "/ip4/127.", "/ip6/::1/"];
    starts.iter().any(|start| address.starts_with(start))
}

/// What a new node must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) cluster: String,
    pub(crate) cluster_size: u8,
    pub(crate) addresses: Vec<String>,
    pub(crate) secret: Option<Secret>,
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body();
        let bytes = [&crc32fast::hash(&body).to_be_bytes(), body.as_slice()].concat();
        write!(f, "{SCHEME}{}", BASE32_NOPAD.encode(&bytes))
    }
}

impl std::str::FromStr for Ticket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let broken =
            || "this is no whole ticket: copy all of the line that `paxoskv ticket` printed".to_owned();
        if text.len() > MAX_TEXT || !text.is_ascii() {
            return Err(broken());
        }
        let text = text.to_ascii_uppercase();
        let bytes = text.strip_prefix(SCHEME).and_then(|text| BASE32_NOPAD.decode(text.as_bytes()).ok());
        let bytes = bytes.ok_or_else(broken)?;
        let (sum, body) = bytes.split_first_chunk().ok_or_else(broken)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(broken());
        }
        Self::read(body).ok_or_else(|| {
            "this ticket is of another release: run the one that printed it, or print a new one".to_owned()
        })
    }
}

impl Ticket {
    fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut to = Encoder::from(&mut bytes);
        // Writing into memory does not fail.
        let _ = self.write(&mut to);
        bytes
    }

    fn write(&self, to: &mut Encoder<&mut Vec<u8>>) -> Result<(), std::io::Error> {
        to.push(Header::Array(Some(5)))?;
        to.push(Header::Positive(FORM))?;
        to.text(&self.cluster, None)?;
        to.push(Header::Positive(self.cluster_size.into()))?;
        to.push(Header::Array(Some(self.addresses.len())))?;
        for address in &self.addresses {
            to.text(address, None)?;
        }
        match &self.secret {
            Some(secret) => to.bytes(secret.reveal(), None),
            None => to.push(Header::Simple(ciborium_ll::simple::NULL)),
        }
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut from = Decoder::from(body);
        let (Header::Array(Some(5)), Header::Positive(FORM)) = (from.pull().ok()?, from.pull().ok()?) else {
            return None;
        };
        let cluster = text(&mut from)?;
        let Header::Positive(size) = from.pull().ok()? else { return None };
        let cluster_size = u8::try_from(size).ok().filter(|size| paxoskv::Seat::new(*size).is_some())?;
        let Header::Array(Some(count)) = from.pull().ok()? else { return None };
        let addresses = (0..count).map(|_| text(&mut from)).collect::<Option<_>>()?;
        let secret = match from.pull().ok()? {
            Header::Bytes(Some(length)) => Some(Secret::new(&take(&mut from, length)?).ok()?),
            Header::Simple(ciborium_ll::simple::NULL) => None,
            _ => return None,
        };
        Some(Self { cluster, cluster_size, addresses, secret })
    }
}

fn text(from: &mut Decoder<&[u8]>) -> Option<String> {
    let Header::Text(Some(length)) = from.pull().ok()? else { return None };
    String::from_utf8(take(from, length)?).ok()
}

/// No more than a ticket can hold.
fn take(from: &mut Decoder<&[u8]>, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; Some(length).filter(|length| *length <= MAX_TEXT)?];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            cluster: "demo".into(),
            cluster_size: 5,
            addresses: vec!["/ip4/10.0.0.1/tcp/7411".into(), "10.0.0.1:7401".into()],
            secret: Some(Secret::new(b"what nobody knows").unwrap()),
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
    fn a_later_form_is_told_apart_from_garbage() {
        let body = [0x81, 0x02];
        let bytes = [crc32fast::hash(&body).to_be_bytes().as_slice(), &body].concat();
        let text = format!("{SCHEME}{}", BASE32_NOPAD.encode(&bytes));
        assert!(text.parse::<Ticket>().unwrap_err().contains("another release"));
    }
}
