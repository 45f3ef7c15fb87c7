//! The codec on any message: what is written is read back, and no bytes do harm.

use paxoskv_core::wire::{read_frame, write_frame};
use paxoskv_tests::messages::messages;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::Index;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_written_is_read_back(messages in messages()) {
        let frame = write_frame(&messages);
        prop_assert_eq!(read_frame(&frame), Ok(messages));
    }

    /// Where it is a frame still, it is one of other messages, which stay what they are.
    #[test]
    fn a_changed_byte_does_no_harm(messages in messages(), at in any::<Index>(), to in any::<u8>()) {
        let mut frame = write_frame(&messages);
        let at = at.index(frame.len());
        frame[at] = to;
        if let Ok(read) = read_frame(&frame) {
            prop_assert_eq!(read_frame(&write_frame(&read)), Ok(read));
        }
    }

    #[test]
    fn a_frame_that_ends_early_or_late_is_none(messages in messages(), at in any::<Index>(), more in vec(any::<u8>(), 1..9)) {
        let frame = write_frame(&messages);
        prop_assert_eq!(read_frame(&frame[..at.index(frame.len())]).ok(), None);
        prop_assert_eq!(read_frame(&[frame, more].concat()).ok(), None);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(read) = read_frame(&bytes) {
            prop_assert_eq!(read_frame(&write_frame(&read)), Ok(read));
        }
    }
}
