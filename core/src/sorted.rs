//! Sorted maps and sets whose code is small.
//!
//! Natively these are the standard library's. What browsers download is another matter: the code of a B-tree is eight
//! kilobytes for each type that is kept in one, of which the core has dozens, and together they were a quarter of the
//! download. Here a map is a row of short sorted runs, which does the same, at about the same speed, in a tenth of that.

#[cfg(not(target_family = "wasm"))]
pub use std::collections::{BTreeMap as Map, BTreeSet as Set};

#[cfg(target_family = "wasm")]
pub use runs::{Map, Set};

#[cfg(any(test, target_family = "wasm"))]
pub mod runs {
    use std::borrow::Borrow;
    use std::fmt;
    use std::iter::Flatten;
    use std::ops::{Bound, RangeBounds};
    use std::vec::IntoIter;

    /// A run that grows longer than this is cut in two.
    const RUN: usize = 64;

    /// A map whose items are sorted by key.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct Map<K, V> {
        /// None is empty, and each is sorted and below the next.
        runs: Vec<Vec<(K, V)>>,
    }

    /// Where an item is: in which run, and where in that.
    type Place = (usize, usize);

    impl<K, V> Default for Map<K, V> {
        fn default() -> Self {
            Self { runs: Vec::new() }
        }
    }

    impl<K, V> Map<K, V> {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn is_empty(&self) -> bool {
            self.runs.is_empty()
        }

        pub fn len(&self) -> usize {
            self.runs.iter().map(Vec::len).sum()
        }

        pub fn clear(&mut self) {
            self.runs.clear();
        }

        pub fn iter(&self) -> Iter<'_, K, V> {
            Iter { runs: &self.runs, at: 0 }
        }

        pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
            self.into_iter()
        }

        pub fn first_key_value(&self) -> Option<(&K, &V)> {
            self.iter().next()
        }

        pub fn keys(&self) -> impl Iterator<Item = &K> {
            self.iter().map(|(key, _)| key)
        }

        pub fn values(&self) -> impl Iterator<Item = &V> {
            self.iter().map(|(_, value)| value)
        }

        pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
            self.runs.iter_mut().flatten().map(|(_, value)| value)
        }

        pub fn into_keys(self) -> impl Iterator<Item = K> {
            self.into_iter().map(|(key, _)| key)
        }

        pub fn into_values(self) -> impl Iterator<Item = V> {
            self.into_iter().map(|(_, value)| value)
        }

        pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
            for run in &mut self.runs {
                run.retain_mut(|(key, value)| keep(key, value));
            }
            self.runs.retain(|run| !run.is_empty());
        }
    }

    impl<K: Ord, V> Map<K, V> {
        /// Where a key is, or where it would go.
        fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
        where
            K: Borrow<Q>,
        {
            let after = self.runs.partition_point(|run| run.first().is_some_and(|(k, _)| k.borrow() <= key));
            let at = after.saturating_sub(1);
            let Some(run) = self.runs.get(at) else { return Err((0, 0)) };
            match run.binary_search_by(|(k, _)| k.borrow().cmp(key)) {
                Ok(there) => Ok((at, there)),
                Err(there) => Err((at, there)),
            }
        }

        /// Puts an item where [`find`](Self::find) said that it would go; says where it went.
        fn put(&mut self, (mut at, mut there): Place, key: K, value: V) -> Place {
            if self.runs.is_empty() {
                self.runs.push(Vec::new());
            }
            self.runs[at].insert(there, (key, value));
            if self.runs[at].len() > RUN {
                let upper = self.runs[at].split_off(RUN / 2);
                self.runs.insert(at + 1, upper);
                if there >= RUN / 2 {
                    (at, there) = (at + 1, there - RUN / 2);
                }
            }
            (at, there)
        }

        pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
        where
            K: Borrow<Q>,
        {
            self.find(key).ok().map(|(at, there)| &self.runs[at][there].1)
        }

        pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
        where
            K: Borrow<Q>,
        {
            self.find(key).ok().map(|(at, there)| &mut self.runs[at][there].1)
        }

        pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
        where
            K: Borrow<Q>,
        {
            self.find(key).is_ok()
        }

        pub fn insert(&mut self, key: K, value: V) -> Option<V> {
            match self.find(&key) {
                Ok((at, there)) => Some(std::mem::replace(&mut self.runs[at][there].1, value)),
                Err(place) => {
                    self.put(place, key, value);
                    None
                }
            }
        }

        pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
        where
            K: Borrow<Q>,
        {
            let (at, there) = self.find(key).ok()?;
            let (_, value) = self.runs[at].remove(there);
            let len = self.runs[at].len();
            let next = self.runs.get(at + 1).map_or(RUN, Vec::len);
            if len == 0 {
                self.runs.remove(at);
            } else if len + next <= RUN / 2 {
                let next = self.runs.remove(at + 1);
                self.runs[at].extend(next);
            }
            Some(value)
        }

        /// Takes the items from this key on out, the key included.
        pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
        where
            K: Borrow<Q>,
        {
            let (at, there) = self.find(key).unwrap_or_else(|place| place);
            let Some(run) = self.runs.get_mut(at) else { return Self::default() };
            let upper = run.split_off(there);
            let mut runs = self.runs.split_off(at + 1);
            if !upper.is_empty() {
                runs.insert(0, upper);
            }
            self.runs.retain(|run| !run.is_empty());
            Self { runs }
        }

        pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
            Entry { map: self, key }
        }

        /// The items whose keys are in a range, in order.
        pub fn range<Q: Ord, R: RangeBounds<Q>>(&self, range: R) -> impl Iterator<Item = (&K, &V)>
        where
            K: Borrow<Q>,
        {
            let (run, at) = match range.start_bound() {
                Bound::Unbounded => (0, 0),
                Bound::Included(key) => self.find(key).unwrap_or_else(|place| place),
                Bound::Excluded(key) => match self.find(key) {
                    Ok((run, at)) => (run, at + 1),
                    Err(place) => place,
                },
            };
            let iter = Iter { runs: self.runs.get(run..).unwrap_or_default(), at };
            iter.take_while(move |(key, _)| match range.end_bound() {
                Bound::Unbounded => true,
                Bound::Included(end) => Borrow::<Q>::borrow(*key) <= end,
                Bound::Excluded(end) => Borrow::<Q>::borrow(*key) < end,
            })
        }
    }

    /// A key in a map, there or not.
    pub struct Entry<'a, K, V> {
        map: &'a mut Map<K, V>,
        key: K,
    }

    impl<'a, K: Ord, V> Entry<'a, K, V> {
        pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
            let Self { map, key } = self;
            let (at, there) = match map.find(&key) {
                Ok(place) => place,
                Err(place) => map.put(place, key, make()),
            };
            &mut map.runs[at][there].1
        }

        pub fn or_insert(self, value: V) -> &'a mut V {
            self.or_insert_with(|| value)
        }

        pub fn or_default(self) -> &'a mut V
        where
            V: Default,
        {
            self.or_insert_with(V::default)
        }
    }

    /// The items of a map in order.
    pub struct Iter<'a, K, V> {
        runs: &'a [Vec<(K, V)>],
        at: usize,
    }

    impl<'a, K, V> Iterator for Iter<'a, K, V> {
        type Item = (&'a K, &'a V);

        fn next(&mut self) -> Option<Self::Item> {
            loop {
                let (run, rest) = self.runs.split_first()?;
                if let Some((key, value)) = run.get(self.at) {
                    self.at += 1;
                    return Some((key, value));
                }
                (self.runs, self.at) = (rest, 0);
            }
        }
    }

    impl<'a, K, V> IntoIterator for &'a Map<K, V> {
        type Item = (&'a K, &'a V);
        type IntoIter = Iter<'a, K, V>;
        fn into_iter(self) -> Iter<'a, K, V> {
            self.iter()
        }
    }

    /// The items of a map in order, with values that may be changed.
    type IterMut<'a, K, V> = std::iter::Map<
        Flatten<std::slice::IterMut<'a, Vec<(K, V)>>>,
        fn(&'a mut (K, V)) -> (&'a K, &'a mut V),
    >;

    impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
        type Item = (&'a K, &'a mut V);
        type IntoIter = IterMut<'a, K, V>;
        fn into_iter(self) -> Self::IntoIter {
            self.runs.iter_mut().flatten().map(|(key, value)| (&*key, value))
        }
    }

    impl<K, V> IntoIterator for Map<K, V> {
        type Item = (K, V);
        type IntoIter = Flatten<IntoIter<Vec<(K, V)>>>;
        fn into_iter(self) -> Self::IntoIter {
            self.runs.into_iter().flatten()
        }
    }

    impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
        fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, items: I) {
            for (key, value) in items {
                self.insert(key, value);
            }
        }
    }

    impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
        fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
            let mut map = Self::new();
            map.extend(items);
            map
        }
    }

    impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
        fn from(items: [(K, V); N]) -> Self {
            Self::from_iter(items)
        }
    }

    impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_map().entries(self).finish()
        }
    }

    /// A set whose members are sorted.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct Set<K>(Map<K, ()>);

    impl<K> Default for Set<K> {
        fn default() -> Self {
            Self(Map::new())
        }
    }

    impl<K> Set<K> {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub fn len(&self) -> usize {
            self.0.len()
        }

        pub fn iter(&self) -> impl Iterator<Item = &K> {
            self.0.keys()
        }

        pub fn first(&self) -> Option<&K> {
            self.iter().next()
        }
    }

    impl<K: Ord> Set<K> {
        pub fn insert(&mut self, key: K) -> bool {
            self.0.insert(key, ()).is_none()
        }

        pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
        where
            K: Borrow<Q>,
        {
            self.0.contains_key(key)
        }

        pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
        where
            K: Borrow<Q>,
        {
            self.0.remove(key).is_some()
        }

        /// Takes all members of another set over.
        pub fn append(&mut self, other: &mut Self) {
            self.extend(std::mem::take(other));
        }
    }

    impl<'a, K> IntoIterator for &'a Set<K> {
        type Item = &'a K;
        type IntoIter = std::iter::Map<Iter<'a, K, ()>, fn((&'a K, &'a ())) -> &'a K>;
        fn into_iter(self) -> Self::IntoIter {
            self.0.iter().map(|(key, ())| key)
        }
    }

    impl<K> IntoIterator for Set<K> {
        type Item = K;
        type IntoIter = std::iter::Map<Flatten<IntoIter<Vec<(K, ())>>>, fn((K, ())) -> K>;
        fn into_iter(self) -> Self::IntoIter {
            self.0.into_iter().map(|(key, ())| key)
        }
    }

    impl<K: Ord> Extend<K> for Set<K> {
        fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
            for key in keys {
                self.insert(key);
            }
        }
    }

    impl<'a, K: Ord + Copy + 'a> Extend<&'a K> for Set<K> {
        fn extend<I: IntoIterator<Item = &'a K>>(&mut self, keys: I) {
            self.extend(keys.into_iter().copied());
        }
    }

    impl<K: Ord> FromIterator<K> for Set<K> {
        fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
            let mut set = Self::new();
            set.extend(keys);
            set
        }
    }

    impl<K: Ord, const N: usize> From<[K; N]> for Set<K> {
        fn from(keys: [K; N]) -> Self {
            Self::from_iter(keys)
        }
    }

    impl<K: fmt::Debug> fmt::Debug for Set<K> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_set().entries(self).finish()
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::runs::{Map, Set};

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
