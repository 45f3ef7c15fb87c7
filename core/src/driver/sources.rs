//! In which order the driver asks for what has happened.

use std::task::Poll;

/// Where something can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The batch under way is durable, or has failed.
    Storage,
    /// A handle asks for something.
    Commands,
    /// Something has happened on the transport.
    Transport,
    /// It is time to look at the clock.
    Timer,
}

const ALL: [Source; 4] = [Source::Storage, Source::Commands, Source::Transport, Source::Timer];

/// How often in a row one source is served while others may wait.
const SHARE: usize = 32;

/// Serves all sources in turn, so that none of them starves the others: a flood of calls must not keep frames unread,
/// for peers would drop the links, and a flood of frames must not keep calls waiting.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// The source that is served now, and how often it may still be.
    current: usize,
    left: usize,
}

impl Sources {
    /// The next thing that a source has; `ready` asks one source.
    pub(super) fn poll<R>(&mut self, mut ready: impl FnMut(Source) -> Poll<R>) -> Poll<R> {
        // The current source comes once more after all others, in case it alone has more than its share.
        for _ in 0..=ALL.len() {
            if self.left > 0 {
                let polled = ready(ALL[self.current]);
                if polled.is_ready() {
                    self.left -= 1;
                    return polled;
                }
            }
            self.current = (self.current + 1) % ALL.len();
            self.left = SHARE;
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sources that are served, in this many steps, where these always have something.
    fn served(always: &[Source], steps: usize) -> Vec<Source> {
        let mut sources = Sources::default();
        let ready = |source| if always.contains(&source) { Poll::Ready(source) } else { Poll::Pending };
        let next = |_| match sources.poll(ready) {
            Poll::Ready(source) => source,
            Poll::Pending => unreachable!("there is always something"),
        };
        (0..steps).map(next).collect()
    }

    #[test]
    fn sources_that_always_have_something_share_the_turns() {
        let floods = [Source::Commands, Source::Transport, Source::Timer];
        let served = served(&floods, 3 * SHARE * 10);
        for flood in floods {
            assert_eq!(served.iter().filter(|source| **source == flood).count(), SHARE * 10, "{flood:?}");
        }
    }

    #[test]
    fn a_source_that_is_alone_is_served_each_time() {
        assert_eq!(served(&[Source::Commands], 1_000), vec![Source::Commands; 1_000]);
    }

    #[test]
    fn where_nothing_is_ready_every_source_has_been_asked() {
        let mut sources = Sources::default();
        for _ in 0..3 {
            let mut asked = Vec::new();
            let polled: Poll<()> = sources.poll(|source| {
                asked.push(source);
                Poll::Pending
            });
            assert!(polled.is_pending());
            assert!(ALL.iter().all(|source| asked.contains(source)), "{asked:?}");
        }
    }
}
