//! Sorted maps and sets whose code is small, and rows that are gathered by code that is small.
//!
//! Natively these are the standard library's. What browsers download is another matter: the code of a B-tree is eight
//! kilobytes for each type that is kept in one, of which PaxosKV has dozens, and together they were a quarter of the
//! download. Here a map is a sorted row of boxes, with an item in each. The code that moves boxes is the same whatever is in
//! them, so it is there once. An item that comes or goes moves the boxes behind its own, four bytes each.

mod gather;
#[cfg(any(test, target_family = "wasm"))]
mod map;
#[cfg(any(test, target_family = "wasm"))]
mod set;

pub use gather::Gather;
#[cfg(not(target_family = "wasm"))]
pub use std::collections::{BTreeMap as Map, BTreeSet as Set};

#[cfg(target_family = "wasm")]
pub use {map::Map, set::Set};

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::map::Map;
    use super::set::Set;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
        Entry(u8, u16),
        Change(u8, u16),
        Retain(u16),
        Extend(Vec<(u8, u16)>),
        SplitOff(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            6 => any::<u8>().prop_map(Step::Remove),
            2 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Entry(key, value)),
            2 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Change(key, value)),
            1 => (2..5_u16).prop_map(Step::Retain),
            1 => prop::collection::vec(any::<(u8, u16)>(), 0..200).prop_map(Step::Extend),
            1 => any::<u8>().prop_map(Step::SplitOff),
        ]
    }

    fn bound() -> impl Strategy<Value = Bound<u8>> {
        prop_oneof![
            any::<u8>().prop_map(Bound::Included),
            any::<u8>().prop_map(Bound::Excluded),
            Just(Bound::Unbounded),
        ]
    }

    proptest! {
        #[test]
        fn a_map_is_as_the_standard_one(
            steps in prop::collection::vec(step(), 0..400),
            start in bound(),
            end in bound(),
        ) {
            let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
            for step in steps {
                match step.clone() {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value));
                    }
                    Step::Remove(key) => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    Step::Entry(key, value) => {
                        prop_assert_eq!(ours.entry(key).or_insert(value), theirs.entry(key).or_insert(value));
                    }
                    Step::Change(key, value) => {
                        prop_assert_eq!(ours.get_mut(&key).map(|old| *old = value), theirs.get_mut(&key).map(|old| *old = value));
                    }
                    Step::Retain(every) => {
                        ours.retain(|_, value| *value % every != 0);
                        theirs.retain(|_, value| *value % every != 0);
                    }
                    Step::SplitOff(key) => {
                        prop_assert!(ours.split_off(&key).into_iter().eq(theirs.split_off(&key)));
                    }
                    Step::Extend(items) => {
                        ours.extend(items.clone());
                        theirs.extend(items);
                    }
                }
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert_eq!(ours.is_empty(), theirs.is_empty());
                prop_assert_eq!(ours.first_key_value(), theirs.first_key_value());
                prop_assert!(ours.iter().eq(theirs.iter()), "{:?} is not {:?}", ours, theirs);
                for key in 0..=u8::MAX {
                    prop_assert_eq!(ours.get(&key), theirs.get(&key));
                }
            }
            // The standard one panics where there is no range.
            let backwards = match (start, end) {
                (Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
                (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start > end,
                _ => false,
            };
            if !backwards {
                prop_assert!(ours.range((start, end)).eq(theirs.range((start, end))));
            }
            prop_assert!(ours.into_iter().eq(theirs));
        }

        #[test]
        fn a_set_is_as_the_standard_one(keys in prop::collection::vec(any::<(bool, u8)>(), 0..600)) {
            let (mut ours, mut theirs) = (Set::new(), BTreeSet::new());
            for (insert, key) in keys {
                if insert {
                    prop_assert_eq!(ours.insert(key), theirs.insert(key));
                } else {
                    prop_assert_eq!(ours.remove(&key), theirs.remove(&key));
                }
                prop_assert_eq!(ours.first(), theirs.first());
                prop_assert_eq!(ours.contains(&key), theirs.contains(&key));
            }
            let mut more: Set<u8> = [1, 2].into();
            more.append(&mut ours);
            prop_assert!(ours.is_empty());
            theirs.extend([1, 2]);
            prop_assert!(more.into_iter().eq(theirs));
        }
    }
}
