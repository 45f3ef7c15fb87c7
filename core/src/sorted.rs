//! Sorted maps and sets whose code is small.
//!
//! Natively these are the standard library's. What browsers download is another matter: the code of a B-tree is eight
//! kilobytes for each type that is kept in one, of which the core has dozens, and together they were a quarter of the
//! download. Here a map is a row of items as they came and the order of their places, which is kept by code that is
//! there once. An item that comes or goes moves the places behind its own, four bytes each.

#[cfg(not(target_family = "wasm"))]
pub use std::collections::{BTreeMap as Map, BTreeSet as Set};

#[cfg(target_family = "wasm")]
pub use small::{Map, Set};

#[cfg(any(test, target_family = "wasm"))]
pub mod small {
    use std::borrow::Borrow;
    use std::cmp::Ordering;
    use std::fmt;
    use std::hash::{Hash, Hasher};
    use std::ops::{Bound, RangeBounds};
    use std::slice;
    use std::vec::IntoIter;

    /// The order of a map's items. It knows their places alone, so this code is there once for all maps.
    #[derive(Clone, Default)]
    struct Order {
        /// The places of the items, sorted by the items' keys.
        places: Vec<u32>,
        /// Places that nothing is in.
        free: Vec<u32>,
    }

    impl Order {
        /// Where in the order an item is, or where it would go. The order of the item at a place and the item looked
        /// for is what `compare` says.
        #[inline(never)]
        fn find(&self, compare: &mut dyn FnMut(usize) -> Ordering) -> Result<usize, usize> {
            self.places.binary_search_by(|place| compare(*place as usize))
        }

        /// Finds a place for an item, which goes here in the order.
        #[inline(never)]
        fn insert(&mut self, at: usize) -> usize {
            let place = self.free.pop().unwrap_or(self.places.len() as u32);
            self.places.insert(at, place);
            place as usize
        }

        /// Takes an item out of the order; says what its place was.
        #[inline(never)]
        fn remove(&mut self, at: usize) -> usize {
            let place = self.places.remove(at);
            self.free.push(place);
            place as usize
        }

        /// Takes the items from here on out; says what their places were.
        #[inline(never)]
        fn split_off(&mut self, at: usize) -> Vec<u32> {
            let places = self.places.split_off(at);
            self.free.extend(&places);
            places
        }
    }

    /// A map whose items are sorted by key.
    #[derive(Clone)]
    pub struct Map<K, V> {
        order: Order,
        items: Vec<Option<(K, V)>>,
    }

    impl<K, V> Default for Map<K, V> {
        fn default() -> Self {
            Self { order: Order::default(), items: Vec::new() }
        }
    }

    impl<K, V> Map<K, V> {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn is_empty(&self) -> bool {
            self.order.places.is_empty()
        }

        pub fn len(&self) -> usize {
            self.order.places.len()
        }

        pub fn clear(&mut self) {
            *self = Self::default();
        }

        pub fn iter(&self) -> Iter<'_, K, V> {
            self.iter_from(0)
        }

