//! Any text is taken for a ticket, and any bytes for what is in one, with the right sum: it is one, which is written and
//! read again as the same, or it is refused with a reason.

#![no_main]

use data_encoding::BASE32_NOPAD;
use libfuzzer_sys::fuzz_target;
use paxoskv_fuzz::heap;
use paxoskv_links::ticket::{MAX_LEN, Ticket};

/// What reading one may take.
const HEAP: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
    let summed = [&crc32fast::hash(bytes).to_be_bytes(), bytes].concat();
    read(&format!("PAXOSKV:{}", BASE32_NOPAD.encode(&summed)));
});

fn read(text: &str) {
    let (ticket, most) = heap::most(|| text.parse::<Ticket>());
    assert!(most <= HEAP + 8 * text.len(), "a text of {} bytes takes {most}", text.len());
    match ticket {
        Ok(ticket) => {
            let written = ticket.to_string();
            // A ticket can be as long as that; its own form is not longer.
            assert!(written.len() <= MAX_LEN);
            assert_eq!(written.parse().as_ref(), Ok(&ticket));
            let _ = format!("{ticket:?}");
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}
