//! Gathering items into a row.

/// An iterator whose items are gathered into a row.
pub trait Gather: Iterator + Sized {
    /// As `collect` does it.
    #[cfg(not(target_family = "wasm"))]
    fn gather(self) -> Vec<Self::Item> {
        self.collect()
    }

    /// One by one. What `collect` does beside that, to make room in advance, is most of its code.
    #[cfg(target_family = "wasm")]
    fn gather(self) -> Vec<Self::Item> {
        let mut items = Vec::new();
        for item in self {
            items.push(item);
        }
        items
    }
}

impl<I: Iterator> Gather for I {}
