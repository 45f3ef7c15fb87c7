//! The names of a store's files, and their order.

use std::fmt;

use paxoskv_core::Opening;

/// Where a file stands in the order in which the store was written: the openings one after the other, and within an
/// opening its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) opening: Opening,
    /// The first segment of an opening is 1. A snapshot of 0 is older than all of them.
    pub(super) index: u64,
}

impl Place {
    /// The first segment of an opening.
    pub(super) fn first(opening: Opening) -> Self {
        Self { opening, index: 1 }
    }

    /// The next segment of the same opening.
    pub(super) fn next(self) -> Self {
        Self { index: self.index + 1, ..self }
    }
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A part of the log: batches, one after the other.
    Segment,
    /// All records as they are after the segment of the same place.
    Snapshot,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Segment => "log",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Names of files that are not whole yet end with this. An opening removes them.
pub(super) const UNFINISHED: &str = ".new";

/// A file of a store. It displays as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) Kind, pub(super) Place);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, place) = self;
        write!(f, "store-{:06}-{:06}.{}", place.opening.0, place.index, kind.extension())
    }
}

impl Name {
    /// The file that is named so; none where the name is not of a store's file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stem, extension) = text.strip_prefix("store-")?.split_once('.')?;
        let (opening, index) = stem.split_once('-')?;
        let kind = [Kind::Segment, Kind::Snapshot].into_iter().find(|kind| kind.extension() == extension)?;
        let place = Place { opening: Opening(opening.parse().ok()?), index: index.parse().ok()? };
        let name = Self(kind, place);
        // A number can be written in several ways, and only one of them is this store's.
        (name.to_string() == text).then_some(name)
    }
}

/// The files that hold a store's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// The newest snapshot.
    pub(super) snapshot: Option<Place>,
    /// The segments after it, in order.
    pub(super) segments: Vec<Place>,
    /// Files that the snapshot replaces, the oldest first.
    pub(super) replaced: Vec<Name>,
}

impl Files {
    /// Sorts the files of a folder.
    pub(super) fn of(names: &[String]) -> Self {
        let mut all: Vec<Name> = names.iter().filter_map(|name| Name::parse(name)).collect();
        all.sort_by_key(|Name(_, place)| *place);
        let snapshot =
            all.iter().rev().find(|Name(kind, _)| *kind == Kind::Snapshot).map(|Name(_, place)| *place);
        let mut files = Self { snapshot, ..Self::default() };
        for name in all {
            match name {
                Name(Kind::Segment, place) if snapshot.is_none_or(|snapshot| place > snapshot) => {
                    files.segments.push(place);
                }
                Name(Kind::Snapshot, place) if Some(place) == snapshot => {}
                replaced => files.replaced.push(replaced),
            }
        }
        files
    }

    /// The last opening that has left a file; 0 in a new store.
    pub(super) fn opening(&self) -> Opening {
        self.segments.last().copied().max(self.snapshot).map_or(Opening::default(), |place| place.opening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(opening: u64, index: u64) -> Place {
        Place { opening: Opening(opening), index }
    }

    #[test]
    fn a_name_is_read_as_it_was_written_and_nothing_else_is() {
        for name in [Name(Kind::Segment, place(1, 1)), Name(Kind::Snapshot, place(1_234_567, 0))] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        assert_eq!(Name(Kind::Segment, place(3, 12)).to_string(), "store-000003-000012.log");
        for other in
            ["store.lock", "store-1-1.log", "store-000001-000001.log.new", "store-000001-+00001.log", "notes"]
        {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_the_newest_snapshot_holds_is_not_read_again() {
        let names: Vec<String> = [
            Name(Kind::Segment, place(3, 1)),
            Name(Kind::Segment, place(2, 2)),
            Name(Kind::Snapshot, place(2, 1)),
            Name(Kind::Segment, place(2, 1)),
            Name(Kind::Snapshot, place(1, 1)),
        ]
        .iter()
        .map(Name::to_string)
        .collect();
        let files = Files::of(&names);
        assert_eq!((files.snapshot, &*files.segments), (Some(place(2, 1)), &[place(2, 2), place(3, 1)][..]));
        assert_eq!(files.replaced, [Name(Kind::Snapshot, place(1, 1)), Name(Kind::Segment, place(2, 1))]);
        assert_eq!(files.opening(), Opening(3));
    }
}
