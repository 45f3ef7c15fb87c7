//! The map that is small.

#![allow(
    missing_docs,
    reason = "the methods are those of the standard library's maps, where they are documented"
)]

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
        let sorted = self.order.places.iter().filter_map(|place| self.items.get_mut(*place as usize)?.take());
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