        fn iter_from(&self, at: usize) -> Iter<'_, K, V> {
            Iter { places: self.order.places.get(at..).unwrap_or_default().iter(), items: &self.items }
        }

        pub fn iter_mut(&mut self) -> IntoIter<(&K, &mut V)> {
            let mut items: Vec<_> = self.items.iter_mut().map(Option::as_mut).collect();
            let sorted = self.order.places.iter().filter_map(|place| items.get_mut(*place as usize)?.take());
            sorted.map(|(key, value)| (&*key, value)).collect::<Vec<_>>().into_iter()
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
            self.iter_mut().map(|(_, value)| value)
        }

        pub fn into_keys(self) -> impl Iterator<Item = K> {
            self.into_iter().map(|(key, _)| key)
        }

        pub fn into_values(self) -> impl Iterator<Item = V> {
            self.into_iter().map(|(_, value)| value)
        }

        pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
            let (items, free) = (&mut self.items, &mut self.order.free);
            self.order.places.retain(|place| {
                let Some(item) = items.get_mut(*place as usize) else { return false };
                let kept = item.as_mut().is_some_and(|(key, value)| keep(key, value));
                if !kept {
                    *item = None;
                    free.push(*place);
                }
                kept
            });
        }

        /// The value of the item that is here in the order.
        fn value_mut(&mut self, at: usize) -> Option<&mut V> {
            let place = *self.order.places.get(at)?;
            self.items.get_mut(place as usize)?.as_mut().map(|(_, value)| value)
        }

        /// Puts an item here in the order.
        fn put(&mut self, at: usize, key: K, value: V) {
            let place = self.order.insert(at);
            match self.items.get_mut(place) {
                Some(item) => *item = Some((key, value)),
                None => self.items.push(Some((key, value))),
            }
        }
    }

    impl<K: Ord, V> Map<K, V> {
        /// Where in the order a key is, or where it would go.
        fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
        where
            K: Borrow<Q>,
        {
            self.order.find(&mut |place| match self.items.get(place) {
                Some(Some((theirs, _))) => theirs.borrow().cmp(key),
                _ => Ordering::Less,
            })
        }

        pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
        where
            K: Borrow<Q>,
        {
            self.find(key).ok().and_then(|at| self.iter_from(at).next()).map(|(_, value)| value)
        }

        pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
        where
            K: Borrow<Q>,
        {
            self.find(key).ok().and_then(|at| self.value_mut(at))
        }

        pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
        where
            K: Borrow<Q>,
        {
            self.find(key).is_ok()
        }

        pub fn insert(&mut self, key: K, value: V) -> Option<V> {
            match self.find(&key) {
                Ok(at) => self.value_mut(at).map(|old| std::mem::replace(old, value)),
                Err(at) => {
                    self.put(at, key, value);
                    None
                }
            }
        }

        pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
        where
            K: Borrow<Q>,
        {
            let place = self.find(key).map(|at| self.order.remove(at)).ok()?;
            self.items.get_mut(place)?.take().map(|(_, value)| value)
        }

        /// Takes the items from this key on out, the key included.
        pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
        where
            K: Borrow<Q>,
        {
            let at = self.find(key).unwrap_or_else(|at| at);
            let places = self.order.split_off(at);
            places.into_iter().filter_map(|place| self.items.get_mut(place as usize)?.take()).collect()
        }

        pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
            Entry { map: self, key }
        }

        /// The items whose keys are in a range, in order.
        pub fn range<Q: Ord, R: RangeBounds<Q>>(&self, range: R) -> impl Iterator<Item = (&K, &V)>
        where
            K: Borrow<Q>,
        {
            let start = match range.start_bound() {
                Bound::Unbounded => 0,
                Bound::Included(key) => self.find(key).unwrap_or_else(|at| at),
                Bound::Excluded(key) => self.find(key).map_or_else(|at| at, |at| at + 1),
            };
            self.iter_from(start).take_while(move |(key, _)| match range.end_bound() {
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
        #[allow(clippy::expect_used, reason = "it was put there")]
        pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
            let Self { map, key } = self;
            let at = match map.find(&key) {
                Ok(at) => at,
                Err(at) => {
                    map.put(at, key, make());
                    at
                }
            };
            map.value_mut(at).expect("an item at each place in the order")
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
        places: slice::Iter<'a, u32>,
        items: &'a [Option<(K, V)>],
    }

    impl<'a, K, V> Iterator for Iter<'a, K, V> {
        type Item = (&'a K, &'a V);

        fn next(&mut self) -> Option<Self::Item> {
            let place = *self.places.next()?;
            self.items.get(place as usize)?.as_ref().map(|(key, value)| (key, value))
        }
    }

    impl<'a, K, V> IntoIterator for &'a Map<K, V> {
        type Item = (&'a K, &'a V);
        type IntoIter = Iter<'a, K, V>;
        fn into_iter(self) -> Iter<'a, K, V> {
            self.iter()
        }
    }

    impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
        type Item = (&'a K, &'a mut V);
        type IntoIter = IntoIter<Self::Item>;
        fn into_iter(self) -> Self::IntoIter {
            self.iter_mut()
        }
    }

    impl<K, V> IntoIterator for Map<K, V> {
        type Item = (K, V);
        type IntoIter = IntoIter<(K, V)>;
        fn into_iter(mut self) -> Self::IntoIter {
            let sorted =
                self.order.places.iter().filter_map(|place| self.items.get_mut(*place as usize)?.take());
            sorted.collect::<Vec<_>>().into_iter()
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

    impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
        fn eq(&self, other: &Self) -> bool {
            self.iter().eq(other.iter())
        }
    }

    impl<K: Eq, V: Eq> Eq for Map<K, V> {}

    impl<K: Hash, V: Hash> Hash for Map<K, V> {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            self.len().hash(hasher);
            self.iter().for_each(|item| item.hash(hasher));
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
        type IntoIter = std::iter::Map<IntoIter<(K, ())>, fn((K, ())) -> K>;
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

    use super::small::{Map, Set};

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
