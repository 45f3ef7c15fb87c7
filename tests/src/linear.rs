//! A checker for linearizability (Herlihy and Wing 1990), after Wing and Gong 1993 with Lowe's memo of 2017.
//!
//! It looks for one order of a key's operations that agrees with real time (what had returned before another was
//! called comes before it) and with what a write-once key does. Keys are independent, so each is checked alone.

use std::collections::{HashMap, HashSet};

/// One operation on the key.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was asked.
    pub kind: Kind,
    /// When it was called.
    pub call: u64,
    /// When it returned, and what; `None` where it did not return, or returned that it may or may not have happened.
    pub returned: Option<(u64, Answer)>,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To put this entry.
    Put(u64),
    /// To know what is there.
    Get,
    /// To end this entry.
    End(u64),
    /// To end the entry that is there, whichever that is.
    Erase,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key has this entry, in this generation.
    Entry(u64, u64),
    /// The key has none.
    Absent,
    /// The entry is over.
    Ended,
}

/// A set of operations, by their places.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
    }

    fn with(&self, at: usize) -> Self {
        let mut words = self.0.clone();
        words.resize(words.len().max(at / 64 + 1), 0);
        words[at / 64] |= 1 << (at % 64);
        Self(words)
    }
}

/// The key: the entry that it has, the generation above which the next one must be, and what took its last entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    entry: Option<u64>,
    above: u64,
    ended_by: Option<usize>,
}

/// Judges one key's history.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(history: &[Operation]) -> Result<(), String> {
    let mut generations: HashMap<u64, u64> = HashMap::new();
    for operation in history {
        if let Some((_, Answer::Entry(entry, generation))) = operation.returned
            && *generations.entry(entry).or_insert(generation) != generation
        {
            return Err(format!("entry {entry} was seen in two generations"));
        }
    }
    // What never returned and was never seen changes nothing that anyone saw, so it need not be placed.
    let operations: Vec<&Operation> = history
        .iter()
        .filter(|operation| match (&operation.returned, operation.kind) {
            (Some(_), _) | (None, Kind::End(_) | Kind::Erase) => true,
            (None, Kind::Put(entry)) => generations.contains_key(&entry),
            (None, Kind::Get) => false,
        })
        .collect();
    let mut search = Search { operations, generations, seen: HashSet::new(), furthest: Vec::new() };
    if search.place(&Done::default(), Key::default(), &mut Vec::new()) {
        return Ok(());
    }
    let placed: Vec<String> =
        search.furthest.iter().map(|at| format!("{:?}", search.operations[*at])).collect();
    let rest: Vec<String> = (0..search.operations.len())
        .filter(|at| !search.furthest.contains(at))
        .map(|at| format!("{:?}", search.operations[at]))
        .collect();
    Err(format!(
        "not linearizable; the longest order found:\n  {}\nleft:\n  {}",
        placed.join("\n  "),
        rest.join("\n  ")
    ))
}

struct Search<'a> {
    operations: Vec<&'a Operation>,
    generations: HashMap<u64, u64>,
    seen: HashSet<(Done, Key)>,
    furthest: Vec<usize>,
}

