//! Gathering items into a row.

/// An iterator whose items can be gathered into a row.
///
/// ```
/// use paxoskv_sorted::Gather;
/// assert_eq!((1..6).filter(|n| n % 2 == 1).gather(), [1, 3, 5]);
/// ```
pub trait Gather: Iterator + Sized {
    /// The items in a row, as `collect` gathers them. In browsers they are put there one by one: most of the code of
    /// `collect` makes room in advance, and it is there anew for each kind of iterator.
    fn gather(self) -> Vec<Self::Item> {
        if cfg!(target_family = "wasm") { one_by_one(self) } else { self.collect() }
    }
}

impl<I: Iterator> Gather for I {}

fn one_by_one<T>(from: impl Iterator<Item = T>) -> Vec<T> {
    let mut items = Vec::new();
    for item in from {
        items.push(item);
    }
    items
}