impl Search<'_> {
    /// Whether the operations that are left can be placed after those that are done.
    fn place(&mut self, done: &Done, key: Key, order: &mut Vec<usize>) -> bool {
        if order.len() > self.furthest.len() {
            self.furthest.clone_from(order);
        }
        let mut left: Vec<usize> = (0..self.operations.len()).filter(|at| !done.contains(*at)).collect();
        let returns = left.iter().filter_map(|at| self.operations[*at].returned.map(|(at, _)| at));
        let Some(first_return) = returns.min() else { return true };
        if !self.seen.insert((done.clone(), key)) {
            return false;
        }
        // What may have happened at any time, or never, is tried where nothing else will do.
        left.sort_by_key(|at| self.operations[*at].returned.is_none());
        for at in left {
            if self.operations[at].call > first_return {
                continue;
            }
            let Some(next) = self.apply(key, at) else { continue };
            order.push(at);
            if self.place(&done.with(at), next, order) {
                return true;
            }
            order.pop();
        }
        false
    }

    /// The key after an operation, if its answer is what the key would say.
    fn apply(&self, key: Key, at: usize) -> Option<Key> {
        let operation = self.operations[at];
        let answer = operation.returned.map(|(_, answer)| answer);
        let (next, says) = match (operation.kind, key.entry) {
            (Kind::Get, None) => (key, Answer::Absent),
            (Kind::Get | Kind::Put(_), Some(entry)) => (key, self.named(entry)),
            (Kind::Put(entry), None) => {
                let generation = self.generations.get(&entry).copied();
                if generation.is_some_and(|generation| generation < key.above) {
                    return None;
                }
                let above = generation.map_or(key.above, |generation| generation + 1);
                (Key { entry: Some(entry), above, ..key }, self.named(entry))
            }
            (Kind::End(entry), Some(current)) if entry == current => {
                (Key { entry: None, ended_by: Some(at), ..key }, Answer::Ended)
            }
            (Kind::End(_), _) => (key, Answer::Ended),
            (Kind::Erase, Some(_)) => (Key { entry: None, ended_by: Some(at), ..key }, Answer::Ended),
            // It may have seen the entry that another took from it at the same time.
            (Kind::Erase, None) if answer == Some(Answer::Ended) && self.overlaps(key.ended_by, at) => {
                (key, Answer::Ended)
            }
            (Kind::Erase, None) => (key, Answer::Absent),
        };
        answer.is_none_or(|answer| answer == says).then_some(next)
    }

    /// Whether the one, where there is one, had not returned when the other was called.
    fn overlaps(&self, one: Option<usize>, other: usize) -> bool {
        let returned = one.map(|one| self.operations[one].returned);
        returned.is_some_and(|returned| returned.is_none_or(|(at, _)| at > self.operations[other].call))
    }

    fn named(&self, entry: u64) -> Answer {
        Answer::Entry(entry, self.generations.get(&entry).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(kind: Kind, call: u64, at: u64, answer: Answer) -> Operation {
        Operation { kind, call, returned: Some((at, answer)) }
    }

    #[test]
    fn overlapping_puts_may_take_either_order_but_one() {
        let one = op(Kind::Put(1), 0, 10, Answer::Entry(2, 0));
        let two = op(Kind::Put(2), 1, 9, Answer::Entry(2, 0));
        assert_eq!(check(&[one.clone(), two]), Ok(()));
        let other = op(Kind::Put(2), 1, 9, Answer::Entry(1, 0));
        assert!(check(&[one, other]).is_err());
    }

    #[test]
    fn a_get_must_see_what_was_put_before_it() {
        let put = op(Kind::Put(1), 0, 1, Answer::Entry(1, 0));
        assert!(check(&[put.clone(), op(Kind::Get, 2, 3, Answer::Absent)]).is_err());
        assert_eq!(check(&[put, op(Kind::Get, 0, 3, Answer::Absent)]), Ok(()));
    }

    #[test]
    fn a_value_that_was_seen_does_not_vanish() {
        let put = Operation { kind: Kind::Put(1), call: 0, returned: None };
        let seen = op(Kind::Get, 1, 2, Answer::Entry(1, 0));
        let gone = op(Kind::Get, 3, 4, Answer::Absent);
        assert!(check(&[put.clone(), seen.clone(), gone.clone()]).is_err());
        assert_eq!(check(&[put.clone(), gone]), Ok(()));
        let end = Operation { kind: Kind::End(1), call: 2, returned: None };
        assert_eq!(check(&[put, seen, end, op(Kind::Get, 3, 4, Answer::Absent)]), Ok(()));
    }

    #[test]
    fn a_successor_has_a_higher_generation() {
        let history = |generation| {
            [
                op(Kind::Put(1), 0, 1, Answer::Entry(1, 3)),
                op(Kind::End(1), 2, 3, Answer::Ended),
                op(Kind::Put(2), 4, 5, Answer::Entry(2, generation)),
            ]
        };
        assert_eq!(check(&history(4)), Ok(()));
        assert!(check(&history(3)).is_err());
    }

    #[test]
    fn erases_that_overlap_may_end_one_entry_together() {
        let put = op(Kind::Put(1), 0, 1, Answer::Entry(1, 0));
        let erase = |call, at, answer| op(Kind::Erase, call, at, answer);
        let both = [put.clone(), erase(2, 9, Answer::Ended), erase(3, 8, Answer::Ended)];
        assert_eq!(check(&both), Ok(()));
        let later = [put.clone(), erase(2, 3, Answer::Ended), erase(4, 5, Answer::Ended)];
        assert!(check(&later).is_err());
        assert!(check(&[put, erase(2, 3, Answer::Absent)]).is_err());
        assert!(check(&[erase(2, 3, Answer::Ended)]).is_err());
    }

    #[test]
    fn what_was_ended_is_not_seen_again() {
        let history = [
            op(Kind::Put(1), 0, 1, Answer::Entry(1, 0)),
            op(Kind::End(1), 2, 3, Answer::Ended),
            op(Kind::Get, 4, 5, Answer::Entry(1, 0)),
        ];
        assert!(check(&history).is_err());
    }
}
